"""The evaluation trace: each elementary step with its value, its tangents and its adjoint.

The names are those of Griewank & Walther, *Evaluating Derivatives*, 2nd ed., section 2.1: inputs
are v₁₋ₙ … v₀, steps v₁, v₂, …; the tangent v̇ of a step is its derivative along a direction of
the inputs, its adjoint v̄ the derivative of the result with respect to it.
"""

from __future__ import annotations

import functools
import inspect
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from adjoint import tree
from adjoint.api.tracing import Trace, name_of, record_call, seed_like
from adjoint.dispatch import plain
from adjoint.eager.tape import type_of
from adjoint.errors import InputError
from adjoint.explain.expressions import expression, shape_text, subscript, value_text
from adjoint.explain.tables import Format, Mode, render
from adjoint.ir import Block, Node
from adjoint.places import Place, line_of_frame
from adjoint.transforms.forward import forward_walk
from adjoint.transforms.reverse import reverse_walk

__all__ = ["EvaluationTrace", "Row", "Step", "trace"]

DIRECTIONS = 3
"""With no more input numbers than this, each has a tangent of its own in the table."""


@dataclass(frozen=True)
class Row:
    """One line of the table.

    Attributes
    ----------
    name : str
        ``v₃``; ``y`` for a result.
    expression : str
        In terms of earlier names.
    value : number or array
    tangents : tuple
        One a direction of the inputs; None where the step does not depend on it.
    adjoint : number, array or None
        None where the result does not depend on the step.
    place : (str, int) or None
        File and line of the user's program.
    kind : {"input", "step", "output"}
    """

    name: str
    expression: str
    value: Any
    tangents: tuple[Any, ...]
    adjoint: Any
    place: Place | None
    kind: Literal["input", "step", "output"]


@dataclass(frozen=True)
class Step:
    """What one operation was given and what it gave."""

    operands: tuple[Any, ...]
    result: Any
    place: Place | None


