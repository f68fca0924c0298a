"""external: functions that cannot be differentiated through, with derivatives from the user.

A function in C, Cython or Numba, or one that calls another program, is called with ordinary numbers
and arrays. It is one operation (`adjoint.ops.control.external`) in every mode and tier; so are the
functions that give its derivatives.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from types import FunctionType
from typing import Any

import numpy as np

from adjoint import tree
from adjoint.api.custom import CustomFunction, matching_leaves
from adjoint.api.tracing import name_of
from adjoint.dispatch import is_staged, plain
from adjoint.eager.tape import type_of
from adjoint.errors import AdjointError, InputError, NoRuleError, RuleError, TracingError
from adjoint.frontend.build import is_rewritten
from adjoint.frontend.hooks import resolve_staged
from adjoint.frontend.staged_transform import STAGED
from adjoint.ir.build import innermost, staging, users_place
from adjoint.ir.types import Type
from adjoint.ops import control
from adjoint.ops.creation import zeros
from adjoint.ops.registry import Traced
from adjoint.ops.structural import matches
from adjoint.staged.values import param, value_of, wrap

__all__ = ["External", "external"]

Meta = tuple[tuple[Any, ...], np.dtype]
"""Shape and dtype of a result."""


# -- one call --------------------------------------------------------------------------------------


class Call:
    """A function of leaves, as the operation ``external`` calls it.

    Attributes
    ----------
    name : str
    fn : callable
        From ordinary leaves, which are its own, to a list of results.
    metas : callable
        From the leaves to shapes and dtypes of the results.
    push, pull : callable
        ``push(tangents, xs)`` and ``pull(cts, xs)``: the derivative.
    error : type
        Of the exception for a wrong result.
    """

    __slots__ = ("error", "fn", "metas", "name", "pull", "push")

    def __init__(
        self,
        name: str,
        fn: Callable[..., Sequence[Any]],
        metas: Callable[[Sequence[Any]], list[Meta]],
        push: Callable[[Any, Any], Any],
        pull: Callable[[Any, Any], Any],
        error: type[AdjointError],
    ) -> None:
        self.name = name
        self.fn = fn
        self.metas = metas
        self.push = push
        self.pull = pull
        self.error = error

    def __call__(self, *xs: Any) -> tuple[Any, ...]:
        """Call the function; its arguments and results share memory with nothing else."""
        wanted = self.metas(xs)
        results = self.fn(*map(_own, xs))
        if len(results) != len(wanted):
            raise self.error(
                f"{self.name} returned {len(results)} results; {len(wanted)} were declared"
            )
        return tuple(self._checked(r, k, wanted) for k, r in enumerate(results))

    def _checked(self, result: Any, k: int, wanted: list[Meta]) -> Any:
        shape, dtype = wanted[k]
        found = np.array(result)
        if found.shape != tuple(shape) or found.dtype != dtype:
            which = f" as result {k}" if len(wanted) > 1 else ""
            raise self.error(
                f"{self.name} returned an array of dtype {found.dtype} and shape {found.shape}"
                f"{which}; dtype {dtype} and shape {tuple(shape)} were declared"
            )
        return found if found.shape else found[()]

    def __repr__(self) -> str:
        return f"<call of {self.name}>"

    def record(self, xs: Sequence[Any]) -> tuple[Any, ...]:
        """Call the function, or record that it is called."""
        if not staging() or not any(map(is_staged, xs)):
            return control.external(*xs, call=self)
        types = tuple(
            Type(dtype, param(tuple(shape)), "array" if shape else "scalar")
            for shape, dtype in self.metas(xs)
        )
        inputs = tuple(map(value_of, xs))
        return wrap(
            innermost().emit(control.external, inputs, {"call": self}, types, (), users_place())
        )


def _own(x: Any) -> Any:
    """Return an argument for code that may write to it, in C order."""
    return np.array(x, order="C") if isinstance(x, np.ndarray) else x


def _meta(x: Any) -> Meta | None:
    """Return shape and dtype of a leaf that has derivatives."""
    return type_of(x)


def _zeros(meta: Meta | None) -> Any:
    if meta is None:
        return np.float64(0.0)
    return zeros(*meta) if meta[0] else meta[1].type(0)


# -- the function ----------------------------------------------------------------------------------


class External:
    """What `external` returns: called like the function, and differentiable."""

    def __init__(
        self, fn: Callable, shape: Any, vjp: Callable | None, jvp: Callable | None, dtype: Any
    ) -> None:
        functools.update_wrapper(self, fn)
        self.fn = fn
        self.vjp = vjp
        self.jvp = jvp
        self.shape = shape if callable(shape) else _shapes(shape, f"shape={shape!r}")
        self.dtype = (
            tuple(map(np.dtype, dtype)) if isinstance(dtype, (tuple, list)) else np.dtype(dtype)
        )
        self.name = f"{name_of(fn)} (ad.external)"
        self._calls: dict[Any, Call] = {}

    def __get__(self, instance: Any, owner: type | None = None) -> Any:
        return self if instance is None else functools.partial(self, instance)

    def __call__(self, *args: Any) -> Any:
        leaves, spec = tree.flatten(args)
        at = [k for k, leaf in enumerate(leaves) if _is_number(leaf)]
        several = self._results(args)[1]
        results = self._call(leaves, at, spec).record([leaves[k] for k in at])
        return tuple(results) if several else results[0]

    def _call(self, leaves: list[Any], at: list[int], spec: tree.Structure) -> Call:
        """Return the call with those of the leaves for operands that are at ``at``."""
        if len(at) < len(leaves):
            return self._new_call([None if k in at else x for k, x in enumerate(leaves)], at, spec)
        call = self._calls.get(spec)
        if call is None:
            call = self._calls[spec] = self._new_call([None] * len(at), at, spec)
        return call

    # -- results ---------------------------------------------------------------------------------

    def _results(self, args: Any) -> tuple[list[Meta], bool]:
        """Return the results' shapes and dtypes, and whether there are several."""
        shape = self.shape
        if callable(shape):
            of = resolve_staged(shape) if staging() else shape
            declared = of(*[tree.map_leaves(_shape_of, a) for a in args])
            shape = _shapes(declared, f"the shape that shape= returned, {declared!r},")
        shapes, several = shape
        dtypes = self.dtype if isinstance(self.dtype, tuple) else (self.dtype,) * len(shapes)
        if len(dtypes) != len(shapes):
            raise InputError(
                f"{self.name} was declared with {len(shapes)} shapes and {len(dtypes)} dtypes"
            )
        return list(zip(shapes, dtypes, strict=True)), several

    # -- calls -----------------------------------------------------------------------------------

    def _new_call(self, fixed: list[Any], at: list[int], spec: tree.Structure) -> Call:
        def arguments(xs: Sequence[Any]) -> Any:
            full = list(fixed)
            for k, x in zip(at, xs, strict=True):
                full[k] = x
            return tree.unflatten(spec, full)

        def metas(xs: Sequence[Any]) -> list[Meta]:
            return self._results(arguments(xs))[0]

        def run(*xs: Any) -> Sequence[Any]:
            args = arguments(xs)
            return self._listed(self.fn(*args), self._results(args)[1], self.name, InputError)

        def pull(cts: Any, xs: Any) -> Any:
            return self._pull(cts, xs, arguments, at)

        def push(tangents: Any, xs: Any) -> Any:
            return self._push(tangents, xs, arguments)

        return Call(self.name, run, metas, push, pull, InputError)

    def _listed(self, result: Any, several: bool, what: str, error: type) -> Sequence[Any]:
        if not several:
            return (result,)
        if not isinstance(result, (tuple, list)):
            raise error(f"{what} returned {type(result).__name__}; a tuple of results was declared")
        return result

    # -- derivatives -----------------------------------------------------------------------------

    def _pull(self, cts: Any, xs: Any, arguments: Callable, at: list[int]) -> list[Any]:
        vjp = self.vjp
        if vjp is None:
            raise NoRuleError(
                f"{self.name} has no vjp, which reverse mode needs: pass vjp=, a function of its "
                "arguments and of the cotangent of its result that returns a cotangent for each "
                "argument"
            )
        what = f"the vjp of {self.name}"
        on = [k for k, x in enumerate(xs) if _meta(x) is not None]
        n = len(xs)

        def of_arguments(*values: Any) -> list[Any]:
            args, given = arguments(values[:n]), values[n:]
            several = self._results(args)[1]
            bars = vjp(*args, tuple(given) if several else given[0])
            if len(args) == 1 and not isinstance(bars, (tuple, list)):
                bars = (bars,)
            leaves = matching_leaves(bars, list(args), self.name, "the vjp")
            return [leaves[at[k]] for k in on]

        if _is_differentiable(vjp):
            pulled: Any = of_arguments(*xs, *cts)
        else:

            def run(*values: Any) -> list[Any]:
                return [
                    _converted(bar, values[k], what)
                    for bar, k in zip(of_arguments(*values), on, strict=True)
                ]

            refuse = _refusal(what, "vjp")
            call = Call(what, run, lambda xs: _metas(xs, on), refuse, refuse, RuleError)
            pulled = call.record([*xs, *cts])
        found = dict(zip(on, pulled, strict=True))
        return [found.get(k) for k in range(n)]

    def _push(self, tangents: Any, xs: Any, arguments: Callable) -> tuple[Any, ...]:
        jvp = self.jvp
        if jvp is None:
            raise NoRuleError(
                f"{self.name} has no jvp, which forward mode needs: pass jvp=, a function of the "
                "tuple of its arguments and that of their tangents that returns the tangent of "
                "its result"
            )
        what = f"the jvp of {self.name}"
        n = len(xs)
        results, several = self._results(arguments(xs))
        on = [k for k, (_, dtype) in enumerate(results) if dtype.kind in "fc"]

        def of_arguments(*values: Any) -> list[Any]:
            primals, dots = arguments(values[:n]), arguments(values[n:])
            found = self._listed(jvp(primals, dots), several, what, RuleError)
            if len(found) != len(results):
                raise RuleError(f"{what} returned {len(found)} tangents for {len(results)} results")
            return [found[k] for k in on]

        filled = [_zeros(_meta(x)) if t is None else t for t, x in zip(tangents, xs, strict=True)]
        if _is_differentiable(jvp):
            pushed: Any = of_arguments(*xs, *filled)
            _check_tangents(pushed, [results[k] for k in on], what)
        else:
            refuse = _refusal(what, "jvp")

            def metas(values: Sequence[Any]) -> list[Meta]:
                found = self._results(arguments(values[:n]))[0]
                return [found[k] for k in on]

            call = Call(what, of_arguments, metas, refuse, refuse, RuleError)
            pushed = call.record([*xs, *filled])
        found = dict(zip(on, pushed, strict=True))
        return tuple(found.get(k) for k in range(len(results)))


