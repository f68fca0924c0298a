"""vmap: a function of one example as a function of many."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import numpy as np

from adjoint import tree
from adjoint.api.tracing import finish, name_of
from adjoint.dispatch import plain
from adjoint.errors import InputError
from adjoint.frontend import resolve
from adjoint.ops.structural import stack

__all__ = ["vmap"]


def _axes_of(axes: Any, values: Any, what: str) -> list[Any]:
    """Return one axis a leaf of ``values``; ``axes`` may be a prefix of its structure."""
    if axes is None or isinstance(axes, int):
        return [axes] * len(tree.flatten(values)[0])
    if isinstance(values, dict):
        children = (
            [(axes[key], values[key]) for key in sorted(values)] if isinstance(axes, dict) else None
        )
    elif isinstance(values, (list, tuple)) and isinstance(axes, (list, tuple)):
        children = list(zip(axes, values, strict=True)) if len(axes) == len(values) else None
    else:
        children = None
    if children is None:
        raise InputError(f"{what}={axes!r} does not match the structure of the values it is for")
    return [axis for a, v in children for axis in _axes_of(a, v, what)]


def vmap(fun: Callable, in_axes: Any = 0, out_axes: Any = 0) -> Callable[..., Any]:
    """Return ``fun`` applied along an axis of its arguments.

    The eager tier runs ``fun`` once an example, so examples may take different branches.

    Parameters
    ----------
    fun : callable
        Of one example; returns a pytree of numbers and arrays of the same shapes for every example.
    in_axes : int, None or pytree of them
        The axis of each argument along which the examples lie; None for an argument that is the
        same for all. A sequence has one entry an argument, which may be a prefix of its structure.
        Arguments passed by keyword are mapped along axis 0.
    out_axes : int or pytree of int
        Where the axis of examples goes in the results.

    Returns
    -------
    callable

    Raises
    ------
    InputError
        If the mapped axes differ in length, or there is none.

    Examples
    --------
    >>> import numpy as np, adjoint as ad
    >>> per_example = ad.vmap(ad.grad(lambda w, x: (w @ x) ** 2), in_axes=(None, 0))
    >>> per_example(np.array([1.0, 2.0]), np.eye(2))
    array([[2., 0.],
           [0., 4.]])
    """

    @functools.wraps(fun, updated=())
    def mapped(*args: Any, **kwargs: Any) -> Any:
        leaves, spec = tree.flatten(args)
        if isinstance(in_axes, (list, tuple)):
            axes = _axes_of(tuple(in_axes), tuple(args), "in_axes")
        else:
            axes = _axes_of(in_axes, tuple(args), "in_axes")
        keyword_leaves, keyword_spec = tree.flatten(kwargs)
        leaves = leaves + keyword_leaves
        axes = axes + [0] * len(keyword_leaves)
        count = _count(fun, leaves, axes)
        split = len(leaves) - len(keyword_leaves)
        one = resolve(fun)
        results = []
        for k in range(count):
            example = [_example(x, axis, k) for x, axis in zip(leaves, axes, strict=True)]
            result = one(
                *tree.unflatten(spec, example[:split]),
                **tree.unflatten(keyword_spec, example[split:]),
            )
            results.append(tree.flatten(result))
        if not results:
            raise InputError(
                f"vmap of {name_of(fun)} over an axis of length 0: with no example there is "
                "nothing that tells the shapes of the results"
            )
        out_spec = results[0][1]
        if any(s != out_spec for _, s in results):
            raise InputError(f"{name_of(fun)} returned different structures for different examples")
        out = _axes_of(out_axes, tree.unflatten(out_spec, results[0][0]), "out_axes")
        columns = zip(*(r for r, _ in results), strict=True)
        stacked = [finish(stack(*c, axis=axis)) for c, axis in zip(columns, out, strict=True)]
        return tree.unflatten(out_spec, stacked)

    return mapped


def _example(x: Any, axis: int | None, k: int) -> Any:
    """Return the argument of example ``k``; a copy, which the function may write to."""
    if axis is None:
        return x
    part = x[(slice(None),) * (axis % np.ndim(plain(x))) + (k,)]
    return part.copy() if isinstance(part, np.ndarray) else part


def _count(fun: Callable, leaves: list[Any], axes: list[Any]) -> int:
    counts = {}
    for x, axis in zip(leaves, axes, strict=True):
        if axis is None:
            continue
        shape = np.shape(plain(x))
        if not -len(shape) <= axis < len(shape):
            raise InputError(
                f"in_axes asks for axis {axis} of an argument of {name_of(fun)} of shape {shape}"
            )
        counts[shape[axis]] = shape
    if not counts:
        raise InputError("vmap needs at least one mapped argument: all of in_axes are None")
    if len(counts) > 1:
        raise InputError(
            f"the mapped axes of the arguments of {name_of(fun)} differ in length: "
            f"{sorted(counts)} (shapes {list(counts.values())})"
        )
    return next(iter(counts))
