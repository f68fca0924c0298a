"""Derivatives of the elementwise operations that are not holomorphic, or only real-linear.

A cotangent ct of a complex w stands for the real-linear form dw ↦ Re(ct dw): a real function of
z = x + iy has the cotangent ∂f/∂x − i ∂f/∂y, and a holomorphic one multiplies ct by f'(z).
"""

from __future__ import annotations

from typing import Any

import numpy as np

from adjoint.ops import elementwise as ew
from adjoint.rules.derive import general, linear

linear(ew.real, lambda ct: ct)
linear(ew.imag, lambda ct: ct * -1j)
linear(ew.conjugate, lambda ct: np.conjugate(ct))


def _slope(x: Any, out: Any) -> Any:
    """Return d|x|/dx: the sign, or for complex x the conjugate of x/|x|; 0 at 0."""
    if not np.iscomplexobj(x):
        return np.sign(x)
    return ew.strong_divide(np.conjugate(x), out)


def _real(x: Any) -> Any:
    return ew.real(x) if np.iscomplexobj(x) else x


general(
    ew.absolute,
    jvp=lambda x_dot, x, out: _real(x_dot * _slope(x, out)),
    vjp=lambda ct, x, out: ct * _slope(x, out),
)


def _complex_sign_jvp(x_dot: Any, x: Any, out: Any) -> Any:
    # s = z/|z| turns as z does: ds = i s Im(s̄ dz)/|z|
    turn = ew.imag(np.conjugate(out) * x_dot)
    return 1j * out * ew.strong_divide(turn, np.abs(x))


general(ew.complex_sign, jvp=_complex_sign_jvp)
