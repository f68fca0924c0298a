"""checkpoint: forget a function's residuals, and compute them again when they are needed."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

from adjoint import tree
from adjoint.api.custom import innermost, node_of_call, refuse_mutation, zeros_like
from adjoint.api.derivatives import jvp, vjp
from adjoint.api.tracing import name_of
from adjoint.eager.tape import type_of
from adjoint.frontend import resolve
from adjoint.ir import Node
from adjoint.rules.derive import Rule

__all__ = ["checkpoint"]


def checkpoint(fun: Callable) -> Callable[..., Any]:
    """Return ``fun`` with its intermediate values recomputed in the reverse sweep, not kept.

    One call keeps its arguments alone; the reverse sweep evaluates ``fun`` once more.

    Parameters
    ----------
    fun : callable
        Of pytrees. All traced values that it uses must be arguments.

    Raises
    ------
    TracingError
        If ``fun`` uses a traced value that is not an argument.

    Examples
    --------
    >>> import numpy as np, adjoint as ad
    >>> step = ad.checkpoint(lambda x: np.sin(np.exp(x)))
    >>> ad.grad(lambda x: step(step(x)))(0.0)
    np.float64(-0.853417498537312)
    """

    @functools.wraps(fun)
    def checkpointed(*args: Any, **kwargs: Any) -> Any:
        leaves, spec = tree.flatten((args, kwargs))
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

            def push(tangents: Any, node: Node) -> Any:
                filled = [
                    zeros_like(values[k]) if tangents[k] is None else tangents[k] for k in active
                ]
                return tuple(tree.flatten(jvp(of_active, primals, filled)[1])[0])

            def pull(cts: Any, node: Node) -> list[Any]:
                _, pullback = vjp(of_active, *primals)
                bars = dict(zip(active, pullback(tree.unflatten(out_spec, cts)), strict=True))
                return [bars.get(k) for k in range(len(values))]

            return Rule(((),), push, pull_all=pull)

        return node_of_call(name_of(fun), tape, leaves, of_leaves, rule_of)

    return checkpointed
