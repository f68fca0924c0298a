"""Random programs with views and mutation: text that hypothesis writes, run as a user's would be.

A program is 3 to 14 statements over up to two input arrays of 0 to 3 dimensions (one in six is
empty), loops and branches one level deep, and returns all of its variables. A statement is kept if
plain NumPy runs the program with it and every number stays small. Out of 100 statements about

=====  =================================================================
   18  are elementwise: sin, tanh, cos, √(1 + v²), negation, +, −, ×
   17  make views: slices, negative steps, newaxis, transposes, reshapes
   26  store into part of an array, or of a view: items, slices, index arrays that name an element
       twice, masks; with ``=``, ``+=``, ``-=``, ``*=``
   10  change a whole array in place: ``v += w``, ``out=``, ``np.add.at``
   14  make or name arrays: zeros, ones, copies, aliases, swapped names, gathers
    5  reduce: sums, products of matrices
   10  are loops or branches on data, with two statements inside
=====  =================================================================

Each program is checked for its values, its arguments left alone, forward mode against differences,
reverse against forward, and (every other one) forward over reverse against differences and reverse
over reverse against that.
"""

# ruff: noqa: E501 (a row of a table is a line)

from __future__ import annotations

import itertools
import linecache

import numpy as np
from hypothesis import HealthCheck, assume, given, note, reject, settings
from hypothesis import strategies as st

import adjoint as ad

SHAPES = [(), (1,), (3,), (4,), (2, 3), (3, 2), (3, 3), (2, 1, 3), (2, 2, 2), (0,), (2, 0)]
VIEWS = ["[::-1]", "[1:]", "[:2]", "[::2]", "[..., :1]", "[..., 0]", "[0]", "[-1:]", "[None]",
         "[:, None]", "[:, ::-1]", ".T", ".reshape(-1)", ".ravel()", ".swapaxes(0, -1)",
         "[...]", ".squeeze()", ".reshape(-1, 1)"]  # fmt: skip
PARTS = ["[0]", "[-1]", "[1:]", "[:2]", "[::2]", "[::-1]", "[...]", "[..., 0]", "[..., -1:]",
         "[[0, -1]]", "[[0, 0]]", "[:, 0]", "[0, 1]", "[-1, ..., 0]", "[()]"]  # fmt: skip
UNARY = ["np.sin({})", "np.tanh({})", "np.cos({})", "np.sqrt(1.0 + {} ** 2)", "-{}", "{} ** 2",
         "{} * 0.7", "0.5 - {}"]  # fmt: skip

MARGINS: list[int] = []
_names = itertools.count()


def above(v, c):
    """Decide a branch, and note how far from the other branch it was."""
    s = np.sum(v)
    MARGINS.append(int(1e6 * abs(s - c)))
    return s > c


def mask_of(v):
    """A mask that does not depend on the numbers."""
    return (np.arange(v.size) % 2 == 0).reshape(v.shape)


def compiled(lines, inputs):
    names = ", ".join(f"v{k}" for k in range(inputs))
    body = "\n".join("    " + line for line in lines) or "    pass"
    count = max(int(n) for line in [*lines, names] for n in _numbers(line)) + 1
    returned = ", ".join(f"v{k}" for k in range(count))
    text = f"def program({names}):\n{body}\n    return ({returned},)\n"
    filename = f"<random program {next(_names)}>"
    linecache.cache[filename] = (len(text), None, text.splitlines(keepends=True), filename)
    space = {"np": np, "above": above, "mask_of": mask_of, "__name__": "random_program"}
    exec(compile(text, filename, "exec"), space)
    return space["program"], text


def _numbers(line):
    return [t[1:] for t in line.replace("(", " ").replace(")", " ").replace(",", " ")
            .replace("[", " ").replace(".", " ").replace("-", " ").replace("{", " ").split()
            if t[:1] == "v" and t[1:].isdigit()]  # fmt: skip


