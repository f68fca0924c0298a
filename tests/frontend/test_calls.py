"""What calls in rewritten code reach."""

import abc
import collections
import contextlib
import dataclasses
import enum
import functools
import itertools
import math
import timeit
import typing

import numpy as np
import pytest

from adjoint import frontend
from adjoint.frontend import policy
from tests.frontend.conftest import Refused, Traced


def hit(*args):
    """Replaced in these tests: shows whether the code around a call was rewritten."""
    return "plain"


@pytest.fixture(autouse=True)
def probe(bare_registry):
    frontend.register(hit, lambda *args: "hooked")


def probing(x=None):
    return hit(x)


def run(fn, *args, **kwargs):
    return frontend.call(fn, *args, **kwargs)


def test_replacements():
    frontend.register(math.sin, lambda x: ("sin", x))
    frontend.register(float, lambda x: ("float", x))
    frontend.register(np.zeros, lambda n: ("zeros", n))
    frontend.register(np.add, lambda a, b: ("add", a, b))

    def f(x):
        return math.sin(x), float(x), np.zeros(2), np.add(1, 2), isinstance(1.0, float)

    assert run(f, 1) == (("sin", 1), ("float", 1), ("zeros", 2), ("add", 1, 2), True)
    assert f(1)[1] == 1.0
    frontend.unregister(float)
    assert run(f, 1)[1] == 1.0
    assert math.sin in frontend.replacements and float not in frontend.replacements


def test_unhashable_callables():
    class Unhashable:
        __hash__ = None

        def __eq__(self, other):
            raise AssertionError("compared")

        def __call__(self):
            return hit()

    one = Unhashable()
    assert run(one) == "hooked"
    assert run(lambda: one()) == "hooked"
    frontend.register(one, lambda: "replaced")
    assert run(one) == "replaced"
    frontend.unregister(one)
    assert run(one) == "hooked"


def test_user_functions_all_the_way_down():
    def outer():
        return middle()

    def middle():
        return [probing() for _ in range(1)][0]

    assert outer() == "plain" and run(outer) == "hooked"


def test_library_functions_run_as_they_are():
    import shutil
    import statistics
    import textwrap

    for fn in (textwrap.dedent, statistics.mean, shutil.which, np.isscalar, len):
        assert frontend.resolve(fn) is fn
        assert frontend.resolve(fn) is fn
    assert frontend.resolve(frontend.rewrite) is frontend.rewrite


def test_library_functions_run_as_they_are_even_if_rewritten_once():
    from adjoint.frontend import rewrite

    assert rewrite(np.linalg.norm.__wrapped__) is not np.linalg.norm.__wrapped__
    fn = np.linalg.norm.__wrapped__
    assert frontend.resolve(fn) is fn


def test_user_module_named_like_a_library_one(define):
    module = define("def f():\n    return [1]\n", name="queue_")
    module.__name__ = "queue"
    assert policy.is_user_code(module.f)


def test_methods():
    class C:
        def plain(self):
            return hit()

        @classmethod
        def of_class(cls):
            return hit(cls)

        @staticmethod
        def static():
            return hit()

        def __call__(self):
            return hit()

        cached = functools.lru_cache(plain)

    c = C()
    for fn in (c.plain, C.of_class, c.of_class, c.static, c):
        assert fn() == "plain" and run(fn) == "hooked"
    assert run(C.plain, c) == "hooked"
    assert run(lambda: c.plain()) == "hooked"


def test_partial():
    f = functools.partial(functools.partial(lambda *a, **k: (hit(), a, k), 1, b=2), 3, c=4)
    assert run(f, 5, c=6) == ("hooked", (1, 3, 5), {"b": 2, "c": 6})
    plain = functools.partial(max, 1)
    assert run(functools.partial(len, [1])) == 1 and run(plain, 2) == 2


def test_caches(traced):
    calls = []

    @functools.lru_cache
    def f(x, y=None):
        calls.append(x)
        return hit()

    assert run(f, 1) == "plain" and run(f, 1) == "plain" and calls == [1]
    t = Traced(1.0)
    assert run(f, t) == "hooked" and run(f, t) == "hooked" and len(calls) == 3
    assert run(f, 1, y=(t,)) == "hooked"
    assert f.cache_info().currsize == 1

    class C:
        @functools.cache
        def m(self, x):
            return hit()

    c = C()
    assert run(c.m, t) == "hooked" and run(c.m, 1) == "plain"


