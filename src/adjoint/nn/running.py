"""Everything that a run of training is at a moment, and how it is kept in a file.

What is kept is the model and what belongs to it, the optimiser's state, the random generators, how
far the epoch has come, and what was measured: a run that is taken up again goes on as if it had
never stopped.
"""

from __future__ import annotations

import dataclasses
import os
from typing import Any

import numpy as np

from adjoint import tree
from adjoint.errors import CheckpointError
from adjoint.nn import checkpoints
from adjoint.nn.history import History
from adjoint.nn.init import generator

__all__ = ["Progress", "Run", "generators", "keep", "take_up"]

_FORMAT = "fit 1"


@dataclasses.dataclass
class Progress:
    """How far training has come.

    Attributes
    ----------
    epoch : int
        How many epochs are done.
    batch : int
        How many batches of the next one are done.
    step : int
        How many steps were made.
    total, examples : float, int
        Of this epoch: the sum of the losses of all examples, and how many they are.
    seconds : float
        What it took.
    best, waited : float or None, int
        The best of what early stopping monitors, and for how many epochs nothing was better.
    """

    epoch: int = 0
    batch: int = 0
    step: int = 0
    total: float = 0.0
    examples: int = 0
    seconds: float = 0.0
    best: float | None = None
    waited: int = 0


class Run:
    """A run of training at a moment.

    Parameters
    ----------
    parts : tuple
        The model, its state, that of the optimiser, and that of the average (or None).
    order, noise : Generator

    Attributes
    ----------
    leaves, spec : list, structure
        Of the parts, which are not put together before they are looked at.
    order, noise : Generator
        Of the order of the data, as it was when the epoch began; of the loss.
    progress : Progress
    history : History
    best : tuple or None
        The parts of the best epoch, where early stopping restores it.
    """

    def __init__(self, parts: Any, order: np.random.Generator, noise: np.random.Generator) -> None:
        self.leaves, self.spec = tree.flatten(parts)
        self.order = order
        self.noise = noise
        self.progress = Progress()
        self.history = History()
        self.best: tuple[Any, Any, Any, Any] | None = None

    @property
    def parts(self) -> tuple[Any, Any, Any, Any]:
        """The model, its state, that of the optimiser, and that of the average (or None)."""
        return tree.unflatten(self.spec, self.leaves)


def generators(rng: Any) -> tuple[np.random.Generator, np.random.Generator]:
    """Return two independent generators, for the order of the data and for the loss."""
    order, noise = generator(rng).spawn(2)
    return order, noise


def keep(path: str | os.PathLike[str], run: Run, data: dict[str, Any]) -> None:
    """Write a run to a file; ``data`` says what it is trained on."""
    notes = {
        "format": _FORMAT,
        "progress": dataclasses.asdict(run.progress),
        "history": list(run.history.rows),
        "order": _state_of(run.order),
        "noise": _state_of(run.noise),
        "data": data,
        "best": run.best is not None,
    }
    checkpoints.write(path, _tree(run.parts, run.best), notes)


def take_up(path: str | os.PathLike[str], run: Run, data: dict[str, Any]) -> None:
    """Make a fresh run what was kept in a file.

    Raises
    ------
    CheckpointError
        If the file is damaged, or was kept by a run of another model or optimiser.
    """
    notes = checkpoints.read_notes(path)
    if notes.get("format") != _FORMAT:
        raise CheckpointError(f"{path} holds arrays, but is no checkpoint of `fit`")
    kept, notes = checkpoints.read(path, _tree(run.parts, run.parts if notes["best"] else None))
    progress = Progress(**notes["progress"])
    if progress.batch and notes["data"] != data:
        changed = [k for k in data if notes["data"].get(k) != data[k]]
        raise CheckpointError(
            f"{path} was written in the middle of an epoch, which cannot be gone on with: "
            + "; ".join(f"{k} was {notes['data'].get(k)}, now it is {data[k]}" for k in changed)
        )
    run.leaves, run.spec = tree.flatten(_parts(kept))
    run.best = None if kept.best is None else _parts(kept.best)
    run.progress, run.history = progress, History(tuple(notes["history"]))
    run.order, run.noise = _generator(notes["order"]), _generator(notes["noise"])


@dataclasses.dataclass
class _Kept:
    """The arrays of a run; the fields are the first parts of their names."""

    model: Any
    state: Any
    optimizer: Any
    average: Any
    best: Any = None


def _tree(parts: Any, best: Any) -> _Kept:
    model, state, optimizer, average = parts
    return _Kept(model, state, optimizer, average, None if best is None else _tree(best, None))


def _parts(kept: _Kept) -> tuple[Any, Any, Any, Any]:
    return kept.model, kept.state, kept.optimizer, kept.average


def _state_of(rng: np.random.Generator) -> Any:
    """Return the state of a generator as JSON has it."""

    def plain(x: Any) -> Any:
        if isinstance(x, dict):
            return {k: plain(v) for k, v in x.items()}
        return {"array": x.tolist(), "dtype": str(x.dtype)} if isinstance(x, np.ndarray) else x

    return plain(rng.bit_generator.state)


def _generator(state: Any) -> np.random.Generator:
    def restored(x: Any) -> Any:
        if not isinstance(x, dict):
            return x
        if x.keys() == {"array", "dtype"}:
            return np.array(x["array"], x["dtype"])
        return {k: restored(v) for k, v in x.items()}

    bits = getattr(np.random, state["bit_generator"])()
    bits.state = restored(state)
    return np.random.Generator(bits)
