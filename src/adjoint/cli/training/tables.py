"""The data that a configuration names, checked number by number."""

from __future__ import annotations

import csv
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from adjoint.cli.failure import Failure
from adjoint.cli.training.config import DataTable, suggestion

__all__ = ["Table", "read_table"]


@dataclass(frozen=True)
class Table:
    """Examples and what is to be predicted of them.

    Attributes
    ----------
    path : Path
    features : ndarray of shape (rows, ...)
    target : ndarray of shape (rows,)
        Numbers, or strings (names of classes).
    names : list of str
        Of the columns of the features; empty where they have none.
    lines : list of int
        The line of the file for each row; empty where it has none.
    """

    path: Path
    features: np.ndarray
    target: np.ndarray
    names: list[str]
    lines: list[int]

    def where(self, row: int) -> str:
        """Name a row in messages."""
        return f"{self.path}:{self.lines[row]}" if self.lines else f"{self.path}, row {row}"


def read_table(path: Path, spec: DataTable) -> Table:
    """Return the examples in a file; refuse NaN, infinities and what is no number."""
    readers = {".csv": _read_csv, ".npz": _read_npz, ".npy": _read_npy}
    reader = readers.get(path.suffix.lower())
    if reader is None:
        raise Failure(f"data.path = {str(path)!r}: the file must end in .csv, .npz or .npy", 2)
    if not path.is_file():
        raise Failure(f"there is no file {path}", 2)
    if path.stat().st_size == 0:
        raise Failure(f"{path} is empty", 2)
    try:
        table = reader(path, spec)
    except UnicodeDecodeError:
        raise Failure(f"{path} is not a text file in UTF-8", 2) from None
    except OSError as error:
        raise Failure(f"cannot read {path}: {error.strerror or error}", 2) from error
    if len(table.features) == 0:
        raise Failure(f"{path} is empty: it has no rows", 2)
    if len(table.target) != len(table.features):
        raise Failure(
            f"{path}: the target has {len(table.target)} rows, the features have "
            f"{len(table.features)}",
            2,
        )
    _check_finite(table, table.features, "")
    if table.target.dtype.kind == "f":
        _check_finite(table, table.target, "the target")
    return table


def _check_finite(table: Table, array: np.ndarray, what: str) -> None:
    if array.dtype.kind not in "fiub":
        raise Failure(f"{table.path}: the features are {array.dtype}, not numbers", 2)
    bad = ~np.isfinite(array)
    if bad.any():
        row, *rest = (int(k) for k in np.unravel_index(int(np.argmax(bad)), bad.shape))
        if not what:
            column = table.names[rest[0]] if table.names else ", ".join(map(str, rest))
            what = f"column {column!r}" if table.names else f"column {column}"
        raise Failure(f"{table.where(row)}: {what} is {array[(row, *rest)]}", 2)


# --------------------------------------------------------------------------------------------- CSV


def _read_csv(path: Path, spec: DataTable) -> Table:
    with open(path, newline="", encoding="utf-8-sig") as file:
        reader = csv.reader(file)
        rows = [(reader.line_num, row) for row in reader if any(cell.strip() for cell in row)]
    if not rows:
        raise Failure(f"{path} is empty", 2)
    header = [cell.strip() for cell in rows[0][1]]
    if any(_number(cell) is not None for cell in header):
        header = [str(k) for k in range(len(header))]
    else:
        rows.pop(0)
    twice = [name for name in header if header.count(name) > 1]
    if twice:
        raise Failure(f"{path} has two columns named {twice[0]!r}", 2)
    for line, row in rows:
        if len(row) != len(header):
            raise Failure(f"{path}:{line}: {len(row)} cells where {len(header)} are expected", 2)
    target = _column(path, spec.target, header)
    wanted = [_column(path, name, header) for name in spec.features]
    if target in wanted:
        raise Failure(f"{path}: column {header[target]!r} is the target, and among the features", 2)
    columns = wanted or [k for k in range(len(header)) if k != target]
    if not columns:
        raise Failure(f"{path} has one column, the target: there are no features", 2)
    features = np.empty((len(rows), len(columns)))
    for k, (line, row) in enumerate(rows):
        for j, column in enumerate(columns):
            value = _number(row[column])
            if value is None:
                what = repr(row[column].strip()) if row[column].strip() else "nothing"
                raise Failure(
                    f"{path}:{line}: column {header[column]!r} holds {what}, which is no number", 2
                )
            features[k, j] = value
    cells = [row[target].strip() for _, row in rows]
    lines = [line for line, _ in rows]
    for line, cell in zip(lines, cells, strict=True):
        if not cell:
            raise Failure(f"{path}:{line}: column {header[target]!r} (the target) is empty", 2)
    numbers = [_number(cell) for cell in cells]
    labels = np.array(cells) if None in numbers else np.array(numbers, dtype=float)
    return Table(path, features, labels, [header[k] for k in columns], lines)


