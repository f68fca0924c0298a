"""Automatic differentiation for the NumPy program you already have."""

from adjoint import numpy_api as _numpy_api  # noqa: F401  (fills the tables of NumPy's functions)
from adjoint.api.derivatives import grad, jvp, linearize, value_and_grad, vjp

__all__ = ["grad", "jvp", "linearize", "value_and_grad", "vjp"]
