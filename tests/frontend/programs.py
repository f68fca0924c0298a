"""Programs that use every statement and expression of Python.

Each is called with its arguments, once as it is and once rewritten.
"""

# ruff: noqa: F821, F841, F842, UP031

import asyncio
import contextlib
import functools
import math

import numpy as np

PROGRAMS = []


def program(*arguments):
    def add(fn):
        PROGRAMS.append((fn, arguments))
        return fn

    return add


def helper(x, *rest, key=0, **more):
    """A user's function, called by the others."""
    return (x, rest, key, sorted(more.items()))


# ------------------------------------------------------------------------------------- calls


@program(2.0)
def plain_calls(x):
    return math.sin(x), float(x), int(3.7), len([1, 2]), np.sqrt(x), helper(x)


@program(1)
def arguments_of_all_kinds(x):
    rest, more = [2, 3], {"a": 1}
    return helper(x, *rest, 4, *(5,), key=6, **more, b=7, **{"c": 8})


@program(1, 2, 3)
def signature(a, /, b, c=4, *d, e=5, f, **g):
    return a, b, c, d, e, f, g


PROGRAMS.pop()
PROGRAMS.append((functools.partial(signature, 1, 2, f=9), ()))
PROGRAMS.append((functools.partial(signature, 1, 2, 3, 4, e=0, f=9, z=1), ()))
PROGRAMS.append((signature, (1,)))  # a TypeError that names the function


@program("abc")
def method_calls(s):
    return s.upper().replace("A", "x").split("x"), [].append(1), {}.get(1, 2)


@program(3)
def call_of_call(n):
    def adder(k):
        return lambda x: x + k

    return adder(n)(4), (lambda: 5)(), [adder][0](1)(2)


@program()
def frame_sensitive_builtins():
    a = 1
    names = sorted(locals())
    inside = [sorted(locals().keys()) for b in (1,)]
    return names, inside, eval("a + 1"), sorted(vars()), sorted(dir()), "helper" in globals()


@program()
def exec_in_namespace():
    space = {}
    exec("x = 1 + 1", {}, space)
    return space


# ------------------------------------------------------------------------------------- stores


@program(3)
def item_assignment(n):
    a = np.zeros((n, n))
    a[0] = 1
    a[1, :2] = [5, 6]
    a[..., -1] = 7
    a[a > 6] = 8
    a[[0, 1], [1, 0]] = np.array([9, 10])
    a[np.newaxis, 0][0] = 3
    return a


@program()
def item_assignment_elsewhere():
    d, items = {}, [0, 0, 0]
    d["k"] = items[0] = d[2] = 5
    items[1:] = [7, 8, 9]
    d["k"] += 1
    items[0] -= 2
    del d[2], items[1]
    return d, items


@program()
def unpacking_targets():
    a, d = [0, 0, 0], {}
    a[0], a[1] = 1, 2
    (d["x"], (a[2], *d["rest"])), *last = (3, (4, 5, 6)), 7, 8
    [d[i], d[j]] = [i, j] = 1, 2
    for a[0], d["loop"] in [(1, 2), (3, 4)]:
        pass
    with contextlib.nullcontext((5, 6)) as (a[1], d["with"]):
        pass
    return a, d, last, [a[2] for a[2] in (7, 8)], i, j


@program()
def augmented_names():
    a, b, c = 1, 2.0, [1]
    a += 1
    a -= 2 * a
    b *= helper(3.0)[0]
    b /= 2
    b **= 2
    a //= -2
    a %= 5
    a <<= 3
    a >>= 1
    a |= 1
    a &= 7
    a ^= 2
    alias = c
    c += [2]
    m = np.eye(2)
    kept = m
    m @= np.array([[1.0, 2], [3, 4]])
    m += 1
    return a, b, c, alias is c, m, kept is m


class Box:
    """An object with attributes."""

    total = 0


@program()
def augmented_attributes_and_items():
    box, table = Box(), {"k": np.zeros(3)}
    box.total += 2
    box.array = np.ones(2)
    box.array += 1
    box.array[0] *= 5
    table["k"][1] += 4
    table["k"] += 1
    table["k"][::2] **= 2
    box.total -= len(table)
    return box.total, box.array, table["k"]


@program()
def annotated():
    a: int = helper(1)[0]
    b: undefined_name
    items: list = [0]
    items[0]: int = 5
    box = Box()
    box.total: float = 2.0
    return a, items, box.total


