"""From tables to what the loss takes: labels as numbers, two parts, features of one size."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np

from adjoint.cli.failure import Failure
from adjoint.cli.training.config import Config
from adjoint.cli.training.tables import Table, read_table

__all__ = ["examples"]


def examples(
    config: Config, path: Path, known: dict[str, Any] | None
) -> tuple[tuple[np.ndarray, ...], tuple[np.ndarray, ...] | None, dict[str, Any]]:
    """Return training data, validation data (or None), and the facts about them.

    Facts are the shape of an example, the names of the features, the classes, and by what features
    are shifted and divided: what has to be the same when a run is gone on with.
    """
    table = read_table(path.parent / config.data.path, config.data)
    facts = _facts(config, table, known)
    if known is not None:
        _check_same(facts, known, table)
        facts = known
    training: Any = _arrays(config, table, facts)
    held_out: Any = None
    if isinstance(config.data.validation, str):
        other = read_table(path.parent / config.data.validation, config.data)
        _check_same(_facts(config, other, facts), facts, other)
        held_out = _arrays(config, other, facts)
    elif config.data.validation:
        # Apart from the run's own generators: the parts stay the same when it is gone on with.
        order = np.random.default_rng([config.seed, 1]).permutation(len(training[0]))
        count = math.ceil(config.data.validation * len(order))
        if count == len(order):
            rows = f"{len(order)} row{'s' * (len(order) > 1)}"
            raise Failure(f"{table.path} has {rows}: none is left to train on", 2)
        held_out = tuple(array[np.sort(order[:count])] for array in training)
        training = tuple(array[np.sort(order[count:])] for array in training)
    if config.data.standardize:
        if facts["mean"] is None:
            axes = 0 if training[0].ndim == 2 else None
            deviation = np.std(training[0], axis=axes, dtype=np.float64)
            facts["mean"] = np.mean(training[0], axis=axes, dtype=np.float64).tolist()
            facts["deviation"] = np.where(deviation > 0, deviation, 1.0).tolist()
        training = _standardized(training, facts, config.dtype)
        held_out = None if held_out is None else _standardized(held_out, facts, config.dtype)
    return training, held_out, facts


def _facts(config: Config, table: Table, known: dict[str, Any] | None = None) -> dict[str, Any]:
    """Return the shape of an example, the names of its features, and the classes."""
    classes: Any = 0
    if config.loss == "cross_entropy":
        if table.target.dtype.kind in "US":
            classes = known["classes"] if known else sorted({str(x) for x in table.target})
        else:
            most = int(np.max(table.target)) + 1 if np.max(table.target) < 1e9 else 0
            classes = config.model.classes or (known["classes"] if known else most)
    return {
        "shape": list(table.features.shape[1:]), "names": table.names, "classes": classes,
        "mean": None, "deviation": None,
    }  # fmt: skip


def _check_same(found: dict[str, Any], known: dict[str, Any], table: Table) -> None:
    """Refuse data of another form than those that the run began with."""
    if found["shape"] != known["shape"]:
        one = len(found["shape"]) == 1
        now, then = (x["shape"][0] if one else x["shape"] for x in (found, known))
        what = f"{now} features" if one else f"examples of shape {now}"
        raise Failure(f"{table.path} has {what}, the model is for {then}", 2)
    if found["names"] != known["names"]:
        now, then = next(
            pair for pair in zip(found["names"], known["names"], strict=True) if pair[0] != pair[1]
        )
        raise Failure(f"{table.path} has the feature {now!r} where the model is for {then!r}", 2)


def _arrays(config: Config, table: Table, facts: dict[str, Any]) -> Any:
    """Return features and targets as the loss takes them."""
    features = table.features.astype(config.dtype)
    target, classes = table.target, facts["classes"]
    if config.loss == "cross_entropy":
        return features, _labels(table, classes)
    if target.dtype.kind in "US":
        row = next(k for k, x in enumerate(target) if not _is_number(x))
        raise Failure(f"{table.where(row)}: the target is {str(target[row])!r}, not a number", 2)
    if config.loss == "binary_cross_entropy_with_logits":
        bad = (target != 0) & (target != 1)
        if bad.any():
            row = int(np.argmax(bad))
            raise Failure(f"{table.where(row)}: the label is {target[row]:g}, not 0 or 1", 2)
    return features, target.astype(config.dtype)[:, None]


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def _labels(table: Table, classes: Any) -> np.ndarray:
    target = table.target
    if isinstance(classes, list):
        place = {name: k for k, name in enumerate(classes)}
        for row, name in enumerate(target):
            if str(name) not in place:
                raise Failure(
                    f"{table.where(row)}: the label is {str(name)!r}; the classes are "
                    f"{', '.join(classes)}",
                    2,
                )
        return np.array([place[str(name)] for name in target])
    if target.dtype.kind in "US":
        raise Failure(f"{table.path}: labels are names, the model is for numbers", 2)
    for bad, what in (
        (target != np.floor(target), "which is no whole number"),
        (target < 0, "which is negative"),
        (target >= classes, f"out of range: there are {classes} classes, 0 to {classes - 1}"),
    ):
        if bad.any():
            row = int(np.argmax(bad))
            raise Failure(f"{table.where(row)}: the label is {target[row]:g}, {what}", 2)
    return target.astype(np.int64)


def _standardized(examples: Any, facts: dict[str, Any], dtype: str) -> Any:
    mean, deviation = np.array(facts["mean"]), np.array(facts["deviation"])
    return ((examples[0] - mean) / deviation).astype(dtype), *examples[1:]
