"""Run a function on traced arguments and keep the block that it recorded."""

from __future__ import annotations

import operator
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from adjoint import tree
from adjoint.array import Array
from adjoint.dispatch import plain
from adjoint.eager.borrowed import copy_at_once, live, own_saved
from adjoint.eager.recorded import Recorded, current, parameter, raw, snapshot
from adjoint.eager.tape import Observer, Tape, type_of
from adjoint.errors import InputError, NonDifferentiableError
from adjoint.frontend import resolve
from adjoint.frontend.rewrite import was_refused
from adjoint.ir import Block, Node, Traced
from adjoint.ir.build import staging
from adjoint.ops.registry import load_if_imported
from adjoint.ops.structural import broadcast_to, cast, matches
from adjoint.staged.values import lift, require_equal
from adjoint.transforms.reverse import reverse_walk
from adjoint.transforms.transpose import linear_pullback

if TYPE_CHECKING:
    from adjoint.api.staged_tracing import StagedCall

__all__ = [
    "Trace", "as_leaf", "finish", "name_of", "positions", "record_call", "seed_like", "trace_of",
]  # fmt: skip


@dataclass(slots=True)
class Trace:
    """One recorded call.

    Attributes
    ----------
    block : Block
    parameters : list of Node
        One a leaf of the differentiated arguments.
    spec :
        Their structure.
    values : list
        The leaves of the result, one level down.
    nodes : list of Node or None
        Their nodes; None where the result does not depend on the parameters.
    out_spec :
        The structure of the result.
    aux :
        What the function returned beside its result, one level down.
    """

    block: Block
    parameters: list[Node]
    spec: tree.Structure
    values: list[Any]
    nodes: list[Node | None]
    out_spec: tree.Structure
    aux: Any
    push: Callable[[list[Any]], list[Any]] | None = None

    def detached(self) -> Trace:
        """Return the trace so that nothing its caller can reach, and change, is part of it."""
        if staging():
            return self  # graph values never change
        own_saved(self.block)
        values = [v.copy() if type(v) is np.ndarray else snapshot(v) for v in self.values]
        return replace(self, values=values)

    def output(self) -> Any:
        """Return the result of the call as its caller sees it."""
        return tree.unflatten(self.out_spec, [finish(v) for v in self.values])


def name_of(fn: Callable) -> str:
    """Return a function's name for messages."""
    return getattr(fn, "__qualname__", None) or getattr(fn, "__name__", None) or repr(fn)


def positions(argnums: int | Sequence[int], count: int, fn: Callable) -> tuple[int, ...]:
    """Return ``argnums`` as a tuple of non-negative positions."""
    try:
        wanted = (operator.index(argnums),)  # type: ignore[arg-type]
    except TypeError:
        try:
            wanted = tuple(operator.index(k) for k in argnums)  # type: ignore[union-attr]
        except TypeError:
            raise InputError(
                f"argnums={argnums!r} is neither a position nor a sequence of positions"
            ) from None
    for k in wanted:
        if not -count <= k < count:
            raise InputError(
                f"argnums={argnums} asks for argument {k} of {name_of(fn)}, which was called with "
                f"{count} positional argument{'s' * (count != 1)}; arguments passed by keyword are "
                "constants"
            )
    wanted = tuple(k % count for k in wanted)
    if len(set(wanted)) != len(wanted):
        raise InputError(f"argnums={argnums} names an argument of {name_of(fn)} twice")
    return wanted


_READY = frozenset({float, np.float64, np.ndarray, Array})


def as_leaf(x: Any, path: str, fn: Callable) -> Any:
    """Return a differentiated leaf as a number or array that can carry a derivative."""
    if isinstance(x, Traced) and type_of(x) is not None:
        return x
    if isinstance(x, np.ndarray) and type(x) is not np.ndarray and type(x) is not Array:
        x = np.asarray(x)
    if type_of(x) is not None:
        return x
    what = f"argument{path} of {name_of(fn)}"
    if isinstance(x, (bool, int, np.bool, np.integer)) or (
        isinstance(x, np.ndarray) and x.dtype.kind in "iub"
    ):
        raise NonDifferentiableError(
            f"{what} is {_describe(x)}: integers and booleans have no derivative. Pass "
            "floating-point numbers (for instance np.asarray(x, float)), or leave it out of "
            "argnums."
        )
    raise NonDifferentiableError(
        f"{what} is {_describe(x)}, not a number or an array of floating-point or complex numbers. "
        "Leave it out of argnums, or register its class with ad.register_pytree_node."
    )


def _describe(x: Any) -> str:
    if isinstance(x, np.ndarray):
        return f"an array of dtype {x.dtype} and shape {x.shape}"
    return f"{x!r} ({type(x).__name__})"


def _shield(x: Any) -> Any:
    """Wrap the arrays of an argument that is not differentiated.

    The function may store traced values into them; the caller's arrays are not changed.
    """
    if type(x) is np.ndarray and x.dtype.kind in "fc":
        return Array(x, None, None, None)
    return x


