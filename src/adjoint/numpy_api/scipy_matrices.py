"""``scipy.linalg``: functions of matrices, matrix equations, matrices of a pattern."""

from __future__ import annotations

from typing import Any

import numpy as np
import scipy.linalg

from adjoint.dispatch import any_active, certainly, is_staged, plain, to_python_number
from adjoint.numpy_api import linalg as nl
from adjoint.numpy_api.creation import as_array
from adjoint.numpy_api.lengths import places, require
from adjoint.numpy_api.scipy_linalg import in_columns, in_double, refuse_the_rest, stands_for
from adjoint.ops import linalg as la
from adjoint.ops import matrix_functions as mf
from adjoint.ops.creation import eye, zeros
from adjoint.rules.matrices import adjoint

__all__ = ["toeplitz"]

# -- functions of matrices -------------------------------------------------------------------------


def _function(name: str) -> None:
    def impl(A: Any, disp: Any = True, **options: Any) -> Any:
        if disp is False:
            raise NotImplementedError(
                f"scipy.linalg.{name}(A, disp=False) returns an error estimate too, which has no "
                "derivative; leave disp out"
            )
        a = as_array(A)
        nl._square(a)
        return mf.matrix_function(a, name=name)

    stands_for(name)(impl)


for _name in (
    "expm", "logm", "sqrtm", "signm", "cosm", "sinm", "tanm", "coshm", "sinhm", "tanhm",
):  # fmt: skip
    _function(_name)


@stands_for("fractional_matrix_power")
def fractional_matrix_power(A: Any, t: Any) -> Any:
    """``scipy.linalg.fractional_matrix_power``, with respect to the matrix."""
    if any_active(t):
        raise NotImplementedError(
            "scipy.linalg.fractional_matrix_power has no derivative in its exponent here; write it "
            "as scipy.linalg.expm(t * scipy.linalg.logm(A))"
        )
    t = plain(t)
    if t == int(t):
        return nl.matrix_power(A, int(t))
    return mf.matrix_function(as_array(A), name="fractional_matrix_power", power=float(t))


@stands_for("expm_frechet")
def expm_frechet(
    A: Any, E: Any, method: Any = None, compute_expm: bool = True, check_finite: bool = True
) -> Any:
    """``scipy.linalg.expm_frechet``."""
    a, e = in_double(as_array(A)), in_double(as_array(E))
    n = a.shape[-1]
    top = np.concatenate([a, e], axis=-1)
    bottom = np.concatenate([zeros(a.shape, plain(a).dtype), a], axis=-1)
    both = mf.matrix_function(np.concatenate([top, bottom], axis=-2), name="expm")
    return (both[:n, :n], both[:n, n:]) if compute_expm else both[:n, n:]


# -- matrix equations ------------------------------------------------------------------------------


@stands_for("solve_sylvester")
def solve_sylvester(a: Any, b: Any, q: Any) -> Any:
    """``scipy.linalg.solve_sylvester``."""
    return mf.sylvester(as_array(a), as_array(b), as_array(q))


@stands_for("solve_continuous_lyapunov", "solve_lyapunov")
def solve_continuous_lyapunov(a: Any, q: Any) -> Any:
    """``scipy.linalg.solve_continuous_lyapunov``."""
    a = as_array(a)
    return mf.sylvester(a, adjoint(a), as_array(q))


@stands_for("solve_discrete_lyapunov")
def solve_discrete_lyapunov(a: Any, q: Any, method: Any = None) -> Any:
    """``scipy.linalg.solve_discrete_lyapunov``, by either of SciPy's methods."""
    a, q = in_double(as_array(a)), as_array(q)
    n = a.shape[0]
    one = eye(n, dtype=a.dtype)
    if method not in (None, "direct", "bilinear"):
        raise ValueError(f"Unknown solver {method}")
    if method == "direct" or (method is None and n < 10):
        left = eye(n * n) - np.kron(a, a.conj())
        return la.solve(left, q.reshape(-1, 1)).reshape(q.shape)
    ah = adjoint(a)
    inverse = la.inv(ah + one)
    b = (ah - one) @ inverse
    c = 2 * (la.inv(a + one) @ q @ inverse)
    return mf.sylvester(adjoint(b), b, -c)


# -- matrices of a pattern -------------------------------------------------------------------------


def _line(x: Any, name: str) -> Any:
    x = as_array(x)
    if x.ndim > 1:
        raise NotImplementedError(f"scipy.linalg.{name} of traced values takes vectors")
    return x if x.ndim else x.reshape(1)


