"""What training has measured, epoch by epoch."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from adjoint.errors import InputError, MissingDependencyError

__all__ = ["History"]

_NOT_DRAWN = ("epoch", "step", "seconds", "examples_per_second")


@dataclass(frozen=True, repr=False)
class History:
    """One row an epoch.

    Attributes
    ----------
    rows : tuple of dict
        With ``epoch``, ``step``, ``loss``, then the metrics, ``val_loss`` and metrics of the
        validation data where there are any, and ``seconds`` and ``examples_per_second``.

    Examples
    --------
    >>> from adjoint import nn
    >>> history = nn.History(({"epoch": 1, "loss": 0.5}, {"epoch": 2, "loss": 0.25}))
    >>> history["loss"], history[-1]["epoch"], len(history)
    (array([0.5 , 0.25]), 2, 2)
    >>> history
    epoch  loss
        1   0.5
        2  0.25
    """

    rows: tuple[dict[str, Any], ...] = ()

    @property
    def columns(self) -> tuple[str, ...]:
        """The names of what was measured."""
        return tuple(dict.fromkeys(name for row in self.rows for name in row))

    def arrays(self) -> dict[str, np.ndarray]:
        """Return the columns by name; what an epoch has not is NaN."""
        return {name: self[name] for name in self.columns}

    def __getitem__(self, key: str | int) -> Any:
        if isinstance(key, str):
            if self.rows and key not in self.columns:
                raise KeyError(f"{key!r} was not measured; there are {', '.join(self.columns)}")
            return np.array([row.get(key, np.nan) for row in self.rows])
        return self.rows[key]

    def __len__(self) -> int:
        return len(self.rows)

    def __iter__(self) -> Iterator[dict[str, Any]]:
        return iter(self.rows)

    def __repr__(self) -> str:
        if not self.rows:
            return "History()"
        table = [list(self.columns)]
        table += [[_cell(row.get(name)) for name in self.columns] for row in self.rows]
        if len(table) > 41:
            table[21:-20] = [["…"] * len(table[0])]
        widths = [max(map(len, column)) for column in zip(*table, strict=True)]
        return "\n".join(
            "  ".join(cell.rjust(width) for cell, width in zip(row, widths, strict=True))
            for row in table
        )

    def with_row(self, row: dict[str, Any]) -> History:
        """Return the history with one more epoch."""
        return History((*self.rows, row))

    def to_json(self) -> str:
        """Return the rows as text; what is not finite, which JSON has no word for, is null."""
        rows = [{k: v if math.isfinite(v) else None for k, v in row.items()} for row in self.rows]
        return json.dumps(rows, indent=2)

    def plot(self, path: str | Path | None = None) -> Any:
        """Draw the losses, and the metrics below them, against the epochs.

        Parameters
        ----------
        path : str or Path, optional
            A file to write, in the format that its ending names.

        Returns
        -------
        matplotlib.figure.Figure
        """
        if not self.rows:
            raise InputError("there is nothing to plot: no epoch was finished")
        try:
            from matplotlib.figure import Figure
        except ImportError:
            raise MissingDependencyError(
                "plotting needs matplotlib: pip install 'adjoint[train]'"
            ) from None
        panels: dict[str, list[str]] = {}
        for name in self.columns:
            if name not in _NOT_DRAWN:
                panels.setdefault(name.removeprefix("val_"), []).append(name)
        figure = Figure(figsize=(6, 1 + 2.4 * len(panels)), layout="constrained")
        all_axes = figure.subplots(len(panels), 1, squeeze=False, sharex=True)[:, 0]
        for axes, (title, names) in zip(all_axes, panels.items(), strict=True):
            for name in names:
                kind = "validation" if name.startswith("val_") else "training"
                axes.plot(self["epoch"], self[name], marker=".", label=kind)
            axes.set_ylabel(title)
            axes.grid(alpha=0.3)
            if len(names) > 1:
                axes.legend()
        all_axes[-1].set_xlabel("epoch")
        if path is not None:
            figure.savefig(path, dpi=150)
        return figure


def _cell(value: Any) -> str:
    if value is None:
        return ""
    return f"{value:.5g}" if isinstance(value, float) else str(value)
