"""jit, stage: functions as graphs."""

from __future__ import annotations

import functools
import time
from collections.abc import Callable, Sequence
from typing import Any

import adjoint.staged_array  # noqa: F401  (the class of staged values)
from adjoint import tree
from adjoint.api.custom import innermost, node_of_call, zeros_like
from adjoint.api.derivatives import jvp, vjp
from adjoint.api.launch import Interpreted, Launcher, launcher
from adjoint.api.lowered import Lowered
from adjoint.api.reasons import Made, leaf_names, reason
from adjoint.api.structures import taker
from adjoint.api.tracing import name_of, positions
from adjoint.backends.llvm.failed import Failed
from adjoint.eager.tape import type_of
from adjoint.errors import InputError, TracingError
from adjoint.frontend import hooks
from adjoint.frontend.staged_transform import STAGED
from adjoint.ir import Node
from adjoint.ir import text as ir_text
from adjoint.ir.build import staging
from adjoint.ir.graph import Function
from adjoint.numpy_api import staged_creation
from adjoint.ops.registry import load_if_imported
from adjoint.places import line_of_traceback
from adjoint.rules.derive import Rule
from adjoint.staged.failures import CannotStage
from adjoint.staging.calls import install
from adjoint.staging.recursion import resolve_call
from adjoint.staging.stage import Graph, Signature, signature_of, stage_function
from adjoint.transforms.simplify import simplify

for _fn, _implementation in staged_creation.STAGED.items():
    hooks.register(_fn, _implementation, STAGED)
install()

__all__ = ["Jitted", "StagedFunction", "jit", "make_graph", "stage"]


DEFAULT = "llvm"
"""The backend where none is named."""

RECENT = 4
"""How many graphs are tried before the right one is looked up."""


class StagedFunction:
    """A function staged for arguments of certain types.

    ``str()`` of it is the graph as text; called with arguments of those types it runs the graph.

    Attributes
    ----------
    function : Function
        The graph.
    """

    def __init__(
        self, graph: Graph, spec: Any, signature: Signature, fixed: frozenset[int]
    ) -> None:
        self._graph = graph
        self._spec = spec
        self._signature = signature
        self._fixed = fixed

    @property
    def function(self) -> Function:
        return self._graph.function

    @property
    def unrolled(self) -> dict[Any, str]:
        """Loops that were unrolled: place -> why."""
        return self._graph.unrolled

    def inputs(self, *args: Any, **kwargs: Any) -> list[Any]:
        """Return what the parameters of ``function`` are for these arguments."""
        return self._graph.inputs(self._leaves(args, kwargs))

    def _leaves(self, args: Any, kwargs: Any) -> list[Any]:
        leaves, spec = tree.flatten((args, kwargs))
        if spec != self._spec:
            raise InputError(
                f"the arguments have the structure {spec}, but {self._spec} was staged"
            )
        graph = self._graph
        same = signature_of(leaves, self._fixed) == self._signature
        if not (same and graph.holds(leaves) and graph.fits()):
            raise InputError(
                f"{self.function.name} was staged for arguments of other types, lengths or "
                "constants (or what it reads from outside has changed); stage it for these, or use "
                "ad.jit, which does so"
            )
        return leaves

    def __str__(self) -> str:
        return ir_text.text(self.function)

    def __repr__(self) -> str:
        return f"<staged {self.function.name}>"

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        return Interpreted(self._graph)(self._leaves(args, kwargs))


def error_of(failed: Failed) -> BaseException:
    """Return what machine code has failed with."""
    from adjoint.backends.llvm import contexts

    return contexts.error_of(failed)


def make_graph(
    fun: Callable,
    leaves: Sequence[Any],
    rebuild: Callable,
    fixed: frozenset[int] = frozenset(),
    note: Callable[[float, float], None] | None = None,
) -> tuple[Graph, frozenset[int]]:
    """Stage a function; arguments whose number Python needs are made constants.

    ``note`` is told how many seconds staging and simplifying took.

    Returns
    -------
    graph : Graph
    fixed : frozenset of int
        The argument leaves that are constants of the graph (of an array: whose lengths are).
    """
    for package in ("numpy.polynomial", "numpy.random", "scipy.sparse"):
        load_if_imported(package)  # of these, no function need be met before they matter
    began = time.perf_counter()
    while True:
        try:
            call = resolve_call(fun)
            graph = stage_function(call, fun, leaves, rebuild, name_of(fun), fixed)
        except CannotStage as error:
            more = frozenset(error.parameters) - fixed
            if not more:
                raise TracingError(_told(error)) from error
            fixed = fixed | more
            continue
        staged = time.perf_counter()
        simplify(graph.function)
        if note is not None:
            note(staged - began, time.perf_counter() - staged)
        return graph, fixed


