"""Programs about Python: control flow, functions, classes, containers, the standard library."""

import contextlib
import functools
import itertools
import math
import operator
from collections import defaultdict, deque, namedtuple
from dataclasses import dataclass, field

import numpy as np

from tests.adversarial import Table

program = Table()

V = np.array([0.7, -0.4, 1.3, 0.9])
W = np.array([0.2, 1.1, -0.8, 0.5])
SCALE = np.array([1.5, -0.5, 2.0, 0.25])


@program(2.3)
def while_with_data_dependent_count(x):
    n = 0
    while x < 50.0:
        x = x * x * 0.9
        n += 1
    return x / n


@program(V)
def break_continue_else(x):
    s = 0.0
    for k in range(100):
        if k % 3 == 1:
            continue
        s += x[k % 4] ** 2 * k
        if s > 9.0:
            break
    else:
        s = -1.0
    return s


@program(V)
def early_return(x):
    total = 0.0
    for v in x:
        total = total + v * v
        if total > 0.6:
            return total * x
    return total


@program(V)
def nested_while_break(x):
    i, acc = 0, x[0] * 0.0
    while True:
        j = 0
        while j < i:
            acc += x[j % 4] * x[i % 4]
            j += 1
            if acc > 3.0:
                break
        i += 1
        if i > 6:
            return acc


def scale_in_place(a, factor):
    a *= factor


def add_row(table, k, row):
    table[k] = row
    return table[k]


@program(V)
def helpers_that_mutate(x):
    a = x * 1.0
    scale_in_place(a, x[0])
    table = np.zeros((2, 4))
    row = add_row(table, 1, a)
    row[0] = x[3]
    scale_in_place(table[1, 1:], 2.0)
    return table


def tail(a):
    return a[1:]


@program(V)
def helper_returns_view(x):
    a = x * x
    t = tail(tail(a))
    t[0] = x[0] * x[1]
    return a


@program(V)
def closures_and_nonlocal(x):
    total = 0.0
    memory = np.zeros(4)

    def visit(k):
        nonlocal total
        total += x[k] ** 2
        memory[k] = total

    for k in range(4):
        visit(k)
    return memory * total


def default_arguments_inner(a, power=2, *, weights=SCALE, table=(1.0, 2.0)):
    return np.sum(a**power * weights) * table[1]


@program(V)
def default_and_keyword_arguments(x):
    return default_arguments_inner(x) + default_arguments_inner(x, power=3, weights=x)


@program(V)
def star_arguments(x):
    def f(first, *rest, **named):
        return first * sum(rest) + named["b"]

    return f(*x, **{"b": x[0] ** 2})


class Oscillator:
    rate = 0.5

    def __init__(self, stiffness):
        self.stiffness = stiffness
        self.state = np.zeros(2)
        self.state[0] = 1.0
        self.trace = []

    @property
    def energy(self):
        return 0.5 * (self.stiffness * self.state[0] ** 2 + self.state[1] ** 2)

    def step(self, dt):
        self.state[1] -= dt * self.stiffness * self.state[0]
        self.state[0] += dt * self.state[1] * self.rate
        self.trace.append(self.energy)
        return self

    @classmethod
    def make(cls, k):
        return cls(k * 2)

    @staticmethod
    def total(values):
        return functools.reduce(operator.add, values)


@program(1.7)
def class_with_state(k):
    o = Oscillator.make(k)
    for _ in range(6):
        o.step(0.1).step(0.05)
    return o.total(o.trace)


class Vector:
    def __init__(self, data):
        self.data = data

    def __add__(self, other):
        return Vector(self.data + other.data)

    def __mul__(self, other):
        return Vector(self.data * getattr(other, "data", other))

    def __getitem__(self, k):
        return self.data[k]

    def __setitem__(self, k, value):
        self.data[k] = value

    def __len__(self):
        return len(self.data)

    def __iter__(self):
        return iter(self.data)

    def __call__(self, y):
        return self.data @ y

    def __eq__(self, other):
        return bool(np.all(self.data == other.data))

    def __enter__(self):
        self.kept = self.data.copy()
        return self

    def __exit__(self, *exc):
        self.data = self.kept
        return exc[0] is ZeroDivisionError


