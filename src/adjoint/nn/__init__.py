"""Neural networks: models are trees of arrays, and calling one is plain NumPy."""

from adjoint.nn.module import Module, named_parameters, parameter_count

__all__ = ["Module", "named_parameters", "parameter_count"]
