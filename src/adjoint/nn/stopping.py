"""When to stop before all epochs are done."""

from __future__ import annotations

import math
import signal
import threading
from dataclasses import dataclass
from types import FrameType
from typing import Any, Literal

from adjoint.errors import InputError
from adjoint.optim.settings import check_not_negative, check_whole

__all__ = ["EarlyStopping", "Interruption"]


@dataclass(frozen=True)
class EarlyStopping:
    """Stop when what is monitored has not become better for a number of epochs.

    Parameters
    ----------
    patience : int
        So many epochs in a row may bring nothing.
    monitor : str, optional
        A column of the history; ``val_loss``, or ``loss`` without validation data.
    min_delta : float
        By less than this, nothing has become better.
    mode : {"min", "max"}
        Whether small or large is good.
    restore_best : bool
        Whether the result is the model of the best epoch, not of the last one.
    """

    patience: int = 5
    monitor: str | None = None
    min_delta: float = 0.0
    mode: Literal["min", "max"] = "min"
    restore_best: bool = True

    def __post_init__(self) -> None:
        check_whole(1, patience=self.patience)
        check_not_negative(min_delta=self.min_delta)
        if self.mode not in ("min", "max"):
            raise InputError(f'mode is {self.mode!r}: it is "min" or "max"')

    def monitored(self, row: dict[str, Any]) -> float:
        """Return what is monitored, so that small is good."""
        name = self.monitor or ("val_loss" if "val_loss" in row else "loss")
        if name not in row:
            raise InputError(
                f"early stopping monitors {name!r}, which is not measured; there are "
                f"{', '.join(row)}"
            )
        return float(row[name]) if self.mode == "min" else -float(row[name])

    def better(self, value: float, best: float | None) -> bool:
        """Tell whether one value is better than the best before."""
        return not math.isnan(value) and (best is None or value < best - self.min_delta)


class Interruption:
    """Ctrl-C while this is entered asks for an end; a second one raises KeyboardInterrupt.

    Outside the main thread Python hears no signals, and nothing is changed.

    Attributes
    ----------
    asked : bool
    """

    def __init__(self) -> None:
        self.asked = False
        self._before: Any = None
        self._main = threading.current_thread() is threading.main_thread()

    def _hear(self, number: int, frame: FrameType | None) -> None:
        if self.asked:
            raise KeyboardInterrupt
        self.asked = True

    def __enter__(self) -> Interruption:
        if self._main:
            self._before = signal.signal(signal.SIGINT, self._hear)
        return self

    def __exit__(self, *_: object) -> None:
        if self._main:
            # None: it was not installed from Python, and cannot be put back.
            before = signal.default_int_handler if self._before is None else self._before
            signal.signal(signal.SIGINT, before)