class EvaluationTrace:
    """A recorded call, with the value of every step.

    Attributes
    ----------
    function : str
        Its name.
    """

    def __init__(
        self,
        function: str,
        inputs: Sequence[tuple[str, Any]],
        recorded: Trace,
        steps: dict[Node, Step],
    ) -> None:
        self.function = function
        self._inputs = inputs
        self._recorded = recorded
        self._steps = steps
        self._names = self._name()

    def _name(self) -> dict[Node, str]:
        recorded = self._recorded
        first = 1 - len(recorded.parameters)
        names = {p: f"v{subscript(first + k)}" for k, p in enumerate(recorded.parameters)}
        operations = [node for node in recorded.block.nodes if node.op is not None]
        names.update({node: f"v{subscript(k)}" for k, node in enumerate(operations, 1)})
        return names

    # -- derivatives -----------------------------------------------------------------------------

    @functools.cached_property
    def directions(self) -> list[tuple[str, list[Any]]]:
        """Labelled tangents of the inputs: of each number if there are few, else of all at once."""
        sizes = [int(np.prod(p.shape)) for p in self._recorded.parameters]
        if sum(sizes) > DIRECTIONS:
            return [("v̇, all ẋ = 1", [_filled(1, p)[()] for p in self._parameters])]
        directions = []
        for k, (name, _) in enumerate(self._inputs):
            for index in np.ndindex(np.shape(_filled(0, self._parameters[k]))):
                tangents = [_filled(0, p) for p in self._parameters]
                tangents[k][index] = 1
                label = name + (f"[{', '.join(map(str, index))}]" if index else "")
                directions.append((f"∂v/∂{label}", [t[()] for t in tangents]))
        return directions

    @property
    def _parameters(self) -> list[Node]:
        return self._recorded.parameters

    def tangents(self, direction: Sequence[Any]) -> dict[Node, Any]:
        """Push one tangent an input forward; return that of every step that has one."""
        dots: dict[Node, Any] = dict(zip(self._parameters, direction, strict=True))
        result = {p: _kept(t) for p, t in dots.items()}
        step = Block()
        step.stores = self._recorded.block.stores
        for node in self._recorded.block.nodes:
            if node.op is not None:
                # One step at a time: over a whole block the walk overwrites what it needs no more.
                step.nodes = [node]
                forward_walk(step, dots)
                if node in dots:
                    result[node] = _kept(dots[node])
        return result

    @functools.cached_property
    def adjoints(self) -> dict[Node, Any]:
        """The cotangent of every step that the results depend on; those of the results are 1."""
        bars: dict[Node, Any] = {}
        for node, value in zip(self._recorded.nodes, self._recorded.values, strict=True):
            meta = type_of(value)
            if node is not None and meta is not None:
                one = np.ones(*meta)[()]
                bars[node] = bars[node] + one if node in bars else one
        result = {}
        for node in reversed(self._recorded.block.nodes):
            if node in bars:
                result[node] = _kept(bars[node])
                if node.op is not None:
                    reverse_walk([node], bars)
        return result

    # -- rows ------------------------------------------------------------------------------------

    @property
    def value(self) -> Any:
        """What the function returned."""
        return self._recorded.output()

    @property
    def steps(self) -> dict[Node, Step]:
        """Operands, result and place of every operation, in order."""
        return self._steps

    @functools.cached_property
    def rows(self) -> tuple[Row, ...]:
        """The table's lines: inputs, steps, results."""
        return self._rows([direction for _, direction in self.directions])

    def _rows(self, directions: Sequence[Sequence[Any]]) -> tuple[Row, ...]:
        pushed = [self.tangents(direction) for direction in directions]
        recorded, adjoints = self._recorded, self.adjoints
        rows = []

        def add(name: str, text: str, value: Any, node: Node | None, place: Any, kind: Any) -> None:
            dots = tuple(dots.get(node) for dots in pushed)  # type: ignore[arg-type]
            bar = adjoints.get(node) if node is not None else None
            rows.append(Row(name, text, value, dots, bar, place, kind))

        for node, (name, value) in zip(recorded.parameters, self._inputs, strict=True):
            add(self._names[node], name, _kept(value), node, None, "input")
        for node in recorded.block.nodes:
            if node.op is not None:
                step = self._steps.get(node)
                value, place = (step.result, step.place) if step is not None else (None, None)
                add(self._names[node], self.formula(node), value, node, place, "step")
        paths = [name for name, _ in tree.leaves_with_names(recorded.output())]
        for path, value, node in zip(paths, recorded.values, recorded.nodes, strict=True):
            text = self._names[node] if node is not None else value_text(plain(value))
            add(f"y{path}", text, _kept(value), node, None, "output")
        return tuple(rows)

    def formula(self, node: Node) -> str:
        """Return the expression that defines a step in terms of earlier ones."""
        step = self._steps.get(node)
        operands = []
        for k, operand in enumerate(node.inputs):
            if operand is not None:
                operands.append(self._names[operand])
            elif step is not None and node.op is not None and node.op.rule.consumes and k == 0:
                operands.append(f"({shape_text(np.shape(step.result))})")
            elif step is not None and k < len(step.operands):
                operands.append(value_text(step.operands[k]))
            else:
                operands.append("constant")
        assert node.op is not None
        return expression(node.op, operands, node.params)

    def table(
        self,
        mode: Mode = "both",
        format: Format = "text",
        *,
        tangents: Sequence[Any] | None = None,
        digits: int = 6,
        max_rows: int = 60,
        places: bool | None = None,
    ) -> str:
        """Return the evaluation trace as a table.

        Parameters
        ----------
        mode : {"both", "forward", "reverse"}
            Tangents (read downwards), adjoints (read upwards) or both.
        format : {"text", "markdown", "html"}
        tangents : sequence of pytree, optional
            A direction to push forward, one entry an argument that is traced; without it each
            input number has a direction of its own where there are at most three, and all are
            pushed together where there are more.
        digits : int
            Significant digits.
        max_rows : int
            Longer tables are shortened in the middle.
        places : bool, optional
            Whether to show the program's lines; by default when the steps come from several.
        """
        if mode not in ("both", "forward", "reverse"):
            raise InputError(f"mode={mode!r}: choose 'both', 'forward' or 'reverse'")
        if format not in ("text", "markdown", "html"):
            raise InputError(f"format={format!r}: choose 'text', 'markdown' or 'html'")
        labels = [label for label, _ in self.directions]
        rows = self.rows
        if tangents is not None:
            leaves, spec = tree.flatten(tuple(tangents))
            if spec != self._recorded.spec:
                raise InputError(
                    f"the tangents have the structure {spec}, but the traced arguments "
                    f"{self._recorded.spec}"
                )
            seeds = [
                seed_like(value, t, f"the tangent of {name}")
                for (name, value), t in zip(self._inputs, leaves, strict=True)
            ]
            labels, rows = [""], self._rows([seeds])
        elif len(labels) == 1 and labels[0].startswith("∂"):
            labels = [""]
        return render(rows, labels, mode, format, digits, max_rows, places)

    def __str__(self) -> str:
        return self.table()

    def __repr__(self) -> str:
        return f"<evaluation trace of {self.function}: {len(self._steps)} steps>"

    def _repr_html_(self) -> str:
        return self.table(format="html")


