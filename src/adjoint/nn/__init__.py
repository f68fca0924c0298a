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
from adjoint.nn.batch_norm import BatchNorm1d, BatchNorm2d, BatchNormState
from adjoint.nn.checkpoints import load, save
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
from adjoint.nn.fit import fit
from adjoint.nn.history import History
from adjoint.nn.linear import Bilinear, Embedding, Linear
from adjoint.nn.loop import FitResult
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
from adjoint.nn.multi_head_attention import KeyValueCache, MultiHeadAttention
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
from adjoint.nn.positions import rotary_embedding, sinusoidal_encoding
from adjoint.nn.recurrent import GRU, LSTM, RNN
from adjoint.nn.recurrent_cells import GRUCell, LSTMCell, RNNCell
from adjoint.nn.sequential import Sequential
from adjoint.nn.stopping import EarlyStopping
from adjoint.nn.torch_weights import load_torch_state_dict, to_torch_state_dict
from adjoint.nn.transformer import TransformerDecoder, TransformerEncoder
from adjoint.nn.transformer_layers import TransformerDecoderLayer, TransformerEncoderLayer
from adjoint.nn.vectors import parameters_to_vector, vector_to_parameters

__all__ = [
    # models
    "Module", "Sequential", "init", "load_torch_state_dict", "named_parameters",
    "parameter_count", "parameters_to_vector", "to_torch_state_dict", "vector_to_parameters",
    # layers
    "BatchNorm1d", "BatchNorm2d", "BatchNormState", "Bilinear", "Conv1d", "Conv2d", "Conv3d",
    "ConvTranspose1d", "ConvTranspose2d", "ConvTranspose3d", "Dropout", "Embedding", "GroupNorm",
    "InstanceNorm1d", "InstanceNorm2d", "LayerNorm", "Linear", "PReLU", "RMSNorm",
    # layers for sequences
    "GRU", "GRUCell", "KeyValueCache", "LSTM", "LSTMCell", "MultiHeadAttention", "RNN", "RNNCell",
    "TransformerDecoder", "TransformerDecoderLayer", "TransformerEncoder",
    "TransformerEncoderLayer", "rotary_embedding", "scaled_dot_product_attention",
    "sinusoidal_encoding",
    # functions
    "adaptive_avg_pool1d", "adaptive_avg_pool2d", "adaptive_max_pool1d", "adaptive_max_pool2d",
    "avg_pool1d", "avg_pool2d", "celu", "conv1d", "conv2d", "conv3d", "conv_transpose1d",
    "conv_transpose2d", "conv_transpose3d", "dropout", "elu", "gelu", "global_avg_pool",
    "global_max_pool", "glu", "hardsigmoid", "hardswish", "hardtanh", "leaky_relu", "log_sigmoid",
    "log_softmax", "max_pool1d", "max_pool2d", "mish", "prelu", "relu", "relu6", "selu",
    "sigmoid", "silu", "softmax", "softplus", "softsign", "swish", "tanh",
    # losses
    "binary_cross_entropy", "binary_cross_entropy_with_logits", "cosine_embedding_loss",
    "cosine_similarity", "cross_entropy", "ctc_loss", "gaussian_nll_loss", "hinge_embedding_loss",
    "huber_loss", "kl_div", "l1_loss", "margin_ranking_loss", "mse_loss", "nll_loss",
    "pairwise_distance", "poisson_nll_loss", "smooth_l1_loss", "soft_margin_loss",
    "triplet_margin_loss",
    # training
    "EarlyStopping", "FitResult", "History", "fit", "load", "save",
]  # fmt: skip
