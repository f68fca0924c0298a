"""checkpoint: forget a function's residuals, and compute them again when they are needed."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import numpy as np

from adjoint import tree
from adjoint.api.custom import innermost, node_of_call, refuse_mutation, zeros_like
from adjoint.api.derivatives import jvp, vjp
from adjoint.api.tracing import name_of
from adjoint.dispatch import plain
from adjoint.eager.tape import type_of
from adjoint.errors import InputError, TracingError
from adjoint.frontend import resolve
from adjoint.ir import Node
from adjoint.ir.build import staging
from adjoint.rules.derive import Rule

__all__ = ["checkpoint"]


def checkpoint(
    fun: Callable, *, snapshots: int | None = None, memory: int | None = None
) -> Callable[..., Any]:
    """Return ``fun`` with its intermediate values recomputed in the reverse sweep, not kept.

    One call keeps its arguments alone; the reverse sweep evaluates ``fun`` once more. With
    ``snapshots`` or ``memory`` it is the loops of ``fun`` that keep little: the values that a loop
    carries are kept before a few of its passes, and the others are computed again from those, in
    the order and as often as is best (binomial checkpointing). The values and derivatives are the
    same in any case.

    Parameters
    ----------
    fun : callable
        Of pytrees. All traced values that it uses must be arguments.
    snapshots : int, optional
        Before how many passes of each of its outermost loops the carried values are kept at a time.
    memory : int, optional
        How many bytes all its outermost loops together may keep, in place of ``snapshots``.

    Raises
    ------
    TracingError
        If ``fun`` uses a traced value that is not an argument, gives another result when it is run
        again (it draws random numbers), or, with ``snapshots`` or ``memory``, cannot be staged (see
        `jit`) with its loops as loops.

    Notes
    -----
    With room for s snapshots, a loop of l passes runs t(s, l + 1) passes in all beside those that
    the reverse sweep records; with r chosen such that β(s, r − 1) < l + 1 ≤ β(s, r), where
    β(s, r) = (s + r)! / (s! r!), that is t(s, l) = r l − β(s + 1, r − 1), the least possible
    (Griewank and Walther, Algorithm 799: revolve, ACM TOMS 26, 2000). A ``while``, whose number of
    passes is not known, runs none of them more often than r times (Wang, Moin and Iaccarino, SIAM
    J. Sci. Comput. 31, 2009). Called outside of `jit` such a function is staged, and the forward
    sweep is run twice.

    Derivatives of higher order are those of the loop, and may keep more.

    Examples
    --------
    >>> import numpy as np, adjoint as ad
    >>> step = ad.checkpoint(lambda x: np.sin(np.exp(x)))
    >>> ad.grad(lambda x: step(step(x)))(0.0)
    np.float64(-0.853417498537312)
    >>> def decay(x, n):
    ...     for _ in range(n):
    ...         x = x - 0.01 * np.sin(x)
    ...     return x
    >>> ad.grad(ad.checkpoint(decay, snapshots=5))(1.0, 100)
    np.float64(0.458356773852...)
    """
    if snapshots is None and memory is None:
        return _recomputed(fun)
    _check(snapshots, memory)
    compiled: list[Any] = []

    @functools.wraps(fun)
    def revolved(*args: Any, **kwargs: Any) -> Any:
        if staging():
            from adjoint.api.staged_checkpoint import with_snapshots

            return with_snapshots(fun, args, kwargs, snapshots, memory)
        if innermost(tree.flatten((args, kwargs))[0]) is None:
            return resolve(fun)(*args, **kwargs)
        if not compiled:
            from adjoint.api.compile import jit

            compiled.append(jit(revolved))
        return compiled[0](*args, **kwargs)

    return revolved


def _check(snapshots: int | None, memory: int | None) -> None:
    if snapshots is not None and memory is not None:
        raise InputError("ad.checkpoint takes snapshots= or memory=, not both")
    for name, value, what in (
        ("snapshots", snapshots, "the state before the first pass has to be kept"),
        ("memory", memory, "it is a number of bytes"),
    ):
        if value is not None and (type(value) is not int or value < 1):
            raise InputError(f"{name}={value!r} is not a positive integer: {what}")


def _recomputed(fun: Callable) -> Callable[..., Any]:
    @functools.wraps(fun)
    def checkpointed(*args: Any, **kwargs: Any) -> Any:
        leaves, spec = tree.flatten((args, kwargs))
        if staging():
            from adjoint.api.staged_checkpoint import recomputed

            return recomputed(fun, leaves, spec)
        tape = innermost(leaves)
        if tape is None:
            return resolve(fun)(*args, **kwargs)

        def of_leaves(values: list[Any]) -> Any:
            if innermost(values) is not None:
                # One level further out the same call is a checkpoint again.
                positional, named = tree.unflatten(spec, values)
                return checkpointed(*positional, **named)
            # Recorded, and forgotten at once: a value that gets out other than by being returned
            # (an attribute, an array of the caller's) is then known for what it is when it is used.
            active = [k for k, v in enumerate(values) if type_of(v) is not None]
            return vjp(_of(values, active), *[values[k] for k in active])[0]

        def _of(values: list[Any], active: list[int]) -> Callable[..., Any]:
            def of_active(*xs: Any) -> Any:
                full = list(values)
                for k, x in zip(active, xs, strict=True):
                    full[k] = x
                positional, named = tree.unflatten(spec, full)
                before = [x._node for x in xs]
                result = resolve(fun)(*positional, **named)
                if any(x._node is not node for x, node in zip(xs, before, strict=True)):
                    refuse_mutation(name_of(fun))
                return result

            return of_active

        def rule_of(values: list[Any], result: Any, out_spec: tree.Structure) -> Rule:
            active = [k for k, v in enumerate(values) if type_of(v) is not None]
            primals = [values[k] for k in active]
            of_active = _of(values, active)
            mark = _mark(result)

            def check(again: Any) -> None:
                if not np.allclose(_mark(again), mark, rtol=1e-7, atol=1e-7 * np.sum(np.abs(mark))):
                    raise TracingError(
                        f"{name_of(fun)} gave another result when ad.checkpoint ran it again, for "
                        "the derivative: it draws random numbers, or reads what has changed since. "
                        "Draw before the call and pass the numbers in, or make the generator "
                        "inside, from a seed that is an argument."
                    )

            def push(tangents: Any, node: Node) -> Any:
                filled = [
                    zeros_like(values[k]) if tangents[k] is None else tangents[k] for k in active
                ]
                again, dots = jvp(of_active, primals, filled)
                check(again)
                return tuple(tree.flatten(dots)[0])

            def pull(cts: Any, node: Node) -> list[Any]:
                again, pullback = vjp(of_active, *primals)
                check(again)
                bars = dict(zip(active, pullback(tree.unflatten(out_spec, cts)), strict=True))
                return [bars.get(k) for k in range(len(values))]

            return Rule(((),), push, pull_all=pull)

        return node_of_call(name_of(fun), tape, leaves, of_leaves, rule_of)

    return checkpointed


def _mark(result: Any) -> np.ndarray:
    """Return numbers that tell whether a result is the same again; it may change meanwhile."""
    marks = []
    for leaf in tree.flatten(result)[0]:
        x = np.asarray(plain(leaf))
        if x.dtype.kind in "biufc":
            flat = np.nan_to_num(x).ravel().astype(np.complex128)
            weights = np.cos(np.arange(x.size))  # permutations are to be noticed, too
            marks += [flat @ weights, np.sum(np.abs(flat))]
    return np.array(marks)