@program(V)
def dunder_methods(x):
    v = Vector(x * 1.0)
    w = v + v * v
    w[0] = v[1] * w[2]
    assert len(w) == 4 and w == w
    return w(x) + sum(w) * v[3]


@program(V)
def context_manager(x):
    v = Vector(x * x)
    with v as inside:
        inside[0] = 100.0
        inside.data *= x[1]
        inside.data[0] = 1 / 0
    return v.data * x


@dataclass
class Model:
    weights: np.ndarray
    bias: float = 0.0
    history: list = field(default_factory=list)

    def __post_init__(self):
        self.weights = self.weights * 2

    def __call__(self, x):
        y = np.tanh(self.weights * x + self.bias)
        self.history.append(np.sum(y))
        return y


@program(V, 0.3)
def dataclass_model(w, b):
    model = Model(w, b)
    y = model(model(SCALE))
    return np.sum(y) * model.history[0]


@program(V)
def inheritance_and_super(x):
    class Base:
        def __init__(self, a):
            self.a = a
            self.buffer = np.zeros(4)

        def run(self):
            self.buffer[1:] = self.a[1:] ** 2
            return self.buffer

    class Derived(Base):
        def __init__(self, a):
            super().__init__(a * 2)

        def run(self):
            out = super().run()
            out[0] = self.a[0] * out[1]
            return out * 3

    return Derived(x).run()