def _is_number(leaf: Any) -> bool:
    if isinstance(leaf, (Traced, bool, int, float, complex, np.generic)):
        return True
    return isinstance(leaf, np.ndarray) and leaf.dtype.kind in "biufc"


def _is_differentiable(fn: Any) -> bool:
    return isinstance(fn, (External, CustomFunction))


def _shape_of(x: Any) -> Any:
    return tuple(x.shape) if isinstance(x, Traced) else np.shape(x)


def _shapes(shape: Any, what: str) -> tuple[tuple[tuple[Any, ...], ...], bool]:
    """Return the shapes of the results, and whether there are several."""
    if not isinstance(shape, (tuple, list)):
        raise InputError(
            f"{what} is neither a shape nor a tuple of shapes: a shape is a tuple of lengths, () "
            "that of a number"
        )
    several = any(isinstance(n, (tuple, list)) for n in shape)
    shapes = tuple(tuple(s) if isinstance(s, (tuple, list)) else s for s in shape)
    for s in shapes if several else (shapes,):
        if not isinstance(s, tuple) or not all(isinstance(n, (int, np.integer)) for n in s):
            raise InputError(f"{what} is neither a shape nor a tuple of shapes")
    return (shapes if several else (shapes,)), several


def _metas(xs: Sequence[Any], on: list[int]) -> list[Meta]:
    found = []
    for k in on:
        meta = _meta(xs[k])
        assert meta is not None
        found.append(meta)
    return found