@program()
def deletions():
    a, b, box = [1, 2, 3], 1, Box()
    box.x = 1
    del a[0], b, box.x
    return a, hasattr(box, "x")


@program()
def adopted_arrays():
    w, v = np.arange(4.0), np.ones(4)
    a = w * 2
    b = -w
    c, d = w + v, w @ v
    e = np.dot(w, v) if len(w) > 4 else w - 1
    f: np.ndarray = w.copy()
    g = h = w[[1, 0, 2]]
    if (walrus := w / 2).size:
        walrus[0] = 5
    view = a[1:]
    view[0] = 9
    a[0], b[1], c[2], e[0], f[1], g[0] = 1, 2, 3, 4, 5, 6
    q, r = np.linalg.qr(np.eye(2) * 2.0)
    r[0] = 1
    d += 1
    return w, a, b, c, d, e, f, g, h is g, walrus, q, r


# ------------------------------------------------------------------------------- control flow


@program(7)
def loops(n):
    out = []
    for i in range(n):
        if i == 2:
            continue
        elif i > 4:
            break
        else:
            out.append(i)
    else:
        out.append("no")
    while n:
        n -= 1
        if n == 3:
            break
    else:
        out.append("never")
    for _ in ():
        pass
    else:
        out.append("else")
    return out, n


@program(0)
@program(1)
@program("x")
def exceptions(x):
    log = []
    try:
        log.append(1 / x)
    except ZeroDivisionError as error:
        log.append(str(error))
    except (TypeError, ValueError):
        try:
            raise KeyError("inner") from None
        except KeyError as error:
            log.append(error.__cause__)
            log.append(error.args)
    else:
        log.append("else")
    finally:
        log.append("finally")
    return log


@program()
def exception_groups():
    log = []
    try:
        raise ExceptionGroup("g", [ValueError(1), TypeError(2), KeyError(3)])
    except* ValueError as group:
        log.append(len(group.exceptions))
    except* (TypeError, KeyError) as group:
        log.append([type(e).__name__ for e in group.exceptions])
    return log


@program()
def returns_from_finally():
    def inner():
        for i in range(3):
            try:
                return helper(i)
            finally:
                if i < 2:
                    continue

    return inner()


@program()
def context_managers():
    log = []

    @contextlib.contextmanager
    def scope(name):
        log.append("enter " + name)
        try:
            yield name
        finally:
            log.append("exit " + name)

    with scope("a") as a, scope("b") as b:
        log.append(a + b)
    with (
        scope("c"),
        scope("d"),
    ):
        pass
    with contextlib.suppress(ValueError):
        raise ValueError
    return log


@program({"kind": "point", "at": [1, 2]})
@program([1, 2, 3])
@program(Box())
@program(("x", 5))
@program(-3)
@program(None)
def matching(subject):
    match subject:
        case {"kind": "point", "at": [x, y], **rest}:
            return x, y, rest
        case [first, *others] if len(others) > 1:
            return first, others
        case Box(total=0) as box:
            return box.total
        case ("x" | "y") as name, int(number):
            return name, number
        case -3 | 4:
            return "number"
        case math.pi:
            return "pi"
        case _:
            return helper(subject)


@program(5)
def assertions(n):
    assert n > 3, helper(n)
    assert helper(n)
    return n


@program(1)
def failing_assertion(n):
    assert n > 3, f"{n} is {helper(n)[0]}"


# -------------------------------------------------------------------------------- expressions


@program(3, 4)
def operators(a, b):
    return (
        a + b, a - b, a * b, a / b, a // b, a % b, a**b, a << b, a >> b, a | b, a & b, a ^ b,
        -a, +a, ~a, not a, a < b <= 5 != 6, a is b, a is not b, a in [b], a not in [b],
        a and b or 0, a if b else b, np.eye(2) @ np.ones(2),
    )  # fmt: skip


@program(5)
def comprehensions(n):
    squares = [i * i for i in range(n) if i % 2 if i > 1]
    nested = [(i, j) for i in range(n) for j in range(i)]
    inner = [[helper(j)[0] for j in range(i)] for i in range(3)]
    return (
        squares, nested, inner, {i % 3 for i in range(n)}, {i: str(i) for i in range(n)},
        sum(i for i in range(n)), sorted((-i for i in range(n)), key=lambda v: v % 3),
        [last := i for i in range(n)], last, n,
    )  # fmt: skip


@program(12.3456)
def strings(x):
    width = 10
    return (
        f"{x:.2f} {x!r:>{width}} {helper(x)[0]=} {{}} {'nested ' + str(x)}",
        "a" "b", rb"\d", "%s" % x, f"{(lambda v: v + 1)(x)}", "é".encode(),
    )  # fmt: skip


