"""The hooks of the staged flavour with the meaning of plain Python.

What was rewritten into calls of these must do what the user's text does.  They are strict about the
protocol: what is done out of turn, and names that were not announced, are errors.
"""

from __future__ import annotations

import operator
from types import ModuleType

from adjoint.frontend import values
from adjoint.frontend.resolver import Resolver
from adjoint.frontend.rewrite import Flavour
from adjoint.frontend.staged_transform import PYTHONS, staged


class _Unbound:
    def __repr__(self):
        return "UNBOUND"


UNBOUND = _Unbound()


class _Replays:
    """How many passes are still to be run twice.

    A staged loop or branch may run a body more than once, each time from the state before.
    """

    left = 0

    def take(self):
        self.left -= self.left > 0
        return self.left > 0


replays = _Replays()


class _Construct:
    """Carries the values of names from pass to pass, as a staged loop or branch would."""

    def __init__(self, names, targets, local, outer):
        assert type(names) is tuple and type(targets) is tuple and not set(names) & set(targets)
        assert all(type(name) is str for name in (*names, *targets))
        self.names, self.targets = names, targets
        self.inside = False
        self.first = False
        self.local = dict(local)
        self.state = self._picked(local, outer)

    def _picked(self, local, outer):
        assert not set(outer) - {*self.names, *self.targets}
        both = {**local, **outer}
        assert not any(isinstance(value, _Unbound) for value in both.values())
        return {name: both[name] for name in (*self.names, *self.targets) if name in both}

    def _check_others(self, local):
        """What was not announced has not changed."""
        for name in {*local, *self.local} - {*self.names, *self.targets}:
            if " " not in name or name in ("adjoint: returned", "adjoint: result"):
                assert name in local and name in self.local and local[name] is self.local[name], (
                    name
                )

    def _values(self, names):
        return tuple(self.state.get(name, UNBOUND) for name in names)

    def enter(self):
        assert not self.inside
        self.inside = True
        return self._values(self.names)

    def leave(self, local, outer):
        assert self.inside
        self.inside = False
        self._check_others(local)
        if not self.first:
            self.state = self._picked(local, outer)

    def failed(self, error):
        assert isinstance(error, BaseException)
        return False

    def results(self):
        assert not self.inside
        return self._values((*self.names, *self.targets))


class for_loop(_Construct):
    def __init__(self, iterable, names, targets, local, outer):
        super().__init__(names, targets, local, outer)
        self.iterator = iter(iterable)
        self.stop = False

    def __iter__(self):
        return self

    def __next__(self):
        if self.first:
            self.first = False
            return self.item
        assert not self.inside
        if self.stop:
            raise StopIteration
        self.item = next(self.iterator)
        self.first = replays.take()
        return self.item

    def leave(self, local, outer, stop):
        super().leave(local, outer)
        assert stop is True or stop is False
        if not self.first:
            self.stop = stop

    def results(self):
        del self.iterator
        return super().results()


class while_loop(_Construct):
    def __init__(self, names, local, outer):
        super().__init__(names, (), local, outer)
        self.going = True

    def __iter__(self):
        return self

    def __next__(self):
        assert self.inside is not self.going
        if not self.going:
            raise StopIteration
        self.first = not self.first and replays.take()

    def test(self, value):
        assert self.inside
        self.going = bool(value)
        return self.going

    def leave(self, local, outer):
        assert self.going
        super().leave(local, outer)

    def results(self):
        assert self.inside and not self.going
        self.inside = False
        return super().results()


class branch(_Construct):
    def __init__(self, test, names, local, outer):
        super().__init__(names, (), local, outer)
        self.side = bool(test)

    def __iter__(self):
        self.first = replays.take()
        if self.first:
            yield self.side
            self.first = False
        yield self.side


def returned(flag, result):
    assert flag is True or flag is False
    return result if flag else None


def use(name, value):
    assert not isinstance(value, _Unbound)
    return value


def outer(name, value, read):
    again = read()
    assert again is value
    return value


def attribute(instance, name):
    return getattr(instance, name)


def fields(instance):
    return instance


def item(container, index):
    return container[index]


def target(container):
    return container


def and_(first, rest):
    return first and rest()


def or_(first, rest):
    return first or rest()


def not_(value):
    return not value


def if_(test, body, orelse):
    return body() if test else orelse()


def test(value):
    return value


def items(iterable):
    return iterable


_OPERATORS = {
    "<": operator.lt, "<=": operator.le, ">": operator.gt, ">=": operator.ge, "==": operator.eq,
    "!=": operator.ne, "in": lambda a, b: a in b, "not in": lambda a, b: a not in b,
}  # fmt: skip


def compare(left, symbol, right):
    return _OPERATORS[symbol](left, right)


def compare_chain(left, *steps):
    (symbol, operand), *rest = steps
    right = operand()
    result = compare(left, symbol, right)
    return result and compare_chain(right, *rest) if rest else result


def comprehension(kind, iterable, make, keep):
    made = (make(item) for item in iterable if keep is None or keep(item))
    if kind == "generator":
        return made
    return {"list": list, "set": set, "dict": dict}[kind](made)


def assert_(test, message):
    if not test:
        said = message()
        raise AssertionError if said is None else AssertionError(said)


def raised(error):
    return error


_HOOKS = """
UNBOUND for_loop while_loop branch returned use outer attribute fields item target and_ or_ not_ if_
test items compare compare_chain comprehension assert_ raised
""".split()

PLAIN = Flavour(staged, ModuleType("plain_hooks"))
resolver = Resolver(PLAIN)

vars(PLAIN.hooks).update(PYTHONS, **{name: globals()[name] for name in _HOOKS})
vars(PLAIN.hooks).update(
    resolve=resolver.resolve, written=values.written, shown=values.shown, locals=locals
)
