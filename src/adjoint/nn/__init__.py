"""Neural networks: models are trees of arrays, and calling one is plain NumPy."""

from adjoint.nn import init
from adjoint.nn.activations import (
    PReLU,
    celu,
    elu,
    gelu,
    glu,
    hardsigmoid,
    hardswish,
    hardtanh,
    leaky_relu,
    log_sigmoid,
    log_softmax,
    mish,
    prelu,
    relu,
    relu6,
    selu,
    sigmoid,
    silu,
    softmax,
    softplus,
    softsign,
    swish,
    tanh,
)
from adjoint.nn.attention import scaled_dot_product_attention
from adjoint.nn.dropout import Dropout, dropout
from adjoint.nn.linear import Bilinear, Embedding, Linear
from adjoint.nn.module import Module, named_parameters, parameter_count
from adjoint.nn.multi_head_attention import KeyValueCache, MultiHeadAttention
from adjoint.nn.recurrent import GRU, LSTM, RNN
from adjoint.nn.recurrent_cells import GRUCell, LSTMCell, RNNCell
from adjoint.nn.sequential import Sequential

__all__ = [
    # models
    "Module", "Sequential", "init", "named_parameters", "parameter_count",
    # layers
    "Bilinear", "Dropout", "Embedding", "Linear", "PReLU",
    # layers for sequences
    "GRU", "GRUCell", "KeyValueCache", "LSTM", "LSTMCell", "MultiHeadAttention", "RNN", "RNNCell",
    "scaled_dot_product_attention",
    # functions
    "celu", "dropout", "elu", "gelu", "glu", "hardsigmoid", "hardswish", "hardtanh", "leaky_relu",
    "log_sigmoid", "log_softmax", "mish", "prelu", "relu", "relu6", "selu", "sigmoid", "silu",
    "softmax", "softplus", "softsign", "swish", "tanh",
]  # fmt: skip
