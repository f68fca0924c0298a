"""Trees of arrays in files, in the safetensors format.

A file is written whole or not at all: under another name in the same folder, brought to the disk,
then renamed. Arrays have the names of their leaves; what else is kept (Python's numbers, a
checksum, notes of the caller's) is text in the header, in JSON.
"""

from __future__ import annotations

import contextlib
import json
import os
import tempfile
import zlib
from pathlib import Path
from typing import Any

import numpy as np

from adjoint import tree
from adjoint.errors import CheckpointError, InputError, MissingDependencyError

__all__ = ["check_place", "load", "read", "read_notes", "save", "write"]

_KEY = "adjoint"
_SHOWN = 8


def save(path: str | os.PathLike[str], value: Any) -> None:
    """Write a tree of arrays to a file in the safetensors format.

    The file takes its place when all of it has been written; an interruption leaves the old one.
    Other programs read it: the arrays have the names of their leaves.

    Parameters
    ----------
    path : str or path
    value : pytree
        Of arrays, NumPy scalars and Python numbers; of a model, what is not an array is its
        structure, which is not written.

    Examples
    --------
    >>> import numpy as np, adjoint as ad, tempfile, pathlib
    >>> path = pathlib.Path(tempfile.mkdtemp()) / "weights.safetensors"
    >>> ad.nn.save(path, {"w": np.arange(3.0), "n": 2})
    >>> ad.nn.load(path, {"w": np.zeros(3), "n": 0})
    {'w': array([0., 1., 2.]), 'n': 2}
    """
    write(path, value, {})


def load(path: str | os.PathLike[str], like: Any) -> Any:
    """Return the tree in a file that `save` has written.

    Parameters
    ----------
    path : str or path
    like : pytree
        A tree of the same structure, with arrays of the same shapes and dtypes: a model that was
        made in the same way, for instance. Its numbers do not matter.

    Raises
    ------
    CheckpointError
        If the file is damaged, or holds other leaves; the message names them.
    """
    return read(path, like)[0]


# ----------------------------------------------------------------------------------------- writing


def check_place(path: str | os.PathLike[str]) -> None:
    """Refuse a file that cannot be written to, before any work is done for it."""
    path = Path(path)
    _safetensors("safetensors")
    if not path.parent.is_dir():
        raise InputError(f"cannot write {path}: there is no folder {path.parent}")
    if path.is_dir():
        raise InputError(f"cannot write {path}: it is a folder")


def write(path: str | os.PathLike[str], value: Any, notes: dict[str, Any]) -> None:
    """Write a tree, and notes that JSON can hold."""
    arrays, plain = {}, {}
    for name, leaf in _named(value):
        if isinstance(leaf, (np.ndarray, np.generic)):
            arrays[name] = _writable(name, leaf)
        elif isinstance(leaf, (bool, int, float, str)):
            plain[name] = leaf
        elif not callable(leaf):
            raise InputError(f"{name} is a {type(leaf).__name__}: only arrays and numbers are kept")
    header = {"version": 1, "values": plain, "crc32": _checksum(arrays), "notes": notes}
    metadata = {_KEY: json.dumps(header)}
    save_file = _safetensors("safetensors.numpy").save_file
    path = Path(path)
    handle, temporary = tempfile.mkstemp(prefix=f".{path.name}.", suffix=".tmp", dir=path.parent)
    os.close(handle)
    try:
        save_file(arrays, temporary, metadata)
        with open(temporary, "rb+") as file:
            os.fsync(file.fileno())
        mask = os.umask(0)
        os.umask(mask)
        os.chmod(temporary, 0o666 & ~mask)  # mkstemp keeps others out
        os.replace(temporary, path)
    except BaseException:
        with contextlib.suppress(OSError):
            os.unlink(temporary)
        raise
    _flush_folder(path.parent)


def _flush_folder(folder: Path) -> None:
    """Bring the new name to the disk, where folders can be opened."""
    with contextlib.suppress(OSError):
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)


def _named(value: Any) -> list[tuple[str, Any]]:
    """Return the leaves with their names in a file, which do not begin with a dot."""
    return [(name.lstrip(".") or "value", leaf) for name, leaf in tree.leaves_with_names(value)]


