"""All rows of the derivative table. Importing this module gives every operation its rule."""

from adjoint.rules import elementwise, indexing, linalg, structural

__all__ = ["elementwise", "indexing", "linalg", "structural"]
