"""Calls of functions with rules of their own inside of a function that is being staged."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from adjoint import tree
from adjoint.api.staged_tracing import StagedCall, zero_of
from adjoint.api.tracing import name_of
from adjoint.errors import RuleError, TracingError
from adjoint.frontend.hooks import resolve_staged
from adjoint.ir.build import Builder, innermost, users_place
from adjoint.ir.dims import texts
from adjoint.ir.edit import Copier, exported
from adjoint.ir.graph import Value
from adjoint.ir.types import Type
from adjoint.ops import control
from adjoint.ops import elementwise as ew
from adjoint.ops.structural import broadcast_to, cast
from adjoint.staged.scopes import ABSENT, Cell, Entry, Field
from adjoint.staged.values import Staged, emit, lift, param, shape_of, value_of, wrap
from adjoint.staging.session import session
from adjoint.staging.stage import Output

if TYPE_CHECKING:
    from adjoint.api.custom import CustomFunction

__all__ = ["call_of_leaves", "record_region", "staged_call"]


# -- regions ---------------------------------------------------------------------------------------


def call_of_leaves(fn: Callable[..., Any], leaves: Sequence[Any], name: str) -> StagedCall:
    """Record a function of staged values into a block of its own; it must not change them."""
    from adjoint.api.custom import refuse_mutation

    def unchanged(*inside: Staged) -> Any:
        before = [x._value for x in inside]
        result = fn(*inside)
        if any(x._value is not value for x, value in zip(inside, before, strict=True)):
            refuse_mutation(name)
        return result

    return StagedCall(unchanged, leaves, {}, tuple(range(len(leaves))), False, lambda x, _: x)


def record_region(op: Any, call: StagedCall, params: dict[str, Any]) -> Any:
    """Record a block as an operation; return the function's result."""
    results = call.block.results
    builder = innermost()
    types = tuple(exported(r.type, Builder(builder)) for r in results)
    node = builder.emit(op, tuple(call.given), params, types, (call.block,), users_place())
    table = dict(zip(results, map(value_of, wrap(node)), strict=True))
    values, _ = call.finish(Copier(table))
    return tree.unflatten(call.out_spec, values)


# -- calls -----------------------------------------------------------------------------------------


def staged_call(function: CustomFunction, args: Sequence[Any], fixed: tuple[int, ...]) -> Any:
    """Record the call of a function with a rule of its own.

    Parameters
    ----------
    function : CustomFunction
    args : sequence
    fixed : tuple of int
        The arguments that are never differentiated.
    """
    rule = _Rule(function, args, fixed)
    given = [rule.leaves[k] for k in rule.operands]
    constants = [rule.leaves[k] for k in rule.constants]

    def of_operands(*xs: Any) -> Any:
        return resolve_staged(function.fun)(*rule.arguments(xs, constants))

    call = call_of_leaves(of_operands, given, rule.name)
    _refuse_effects(call, rule.name)
    rule.of_result(call)
    return record_region(
        control.custom, call, {"rule": rule, "constants": tuple(map(param, constants))}
    )


def _refuse_effects(call: StagedCall, name: str) -> None:
    """Refuse changes of what is around the call, which the rule knows nothing of."""
    outside = session().outside
    for location, _, _ in call.writes:
        if (
            isinstance(location, Cell)
            or (isinstance(location, Field) and location.get() is not ABSENT)
            or (isinstance(location, Entry) and id(location.container) in outside)
        ):
            raise TracingError(
                f"{name} changes {location.describe()}, which its rule does not tell of. Return "
                "the value instead."
            )
    # What is left was made by the call itself.
    call.writes = []
    del call.block.results[sum(isinstance(out, Output) for out in call.outputs) :]


