"""Many forward or reverse sweeps of a function at once, as staged functions.

A sweep's seed is one where the colour of an element is the sweep's number, and zero elsewhere: the
seeds of all sweeps are made in the graph, of the colours. What does not depend on them is computed
once for all sweeps (`vmap` of a staged program). What the sweeps give is put into the order of a
matrix there, too.

The sweeps may be those of the function of what is read of the arguments (`adjoint.transforms.cut`).
"""

from __future__ import annotations

import functools
import operator
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from adjoint import tree
from adjoint.api.compile import Jitted
from adjoint.api.derivatives import pull_back
from adjoint.api.mapping import vmap
from adjoint.api.seeds import Apart, grouped, in_order, seeds_of, split
from adjoint.api.staged_tracing import StagedCall, staged_push
from adjoint.api.tracing import Trace, as_leaf, name_of, positions, seed_like, trace_of
from adjoint.eager.tape import type_of
from adjoint.errors import InputError, NonDifferentiableError, TracingError
from adjoint.ir.build import innermost, staging
from adjoint.ir.graph import walk
from adjoint.ops import control
from adjoint.ops.creation import arange
from adjoint.ops.registry import Traced
from adjoint.ops.structural import reshape
from adjoint.staged.values import lift, value_of, wrap
from adjoint.staging.stage import Graph, Output
from adjoint.transforms.cut import Piece, cut
from adjoint.transforms.sparsity import Detection

__all__ = ["Sweeps", "random_like"]


