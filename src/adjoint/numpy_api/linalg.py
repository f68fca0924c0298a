"""``numpy.linalg``, and NumPy's products of stacked vectors and matrices."""

from __future__ import annotations

import math
import operator
from typing import Any, NoReturn

import numpy as np

from adjoint.dispatch import any_staged, is_staged, plain, without_derivative
from adjoint.eager.recorded import Recorded
from adjoint.eager.spectral import note_eigenvalues
from adjoint.numpy_api.constants import register_constant
from adjoint.numpy_api.creation import as_array
from adjoint.numpy_api.lengths import as_length, greatest, same_lengths, spread
from adjoint.numpy_api.reductions import normalize_axis
from adjoint.ops import discrete
from adjoint.ops import elementwise as ew
from adjoint.ops import linalg as la
from adjoint.ops import structural as st
from adjoint.ops.creation import eye, zeros
from adjoint.ops.registry import UFUNCS, implements
from adjoint.rules.matrices import adjoint, triangle

__all__ = ["eigh", "matrix_power", "norm", "pinv", "solve"]

register_constant(np.linalg.matrix_rank)

_not_given: Any = object()

_one = np.eye(1)
EigResult: Any = type(np.linalg.eig(_one))
EighResult: Any = type(np.linalg.eigh(_one))
QRResult: Any = type(np.linalg.qr(_one))
SlogdetResult: Any = type(np.linalg.slogdet(_one))
SVDResult: Any = type(np.linalg.svd(_one))

# -- products --------------------------------------------------------------------------------------


def matmul(x1: Any, x2: Any) -> Any:
    """``np.matmul``; through the operator, which recognises functions of a matrix."""
    if isinstance(x1, Recorded) and isinstance(x2, Recorded):
        return operator.matmul(x1, x2)
    return la.matmul(x1, x2)


def _vecdot(x1: Any, x2: Any) -> Any:
    x1, x2 = as_array(x1), as_array(x2)
    if x1.ndim == 0 or x2.ndim == 0 or not same_lengths(x1.shape[-1], x2.shape[-1]):
        _refuse(np.vecdot, x1, x2)
    return st.reduce_sum(x1.conj() * x2, axis=(-1,))


def _matvec(x1: Any, x2: Any) -> Any:
    x1, x2 = as_array(x1), as_array(x2)
    return la.matmul(x1, x2[..., None])[..., 0] if x2.ndim else la.matmul(x1, x2)


def _vecmat(x1: Any, x2: Any) -> Any:
    x1, x2 = as_array(x1), as_array(x2)
    return la.matmul(x1.conj()[..., None, :], x2)[..., 0, :] if x1.ndim else la.matmul(x1, x2)


def _refuse(fn: Any, *arrays: Any) -> NoReturn:
    """Raise NumPy's own error for arrays of these shapes."""
    shapes = [tuple(1 if is_staged(n) else n for n in x.shape) for x in arrays]
    fn(*(np.broadcast_to(x.dtype.type(0), n) for x, n in zip(arrays, shapes)))
    raise ValueError(f"{fn.__name__}: the shapes {[x.shape for x in arrays]} do not match")


UFUNCS[np.matmul] = matmul
UFUNCS[np.vecdot] = _vecdot
for _name, _impl in (("matvec", _matvec), ("vecmat", _vecmat)):
    if hasattr(np, _name):  # NumPy 2.2
        UFUNCS[getattr(np, _name)] = _impl


@implements(np.linalg.matmul)
def linalg_matmul(x1: Any, x2: Any, /) -> Any:
    """``np.linalg.matmul``."""
    return matmul(as_array(x1), as_array(x2))


@implements(np.linalg.vecdot)
def linalg_vecdot(x1: Any, x2: Any, /, *, axis: int = -1) -> Any:
    """``np.linalg.vecdot``."""
    x1, x2 = as_array(x1), as_array(x2)
    return _vecdot(np.moveaxis(x1, axis, -1), np.moveaxis(x2, axis, -1))


