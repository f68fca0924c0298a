"""Derivatives inside of a function that is being staged: recorded in the graph, loops as loops."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

import adjoint.transforms.branch_reverse
import adjoint.transforms.calls
import adjoint.transforms.checkpointed
import adjoint.transforms.custom
import adjoint.transforms.loop_reverse
import adjoint.transforms.map_reverse
import adjoint.transforms.revolved_loops  # noqa: F401
from adjoint import tree
from adjoint.eager.tape import type_of
from adjoint.errors import InputError
from adjoint.ir.build import Builder, building, innermost
from adjoint.ir.edit import Copier
from adjoint.ir.graph import Value
from adjoint.ops.creation import zeros
from adjoint.rules.cotangents import Undefined
from adjoint.staged.scopes import Cell, Location, changes, rollback, write
from adjoint.staged.values import Staged, lift, value_of, wrap
from adjoint.staging.recursion import resolve_call
from adjoint.staging.stage import Output, settled, written
from adjoint.staging.visible import visible
from adjoint.transforms.push import Push
from adjoint.transforms.replay import Replay
from adjoint.transforms.simplify.dead import remove_dead_from
from adjoint.transforms.spectral import recognise

__all__ = ["StagedCall", "record_block", "staged_push"]


class StagedCall:
    """A function recorded into a block of its own.

    Attributes
    ----------
    block : Block
    parameters : list of Value
        One a differentiated leaf.
    given : list of Value
        What they stand for in the block around.
    spec :
        Of the differentiated arguments.
    outputs : list
        One entry a result leaf: `Output`, or a constant.
    """

    def __init__(
        self, fn: Callable, args: Sequence[Any], kwargs: dict[str, Any], argnums: tuple[int, ...],
        has_aux: bool, leaf_of: Callable[[Any, str], Any],
    ) -> None:  # fmt: skip
        selected = tuple(args[k] for k in argnums)
        named = tree.leaves_with_names(selected)
        leaves, self.spec = tree.flatten(selected)
        leaves = [lift(leaf_of(x, name)) for (name, _), x in zip(named, leaves, strict=True)]
        self.leaves = leaves
        self.given = [value_of(x) for x in leaves]
        with building(innermost()) as builder:
            self.parameters = [builder.parameter(v.type) for v in self.given]
            inside = [wrap(p, x._contiguous) for p, x in zip(self.parameters, leaves, strict=True)]
            traced = tree.unflatten(self.spec, inside)
            own = list(inside)
            given = [a if k in argnums else _shielded(a, own) for k, a in enumerate(args)]
            for k, value in zip(argnums, traced, strict=True):
                given[k] = value
            kwargs = {key: _shielded(a, own) for key, a in kwargs.items()}
            result = resolve_call(fn)(*given, **kwargs)
            aux = None
            if has_aux:
                if not (isinstance(result, tuple) and len(result) == 2):
                    raise InputError("with has_aux=True the function must return (result, aux)")
                result, aux = result
            results: list[Value] = []
            out, self.out_spec = tree.flatten(result)
            self.outputs = [settled(leaf, results) for leaf in out]
            extra, self.aux_spec = tree.flatten(aux)
            self.aux = [settled(leaf, results) for leaf in extra]
            self.writes = self._writes(builder, results, own)
            rollback(builder)
            builder.block.results = results
        self.block = builder.block
        # Names that nobody reads any more: loops would carry cotangents of them.
        remove_dead_from(self.block)

    def _writes(
        self, builder: Builder, results: list[Value], shielded: list[Any]
    ) -> list[tuple[Location, Any, list[Any]]]:
        writes = []
        own = {id(x) for x in shielded}
        changed = [x for x, _, _ in changes(builder) if not isinstance(x, Cell)]
        seen = visible(changed, builder)
        for location, before, now in list(changes(builder)):
            if isinstance(location, Cell):
                if id(location.root) in own or builder.parent is None:
                    continue  # the derivative's own copy of an argument
                if not builder.parent.sees(before):
                    continue
                results.append(now)
                writes.append((location, None, [Output(len(results) - 1)]))
            elif location in seen:
                writes.append(written(location, now, results))
        return writes

    def finish(self, copier: Copier) -> tuple[list[Any], Any]:
        """Return result leaves and aux as the program sees them, once the block is recorded."""
        values = [copier.value(r) for r in self.block.results]

        def seen(leaf: Any) -> Any:
            return wrap(values[leaf.number]) if isinstance(leaf, Output) else leaf

        for location, spec, leaves in self.writes:
            if spec is None:
                write(location, values[leaves[0].number])
            else:
                write(location, tree.unflatten(spec, [seen(x) for x in leaves]))
        aux = tree.unflatten(self.aux_spec, [seen(x) for x in self.aux])
        return [seen(x) for x in self.outputs], aux

    def value(self, k: int) -> Value | None:
        """Return the block's result that is result leaf ``k``."""
        output = self.outputs[k]
        return self.block.results[output.number] if isinstance(output, Output) else None


def _shielded(arg: Any, own: list[Any]) -> Any:
    """Return an argument that is not differentiated with arrays of its own, added to ``own``.

    The function may store into them; the caller's are not changed. What holds numbers and arrays
    that are read anew at each call is left as it is.
    """
    leaves, spec = tree.flatten(arg)
    if any(type(x) in (np.ndarray, float, complex) for x in leaves):
        return arg
    mine = [
        wrap(value_of(x), x._contiguous)
        if isinstance(x, Staged) and isinstance(x, np.ndarray) and x.dtype.kind in "fc"
        else x
        for x in leaves
    ]
    new = [x for x, leaf in zip(mine, leaves, strict=True) if x is not leaf]
    own += new
    return tree.unflatten(spec, mine) if new else arg


def record_block(call: StagedCall) -> tuple[Replay, list[Any], Any]:
    """Record a block into the one around it, with a tape."""
    recognise(call.block)
    replay = Replay(dict(zip(call.parameters, call.given, strict=True)))
    for p in call.parameters:
        replay.variable(p)
    replay.run(call.block)
    values, aux = call.finish(replay)
    return replay, values, aux


def staged_push(call: StagedCall, tangents: list[Any]) -> tuple[list[Any], list[Any], Any]:
    """Record a block into the one around it, with tangents; return results, their tangents, aux."""
    recognise(call.block)
    push = Push(dict(zip(call.parameters, call.given, strict=True)))
    for p, t in zip(call.parameters, tangents, strict=True):
        if t is not None:
            push.dots[p] = lift(t)
    push.run(call.block)
    values, aux = call.finish(push)
    dots = []
    for k, value in enumerate(values):
        result = call.value(k)
        dot = None if result is None else push.dots.get(result)
        if type(dot) is Undefined:
            raise dot.error
        dots.append(zero_of(value) if dot is None else dot)
    return values, dots, aux


def zero_of(value: Any) -> Any:
    """Return the zero tangent of a value."""
    meta = type_of(value)
    if meta is None:
        return np.zeros(np.shape(value)) if not isinstance(value, Staged) else 0.0
    return zeros(*meta) if meta[0] else meta[1].type(0)
