"""Neural networks: models are trees of arrays, and calling one is plain NumPy."""

from adjoint.nn.checkpoints import load, save
from adjoint.nn.fit import fit
from adjoint.nn.history import History
from adjoint.nn.loop import FitResult
from adjoint.nn.module import Module, named_parameters, parameter_count
from adjoint.nn.stopping import EarlyStopping

__all__ = [
    "EarlyStopping", "FitResult", "History", "Module", "fit", "load", "named_parameters",
    "parameter_count", "save",
]  # fmt: skip
