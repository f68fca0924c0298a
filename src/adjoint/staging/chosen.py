"""A number of a list or tuple, at an index that is known at run time only.

``parents[i]`` in a loop over i would need one copy of the loop's body for each entry. Where all
entries are numbers of one type they are an array, which is read at i; Python's number comes back.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from adjoint.ir.dims import Dim
from adjoint.ir.types import Type
from adjoint.ops import elementwise as ew
from adjoint.ops.structural import stack
from adjoint.staged.values import Staged, current, emit, lift
from adjoint.staging.outside import entries_of

__all__ = ["chosen"]

_NUMBERS = (int, float, complex)


def chosen(container: Any, index: Any) -> Any:
    """Return ``container[index]``, or None if the entries are not numbers of one type.

    Parameters
    ----------
    container : list or tuple
    index : Integer or Staged
        It is checked when it is used, as an index of an array is.
    """
    if not _is_integer(index):
        return None
    entries = entries_of(container)
    kinds = {_kind(x) for x in entries}
    if len(kinds) != 1 or None in kinds:
        return None
    if all(type(x) in _NUMBERS for x in entries):
        try:
            array = lift(np.array(entries, dtype=kinds.pop()))
        except OverflowError:  # an integer of more than 64 bits
            return None
    else:
        array = emit(stack, tuple(entries), {"axis": 0})
    return emit(ew.python_number, (array[index],))


def _kind(x: Any) -> np.dtype | None:
    """Return the dtype of a Python number, None of anything else."""
    if type(x) in _NUMBERS:
        return np.dtype(type(x))
    if isinstance(x, Dim):
        return np.dtype(np.int64)
    if isinstance(x, Staged):
        type_ = current(x).type
        if isinstance(type_, Type) and type_.kind == "python" and type_.dtype.kind in "ifc":
            return type_.dtype
    return None


def _is_integer(index: Any) -> bool:
    if isinstance(index, Dim):
        return True
    return isinstance(index, Staged) and not index.shape and index.dtype.kind in "iu"
