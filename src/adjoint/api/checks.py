"""check_grads: a function's derivatives against differences of its values."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from adjoint import tree
from adjoint.api.derivatives import jvp, vjp
from adjoint.api.tracing import name_of
from adjoint.errors import InputError

__all__ = ["check_grads"]


def check_grads(
    f: Callable,
    args: Sequence[Any],
    order: int = 1,
    modes: Sequence[str] = ("fwd", "rev"),
    atol: float | None = None,
    rtol: float | None = None,
    eps: float | None = None,
) -> None:
    """Check the derivatives of a function against differences along a random direction.

    Parameters
    ----------
    f : callable
        Of pytrees of floating-point numbers; returns a pytree of them.
    args : tuple or list
        The point.
    order : int
        The highest derivative to check.
    modes : sequence of {"fwd", "rev"}
        Forward mode against differences, reverse mode against differences.
    atol, rtol : float, optional
        Tolerances; by default 1e-5 in double precision, 2e-2 in single.
    eps : float, optional
        Step of the central differences; by default 1e-5 in double precision, 1e-2 in single,
        relative to the size of the point.

    Raises
    ------
    AssertionError
        If they disagree; it says where and by how much.

    Notes
    -----
    Central differences of second order see neither derivatives smaller than their own rounding
    error (about 1e-11 relative to f) nor kinks closer than ``eps``.

    Examples
    --------
    >>> import numpy as np, adjoint as ad
    >>> ad.check_grads(lambda x: np.sum(np.sin(x) ** 2), (np.arange(3.0),), order=2)
    """
    if unknown := set(modes) - {"fwd", "rev"}:
        raise InputError(f"modes are 'fwd' and 'rev', not {sorted(unknown)}")
    leaves = [np.asarray(x) for x in tree.flatten(tuple(args))[0]]
    narrow = any(x.dtype in (np.float32, np.complex64) for x in leaves)
    tolerance = 2e-2 if narrow else 1e-5
    eps = (1e-2 if narrow else 1e-5) if eps is None else eps
    atol = tolerance if atol is None else atol
    rtol = tolerance if rtol is None else rtol
    _check(f, tuple(args), order, tuple(modes), atol, rtol, eps, np.random.default_rng(0), "")


def _check(
    f: Callable,
    args: tuple[Any, ...],
    order: int,
    modes: tuple[str, ...],
    atol: float,
    rtol: float,
    eps: float,
    rng: np.random.Generator,
    path: str,
) -> None:
    if order == 0:
        return
    tangents = tree.map_leaves(lambda x: _random(rng, x), args)
    numeric = _difference(f, args, tangents, eps)
    result, dots = jvp(f, args, tangents)
    name = name_of(f)
    if "fwd" in modes:
        for (where, got), want in zip(
            tree.leaves_with_names(dots), tree.flatten(numeric)[0], strict=True
        ):
            _compare(got, want, atol, rtol, f"forward mode{path} of {name}{where}")

        def next_forward(*xs: Any) -> Any:
            return jvp(f, xs, tangents)[1]

        _check(
            next_forward, args, order - 1, modes, atol, rtol, eps, rng, path + " of forward mode"
        )
    if "rev" in modes:
        cotangents = tree.map_leaves(lambda y: _random(rng, y), result)
        bars = vjp(f, *args)[1](cotangents)
        pairing = sum(
            np.sum(np.asarray(a) * np.asarray(b)).real
            for a, b in zip(tree.flatten(bars)[0], tree.flatten(tangents)[0], strict=True)
        )
        expected = sum(
            np.sum(np.asarray(a) * np.asarray(b)).real
            for a, b in zip(tree.flatten(cotangents)[0], tree.flatten(numeric)[0], strict=True)
        )
        _compare(pairing, expected, atol, rtol, f"reverse mode{path} of {name}")

        def next_reverse(*xs: Any) -> Any:
            return vjp(f, *xs)[1](cotangents)

        _check(
            next_reverse, args, order - 1, modes, atol, rtol, eps, rng, path + " of reverse mode"
        )


def _random(rng: np.random.Generator, x: Any) -> Any:
    x = np.asarray(x)
    sample = rng.standard_normal(x.shape)
    if x.dtype.kind == "c":
        sample = sample + 1j * rng.standard_normal(x.shape)
    return np.asarray(sample, x.dtype)[()]


def _difference(f: Callable, args: tuple[Any, ...], tangents: Any, eps: float) -> Any:
    plus = f(*tree.map_leaves(lambda x, t: x + eps * t, args, tangents))
    minus = f(*tree.map_leaves(lambda x, t: x - eps * t, args, tangents))
    return tree.map_leaves(lambda a, b: (np.asarray(a) - np.asarray(b)) / (2 * eps), plus, minus)


def _compare(got: Any, want: Any, atol: float, rtol: float, what: str) -> None:
    scale = float(np.max(np.abs(want), initial=0.0))
    if not np.allclose(got, want, rtol=rtol, atol=atol * max(1.0, scale)):
        worst = float(np.max(np.abs(np.asarray(got) - np.asarray(want))))
        raise AssertionError(
            f"{what} disagrees with differences by up to {worst:.3g}:\n"
            f"  derivative:  {np.asarray(got)}\n  differences: {np.asarray(want)}"
        )
