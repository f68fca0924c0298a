"""Which arguments a function is called with, and which of them are differentiated."""

from __future__ import annotations

import difflib
import inspect
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from adjoint import tree
from adjoint.cli.failure import Failure
from adjoint.eager.tape import type_of
from adjoint.explain.expressions import number
from adjoint.frontend import resolve

__all__ = ["Problem", "bind"]

Point = dict[str, Any]
"""Arguments by name."""


@dataclass(frozen=True)
class Problem:
    """A function and where to differentiate it.

    Attributes
    ----------
    name : str
    function : callable
        As the user wrote it.
    signature : inspect.Signature
    selected, constants : dict
        Arguments by name: the differentiated ones, and the others.
    unused : list of str
        What the data file holds beside.
    hint : str
        Added to an error of the function's: what was assumed about its arguments.
    """

    name: str
    function: Callable
    signature: inspect.Signature
    selected: Point
    constants: Point
    unused: list[str]
    hint: str

    def plain(self, selected: Point) -> Any:
        """Call the function without us, on copies: it may change its arguments."""
        return self._call(self.function, _copied(selected), _copied(self.constants))

    def traced(self, selected: Point, constants: Point) -> Any:
        """Call the function on traced values."""
        return self._call(resolve(self.function), selected, constants)

    def _call(self, function: Callable, selected: Point, constants: Point) -> Any:
        given = {**constants, **selected}
        ordered: dict[str, Any] = {}
        for parameter in self.signature.parameters.values():
            if parameter.kind is parameter.VAR_KEYWORD:
                known = self.signature.parameters
                ordered[parameter.name] = {k: v for k, v in given.items() if k not in known}
            elif parameter.name in given:
                ordered[parameter.name] = given[parameter.name]
        bound = inspect.BoundArguments(self.signature, ordered)
        return function(*bound.args, **bound.kwargs)

    def leaves(self) -> list[tuple[str, Any]]:
        """Return the differentiated numbers and arrays with their names."""
        return [
            (name + path, leaf)
            for name, value in sorted(self.selected.items())  # as optree orders a dictionary
            for path, leaf in tree.leaves_with_names(value)
        ]


def _copied(point: Point) -> Point:
    return tree.map_leaves(lambda x: x.copy() if isinstance(x, np.ndarray) else x, point)


def bind(
    function: Callable,
    name: str,
    at: Any,
    data: Any,
    data_file: str | None,
    wrt: Sequence[str] | None,
) -> Problem:
    """Match arguments with parameters and choose what to differentiate."""
    try:
        signature = inspect.signature(function)
    except (TypeError, ValueError):
        raise Failure(f"the parameters of {name} cannot be found out", status=2) from None
    shown = f"{name}{_without_annotations(signature)}"
    given: Point = {}
    unused: list[str] = []
    if data is not None:
        taken = set(at) if isinstance(at, dict) else set()
        given, unused = _from_data(signature, shown, data, data_file or "the data", taken)
    from_at = _from_at(signature, shown, at, set(given)) if at is not None else {}
    given |= from_at
    for parameter in signature.parameters.values():
        if (
            parameter.default is parameter.empty
            and parameter.kind not in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD)
            and parameter.name not in given
        ):
            raise Failure(f"{shown} needs {parameter.name!r}, which was not given", status=2)
    if not given:
        raise Failure(f"{shown} was given no argument: use --at or --data", status=2)
    chosen, hint = _choose(signature, shown, given, from_at, wrt)
    selected = {key: _differentiable(key, given[key]) for key in chosen}
    for key, value in given.items():
        _check_finite(key, value)
    constants = {key: value for key, value in given.items() if key not in selected}
    problem = Problem(name, function, signature, selected, constants, unused, hint)
    if not any(np.size(leaf) for _, leaf in problem.leaves()):
        raise Failure(f"{', '.join(chosen)} holds no number to differentiate by", status=2)
    return problem


def _without_annotations(signature: inspect.Signature) -> inspect.Signature:
    parameters = [p.replace(annotation=p.empty) for p in signature.parameters.values()]
    return signature.replace(parameters=parameters, return_annotation=signature.empty)


def _takes(signature: inspect.Signature, name: str) -> bool:
    parameters = signature.parameters.values()
    return any(
        p.kind is p.VAR_KEYWORD or (p.name == name and p.kind is not p.VAR_POSITIONAL)
        for p in parameters
    )


def _open(signature: inspect.Signature, given: set[str]) -> list[str]:
    """Return the parameters that still need an argument, or else all that could take one."""
    single = [
        p
        for p in signature.parameters.values()
        if p.kind not in (p.VAR_POSITIONAL, p.VAR_KEYWORD) and p.name not in given
    ]
    needed = [p.name for p in single if p.default is p.empty]
    return needed or [p.name for p in single]


