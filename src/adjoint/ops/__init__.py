"""Declarations of the primitive operations, by family.

One declaration is all that the rest of the system knows of an operation: its name, its NumPy
meaning, its operands. Derivatives are in `adjoint.rules`, NumPy's functions built from operations
in `adjoint.numpy_api`.
"""