def test_singledispatch():
    @functools.singledispatch
    def f(x):
        return "object", hit()

    @f.register
    def _(x: int):
        return "int", hit()

    class Pretends:
        __class__ = int

    assert run(f, "a") == ("object", "hooked") and run(f, 1) == ("int", "hooked")
    assert run(f, Pretends()) == ("int", "hooked")
    with pytest.raises(TypeError, match="requires at least 1 positional argument"):
        run(f)


def test_context_manager_functions():
    @contextlib.contextmanager
    def scope():
        yield hit()

    def f():
        with scope() as value:
            return value

    assert f() == "plain" and run(f) == "hooked"


class Plain:
    def __init__(self, x, *, k=1):
        self.x = x, k, hit()


class WithNew(Plain):
    def __new__(cls, *args, **kwargs):
        self = super().__new__(cls)
        self.made = hit()
        return self


class Other:
    def __new__(cls):
        return hit()


class Abstract(abc.ABC):
    def __init__(self):
        self.seen = hit()

    @abc.abstractmethod
    def needed(self): ...


class Concrete(Abstract):
    def needed(self):
        return 1


@dataclasses.dataclass
class Data:
    x: int
    y: int = 2
    seen: str = "no"

    def __post_init__(self):
        self.seen = hit()


@dataclasses.dataclass(frozen=True)
class Frozen:
    x: int

    def __post_init__(self):
        object.__setattr__(self, "x", hit())


@dataclasses.dataclass(slots=True)
class Slotted:
    x: int

    def __post_init__(self):
        self.x = "ran"


class MyList(list):
    def __init__(self, *items):
        super().__init__(items)
        self.append(hit())


class MyError(ValueError):
    def __init__(self, code):
        super().__init__(f"code {code}", hit())


class Point(typing.NamedTuple):
    x: int
    y: int = 5


class Color(enum.Enum):
    RED = 1


class NoInit:
    pass


class BadInit:
    def __init__(self):
        return hit()


class Generic(typing.Generic[typing.TypeVar("T")]):
    def __init__(self, x):
        self.x = hit()


def test_classes():
    one = run(Plain, 1, k=2)
    assert type(one) is Plain and one.x == (1, 2, "hooked")
    two = run(WithNew, 1)
    assert two.made == "hooked" and two.x == (1, 1, "hooked")
    assert run(Other) == "hooked"
    assert run(Concrete).seen == "hooked"
    with pytest.raises(TypeError, match="abstract"):
        run(Abstract)
    assert run(MyList, 1, 2) == [1, 2, "hooked"]
    assert run(MyError, 3).args == ("code 3", "hooked")
    assert run(Generic, 1).x == "hooked"
    assert run(lambda: Plain(4)).x == (4, 1, "hooked")


def test_dataclasses():
    assert run(Data, 1) == Data(1, 2, "hooked") or run(Data, 1).seen == "hooked"
    assert vars(run(Data, 1)) == {"x": 1, "y": 2, "seen": "hooked"}
    assert run(Frozen, 1).x == "hooked" and vars(run(Frozen, 1)) == {"x": "hooked"}
    assert run(Slotted, 1).x == "ran"


def test_classes_called_as_they_are():
    assert run(Point, 1) == (1, 5)
    assert run(Color, 1) is Color.RED
    assert type(run(NoInit)) is NoInit
    assert run(dict, a=1) == {"a": 1} and run(type, 1) is int
    assert run(collections.OrderedDict, a=1)["a"] == 1
    with pytest.raises(TypeError):
        run(NoInit, 1)
    with pytest.raises(TypeError):
        run(Plain)
    with pytest.raises(TypeError, match="should return None, not 'str'"):
        run(BadInit)


def test_metaclass_with_call():
    class Meta(type):
        def __call__(cls, *args):
            return "meta"

        __hash__ = None

    class K(metaclass=Meta):
        def __init__(self):
            raise AssertionError

    assert run(K) == "meta"


