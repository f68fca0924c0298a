"""Many forward or reverse sweeps of a function at once, as staged functions.

A sweep's seed is one where the colour of an element is the sweep's number, and zero elsewhere: the
seeds of all sweeps are made in the graph, of the colours. What does not depend on them is computed
once for all sweeps (`vmap` of a staged program).
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from adjoint import tree
from adjoint.api.compile import Jitted
from adjoint.api.derivatives import pull_back
from adjoint.api.mapping import vmap
from adjoint.api.staged_tracing import StagedCall, staged_push
from adjoint.api.tracing import Trace, as_leaf, name_of, positions, record_call, seed_like
from adjoint.eager.tape import type_of
from adjoint.errors import InputError, NonDifferentiableError, TracingError
from adjoint.ir.build import staging
from adjoint.ir.graph import walk
from adjoint.ops import control
from adjoint.ops.registry import Traced
from adjoint.ops.structural import cast
from adjoint.staging.stage import Graph, Output
from adjoint.transforms.sparsity import Detection

__all__ = ["Sweeps", "random_like"]


class Sweeps:
    """A function and its derivatives, of leaves.

    The results of all are lists of leaves: of the function's result, or of its arguments at
    ``argnums``.
    """

    def __init__(self, fun: Callable, argnums: int | Sequence[int], holomorphic: bool) -> None:
        self.fun = fun
        self.argnums = argnums
        self.holomorphic = holomorphic
        self._values = Jitted(self._stage_values)
        self._pushed = Jitted(self._stage_push)
        self._pulled = Jitted(self._stage_pull)
        self._forward = Jitted(self._stage_forward)
        self._reverse = Jitted(self._stage_reverse)
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

    def forward(self, args: Any, kwargs: Any, colours: list[Any], sweeps: Any) -> list[Any]:
        """Return the tangents of the results of forward sweeps, stacked; colours of arguments."""
        return self._run(self._forward, args, kwargs, colours, sweeps)

    def reverse(self, args: Any, kwargs: Any, colours: list[Any], sweeps: Any) -> list[Any]:
        """Return the cotangents of reverse sweeps, stacked; colours of results."""
        return self._run(self._reverse, args, kwargs, colours, sweeps)

    def _run(self, staged: Jitted, *args: Any) -> list[Any]:
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

    def _recorded(self, args: Any, kwargs: Any) -> Trace:
        trace = record_call(self.fun, args, kwargs, self.wanted(args))
        self._check_results(trace.values)
        return trace

    def _stage_values(self, args: Any, kwargs: Any) -> list[Any]:
        return self._recorded(args, kwargs).values

    def _stage_push(self, args: Any, kwargs: Any, dots: Any) -> list[Any]:
        leaf_of = lambda x, name: as_leaf(x, name, self.fun)
        call = StagedCall(self.fun, args, kwargs, self.wanted(args), False, leaf_of)
        values, result_dots, _ = staged_push(call, dots)
        self._check_results(values)
        return result_dots

    def _stage_pull(self, args: Any, kwargs: Any, cts: Any) -> list[Any]:
        trace = self._recorded(args, kwargs)
        return pull_back(trace, _of_results(cts, trace))

    def _stage_forward(self, args: Any, kwargs: Any, colours: Any, sweeps: Any) -> list[Any]:
        likes = tree.flatten([args[k] for k in self.wanted(args)])[0]

        @functools.wraps(self.fun, updated=())
        def sweep(k: Any) -> list[Any]:
            return self._stage_push(args, kwargs, _seeds(colours, k, likes))

        return vmap(sweep)(sweeps)

    def _stage_reverse(self, args: Any, kwargs: Any, colours: Any, sweeps: Any) -> list[Any]:
        trace = self._recorded(args, kwargs)

        def sweep(k: Any) -> list[Any]:
            return pull_back(trace, _of_results(_seeds(colours, k, trace.values), trace))

        return vmap(sweep)(sweeps)

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
    return [seed_like(value, ct, what) for value, ct in zip(trace.values, cts, strict=True)]


def _seeds(colours: Any, sweep: Any, likes: list[Any]) -> list[Any]:
    seeds = []
    for colour, like in zip(colours, likes, strict=True):
        shape, dtype = type_of(like)  # type: ignore[misc]
        seed = cast(np.equal(colour, sweep), dtype=dtype)
        seeds.append(seed if shape else seed[0])
    return seeds


def _zero_like(x: Any) -> Any:
    return np.zeros(x.shape, x.dtype) if isinstance(x, np.ndarray) else type(x)(0)


def random_like(x: Any, rng: np.random.Generator) -> Any:
    """Return a random tangent or cotangent of the type of `Sweeps.graph_of_pushes`'s."""
    found = rng.standard_normal(np.shape(x))
    return found.astype(x.dtype) if isinstance(x, np.ndarray) else type(x)(found)
