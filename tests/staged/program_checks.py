"""What random programs are checked for: staged, differentiated and run, against Python and eager.

A program may be refused, with its file and line: `Refused` is raised.
"""

from __future__ import annotations

import re
from copy import deepcopy
from typing import Any

import numpy as np
from hypothesis import assume

import adjoint as ad
from adjoint.backends.interpret import run
from adjoint.errors import InputError, TracingError
from adjoint.ir.verify import verify
from tests.staged.comparison import assert_close
from tests.staged.random_source import Program
from tests.staged.sources import load

__all__ = [
    "Refused",
    "arguments",
    "check_derivatives",
    "check_second_derivatives",
    "check_values",
    "loaded",
    "staged",
]


class Refused(Exception):
    """The program cannot be staged."""


def loaded(program: Program) -> tuple[Any, str]:
    """Return the program's function, and the name of its file."""
    names, filename = load(program.text)
    return names["f"], filename


def arguments(program: Program, seed: int, larger: int = 0) -> list[Any]:
    """Return arguments of a program; other lengths with ``larger``."""
    rng = np.random.default_rng(seed)
    x = rng.uniform(-1.2, 1.2, 11 + larger)
    y = rng.uniform(-1.2, 1.2, len(x) if program.same else 13 + larger)
    m = 10 + larger
    a = rng.uniform(-1.2, 1.2, (m, m)) if program.matrix else float(rng.uniform(-1, 1))
    return [x, y, a, (4, 6, 0, 1, 3)[seed % 5]]


def staged(fn: Any, filename: str, *args: Any) -> Any:
    """Stage, and check the graph; a refusal must name the file and line."""
    try:
        graph = ad.stage(fn)(*args)
    except TracingError as error:
        assert re.search(re.escape(filename) + r"\D{1,9}\d+", str(error)), f"no place: {error}"
        raise Refused(str(error)) from error
    verify(graph.function)
    return graph


def fits(graph: Any, args: list[Any]) -> bool:
    """Tell whether a graph is one for these arguments: all of them, unless lengths decide."""
    try:
        graph.inputs(*args)
    except InputError:
        return False
    return True


def in_python(f: Any, args: list[Any]) -> Any:
    """Return what Python gives, unless numbers get too large; arguments are changed."""
    try:
        value = f(*args)
    except (OverflowError, ValueError):
        value = np.inf
    assume(np.isfinite(value) and abs(value) < 1e5)
    return value


def check_values(program: Program, seed: int) -> None:
    """Check what a program returns and leaves of its arguments, at several lengths."""
    f, filename = loaded(program)
    others = [arguments(program, seed + k, larger=3 * k) for k in (0, 1, 3)]
    before = deepcopy(others)
    with np.errstate(all="ignore"):
        wants = [in_python(f, o) for o in others]
        graph = staged(f, filename, *deepcopy(before[0]))
        for k, (given, after, want) in enumerate(zip(before, others, wants, strict=True)):
            if k and not fits(graph, given):
                graph = staged(f, filename, *deepcopy(given))
            mine = deepcopy(given)
            assert_close(graph(*mine), want, 1e-9, f"value {k}")
            assert_close(mine, after, 1e-9, f"arguments after call {k}")
            found, copied = (
                run(graph.function, graph.inputs(*deepcopy(given)), in_place, check=not in_place)
                for in_place in (True, False)
            )
            assert_close(found, copied, 1e-13, "in place")


ARGNUMS = (0, 1, 2)


def along(f: Any) -> Any:
    """Return forward mode: a function of arguments and tangents that returns value and tangent."""

    def pushed(x: Any, y: Any, a: Any, n: int, dots: Any) -> Any:
        return ad.jvp(lambda x, y, a: f(x, y, a, n), (x, y, a), dots)

    return pushed


def tangents(args: list[Any]) -> tuple[Any, ...]:
    rng = np.random.default_rng(7)
    return tuple(
        rng.standard_normal(x.shape) if isinstance(x, np.ndarray) else rng.standard_normal()
        for x in args[:3]
    )


_NOT_OURS = ("in a plain NumPy array", "into an ordinary array")


def eagerly(fn: Any, *args: Any) -> Any:
    """Return what the eager tier gives, unless the program stores into what is no array of its."""
    try:
        return fn(*deepcopy(args))
    except TracingError as error:
        assume(not any(what in str(error) for what in _NOT_OURS))
        raise


def check_derivatives(program: Program, seed: int) -> None:
    """Check both modes against those of the eager tier, and these against each other."""
    f, filename = loaded(program)
    args, others = arguments(program, seed), arguments(program, seed + 1, larger=2)
    dots, gradient = tangents(args), ad.grad(f, ARGNUMS)
    with np.errstate(all="ignore"):
        want = in_python(f, deepcopy(args))
        bars = eagerly(gradient, *args)
        assume(all(np.all(np.abs(b) < 1e6) for b in bars))
        value, dot = eagerly(along(f), *args, dots)
        assert_close(value, want, 1e-9, "eager value")
        products = [np.asarray(b * d) for b, d in zip(bars, dots, strict=True)]
        size = max(1.0, sum(float(np.sum(np.abs(p))) for p in products))
        total = sum(float(np.sum(p)) for p in products)
        assert abs(total - dot) <= 1e-9 * size, f"eager: {total} reverse, {dot} forward"
        pull = staged(gradient, filename, *deepcopy(args))
        assert_close(pull(*deepcopy(args)), bars, 1e-9, "gradient")
        push = staged(along(f), filename, *deepcopy(args), dots)
        value, mine = push(*deepcopy(args), dots)
        assert_close(value, want, 1e-9, "value beside jvp")
        assert abs(mine - dot) <= 1e-9 * size, f"jvp: {mine}, not {dot}"
        if fits(pull, others):
            theirs = eagerly(gradient, *others)
            assert_close(pull(*deepcopy(others)), theirs, 1e-9, "gradient at other lengths")


def check_second_derivatives(program: Program, seed: int) -> None:
    """Check the product of the Hessian with a vector, in two nestings."""
    f, filename = loaded(program)
    args = arguments(program, seed)
    dots, gradient = tangents(args), ad.grad(f, ARGNUMS)
    curved = ad.grad(lambda *args: along(f)(*args)[1], ARGNUMS)
    turned = lambda *args: along(gradient)(*args)[1]
    with np.errstate(all="ignore"):
        wants = eagerly(curved, *args, dots)
        assume(all(np.all(np.abs(w) < 1e7) for w in wants))
        for fn, what in ((curved, "reverse over forward"), (turned, "forward over reverse")):
            graph = staged(fn, filename, *deepcopy(args), dots)
            assert_close(graph(*deepcopy(args), dots), wants, 1e-8, what)
