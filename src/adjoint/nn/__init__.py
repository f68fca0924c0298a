"""Neural networks: models are trees of arrays, and calling one is plain NumPy."""

from adjoint.nn import init
from adjoint.nn.dropout import Dropout, dropout
from adjoint.nn.linear import Bilinear, Embedding, Linear
from adjoint.nn.module import Module, named_parameters, parameter_count
from adjoint.nn.recurrent import GRU, LSTM, RNN
from adjoint.nn.recurrent_cells import GRUCell, LSTMCell, RNNCell
from adjoint.nn.sequential import Sequential

__all__ = [
    # models
    "Module", "Sequential", "init", "named_parameters", "parameter_count",
    # layers
    "Bilinear", "Dropout", "Embedding", "Linear",
    # layers for sequences
    "GRU", "GRUCell", "LSTM", "LSTMCell", "RNN", "RNNCell",
    # functions
    "dropout",
]  # fmt: skip