@implements(np.linalg.multi_dot)
def multi_dot(arrays: Any, *, out: None = None) -> Any:
    """``np.linalg.multi_dot``: in the order that multiplies least."""
    arrays = [as_array(a) for a in arrays]
    n = len(arrays)
    if n < 2:
        raise ValueError("Expecting at least two arrays.")
    if any(a.ndim != 2 for a in arrays[1:-1]) or any(a.ndim > 2 for a in (arrays[0], arrays[-1])):
        raise np.linalg.LinAlgError("multi_dot takes matrices, and vectors at its two ends")
    first, last = arrays[0].ndim == 1, arrays[-1].ndim == 1
    if first:
        arrays[0] = arrays[0][None, :]
    if last:
        arrays[-1] = arrays[-1][:, None]
    sizes = [a.shape[0] for a in arrays] + [arrays[-1].shape[1]]
    # A staged length is taken for a long one.
    sizes = [_LONG if is_staged(m) else m for m in sizes]
    result = _multiply(arrays, _splits(sizes), 0, n - 1)
    if first and last:
        return result[0, 0]
    return result[0] if first else result[:, 0] if last else result


_LONG = 256


def _splits(sizes: list[int]) -> dict[tuple[int, int], int]:
    """Return where to split each product of a chain (Cormen et al., section 15.2)."""
    n = len(sizes) - 1
    cost = {(i, i): 0 for i in range(n)}
    split = {}
    for length in range(1, n):
        for i in range(n - length):
            j = i + length
            options = {
                k: cost[i, k] + cost[k + 1, j] + sizes[i] * sizes[k + 1] * sizes[j + 1]
                for k in range(i, j)
            }
            split[i, j] = min(options, key=options.__getitem__)
            cost[i, j] = options[split[i, j]]
    return split


def _multiply(arrays: list[Any], split: dict[tuple[int, int], int], i: int, j: int) -> Any:
    if i == j:
        return arrays[i]
    k = split[i, j]
    return matmul(_multiply(arrays, split, i, k), _multiply(arrays, split, k + 1, j))


@implements(np.linalg.matrix_power)
def matrix_power(a: Any, n: Any) -> Any:
    """``np.linalg.matrix_power``."""
    a, n = as_array(a), operator.index(plain(n))
    _square(a)
    if n == 0:
        return spread(eye(a.shape[-1], dtype=a.dtype), a.shape).copy()
    if n < 0:
        a, n = la.inv(a), -n
    result: Any = None
    while True:
        if n & 1:
            result = a if result is None else matmul(result, a)
        n >>= 1
        if not n:
            return result * 1 if result is a else result
        a = matmul(a, a)


def _square(a: Any) -> None:
    if a.ndim < 2 or not same_lengths(a.shape[-1], a.shape[-2]):
        _refuse(np.linalg.inv, a)


# -- solvers ---------------------------------------------------------------------------------------


@implements(np.linalg.inv)
def inv(a: Any) -> Any:
    """``np.linalg.inv``."""
    return la.inv(as_array(a))


@implements(np.linalg.solve)
def solve(a: Any, b: Any) -> Any:
    """``np.linalg.solve``."""
    a, b = as_array(a), as_array(b)
    return la.solve(a, b[:, None])[..., 0] if b.ndim == 1 else la.solve(a, b)


@implements(np.linalg.tensorsolve)
def tensorsolve(a: Any, b: Any, axes: Any = None) -> Any:
    """``np.linalg.tensorsolve``."""
    a, b = as_array(a), as_array(b)
    if axes is not None:
        rest = [k for k in range(a.ndim) if k not in axes]
        a = np.transpose(a, (*rest, *(a.ndim if k is None else k for k in axes)))
    shape = a.shape[b.ndim :]
    size = math.prod(shape)
    if not same_lengths(a.size, size**2):
        raise np.linalg.LinAlgError(
            "Input arrays must satisfy the requirement "
            "prod(a.shape[b.ndim:]) == prod(a.shape[:b.ndim])"
        )
    result = solve(a.reshape(size, size), b.reshape(-1))
    return result.reshape(shape)


