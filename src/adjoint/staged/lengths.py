"""Comparing lengths, of which some may be staged."""

from __future__ import annotations

from typing import Any

from adjoint.ir.dims import Dim
from adjoint.ops import elementwise as ew
from adjoint.staged.values import Staged, emit

__all__ = ["greatest", "may_exceed"]


def greatest(m: Any, n: Any) -> Any:
    """Return max(m, n) of two lengths."""
    if isinstance(m, Dim) or isinstance(n, Dim):
        return m if m == n else emit(ew.maximum, (m, n), None, max)
    return max(m, n)


def may_exceed(m: Any, n: Any) -> bool:
    """Tell whether a length may be greater than another: False if it is known not to be."""
    exceeds = m > n
    return True if isinstance(exceeds, (Staged, Dim)) else exceeds