def _told(error: CannotStage) -> str:
    """Return the message of an error, with the user's line."""
    place = line_of_traceback(error.__traceback__)
    text = str(error)
    if place is None or f"{place[0]}:{place[1]}" in text:
        return text
    return f"{text} ({place[0]}:{place[1]})"


class Jitted:
    """What `jit` returns: call it like the function.

    Attributes
    ----------
    fun : callable
        The function.
    made : list of Made
        The graphs that were made for it (`report`).
    """

    def __init__(
        self,
        fun: Callable,
        static_argnums: int | Sequence[int] = (),
        static_argnames: str | Sequence[str] = (),
        backend: str | None = None,
    ) -> None:
        functools.update_wrapper(self, fun, updated=())
        self.fun = fun
        self.static_argnums = static_argnums
        self.static_argnames = (
            (static_argnames,) if isinstance(static_argnames, str) else tuple(static_argnames)
        )
        self.backend = backend or DEFAULT
        self.launchers: dict[Any, list[Launcher]] = {}
        self.made: list[Made] = []
        self._recent: list[tuple[Any, Launcher]] = []
        self._flat: list[Launcher] = []
        self._simple = not self.static_argnames and static_argnums == ()
        self._fixed: dict[Any, frozenset[int]] = {}
        self._derived: dict[Any, tuple[Jitted, Jitted]] = {}

    def __get__(self, instance: Any, owner: type | None = None) -> Any:
        return self if instance is None else functools.partial(self, instance)

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        if staging():
            return resolve_call(self.fun)(*args, **kwargs)
        try:
            if not kwargs:
                for known in self._flat:
                    found = known.quick(*args)  # type: ignore[misc]
                    if found is not NotImplemented:
                        return found
            for take, known in self._recent:
                given = take((args, kwargs))
                if given is not None:
                    found = known.quick(*given)  # type: ignore[misc]
                    if found is not NotImplemented:
                        return found
        except Failed as failed:
            raise error_of(failed) from None
        leaves, spec, rebuild = self._leaves(args, kwargs)
        tape = innermost(leaves)
        if tape is not None:
            return self._differentiated(tape, leaves, spec, rebuild)
        known = self._launcher(leaves, spec, rebuild)
        result = known(leaves)
        if known.quick is not None and self._simple:
            self._remember(known, args, kwargs)
        return result

    def _remember(self, known: Launcher, args: Any, kwargs: Any) -> None:
        """Try this graph first at the next call."""
        if not kwargs and tree.is_flat_tuple(tree.structure(args)):
            self._flat = [known, *[x for x in self._flat if x is not known]][:RECENT]
            return
        take = taker(tree.structure((args, kwargs)))
        others = [x for x in self._recent if x[1] is not known]
        self._recent = [(take, known), *others][:RECENT]

    def launcher_for(self, *args: Any) -> tuple[Launcher, list[Any]]:
        """Return what serves these arguments, and their leaves."""
        leaves, spec, rebuild = self._leaves(args, {})
        return self._launcher(leaves, spec, rebuild), leaves

    def _leaves(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> tuple[Any, Any, Any]:
        static = self.static_argnums
        static = (static,) if isinstance(static, int) else tuple(static)
        if not static and not self.static_argnames:
            leaves, spec = tree.flatten((args, kwargs))
            return leaves, spec, lambda values: tree.unflatten(spec, values)
        at = positions([k for k in static if -len(args) <= k < len(args)], len(args), self.fun)
        fixed = {k: args[k] for k in at}
        named = {k: v for k, v in kwargs.items() if k in self.static_argnames}
        rest = tuple(a for k, a in enumerate(args) if k not in fixed)
        others = {k: v for k, v in kwargs.items() if k not in named}
        leaves, spec = tree.flatten((rest, others))

        def rebuild(values: list[Any]) -> Any:
            given, more = tree.unflatten(spec, values)
            given = iter(given)
            full = tuple(fixed[k] if k in fixed else next(given) for k in range(len(args)))
            return full, {**more, **named}

        try:
            key = (spec, tuple(sorted(fixed.items())), tuple(sorted(named.items())))
            hash(key)
        except TypeError:
            raise InputError(
                f"the static arguments of {name_of(self.fun)} must be hashable: a graph is kept "
                "for each of their values"
            ) from None
        return leaves, key, rebuild

    def lower(self, *args: Any, **kwargs: Any) -> Lowered:
        """Return what the function is at each stage on its way to machine code, for arguments.

        Nothing is computed before it is asked for.

        Returns
        -------
        Lowered
            With ``graph``, ``loops``, ``llvm``, ``optimised``, ``assembly``, ``cost`` and
            ``callbacks``.

        Examples
        --------
        >>> import numpy as np, adjoint as ad
        >>> stages = ad.jit(lambda x: np.sum(x * x)).lower(np.ones(50))
        >>> print(stages.loops)
        function <lambda>
          loops over elements, and what each computes:
            %2 reduce_sum <- %1 multiply  (line 1)
          memory:
            %2 reduce_sum: as many bytes as it turns out to need, taken when it is needed
        <BLANKLINE>
        """
        leaves, spec, rebuild = self._leaves(args, kwargs)

        def make() -> Graph:
            _, _, known = self._known(leaves, spec)
            if known is not None:
                return known.graph
            return make_graph(self.fun, leaves, rebuild)[0]

        return Lowered(make, leaves)

    def derivatives(self) -> list[tuple[str, Jitted]]:
        """Return the jitted functions that are derivatives of it, and which they are."""
        found = list(self._derived.values())
        return [(w, d) for pair in found for w, d in zip(("jvp", "vjp"), pair, strict=True)]

    def _known(self, leaves: list[Any], spec: Any) -> tuple[Any, frozenset[int], Launcher | None]:
        """Return the key of arguments without constants, which are, and what runs their graph."""
        base = (spec, signature_of(leaves))
        fixed = self._fixed.get(base, frozenset())
        key = (spec, signature_of(leaves, fixed)) if fixed else base
        for known in self.launchers.get(key, ()):
            if known.graph.holds(leaves) and known.graph.fits():
                return base, fixed, known
        return base, fixed, None

    def _launcher(self, leaves: list[Any], spec: Any, rebuild: Callable) -> Launcher:
        base, fixed, known = self._known(leaves, spec)
        if known is not None:
            return known
        seconds = (0.0, 0.0)

        def note(staging: float, simplifying: float) -> None:
            nonlocal seconds
            seconds = (staging, simplifying)

        graph, now = make_graph(self.fun, leaves, rebuild, fixed, note)
        if now != fixed:
            self._fixed[base] = now
        key = (spec, signature_of(leaves, now))
        names = self._names(leaves, spec, rebuild)
        made = Made(key, graph, reason(key, leaves, names, self.made), *seconds)
        self.made.append(made)
        known = made.launcher = launcher(graph, leaves, self.backend)
        self.launchers.setdefault(key, []).append(known)
        return known

    def _names(self, leaves: list[Any], spec: Any, rebuild: Callable) -> list[str]:
        """Return what to call the argument leaves."""
        taken = [k for k, _ in spec[1]] if isinstance(spec, tuple) else []
        args, kwargs = tree.unflatten(spec[0] if isinstance(spec, tuple) else spec, leaves)
        return leaf_names(self.fun, args, kwargs, taken)

    def _differentiated(self, tape: Any, leaves: list[Any], spec: Any, rebuild: Callable) -> Any:
        """Record the call as one operation, whose derivatives are graphs too."""

        def run(values: list[Any]) -> Any:
            args, kwargs = rebuild(values)
            return self(*args, **kwargs)

        def rule_of(values: list[Any], result: Any, out_spec: Any) -> Rule:
            active = tuple(k for k, v in enumerate(values) if type_of(v) is not None)
            primals = tuple(values[k] for k in active)
            rest = [None if k in active else v for k, v in enumerate(values)]
            push_graph, pull_graph = self._derivatives_of(spec, active, rebuild)

            def push(tangents: Any, node: Node) -> Any:
                dots = tuple(
                    zeros_like(values[k]) if tangents[k] is None else tangents[k] for k in active
                )
                return tuple(tree.flatten(push_graph(rest, primals, dots))[0])

            def pull(cts: Any, node: Node) -> list[Any]:
                bars = pull_graph(rest, primals, tree.unflatten(out_spec, list(cts)))
                found = dict(zip(active, bars, strict=True))
                return [found.get(k) for k in range(len(values))]

            return Rule(((),), push, pull_all=pull)

        return node_of_call(name_of(self.fun), tape, leaves, run, rule_of)

    def _derivatives_of(
        self, spec: Any, active: tuple[int, ...], rebuild: Callable
    ) -> tuple[Jitted, Jitted]:
        """Return the jvp and the vjp with respect to some argument leaves, staged."""
        found = self._derived.get((spec, active))
        if found is not None:
            return found

        def of_active(rest: Any, xs: Any) -> Any:
            full = list(rest)
            for k, x in zip(active, xs, strict=True):
                full[k] = x
            args, kwargs = rebuild(full)
            return resolve_call(self.fun)(*args, **kwargs)

        def push(rest: Any, xs: Any, dots: Any) -> Any:
            return jvp(lambda *given: of_active(rest, given), xs, dots)[1]

        def pull(rest: Any, xs: Any, cts: Any) -> Any:
            return vjp(lambda *given: of_active(rest, given), *xs)[1](cts)

        found = (Jitted(push, backend=self.backend), Jitted(pull, backend=self.backend))
        self._derived[spec, active] = found
        return found


def jit(
    fun: Callable | None = None,
    static_argnums: int | Sequence[int] = (),
    static_argnames: str | Sequence[str] = (),
    backend: str | None = None,
) -> Any:
    """Return ``fun`` compiled: its loops and branches stay loops and branches, in machine code.

    The first call with arguments of new types runs ``fun`` on staged values, which records a graph,
    and compiles the graph; later calls run the code. Lengths, integers and floating-point numbers
    may change from call to call without staging anew; strings, booleans and other objects are part
    of what is staged.
    Arrays and numbers that ``fun`` reads from globals, closures and attributes are read anew at
    each call, and its effects (arrays changed in place, attributes assigned to, printing) happen at
    each call.

    Parameters
    ----------
    fun : callable
        Of pytrees of numbers, arrays and other things. Without it, ``jit`` returns a decorator.
    static_argnums, static_argnames : int, str or sequences of them
        Arguments that are constants of the graph; they must be hashable.
    backend : {"llvm", "interpret"}, optional
        What runs the graph: machine code made by LLVM (the default; the extra ``jit``), or the
        interpreter, in NumPy.

    Returns
    -------
    Jitted
        Also under `grad`, `vjp`, `jvp` and `vmap`, and of functions made by them.

    Raises
    ------
    TracingError
        If something in ``fun`` cannot be staged; the message says what, where and what to do.
    MissingDependencyError
        If llvmlite is not installed; the message says how to install it.

    Examples
    --------
    >>> import numpy as np, adjoint as ad
    >>> def total(x, n):
    ...     s = 0.0
    ...     for i in range(n):
    ...         s += np.sin(x[i])
    ...     return s
    >>> slope = ad.jit(ad.grad(total))
    >>> slope(np.zeros(3), 2)
    array([1., 1., 0.])
    """
    if backend not in (None, "llvm", "interpret"):
        raise InputError(f"backend={backend!r} is not known; there are 'llvm' and 'interpret'")
    if fun is None:
        return functools.partial(
            jit, static_argnums=static_argnums, static_argnames=static_argnames, backend=backend
        )
    return Jitted(fun, static_argnums, static_argnames, backend)


def stage(fun: Callable) -> Callable[..., StagedFunction]:
    """Return a function that stages ``fun`` for given arguments.

    Parameters
    ----------
    fun : callable

    Returns
    -------
    callable
        From arguments to a `StagedFunction`: printed, the graph; called, its result.

    Examples
    --------
    >>> import adjoint as ad
    >>> def square(x):
    ...     return x * x + 1.0
    >>> print(ad.stage(square)(3.0))
    function square(%0: float) {
      %1: float = multiply(%0, %0)
      %2: float = add(%1, 1.0)
      return %2
    }
    <BLANKLINE>
    """

    @functools.wraps(fun, updated=())
    def staged(*args: Any, **kwargs: Any) -> StagedFunction:
        leaves, spec = tree.flatten((args, kwargs))
        graph, fixed = make_graph(fun, leaves, lambda values: tree.unflatten(spec, values))
        return StagedFunction(graph, spec, signature_of(leaves, fixed), fixed)

    return staged
