"""Sparse Jacobians by what a function reads of its arguments.

Where arguments are only read, by arrays of indices, the function is one of what is read
(`adjoint.transforms.cut`). Every entry of its Jacobian by that is an entry of the Jacobian, in the
column of the element that was read; entries of a row in the same column are added. It mostly takes
far fewer sweeps: results that share an element of an argument share nothing of what is read.

Which entries there are does not depend on the indices, which only say what their columns are. Other
indices need no other sweeps.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from adjoint.api.plans import Plan
from adjoint.api.sweeps import Sweeps
from adjoint.staging.stage import Graph
from adjoint.transforms.colouring import fewest_sweeps
from adjoint.transforms.sparsity import Detection, parameters_read

__all__ = ["Local", "same"]

_KEPT = 4
"""Indices whose columns are kept, and plans."""


@dataclass
class _Read:
    """What is read for certain indices.

    Attributes
    ----------
    facts : list
        What it depends on.
    elements : list of ndarray
        Which elements of the arguments.
    tangents : list
        Zeros like what is read.
    plans : list
        Pairs of the plan by what is read and the plan of the Jacobian.
    """

    facts: list[Any]
    elements: list[np.ndarray]
    tangents: list[Any]
    plans: list[tuple[Plan, Plan]]


class Local:
    """The Jacobian of a function by what it reads, and by its arguments."""

    def __init__(self, fun: Callable, argnums: int | Sequence[int], holomorphic: bool) -> None:
        self.sweeps = Sweeps(fun, argnums, holomorphic, local=True)
        self._graphs: dict[int, tuple[Graph, tuple[int, ...]]] = {}
        self._detections: dict[int, tuple[Graph, Detection]] = {}
        self._reads: list[_Read] = []
        self._plans: list[tuple[list[Any], Plan, list[Any]]] = []

    def plan(self, args: Any, kwargs: Any, leaves: list[Any], made: Callable) -> Plan | None:
        """Return the plan of the Jacobian; None if the arguments are not only read.

        ``made(sweeps, pattern, args, kwargs, inputs, results)`` makes a plan.
        """
        read = self._read(args, kwargs, leaves)
        if read is None:
            return None
        plan, results = self._plan(args, kwargs, read, made)
        for of, found in read.plans:
            if of is plan:
                return found
        size = sum([np.size(x) for x in leaves])
        found = plan.placed(read.elements, size)
        count = plan.forward + plan.reverse
        if count > fewest_sweeps(found.pattern):
            whole = made(None, found.pattern, args, kwargs, leaves, results)
            found = whole if whole.forward + whole.reverse < count else found
        read.plans.append((plan, found))
        return found

    def _read(self, args: Any, kwargs: Any, leaves: list[Any]) -> _Read | None:
        graph, values = self.sweeps.graph_of_elements(args, kwargs)
        if not graph.outputs:
            return None
        known = self._graphs.get(id(graph))
        if known is None:
            known = self._graphs[id(graph)] = (graph, parameters_read(graph.function))
        facts = [id(graph), *map(np.shape, leaves), *[values[k] for k in known[1]]]
        for read in self._reads:
            if same(read.facts, facts):
                return _first(self._reads, read)
        elements, tangents = [], []
        for source, found in self.sweeps.elements(args, kwargs):
            elements.append(found)
            x = leaves[source]
            if isinstance(x, np.ndarray):
                is_array = isinstance(found, np.ndarray)
                tangents.append(np.zeros(found.shape, x.dtype) if is_array else x.dtype.type(0))
            else:
                tangents.append(x)
        kept = [x.copy() if isinstance(x, np.ndarray) else x for x in facts]
        return _first(self._reads, _Read(kept, elements, tangents, []))

    def _plan(self, args: Any, kwargs: Any, read: _Read, made: Callable) -> tuple[Plan, list[Any]]:
        """Return the plan of the Jacobian by what is read, and the shapes of the results."""
        sweeps = self.sweeps
        graph, values = sweeps.graph_of_pushes(args, kwargs, read.tangents)
        known = self._detections.get(id(graph))
        if known is None:
            count = len(read.tangents)
            known = (graph, sweeps.detection(graph, args, kwargs, count))
            self._detections[id(graph)] = known
        facts = [id(graph), *map(np.shape, read.tangents), *known[1].facts(values)]
        for entry in self._plans:
            if same(entry[0], facts):
                return _first(self._plans, entry)[1:]
        pattern, results = known[1](values)
        plan = made(sweeps, pattern, args, kwargs, read.tangents, results)
        kept = [x.copy() if isinstance(x, np.ndarray) else x for x in facts]
        return _first(self._plans, (kept, plan, results))[1:]


def _first(entries: list[Any], entry: Any) -> Any:
    """Put an entry first, and leave out those not used for long; return it."""
    entries[:] = [entry, *[x for x in entries if x is not entry]][:_KEPT]
    return entry


def same(xs: Sequence[Any], ys: Sequence[Any]) -> bool:
    """Tell whether facts are the same."""
    return len(xs) == len(ys) and all(map(_same, xs, ys))


def _same(x: Any, y: Any) -> bool:
    if isinstance(x, np.ndarray):
        return isinstance(y, np.ndarray) and np.array_equal(x, y)
    return type(x) is type(y) and bool(x == y)