def _converted(bar: Any, x: Any, what: str) -> Any:
    """Return a cotangent in the dtype of what it belongs to; None as zeros."""
    meta = _meta(x)
    assert meta is not None
    if bar is None:
        return np.zeros(*meta)
    bar = np.asarray(bar)
    if not np.can_cast(bar.dtype, meta[1], "same_kind"):
        raise RuleError(
            f"{what} returned a cotangent of dtype {bar.dtype} for an argument of dtype {meta[1]}"
        )
    return bar.astype(meta[1])


def _check_tangents(dots: Sequence[Any], results: list[Meta], what: str) -> None:
    for dot, (shape, _) in zip(dots, results, strict=True):
        found = np.shape(plain(dot))
        if found != tuple(shape) and not matches(found, tuple(shape)):
            raise RuleError(
                f"{what} returned a tangent of shape {found} for a result of shape {tuple(shape)}"
            )


def _refusal(what: str, kind: str) -> Callable[[Any, Any], Any]:
    def refuse(*_: Any) -> Any:
        raise NoRuleError(
            f"{what} is called with numbers, and has no derivative: for derivatives of higher "
            f"order pass {kind}=ad.external(...) with rules of its own"
        )

    return refuse


def external(
    fn: Callable,
    shape: Any,
    vjp: Callable | None = None,
    jvp: Callable | None = None,
    dtype: Any = float,
) -> External:
    """Let a function that is called with ordinary numbers take part: in C, Cython or Numba, say.

    Parameters
    ----------
    fn : callable
        Of positional arguments: arrays, numbers and pytrees of them. It is called with ordinary
        C-contiguous arrays of its own, which it may write to, and whenever its result is wanted:
        it must have no other effect, and give equal results for equal arguments.
    shape : tuple of int, or callable
        The shape of the result, () of a number; a tuple of shapes for several results, which ``fn``
        returns as a tuple. A callable is given the shapes of the arguments.
    vjp : callable, optional
        ``vjp(*args, ct)`` returns the cotangents of the arguments (None: zero) from that of the
        result, which is a tuple for several results. Reverse mode needs it.
    jvp : callable, optional
        ``jvp(args, tangents)``, of two tuples, returns the tangent of the result. Forward mode
        needs it.
    dtype : dtype, or tuple of them
        Of the result, or results.

    Returns
    -------
    External
        Called like ``fn``; also under `jit`, `vmap` (once an example), in loops and branches.

    Raises
    ------
    InputError
        When a call returns another shape or dtype than was declared.
    RuleError
        When ``vjp`` or ``jvp`` returns something that does not fit.
    NoRuleError
        When a derivative is wanted for which there is no rule.
    TracingError
        If a function is defined inside of one that is being staged.

    Notes
    -----
    ``vjp`` and ``jvp`` are called with ordinary numbers too, and so have no derivative themselves.
    For derivatives of higher order, pass what `external` (or `custom_vjp`, `custom_jvp`) returned
    for them.

    Examples
    --------
    >>> import math
    >>> import numpy as np, adjoint as ad
    >>> erf = ad.external(
    ...     math.erf,
    ...     shape=(),
    ...     vjp=lambda x, ct: ct * 2 / math.sqrt(math.pi) * math.exp(-x * x),
    ... )
    >>> np.round(ad.grad(lambda x: erf(x) ** 2)(0.5), 6)
    np.float64(0.914812)
    """
    for f in (fn, vjp, jvp):
        if type(f) is FunctionType and is_rewritten(f.__code__, STAGED.hooks):
            raise TracingError(
                f"{name_of(f)} is defined inside of a function that is being staged, where code "
                "records what it does; define a function for ad.external outside of it"
            )
    return External(fn, shape, vjp, jvp, dtype)
