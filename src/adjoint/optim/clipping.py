"""Gradients that are too long are made shorter."""

from __future__ import annotations

from typing import Any

import numpy as np

from adjoint import tree
from adjoint.optim.leaves import cast, is_trained, map_trained
from adjoint.optim.settings import check_not_negative

__all__ = ["clip_by_global_norm", "clip_by_value", "global_norm"]


def global_norm(grads: Any) -> Any:
    """Return the Euclidean norm of all leaves together.

    Squares are added in double precision.

    Examples
    --------
    >>> import numpy as np
    >>> from adjoint import optim
    >>> optim.global_norm({"w": np.array([3.0, 0.0]), "b": np.array([4.0])})
    np.float64(5.0)
    """
    total = np.float64(0.0)
    for leaf in tree.flatten(grads)[0]:
        if is_trained(leaf):
            total = total + np.sum(np.square(leaf), dtype=np.float64)
    return np.sqrt(total)


def clip_by_global_norm(grads: Any, max_norm: float) -> Any:
    """Scale all gradients by one factor, so that their `global_norm` is at most ``max_norm``.

    The factor is ``min(1, max_norm / (norm + 1e-6))``, as in `torch.nn.utils.clip_grad_norm_`. A
    norm that is not finite makes gradients zero or NaN: look at `global_norm` where that may be.

    References
    ----------
    R. Pascanu, T. Mikolov, Y. Bengio: On the difficulty of training recurrent neural networks.
    ICML 2013.

    Examples
    --------
    >>> import numpy as np
    >>> from adjoint import optim
    >>> optim.clip_by_global_norm([np.array([3.0]), np.array([4.0])], 1.0)
    [array([0.59999988]), array([0.79999984])]
    """
    check_not_negative(max_norm=max_norm)
    factor = np.minimum(1.0, max_norm / (global_norm(grads) + 1e-6))
    return map_trained(lambda g: g * cast(factor, g), grads)


def clip_by_value(grads: Any, clip_value: float) -> Any:
    """Bring every element of the gradients into ``[-clip_value, clip_value]``.

    Examples
    --------
    >>> import numpy as np
    >>> from adjoint import optim
    >>> optim.clip_by_value(np.array([0.5, -2.0]), 1.0)
    array([ 0.5, -1. ])
    """
    check_not_negative(clip_value=clip_value)
    return map_trained(lambda g: np.clip(g, -clip_value, clip_value), grads)
