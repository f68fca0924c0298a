"""A function and its arguments from files and the command line."""

from __future__ import annotations

import csv
import difflib
import importlib.util
import inspect
import json
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np

from adjoint.cli.failure import Failure, from_exception
from adjoint.frontend import never_rewritten

__all__ = ["load_function", "parse_point", "read_data"]


# ------------------------------------------------------------------------------------ functions


def load_function(target: str) -> Callable:
    """Return the function that ``FILE.py:FUNCTION`` names.

    A dotted name reaches into classes: ``model.py:Model.loss``.
    """
    filename, colon, name = target.rpartition(":")
    if not colon or not filename or not name or name.endswith(".py"):
        raise Failure(f"{target!r} does not have the form FILE.py:FUNCTION", status=2)
    path = Path(filename)
    if path.is_dir():
        raise Failure(f"{filename} is a folder; FILE.py:FUNCTION is wanted", status=2)
    if not path.is_file():
        raise Failure(f"there is no file {filename}", status=2)
    module = load_module(path)
    found: Any = module
    for part in name.split("."):
        try:
            found = getattr(found, part)
        except AttributeError:
            raise Failure(_no_such_function(filename, name, module), status=2) from None
    if inspect.isclass(found):
        raise Failure(f"{name} in {filename} is a class, not a function", status=2)
    if not callable(found):
        raise Failure(
            f"{name} in {filename} is not a function (it is {_a(type(found).__name__)})", status=2
        )
    if inspect.iscoroutinefunction(found) or inspect.isgeneratorfunction(found):
        kind = "a generator" if inspect.isgeneratorfunction(found) else "asynchronous"
        raise Failure(f"{name} in {filename} is {kind}; a function that returns is wanted", 2)
    return found


def _a(name: str) -> str:
    return f"{'an' if name[0] in 'aeiou' else 'a'} {name}"


def load_module(path: Path) -> ModuleType:
    """Import a file as Python would run it: beside its neighbours, under its own name."""
    path = path.resolve()
    name = path.stem
    if name in sys.modules or name in never_rewritten or name in sys.stdlib_module_names:
        name = f"program_{name}"
    spec = importlib.util.spec_from_file_location(name, path)
    if spec is None or spec.loader is None:
        raise Failure(f"{path.name} is not a Python file (its name does not end in .py)", status=2)
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module  # dataclasses and pickle look their module up
    if str(path.parent) not in sys.path:
        sys.path.insert(0, str(path.parent))
    try:
        spec.loader.exec_module(module)
    except (Exception, SystemExit) as error:
        sys.modules.pop(name, None)
        raise from_exception(error, f"while {path.name} was being loaded") from error
    return module


def _no_such_function(filename: str, name: str, module: ModuleType) -> str:
    defined = [
        key
        for key, value in vars(module).items()
        if inspect.isfunction(value) and value.__module__ == module.__name__
    ]
    close = difflib.get_close_matches(name, defined, 1)
    if close:
        hint = f"; did you mean {close[0]}?"
    elif defined:
        hint = f"; it defines {', '.join(defined[:8])}{', …' * (len(defined) > 8)}"
    else:
        hint = "; it defines no function"
    return f"{filename} has no function {name!r}{hint}"


# ------------------------------------------------------------------------------------ arguments


def parse_point(text: str) -> Any:
    """Return what ``--at`` holds: an object of arguments by name, or the only argument."""
    try:
        return from_json(json.loads(text), "--at")
    except json.JSONDecodeError as error:
        raise Failure(
            f"--at is not JSON: {error.msg} at character {error.pos + 1} of {text!r}; "
            """it looks like '{"x": [1.0, 2.0]}'""",
            status=2,
        ) from None


def from_json(value: Any, where: str) -> Any:
    """Return a JSON value with its lists of numbers as arrays."""
    if isinstance(value, dict):
        return {key: from_json(item, f"{where} {key!r}") for key, item in value.items()}
    if not isinstance(value, list):
        return value
    if not _is_numeric(value):
        return [from_json(item, where) for item in value]
    try:
        array = np.array(value)
    except ValueError:
        raise Failure(f"{where} is not a rectangular array: {_short(value)}", status=2) from None
    if array.dtype == object:  # integers of more than 64 bits
        array = array.astype(float)
    return array if array.size else array.astype(float)


def _is_numeric(value: Any) -> bool:
    if isinstance(value, list):
        return all(map(_is_numeric, value))
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def _short(value: Any) -> str:
    text = json.dumps(value)
    return text if len(text) <= 60 else text[:57] + "..."


def read_data(path: Path) -> Any:
    """Return the arguments in a file: a dictionary by name, or (CSV without a header) an array."""
    readers = {".npz": _read_npz, ".json": _read_json, ".csv": _read_csv}
    reader = readers.get(path.suffix.lower())
    if reader is None:
        raise Failure(f"--data {path}: the file must end in .npz, .json or .csv", status=2)
    if not path.is_file():
        raise Failure(f"there is no file {path}", status=2)
    try:
        return reader(path)
    except UnicodeDecodeError:
        raise Failure(f"{path} is not a text file in UTF-8", status=2) from None
    except OSError as error:
        raise Failure(f"cannot read {path}: {error.strerror or error}", status=2) from error


def _read_npz(path: Path) -> dict[str, Any]:
    try:
        with np.load(path, allow_pickle=False) as archive:
            values = {name: archive[name] for name in archive.files}
    except (ValueError, AttributeError, TypeError, EOFError, zipfile.BadZipFile):
        # np.load returns a bare array for a renamed .npy file, and takes text for a pickle.
        raise Failure(f"{path} is not an .npz file of numeric arrays", status=2) from None
    return {name: value[()] if value.ndim == 0 else value for name, value in values.items()}


def _read_json(path: Path) -> Any:
    try:
        return from_json(json.loads(path.read_text(encoding="utf-8-sig")), str(path))
    except json.JSONDecodeError as error:
        raise Failure(f"{path}:{error.lineno}: not JSON: {error.msg}", status=2) from None


def _read_csv(path: Path) -> Any:
    with open(path, newline="", encoding="utf-8-sig") as file:
        reader = csv.reader(file)
        rows = [(reader.line_num, row) for row in reader if any(cell.strip() for cell in row)]
    if not rows:
        raise Failure(f"{path} is empty", status=2)
    header = None
    if not any(_is_number(cell) for cell in rows[0][1]):
        header = [cell.strip() for cell in rows.pop(0)[1]]
        repeated = [name for name in header if header.count(name) > 1]
        if repeated:
            raise Failure(f"{path} has two columns named {repeated[0]!r}", status=2)
    width = len(header) if header is not None else len(rows[0][1])
    table = np.empty((len(rows), width))
    for k, (line, row) in enumerate(rows):
        if len(row) != width:
            raise Failure(f"{path}:{line}: {len(row)} cells where {width} are expected", status=2)
        for j, cell in enumerate(row):
            if not _is_number(cell):
                raise Failure(f"{path}:{line}: {cell!r} is not a number", status=2)
            table[k, j] = float(cell)
    if header is None:
        return table
    return {name: np.ascontiguousarray(table[:, j]) for j, name in enumerate(header)}


def _is_number(cell: str) -> bool:
    try:
        float(cell)
    except ValueError:
        return False
    return True