def test_functions_given_to_functions():
    assert list(run(lambda: map(probing, [1]))) == ["hooked"]
    assert run(lambda: list(filter(lambda v: hit() == "hooked", [1]))) == [1]
    assert run(lambda: list(filter(None, [0, 1]))) == [1]
    assert run(functools.reduce, lambda a, b: a + probing(), ["", 1, 2]) == "hookedhooked"
    log = []

    def key(v):
        log.append(hit())
        return v

    assert run(sorted, [2, 1], key=key) == [1, 2]
    assert run(min, [2, 1], key=key) == 1 and run(max, 2, 1, key=key) == 2
    items = [2, 1]
    run(lambda: items.sort(key=key, reverse=True))
    assert items == [2, 1] and set(log) == {"hooked"} and len(log) == 8
    assert list(run(itertools.accumulate, ["a", 1], lambda a, b: hit())) == ["a", "hooked"]
    assert list(run(itertools.starmap, probing, [(1,)])) == ["hooked"]
    assert run(np.vectorize, probing)([1]).tolist() == ["hooked"]
    assert run(np.frompyfunc, probing, 1, 1)([1]).tolist() == ["hooked"]
    assert run(np.fromfunction, lambda i: [hit()], (1,)) == ["hooked"]
    assert run(np.apply_along_axis, lambda v: hit(), 0, np.ones(2)) == "hooked"
    x = np.array([1.0, -1.0])
    marks = []
    run(np.piecewise, x, [x > 0, x < 0], [lambda v: marks.append(hit()) or v, 2])
    assert marks == ["hooked"]


def test_type_replacements():
    frontend.register_type(np.vectorize, lambda obj, *args: ("vectorized", args))

    def f():
        return np.vectorize(probing)(3)

    assert run(f) == ("vectorized", (3,))


def test_what_is_not_callable():
    def f(x):
        return x(1)

    with pytest.raises(TypeError, match="'int' object is not callable"):
        run(f, 3)
    with pytest.raises(TypeError, match="'NoneType' object is not callable"):
        run(f, None)


def test_super_is_left_alone():
    class A:
        def m(self):
            return hit()

    class B(A):
        def m(self):
            return super().m()

    assert run(B().m) == "hooked"


class WithProperties:
    @property
    def name(self):
        return hit()

    @functools.cached_property
    def cached(self):
        return hit(), []

    @property
    def settable(self):
        return self._value

    @settable.setter
    def settable(self, value):
        self._value = value

    @property
    def failing(self):
        return self.absent


class WithGetattr(WithProperties):
    def __getattr__(self, name):
        return "from getattr"


class NoProperty:
    name = "a plain attribute"


def test_properties():
    def f(obj):
        return obj.name

    assert run(f, WithProperties()) == "hooked" and run(f, WithGetattr()) == "plain"
    assert run(f, NoProperty()) == "a plain attribute"
    assert run(f, NoProperty) == "a plain attribute"
    assert run(f, WithProperties) is WithProperties.name

    def g(obj):
        return obj.cached

    obj = WithProperties()
    assert run(g, obj)[0] == "hooked" and run(g, obj) is obj.cached

    def h(obj):
        obj.settable = 1
        obj.settable += 2
        return obj.settable

    assert run(h, WithProperties()) == 3

    def failing(obj):
        return obj.failing

    with pytest.raises(AttributeError, match="'WithProperties' object has no attribute 'absent'"):
        run(failing, WithProperties())
    assert run(failing, WithGetattr()) == "from getattr"
    with pytest.raises(AttributeError, match="'int' object has no attribute 'failing'"):
        run(failing, 1)


def test_refused_store_in_helper(traced):
    def fill(a, v):
        a[0] = v

    def f(v):
        fill(np.zeros(3), v)

    with pytest.raises(Refused):
        run(f, Traced(1.0))


def cost_loop(f, items):
    for x in items:
        f(x)


@pytest.mark.parametrize("fn", [probing, np.isscalar, math.floor, np.float64(1).__add__])
def test_cost_of_the_hook(fn):
    """Well below a microsecond; the bound leaves room for a busy machine."""
    items = [1.0] * 1000

    def per_call(loop):
        return min(timeit.repeat(lambda: loop(fn, items), number=5, repeat=7)) / 5 / len(items)

    assert per_call(frontend.rewrite(cost_loop)) - per_call(cost_loop) < 1e-6
