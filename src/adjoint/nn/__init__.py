"""Neural networks: models are trees of arrays, and calling one is plain NumPy."""

from adjoint.nn.conv import (
    conv1d,
    conv2d,
    conv3d,
    conv_transpose1d,
    conv_transpose2d,
    conv_transpose3d,
)
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

__all__ = [
    "Module", "adaptive_avg_pool1d", "adaptive_avg_pool2d", "adaptive_max_pool1d",
    "adaptive_max_pool2d", "avg_pool1d", "avg_pool2d", "conv1d", "conv2d", "conv3d",
    "conv_transpose1d", "conv_transpose2d", "conv_transpose3d", "global_avg_pool",
    "global_max_pool", "max_pool1d", "max_pool2d", "named_parameters", "parameter_count",
]  # fmt: skip
