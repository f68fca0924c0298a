"""One example in the body of a ``map`` over all of them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from adjoint.ir.build import innermost
from adjoint.ir.dims import Dim
from adjoint.ir.edit import Copier
from adjoint.ir.graph import Value
from adjoint.ir.types import AnyType, Type
from adjoint.ops import elementwise as ew
from adjoint.ops.indexing import getitem
from adjoint.transforms.batch.table import OneByOne

if TYPE_CHECKING:
    from adjoint.transforms.batch.walk import Batch

__all__ = ["Example"]


class Example(Copier):
    """Copies operations into the body of a ``map`` over the examples."""

    def __init__(self, walk: Batch, index: Value) -> None:
        super().__init__()
        self.walk = walk
        self.index = index

    def value(self, v: Value) -> Value:
        found = self.table.get(v)
        if found is None:
            found = self._read(v) if v in self.walk.batched else self.walk.value(v)
            self.table[v] = found
        return found

    def _read(self, v: Value) -> Value:
        type: AnyType = self.type(v.type)
        if not isinstance(type, Type):
            raise OneByOne
        index = (Dim(0, ((self.index, 1),)), *((...,) if type.kind == "array" else ()))
        kind = "scalar" if type.kind == "python" else type.kind
        read = Type(type.dtype, type.shape, kind)
        found = innermost().emit(getitem, (self.walk.value(v),), {"index": index}, read)
        if type.kind == "python":
            found = innermost().emit(ew.python_number, (found,), {}, type)
        return found

    def bounds(self, bounds: tuple[Any, Any]) -> tuple[Any, Any]:
        low, high = (
            None if isinstance(b, Dim) and any(v in self.walk.batched for v, _ in b.terms) else b
            for b in bounds
        )
        return super().bounds((low, high))