def _filled(value: int, parameter: Any) -> np.ndarray:
    return np.full(parameter.shape, value, parameter.dtype)


def _kept(x: Any) -> Any:
    """Return a value as it is now: an ordinary number, or a copy of an ordinary array."""
    if isinstance(x, (tuple, list)):
        return tuple(_kept(part) for part in x)
    x = plain(x)
    return np.array(x) if isinstance(x, np.ndarray) and x.ndim else x


def trace(fun: Callable) -> Callable[..., EvaluationTrace]:
    """Return a function that records a call of ``fun`` for people to read.

    Parameters
    ----------
    fun : callable
        A function of numbers, arrays and pytrees of them.

    Returns
    -------
    callable
        Takes the arguments of ``fun``, returns an `EvaluationTrace`. Positional arguments made of
        floating-point numbers are its inputs; if there are none, those that are integers are taken
        for floating-point numbers. Everything else is constant.

    Examples
    --------
    >>> from adjoint.explain import trace
    >>> print(trace(lambda x: x**2 - 3 * x - 2)(4.0).table())
    v   expression  value  tangent v̇ ↓  adjoint v̄ ↑
    ───────────────────────────────────────────────
    v₀  x               4            1            5
    ───────────────────────────────────────────────
    v₁  v₀²            16            8            1
    v₂  3 × v₀         12            3           −1
    v₃  v₁ − v₂         4            5            1
    v₄  v₃ − 2          2            5            1
    ───────────────────────────────────────────────
    y   v₄              2            5            1
    """

    @functools.wraps(fun, updated=())
    def traced(*args: Any, **kwargs: Any) -> EvaluationTrace:
        given, argnums = _inputs(args)
        if not argnums:
            raise InputError(
                f"{name_of(fun)} was called with no floating-point argument: nothing to trace"
            )
        names = _argument_names(fun, args, kwargs)
        inputs = [
            (names[k] + path, leaf)
            for k in argnums
            for path, leaf in tree.leaves_with_names(given[k])
        ]
        steps: dict[Node, Step] = {}

        def observe(node: Node, operands: Sequence[Any], result: Any) -> None:
            if node.op is None:
                return
            place = line_of_frame(sys._getframe(1))
            steps[node] = Step(tuple(_kept(x) for x in operands), _kept(result), place)

        recorded = record_call(fun, given, kwargs, argnums, observe=observe)
        return EvaluationTrace(name_of(fun), inputs, recorded, steps)

    return traced


def _inputs(args: tuple[Any, ...]) -> tuple[list[Any], tuple[int, ...]]:
    """Return the arguments and the positions of those that are traced."""
    given = list(args)

    def differentiable(x: Any) -> bool:
        leaves = tree.flatten(x)[0]
        return bool(leaves) and all(type_of(leaf) is not None for leaf in leaves)

    argnums = tuple(k for k, x in enumerate(given) if differentiable(x))
    if not argnums:
        argnums = tuple(k for k, x in enumerate(given) if type(x) is int)
        for k in argnums:
            given[k] = float(given[k])
    return given, argnums


def _argument_names(fun: Callable, args: tuple[Any, ...], kwargs: dict[str, Any]) -> list[str]:
    """Return what the function calls its positional arguments."""
    try:
        bound = inspect.signature(fun).bind(*args, **kwargs)
    except (TypeError, ValueError):
        return [f"x{k}" for k in range(1, len(args) + 1)]
    names: list[str] = []
    for name, value in bound.arguments.items():
        if bound.signature.parameters[name].kind is inspect.Parameter.VAR_POSITIONAL:
            names += [f"{name}[{k}]" for k in range(len(value))]
        else:
            names.append(name)
    return names[: len(args)]