@implements(np.linalg.tensorinv)
def tensorinv(a: Any, ind: int = 2) -> Any:
    """``np.linalg.tensorinv``."""
    if ind <= 0:
        raise ValueError("Invalid ind argument.")
    a = as_array(a)
    shape = a.shape[ind:] + a.shape[:ind]
    return la.inv(a.reshape(math.prod(a.shape[:ind]), -1)).reshape(shape)


@implements(np.linalg.pinv)
def pinv(a: Any, rcond: Any = None, hermitian: bool = False, *, rtol: Any = _not_given) -> Any:
    """``np.linalg.pinv``, differentiated at constant rank."""
    a = as_array(a)
    cut = plain(rcond)
    if cut is None:
        cut = 1e-15 if rtol is _not_given else plain(rtol)
        if cut is None:
            cut = greatest(*a.shape[-2:]) * np.finfo(a.dtype).eps
    elif rtol is not _not_given:
        raise ValueError("`rtol` and `rcond` can't be both set.")
    if hermitian:
        a = triangle(a, True) + adjoint(triangle(a, True, 1))
    return la.pinv(a, rcond=cut)


@implements(np.linalg.lstsq)
def lstsq(a: Any, b: Any, rcond: Any = None) -> Any:
    """``np.linalg.lstsq``, differentiated at constant rank."""
    a, b = as_array(a), as_array(b)
    if any_staged((a, b)):
        return _staged_lstsq(a, b, rcond)
    _, residuals, rank, _ = np.linalg.lstsq(plain(a), plain(b), rcond)
    if rcond is None:
        rcond = np.finfo(a.dtype).eps * max(a.shape)
    elif rcond == -1:
        rcond = np.finfo(a.dtype).eps
    x = la.matmul(la.pinv(a, rcond=max(float(rcond), 0.0)), b)
    if residuals.size:
        e = la.matmul(a, x) - b
        residuals = st.reduce_sum((e * e.conj()).real, axis=(0,))
        residuals = residuals[None] if b.ndim == 1 else residuals
    return x, residuals, rank, svdvals(a)


def _staged_lstsq(a: Any, b: Any, rcond: Any) -> Any:
    m, n = a.shape
    if rcond is None:
        rcond = np.finfo(a.dtype).eps * greatest(m, n)
    elif rcond == -1:
        rcond = np.finfo(a.dtype).eps
    singular = svdvals(a)
    largest = np.max(singular, initial=0.0)
    rank = st.cast(np.count_nonzero(singular > rcond * largest), dtype=np.dtype(np.int32))
    x = la.matmul(la.pinv(a, rcond=rcond), b)
    e = la.matmul(a, x) - b
    residuals = st.reduce_sum((e * e.conj()).real, axis=(0,))
    residuals = residuals[None] if b.ndim == 1 else residuals
    # NumPy returns none unless there are more equations than unknowns, and those are independent.
    some = np.logical_and(np.equal(rank, n), np.greater(m, n))
    residuals = residuals[: as_length(np.where(some, residuals.shape[0], 0))]
    return x, residuals, rank, singular


# -- determinants and factorisations ---------------------------------------------------------------


@implements(np.linalg.det)
def det(a: Any) -> Any:
    """``np.linalg.det``."""
    return la.det(as_array(a))


@implements(np.linalg.slogdet)
def slogdet(a: Any) -> Any:
    """``np.linalg.slogdet``."""
    return SlogdetResult(*la.slogdet(as_array(a)))


@implements(np.linalg.cholesky)
def cholesky(a: Any, /, *, upper: bool = False) -> Any:
    """``np.linalg.cholesky``."""
    a = as_array(a)
    return adjoint(la.cholesky(adjoint(a))) if upper else la.cholesky(a)