def _column(path: Path, name: str | int, header: list[str]) -> int:
    if isinstance(name, str) and name in header:
        return header.index(name)
    if isinstance(name, int) and -len(header) <= name < len(header):
        return name % len(header)
    if isinstance(name, int):
        raise Failure(f"{path} has {len(header)} columns: there is no column {name}", 2)
    raise Failure(f"{path} has no column {name!r}{suggestion(name, header)}", 2)


def _number(cell: str) -> float | None:
    try:
        return float(cell)
    except ValueError:
        return None


# ------------------------------------------------------------------------------------------- NumPy


def _read_npz(path: Path, spec: DataTable) -> Table:
    try:
        with np.load(path, allow_pickle=False) as archive:
            arrays = {name: archive[name] for name in archive.files}
    except (ValueError, AttributeError, TypeError, EOFError, zipfile.BadZipFile):
        raise Failure(f"{path} is not an .npz file of numeric arrays", 2) from None
    if not isinstance(spec.target, str):
        raise Failure(f"data.target has to name an array of {path}: {', '.join(arrays)}", 2)
    others = [name for name in arrays if name != spec.target]
    names = spec.features or others
    for name in (spec.target, *names):
        if name not in arrays:
            raise Failure(f"{path} has no array {name!r}{suggestion(name, arrays)}", 2)
    if len(names) != 1:
        raise Failure(
            f"data.features has to name one array of {path}: {', '.join(others) or 'it has none'}",
            2,
        )
    features, target = arrays[names[0]], arrays[spec.target]
    if features.ndim < 2:
        raise Failure(
            f"{path}: {names[0]} has shape {features.shape}: it has to have one row an example", 2
        )
    if target.ndim == 2 and target.shape[1] == 1:
        target = target[:, 0]
    if target.ndim != 1:
        raise Failure(
            f"{path}: {spec.target} has shape {target.shape}: it has to have one number an example",
            2,
        )
    return Table(path, features, target, [], [])


def _read_npy(path: Path, spec: DataTable) -> Table:
    try:
        array: Any = np.load(path, allow_pickle=False)
    except (ValueError, EOFError):
        raise Failure(f"{path} is not an .npy file of numbers", 2) from None
    if not isinstance(array, np.ndarray) or array.ndim != 2 or array.dtype.kind not in "fiub":
        what = f"has shape {array.shape}" if isinstance(array, np.ndarray) else "is an archive"
        raise Failure(f"{path} {what}: a table of numbers, with one row an example, is wanted", 2)
    if not isinstance(spec.target, int) or spec.features:
        raise Failure(f"the columns of {path} have no names: data.target is a number", 2)
    if not -array.shape[1] <= spec.target < array.shape[1]:
        raise Failure(f"{path} has {array.shape[1]} columns: there is no column {spec.target}", 2)
    target = spec.target % array.shape[1]
    return Table(path, np.delete(array, target, axis=1), array[:, target], [], [])