class _Rule:
    """The rule of a call, as a function of its operands (`adjoint.transforms.custom.CustomRule`).

    Staged leaves of the differentiable arguments are operands; what else is staged (lengths, what
    is in the arguments that are never differentiated) are constants for the rule; other leaves are
    part of it.
    """

    def __init__(
        self, function: CustomFunction, args: Sequence[Any], fixed: tuple[int, ...]
    ) -> None:
        self.function = function
        self.name = name_of(function)
        self.has_fwd = function.fwd is not None
        self.has_jvp = function.jvp is not None
        self.fixed = fixed
        self.leaves: list[Any] = []
        self.specs: list[tree.Structure] = []
        self.operands: list[int] = []
        self.constants: list[int] = []
        for k, arg in enumerate(args):
            leaves, spec = tree.flatten(arg)
            self.specs.append(spec)
            for leaf in leaves:
                if isinstance(leaf, Staged) and k not in fixed:
                    self.operands.append(len(self.leaves))
                elif hasattr(leaf, "_record"):
                    self.constants.append(len(self.leaves))
                self.leaves.append(leaf)

    def of_result(self, call: StagedCall) -> None:
        """Take note of what the function returned."""
        self.out_spec = call.out_spec
        self.outputs = call.outputs

    def arguments(self, xs: Sequence[Any], constants: Sequence[Any]) -> list[Any]:
        """Return all arguments, with these operands and constants in their places."""
        leaves = list(self.leaves)
        for k, x in zip(self.operands, xs, strict=True):
            leaves[k] = x
        for k, x in zip(self.constants, constants, strict=True):
            leaves[k] = x
        rest = iter(leaves)
        return [tree.unflatten(s, [next(rest) for _ in range(s.num_leaves)]) for s in self.specs]

    def _split(self, xs: Any, constants: Any) -> tuple[list[Any], list[Any]]:
        """Return the arguments that are never differentiated, and the others."""
        args = self.arguments(list(map(_handed, xs)), constants)
        return [args[k] for k in self.fixed], [a for k, a in enumerate(args) if k not in self.fixed]

    # -- what the walks call ---------------------------------------------------------------------

    def forward(self, xs: list[Any], constants: Any, types: tuple) -> tuple[list[Value], Any]:
        """Record ``fwd``; return the results as values of these types, and the residuals."""
        from adjoint.api.custom import refuse_mutation

        handed = list(map(_handed, xs))
        before = [x._value for x in handed]
        pair = resolve_staged(self.function.fwd)(*self.arguments(handed, constants))
        if not isinstance(pair, tuple) or len(pair) != 2:
            raise RuleError(f"the fwd of {self.name} must return a pair (result, residuals)")
        if any(x._value is not value for x, value in zip(handed, before, strict=True)):
            refuse_mutation(self.name)
        found = self._results(pair[0], "the fwd", "result")
        return [_fitted(x, type, self.name) for x, type in zip(found, types, strict=False)], pair[1]

    def pull(self, xs: list[Any], constants: Any, residuals: Any, cts: list[Any]) -> list[Any]:
        """Record ``bwd``; return a cotangent (or None) an operand."""
        from adjoint.api.custom import matching_leaves

        fixed, primals = self._split(xs, constants)
        residuals = tree.map_leaves(_handed, residuals)
        full = [_handed(ct) for ct in self._fill(cts)]
        bars = resolve_staged(self.function.bwd)(
            *fixed, residuals, tree.unflatten(self.out_spec, full)
        )
        leaves = matching_leaves(bars, primals, self.name, "the bwd")
        return self._of_operands(leaves)

    def push(self, xs: list[Any], constants: Any, dots: list[Any], types: tuple) -> list[Any]:
        """Record ``jvp``; return the tangent of each result."""
        fixed, primals = self._split(xs, constants)
        filled = self.arguments(
            [_handed(zero_of(x) if dot is None else dot) for x, dot in zip(xs, dots, strict=True)],
            constants,
        )
        tangents = [
            tree.map_leaves(lambda x: x if isinstance(x, Staged) else _no_tangent(x), arg)
            for k, arg in enumerate(filled)
            if k not in self.fixed
        ]
        pair = resolve_staged(self.function.jvp)(*fixed, tuple(primals), tuple(tangents))
        if not isinstance(pair, tuple) or len(pair) != 2:
            raise RuleError(
                f"the jvp of {self.name} must return a pair (result, tangent), but it returned "
                f"{pair!r}"
            )
        found = self._results(pair[1], "the jvp", "tangent")
        pushed = []
        for dot, type in zip(found, types, strict=False):
            dot = lift(dot)
            if not _agree(dot.shape, type):
                have, want = texts(dot.shape, type.shape)
                raise RuleError(
                    f"the jvp of {self.name} returned a tangent of shape {have} for a result of "
                    f"shape {want}"
                )
            pushed.append(dot if type.dtype.kind in "fc" else None)
        return pushed

    # -- leaves and results ----------------------------------------------------------------------

    def _results(self, result: Any, what: str, kind: str) -> list[Any]:
        """Return the leaves of a result that belong to results of the operation."""
        leaves, spec = tree.flatten(result)
        if spec != self.out_spec:
            raise RuleError(
                f"{what} of {self.name} returned a {kind} of structure {spec} for a result of "
                f"structure {self.out_spec}"
            )
        return [
            leaf for leaf, out in zip(leaves, self.outputs, strict=True) if isinstance(out, Output)
        ]

    def _fill(self, cts: list[Any]) -> list[Any]:
        """Return a cotangent for each leaf of the result."""
        given = iter(cts)
        return [
            next(given) if isinstance(out, Output) else _no_tangent(out) for out in self.outputs
        ]

    def _of_operands(self, leaves: list[Any]) -> list[Any]:
        """Return those of the leaves of the differentiable arguments that are operands."""
        owners = [k for k, s in enumerate(self.specs) for _ in range(s.num_leaves)]
        free = [k for k, owner in enumerate(owners) if owner not in self.fixed]
        of = dict(zip(free, leaves, strict=True))
        return [of[k] for k in self.operands]


