"""`checkpoint` inside of a function that is being staged."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from adjoint import tree
from adjoint.api.staged_custom import call_of_leaves, record_region
from adjoint.api.tracing import name_of
from adjoint.errors import TracingError
from adjoint.frontend.hooks import resolve_staged
from adjoint.ir.build import innermost
from adjoint.ir.graph import Value
from adjoint.ops import control
from adjoint.staged.values import Staged
from adjoint.staging.session import session

__all__ = ["recomputed", "with_snapshots"]


def recomputed(fun: Callable, leaves: list[Any], spec: tree.Structure) -> Any:
    """Record a call whose values are computed again in the reverse sweep."""
    at = [k for k, leaf in enumerate(leaves) if isinstance(leaf, Staged)]

    def of_staged(*xs: Any) -> Any:
        full = list(leaves)
        for k, x in zip(at, xs, strict=True):
            full[k] = x
        args, kwargs = tree.unflatten(spec, full)
        return resolve_staged(fun)(*args, **kwargs)

    call = call_of_leaves(of_staged, [leaves[k] for k in at], name_of(fun))
    return record_region(control.checkpoint, call, {})


def with_snapshots(
    fun: Callable, args: Any, kwargs: Any, snapshots: int | None, memory: int | None
) -> Any:
    """Record a call, and have its outermost loops keep few states for the reverse sweep."""
    builder = innermost()
    before, unrolled = len(builder.block.nodes), set(session().unrolled_loops)
    result = resolve_staged(fun)(*args, **kwargs)
    loops = list(_outermost(builder.block.nodes[before:]))
    for place, reason in session().unrolled_loops.items():
        if not loops and place not in unrolled:
            where = f"{place[0]}:{place[1]}" if place else "an unknown line"
            raise TracingError(
                f"ad.checkpoint was to keep few states of the loops of {name_of(fun)}, but the "
                f"loop at {where} is unrolled: {reason}"
            )
    for loop in loops:
        if snapshots is not None:
            loop.params = {"snapshots": snapshots}
        elif memory is not None:
            loop.params = {"memory": memory // len(loops)}
    return result


def _outermost(nodes: Iterable[Value]) -> Iterable[Value]:
    """Yield the loops that are in no other, but those that are checkpointed already."""
    for node in nodes:
        if node.op in (control.for_loop, control.while_loop):
            if not node.params:
                yield node
        elif node.op in (control.cond, control.checkpoint):
            for block in node.blocks:
                yield from _outermost(block.nodes)