@program(1.3)
def recursion(x):
    def power(base, n):
        if n == 0:
            return 1.0
        half = power(base, n // 2)
        return half * half * (base if n % 2 else 1.0)

    return power(x, 9) + power(x, 4)


@program(V)
def recursion_on_slices(x):
    def sort(a):
        if len(a) <= 1:
            return list(a)
        pivot, rest = a[0], a[1:]
        return (
            sort([v for v in rest if v < pivot]) + [pivot] + sort([v for v in rest if v >= pivot])
        )

    return np.array(sort(x * x)) * SCALE


@program(V)
def generators(x):
    def partial_sums(values):
        total = 0.0
        for v in values:
            total += v**2
            yield total

    sums = list(partial_sums(x))
    largest = max(sums)
    return largest * sum(s for s in partial_sums(x[:2])) + next(iter(sums))


@program(V)
def generator_with_send(x):
    def filter_():
        state = 0.0
        while True:
            value = yield state
            state = 0.5 * state + value * value

    f = filter_()
    next(f)
    out = np.zeros(4)
    for k, v in enumerate(x):
        out[k] = f.send(v)
    f.close()
    return out


@program(V)
def comprehensions(x):
    squares = [v * v for v in x if v > 0]
    table = {k: v * 2 for k, v in enumerate(x)}
    grid = np.array([[a * b for a in squares] for b in table.values()])
    return np.sum(grid, axis=1)


@program(V)
def builtins(x):
    a = abs(x[1]) + max(x[0], x[2]) * min(x) + sum(x) ** 2 + pow(x[0], 3)
    for k, (u, v) in enumerate(zip(x, reversed(x))):
        a += u * v * k
    return a * len(x)


@program(V)
def sorted_and_max_with_key(x):
    order = sorted(range(4), key=lambda k: x[k])
    by_square = sorted(x, key=lambda v: -v * v)
    return x[order] * by_square[0] + max(x, key=lambda v: v**2)


@program(V)
def map_reduce_partial(x):
    def combine(a, b, weight):
        return a * weight + b

    half = functools.partial(combine, weight=0.5)
    folded = functools.reduce(half, x)
    return folded * sum(map(lambda v: v**3, x)) + list(itertools.accumulate(x, half))[2]


@functools.lru_cache
def cached_coefficients(n):
    return tuple(1.0 / (k + 1) for k in range(n))


@functools.cache
def cached_square(v):
    return v * v


@program(1.2)
def lru_cache(x):
    first = cached_square(3.0)
    return (
        cached_square(x) + first * x + sum(c * x**k for k, c in enumerate(cached_coefficients(4)))
    )


@program(V)
def try_except_finally(x):
    out = x * 1.0
    try:
        out[0] = x[1] * 2.0
        out[9] = 1.0
    except IndexError:
        out[1] = x[2] ** 2
    else:
        out[1] = 0.0
    finally:
        out *= x[3]
    try:
        np.zeros(3) + x
    except ValueError as error:
        assert "broadcast" in str(error)
    return out


@program(V)
def with_statements(x):
    @contextlib.contextmanager
    def scaled(a):
        a *= 2.0
        yield a
        a /= x[0]

    a = x * x
    with scaled(a) as b, np.errstate(all="ignore"):
        b[0] += x[1]
    return a


@program(0.4, 1.7)
def math_functions(x, y):
    a = math.sin(x) * math.exp(-y) + math.sqrt(y) - math.log(y)
    b = math.pow(y, x) + math.atan2(x, y) + math.hypot(x, y) + math.tanh(x)
    return a * b + math.fabs(-x) * math.pi


@program(V)
def float_and_item(x):
    s = float(x[0]) * 2 + x[1].item() + float(np.sum(x * x))
    return s * x.tolist()[2]


@program(V)
def chained_comparisons_and_boolean_operators(x):
    s = x[0]
    if 0 < s < 1 and not x[1] > 0 or s == 0:
        s = s * x[2]
    s = s if s > 0 else -s
    t = (x[1] > 5) or x[3]
    return s * t


@program(V)
def unpacking_and_walrus(x):
    a, *rest, d = x
    (b, c) = rest
    total = 0.0
    count = 0
    while (s := total + a * b) < 1.0 and (count := count + 1) < 6:
        total = total * 0.5 - s + d
    return total * c + s


@program(V)
def named_tuples_and_deques(x):
    Point = namedtuple("Point", "u v")
    p = Point(x[0], x[1:] * 2)
    p.v[0] = p.u * x[3]
    queue = deque([p.u, *p.v], maxlen=3)
    queue.append(queue[0] * queue[-1])
    groups = defaultdict(float)
    for k, v in enumerate(queue):
        groups[k % 2] += v
    return groups[0] * groups[1]


@program(V)
def decorators(x):
    def doubled(fn):
        @functools.wraps(fn)
        def inner(*args):
            return 2 * fn(*args)

        return inner

    @doubled
    @doubled
    def f(a):
        b = np.zeros(2)
        b[0], b[1] = a[0] * a[1], a[2]
        return b

    return f(x)


@program(V)
def lambdas_on_one_line(x):
    f, g = lambda a: a * 2, lambda a: a * a  # noqa: E731
    return f(x) * g(x) + (lambda a, b=f: b(a))(x)


@program(V)
def match_statement(x):
    def area(shape):
        match shape:
            case ("circle", r):
                return math.pi * r**2
            case {"kind": "box", "sides": [a, b]}:
                return a * b
            case _:
                return 0.0

    return area(("circle", x[0])) + area({"kind": "box", "sides": [x[1], x[2]]}) + area(None)


@program(V)
def loop_variable_rebinds_array(x):
    u = x
    for k in range(3):
        u = u * 1.0
        v = u
        v[k] = x[3] * k + u[0]
    return u * v


@program(V)
def assert_print_and_format(x):
    loss = np.sum(x**2)
    text = f"{loss:.3f} {x} {loss!r}" + str(x[0]) + "%g" % 1.0  # noqa: UP031
    assert isinstance(text, str) and loss > 0, text
    return loss


@program(V)
def isinstance_branches(x):
    if isinstance(x, np.ndarray) and x.dtype == np.float64 and x.ndim == 1:
        s = x[0]
        if isinstance(s, float) and isinstance(s, np.floating) and not isinstance(s, np.ndarray):
            return s * x
    return 0.0 * x
