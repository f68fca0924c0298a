"""What a jitted function is at each stage on its way to machine code."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from adjoint.api.launch import derived_lengths, is_single, layout
from adjoint.ir import text as ir_text
from adjoint.ir.graph import walk
from adjoint.places import Place
from adjoint.staging.stage import Graph
from adjoint.transforms.estimate import Estimate, estimate

__all__ = ["Callback", "Lowered", "callbacks_of"]


@dataclass(frozen=True, slots=True)
class Callback:
    """An operation without machine code, which Python runs.

    Attributes
    ----------
    operation : str
    place : (file, line) or None
        Of the user's program.
    """

    operation: str
    place: Place | None

    def __str__(self) -> str:
        where = f" at {self.place[0]}:{self.place[1]}" if self.place else ""
        return f"{self.operation}{where}"


def callbacks_of(program: Any) -> tuple[Callback, ...]:
    """Return the operations for which code calls Python back."""
    found = [call.node for call in program.calls if not call.cold]
    return tuple(Callback(n.op.name, n.place) for n in found if n.op is not None)


class Lowered:
    """The stages of a function for arguments of certain types; each is made when it is asked for.

    ``str()`` of it is a summary.

    Attributes
    ----------
    graph : str
        The graph, simplified.
    loops : str
        What became of it: the loops over elements and the operations that each computes, how loops
        of the program carry arrays, where arrays lie and how many bytes they take (a number, or a
        formula of lengths), and which stores are in place.
    llvm : str
        LLVM's intermediate representation as it is written.
    optimised : str
        The same after LLVM's passes.
    assembly : str
    cost : Estimate
        Operations, and bytes of arrays, for these arguments: counted, not measured.
    callbacks : tuple of Callback
        Operations that Python runs.

    Examples
    --------
    >>> import numpy as np, adjoint as ad
    >>> def energy(x):
    ...     return np.sum(np.sin(x) ** 2)
    >>> stages = ad.jit(energy).lower(np.ones(100))
    >>> print(stages.graph)
    function energy(%n0: int{9..}, %0: float64[%n0]) {
      %1: float64[%n0] = sin(%0)
      %2: float64[%n0] = power(%1, 2)
      %3: float64 = reduce_sum(%2, axis=None, keepdims=False)
      return %3
    }
    <BLANKLINE>
    >>> print(stages.cost)
    300 operations, 1600 bytes of arrays
    >>> "loops over elements" in stages.loops, "define" in stages.llvm, stages.callbacks
    (True, True, ())
    """

    def __init__(self, make: Callable[[], Graph], leaves: Sequence[Any]) -> None:
        self._make = make
        self._leaves = leaves

    @cached_property
    def _graph(self) -> Graph:
        return self._make()

    @cached_property
    def _notes(self) -> Any:
        from adjoint.backends.llvm.lower.notes import Notes

        return Notes()

    @cached_property
    def _module(self) -> Any:
        from adjoint.backends.llvm import engine
        from adjoint.backends.llvm.lower.entry import lower_function

        graph = self._graph
        given = graph.inputs(self._leaves)[len(graph.lengths) :]
        return lower_function(
            graph.function, layout(graph, given), engine.host().attributes, derived_lengths(graph),
            is_single(graph), self._notes,
        )  # fmt: skip

    @cached_property
    def graph(self) -> str:
        return ir_text.text(self._graph.function)

    @cached_property
    def loops(self) -> str:
        _ = self._module
        return self._notes.text()

    @property
    def llvm(self) -> str:
        return self._module.text

    @cached_property
    def optimised(self) -> str:
        from adjoint.backends.llvm import compiled, engine

        return engine.optimise(self.llvm, compiled.OPTIONS)

    @cached_property
    def assembly(self) -> str:
        from adjoint.backends.llvm import compiled, engine

        return engine.assembly(self.llvm, compiled.OPTIONS)

    @cached_property
    def cost(self) -> Estimate:
        return estimate(self._graph.function, self._graph.inputs(self._leaves))

    @cached_property
    def callbacks(self) -> tuple[Callback, ...]:
        return callbacks_of(self._module.program)

    def __str__(self) -> str:
        graph = self._graph
        count = sum(1 for _ in walk(graph.function.block))
        lines = [f"{graph.function.name}: {count} operations in the graph"]
        lines.append(f"cost: {self.cost}")
        lines += [f"callback: {each}" for each in self.callbacks]
        lines.append(self.loops)
        return "\n".join(lines)

    def __repr__(self) -> str:
        return f"<stages of a function with {len(self._leaves)} argument leaves>"
