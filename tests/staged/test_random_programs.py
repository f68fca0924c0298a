"""Random programs: staged, differentiated, simplified and run, against Python and eager runs."""

from __future__ import annotations

import itertools
import linecache
import re
from typing import Any

import numpy as np
from hypothesis import assume

import adjoint as ad
from adjoint.backends.interpret import run
from adjoint.errors import InputError, TracingError
from adjoint.ir.verify import verify
from tests.staged.random_source import Program

_names = itertools.count()


class Refused(Exception):
    """The program cannot be staged."""


def loaded(program: Program) -> Any:
    """Return the program's function, whose source can be found."""
    filename = f"<random source {next(_names)}>"
    text = program.text
    linecache.cache[filename] = (len(text), None, text.splitlines(keepends=True), filename)
    space = {"__name__": "random_source"}
    exec(compile(text, filename, "exec"), space)
    return space["f"], filename


def arguments(program: Program, seed: int, larger: int = 0) -> list[Any]:
    """Return arguments of a program; other lengths with ``larger``."""
    rng = np.random.default_rng(seed)
    x = rng.uniform(-1.2, 1.2, 11 + larger)
    y = rng.uniform(-1.2, 1.2, len(x) if program.same else 13 + larger)
    m = 10 + larger
    a = rng.uniform(-1.2, 1.2, (m, m)) if program.matrix else float(rng.uniform(-1, 1))
    return [x, y, a, (4, 6, 0, 1, 3)[seed % 5]]


def fresh(args: list[Any]) -> list[Any]:
    return [x.copy() if isinstance(x, np.ndarray) else x for x in args]


def compare(got: Any, want: Any, rtol: float, what: str) -> None:
    assert np.shape(got) == np.shape(want), f"{what}: shape {np.shape(got)}, not {np.shape(want)}"
    scale = max(1.0, float(np.max(np.abs(want), initial=0.0)))
    np.testing.assert_allclose(got, want, rtol=0, atol=rtol * scale, err_msg=what)


def staged(fn: Any, filename: str, *args: Any) -> Any:
    """Stage; a refusal must name the file and line."""
    try:
        return ad.stage(fn)(*args)
    except TracingError as error:
        assert re.search(re.escape(filename) + r"\D{1,9}\d+", str(error)), f"no place: {error}"
        raise Refused(str(error)) from error


def fits(graph: Any, args: list[Any]) -> bool:
    """Tell whether a graph is one for these arguments: all of them, unless lengths decide."""
    try:
        graph.inputs(*args)
    except InputError:
        return False
    return True


def check_values(program: Program, seed: int) -> None:
    f, filename = loaded(program)
    args = arguments(program, seed)
    others = [arguments(program, seed + k, larger=3 * k) for k in (0, 1, 3)]
    before = [fresh(o) for o in others]
    with np.errstate(all="ignore"):
        wants = [f(*o) for o in others]
        assume(all(np.isfinite(w) and abs(w) < 1e5 for w in wants))
        graph = staged(f, filename, *fresh(args))
        function = graph.function
        verify(function)
        for k, (given, after, want) in enumerate(zip(before, others, wants, strict=True)):
            if not fits(graph, given):
                continue
            mine = fresh(given)
            compare(graph(*mine), want, 1e-9, f"value {k}")
            for j, (x, y) in enumerate(zip(mine, after, strict=True)):
                compare(x, y, 1e-9, f"argument {j} after call {k}")
            inputs = graph.inputs(*fresh(given))
            found = run(function, inputs)
            inputs = graph.inputs(*fresh(given))
            for x, y in zip(found, run(function, inputs, in_place=False, check=True), strict=True):
                compare(x, y, 1e-13, "in place")
        jitted = ad.jit(f)
        for given, want in zip(before, wants, strict=True):
            try:
                value = jitted(*fresh(given))
            except TracingError as error:
                raise Refused(str(error)) from error
            compare(value, want, 1e-9, "jit")


def inner(a: Any, b: Any) -> tuple[float, float]:
    products = [np.asarray(x) * np.asarray(y) for x, y in zip(a, b, strict=True)]
    return sum(float(np.sum(p)) for p in products), sum(float(np.sum(np.abs(p))) for p in products)


def eagerly(fn: Any, args: list[Any]) -> Any:
    """Return what the eager tier gives, unless the program stores into what is no array of its."""
    try:
        return fn(*fresh(args))
    except TracingError as error:
        assume("in a plain NumPy array" not in str(error))
        raise


def check_derivatives(program: Program, seed: int, second: bool = False) -> None:
    f, filename = loaded(program)
    args = arguments(program, seed)
    others = arguments(program, seed + 1, larger=2)
    argnums = (0, 1, 2)

    def dots_of(given: Any) -> tuple[Any, ...]:
        rng = np.random.default_rng(7)
        dots = [rng.standard_normal(np.shape(x)) for x in given[:3]]
        return tuple(d if d.ndim else float(d) for d in dots)

    gradient = ad.grad(f, argnums)

    def along(x, y, a, n, dots):
        return ad.jvp(lambda x, y, a: f(x, y, a, n), (x, y, a), dots)

    with np.errstate(all="ignore"):
        want = f(*fresh(args))
        assume(np.isfinite(want) and abs(want) < 1e5)
        bars = eagerly(gradient, args)
        assume(all(np.all(np.abs(b) < 1e6) for b in bars))
        dots = dots_of(args)
        value, dot = along(*fresh(args), dots)
        compare(value, want, 1e-9, "eager value")
        total, size = inner(bars, dots)
        assert abs(total - dot) <= 1e-9 * max(1, size), f"eager: {total} reverse, {dot} forward"
        pull = staged(gradient, filename, *fresh(args))
        verify(pull.function)
        for k, (g, w) in enumerate(zip(pull(*fresh(args)), bars, strict=True)):
            compare(g, w, 1e-9, f"gradient {k}")
        push = staged(along, filename, *fresh(args), dots)
        verify(push.function)
        value, mine = push(*fresh(args), dots)
        compare(value, want, 1e-9, "value beside jvp")
        assert abs(mine - dot) <= 1e-9 * max(1, size), f"jvp: {mine}, not {dot}"
        if fits(pull, others):
            theirs = eagerly(gradient, others)
            for k, (g, w) in enumerate(zip(pull(*fresh(others)), theirs, strict=True)):
                compare(g, w, 1e-9, f"gradient {k} at other lengths")
        if not second:
            return

        def slope(x, y, a, n, dots):
            return along(x, y, a, n, dots)[1]

        curved = ad.grad(slope, argnums)
        wants = curved(*fresh(args), dots)
        assume(all(np.all(np.abs(w) < 1e7) for w in wants))
        graph = staged(curved, filename, *fresh(args), dots)
        verify(graph.function)
        for k, (g, w) in enumerate(zip(graph(*fresh(args), dots), wants, strict=True)):
            compare(g, w, 1e-8, f"reverse over forward {k}")

        def turned(x, y, a, n, dots):
            return ad.jvp(lambda x, y, a: gradient(x, y, a, n), (x, y, a), dots)[1]

        graph = staged(turned, filename, *fresh(args), dots)
        for k, (g, w) in enumerate(zip(graph(*fresh(args), dots), wants, strict=True)):
            compare(g, w, 1e-8, f"forward over reverse {k}")
