"""CONFIG.toml: which keys there are, and what is allowed for each."""

from __future__ import annotations

import difflib
import tomllib
from collections.abc import Iterable
from dataclasses import MISSING, dataclass, field, fields, is_dataclass
from pathlib import Path
from typing import Any, Literal, get_args, get_origin, get_type_hints

from adjoint.cli.failure import Failure

__all__ = ["Config", "DataTable", "ModelTable", "read_config", "suggestion"]


@dataclass(frozen=True)
class DataTable:
    """``[data]``.

    Attributes
    ----------
    path : str
        A .csv, .npz or .npy file, as seen from the configuration.
    target : str or int
        The column to predict (.csv: its name, .npy: its number), or an array of the .npz file.
    features : list of str
        Columns, or one array; all others without it.
    validation : float or str
        A part of the rows (0: none), or another file of the same form.
    standardize : bool
        Bring each feature to mean 0 and deviation 1, by the training rows.
    """

    path: str
    target: str | int = -1
    features: list[str] = field(default_factory=list)
    validation: float | str = 0.2
    standardize: bool = True


@dataclass(frozen=True)
class ModelTable:
    """``[model]``.

    Attributes
    ----------
    kind : {"linear", "mlp", "cnn"}
    hidden : list of int
        Widths of the hidden layers.
    activation : str
        A function of `adjoint.nn`.
    dropout : float
        After each hidden layer.
    image : list of int
        Of a ``cnn``: what an example is: (height, width) or (channels, height, width).
    channels, kernel_size : list of int, int
        Of a ``cnn``: a convolution, an activation and a pooling by 2 for each entry.
    classes : int
        How many there are; what the labels show without it.
    """

    kind: Literal["linear", "mlp", "cnn"] = "mlp"
    hidden: list[int] = field(default_factory=lambda: [64])
    activation: str = "relu"
    dropout: float = 0.0
    image: list[int] = field(default_factory=list)
    channels: list[int] = field(default_factory=lambda: [16, 32])
    kernel_size: int = 3
    classes: int = 0


Loss = Literal["cross_entropy", "binary_cross_entropy_with_logits", "mse", "l1", "huber"]


@dataclass(frozen=True)
class Config:
    """The whole file. ``[optimizer]`` is checked where it is made."""

    data: DataTable
    model: ModelTable = field(default_factory=ModelTable)
    optimizer: dict[str, Any] = field(default_factory=dict)
    loss: Loss = "cross_entropy"
    epochs: int = 20
    batch_size: int = 32
    seed: int = 0
    clip_norm: float = 0.0
    patience: int = 0
    dtype: Literal["float32", "float64"] = "float32"
    output: str = ""


_LEAST = {
    "epochs": 0, "batch_size": 1, "seed": 0, "clip_norm": 0, "patience": 0, "kernel_size": 1,
    "classes": 0, "dropout": 0, "validation": 0,
}  # fmt: skip


def read_config(path: Path) -> Config:
    """Return what a file says."""
    try:
        text = path.read_bytes().decode("utf-8-sig")
        table = tomllib.loads(text)
    except UnicodeDecodeError:
        raise Failure(f"{path} is not a text file in UTF-8", 2) from None
    except tomllib.TOMLDecodeError as error:
        raise Failure(f"{path} is not TOML: {error}", 2) from None
    except OSError as error:
        raise Failure(f"cannot read {path}: {error.strerror or error}", 2) from error
    if not table:
        raise Failure(f"{path} is empty", 2)
    return _made(Config, table, str(path), "")


def _made(cls: Any, table: dict[str, Any], path: str, prefix: str) -> Any:
    """Return an instance of a table's class."""
    hints = get_type_hints(cls)
    for key in table:
        if key not in hints:
            raise Failure(f"{path}: there is no key {prefix}{key}{suggestion(key, hints)}", 2)
    values = {}
    for each in fields(cls):
        name, hint = each.name, hints[each.name]
        if name not in table:
            if each.default is MISSING and each.default_factory is MISSING:
                what = f"[{prefix}{name}]" if is_dataclass(hint) else f"{prefix}{name}"
                raise Failure(f"{path}: {what} is missing", 2)
        elif is_dataclass(hint) and isinstance(table[name], dict):
            values[name] = _made(hint, table[name], path, f"{prefix}{name}.")
        else:
            values[name] = _checked(table[name], hint, f"{path}: {prefix}{name}", name)
    return cls(**values)


def _checked(value: Any, hint: Any, where: str, name: str) -> Any:
    if get_origin(hint) is Literal:
        choices = get_args(hint)
        if value not in choices:
            close = suggestion(str(value), choices)
            raise Failure(f"{where} is {value!r}: it is one of {', '.join(choices)}{close}", 2)
    elif not _fits(value, hint):
        raise Failure(f"{where} is {value!r}: it has to be {_said(hint)}", 2)
    elif name in _LEAST and not isinstance(value, str) and not value >= _LEAST[name]:
        raise Failure(f"{where} is {value!r}: it has to be {_LEAST[name]} or more", 2)
    elif isinstance(value, list) and any(isinstance(x, int) and x < 1 for x in value):
        raise Failure(f"{where} is {value!r}: each has to be 1 or more", 2)
    elif name in ("dropout", "validation") and isinstance(value, (int, float)) and value >= 1:
        raise Failure(f"{where} is {value!r}: it has to be below 1", 2)
    return value


def _fits(value: Any, hint: Any) -> bool:
    if get_origin(hint) is list:
        (inner,) = get_args(hint)
        return isinstance(value, list) and all(_fits(x, inner) for x in value)
    if get_origin(hint) is dict:
        return isinstance(value, dict)
    if isinstance(value, bool):
        return hint is bool
    if hint is float:
        return isinstance(value, (int, float))
    if get_args(hint):
        return any(_fits(value, each) for each in get_args(hint))
    return not is_dataclass(hint) and isinstance(value, hint)


def _said(hint: Any) -> str:
    if get_origin(hint) is list:
        return "a list of " + {"str": "strings", "int": "whole numbers"}[get_args(hint)[0].__name__]
    if get_origin(hint) is dict or is_dataclass(hint):
        return "a table"
    if get_args(hint):
        return " or ".join(map(_said, get_args(hint)))
    said = {str: "a string", int: "a whole number", float: "a number", bool: "true or false"}
    return said[hint]


def suggestion(name: str, known: Iterable[str]) -> str:
    """Return the end of a message about a name that is not known."""
    known = list(known)
    close = difflib.get_close_matches(name, known, 1)
    return f"; did you mean {close[0]}?" if close else f"; there are {', '.join(sorted(known))}"
