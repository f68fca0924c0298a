"""What was made for a jitted function, and why the graphs before would not do."""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from adjoint import tree
from adjoint.api.launch import Launcher
from adjoint.ir.dims import Dim, evaluate
from adjoint.ir.types import of_value
from adjoint.staging.stage import FEW, Constant, Graph, Signature, unchanged

__all__ = ["Made", "leaf_names", "reason"]


@dataclass(slots=True)
class Made:
    """A graph that was made for a function.

    Attributes
    ----------
    key : tuple
        The structure of the arguments (and the static ones), and their signature.
    graph : Graph
    reason : str
        Why it was made.
    staging, simplifying : float
        Seconds that they took.
    launcher : Launcher or None
        What runs it; None if it could not be compiled.
    """

    key: tuple[Any, Signature]
    graph: Graph
    reason: str
    staging: float
    simplifying: float
    launcher: Launcher | None = None


# -- names of arguments ----------------------------------------------------------------------------


def leaf_names(fun: Callable, args: Any, kwargs: Any, taken: Sequence[int] = ()) -> list[str]:
    """Return what to call each argument leaf: ``x``, ``params['w'][0]``.

    Parameters
    ----------
    fun : callable
    args, kwargs :
        Its arguments but the static ones.
    taken : sequence of int
        Positions of the static ones.
    """
    given = _parameters(fun)
    whole = len(args) + len(taken)
    free = [k for k in range(whole) if k not in set(taken)]
    found = []
    for path, _ in tree.leaves_with_names((args, kwargs)):
        match = re.match(r"\[0\]\[(\d+)\](.*)", path, re.DOTALL)
        if match:
            k = free[int(match[1])]
            head = given[k] if k < len(given) else f"args[{k}]"
            found.append(head + match[2])
        else:
            match = re.match(r"\[1\]\['(\w+)'\](.*)", path, re.DOTALL)
            found.append(match[1] + match[2] if match else path)
    return found


def _parameters(fun: Callable) -> list[str]:
    try:
        parameters = inspect.signature(fun).parameters.values()
    except (TypeError, ValueError):
        return []
    kinds = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
    return [p.name for p in parameters if p.kind in kinds]


# -- reasons ---------------------------------------------------------------------------------------


def reason(
    key: tuple[Any, Signature], leaves: Sequence[Any], names: Sequence[str], before: Sequence[Made]
) -> str:
    """Return why none of the graphs before serves for these arguments."""
    if not before:
        return "the first call"
    spec, signature = key
    alike = [m for m in before if m.key[0] == spec]
    if not alike:
        return _other_structure(spec, before[-1].key[0])
    nearest = min(alike, key=lambda m: len(_differing(signature, m.key[1])))
    differing = _differing(signature, nearest.key[1])
    if differing:
        pairs = zip(signature.leaves, nearest.key[1].leaves, strict=True)
        told = [
            text
            for name, (now, then) in zip(names, pairs, strict=True)
            if now != then
            for text in _told(name, now, then)
        ]
        return "; ".join(told)
    same = [m for m in alike if m.key[1] == signature]
    return _broken(same[-1].graph, leaves, names)


def _differing(a: Signature, b: Signature) -> list[int]:
    return [k for k, (x, y) in enumerate(zip(a.leaves, b.leaves, strict=True)) if x != y]


def _other_structure(now: Any, then: Any) -> str:
    if isinstance(now, tuple) and isinstance(then, tuple) and now[0] == then[0]:
        return f"the static arguments are {_static(now)}, not {_static(then)}"
    new, old = _plain(now), _plain(then)
    if max(len(str(new)), len(str(old))) <= SHORT:
        return f"the arguments have the structure {new}, not {old}"
    path, new, old = tree.first_difference(new, old)
    path = re.sub(r"^\[0\](\[\d+\])", r"args\1", path)
    path = re.sub(r"^\[1\]\['(\w+)'\]", r"\1", path)
    return f"the structure of {path or 'the arguments'} is {_shortened(new)}, not {_shortened(old)}"


