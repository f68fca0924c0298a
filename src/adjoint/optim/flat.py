"""Trees of parameters as one vector, and functions of them."""

from __future__ import annotations

from typing import Any

import numpy as np

from adjoint import tree
from adjoint.errors import InputError
from adjoint.optim.leaves import cast, check_shape, columns_of, is_trained, like, moments

__all__ = ["check_function", "flattened", "pair_of", "restored", "start"]


def check_function(value_and_grad: Any) -> None:
    """Refuse gradients in place of the function that gives them."""
    if not callable(value_and_grad):
        raise InputError(
            "update takes the function that gives value and gradients, such as "
            f"ad.value_and_grad(loss), not a {type(value_and_grad).__name__}: it is evaluated at "
            "several points"
        )


def pair_of(result: Any) -> tuple[Any, Any]:
    """Return the value and the gradients that a function gave."""
    if not isinstance(result, (tuple, list)) or len(result) != 2 or np.shape(result[0]) != ():
        raise InputError(
            f"value_and_grad returned a {type(result).__name__}: it has to be a pair, the value "
            "and the gradients"
        )
    return result[0], result[1]


def start(params: Any, known: Any = None) -> Any:
    """Return the parameters as a vector, of the dtype that all of them fit in.

    Parameters
    ----------
    params : pytree
    known : array, optional
        A vector as long as it has to be.

    Raises
    ------
    InputError
        If it is not, or there are no parameters.
    """
    moments(np.shape, params)  # refuses complex ones
    leaves = [leaf for leaf in tree.flatten(params)[0] if is_trained(leaf)]
    if not leaves:
        raise InputError("params holds no array of floating-point numbers: nothing to train")
    size = sum(leaf.size for leaf in leaves)
    # A staged length is known when the graph runs, which then says so itself.
    if known is not None and type(size) is type(known.size) is int and size != known.size:
        raise InputError(
            f"params holds {size} numbers, but the state is of {known.size}: it was made for others"
        )
    dtype = np.result_type(*(leaf.dtype for leaf in leaves))
    return np.concatenate([np.reshape(leaf, -1).astype(dtype) for leaf in leaves])


def flattened(params: Any, grads: Any, x: Any) -> Any:
    """Return the gradients as a vector like ``x``; those that are None are zeros."""
    leaves, _, (gradients,) = columns_of(params, grads=grads)
    parts = []
    for number, (leaf, g) in enumerate(zip(leaves, gradients, strict=True)):
        if not is_trained(leaf):
            continue
        if g is None:
            parts.append(np.zeros(leaf.size, x.dtype))
        else:
            check_shape(params, number, leaf, g, "grads")
            parts.append(cast(np.reshape(g, -1), x))
    return np.concatenate(parts)


def restored(params: Any, x: Any) -> Any:
    """Return a tree like ``params`` with the numbers of a vector."""
    leaves, spec = tree.flatten(params)
    new, begin = [], 0
    for leaf in leaves:
        if is_trained(leaf):
            part = np.reshape(x[begin : begin + leaf.size], leaf.shape)
            begin += leaf.size
            # A NumPy scalar stays one.
            leaf = like(part if isinstance(leaf, np.ndarray) else part[()], leaf)
        new.append(leaf)
    return tree.unflatten(spec, new)
