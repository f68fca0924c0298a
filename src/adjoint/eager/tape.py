"""The tape: a block that is being recorded."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from typing import Any, NoReturn

import numpy as np

from adjoint.errors import EscapedValueError
from adjoint.ir import Block, Node
from adjoint.ops.registry import Traced

__all__ = ["Observer", "Tape", "type_of"]

Observer = Callable[[Node, Sequence[Any], Any], None]

_levels = itertools.count(1)

F64 = np.dtype(np.float64)
C128 = np.dtype(np.complex128)
_SCALARS: dict[type, tuple[tuple[()], np.dtype]] = {
    float: ((), F64),
    np.float64: ((), F64),
    np.float32: ((), np.dtype(np.float32)),
    complex: ((), C128),
    np.complex128: ((), C128),
    np.complex64: ((), np.dtype(np.complex64)),
}


def type_of(value: Any) -> tuple[tuple[int, ...], np.dtype] | None:
    """Return shape and dtype of a value, or None if values of its type have no derivative."""
    kind = type(value)
    if kind is np.ndarray:
        dtype = value.dtype
        return (value.shape, dtype) if dtype is F64 or dtype.kind in "fc" else None
    found = _SCALARS.get(kind)
    if found is not None:
        return found
    if isinstance(value, Traced):
        if not hasattr(value, "_node"):  # staged: a type, and no value
            return (value.shape, value.dtype) if value.dtype.kind in "fc" else None
        node = value._node  # type: ignore[attr-defined]
        if node is not None:
            return node.shape, node.dtype
        return type_of(value._value)  # type: ignore[attr-defined]
    dtype = getattr(value, "dtype", None)
    if dtype is not None and dtype.kind in "fc":
        return value.shape, dtype
    return None


class Tape:
    """A block under recording.

    Attributes
    ----------
    level : int
        Later tapes are inner ones: an operation on values of several tapes is recorded on the one
        of the highest level, where the values of the others are constants.
    block : Block
    append : callable
        Records a node. Once the tape is closed it raises: a traced value has outlived its trace.
    observe : callable or None
        ``observe(node, operands, result)`` is told the values of every operation, which nodes do
        not hold (None for an operand that has been overwritten). It must copy what it keeps: a
        later item assignment changes arrays in place.
    borrowed, looked :
        Where plain arrays are saved, and how many nodes were looked at (`adjoint.eager.borrowed`).
    """

    __slots__ = ("append", "block", "borrowed", "level", "looked", "observe")

    def __init__(self, observe: Observer | None = None) -> None:
        self.level = next(_levels)
        self.observe = observe
        self.borrowed: dict[int, list[Any]] | None = None
        self.looked = 0
        self.block = Block()
        self.append = self.block.nodes.append

    def close(self) -> None:
        """End the recording; the block can be walked as often as one likes."""
        self.append = _refuse
        self.borrowed = None

    @property
    def open(self) -> bool:
        """Whether values of this tape may still be used."""
        return self.append is not _refuse


def _refuse(node: Node) -> NoReturn:
    raise EscapedValueError(
        f"a traced value was used (in {node.op.name if node.op else 'a parameter'!r}) after the "
        "derivative it belongs to had been computed. It was kept in a global, an attribute, a "
        "default argument or a generator; return it from the function (has_aux=True gives plain "
        "values), or keep `ad.stop_gradient(value)` instead."
    )
