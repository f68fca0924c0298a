"""Neural networks: models are trees of arrays, and calling one is plain NumPy."""

from adjoint.nn import init
from adjoint.nn.checkpoints import load, save
from adjoint.nn.dropout import Dropout, dropout
from adjoint.nn.fit import fit
from adjoint.nn.history import History
from adjoint.nn.linear import Bilinear, Embedding, Linear
from adjoint.nn.loop import FitResult
from adjoint.nn.module import Module, named_parameters, parameter_count
from adjoint.nn.sequential import Sequential
from adjoint.nn.stopping import EarlyStopping

__all__ = [
    # models
    "Module", "Sequential", "init", "named_parameters", "parameter_count",
    # layers
    "Bilinear", "Dropout", "Embedding", "Linear",
    # functions
    "dropout",
    # training
    "EarlyStopping", "FitResult", "History", "fit", "load", "save",
]  # fmt: skip