@program([1, 2, 3, 4])
def displays_and_slices(a):
    first, *rest = a
    return (
        [*a, *rest], (*a, 0), {*a}, {**{"k": 1}, "j": 2}, a[1:], a[::-1], a[:-1:2], a[-1],
        np.arange(6).reshape(2, 3)[:, 1:][..., 0], slice(1), ..., first, 1_000, 0x1F, 1j,
        True, None, b"bytes",
    )  # fmt: skip


@program(4)
def walrus(n):
    total = 0
    while (n := n - 1) > 0:
        total += n
    return total, (y := helper(n)), y, [z for k in range(4) if (z := k * 2) > 2], z


@program(3)
def lambdas(n):
    return (lambda: n)(), (lambda a, *b, c=n, **d: (a, b, c, d))(1, 2, e=3), (lambda x: (yield))


PROGRAMS.pop()


@program(3)
def lambdas_on_one_line(n):
    f, g, h = (lambda x: x + n), (lambda x: x + n), (lambda x: lambda y: x - y)
    return f(1), g(2), h(3)(4), [k(5) for k in (lambda x: x, lambda x: -x, lambda x: x * n)]


# ---------------------------------------------------------------------------------- functions


@program(6)
def recursion(n):
    def factorial(k):
        return 1 if k < 2 else k * factorial(k - 1)

    return factorial(n), fibonacci(n)


def fibonacci(n):
    return n if n < 2 else fibonacci(n - 1) + fibonacci(n - 2)


@program()
def closures_and_nonlocal():
    count = 0
    history = []

    def bump(by=1):
        nonlocal count
        count += by
        history.append(lambda: count)
        return count

    return bump(), bump(5), count, [h() for h in history]


COUNTER = 0


@program()
def globals_():
    global COUNTER, fresh_global
    COUNTER = 0
    COUNTER += 2
    fresh_global = np.ones(2) * 2
    fresh_global[0] = 3
    return COUNTER, fresh_global, type(fresh_global)


@program()
def nested_decorators():
    log = []

    def loud(prefix):
        def decorate(fn):
            @functools.wraps(fn)
            def wrapper(*args):
                log.append(prefix + fn.__name__)
                return fn(*args)

            return wrapper

        return decorate

    @loud("a ")
    @loud("b ")
    def add(x, y=helper(2)[0]) -> "undefined":
        """Adds."""
        return x + y

    return add(1), log, add.__name__, add.__doc__, add.__qualname__, add.__annotations__


@program(4)
def generators(n):
    def count(k):
        received = []
        for i in range(k):
            received.append((yield i))
        return received

    def delegate(k):
        result = yield from count(k)
        yield result

    g = delegate(n)
    return next(g), g.send("x"), list(g), list(count(2))


@program(3)
def is_a_generator(n):
    for i in range(n):
        yield helper(i)


PROGRAMS.pop()


@program(3)
def consumes_generator(n):
    return list(is_a_generator(n)), [*is_a_generator(1)]


@program(3)
def asynchronous(n):
    class Manager:
        async def __aenter__(self):
            return "in"

        async def __aexit__(self, *info):
            return None

    async def numbers(k):
        for i in range(k):
            await asyncio.sleep(0)
            yield i

    async def main():
        got = [i async for i in numbers(n)]
        async with Manager() as m:
            got.append(m)
        async for i in numbers(2):
            got.append(-i)
        got.append(await asyncio.gather(double(1), double(2)))
        return got, {i: await double(i) async for i in numbers(2)}

    async def double(x):
        return helper(x)[0] * 2

    return asyncio.run(main())


# ------------------------------------------------------------------------------------ classes


class Base:
    __secret = "base"

    def __init__(self, x, *, scale=1):
        self.x = x * scale
        self.__hidden = helper(x)[0]

    def value(self, y=1):
        return self.x + y

    @classmethod
    def make(cls, x):
        return cls(x, scale=2)

    @staticmethod
    def twice(x):
        return 2 * x

    @property
    def hidden(self):
        return self.__hidden

    def mangled(self):
        __local = [self.__secret]
        __local[0] += "!"
        return [__local, (lambda: self.__hidden)(), [self.__secret for _ in (1,)]]


