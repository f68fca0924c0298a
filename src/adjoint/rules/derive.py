"""From a row of the derivative table to the rules that the walks call.

Rows come in five forms:

``elementwise(op, f_x, f_y, ...)``
    One function an operand, linear in its first argument ``t``: *t times the partial derivative*.
    With a tangent for t it is the operand's share of the jvp, with the cotangent of the result it
    is the operand's vjp (a diagonal linear map is its own transpose). None: no derivative.
    Un-broadcasting and casting are the walk's business, never the row's.
``linear(op, transpose)``
    The operation is linear in its only differentiable operand. Its jvp is itself.
``multilinear(op, transpose_x, transpose_y, ...)``
    Linear in each operand; one transpose an operand.
``general(op, jvp=..., vjp=...)``
    Whatever is left. One of the two suffices: the walks transpose the other.
``zero(op)``
    Piecewise constant: the result is a constant for every derivative.

The functions of a row ask by *name* for what they need. After the first argument (``t`` or ``ct``),
a parameter may be named

=============  ==================================================================
an operand     its value (as the operation declares it: ``x``, ``y``, ...)
``out``        the result's value
``x_type``     the operand ``x``'s ``shape`` and ``dtype``
``x_dot``      in a jvp: the tangent of ``x``, or None where it is constant
``node``       the graph's node; ``node.shape`` and ``node.dtype`` are the result's
``active``     in a joint vjp: a tuple of booleans, which operands need a cotangent
``shapes``     of the operands of an operation with any number of them
``xs``         the values of the operands of such an operation, declared as ``*xs``
a parameter    of the operation (``axis``, ``index``, ...); its default if the call left it out
=============  ==================================================================

and only the values that are asked for are kept from the forward sweep.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from adjoint.ops.creation import zeros
from adjoint.ops.registry import Op

__all__ = ["ZERO", "Rule", "elementwise", "general", "linear", "multilinear", "store", "zero"]

Pull = Callable[[Any, Any], Any]


class Rule:
    """Derived from a row; what the walks call.

    Attributes
    ----------
    pulls : tuple of callable or None
        ``pulls[k](ct, node)`` is the cotangent of operand k.
    maps : tuple or None
        For elementwise rows whose functions need at most two saved values each: what ``pulls``
        does, as ``(function, i, j)``, called with the cotangent and the saved values i and j.
        It spares the reverse walk a call.
    pull_all : callable or None
        ``pull_all(ct, node)`` is the tuple of all cotangents, where they are computed together.
    push : callable or None
        ``push(tangents, node)`` is the result's tangent.
    needs : callable
        ``needs[mask]``: which values to save (-1: the result) when the operands of the bits of
        ``mask`` are active; for operations with any number of operands there is one entry.
    keeps : tuple
        ``needs`` as booleans, one an operand and one for the result.
    broadcasts : bool
        Whether cotangents may have the result's shape rather than the operand's.
    consumes : bool
        Whether the rules change the cotangent (or the first tangent) that they are given in place;
        the walks then give them one that nothing else refers to.
    pull_block : callable or None
        Of an operation with blocks: ``pull_block(cts, node, bars, owned)`` adds to the walk's
        cotangents itself, since what a loop adds to an array goes into the accumulator that is
        there.
    """

    __slots__ = (
        "broadcasts", "consumes", "keeps", "maps", "needs", "pull_all", "pull_block", "pulls",
        "push",
    )  # fmt: skip

    def __init__(
        self,
        needs: tuple[tuple[int, ...], ...],
        push: Callable | None,
        pulls: tuple[Pull | None, ...] | None = None,
        pull_all: Pull | None = None,
        broadcasts: bool = False,
        consumes: bool = False,
    ) -> None:
        self.consumes = consumes
        self.needs = needs
        operands = (len(needs) - 1).bit_length()
        self.keeps = tuple((*(k in row for k in range(operands)), -1 in row) for row in needs)
        self.push = push
        self.pulls = pulls
        self.maps: tuple[tuple[Callable, int | None, int | None] | None, ...] | None = None
        self.pull_all = pull_all
        self.pull_block: Callable | None = None
        self.broadcasts = broadcasts


ZERO = Rule(needs=((),), push=None)
"""The rule of piecewise constant operations."""


def _names(fn: Callable) -> tuple[str, ...]:
    code = fn.__code__
    return code.co_varnames[: code.co_argcount + code.co_kwonlyargcount]


def _values(fn: Callable, op: Op) -> set[int]:
    """Return the positions of the saved values that ``fn`` asks for (-1: the result)."""
    positions = {k for k, name in enumerate(op.operands) if name.lstrip("*") in _names(fn)}
    return positions | ({-1} if "out" in _names(fn) else set())


def _getter(name: str, op: Op, fn: Callable) -> Callable[[Any], Any]:
    if name in op.operands:
        k = op.operands.index(name)
        return lambda node: node.saved[k]
    if name == "out":
        return lambda node: node.saved[-1]
    if name == "node":
        return lambda node: node
    if name == "active":
        return lambda node: tuple(i is not None for i in node.inputs)
    if name == "shapes":
        return lambda node: node.saved
    if op.variadic and name == op.operands[0][1:]:
        return lambda node: node.saved[: len(node.inputs)]
    if name.endswith("_type") and name[:-5] in op.operands:
        k = op.operands.index(name[:-5])
        return lambda node: node.inputs[k]
    default = _default(op.fn, name)
    return lambda node: node.params.get(name, default) if node.params else default


def _default(fn: Callable, name: str) -> Any:
    defaults = getattr(fn, "__kwdefaults__", None) or {}
    if name in defaults:
        return defaults[name]
    code = getattr(fn, "__code__", None)
    if code is not None and fn.__defaults__:
        names = code.co_varnames[: code.co_argcount]
        return dict(zip(names[-len(fn.__defaults__) :], fn.__defaults__, strict=True)).get(name)
    return None


def _bind(fn: Callable | None, op: Op) -> Pull | None:
    """Make ``fn(ct, <what it asks for>)`` a function of the cotangent and the node."""
    if fn is None:
        return None
    names = _names(fn)[1:]
    if not names:
        return lambda ct, node: fn(ct)
    spots = [
        op.operands.index(n) if n in op.operands else -1 if n == "out" else None for n in names
    ]
    if spots[0] is not None and len(spots) == 1:
        i = spots[0]
        return lambda ct, node: fn(ct, node.saved[i])
    if len(spots) == 2 and None not in spots:
        i, j = spots
        return lambda ct, node: fn(ct, node.saved[i], node.saved[j])
    getters = tuple(_getter(name, op, fn) for name in names)
    return lambda ct, node: fn(ct, *[get(node) for get in getters])


def _masks(op: Op, per_operand: list[set[int]]) -> tuple[tuple[int, ...], ...]:
    n = len(op.operands)
    table = []
    for mask in range(1 << n):
        wanted: set[int] = set()
        for k in range(n):
            if mask >> k & 1:
                wanted |= per_operand[k]
        table.append(tuple(sorted(wanted)))
    return tuple(table)


def _set(op: Op, rule: Rule) -> None:
    if op.rule is not None:
        raise ValueError(f"operation {op.name!r} has two rows")
    op.rule = rule


def elementwise(op: Op, *maps: Callable | None) -> None:
    """Give an elementwise operation its row: per operand, ``t`` times the partial derivative."""
    pulls = tuple(_bind(m, op) for m in maps)

    def push(tangents: Any, node: Any) -> Any:
        total = None
        for t, pull in zip(tangents, pulls, strict=True):
            if t is not None and pull is not None:
                share = pull(t, node)
                total = share if total is None else total + share
        return total

    per_operand = [set() if m is None else _values(m, op) for m in maps]
    rule = Rule(_masks(op, per_operand), push, pulls, broadcasts=True)
    spelt = [_spelt(m, op) for m in maps]
    if not any(m is not None and s is None for m, s in zip(maps, spelt, strict=True)):
        rule.maps = tuple(spelt)
    _set(op, rule)


def _spelt(fn: Callable | None, op: Op) -> tuple[Callable, int | None, int | None] | None:
    """Return ``fn`` with the positions of the saved values that it needs, if that is all."""
    names = _names(fn)[1:] if fn is not None else ()
    if fn is None or len(names) > 2 or any(n not in op.operands and n != "out" for n in names):
        return None
    spots = [-1 if n == "out" else op.operands.index(n) for n in names]
    return (fn, *spots, *[None] * (2 - len(spots)))  # type: ignore[return-value]


def linear(op: Op, transpose: Callable) -> None:
    """Give an operation that is linear in its first operand its row: the transpose."""
    if op.operands[0].startswith("*"):

        def push_all(tangents: Any, node: Any) -> Any:
            # Of the operands of such an operation only the shapes are saved.
            filled = [
                zeros(shape, node.dtype) if t is None else t
                for t, shape in zip(tangents, node.saved, strict=True)
            ]
            return op(*filled, **(node.params or {}))

        _set(op, Rule(((),), push_all, pull_all=_bind(transpose, op)))
        return
    rest = set(range(1, len(op.operands)))

    def push(tangents: Any, node: Any) -> Any:
        others = node.saved[1:-1] if rest else ()
        return op(tangents[0], *others, **(node.params or {}))

    needs = [_values(transpose, op) | rest] + [set() for _ in rest]
    pulls = (_bind(transpose, op), *[None for _ in rest])
    _set(op, Rule(_masks(op, needs), push, pulls))


def multilinear(op: Op, *transposes: Callable) -> None:
    """Give an operation that is linear in each operand its row: a transpose an operand."""
    pulls = tuple(_bind(t, op) for t in transposes)
    n = len(op.operands)

    def push(tangents: Any, node: Any) -> Any:
        total = None
        for k, t in enumerate(tangents):
            if t is not None:
                args = [*node.saved[:k], t, *node.saved[k + 1 : n]]
                share = op(*args, **(node.params or {}))
                total = share if total is None else total + share
        return total

    needs = [_values(t, op) | (set(range(n)) - {k}) for k, t in enumerate(transposes)]
    _set(op, Rule(_masks(op, needs), push, pulls))


def general(
    op: Op,
    jvp: Callable | None = None,
    vjp: Callable | tuple[Callable | None, ...] | None = None,
) -> None:
    """Give an operation its jvp, its vjp, or both.

    Parameters
    ----------
    op : Op
    jvp : callable, optional
        Named parameters only (``x_dot``, ``x``, ``out``, ``axis`` ...); returns the tangent of the
        result (a tuple for an operation with several results).
    vjp : callable or tuple of callable, optional
        ``(ct, ...) -> cotangent`` of the only operand, or of all of them as a tuple; or a tuple of
        such functions, one an operand.
    """
    wanted: set[int] = set()
    push = None
    if jvp is not None:
        wanted |= _values(jvp, op)
        push = _bind_jvp(jvp, op)
    pulls = pull_all = None
    if isinstance(vjp, tuple):
        pulls = tuple(_bind(v, op) for v in vjp)
        for v in vjp:
            wanted |= _values(v, op) if v is not None else set()
    elif vjp is not None:
        wanted |= _values(vjp, op)
        bound = _bind(vjp, op)
        if len(op.operands) == 1 and not op.operands[0].startswith("*"):
            pulls = (bound,)
        else:
            pull_all = bound
    if push is None and pulls is None and pull_all is None:
        raise ValueError(f"the row of {op.name!r} gives neither jvp nor vjp")
    variadic = op.operands[0].startswith("*")
    needs = (tuple(sorted(wanted)),) * (1 if variadic else 1 << len(op.operands))
    _set(op, Rule(needs, push, pulls, pull_all))


def store(op: Op, jvp: Callable, vjp: Callable) -> None:
    """Give an operation that overwrites or adds to a part of its first operand its row.

    ``jvp(tangents, node)`` and ``vjp(ct, node)`` work in place on the first tangent and on the
    cotangent: nothing else refers to those.
    """
    needs = ((),) * (1 << len(op.operands))
    _set(op, Rule(needs, jvp, pull_all=vjp, broadcasts=True, consumes=True))


def _bind_jvp(jvp: Callable, op: Op) -> Callable:
    getters: list[Callable[[Any, Any], Any]] = []
    for name in _names(jvp):
        if name.endswith("_dot") and name[:-4] in op.operands:
            k = op.operands.index(name[:-4])
            getters.append(lambda tangents, node, k=k: tangents[k])
        elif name == "tangents":
            getters.append(lambda tangents, node: tangents)
        else:
            get = _getter(name, op, jvp)
            getters.append(lambda tangents, node, get=get: get(node))
    return lambda tangents, node: jvp(*[get(tangents, node) for get in getters])


def zero(*ops: Op) -> None:
    """Declare operations piecewise constant."""
    for op in ops:
        _set(op, ZERO)
