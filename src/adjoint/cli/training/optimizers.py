"""The optimiser and the schedule that a configuration names."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

from adjoint import optim
from adjoint.cli.failure import Failure
from adjoint.cli.training.config import Config, suggestion
from adjoint.errors import InputError

__all__ = ["optimizer_of"]

_OPTIMIZERS: dict[str, Any] = {
    cls.__name__.lower(): cls
    for cls in (optim.SGD, optim.Adam, optim.AdamW, optim.RMSprop, optim.Adagrad, optim.Lion)
}


def optimizer_of(config: Config, path: Path, steps: int) -> Any:
    """Return the optimiser; its schedule is in epochs, of so many steps."""
    table = dict(config.optimizer)
    kind = table.pop("kind", "adamw")
    schedule = table.pop("schedule", {})
    cls = _OPTIMIZERS.get(kind)
    if cls is None:
        close = suggestion(str(kind), _OPTIMIZERS)
        raise Failure(f"{path}: optimizer.kind is {kind!r}, which is not known{close}", 2)
    known = [f.name for f in dataclasses.fields(cls) if f.name != "weight_decay_mask"]
    for key in table:
        if key not in known:
            close = suggestion(key, ["kind", "schedule", *known])
            raise Failure(f"{path}: there is no key optimizer.{key}{close}", 2)
    if not isinstance(schedule, dict):
        schedule = {"kind": schedule}
    try:
        lr = table.pop("lr", cls().lr)
        table["lr"] = _schedule(lr, schedule, path, config.epochs, steps)
        values: dict[str, Any] = {
            k: tuple(v) if isinstance(v, list) else v for k, v in table.items()
        }
        return cls(**values)
    except (InputError, TypeError) as error:
        raise Failure(f"{path}: [optimizer]: {error}", 2) from None


_SCHEDULES = {
    "constant": (),
    "cosine": ("warmup_epochs", "end"),
    "step": ("every_epochs", "factor"),
    "exponential": ("factor",),
}


def _schedule(lr: float, table: dict[str, Any], path: Path, epochs: int, steps: int) -> Any:
    kind = table.get("kind", "constant")
    if kind not in _SCHEDULES:
        close = suggestion(str(kind), _SCHEDULES)
        raise Failure(f"{path}: optimizer.schedule.kind is {kind!r}, which is not known{close}", 2)
    for key, value in table.items():
        if key != "kind" and key not in _SCHEDULES[kind]:
            close = suggestion(key, ["kind", *_SCHEDULES[kind]])
            raise Failure(f"{path}: there is no key optimizer.schedule.{key}{close}", 2)
        if key != "kind" and (isinstance(value, bool) or not isinstance(value, (int, float))):
            raise Failure(f"{path}: optimizer.schedule.{key} is {value!r}: not a number", 2)
    if kind == "step":
        every = max(1, round(table.get("every_epochs", 10) * steps))
        return optim.StepLR(lr, every, table.get("factor", 0.1))
    if kind == "exponential":
        return optim.ExponentialLR(lr, table.get("factor", 0.9) ** (1 / steps))
    if kind == "cosine":
        total, warmup = max(1, epochs * steps), round(table.get("warmup_epochs", 0) * steps)
        end = table.get("end", 0.0)
        if warmup:
            return optim.WarmupCosineLR(lr, warmup, max(total, warmup + 1), eta_min=end)
        return optim.CosineAnnealingLR(lr, total, end)
    return lr
