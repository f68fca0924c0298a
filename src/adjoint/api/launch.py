"""Running a graph: what is checked at each call, which code runs, what becomes of its results.

A `Launcher` takes the argument leaves. Its ``quick`` does so too and does what is needed when a
function is called again with arguments like the last: it returns NotImplemented where they are not
what the graph is for. Of a function without captured values, guards or effects it is the machine
code itself.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from adjoint import tree
from adjoint.api.structures import maker
from adjoint.ir.core import Block
from adjoint.ir.graph import Function
from adjoint.staging.stage import Constant, Graph, Output

if TYPE_CHECKING:
    from adjoint.backends.llvm.compiled import Derived

__all__ = [
    "Interpreted", "Launcher", "Native", "derived_lengths", "is_pure", "is_single", "launcher",
    "layout",
]  # fmt: skip


class Launcher:
    """A graph and what runs it."""

    quick: Callable[..., Any] | None = None

    def __init__(self, graph: Graph) -> None:
        self.graph = graph
        self._make = maker(graph.out_spec)
        self._in_order = _in_order(graph)

    def __call__(self, leaves: Sequence[Any]) -> Any:
        """Run the graph, which is right for these arguments; return the function's result."""
        raise NotImplementedError

    def finish(self, results: Sequence[Any], given: Sequence[Any]) -> Any:
        """Do what the function does to its surroundings, and return its result.

        Parameters
        ----------
        results : sequence
            Of the graph.
        given : sequence
            The graph's arguments but for lengths.
        """
        graph = self.graph
        if self._in_order and not graph.stores and not graph.writes:
            return self._make(results)
        for k, number in graph.stores:
            given[k][...] = results[number]

        def seen(leaf: Any) -> Any:
            return results[leaf.number] if isinstance(leaf, Output) else leaf

        for location, spec, out in graph.writes:
            location.set(tree.unflatten(spec, [seen(x) for x in out]))
        return self._make([seen(x) for x in graph.outputs])


class Interpreted(Launcher):
    """A graph that the interpreter runs."""

    def __call__(self, leaves: Sequence[Any]) -> Any:
        from adjoint.backends.interpret import run

        graph = self.graph
        given = graph.inputs(leaves)
        return self.finish(run(graph.function, given), given[len(graph.lengths) :])


class Native(Launcher):
    """A graph that runs as machine code."""

    def __init__(self, graph: Graph, leaves: Sequence[Any]) -> None:
        from adjoint.backends.llvm import compiled

        super().__init__(graph)
        self._compiled = compiled
        self._derived = derived_lengths(graph)
        self._types = [p.type for p in graph.function.block.parameters[len(graph.lengths) :]]
        self._single = is_single(graph)
        self._plain = self._single or (is_pure(graph) and tree.is_flat_tuple(graph.out_spec))
        known = set(graph.arguments)
        self._constants = [(k, Constant(leaf)) for k, leaf in enumerate(leaves) if k not in known]
        self._variants: dict[tuple[bool, ...], Any] = {}
        self._function, self._places = _without_copies(graph)

    def finish(self, results: Sequence[Any], given: Sequence[Any]) -> Any:
        if self._places is not None:
            results = [results[k] for k in self._places]
        return super().finish(results, given)

    @property
    def variants(self) -> dict[tuple[bool, ...], Any]:
        """The code for each layout of the function's parameters: which are C-contiguous."""
        return dict(self._variants)

    def _given(self, leaves: Sequence[Any]) -> list[Any]:
        graph = self.graph
        given = [leaves[k] for k in graph.arguments]
        given += [c.read() for c in graph.captures]
        return given

    def _choose(self, given: Sequence[Any], count: int) -> Any:
        """Return the code for arguments of this layout; it is the quick one from now on."""
        dense = layout(self.graph, given)
        variant = self._variants.get(dense)
        if variant is None:
            variant = self._compiled.Variant(self._function, dense, self._derived, self._single)
            self._variants[dense] = variant
        self.quick = self._quick(variant.enter, count)
        return variant

    def _quick(self, enter: Callable[..., Any], count: int) -> Callable[..., Any]:
        graph = self.graph
        whole = graph.arguments == list(range(count))
        if self._plain and whole and not (graph.captures or graph.guards or graph.signs):
            return enter
        arguments = graph.arguments
        captures = [c.read for c in graph.captures]
        constants = self._constants
        guarded = bool(graph.guards or graph.signs)
        plain = self._plain
        finish = self.finish

        def quick(*leaves: Any) -> Any:
            if len(leaves) != count:
                return NotImplemented
            for k, value in constants:
                if not value.holds(leaves[k]):
                    return NotImplemented
            given = [leaves[k] for k in arguments]
            if guarded and not graph.holds(leaves):
                return NotImplemented
            given += [read() for read in captures]
            found = enter(*given)
            return found if plain or found is NotImplemented else finish(found, given)

        return quick

    def __call__(self, leaves: Sequence[Any]) -> Any:
        theirs = self._given(leaves)
        given = [self._compiled.argument(x, t) for x, t in zip(theirs, self._types, strict=True)]
        variant = self._choose(given, len(leaves))
        found = self._compiled.call(variant, given)
        return found if self._plain else self.finish(found, theirs)


