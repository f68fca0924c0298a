"""Neural networks: models are trees of arrays, and calling one is plain NumPy."""

from adjoint.nn import init
from adjoint.nn.conv import (
    conv1d,
    conv2d,
    conv3d,
    conv_transpose1d,
    conv_transpose2d,
    conv_transpose3d,
)
from adjoint.nn.conv_layers import (
    Conv1d,
    Conv2d,
    Conv3d,
    ConvTranspose1d,
    ConvTranspose2d,
    ConvTranspose3d,
)
from adjoint.nn.dropout import Dropout, dropout
from adjoint.nn.linear import Bilinear, Embedding, Linear
from adjoint.nn.module import Module, named_parameters, parameter_count
from adjoint.nn.pooling import (
    adaptive_avg_pool1d,
    adaptive_avg_pool2d,
    adaptive_max_pool1d,
    adaptive_max_pool2d,
    avg_pool1d,
    avg_pool2d,
    global_avg_pool,
    global_max_pool,
    max_pool1d,
    max_pool2d,
)
from adjoint.nn.sequential import Sequential

__all__ = [
    # models
    "Module", "Sequential", "init", "named_parameters", "parameter_count",
    # layers
    "Bilinear", "Conv1d", "Conv2d", "Conv3d", "ConvTranspose1d", "ConvTranspose2d",
    "ConvTranspose3d", "Dropout", "Embedding", "Linear",
    # functions
    "adaptive_avg_pool1d", "adaptive_avg_pool2d", "adaptive_max_pool1d", "adaptive_max_pool2d",
    "avg_pool1d", "avg_pool2d", "conv1d", "conv2d", "conv3d", "conv_transpose1d",
    "conv_transpose2d", "conv_transpose3d", "dropout", "global_avg_pool", "global_max_pool",
    "max_pool1d", "max_pool2d",
]  # fmt: skip
