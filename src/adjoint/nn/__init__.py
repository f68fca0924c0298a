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
from adjoint.nn.batch_norm import BatchNorm1d, BatchNorm2d, BatchNormState
from adjoint.nn.classification import (
    binary_cross_entropy,
    binary_cross_entropy_with_logits,
    cross_entropy,
    nll_loss,
)
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
from adjoint.nn.ctc import ctc_loss
from adjoint.nn.dropout import Dropout, dropout
from adjoint.nn.linear import Bilinear, Embedding, Linear
from adjoint.nn.losses import (
    gaussian_nll_loss,
    huber_loss,
    kl_div,
    l1_loss,
    mse_loss,
    poisson_nll_loss,
    smooth_l1_loss,
)
from adjoint.nn.margins import (
    cosine_embedding_loss,
    cosine_similarity,
    hinge_embedding_loss,
    margin_ranking_loss,
    pairwise_distance,
    soft_margin_loss,
    triplet_margin_loss,
)
from adjoint.nn.module import Module, named_parameters, parameter_count
from adjoint.nn.norms import GroupNorm, InstanceNorm1d, InstanceNorm2d, LayerNorm, RMSNorm
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
from adjoint.nn.torch_weights import load_torch_state_dict, to_torch_state_dict

__all__ = [
    # models
    "Module", "Sequential", "init", "load_torch_state_dict", "named_parameters", "parameter_count",
    "to_torch_state_dict",
    # layers
    "BatchNorm1d", "BatchNorm2d", "BatchNormState", "Bilinear", "Conv1d", "Conv2d", "Conv3d",
    "ConvTranspose1d", "ConvTranspose2d", "ConvTranspose3d", "Dropout", "Embedding",
    "GroupNorm", "InstanceNorm1d", "InstanceNorm2d", "LayerNorm", "Linear", "PReLU", "RMSNorm",
    # functions
    "celu", "dropout", "elu", "gelu", "glu", "hardsigmoid", "hardswish", "hardtanh", "leaky_relu",
    "log_sigmoid", "log_softmax", "mish", "prelu", "relu", "relu6", "selu", "sigmoid", "silu",
    "softmax", "softplus", "softsign", "swish", "tanh",
    # images
    "adaptive_avg_pool1d", "adaptive_avg_pool2d", "adaptive_max_pool1d", "adaptive_max_pool2d",
    "avg_pool1d", "avg_pool2d", "conv1d", "conv2d", "conv3d", "conv_transpose1d",
    "conv_transpose2d", "conv_transpose3d", "global_avg_pool", "global_max_pool", "max_pool1d",
    "max_pool2d",
    # losses
    "binary_cross_entropy", "binary_cross_entropy_with_logits", "cosine_embedding_loss",
    "cosine_similarity", "cross_entropy", "ctc_loss", "gaussian_nll_loss", "hinge_embedding_loss",
    "huber_loss", "kl_div", "l1_loss", "margin_ranking_loss", "mse_loss", "nll_loss",
    "pairwise_distance", "poisson_nll_loss", "smooth_l1_loss", "soft_margin_loss",
    "triplet_margin_loss",
]  # fmt: skip