def _from_at(signature: inspect.Signature, shown: str, at: Any, given: set[str]) -> Point:
    if isinstance(at, dict):
        unknown = [key for key in at if not _takes(signature, key)]
        if not unknown:
            return dict(at)
        close = difflib.get_close_matches(unknown[0], list(signature.parameters), 1)
        hint = f"; did you mean {close[0]!r}?" if close else ""
        raise Failure(f"{shown} has no parameter {unknown[0]!r}{hint}", status=2)
    wanted = _open(signature, given)
    if len(wanted) != 1:
        raise Failure(
            f"--at gives one value, but {shown} takes {', '.join(wanted) or 'no argument'}: "
            """name them, as in '{"%s": ...}'""" % (wanted[0] if wanted else "x"),
            status=2,
        )
    return {wanted[0]: at}


def _from_data(
    signature: inspect.Signature, shown: str, data: Any, filename: str, taken: set[str]
) -> tuple[Point, list[str]]:
    if isinstance(data, dict):
        found = {key: value for key, value in data.items() if _takes(signature, key)}
        if found:
            return found, [key for key in data if key not in found]
        columns = list(data.values())
        if not filename.lower().endswith(".csv"):
            raise Failure(
                f"{filename} holds {', '.join(map(repr, data)) or 'nothing'}, none of which is a "
                f"parameter of {shown}",
                status=2,
            )
        data = np.column_stack(columns)
    wanted = _open(signature, taken)
    if len(wanted) != 1:
        raise Failure(
            f"{filename} holds one unnamed table, but {shown} takes "
            f"{', '.join(wanted) or 'no argument'}: name the columns after the parameters, or give "
            "the others by --at",
            status=2,
        )
    return {wanted[0]: data}, []


def _choose(
    signature: inspect.Signature,
    shown: str,
    given: Point,
    from_at: Point,
    wrt: Sequence[str] | None,
) -> tuple[list[str], str]:
    """Return the names of the arguments to differentiate, and what that assumed.

    Those that were asked for; else those of ``--at`` that hold floating-point numbers; else (all of
    them are integers) the arrays among them, or all; with ``--data`` alone, the first parameter.
    """
    if wrt:
        for key in wrt:
            if key not in given:
                held = ", ".join(given)
                raise Failure(f"--wrt {key}: the arguments of {shown} here are {held}", status=2)
        return list(dict.fromkeys(wrt)), ""
    if not from_at:
        order = [key for key in signature.parameters if key in given] or list(given)
        return order[:1], ""
    floating = [key for key, value in from_at.items() if _is_floating(value)]
    if floating:
        return floating, ""
    integers = [key for key, value in from_at.items() if _is_numeric(value)]
    arrays = [key for key in integers if not isinstance(from_at[key], int)]
    chosen = arrays or integers
    if not chosen:
        raise Failure("--at holds no number to differentiate by", status=2)
    scalars = " and ".join(key for key in chosen if isinstance(from_at[key], int))
    return chosen, f"{scalars} made floating-point: choose with --wrt" if scalars else ""


def _is_floating(value: Any) -> bool:
    leaves = tree.flatten(value)[0]
    return _is_numeric(value) and any(type_of(leaf) is not None for leaf in leaves)


def _is_numeric(value: Any) -> bool:
    leaves = tree.flatten(value)[0]
    return bool(leaves) and all(
        np.asarray(leaf).dtype.kind in "iufc" and not isinstance(leaf, bool) for leaf in leaves
    )


def _differentiable(name: str, value: Any) -> Any:
    """Return an argument with its numbers as floating-point ones."""

    def converted(x: Any) -> Any:
        if type_of(x) is not None:
            return x
        if np.asarray(x).dtype.kind in "iu":
            return np.asarray(x, float) if isinstance(x, np.ndarray) else float(x)
        raise Failure(f"{name} holds {x!r}, which cannot be differentiated by", status=2)

    return tree.map_leaves(converted, value)


def _check_finite(name: str, value: Any) -> None:
    for path, leaf in tree.leaves_with_names(value):
        array = np.asarray(leaf)
        if array.dtype.kind not in "fc" or np.all(np.isfinite(array)):
            continue
        index = np.unravel_index(int(np.argmin(np.isfinite(array))), array.shape)
        at = f"[{', '.join(str(int(k)) for k in index)}]" if index else ""
        raise Failure(f"{name}{path}{at} is {number(array[index])}", status=2)