def _in_order(graph: Graph) -> bool:
    """Tell whether the result's leaves are the first results of the graph's function, in order."""
    numbers = [x.number if isinstance(x, Output) else None for x in graph.outputs]
    return numbers == list(range(len(numbers)))


def _without_copies(graph: Graph) -> tuple[Function, list[int] | None]:
    """Return a graph's function with each of its results once, and where they are then.

    An argument that is changed in place and returned is one result: what is returned is stored in
    the argument too. Where no result is stored there is nothing to do.
    """
    function = graph.function
    results = function.block.results
    stored = {number for _, number in graph.stores}
    kept: list[Any] = []
    places: list[int] = []
    for number, r in enumerate(results):
        again = number in stored and any(r is x for x in kept)
        places.append(next(k for k, x in enumerate(kept) if x is r) if again else len(kept))
        if not again:
            kept.append(r)
    if len(kept) == len(results):
        return function, None
    block = Block()
    block.nodes, block.parameters = function.block.nodes, function.block.parameters
    block.stores, block.results = function.block.stores, kept
    return Function(function.name, block), places


def is_pure(graph: Graph) -> bool:
    """Tell whether nothing is to be done with a graph's results but to return them."""
    only = len(graph.outputs) == len(graph.function.block.results)
    return _in_order(graph) and only and not graph.stores and not graph.writes


def is_single(graph: Graph) -> bool:
    """Tell whether a graph's only result is what the function returns."""
    return is_pure(graph) and tree.is_leaf(graph.out_spec)


def derived_lengths(graph: Graph) -> list[Derived]:
    """Return the parameters of a graph's function that are lengths of others."""
    from adjoint.backends.llvm.compiled import Derived

    shift = len(graph.lengths)
    position = {leaf: shift + k for k, leaf in enumerate(graph.arguments)}
    parameters = graph.function.block.parameters
    arrays = [parameters[position[leaf]].type.shape for leaf in graph.arguments]
    constants = sorted({n for shape in arrays for n in shape if isinstance(n, int)})
    return [
        Derived(k, position[leaf], axis, parameters[k].bounds[0] or 0, tuple(constants))
        for k, (leaf, axis) in enumerate(graph.lengths)
    ]


def layout(graph: Graph, given: Sequence[Any]) -> tuple[bool, ...]:
    """Return which parameters of a graph's function are C-contiguous, of arguments but lengths."""
    dense = [type(x) is not np.ndarray or x.flags.c_contiguous for x in given]
    return (*[True] * len(graph.lengths), *dense)


def launcher(graph: Graph, leaves: Sequence[Any], backend: str) -> Launcher:
    """Return what runs a graph that was made for these argument leaves."""
    return Interpreted(graph) if backend == "interpret" else Native(graph, leaves)
