"""Derivatives of reading an array in a given order."""

from __future__ import annotations

from adjoint.ops import order
from adjoint.rules.derive import linear

linear(
    order.gather_along,
    lambda ct, x_type, indices, axis, distinct: order.scatter_along(
        ct, indices=indices, axis=axis, length=x_type.shape[axis], distinct=distinct
    ),
)
linear(
    order.scatter_along,
    lambda ct, indices, axis, distinct: order.gather_along(
        ct, indices=indices, axis=axis, distinct=distinct
    ),
)
