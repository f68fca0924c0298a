"""Derivatives given by the user: custom_jvp, custom_vjp; and none: stop_gradient.

A call of such a function is one node. What it computes, and what its rules compute, runs on the
values one level down, so that derivatives of any order differentiate the rules in their turn.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from typing import Any, NoReturn

import numpy as np

from adjoint import tree
from adjoint.api.tracing import name_of, positions
from adjoint.dispatch import any_active, detached, is_staged, plain
from adjoint.eager.recorded import Recorded, constant, current, project_result, snapshot
from adjoint.eager.tape import Tape, type_of
from adjoint.errors import InputError, RuleError, TracingError
from adjoint.frontend import resolve
from adjoint.frontend.hooks import resolve_staged
from adjoint.ir import Node
from adjoint.ir.build import staging
from adjoint.ir.dims import difference, known_sign, texts
from adjoint.ops.registry import Op
from adjoint.rules.derive import Rule
from adjoint.staged.values import require_equal

__all__ = ["CustomFunction", "custom_jvp", "custom_vjp", "node_of_call", "stop_gradient"]


def innermost(leaves: list[Any]) -> Tape | None:
    """Return the tape of the highest level among traced leaves."""
    tapes = []
    for leaf in leaves:
        if isinstance(leaf, Recorded):
            current(leaf)
            if leaf._tape is not None:
                tapes.append(leaf._tape)
    return max(tapes, key=lambda t: t.level, default=None)


def one_down(leaf: Any, tape: Tape) -> Any:
    """Return what ``leaf`` is to a computation one level below ``tape``."""
    if isinstance(leaf, Recorded) and (leaf._tape is tape or leaf._tape is None):
        return snapshot(current(leaf)) if leaf._tape is tape else np.array(plain(leaf))
    return snapshot(leaf)


def node_of_call(
    name: str,
    tape: Tape,
    leaves: list[Any],
    run: Callable[[list[Any]], Any],
    rule_of: Callable[[list[Any], Any, tree.Structure], Rule],
) -> Any:
    """Record a call as one node.

    Parameters
    ----------
    name : str
        Of the function, for messages and for the graph.
    tape : Tape
        The innermost tape of the leaves.
    leaves : list
        Of all arguments.
    run : callable
        From the leaves one level down to the result.
    rule_of : callable
        ``(leaves one level down, result, structure of the result) -> Rule``.

    Raises
    ------
    TracingError
        If ``run`` used traced values that are not among the leaves: their derivative would be lost.
    """
    values = [one_down(leaf, tape) for leaf in leaves]
    before = len(tape.block.nodes)
    result = run(values)
    outputs, spec = tree.flatten(result)
    if len(tape.block.nodes) != before or any(
        isinstance(o, Recorded) and o._tape is tape for o in outputs
    ):
        raise TracingError(
            f"{name} uses a traced value that is not one of its arguments (a variable of an "
            "enclosing function, an attribute or a global), whose derivative would be lost. Pass "
            "that value as an argument."
        )
    op = Op(name, run, ("*xs",), results=True)
    op.rule = rule_of(values, result, spec)
    inputs = tuple(
        leaf._node if isinstance(leaf, Recorded) and leaf._tape is tape else None for leaf in leaves
    )
    metas = [type_of(o) or (np.shape(plain(o)), np.asarray(plain(o)).dtype) for o in outputs]
    shapes, dtypes = tuple(m[0] for m in metas), tuple(m[1] for m in metas)
    node = Node(op, inputs, None, None, shapes, dtypes)
    tape.append(node)
    if tape.observe is not None:
        tape.observe(node, leaves, tuple(outputs))
    traced = []
    for k, (value, (shape, dtype)) in enumerate(zip(outputs, metas, strict=True)):
        if type_of(value) is None:
            traced.append(value)
            continue
        part = Node(project_result, (node,), {"k": k}, None, shape, dtype)
        tape.append(part)
        if tape.observe is not None:
            tape.observe(part, (tuple(outputs),), value)
        traced.append(Recorded._class(value, tape, part))
    return tree.unflatten(spec, traced)


def matching_leaves(bars: Any, arguments: list[Any], name: str, what: str) -> list[Any]:
    """Return the leaves of ``bars``, one an argument leaf; None where a whole argument has None."""
    if not isinstance(bars, (tuple, list)) or len(bars) != len(arguments):
        raise RuleError(
            f"{what} of {name} must return a tuple with one entry for each of its "
            f"{len(arguments)} differentiable arguments, but it returned {plain(bars)!r}"
        )
    leaves: list[Any] = []
    for bar, argument in zip(bars, arguments, strict=True):
        wanted, spec = tree.flatten(argument)
        if bar is None:
            leaves += [None] * len(wanted)
            continue
        got, got_spec = tree.flatten(bar)
        if got_spec != spec:
            raise RuleError(
                f"{what} of {name} returned an entry of structure {got_spec} for an argument of "
                f"structure {spec}"
            )
        for g, w in zip(got, wanted, strict=True):
            have, want = np.shape(plain(g)), np.shape(plain(w))
            if not agree(have, want):
                have, want = texts(have, want)
                raise RuleError(
                    f"{what} of {name} returned shape {have} for an argument of shape {want}"
                )
            leaves.append(g.copy() if type(g) is np.ndarray else _as_array(g))
    return leaves


def agree(have: tuple[Any, ...], want: tuple[Any, ...]) -> bool:
    """Tell whether two shapes are equal; staged lengths may still be checked by the program."""
    if have == want:
        return True
    if len(have) != len(want):
        return False
    for n, m in zip(have, want, strict=True):
        if known_sign(difference(n, m)) in ("<0", ">0"):
            return False
        if n != m:
            require_equal(n, m)
    return True


def _as_array(g: Any) -> Any:
    return g if hasattr(g, "dtype") else np.asarray(g)[()]


class CustomFunction:
    """A function whose derivative the user gives with ``defjvp``, ``defvjp`` or both.

    Without either it is differentiated like any other function.
    """

    def __init__(self, fun: Callable, nondiff_argnums: Sequence[int] = ()) -> None:
        functools.update_wrapper(self, fun)
        self.fun = fun
        self.nondiff_argnums = tuple(nondiff_argnums)
        self.jvp: Callable | None = None
        self.fwd: Callable | None = None
        self.bwd: Callable | None = None

    def defjvp(self, jvp: Callable) -> Callable:
        """Set the forward rule.

        Parameters
        ----------
        jvp : callable
            ``(primals, tangents) -> (result, tangent of the result)``, after the arguments of
            ``nondiff_argnums`` if there are any. Tangents of constant arguments are zeros.
        """
        self.jvp = jvp
        return jvp

    def defvjp(self, fwd: Callable, bwd: Callable) -> None:
        """Set the reverse rule.

        Parameters
        ----------
        fwd : callable
            Of the arguments; returns ``(result, residuals)``.
        bwd : callable
            ``(residuals, cotangent) -> tuple of cotangents``, one a differentiable argument, after
            the arguments of ``nondiff_argnums`` if there are any. None stands for zero.
        """
        self.fwd, self.bwd = fwd, bwd

    def __get__(self, instance: Any, owner: type | None = None) -> Any:
        return self if instance is None else functools.partial(self, instance)

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        if kwargs:
            args = _bound(self.fun, args, kwargs)
        fixed = positions(self.nondiff_argnums, len(args), self.fun) if self.nondiff_argnums else ()
        arguments = [a for k, a in enumerate(args) if k not in fixed]
        leaves, spec = tree.flatten(arguments)
        ruled = self.jvp is not None or self.bwd is not None
        if staging():
            if not ruled or not any_active(leaves):
                return resolve_staged(self.fun)(*args)
            from adjoint.api.staged_custom import staged_call

            return staged_call(self, args, fixed)
        tape = innermost(leaves)
        if tape is None or not ruled:
            return resolve(self.fun)(*args)
        constants = tuple(args[k] for k in fixed)
        if any_active(constants):
            raise TracingError(
                f"a traced value was passed to a nondiff argument of {name_of(self)}"
            )
        residuals: list[Any] = []

        def run(values: list[Any]) -> Any:
            handed = [_handed(v) for v in values]
            before = [v._node if isinstance(v, Recorded) else None for v in handed]
            full = _merged(args, fixed, tree.unflatten(spec, handed))
            if self.fwd is None:
                result = self(*full)  # one level further out the rule serves again
            else:
                pair = resolve(self.fwd)(*full)
                if not isinstance(pair, tuple) or len(pair) != 2:
                    raise RuleError(
                        f"the fwd of {name_of(self)} must return a pair (result, residuals)"
                    )
                result = pair[0]
                residuals.append(pair[1])
            for value, given, node in zip(values, handed, before, strict=True):
                if _has_changed(value, given, node):
                    refuse_mutation(name_of(self))
            return result

        def rule_of(values: list[Any], result: Any, out_spec: tree.Structure) -> Rule:
            primals = tree.unflatten(spec, values)
            push = None
            if self.jvp is not None:
                push = self._push(constants, primals, values, spec, out_spec)
            pull = None
            if self.bwd is not None:
                pull = self._pull(constants, primals, residuals[0], out_spec)
            return Rule(((),), push, pull_all=pull)

        return node_of_call(name_of(self), tape, leaves, run, rule_of)

    def _push(
        self, constants: tuple, primals: Any, values: list[Any], spec: Any, out_spec: Any
    ) -> Callable:
        def push(tangents: Any, node: Node) -> Any:
            filled = [
                zeros_like(v) if t is None else t for t, v in zip(tangents, values, strict=True)
            ]
            # The rule may work in place on what it is given.
            filled = [_handed(t) for t in filled]
            given = tree.map_leaves(_handed, tuple(primals))
            pair = resolve(self.jvp)(*constants, given, tuple(tree.unflatten(spec, filled)))
            if not isinstance(pair, tuple) or len(pair) != 2:
                raise RuleError(
                    f"the jvp of {name_of(self)} must return a pair (result, tangent), but it "
                    f"returned {plain(pair)!r}"
                )
            dots, dot_spec = tree.flatten(pair[1])
            got = [np.shape(plain(d)) for d in dots]
            if dot_spec != out_spec or got != list(node.shape):
                raise RuleError(
                    f"the jvp of {name_of(self)} returned a tangent of structure {dot_spec} and "
                    f"shapes {got} for a result of structure {out_spec} and shapes "
                    f"{list(node.shape)}"
                )
            return tuple(_as_array(d) for d in dots)

        return push

    def _pull(self, constants: tuple, primals: Any, residuals: Any, out_spec: Any) -> Callable:
        def pull(cts: Any, node: Node) -> list[Any]:
            # The rule may work in place on what it is given.
            cts, kept = [_handed(ct) for ct in cts], tree.map_leaves(_handed, residuals)
            bars = resolve(self.bwd)(*constants, kept, tree.unflatten(out_spec, cts))
            return matching_leaves(bars, primals, name_of(self), "the bwd")

        return pull


def _handed(value: Any) -> Any:
    """Return a copy for code that may write to what it is given."""
    if isinstance(value, Recorded):
        return snapshot(value)
    return value.copy(order="K") if type(value) is np.ndarray else value


def _has_changed(value: Any, handed: Any, node: Node | None) -> bool:
    """Tell whether the code that was handed a copy of ``value`` wrote to it."""
    if isinstance(handed, Recorded):
        current(handed)
        return handed._node is not node
    if type(value) is not np.ndarray or value.dtype.kind not in "biufc":
        return False
    return not np.array_equal(value, handed, equal_nan=True)


def refuse_mutation(name: str) -> NoReturn:
    """Refuse a function, called as one node, that writes to its argument."""
    raise TracingError(
        f"{name} changed an argument in place: outside of it that would have no derivative. Work "
        "on a copy (x = x.copy()), and return what has changed."
    )


def zeros_like(value: Any) -> Any:
    """Return the zero tangent of a value."""
    meta = type_of(value)
    if meta is None:
        return np.zeros(np.shape(value))[()]
    return np.zeros(*meta)[()] if meta[0] == () else np.zeros(*meta)


def _merged(args: tuple, fixed: tuple[int, ...], arguments: list[Any]) -> list[Any]:
    rest = iter(arguments)
    return [a if k in fixed else next(rest) for k, a in enumerate(args)]


def _bound(fun: Callable, args: tuple, kwargs: dict[str, Any]) -> tuple:
    import inspect

    bound = inspect.signature(fun).bind(*args, **kwargs)
    bound.apply_defaults()
    if bound.kwargs:
        raise InputError(
            f"{name_of(fun)} has keyword-only arguments, which a custom rule cannot have"
        )
    return bound.args


def custom_vjp(fun: Callable, nondiff_argnums: Sequence[int] = ()) -> CustomFunction:
    """Give a function its own reverse rule; a decorator.

    Parameters
    ----------
    fun : callable
        May call anything: it is not differentiated.
    nondiff_argnums : sequence of int
        Positions of arguments that are never differentiated (functions, sizes); they are passed
        first to the rule.

    Returns
    -------
    CustomFunction
        Call its ``defvjp(fwd, bwd)``. ``defjvp`` may be given too; where it is not, forward mode
        transposes ``bwd``.

    Examples
    --------
    >>> import numpy as np, adjoint as ad
    >>> @ad.custom_vjp
    ... def log1pexp(x):
    ...     return np.logaddexp(0.0, x)
    >>> log1pexp.defvjp(lambda x: (log1pexp(x), x), lambda x, ct: (ct / (1 + np.exp(-x)),))
    >>> ad.grad(log1pexp)(0.0)
    np.float64(0.5)
    """
    return CustomFunction(fun, nondiff_argnums)


def custom_jvp(fun: Callable, nondiff_argnums: Sequence[int] = ()) -> CustomFunction:
    """Give a function its own forward rule; a decorator.

    Parameters
    ----------
    fun : callable
    nondiff_argnums : sequence of int
        Positions of arguments that are never differentiated; they are passed first to the rule.

    Returns
    -------
    CustomFunction
        Call its ``defjvp(jvp)``. ``defvjp`` may be given too; where it is not, reverse mode
        transposes ``jvp``.

    Examples
    --------
    >>> import numpy as np, adjoint as ad
    >>> @ad.custom_jvp
    ... def cube(x):
    ...     return x**3
    >>> @cube.defjvp
    ... def cube_jvp(primals, tangents):
    ...     (x,), (x_dot,) = primals, tangents
    ...     return cube(x), 3 * x**2 * x_dot
    >>> ad.grad(cube)(2.0)
    np.float64(12.0)
    """
    return CustomFunction(fun, nondiff_argnums)


def stop_gradient(x: Any) -> Any:
    """Return ``x`` as a constant: every derivative of the result is zero.

    Parameters
    ----------
    x : pytree

    Examples
    --------
    >>> import adjoint as ad
    >>> ad.grad(lambda x: x * ad.stop_gradient(x))(3.0)
    np.float64(3.0)
    """

    def stop(leaf: Any) -> Any:
        if not isinstance(leaf, Recorded):
            return detached(leaf) if is_staged(leaf) else leaf
        value = plain(leaf)
        return constant(value.copy()) if type(value) is np.ndarray else value

    return tree.map_leaves(stop, x)