@stands_for("toeplitz")
def toeplitz(c: Any, r: Any = None) -> Any:
    """``scipy.linalg.toeplitz``."""
    c = _line(c, "toeplitz")
    r = c.conj() if r is None else _line(r, "toeplitz")
    rows, columns = c.shape[0], r.shape[0]
    i, j = places(rows, 2, 0), places(columns, 2, 1)
    return np.concatenate([c[::-1], r[1:]])[rows - 1 - i + j]


@stands_for("hankel")
def hankel(c: Any, r: Any = None) -> Any:
    """``scipy.linalg.hankel``."""
    c = _line(c, "hankel")
    r = zeros(c.shape, plain(c).dtype) if r is None else _line(r, "hankel")
    i, j = places(c.shape[0], 2, 0), places(r.shape[0], 2, 1)
    return np.concatenate([c, r[1:]])[i + j]


@stands_for("circulant")
def circulant(c: Any) -> Any:
    """``scipy.linalg.circulant``."""
    c = as_array(c)
    c = c if c.ndim else c.reshape(1)
    n = c.shape[-1]
    return c[..., (places(n, 2, 0) - places(n, 2, 1)) % n]


@stands_for("companion")
def companion(a: Any) -> Any:
    """``scipy.linalg.companion``."""
    a = _line(a, "companion")
    n = a.shape[0]
    if certainly(n < 2) or certainly(plain(a)[0] == 0):
        return scipy.linalg.companion(plain(a))  # its own error
    require(plain(a)[0] != 0, ValueError, "The first coefficient in `a` must not be zero.")
    first = -a[1:] / (1.0 * a[0])
    return np.concatenate([first[None, :], eye(n - 2, n - 1, dtype=plain(first).dtype)])


@stands_for("block_diag")
def block_diag(*arrs: Any) -> Any:
    """``scipy.linalg.block_diag``."""
    blocks = [as_array(a) for a in arrs]
    blocks = [b.reshape((1,) * (2 - b.ndim) + b.shape) if b.ndim < 2 else b for b in blocks]
    if any(b.ndim != 2 for b in blocks):
        raise NotImplementedError("scipy.linalg.block_diag of traced values takes matrices")
    width = sum(b.shape[1] for b in blocks)
    rows, before = [], 0
    for b in blocks:
        dtype = plain(b).dtype
        left = zeros((b.shape[0], before), dtype)
        before += b.shape[1]
        right = zeros((b.shape[0], width - before), dtype)
        rows.append(np.concatenate([left, b, right], axis=1))
    return np.concatenate(rows, axis=0)


@stands_for("khatri_rao")
def khatri_rao(a: Any, b: Any) -> Any:
    """``scipy.linalg.khatri_rao``."""
    a, b = as_array(a), as_array(b)
    product = a[:, None, :] * b[None, :, :]
    return product.reshape(a.shape[0] * b.shape[0], a.shape[1])


@stands_for("kron")
def kron(a: Any, b: Any) -> Any:
    """``scipy.linalg.kron``."""
    return np.kron(a, b)


@stands_for("norm")
def norm(
    a: Any, ord: Any = None, axis: Any = None, keepdims: bool = False, check_finite: bool = True
) -> Any:
    """``scipy.linalg.norm``."""
    a, ord = as_array(a), plain(ord)
    if a.ndim == 2 and axis is None and not keepdims and ord in (1, np.inf):
        # What SciPy calls here returns Python floats.
        result = nl.norm(in_double(a), ord, axis, keepdims)
        return to_python_number(result) if is_staged(result) else result
    return nl.norm(a, ord, axis, keepdims)


def _toeplitz_of(c_or_cr: Any) -> Any:
    return toeplitz(*c_or_cr) if isinstance(c_or_cr, tuple) else toeplitz(c_or_cr)


@stands_for("solve_toeplitz")
def solve_toeplitz(c_or_cr: Any, b: Any, check_finite: bool = True) -> Any:
    """``scipy.linalg.solve_toeplitz``, by a full matrix."""
    a = in_double(_toeplitz_of(c_or_cr))
    return in_columns(lambda m: la.solve(a, m), as_array(b))


@stands_for("matmul_toeplitz")
def matmul_toeplitz(c_or_cr: Any, x: Any, check_finite: bool = False, workers: Any = None) -> Any:
    """``scipy.linalg.matmul_toeplitz``, by a full matrix."""
    return la.matmul(in_double(_toeplitz_of(c_or_cr)), as_array(x))


refuse_the_rest()
