"""Where in a training step the first NaN or infinity appeared: operation, layer, line.

The step is made again on the tape, from the same numbers and the same random draws, and watched
operation by operation: forward, then backward. The data are taken for variables, too, so that what
is computed from them alone is seen as well.
"""

from __future__ import annotations

import copy
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from types import FrameType
from typing import Any

import numpy as np

from adjoint import tree
from adjoint.api.tracing import Trace, record_call
from adjoint.dispatch import plain
from adjoint.explain.evaluation import Step
from adjoint.explain.nonfinite import derived, evaluated, is_finite
from adjoint.ir import Node
from adjoint.nn.data import Batch
from adjoint.nn.module import Module
from adjoint.nn.steps import apply_loss, split
from adjoint.places import Place, line_of_frame, line_of_traceback
from adjoint.transforms.reverse import reverse_walk

__all__ = ["Finding", "first_in_step", "named_modules"]


@dataclass(frozen=True)
class Finding:
    """Where it began.

    Attributes
    ----------
    what : str
        What happened.
    layer : str or None
        The name and class of the part of the model whose call it happened in.
    place : (str, int) or None
        The line of the user's program.
    """

    what: str
    layer: str | None = None
    place: Place | None = None

    def __str__(self) -> str:
        where = f", in {self.layer}" if self.layer else ""
        line = f", at {self.place[0]}:{self.place[1]}" if self.place else ""
        return f"{self.what}{where}{line}"


def named_modules(value: Any, name: str = "") -> Iterator[tuple[str, Module]]:
    """Yield the modules in a model, each with its name; the outermost first."""
    if isinstance(value, Module):
        yield name, value
        for key, part in vars(value).items():
            if not key.startswith("_"):
                yield from named_modules(part, f"{name}.{key}")
    elif isinstance(value, (list, tuple)):
        for k, part in enumerate(value):
            yield from named_modules(part, f"{name}[{k}]")
    elif isinstance(value, dict):
        for key, part in value.items():
            yield from named_modules(part, f"{name}[{key!r}]")


def _of_data(batch: Batch, entered: Finding | None) -> Finding | None:
    """Return the first number of a batch that is not finite, and where it is first used."""
    args: Any = batch.args
    if len(args) == 1:
        args = args[0]
    for name, leaf in tree.leaves_with_names(args):
        if is_finite(leaf):
            continue
        index = np.unravel_index(int(np.argmin(np.isfinite(leaf))), np.shape(leaf))
        value = leaf[index]
        if batch.rows is not None:
            index = (batch.rows[index[0]], *index[1:])
        where = ", ".join(str(int(k)) for k in index)
        of = "data" if batch.rows is not None else "the batch"
        what = f"{of}{name} is {value} at [{where}]"
        if entered is None:
            return Finding(what)
        return Finding(f"{what}; it is used first", entered.layer, entered.place)
    return None


def first_in_step(
    loss: Callable, model: Any, state: Any, batch: Batch, rng: np.random.Generator | None
) -> Finding | None:
    """Return where the first non-finite number of a step appeared, or None if it is not found."""
    leaves = tree.flatten(batch.args)[0]
    floats = [k for k, x in enumerate(leaves) if getattr(x, "dtype", np.dtype(int)).kind == "f"]
    for variables in (floats, []):  # a program may need plain numbers of its data
        watch = _Watch()
        try:
            with np.errstate(all="ignore"):
                trace = _recorded(loss, model, state, batch.args, rng, variables, watch)
                if watch.found is not None or watch.entered is not None:
                    return watch.found or _of_data(batch, watch.entered) or watch.entered
                return _of_data(batch, None) or _going_back(trace.detached(), watch)
        except Exception as error:
            if watch.found is not None:
                return watch.found
            if not variables:
                place = line_of_traceback(error.__traceback__)
                return Finding(f"{type(error).__name__}: {error}", None, place)
    return None


