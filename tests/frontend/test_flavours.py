"""Two flavours side by side: each rewrites for itself, and they share what is registered."""

import contextlib
import dataclasses
import functools

import pytest

from adjoint import frontend
from adjoint.frontend import EAGER, calls, rewrite
from adjoint.frontend.build import is_rewritten
from adjoint.frontend.resolver import Resolver
from adjoint.ir import build
from tests.frontend.plain_hooks import PLAIN, resolver


def hit():
    return "plain"


@pytest.fixture(autouse=True)
def probe(bare_registry):
    """Of both flavours, one has a replacement of its own."""
    frontend.register(hit, lambda: "eager")
    frontend.register(hit, lambda: "staged", flavour=PLAIN)
    yield
    frontend.unregister(hit)


def run(fn, *args, **kwargs):
    return frontend.call(fn, *args, **kwargs), resolver.call(fn, *args, **kwargs)


def test_replacements():
    assert run(lambda: hit()) == ("eager", "staged")
    frontend.register(hit, lambda: "new")  # what a flavour has of its own is left
    assert run(hit) == ("new", "staged")
    frontend.register(len, lambda x: "length")
    assert run(lambda: len([])) == ("length", "length")
    assert Resolver(EAGER).resolve(len)([]) == "length"
    calls.resolvers.pop()
    frontend.unregister(len)
    frontend.unregister(hit)
    assert run(lambda: (len([]), hit())) == ((0, "plain"), (0, "plain"))


def test_unhashable_replacements():
    class Callable(list):
        def __call__(self):
            return hit()

    one = Callable()
    frontend.register(one, lambda: "replaced")
    assert run(lambda: one()) == ("replaced", "replaced")
    frontend.unregister(one)
    assert run(lambda: one()) == ("eager", "staged")


def test_functions_that_are_given_functions():
    probes = [lambda x: hit()]
    assert run(lambda: list(map(probes[0], (1,)))) == (["eager"], ["staged"])
    assert run(lambda: max([1, 2], key=lambda x: hit())) == (1, 1)
    assert run(lambda: next(iter(lambda: hit(), None))) == ("eager", "staged")
    items = [2, 1]
    assert run(lambda: items.sort(key=lambda x: (hit(), x)) or items) == ([1, 2], [1, 2])


def test_every_kind_of_callable():
    class C:
        def __init__(self):
            self.made = hit()

        def method(self):
            return hit()

        @property
        def value(self):
            return hit()

        @functools.cached_property
        def cached(self):
            return hit()

        def __call__(self):
            return hit()

    @dataclasses.dataclass
    class D:
        x: int = 0

        def __post_init__(self):
            self.made = hit()

    @functools.singledispatch
    def dispatched(x):
        return hit()

    @dispatched.register
    def _(x: str):
        return hit(), x

    @contextlib.contextmanager
    def context():
        yield hit()

    def entered():
        with context() as value:
            return value

    both = ("eager", "staged")
    assert run(lambda: C().made) == both
    assert run(C().method) == both and run(C()) == both
    assert run(lambda: D().made) == both
    assert run(dispatched, 1) == both and run(dispatched, "s") == (("eager", "s"), ("staged", "s"))
    assert run(entered) == both
    assert run(functools.partial(C.method, None)) == both
    assert resolver.attribute(C(), "value") == "staged" == resolver.attribute(C(), "cached")


def test_functions_defined_in_the_other_flavour():
    """A function that was made in rewritten code is found again for another flavour."""

    class C:
        __scale = 3

        def make(self, k):
            f, g = (lambda x: x + k), (lambda x: lambda y: x * k * y)

            def loop(n, *, __p=1):
                for j in range(n):
                    if j == 2:
                        return j * self.__scale, __class__.__name__, hit()

            @staticmethod
            def decorated(x):
                return x and hit()

            return f, g, g(2), loop, decorated.__func__

    for old in rewrite(C.make)(C(), 5):
        assert is_rewritten(old.__code__, EAGER.hooks)
        new = resolver.resolve(old)
        assert is_rewritten(new.__code__, PLAIN.hooks), frontend.why_not_rewritten(old, PLAIN)
        expected, got = old(3), new(3)
        if callable(got):
            expected, got = expected(4), resolver.resolve(got)(4)
        assert str(got).replace("staged", "eager") == str(expected)
        assert ("staged" in str(got)) == ("eager" in str(expected))


def test_whose_resolver_implementations_use(monkeypatch):
    def inner():
        return hit()

    assert calls.current() is calls.eager and frontend.call(inner) == "eager"
    monkeypatch.setattr(calls, "staged", resolver)
    with build.building(None):
        assert calls.current() is resolver
        assert frontend.call(inner) == "staged" == frontend.resolve_argument(inner)()
    assert frontend.call(inner) == "eager"