class Derived(Base):
    __secret = "derived"

    def __init__(self, x, *, scale=3):
        super().__init__(x, scale=scale)
        self.extra = __class__.__name__

    def value(self, y=1):
        def inner():
            return super(Derived, self).value(y)

        return super().value(y) * 10 + inner()

    @classmethod
    def make(cls, x):
        return super().make(x + 1)

    def mangled(self):
        return super().mangled(), self.__secret, self._Base__secret

    def __call__(self, y):
        return self.value(y)


@program(5)
def classes(x):
    d = Derived(x)
    return d.x, d.value(), d.value(y=2), d.extra, d.hidden, d.mangled(), d(3), d.twice(4)


@program(5)
def class_methods(x):
    return Derived.make(x).x, Base.make(x).value(1), Base.twice(3), Base.value(Base(1), 2)


PROGRAMS.append((Derived(2).value, (3,)))
PROGRAMS.append((Derived(2).mangled, ()))
PROGRAMS.append((Base.twice, (3,)))


@program(5)
def local_classes(x):
    class Meta(type):
        def __new__(mcls, name, bases, space, tag=None):
            space["tag"] = tag
            return super().__new__(mcls, name, bases, space)

        def __init__(cls, name, bases, space, **kw):
            super().__init__(name, bases, space)

    class Local(Base, metaclass=Meta, tag=helper(x)[0]):
        """Local class."""

        table = [0, 0]
        table[1] = x
        double = [2 * t for t in table]
        x += 1
        __private = x

        def value(self, y=0):
            return super().value(y), self.__private, __class__ is Local

        class Inner:
            def name(self):
                return type(self).__qualname__

    return (
        Local(1).value(), Local.tag, Local.table, Local.double, Local.x, Local.__doc__,
        Local.__qualname__, Local.Inner().name(), Local.value.__qualname__, Local.__module__,
        sorted(k for k in vars(Local) if "private" in k),
    )  # fmt: skip


PROGRAMS[-1] = (lambda x: local_classes_with_class_scope(x), (5,))


def local_classes_with_class_scope(x):
    class Meta(type):
        def __new__(mcls, name, bases, space, tag=None):
            space["tag"] = tag
            return super().__new__(mcls, name, bases, space)

        def __init__(cls, name, bases, space, **kw):
            super().__init__(name, bases, space)

    class Local(Base, metaclass=Meta, tag=helper(x)[0]):
        """Local class."""

        table = [0, 0]
        table[1] = COUNTER
        double = [2 * t for t in table]
        n = 1
        n += 1
        __private = n

        def value(self, y=0):
            return super().value(y), self.__private, __class__ is Local

        class Inner:
            def name(self):
                return type(self).__qualname__

    return (
        Local(1).value(), Local.tag, Local.table, Local.double, Local.n, Local.__doc__,
        Local.__qualname__, Local.Inner().name(), Local.value.__qualname__, Local.__module__,
        sorted(k for k in vars(Local) if "private" in k),
    )  # fmt: skip


# ---------------------------------------------------------------------------------- exceptions


@program()
def unbound_local():
    total += 1
    return total


@program()
def unbound_name():
    return undefined_function(1)


@program()
def not_callable():
    return (
        helper
        (1)
        (2)
    )  # fmt: skip


@program()
def wrong_arguments():
    return fibonacci(
        1,
        2,
    )


@program([1])
def chain_over_lines(a):
    return (
        helper(a)[0]
        .copy()
        .index(
            7,
        )
    )


@program([1])
def chain_with_stars(a):
    return (
        a
        .index(*[7])
    )  # fmt: skip


@program()
def imported_module_over_lines():
    return (
        math
        .sqrt(-1)
    )  # fmt: skip


@program()
def bad_index():
    a = [0]
    a[5] = 1


@program()
def bad_array_index():
    return np.zeros(3)[
        helper(5)[0]
    ]  # fmt: skip


@program()
def bad_augmented_item():
    d = {}
    d["missing"] += helper(1)[0]


@program()
def bad_addition():
    a = 1
    a += (
        "x"
    )  # fmt: skip


@program()
def bad_operator():
    w = "text"
    c = w * 2.0
    c[0] = 1


@program()
def error_in_nested():
    def inner(n):
        return [fibonacci(i) for i in range(n)] + helper(n)

    return inner(3)


@program()
def error_in_constructor():
    return Derived(
        1,
        wrong=2,
    )


@program()
def raise_from():
    try:
        fibonacci(None)
    except TypeError as error:
        raise RuntimeError(helper(1)) from error


@program()
def failing_lambda():
    return list(map(lambda v: 1 / v, [1, 0]))