def _recorded(
    loss: Callable,
    model: Any,
    state: Any,
    args: Any,
    rng: np.random.Generator | None,
    variables: list[int],
    watch: _Watch,
) -> Trace:
    """Call the loss, watched, with what trains and some leaves of the data as variables."""
    trained, join = split(model)
    leaves, spec = tree.flatten(args)

    def objective(parameters: list[Any], data: list[Any]) -> Any:
        given = list(leaves)
        for k, x in zip(variables, data, strict=True):
            given[k] = x
        whole = join(parameters)
        watch.names.update({id(part): (name, part) for name, part in named_modules(whole)})
        given = tree.unflatten(spec, given)
        return apply_loss(loss, whole, state, given, copy.deepcopy(rng), True)[0]

    some = [leaves[k] for k in variables]
    return record_call(objective, (trained, some), {}, (0, 1), observe=watch.see)


class _Watch:
    """Is told of every operation of the tape; keeps the first that made a non-finite number.

    Attributes
    ----------
    names : dict
        The id of a part of the traced model → its name, and itself (which keeps the id its own).
    found : Finding or None
    entered : Finding or None
        The first operation that was given one.
    steps : dict
        Every operation with its operands, and the layer that it was in.
    """

    def __init__(self) -> None:
        self.names: dict[int, tuple[str, Module]] = {}
        self.found: Finding | None = None
        self.entered: Finding | None = None
        self.steps: dict[Node, tuple[Step, str | None]] = {}

    def see(self, node: Node, operands: Sequence[Any], result: Any) -> None:
        if node.op is None or self.found is not None:
            return
        frame = sys._getframe(1)
        values = tuple(None if x is None else plain(x) for x in operands)
        step = Step(values, plain(result), line_of_frame(frame))
        layer = self._layer(frame)
        if is_finite(step.result):
            self.steps[node] = step, layer
        elif all(map(is_finite, values)):
            self.found = Finding(evaluated(node, step), layer, step.place)
            self.steps.clear()
        elif self.entered is None:
            self.entered = Finding("a constant is not finite", layer, step.place)

    def _layer(self, frame: FrameType | None) -> str | None:
        """Return the innermost part of the model whose method led to a frame."""
        while frame is not None:
            code = frame.f_code
            if code.co_argcount:
                known = self.names.get(id(frame.f_locals.get(code.co_varnames[0])))
                # A loss has the model as its first argument, too, and is no method of it.
                if known is not None and hasattr(type(known[1]), code.co_name):
                    return f"{known[0] or 'the model'} ({type(known[1]).__name__})"
            frame = frame.f_back
        return None


def _going_back(trace: Trace, watch: _Watch) -> Finding | None:
    """Return the first operation, from the loss on, that makes a finite adjoint non-finite."""
    bars: dict[Node, Any] = {
        node: np.ones_like(value)
        for node, value in zip(trace.nodes, trace.values, strict=True)
        if node is not None
    }
    for node in reversed(trace.block.nodes):
        if node.op is None or node not in bars:
            continue
        inputs = [i for i in node.inputs if i is not None]
        fine = all(is_finite(bars[i]) for i in (node, *inputs) if i in bars)
        reverse_walk([node], bars)
        if fine and not all(is_finite(bars[i]) for i in inputs if i in bars):
            step, layer = watch.steps[node]
            return Finding(derived(node, step) + _at(node, step, bars), layer, step.place)
    return None


def _at(node: Node, step: Step, bars: dict[Node, Any]) -> str:
    """Say at which element of an operand the derivative is not finite."""
    for i, x in zip(node.inputs, step.operands, strict=False):
        bar: Any = bars.get(i) if i is not None else None
        if np.shape(bar) and np.shape(bar) == np.shape(x) and not is_finite(bar):
            index = np.unravel_index(int(np.argmin(np.isfinite(bar))), np.shape(bar))
            where = ", ".join(str(int(k)) for k in index)
            return f" at [{where}], where the operand is {x[index]}"
    return ""