def _writable(name: str, leaf: Any) -> np.ndarray:
    """Return a leaf as the format has it: in order, of the machine's bytes, complex as pairs."""
    array = np.array(leaf, order="C", copy=None)
    if array.dtype.kind not in "biufc" or array.dtype.itemsize > (
        16 if array.dtype.kind == "c" else 8
    ):
        raise InputError(f"{name} is of {array.dtype}, which the safetensors format does not have")
    array = array.astype(array.dtype.newbyteorder("="), copy=False)
    if array.dtype.kind == "c":
        part = np.dtype(f"f{array.dtype.itemsize // 2}")
        return np.stack([np.real(array), np.imag(array)], axis=-1).astype(part)
    return array


def _checksum(arrays: dict[str, np.ndarray]) -> int:
    found = 0
    for name in sorted(k for k, x in arrays.items() if x.size):
        found = zlib.crc32(np.ascontiguousarray(arrays[name]).data.cast("B"), found)
    return found


# ----------------------------------------------------------------------------------------- reading


def read_notes(path: str | os.PathLike[str]) -> dict[str, Any]:
    """Return the notes in a file."""
    return _read(path, with_arrays=False)[1]["notes"]


def read(path: str | os.PathLike[str], like: Any) -> tuple[Any, dict[str, Any]]:
    """Return the tree in a file, and the notes."""
    arrays, header = _read(path, with_arrays=True)
    if header["crc32"] is not None and _checksum(arrays) != header["crc32"]:
        raise CheckpointError(f"{path} is damaged: its numbers are not those that were written")
    named, plain = _named(like), header["values"]
    wanted = [name for name, leaf in named if not callable(leaf)]
    there = set(arrays) | set(plain)
    problems = [f"no {name}" for name in wanted if name not in there]
    extra = [name for name in (*arrays, *plain) if name not in set(wanted)]
    problems += [f"{name}, which the tree has not" for name in extra]
    leaves = []
    for name, leaf in named:
        if isinstance(leaf, (np.ndarray, np.generic)) and name in arrays:
            found = _restored(arrays[name], leaf)
            if found.shape != leaf.shape or found.dtype != leaf.dtype.newbyteorder("="):
                problems.append(
                    f"{name} as {_kind(found)}, where the tree has {_kind(np.asarray(leaf))}"
                )
            leaves.append(found if isinstance(leaf, np.ndarray) else found[()])
        elif name in plain:
            leaves.append(plain[name])
        elif name in arrays:
            problems.append(f"an array as {name}, where the tree has {leaf!r:.40}")
        else:
            leaves.append(leaf)
    if problems:
        more = f"; and {len(problems) - _SHOWN} more" if len(problems) > _SHOWN else ""
        raise CheckpointError(
            f"{path} does not fit: it was written from another model or tree. It has "
            + "; ".join(problems[:_SHOWN])
            + more
        )
    return tree.unflatten(tree.structure(like), leaves), header["notes"]


def _read(path: Any, with_arrays: bool) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
    """Return the arrays and the header; a file of others' has no notes and no checksum."""
    safetensors = _safetensors("safetensors")
    if not Path(path).is_file():
        raise FileNotFoundError(f"there is no file {path}")
    try:
        with safetensors.safe_open(path, framework="numpy") as file:
            text = (file.metadata() or {}).get(_KEY)
            arrays = {k: file.get_tensor(k) for k in file.keys()} if with_arrays else {}  # noqa: SIM118
        header = {"values": {}, "crc32": None, "notes": {}}
        return arrays, header | (json.loads(text) if text is not None else {})
    except (safetensors.SafetensorError, ValueError) as error:
        raise CheckpointError(
            f"{path} is damaged, cut short, or no safetensors file: {error}"
        ) from None


def _restored(array: np.ndarray, leaf: Any) -> np.ndarray:
    if np.asarray(leaf).dtype.kind == "c" and array.dtype.kind == "f" and array.shape[-1:] == (2,):
        dtype = np.dtype(f"c{array.dtype.itemsize * 2}")
        return np.ascontiguousarray(array).view(dtype)[..., 0]
    return array if array.flags.writeable else array.copy()


def _kind(array: np.ndarray) -> str:
    return f"{array.dtype}{list(array.shape)}"


def _safetensors(module: str) -> Any:
    """Return a module of the library, which is imported when it is first needed."""
    try:
        import safetensors
        import safetensors.numpy
    except ImportError:
        raise MissingDependencyError(
            "files of weights and checkpoints need safetensors: pip install 'adjoint[train]'"
        ) from None
    return safetensors.numpy if module == "safetensors.numpy" else safetensors