class Sweeps:
    """A function and its derivatives, of leaves.

    The results of all are lists of leaves: of the function's result, or of its arguments at
    ``argnums``.

    Attributes
    ----------
    local : bool
        Whether the function is differentiated by what it reads of those arguments: that stands for
        them then.
    """

    def __init__(
        self, fun: Callable, argnums: int | Sequence[int], holomorphic: bool, local: bool = False
    ) -> None:
        self.fun = fun
        self.argnums = argnums
        self.holomorphic = holomorphic
        self.local = local
        self._values = Jitted(self._stage_values)
        self._pushed = Jitted(self._stage_push)
        self._pulled = Jitted(self._stage_pull)
        self._forward = Jitted(self._stage_forward)
        self._reverse = Jitted(self._stage_reverse)
        self._elements = Jitted(self._stage_elements, backend="interpret")
        self._allowed: set[int] = set()

    # -- arguments -----------------------------------------------------------------------------

    def wanted(self, args: Sequence[Any]) -> tuple[int, ...]:
        """Return the positions of the arguments that are differentiated by."""
        return positions(self.argnums, len(args), self.fun)

    def leaves(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> list[Any]:
        """Return the leaves that are differentiated by, once they are known to be fit for it."""
        if staging() or any(isinstance(x, Traced) for x in tree.flatten((args, kwargs))[0]):
            raise InputError(
                f"a sparse derivative of {name_of(self.fun)} was asked for inside of a function "
                "that is staged or differentiated: a matrix of scipy.sparse carries no derivative. "
                "Use ad.jacobian or ad.hessian there."
            )
        selected = tuple([args[k] for k in self.wanted(args)])
        leaves = []
        for name, x in tree.leaves_with_names(selected):
            x = as_leaf(x, name, self.fun)
            self._check(x, f"argument{name} of {name_of(self.fun)}")
            leaves.append(x)
        return leaves

    def _check(self, x: Any, what: str) -> None:
        meta: Any = type_of(x)
        if meta[1].kind == "c" and not self.holomorphic:
            raise NonDifferentiableError(
                f"{what} is complex. If the function is holomorphic pass holomorphic=True; if not, "
                "differentiate its real and imaginary parts."
            )

    # -- what is run ---------------------------------------------------------------------------

    def values(self, args: Any, kwargs: Any) -> list[Any]:
        """Return the leaves of the function's result."""
        return self._run(self._values, args, kwargs)

    def push(self, args: Any, kwargs: Any, dots: list[Any]) -> list[Any]:
        """Return the tangents of the result."""
        return self._run(self._pushed, args, kwargs, dots)

    def pull(self, args: Any, kwargs: Any, cts: list[Any]) -> list[Any]:
        """Return the cotangents of the arguments."""
        return self._run(self._pulled, args, kwargs, cts)

    def forward(self, args: Any, kwargs: Any, colours: list[Any], sweeps: Any, at: Any) -> Any:
        """Return numbers of the tangents of the results of forward sweeps, and their lengths.

        Parameters
        ----------
        colours : list of ndarray or Rows
            Of the arguments.
        sweeps : ndarray of int or Apart
        at : ndarray of int or Regular
            Which numbers: of the tangents of the first result in all sweeps, then of the second;
            or of the parts that are wanted.
        """
        return self._run(self._forward, args, kwargs, colours, sweeps, at)

    def reverse(self, args: Any, kwargs: Any, colours: list[Any], sweeps: Any, at: Any) -> Any:
        """Return numbers of the cotangents of reverse sweeps, likewise; colours of results."""
        return self._run(self._reverse, args, kwargs, colours, sweeps, at)

    def _run(self, staged: Jitted, *args: Any) -> Any:
        known, leaves = staged.launcher_for(*args)
        if id(known) not in self._allowed:
            self._refuse_effects(known.graph)
            self._allowed.add(id(known))
        return known(leaves)

    def _refuse_effects(self, graph: Graph) -> None:
        what = ""
        if any([node.op is control.draw for node in walk(graph.function.block)]):
            what = "draws random numbers: draw them outside, and pass them"
        elif graph.writes or graph.stores:
            what = "changes what it reads at its next call: return it instead"
        if what:
            raise TracingError(
                f"{name_of(self.fun)} {what}. A sparse derivative takes several runs of a function"
            )

    # -- what is staged ------------------------------------------------------------------------

    def _check_results(self, results: list[Any]) -> None:
        for leaf in results:
            if type_of(leaf) is None:
                raise NonDifferentiableError(
                    f"{name_of(self.fun)} returned {leaf!r} ({type(leaf).__name__}), which has no "
                    "derivative; return floating-point numbers alone"
                )
            self._check(leaf, f"a result of {name_of(self.fun)}")

    def _call(self, args: Any, kwargs: Any) -> StagedCall:
        leaf_of = lambda x, name: as_leaf(x, name, self.fun)
        return StagedCall(self.fun, args, kwargs, self.wanted(args), False, leaf_of)

    def _recorded(self, args: Any, kwargs: Any) -> Trace:
        call = self._call(args, kwargs)
        if self.local:
            _cut(call)
        trace = trace_of(call)
        self._check_results(trace.values)
        return trace

    def _stage_values(self, args: Any, kwargs: Any) -> list[Any]:
        return self._recorded(args, kwargs).values

    def _stage_push(self, args: Any, kwargs: Any, dots: Any) -> list[Any]:
        call = self._call(args, kwargs)
        if self.local:
            _cut(call)
        return self._push(call, dots)

    def _push(self, call: StagedCall, dots: Any) -> list[Any]:
        values, result_dots, _ = staged_push(call, dots)
        self._check_results(values)
        return result_dots

    def _stage_pull(self, args: Any, kwargs: Any, cts: Any) -> list[Any]:
        trace = self._recorded(args, kwargs)
        return pull_back(trace, _of_results(cts, trace))

    def _stage_forward(
        self, args: Any, kwargs: Any, colours: Any, sweeps: Any, at: Any
    ) -> tuple[Any, list[Any]]:
        @functools.wraps(self.fun, updated=())
        def sweep(k: Any) -> list[Any]:
            call = self._call(args, kwargs)
            if self.local:
                _cut(call)
            return self._push(call, seeds_of(colours, k, [wrap(v) for v in call.given]))

        return in_order(_all_sweeps(sweep, sweeps), at, self._dtypes(args))

    def _stage_reverse(
        self, args: Any, kwargs: Any, colours: Any, sweeps: Any, at: Any
    ) -> tuple[Any, list[Any]]:
        call = self._call(args, kwargs)
        if self.local:
            _cut(call)
        shapes = split(call) if self.local and isinstance(sweeps, Apart) else None
        trace = trace_of(call)
        self._check_results(trace.values)
        results = trace.values if shapes is None else grouped(trace.values, shapes[1])

        def sweep(k: Any) -> list[Any]:
            seeds = seeds_of(colours, k, results)
            bars = pull_back(trace, _of_results(seeds, trace))
            return bars if shapes is None else grouped(bars, shapes[0])

        return in_order(_all_sweeps(sweep, sweeps), at, self._dtypes(args))

    def _dtypes(self, args: Any) -> list[np.dtype]:
        return [type_of(x)[1] for k in self.wanted(args) for x in tree.flatten(args[k])[0]]  # type: ignore[index]

    # -- what is read --------------------------------------------------------------------------

    def elements(self, args: Any, kwargs: Any) -> list[tuple[int, np.ndarray]]:
        """Return which elements of the arguments are read, if they can be cut there.

        They are counted through all arguments. There is one array for each part that is read, with
        the number of the argument; none if the function does more than to read parts of arguments.
        """
        return self._run(self._elements, args, kwargs)

    def graph_of_elements(self, args: Any, kwargs: Any) -> tuple[Graph, list[Any]]:
        """Return the graph of `elements` for these arguments, and the values of its parameters."""
        known, given = self._elements.launcher_for(args, kwargs)
        return known.graph, known.graph.inputs(given)

    def _stage_elements(self, args: Any, kwargs: Any) -> list[tuple[int, Any]]:
        call = self._call(args, kwargs)
        numbers, count = [], 0
        for x in call.leaves:
            size = functools.reduce(operator.mul, x.shape, 1)
            numbers.append(lift(reshape(arange(count, count + size), shape=x.shape)))
            count = count + size
        found = []
        for piece in _cut(call):
            of = numbers[piece.source]
            if piece.read is not None:
                node = piece.read
                type = replace(node.type, dtype=of.dtype)
                of = wrap(innermost().emit(node.op, (value_of(of),), node.params, type))
            found.append((piece.source, of))
        return found

    # -- patterns ------------------------------------------------------------------------------

    def graph_of_pushes(self, args: Any, kwargs: Any, leaves: list[Any]) -> tuple[Graph, list[Any]]:
        """Return the graph of `push` for these arguments, and the values of its parameters."""
        known, given = self._pushed.launcher_for(args, kwargs, [_zero_like(x) for x in leaves])
        return known.graph, known.graph.inputs(given)

    def graph_of_pulls(self, args: Any, kwargs: Any, results: list[Any]) -> tuple[Graph, list[Any]]:
        """Return the graph of `pull` for these arguments and results like these, and the values."""
        known, given = self._pulled.launcher_for(args, kwargs, [_zero_like(x) for x in results])
        return known.graph, known.graph.inputs(given)

    def detection(self, graph: Graph, args: Any, kwargs: Any, seeds: int) -> Detection:
        """Return what finds the pattern of the graph of one sweep, of so many leaves of seeds."""
        first = len(graph.lengths)
        place = {leaf: k for k, leaf in enumerate(graph.arguments, first)}
        count = len(tree.flatten((args, kwargs))[0])
        results = [x.number if isinstance(x, Output) else np.shape(x) for x in graph.outputs]
        tangents = [place[count + k] for k in range(seeds)]
        return Detection(graph.function, self._moved(args, place), tangents, results)

    def _moved(self, args: Any, place: dict[int, int]) -> list[int]:
        moved, at = [], 0
        wanted = self.wanted(args)
        for k, x in enumerate(args):
            count = len(tree.flatten(x)[0])
            if k in wanted:
                moved += [place[leaf] for leaf in range(at, at + count)]
            at += count
        return moved


def _of_results(cts: list[Any], trace: Trace) -> list[Any]:
    """Return cotangents, once they are known to have the shapes of the results."""
    what = "what a given sparsity has rows for"
    return [
        None if ct is None else seed_like(value, ct, what)
        for value, ct in zip(trace.values, cts, strict=True)
    ]


def _cut(call: StagedCall) -> list[Piece]:
    """Make a call one of what is read of its arguments, if it can be."""
    pieces = cut(call.block, call.parameters, call.given)
    if pieces:
        call.given = [call.given[x.source] if x.read is None else x.read for x in pieces]
        call.parameters = [x.parameter for x in pieces]
    return pieces


def _all_sweeps(sweep: Callable[[Any], list[Any]], sweeps: Any) -> list[Any]:
    """Record sweeps; return what they give, or the parts of it that are wanted."""
    if not isinstance(sweeps, Apart):
        return vmap(sweep)(sweeps)
    found = {k: sweep(k) for k in sorted({k for _, k in sweeps.parts})}
    return [found[k][leaf] for leaf, k in sweeps.parts]


def _zero_like(x: Any) -> Any:
    """Return a zero of the type of a leaf, which is only looked at for its type."""
    return _zeros(x.shape, x.dtype) if isinstance(x, np.ndarray) else type(x)(0)


@functools.lru_cache(maxsize=64)
def _zeros(shape: tuple[int, ...], dtype: np.dtype) -> np.ndarray:
    return np.zeros(shape, dtype)


def random_like(x: Any, rng: np.random.Generator) -> Any:
    """Return a random tangent or cotangent of the type of `Sweeps.graph_of_pushes`'s."""
    found = rng.standard_normal(np.shape(x))
    return found.astype(x.dtype) if isinstance(x, np.ndarray) else type(x)(found)
