"""All rows of the derivative table. Importing this module gives every operation its rule."""

from adjoint.rules import complex, elementwise, indexing, linalg, order, reduction, scan, structural

__all__ = ["complex", "elementwise", "indexing", "linalg", "order", "reduction", "scan", "structural"]
