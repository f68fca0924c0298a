"""Derivatives of Bessel, Hankel, Airy and Struve functions in their argument (DLMF 9–11).

The derivative in the order is refused. The formulas for orders 0 and 1 have no quotient by x, and
so hold at x = 0 too.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from adjoint.ops import elementwise as ew
from adjoint.ops import special as s
from adjoint.rules.derive import elementwise, general
from adjoint.rules.special import _real_only, _refuse

elementwise(s.j0, lambda t, x: -t * s.j1(x))
elementwise(s.j1, lambda t, x: t * (0.5 * (s.j0(x) - s.jv(2, x))))
elementwise(s.y0, lambda t, x: -t * s.y1(x))
elementwise(s.y1, lambda t, x: t * (0.5 * (s.y0(x) - s.yv(2, x))))
elementwise(s.i0, lambda t, x: t * s.i1(x))
elementwise(s.i1, lambda t, x: t * (0.5 * (s.i0(x) + s.iv(2, x))))
elementwise(s.i0e, lambda t, x, out: t * (s.i1e(x) - np.sign(x) * out))
elementwise(s.i1e, lambda t, x, out: t * (0.5 * (s.i0e(x) + s.ive(2, x)) - np.sign(x) * out))
elementwise(s.k0, lambda t, x: -t * s.k1(x))
elementwise(s.k1, lambda t, x: t * (-0.5 * (s.k0(x) + s.kv(2, x))))
elementwise(s.k0e, lambda t, x, out: t * (out - s.k1e(x)))
elementwise(s.k1e, lambda t, x, out: t * (out - 0.5 * (s.k0e(x) + s.kve(2, x))))


def _jve(t: Any, v: Any, z: Any) -> Any:
    _real_only("jve", z)
    return t * (0.5 * (s.jve(v - 1, z) - s.jve(v + 1, z)))


def _yve(t: Any, v: Any, z: Any) -> Any:
    _real_only("yve", z)
    return t * (0.5 * (s.yve(v - 1, z) - s.yve(v + 1, z)))


def _ive(t: Any, v: Any, z: Any, out: Any) -> Any:
    _real_only("ive", z)
    return t * (0.5 * (s.ive(v - 1, z) + s.ive(v + 1, z)) - np.sign(z) * out)


def _row(op: Any, in_z: Callable) -> None:
    elementwise(op, _refuse(op.name, op.operands[0]), in_z)


_row(s.jv, lambda t, v, z: t * (0.5 * (s.jv(v - 1, z) - s.jv(v + 1, z))))
_row(s.yv, lambda t, v, z: t * (0.5 * (s.yv(v - 1, z) - s.yv(v + 1, z))))
_row(s.iv, lambda t, v, z: t * (0.5 * (s.iv(v - 1, z) + s.iv(v + 1, z))))
_row(s.kv, lambda t, v, z: t * (-0.5 * (s.kv(v - 1, z) + s.kv(v + 1, z))))
_row(s.jve, _jve)
_row(s.yve, _yve)
_row(s.ive, _ive)
_row(s.kve, lambda t, v, z, out: t * (out - 0.5 * (s.kve(v - 1, z) + s.kve(v + 1, z))))
_row(s.yn, lambda t, n, x: t * (0.5 * (s.yv(n - 1, x) - s.yv(n + 1, x))))
_row(s.kn, lambda t, n, x: t * (-0.5 * (s.kv(n - 1, x) + s.kv(n + 1, x))))
_row(s.hankel1, lambda t, v, z: t * (0.5 * (s.hankel1(v - 1, z) - s.hankel1(v + 1, z))))
_row(s.hankel2, lambda t, v, z: t * (0.5 * (s.hankel2(v - 1, z) - s.hankel2(v + 1, z))))
_row(
    s.hankel1e,
    lambda t, v, z, out: t * (0.5 * (s.hankel1e(v - 1, z) - s.hankel1e(v + 1, z)) - 1j * out),
)
_row(
    s.hankel2e,
    lambda t, v, z, out: t * (0.5 * (s.hankel2e(v - 1, z) - s.hankel2e(v + 1, z)) + 1j * out),
)


def _struve_term(v: Any, x: Any) -> Any:
    return np.power(0.5 * x, v) * s.rgamma(v + 1.5) / math.sqrt(math.pi)


_row(  # DLMF 11.4.23 and 11.4.25, halved
    s.struve,
    lambda t, v, x: t * (0.5 * (s.struve(v - 1, x) - s.struve(v + 1, x) + _struve_term(v, x))),
)
_row(
    s.modstruve,
    lambda t, v, x: (
        t * (0.5 * (s.modstruve(v - 1, x) + s.modstruve(v + 1, x) + _struve_term(v, x)))
    ),
)


def _spherical(op: Any, lower: float, upper: float) -> None:
    """(2n + 1) f' = lower · n f(n−1) + upper · (n + 1) f(n+1) (DLMF 10.51.2)."""

    def in_z(t: Any, n: Any, z: Any) -> Any:
        below = ew.where(np.equal(n, 0), 0, n - 1)
        total = lower * n * op(below, z) + upper * (n + 1) * op(n + 1, z)
        return t * (total / (2 * n + 1))

    _row(op, in_z)


_spherical(s.spherical_jn, 1.0, -1.0)
_spherical(s.spherical_yn, 1.0, -1.0)
_spherical(s.spherical_in, 1.0, 1.0)
_spherical(s.spherical_kn, -1.0, -1.0)


def _airy(z: Any, out: Any) -> tuple[Any, Any, Any, Any]:
    ai, ai_prime, bi, bi_prime = out
    return ai_prime, z * ai, bi_prime, z * bi


general(
    s.airy,
    jvp=lambda z_dot, z: tuple(z_dot * p for p in _airy(z, s.airy(z))),
    vjp=lambda ct, z: sum(c * p for c, p in zip(ct, _airy(z, s.airy(z)), strict=True)),
)
