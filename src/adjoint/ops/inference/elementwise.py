"""Elementwise operations: the operands' shapes are broadcast together.

Every ufunc without a signature is one. Those whose meaning is another function are listed here by
name, SciPy's among them, whose modules are imported when they are first used.
"""

from __future__ import annotations

from typing import Any

from adjoint.ops.inference.call import Call, rule, rule_of
from adjoint.ops.inference.lengths import broadcast
from adjoint.ops.registry import OPS, Op

__all__ = ["elementwise", "is_elementwise"]


@rule(
    "add", "real", "imag", "where", "fraction", "ieee_remainder", "python_number", "fsum",
    "stop_gradient", "strong_multiply", "strong_divide", "extended_subtract", "one_minus_square",
    "direction", "sech2", "logistic", "sinc", "bessel_i",
    # of adjoint.ops.special
    "softplus", "spherical_jn", "spherical_yn", "spherical_in", "spherical_kn", "lambertw",
    "gamma_density", "gammainc_parameter", "beta_density", "betainc_parameter", "elliptic_moment",
    "zeta_derivative", "zeta", "erfcx", "dawsn", "polygamma",
)  # fmt: skip
def elementwise(call: Call) -> Any:
    """Type an elementwise operation."""
    shape = broadcast(call, [t.shape for t in call.operands])
    result = call.unit(**call.params)
    if not shape:
        return result
    if isinstance(result, tuple):
        return tuple([t.with_shape(shape) for t in result])
    return result.with_shape(shape)


def is_elementwise(op: Op) -> bool:
    """Tell whether an operation computes an element from the elements of its operands facing it."""
    if rule_of(op) is elementwise:
        return True
    return op.name in ("cast", "copy") and OPS.get(op.name) is op