class Writer:
    """Draws statements; keeps those with which the program runs."""

    def __init__(self, draw, inputs):
        self.draw = draw
        self.inputs = inputs
        self.count = len(inputs)
        self.lines = []

    def name(self):
        return f"v{self.draw(st.integers(0, self.count - 1))}"

    def one(self, options):
        return self.draw(st.sampled_from(options))

    def simple(self):
        """Return a statement, and whether it makes a new variable."""
        new, a, b = f"v{self.count}", self.name(), self.name()
        kind = self.draw(st.integers(0, 99))
        if kind < 10:
            return f"{new} = {self.one(UNARY).format(a)}", True
        if kind < 20:
            return f"{new} = {a} {self.one('+-*')} {b}", True
        if kind < 38:
            return f"{new} = {a}{self.one(VIEWS)}", True
        if kind < 52:
            value = self.one([f"{b}{self.one(PARTS)}", f"{b}.sum() * 0.3", "0.5", b])
            return f"{a}{self.one(PARTS)} = {value}", False
        if kind < 62:
            value = self.one([f"{b}{self.one(PARTS)}", f"{b}.sum() * 0.3", "0.5", b])
            return f"{a}{self.one(PARTS)} {self.one('+-*')}= {value}", False
        if kind < 66:
            return (
                f"{a}[mask_of({a})] {self.one(['', '+', '*'])}= {self.one(['0.25', 'np.sum(' + b + ')'])}",
                False,
            )
        if kind < 73:
            return f"{a} {self.one('+-*')}= {self.one([b, '0.5', b + '.sum() * 0.1'])}", False
        if kind < 77:
            return self.one([f"np.multiply({a}, {b}, out={self.name()})",
                             f"np.add.at({a}, [0, 0], {b}[0])",
                             f"np.sin({a}, out={b})"]), False  # fmt: skip
        if kind < 92:
            made = self.one([f"np.zeros({a}.shape)", f"np.zeros_like({a})", f"np.ones({a}.shape)",
                             f"{a}.copy()", a, f"{a}[[0, -1, 0]]", f"{a}[mask_of({a})]",
                             f"np.array([{a}.sum(), 0.5])"])  # fmt: skip
            return f"{new} = {made}", True
        if kind < 95:
            return f"{a}, {b} = {b}, {a}", False
        return (
            f"{new} = {self.one([f'{a}.sum()', f'np.sum({a}, axis=0)', f'{a} @ {b} * 0.5'])}",
            True,
        )

    def accept(self, lines, new):
        if runs(self.lines + lines, self.inputs):
            self.lines += lines
            self.count += new

    def statement(self):
        if self.draw(st.integers(0, 9)):
            line, new = self.simple()
            self.accept([line], new)
            return
        branch = f"if above({self.name()}, {self.one(['0.1', '-0.3', '0.7'])}):"
        head = self.one(["for k in range(3):", "for k in range(2):", branch])
        inner = []
        for _ in range(2):
            line, new = self.simple()
            if not new:
                if head.startswith("for") and self.draw(st.booleans()):
                    line = line.replace("[0]", "[k]").replace("[-1]", "[k - 1]")
                inner.append("    " + line)
        if inner:
            self.accept([head, *inner], 0)


def runs(lines, inputs):
    MARGINS.clear()
    try:
        with np.errstate(all="ignore"):
            results = compiled(lines, len(inputs))[0](*[x.copy() for x in inputs])
    except (ValueError, IndexError, TypeError, AttributeError):
        return False
    finally:
        linecache.cache.popitem()
    return min(MARGINS, default=10**9) > 20_000 and all(
        np.all(np.abs(r) < 20.0) and np.asarray(r).dtype == np.float64 for r in results
    )


@st.composite
def programs(draw):
    seed = draw(st.integers(0, 2**16))
    rng = np.random.default_rng(seed)
    shapes = draw(st.lists(st.sampled_from(SHAPES), min_size=1, max_size=2))
    inputs = [rng.uniform(-1.2, 1.2, shape) for shape in shapes]
    writer = Writer(draw, inputs)
    for _ in range(draw(st.integers(3, 14))):
        writer.statement()
    return tuple(writer.lines), inputs, seed


