"""Many forward or reverse sweeps of a function at once, as staged functions.

A sweep's seed is one where the colour of an element is the sweep's number, and zero elsewhere: the
seeds of all sweeps are made in the graph, of the colours. What does not depend on them is computed
once for all sweeps (`vmap` of a staged program).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from adjoint import tree
from adjoint.api.compile import Jitted
from adjoint.api.derivatives import jvp, vjp
from adjoint.api.mapping import vmap
from adjoint.api.tracing import as_leaf, name_of, positions
from adjoint.eager.tape import type_of
from adjoint.errors import InputError, NonDifferentiableError
from adjoint.ir.build import staging
from adjoint.ops.registry import Traced
from adjoint.ops.structural import cast
from adjoint.staging.recursion import resolve_call
from adjoint.staging.stage import Graph, Output
from adjoint.transforms.sparsity import Detection

__all__ = ["Sweeps"]


class Sweeps:
    """A function and its derivatives, of leaves.

    The results of all are lists of leaves: of the function's result, or of its arguments at
    ``argnums``.
    """

    def __init__(self, fun: Callable, argnums: int | Sequence[int], holomorphic: bool) -> None:
        self.fun = fun
        self.argnums = argnums
        self.holomorphic = holomorphic
        self._values = Jitted(self._call)
        self.push = Jitted(self._push)
        self.pull = Jitted(self._pull)
        self.forward = Jitted(self._forward)
        self.reverse = Jitted(self._reverse)

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

    def values(self, args: Any, kwargs: Any) -> list[Any]:
        """Return the leaves of the function's result."""
        return self._values(args, kwargs)

    # -- what is staged ------------------------------------------------------------------------

    def _selected(self, args: Any, kwargs: Any) -> tuple[Callable, tuple[Any, ...]]:
        wanted = self.wanted(args)

        def of_selected(*xs: Any) -> Any:
            given = list(args)
            for k, x in zip(wanted, xs, strict=True):
                given[k] = x
            return resolve_call(self.fun)(*given, **kwargs)

        return of_selected, tuple([args[k] for k in wanted])

    def _fit(self, result: Any) -> tuple[list[Any], Any]:
        leaves, spec = tree.flatten(result)
        for leaf in leaves:
            if type_of(leaf) is None:
                raise NonDifferentiableError(
                    f"{name_of(self.fun)} returned {leaf!r} ({type(leaf).__name__}), which has no "
                    "derivative; return floating-point numbers alone"
                )
            self._check(leaf, f"a result of {name_of(self.fun)}")
        return leaves, spec

    def _call(self, args: Any, kwargs: Any) -> list[Any]:
        return self._fit(resolve_call(self.fun)(*args, **kwargs))[0]

    def _push(self, args: Any, kwargs: Any, dots: Any) -> list[Any]:
        of_selected, xs = self._selected(args, kwargs)
        spec = tree.structure(xs)
        result, result_dots = jvp(of_selected, xs, tree.unflatten(spec, dots))
        self._fit(result)
        return tree.flatten(result_dots)[0]

    def _pull(self, args: Any, kwargs: Any, cts: Any) -> list[Any]:
        of_selected, xs = self._selected(args, kwargs)
        result, pullback = vjp(of_selected, *xs)
        _, spec = self._fit(result)
        return tree.flatten(pullback(tree.unflatten(spec, cts)))[0]

    def _forward(self, args: Any, kwargs: Any, colours: Any, sweeps: Any) -> list[Any]:
        likes = tree.flatten(self._selected(args, kwargs)[1])[0]
        return vmap(lambda k: self._push(args, kwargs, _seeds(colours, k, likes)))(sweeps)

    def _reverse(self, args: Any, kwargs: Any, colours: Any, sweeps: Any) -> list[Any]:
        of_selected, xs = self._selected(args, kwargs)
        result, pullback = vjp(of_selected, *xs)
        likes, spec = self._fit(result)

        def sweep(k: Any) -> list[Any]:
            return tree.flatten(pullback(tree.unflatten(spec, _seeds(colours, k, likes))))[0]

        return vmap(sweep)(sweeps)

    # -- patterns ------------------------------------------------------------------------------

    def graph_of_pushes(self, args: Any, kwargs: Any, leaves: list[Any]) -> tuple[Graph, list[Any]]:
        """Return the graph of `push` for these arguments, and the values of its parameters."""
        graph, given = self.push.graph_for(args, kwargs, leaves)
        return graph, graph.inputs(given)

    def graph_of_pulls(self, args: Any, kwargs: Any, results: list[Any]) -> tuple[Graph, list[Any]]:
        """Return the graph of `pull` for these arguments and results like these, and the values."""
        graph, given = self.pull.graph_for(args, kwargs, results)
        return graph, graph.inputs(given)

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


def _seeds(colours: Any, sweep: Any, likes: list[Any]) -> list[Any]:
    seeds = []
    for colour, like in zip(colours, likes, strict=True):
        shape, dtype = type_of(like)  # type: ignore[misc]
        seed = cast(np.equal(colour, sweep), dtype=dtype)
        seeds.append(seed if shape else seed[0])
    return seeds
