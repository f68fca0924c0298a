"""All rows of the derivative table. Importing this module gives every operation its rule."""

from adjoint.rules import (
    checks,
    complex,
    convolution,
    elementwise,
    external,
    factorizations,
    fft,
    indexing,
    linalg,
    matrix_functions,
    order,
    products,
    reduction,
    scan,
    spectral,
    structural,
)

__all__ = [
    "checks",
    "complex",
    "convolution",
    "elementwise",
    "external",
    "factorizations",
    "fft",
    "indexing",
    "linalg",
    "matrix_functions",
    "order",
    "products",
    "reduction",
    "scan",
    "spectral",
    "structural",
]