def record_call(
    fn: Callable,
    args: Sequence[Any],
    kwargs: dict[str, Any],
    argnums: tuple[int, ...],
    has_aux: bool = False,
    observe: Observer | None = None,
) -> Trace:
    """Call ``fn`` with the arguments at ``argnums`` as independent variables."""
    if staging():
        return _record_staged(fn, args, kwargs, argnums, has_aux)
    load_if_imported("numpy.random")
    load_if_imported("scipy.sparse")  # whose operators ask no protocol, and must be taught
    tape = Tape(observe)
    selected = tuple(args[k] for k in argnums)
    leaves, spec = tree.flatten(selected)
    if not all(type(leaf) in _READY and type_of(leaf) is not None for leaf in leaves):
        names = [name for name, _ in tree.leaves_with_names(selected)]
        leaves = [as_leaf(x, name, fn) for x, name in zip(leaves, names, strict=True)]
    live.add(tape)
    try:
        variables = [parameter(leaf, tape) for leaf in leaves]
        # The function may store into its arguments, which gives them other nodes.
        nodes = [v._node for v in variables]
        traced = tree.unflatten(spec, variables)
        if argnums != tuple(range(len(args))):
            given = [
                None if k in argnums else tree.map_leaves(_shield, a) for k, a in enumerate(args)
            ]
            for k, value in zip(argnums, traced, strict=True):
                given[k] = value
            traced = given
        if kwargs:
            kwargs = {key: tree.map_leaves(_shield, value) for key, value in kwargs.items()}
        reached = resolve(fn)
        if reached is fn and observe is None and was_refused(fn):
            tape.observe = copy_at_once
        result = reached(*traced, **kwargs)
        aux = None
        if has_aux:
            if not (isinstance(result, tuple) and len(result) == 2):
                raise InputError(
                    f"with has_aux=True {name_of(fn)} must return a pair (result, aux), but it "
                    f"returned {plain(result)!r}"
                )
            result, aux = result
            aux = tree.map_leaves(lambda x: finish(_below(x, tape)[0]), aux)
        out_leaves, out_spec = tree.flatten(result)
        outputs = [_below(x, tape) for x in out_leaves]
    finally:
        live.discard(tape)
        tape.close()
    return Trace(
        tape.block,
        nodes,
        spec,
        [value for value, _ in outputs],
        [node for _, node in outputs],
        out_spec,
        aux,
    )


def _record_staged(
    fn: Callable, args: Sequence[Any], kwargs: dict[str, Any], argnums: tuple[int, ...], aux: bool
) -> Trace:
    """Record a call inside of a function that is being staged."""
    from adjoint.api.staged_tracing import StagedCall

    call = StagedCall(fn, args, kwargs, argnums, aux, lambda x, name: as_leaf(x, name, fn))
    return trace_of(call)


def trace_of(call: StagedCall) -> Trace:
    """Record a call that stands in a block of its own into the one around it."""
    from adjoint.api.staged_tracing import record_block, staged_push

    replay, values, extra = record_block(call)
    block = Block()
    block.nodes = replay.nodes
    results = [call.value(k) for k in range(len(values))]
    return Trace(
        block,
        [replay.active[p] for p in call.parameters],
        call.spec,
        values,
        [None if r is None else replay.active.get(r) for r in results],
        call.out_spec,
        extra,
        lambda tangents: staged_push(call, tangents)[1],
    )


def _below(x: Any, tape: Tape) -> tuple[Any, Node | None]:
    """Return the value of a result one level down, and its node on ``tape``."""
    if not isinstance(x, Recorded):
        return x, None
    value = current(x)
    if x._tape is tape:
        return value, x._node
    if x._tape is not None and not x._tape.open:
        x._tape.append(x._node)  # raises: a value kept from an earlier call, returned as it is
    return (value, None) if x._tape is None else (x, None)


def finish(x: Any) -> Any:
    """Return an ordinary, contiguous, writable array, or a value of an outer trace as it is."""
    if isinstance(x, Recorded):
        return x if x._tape is not None else finish(raw(x))
    if type(x) is np.ndarray and not (
        x.flags.owndata and x.flags.writeable and x.flags.c_contiguous
    ):
        return np.array(x, order="C")
    return x


def seed_like(value: Any, ct: Any, what: str) -> Any:
    """Return ``ct`` as a tangent or cotangent of ``value``.

    Raises
    ------
    InputError
        If its shape is another.
    """
    meta = type_of(value)
    if meta is None:
        return None
    shape, dtype = meta
    got = np.shape(plain(ct))
    if got != shape:
        if len(got) != len(shape) or any(
            type(n) is int and type(m) is int and n != m for n, m in zip(got, shape, strict=True)
        ):
            raise InputError(f"{what} has shape {got}, but what it belongs to has shape {shape}")
        for n, m in zip(got, shape, strict=True):
            require_equal(n, m)
        if not matches(got, shape):
            ct = broadcast_to(lift(ct), shape=shape)  # of a length that is staged
    if isinstance(ct, Traced):
        return ct if type_of(ct)[1] == dtype else cast(ct, dtype=dtype)  # type: ignore[index]
    if np.asarray(ct).dtype.kind == "c" and dtype.kind != "c":
        raise InputError(f"{what} is complex, but what it belongs to is real ({dtype})")
    return np.array(ct, dtype)[()]


def _linear_pullback(fn: Callable, types: list[Any]) -> Callable[[Any], list[Any]]:
    tape = Tape()
    variables = [
        None if t is None else parameter(np.zeros(*t)[()] if t[0] == () else np.zeros(*t), tape)
        for t in types
    ]
    result = fn(variables)
    single = not isinstance(result, (tuple, list))
    outputs = [_below(r, tape) for r in ((result,) if single else result)]
    tape.close()

    def pull(ct: Any) -> list[Any]:
        bars: dict[Node, Any] = {}
        for (_, node), c in zip(outputs, (ct,) if single else ct, strict=True):
            if node is not None and c is not None:
                bars[node] = bars[node] + c if node in bars else c
        bars = reverse_walk(tape.block.nodes, bars)
        return [None if v is None else bars.get(v._node) for v in variables]

    return pull


linear_pullback.append(_linear_pullback)