def _handed(x: Any) -> Any:
    """Return what may be changed in place without changing ``x``."""
    if isinstance(x, Staged):
        return x._apart()
    return x.copy() if type(x) is np.ndarray else x


def _no_tangent(x: Any) -> Any:
    """Return the zero tangent of what is not differentiated."""
    return np.zeros(np.shape(x))[()] if isinstance(x, (int, float, complex, np.ndarray)) else None


def _agree(shape: Any, type: Type) -> bool:
    """Tell whether a shape is that of a type, as far as that one is known."""
    from adjoint.api.custom import agree

    wanted = [n if m is None else m for n, m in zip(shape, type.shape, strict=False)]
    return len(shape) == len(type.shape) and agree(tuple(shape), tuple(wanted))


def _fitted(x: Any, type: Type, name: str) -> Value:
    """Return a result of ``fwd`` as a value of the type that the function's result has."""
    value = value_of(x)
    have = value.type
    if (
        not isinstance(have, Type)
        or have.dtype.kind not in _FITS[type.dtype.kind]
        or not _agree(shape_of(value), type)
    ):
        raise RuleError(
            f"the fwd of {name} returned a result of type {have}, but the function one of type "
            f"{type}"
        )
    if have.dtype != type.dtype:
        x = emit(cast, (wrap(value),), {"dtype": type.dtype})
    kind = value_of(x).type.kind
    if kind != type.kind:
        if type.kind == "array":
            x = emit(broadcast_to, (lift(x),), {"shape": ()})
        else:
            x = emit(cast, (lift(x)[()] if kind == "array" else lift(x),), {"dtype": type.dtype})
            if type.kind == "python":
                x = emit(ew.python_number, (x,))
    return value_of(x)


_FITS = {"b": "b", "i": "biu", "u": "bu", "f": "biuf", "c": "biufc"}