def differences(f, h=1e-3):
    weights = {1: 3 / 4, 2: -3 / 20, 3: 1 / 60}
    points = [(w / h, f(k * h), f(-k * h)) for k, w in weights.items()]
    return [
        sum(w * (np.asarray(p[i]) - np.asarray(m[i])) for w, p, m in points)
        for i in range(len(points[0][1]))
    ]


def inner(a, b):
    return sum(float(np.sum(np.asarray(x) * np.asarray(y))) for x, y in zip(a, b, strict=True))


def compare(got, want, rtol, what):
    for k, (g, w) in enumerate(zip(got, want, strict=True)):
        assert np.shape(g) == np.shape(w), f"{what} {k}: shape {np.shape(g)}, not {np.shape(w)}"
        scale = max(1.0, float(np.max(np.abs(w), initial=0.0)))
        np.testing.assert_allclose(g, w, rtol=0, atol=rtol * scale, err_msg=f"{what} {k}")


def check(lines, inputs, seed):
    f, text = compiled(lines, len(inputs))
    note(text)
    rng = np.random.default_rng(seed + 1)
    t = [rng.standard_normal(x.shape) for x in inputs]
    u = [rng.standard_normal(x.shape) for x in inputs]
    kept = [x.copy() for x in inputs]

    def plain(s):
        try:
            return f(*[np.asarray(x + s * d) for x, d in zip(kept, t, strict=True)])
        except ValueError:
            reject()  # NumPy's: nearby, the program takes a branch that gives another shape

    value = f(*[x.copy() for x in inputs])
    MARGINS.clear()
    results, dots = ad.jvp(f, tuple(inputs), tuple(t))
    compare(results, value, 1e-12, "value")
    for r, v in zip(results, value, strict=True):
        # NumPy's scalars have methods that make arrays of them, or do not.
        if ".T" not in text and ".squeeze" not in text:
            same = isinstance(r, np.ndarray) == isinstance(v, np.ndarray)
            assert same, "a scalar became an array"
    compare(inputs, kept, 0.0, "argument")
    numeric = differences(plain)
    assume(all(np.all(np.abs(n) < 1e4) for n in numeric))
    compare(dots, numeric, 1e-5, "jvp against differences")
    results, pull = ad.vjp(f, *inputs)
    ct = [rng.standard_normal(np.shape(v)) for v in value]
    bars = pull(tuple(ct))
    compare(inputs, kept, 0.0, "argument")
    left, right = inner(bars, t), inner(ct, dots)
    scale = max(1.0, sum(float(np.sum(np.abs(np.asarray(c) * d))) for c, d in zip(ct, dots)))
    assert abs(left - right) <= 1e-9 * scale, f"vjp against jvp: {left} and {right}"
    if seed % 2:
        return

    def gradient(*xs):
        return ad.vjp(f, *xs)[1](tuple(ct))

    _, curved = ad.jvp(gradient, tuple(inputs), tuple(t))
    numeric = differences(
        lambda s: gradient(*[np.asarray(x + s * d) for x, d in zip(kept, t, strict=True)])
    )
    assume(all(np.all(np.abs(n) < 1e4) for n in numeric))
    compare(curved, numeric, 1e-5, "forward over reverse against differences")
    _, pull = ad.vjp(gradient, *inputs)
    left, right = inner(pull(tuple(u)), t), inner(u, curved)
    scale = max(1.0, sum(float(np.sum(np.abs(np.asarray(a) * b))) for a, b in zip(u, curved)))
    assert abs(left - right) <= 1e-8 * scale, f"reverse over reverse: {left} and {right}"


@given(programs())
@settings(max_examples=400, suppress_health_check=list(HealthCheck))
def test_random_program(program):
    lines, inputs, seed = program
    assume(lines)
    try:
        check(lines, inputs, seed)
    finally:
        while len(linecache.cache) > 5000:
            linecache.cache.popitem()
