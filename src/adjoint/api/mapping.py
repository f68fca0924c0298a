"""vmap: a function of one example as a function of many."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import numpy as np

from adjoint import tree
from adjoint.api.compile import Jitted
from adjoint.api.tracing import finish, name_of
from adjoint.dispatch import plain
from adjoint.errors import InputError, TracingError
from adjoint.frontend import resolve
from adjoint.ir.build import building, innermost, staging
from adjoint.ir.dims import Dim
from adjoint.ir.types import of_value as type_of_constant
from adjoint.ops import control
from adjoint.ops.structural import broadcast_to, permute, stack
from adjoint.staged.integers import compare
from adjoint.staged.values import Staged, emit, lift, param, value_of, wrap
from adjoint.staging.recursion import resolve_call
from adjoint.staging.stage import Output

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

    The eager tier runs ``fun`` once an example. In a staged program (under `jit`, or of a function
    that `jit` returned) the operations of all examples are recorded together, as one operation on
    larger arrays wherever there is one: ``W @ x`` becomes one product. Where the examples decide
    about loops and branches, and where an operation takes no stacks, a ``map`` operation runs them
    one by one, each its own passes and branches only.

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
        if once is not None and not staging():
            return once(*args, **kwargs)
        leaves, spec = tree.flatten(args)
        if isinstance(in_axes, (list, tuple)):
            axes = _axes_of(tuple(in_axes), tuple(args), "in_axes")
        else:
            axes = _axes_of(in_axes, tuple(args), "in_axes")
        keyword_leaves, keyword_spec = tree.flatten(kwargs)
        leaves = leaves + keyword_leaves
        axes = axes + [0] * len(keyword_leaves)
        split = len(leaves) - len(keyword_leaves)
        if staging():

            def of_leaves(example: list[Any]) -> Any:
                given = tree.unflatten(spec, example[:split])
                named = tree.unflatten(keyword_spec, example[split:])
                return resolve_call(fun)(*given, **named)

            return _staged(fun, of_leaves, leaves, axes, out_axes)
        count = _count(fun, leaves, axes)
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

    once = None
    if isinstance(fun, Jitted):
        once = Jitted(mapped, fun.static_argnums, fun.static_argnames, fun.backend)
    return mapped


def _example(x: Any, axis: int | None, k: int) -> Any:
    """Return the argument of example ``k``; a copy, which the function may write to."""
    if axis is None:
        return x
    part = x[(slice(None),) * (axis % np.ndim(plain(x))) + (k,)]
    return part.copy() if isinstance(part, np.ndarray) else part


def _staged(
    fun: Callable,
    of_leaves: Callable[[list[Any]], Any],
    leaves: list[Any],
    axes: list[Any],
    out_axes: Any,
) -> Any:
    """Record the function of one example, and the examples' operations together."""
    from adjoint.api.staged_tracing import StagedCall
    from adjoint.transforms.batch import batch

    count = _staged_count(fun, leaves, axes)
    lifted = [x if axis is None else lift(x) for x, axis in zip(leaves, axes, strict=True)]
    mapped = [k for k, axis in enumerate(axes) if axis is not None]
    columns = [moveaxis_of(lifted[k], axes[k] % np.ndim(lifted[k]), 0) for k in mapped]

    def one(examples: list[Any]) -> Any:
        given = list(leaves)
        for k, x in zip(mapped, examples, strict=True):
            given[k] = x
        return of_leaves(given)

    with building(innermost()):
        # An example of each argument, for its type alone.
        examples = [x[0].copy() for x in columns]
        call = StagedCall(one, (examples,), {}, (0,), False, lambda x, name: x)
    for location, _, _ in call.writes:
        raise TracingError(
            f"{name_of(fun)} changes {location.describe()}: under vmap, where the examples are run "
            "together, they would do so in no order. Return the value instead."
        )
    given = dict(zip(call.parameters, map(value_of, columns), strict=True))
    walk = batch(call.block, given, call.parameters, param(count))
    results = []
    for leaf in call.outputs:
        if isinstance(leaf, Output):
            result = call.block.results[leaf.number]
            results.append(wrap(walk.whole(result)))
        elif type_of_constant(leaf) is not None:
            constant = np.asarray(leaf)
            results.append(broadcast_to(lift(constant), shape=(count, *constant.shape)))
        else:
            raise InputError(
                f"{name_of(fun)} returned {leaf!r} under vmap, which stacks numbers and arrays"
            )
    out = _axes_of(out_axes, tree.unflatten(call.out_spec, results), "out_axes")
    moved = [
        wrap(value_of(moveaxis_of(x, 0, axis % np.ndim(x))))
        for x, axis in zip(results, out, strict=True)
    ]
    return tree.unflatten(call.out_spec, moved)


def moveaxis_of(x: Any, source: int, destination: int) -> Any:
    """Return ``np.moveaxis(x, source, destination)`` of a staged value."""
    order = [k for k in range(x.ndim) if k != source]
    order.insert(destination, source)
    return permute(x, axes=tuple(order)) if source != destination else x


def _staged_count(fun: Callable, leaves: list[Any], axes: list[Any]) -> Any:
    """Return how many examples there are, as far as it is known; check it at run time otherwise."""
    lengths: list[Any] = []
    shapes = []
    for x, axis in zip(leaves, axes, strict=True):
        if axis is None:
            continue
        shape = tuple(x.shape) if hasattr(x, "shape") else np.shape(x)
        if not -len(shape) <= axis < len(shape):
            raise InputError(
                f"in_axes asks for axis {axis} of an argument of {name_of(fun)} of shape {shape}"
            )
        lengths.append(shape[axis])
        shapes.append(shape)
    if not lengths:
        raise InputError("vmap needs at least one mapped argument: all of in_axes are None")
    count = next((n for n in lengths if type(n) is int), lengths[0])
    for n in lengths:
        message = (
            f"the mapped axes of the arguments of {name_of(fun)} differ in length (shapes {shapes})"
        )
        same = (
            compare("==", n, count) if isinstance(n, Dim) or isinstance(count, Dim) else n == count
        )
        if isinstance(same, Staged):
            emit(control.check, (same,), {"error": InputError, "args": (message,)})
        elif not same:
            raise InputError(message)
    if type(count) is int and count == 0:
        raise InputError(f"vmap of {name_of(fun)} over an axis of length 0")
    return count


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
