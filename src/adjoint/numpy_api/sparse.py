"""``scipy.sparse``: constant sparse matrices times traced vectors and matrices.

SciPy's sparse classes ask no protocol: ``S @ x`` goes straight to C code with whatever x is. So
they are taught: their operators hand traced operands to us, and do as before with everything else.
"""

from __future__ import annotations

import functools
import operator
from collections.abc import Callable
from typing import Any, NoReturn

import numpy as np
import scipy.sparse

from adjoint.dispatch import is_active, plain
from adjoint.errors import NoRuleError
from adjoint.numpy_api.creation import as_array
from adjoint.numpy_api.lengths import same_lengths
from adjoint.ops import linalg as la
from adjoint.ops.registry import Traced

__all__ = ["teach"]


def _matmul(s: Any, x: Any) -> Any:
    _check(s, x, s.shape[-1], 0)
    return la.sparse_matmul(as_array(x), matrix=s)


def _rmatmul(s: Any, x: Any) -> Any:
    x = as_array(x)
    _check(s, x, s.shape[0], x.ndim - 1)
    return _matmul(s.T, x.T).T


def _check(s: Any, x: Any, n: int, axis: int) -> None:
    shape = np.shape(plain(x))
    if s.ndim != 2 or len(shape) not in (1, 2) or not same_lengths(shape[axis], n):
        raise ValueError(
            f"matmul: a sparse matrix of shape {s.shape} and an array of shape {shape} do not match"
        )


def _dense(fn: Callable[[Any, Any], Any]) -> Callable[[Any, Any], Any]:
    return lambda s, x: fn(s.toarray(), x)


def _refuse(s: Any, x: Any) -> NoReturn:
    raise NoRuleError(
        "a sparse matrix with traced entries has no derivative here, and that is what the product, "
        "entry by entry, of a sparse matrix and a traced value is. Use S.toarray(), or move the "
        "factor to what S multiplies: (S * c) @ x = c * (S @ x), S.multiply(d) @ x = S @ (d * x)."
    )


_OPERATORS: dict[str, Callable[[Any, Any], Any]] = {
    "__matmul__": _matmul,
    "__rmatmul__": _rmatmul,
    "dot": _matmul,
    "__add__": _dense(operator.add),
    "__radd__": _dense(operator.add),
    "__sub__": _dense(operator.sub),
    "__rsub__": _dense(lambda s, x: x - s),
    "__mul__": _refuse,
    "__rmul__": _refuse,
    "__truediv__": _refuse,
    "multiply": _refuse,
}


def _taught(original: Callable, ours: Callable[[Any, Any], Any]) -> Callable:
    @functools.wraps(original)
    def method(self: Any, other: Any, *args: Any, **kwargs: Any) -> Any:
        if isinstance(other, Traced):
            if is_active(other):
                return ours(self, other)
            other = plain(other)
        return original(self, other, *args, **kwargs)

    method._of_adjoint = True  # type: ignore[attr-defined]
    return method


def teach() -> None:
    """Have the operators of SciPy's sparse classes hand over traced operands; once."""
    matrix_product = {"__mul__": _matmul, "__rmul__": _rmatmul}
    seen: set[type] = set()
    for format_name in ("bsr", "coo", "csc", "csr", "dia", "dok", "lil"):
        for kind in ("array", "matrix"):
            leaf = getattr(scipy.sparse, f"{format_name}_{kind}")
            for cls in leaf.__mro__:
                if cls in seen or not cls.__module__.startswith("scipy.sparse"):
                    continue
                seen.add(cls)
                # Of matrices (not arrays) the star is the product of matrices.
                ours = _OPERATORS | (matrix_product if cls is scipy.sparse.spmatrix else {})
                for name, implementation in ours.items():
                    original = cls.__dict__.get(name)
                    if callable(original) and not hasattr(original, "_of_adjoint"):
                        setattr(cls, name, _taught(original, implementation))


teach()