SHORT = 200
"""A structure of no more characters is shown whole."""


def _plain(spec: Any) -> Any:
    return spec[0] if isinstance(spec, tuple) else spec


def _shortened(spec: Any) -> str:
    for text in (str(spec), str(spec.one_level() or spec)):
        if len(text) <= SHORT:
            return text
    return text[: SHORT - 1] + "…"


def _static(key: Any) -> str:
    _, positional, named = key
    return ", ".join(repr(v) for _, v in (*positional, *named))


def _told(name: str, now: Any, then: Any) -> list[str]:
    """Return in what the signature of a leaf differs from that of another graph's."""
    if type(now) is not tuple or type(then) is not tuple:
        return [_kinds(name, now, then)]
    found = []
    if now[0] != then[0]:
        found.append(f"{name} has dtype {now[0]}, not {then[0]}")
    if len(now[1]) != len(then[1]):
        found.append(f"{name} has {_axes(len(now[1]))}, not {_axes(len(then[1]))}")
    else:
        for axis, (n, m) in enumerate(zip(now[1], then[1], strict=True)):
            if n != m:
                found.append(_lengths(name, axis, n, m))
    if now[2] != then[2]:
        found.append(f"{name} is {'' if now[2] else 'not '}C-contiguous")
    return found


def _axes(n: int) -> str:
    return "1 axis" if n == 1 else f"{n} axes"


def _lengths(name: str, axis: int, now: Any, then: Any) -> str:
    what = f"axis {axis} of {name}"
    if isinstance(now, int):
        few = f" (lengths up to {FEW} are constants)" if now <= FEW else ", a constant"
        return f"{what} has length {now}{few}"
    if isinstance(then, int):
        return f"{what} is longer than {FEW}, not of length {then}"
    return f"{what} is as long as other axes than before"


def _kinds(name: str, now: Any, then: Any) -> str:
    if isinstance(now, Constant):
        if isinstance(now.value, int) and not isinstance(now.value, bool):
            return f"{name} = {now.value!r} is a constant of the graph: Python needs its number"
        before = f", not {then.value!r}" if isinstance(then, Constant) else ""
        return f"{name} is {now.value!r}{before}, a constant of the graph"
    return f"{name} is {_kind(now)}, not {_kind(then)}"


def _kind(sign: Any) -> str:
    if isinstance(sign, Constant):
        return repr(sign.value)
    if isinstance(sign, type):
        return f"a Python {sign.__name__}"
    return f"an array of {sign[0]}" if type(sign) is tuple else f"a NumPy {sign}"


def _broken(graph: Graph, leaves: Sequence[Any], names: Sequence[str]) -> str:
    """Return what a graph takes for granted and is no longer so."""
    for read, value, what in graph.guards:
        now = read()
        if not unchanged(now, value):
            return f"{what} is {now!r}, not {value!r}"
    for c in graph.captures:
        now = of_value(c.read())
        if now != c.value.type:
            return f"{c.what} is {'no number' if now is None else now}, not {c.value.type}"
    parameters = graph.function.block.parameters
    lengths = {
        p: leaves[k].shape[axis] for p, (k, axis) in zip(parameters, graph.lengths, strict=False)
    }
    called = {
        p: f"len({names[k]})" if axis == 0 else f"{names[k]}.shape[{axis}]"
        for p, (k, axis) in zip(parameters, graph.lengths, strict=False)
    }
    for x, sign in graph.signs:
        holds = {">0": lambda n: n > 0, ">=0": lambda n: n >= 0, "<0": lambda n: n < 0}[sign]
        if not holds(evaluate(x, lengths)):
            return f"{Dim.text(x, called.__getitem__)} {sign[:-1]} 0 does not hold"
    return "another thread made one at the same time"