@implements(np.linalg.qr)
def qr(a: Any, mode: str = "reduced") -> Any:
    """``np.linalg.qr``."""
    if mode not in ("reduced", "complete", "r"):
        if mode == "raw":
            raise NotImplementedError(
                "np.linalg.qr(mode='raw') returns Householder reflections, which have no "
                "derivative here; use mode='reduced', 'complete' or 'r'"
            )
        np.linalg.qr(plain(a), mode)  # type: ignore[call-overload]  # its own error
        mode = {"f": "reduced", "full": "reduced"}.get(mode, mode)
    a = as_array(a)
    m, n = a.shape[-2:]
    if m < n:
        # The first m columns make q; r of the others is qᴴ times them.
        q, r = la.qr(a[..., :m])
        r = np.concatenate([r, matmul(adjoint(q), a[..., m:])], axis=-1)
    else:
        q, r = la.qr(a)
    if mode == "r":
        return r
    if mode == "complete" and m > n:
        rest = st.reshape(_rest_of_qr(plain(a)), shape=(*a.shape[:-1], m - n))
        q = np.concatenate([q, la.complement(q, rest)], axis=-1)
        r = np.concatenate([r, zeros((*a.shape[:-2], m - n, n), a.dtype)], axis=-2)
    return QRResult(q, r)


_rest_of_qr = without_derivative(discrete.rest_of_qr)
_rest_of_svd = without_derivative(discrete.rest_of_svd)


@implements(np.linalg.svd)
def svd(
    a: Any, full_matrices: bool = True, compute_uv: bool = True, hermitian: bool = False
) -> Any:
    """``np.linalg.svd``."""
    a = as_array(a)
    if hermitian:
        return _hermitian_svd(a, compute_uv)
    u, s, vh = la.svd(a)
    if not compute_uv:
        return s
    m, n = a.shape[-2:]
    if full_matrices and m != n:
        left, right = _rest_of_svd(plain(a))
        if m > n:
            rest = st.reshape(left, shape=(*a.shape[:-1], m - n))
            u = np.concatenate([u, la.complement(u, rest)], axis=-1)
        else:
            rest = st.reshape(right, shape=(*a.shape[:-2], n, n - m))
            vh = np.concatenate([vh, adjoint(la.complement(adjoint(vh), rest))], axis=-2)
    return SVDResult(u, s, vh)


def _hermitian_svd(a: Any, compute_uv: bool) -> Any:
    w, v = eigh(a)
    size = np.abs(w)
    order = np.argsort(plain(size), axis=-1)[..., ::-1]
    if not compute_uv:
        return np.take_along_axis(size, order, -1)
    sign = np.take_along_axis(np.sign(plain(w)), order, -1)
    u = np.take_along_axis(v, order[..., None, :], -1)
    vh = adjoint(u * sign[..., None, :])
    return SVDResult(u, np.take_along_axis(size, order, -1), vh)


@implements(np.linalg.svdvals)
def svdvals(x: Any, /) -> Any:
    """``np.linalg.svdvals``."""
    return la.svd(as_array(x))[1]


@implements(np.linalg.eigh)
def eigh(a: Any, UPLO: str = "L") -> Any:
    """``np.linalg.eigh``."""
    if UPLO.upper() not in ("L", "U"):
        raise ValueError("UPLO argument must be 'L' or 'U'")
    w, v = la.eigh(as_array(a), lower=UPLO.upper() == "L")
    note_eigenvalues(w)
    return EighResult(w, v)


@implements(np.linalg.eigvalsh)
def eigvalsh(a: Any, UPLO: str = "L") -> Any:
    """``np.linalg.eigvalsh``."""
    return eigh(a, UPLO)[0]


@implements(np.linalg.eig)
def eig(a: Any) -> Any:
    """``np.linalg.eig``."""
    return EigResult(*la.eig(as_array(a)))


@implements(np.linalg.eigvals)
def eigvals(a: Any) -> Any:
    """``np.linalg.eigvals``."""
    return la.eig(as_array(a))[0]


# -- norms -----------------------------------------------------------------------------------------


@implements(np.linalg.norm)
def norm(x: Any, ord: Any = None, axis: Any = None, keepdims: bool = False) -> Any:
    """``np.linalg.norm``."""
    x, ord, axis = as_array(x), plain(ord), plain(axis)
    if axis is None:
        if ord is None or (ord in ("f", "fro") and x.ndim == 2) or (ord == 2 and x.ndim == 1):
            return la.norm(x, axis=None, keepdims=bool(keepdims))
        axes = tuple(range(x.ndim))
    else:
        axes = normalize_axis(axis, x.ndim) or ()
    if len(axes) == 1:
        return _vector_norm(x, axes, 2 if ord is None else ord, keepdims)
    if len(axes) == 2:
        return _matrix_norm(x, axes, "fro" if ord is None else ord, keepdims)
    raise ValueError("Improper number of dimensions to norm.")


