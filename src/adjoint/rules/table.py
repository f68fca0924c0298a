"""All rows of the derivative table. Importing this module gives every operation its rule."""

from adjoint.rules import complex, elementwise, fft, indexing, linalg, order, products, reduction, scan, structural

__all__ = ["complex", "elementwise", "fft", "indexing", "linalg", "order", "products", "reduction", "scan", "structural"]
