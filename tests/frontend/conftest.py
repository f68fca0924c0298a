"""What the tests of the front end share: a stand-in for the layer of arrays."""

from __future__ import annotations

import contextlib
import linecache
import sys
import types

import numpy as np
import pytest

from adjoint import frontend
from adjoint.frontend import calls, higher_order, resolver
from adjoint.ops import registry


class Traced:
    """A number that NumPy must not swallow."""

    def __init__(self, value):
        self.value = value

    def __array__(self, dtype=None, copy=None):
        raise TypeError("a traced value became an array")

    def __float__(self):
        raise TypeError("a traced value became a float")

    def __add__(self, other):
        return Traced(self.value + getattr(other, "value", other))

    __radd__ = __add__

    def __mul__(self, other):
        return Traced(self.value * getattr(other, "value", other))

    __rmul__ = __mul__
    __array_ufunc__ = None


class Owned:
    """An adopted array: it can hold traced values."""

    def __init__(self, array):
        self.items = array.astype(object)

    def __getitem__(self, index):
        return self.items[index]

    def __setitem__(self, index, value):
        if isinstance(value, Traced):
            self.items.flat[index] = None
            flat = self.items.reshape(-1)
            flat[index] = value
        else:
            self.items[index] = value


class Refused(Exception):
    """Carries what `store_refused` was told."""


def _refuse(target, index, value):
    raise Refused(target, index, value)


@pytest.fixture
def traced():
    """Configure the front end with the stand-ins, and give it back as it was."""
    former = frontend.configure(
        own=Owned, is_traced=lambda value: type(value) is Traced, store_refused=_refuse
    )
    yield Traced
    frontend.configure(**former)


@pytest.fixture
def plain():
    """Configure the front end so that adoption changes nothing."""
    former = frontend.configure(own=lambda value: value, is_traced=lambda value: False)
    yield
    frontend.configure(**former)


@pytest.fixture(autouse=True)
def bare_registry():
    """Only what the front end itself registers, whatever other layers have been imported."""
    # Without LAZY no other layer is loaded meanwhile, whose registrations would be lost after it.
    tables = [resolver.registered, calls.replacements, calls.type_replacements, registry.LAZY]
    for each in resolver.resolvers:
        tables += [each.known, each.guards]
    saved = [dict(table) for table in tables]
    for table in tables:
        table.clear()
    higher_order.register_all()
    yield
    for table, content in zip(tables, saved):
        table.clear()
        table.update(content)


@contextlib.contextmanager
def defined():
    """Run source text as a module of its own, with its lines where `linecache` finds them."""
    names = []

    def run(text, name="adjoint_test_module", filename=None):
        filename = filename or f"<test {name} {len(names)}>"
        linecache.cache[filename] = (len(text), None, text.splitlines(keepends=True), filename)
        module = types.ModuleType(name)
        exec(compile(text, filename, "exec"), vars(module))
        sys.modules[name] = module
        names.append((name, filename))
        return module

    try:
        yield run
    finally:
        for name, filename in names:
            sys.modules.pop(name, None)
            linecache.cache.pop(filename, None)


@pytest.fixture
def define():
    """Run source text as a module of its own."""
    with defined() as run:
        yield run


def same(one, other):
    """Whether two results are equal, arrays element by element."""
    if isinstance(one, np.ndarray) or isinstance(other, np.ndarray):
        return np.array_equal(one, other)
    if isinstance(one, tuple | list) and type(one) is type(other):
        return len(one) == len(other) and all(map(same, one, other))
    return type(one) is type(other) and one == other