def _vector_norm(x: Any, axes: tuple[int, ...], ord: Any, keepdims: bool) -> Any:
    keepdims = bool(keepdims)
    if isinstance(ord, str):
        raise ValueError(f"Invalid norm order '{ord}' for vectors")
    if ord == 2:
        return la.norm(x, axis=axes, keepdims=keepdims)
    if ord == 0:
        return np.sum(plain(x) != 0, axis=axes, keepdims=keepdims, dtype=x.real.dtype)
    size = np.abs(x)
    if ord == np.inf:
        return np.max(size, axis=axes, keepdims=keepdims)
    if ord == -np.inf:
        return np.min(size, axis=axes, keepdims=keepdims)
    if ord == 1:
        return st.reduce_sum(size, axis=axes, keepdims=keepdims)
    # |x|**p and s**(1/p) are apart from 0, where their derivatives may be infinite.
    zero = np.equal(size, 0)
    edge = 0.0 if ord > 0 else np.inf
    power = size.dtype.type(ord)
    powers = ew.where(
        zero, size.dtype.type(edge), ew.where(zero, size.dtype.type(1), size) ** power
    )
    total = st.reduce_sum(powers, axis=axes, keepdims=keepdims)
    none = np.equal(total, 0)
    root = ew.where(none, total.dtype.type(1), total) ** total.dtype.type(1 / ord)
    result = ew.where(none, total.dtype.type(0), root)
    return result[()] if is_staged(result) else result


def _matrix_norm(x: Any, axes: tuple[int, ...], ord: Any, keepdims: bool) -> Any:
    row, column = axes
    if row == column:
        raise ValueError("Duplicate axes given.")
    if ord in ("fro", "f"):
        return la.norm(x, axis=axes, keepdims=bool(keepdims))
    if ord in ("nuc", 2, -2):
        # |s|, whose derivative is 0 at 0: of the subgradients of these norms the least.
        s = np.abs(svdvals(np.moveaxis(x, axes, (-2, -1))))
        reduce = np.sum if ord == "nuc" else np.max if ord == 2 else np.min
        result = reduce(s, axis=-1)
    elif ord in (1, -1, np.inf, -np.inf):
        inner, outer = (row, column) if abs(ord) == 1 else (column, row)
        sums = st.reduce_sum(np.abs(x), axis=(inner,))
        outer -= outer > inner
        result = (np.max if ord > 0 else np.min)(sums, axis=outer)
    else:
        raise ValueError("Invalid norm order for matrices.")
    if keepdims:
        result = np.reshape(result, tuple(1 if k in axes else n for k, n in enumerate(x.shape)))
    return result


@implements(np.linalg.vector_norm)
def vector_norm(x: Any, /, *, axis: Any = None, keepdims: bool = False, ord: Any = 2) -> Any:
    """``np.linalg.vector_norm``."""
    x = as_array(x)
    axes = tuple(range(x.ndim)) if axis is None else normalize_axis(plain(axis), x.ndim)
    return _vector_norm(x, axes or (), plain(ord), keepdims)


@implements(np.linalg.matrix_norm)
def matrix_norm(x: Any, /, *, keepdims: bool = False, ord: Any = "fro") -> Any:
    """``np.linalg.matrix_norm``."""
    x = as_array(x)
    return _matrix_norm(x, (x.ndim - 2, x.ndim - 1), plain(ord), keepdims)


@implements(np.linalg.cond)
def cond(x: Any, p: Any = None) -> Any:
    """``np.linalg.cond``."""
    x, p = as_array(x), plain(p)
    if x.ndim < 2 or 0 in x.shape[-2:]:
        _refuse(np.linalg.cond, x)
    if p is None or p in (2, -2):
        s = svdvals(x)
        return s[..., -1] / s[..., 0] if p == -2 else s[..., 0] / s[..., -1]
    _square(x)
    return norm(x, p, (-2, -1)) * norm(la.inv(x), p, (-2, -1))
