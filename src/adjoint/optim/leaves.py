"""Leaf by leaf: how every optimiser goes through trees of parameters, gradients and its own state.

Leaves that train are arrays and NumPy scalars of floating-point numbers. All others (integers,
Python numbers, strings: a layer's settings) are left as they are, whatever the gradient has in
their place, and the state has ``None`` there.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from adjoint import tree
from adjoint.errors import InputError

__all__ = [
    "cast",
    "check_shape",
    "columns_of",
    "is_trained",
    "like",
    "map_trained",
    "moments",
    "update_leaves",
]


def is_trained(leaf: Any) -> bool:
    """Tell whether a leaf is an array, or NumPy scalar, of floating-point numbers."""
    return isinstance(leaf, (np.ndarray, np.floating)) and leaf.dtype.kind == "f"


def cast(number: Any, leaf: Any) -> Any:
    """Return a number with the dtype of a leaf; Python's numbers are weak as they are (NEP 50)."""
    return number.astype(leaf.dtype) if hasattr(number, "astype") else number


def like(new: Any, old: Any) -> Any:
    """Return ``new`` with the dtype of ``old``, and as an array where ``old`` is one.

    NumPy makes scalars of what is computed with arrays of no axes, and float64 of float32 where a
    setting is an ``np.float64``. State and parameters keep their types: a jitted step would be made
    anew for others.
    """
    if new.dtype != old.dtype:
        new = new.astype(old.dtype)
    if old.ndim == 0 and isinstance(old, np.ndarray):
        return np.reshape(np.atleast_1d(new), ())
    return new


def moments(fn: Callable[[Any], Any], params: Any) -> Any:
    """Return the tree of ``fn(leaf)`` for the leaves that train, with None for the others.

    Raises
    ------
    InputError
        If a leaf is complex.
    """
    leaves, spec = tree.flatten(params)
    for number, leaf in enumerate(leaves):
        if isinstance(leaf, (np.ndarray, np.complexfloating)) and leaf.dtype.kind == "c":
            raise InputError(
                f"params{_name(params, number)} is {leaf.dtype}: optimisers train real numbers; "
                "let the real and the imaginary part be parameters"
            )
    return tree.unflatten(spec, [fn(leaf) if is_trained(leaf) else None for leaf in leaves])


def columns_of(params: Any, **others: Any) -> tuple[list[Any], tree.Structure, list[list[Any]]]:
    """Return the leaves of ``params``, its structure, and what the other trees have in their place.

    Raises
    ------
    InputError
        If another tree has a different structure; the message says where.
    """
    leaves, spec = tree.flatten(params)
    columns = []
    for title, other in others.items():
        try:
            columns.append(spec.flatten_up_to(other))
        except ValueError:
            raise InputError(_difference(params, other, title)) from None
    return leaves, spec, columns


def map_trained(fn: Callable[..., Any], params: Any, **others: Any) -> Any:
    """Apply ``fn`` to the leaves that train and what other trees have there; keep the others.

    Where one of the other trees has None, the leaf is kept, too.
    """
    leaves, spec, columns = columns_of(params, **others)
    new = []
    for number, (leaf, *rest) in enumerate(zip(leaves, *columns, strict=True)):
        if is_trained(leaf) and all(each is not None for each in rest):
            for title, each in zip(others, rest, strict=True):
                check_shape(params, number, leaf, each, title)
            leaf = like(fn(leaf, *rest), leaf)
        new.append(leaf)
    return tree.unflatten(spec, new)


def update_leaves(
    fn: Callable[..., tuple[Any, ...]], params: Any, grads: Any, flags: list[bool], **state: Any
) -> tuple[Any, ...]:
    """Return the updated parameters, and the updated trees of the state.

    Parameters
    ----------
    fn : callable
        ``(parameter, gradient, flag, *state) -> (parameter, *state)`` of one leaf.
    params, grads : pytree
        Where a gradient is None its parameter, and its state, stay as they are.
    flags : list of bool
        For each leaf of ``params``.
    **state : pytree
        Of the structure of ``params``.
    """
    leaves, spec, (gradients, *columns) = columns_of(params, grads=grads, **state)
    rows = []
    for number, (leaf, gradient, flag, *old) in enumerate(
        zip(leaves, gradients, flags, *columns, strict=True)
    ):
        if is_trained(leaf) and gradient is not None:
            check_shape(params, number, leaf, gradient, "grads")
            for title, each in zip(state, old, strict=True):
                check_shape(params, number, leaf, each, title)
            new = fn(leaf, cast(gradient, leaf), flag, *old)
            rows.append([like(*pair) for pair in zip(new, (leaf, *old), strict=True)])
        else:
            rows.append([leaf, *old])
    count = 1 + len(columns)
    return tuple(tree.unflatten(spec, [row[k] for row in rows]) for k in range(count))


def check_shape(params: Any, number: int, leaf: Any, other: Any, title: str) -> None:
    """Refuse what has another shape than the parameter that it belongs to, or is no number."""
    if isinstance(other, (np.ndarray, np.generic, float, int)) and _agree(leaf, other):
        return
    what = f"has shape {np.shape(other)}" if hasattr(other, "shape") else f"is {other!r:.60}"
    name = _name(params, number)
    raise InputError(f"{title}{name} {what}, but params{name} is an array of shape {leaf.shape}")


def _agree(x: Any, y: Any) -> bool:
    """Tell whether two shapes can be equal, as far as staged lengths tell; those are not 1."""
    pairs = zip(np.shape(x), np.shape(y), strict=False)
    return np.ndim(x) == np.ndim(y) and all(
        m == n if type(m) is type(n) is int else 1 not in (m, n) for m, n in pairs
    )


def _name(params: Any, number: int) -> str:
    return tree.leaves_with_names(params)[number][0]


def _difference(params: Any, other: Any, title: str) -> str:
    """Say in what the structures of two trees differ."""
    ours, theirs = ([n for n, _ in tree.leaves_with_names(each)] for each in (params, other))
    missing = [name for name in ours if name not in theirs]
    extra = [name for name in theirs if name not in ours]
    message = f"{title} does not have the structure of params"
    if missing:
        message += f": nothing stands at {title}{missing[0]}"
    if extra:
        message += f"{' and' if missing else ':'} params has nothing at {title}{extra[0]}"
    if not missing and not extra:
        message += f": {tree.structure(other)}, not {tree.structure(params)}"
    return message
