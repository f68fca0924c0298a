"""Optimisers with no hidden state: settings are frozen, and the state goes in and comes out.

An optimiser is a dataclass of its settings with two methods::

    state = optimizer.init(params)
    params, state = optimizer.update(grads, state, params)

Parameters, gradients and states are trees of arrays. Nothing is changed in place, so that an update
is a function like any other: it can be jitted, together with the gradient, and run again from a
state that was kept. Names, defaults and numbers are PyTorch's.
"""

from adjoint.optim.accumulation import Accumulate, AccumulateState
from adjoint.optim.adagrad import Adagrad, AdagradState
from adjoint.optim.adam import Adam, AdamState, AdamW
from adjoint.optim.averaging import EMA, EMAState
from adjoint.optim.clipping import clip_by_global_norm, clip_by_value, global_norm
from adjoint.optim.lbfgs import LBFGS, LBFGSState
from adjoint.optim.lion import Lion, LionState
from adjoint.optim.one_cycle import OneCycleLR
from adjoint.optim.rmsprop import RMSprop, RMSpropState
from adjoint.optim.schedules import (
    ConstantLR,
    CosineAnnealingLR,
    CosineAnnealingWarmRestarts,
    ExponentialLR,
    LinearLR,
    SequentialLR,
    StepLR,
    WarmupCosineLR,
)
from adjoint.optim.sgd import SGD, SGDState

__all__ = [
    # optimisers and what they keep
    "LBFGS", "SGD", "Adagrad", "Adam", "AdamW", "Lion", "RMSprop",
    "AdagradState", "AdamState", "LBFGSState", "LionState", "RMSpropState", "SGDState",
    # learning rates
    "ConstantLR", "CosineAnnealingLR", "CosineAnnealingWarmRestarts", "ExponentialLR", "LinearLR",
    "OneCycleLR", "SequentialLR", "StepLR", "WarmupCosineLR",
    # gradients and averages
    "EMA", "Accumulate", "AccumulateState", "EMAState", "clip_by_global_norm", "clip_by_value",
    "global_norm",
]  # fmt: skip
