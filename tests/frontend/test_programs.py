"""Rewritten programs do what they did: the same results, the same errors in the same places."""

import traceback
import types

import pytest

import adjoint.frontend
from adjoint import frontend
from tests.frontend import programs
from tests.frontend.conftest import same
from tests.frontend.programs import PROGRAMS

FOLDER = adjoint.frontend.__path__[0]


def name(entry):
    fn, arguments = entry
    return getattr(fn, "__name__", type(fn).__name__)


def outcome(fn, arguments):
    """The result, or the error with every place it went through (our own frames left out)."""
    try:
        return fn(*arguments), None
    except Exception as error:
        return None, error


def places(error):
    found = []
    for frame, line in traceback.walk_tb(error.__traceback__):
        found.append((frame.f_code.co_name, frame.f_code.co_filename, line))
    entries = traceback.extract_tb(error.__traceback__)
    columns = [(e.lineno, e.end_lineno, e.colno, e.end_colno) for e in entries]
    return [
        (where, column)
        for where, column in zip(found, columns)
        if not where[1].startswith(FOLDER) and where[1] != __file__
    ]


@pytest.mark.parametrize("entry", PROGRAMS, ids=name)
def test_same_outcome(entry, plain):
    fn, arguments = entry
    expected, error = outcome(fn, arguments)
    rewritten = frontend.resolve(fn)
    assert rewritten is not fn
    result, new_error = outcome(rewritten, arguments)
    if error is None:
        if new_error is not None:
            raise new_error
        assert same(result, expected), (result, expected)
        return
    assert new_error is not None
    assert type(new_error) is type(error)
    assert str(new_error) == str(error)
    assert places(new_error) == places(error)
    if error.__cause__ is not None:
        assert places(new_error.__cause__) == places(error.__cause__)


def test_every_function_is_rewritten():
    found = 0
    for value in list(vars(programs).values()):
        for fn in vars(value).values() if isinstance(value, type) else [value]:
            fn = getattr(fn, "__func__", fn)
            if isinstance(fn, types.FunctionType) and fn.__code__.co_filename == programs.__file__:
                assert frontend.why_not_rewritten(fn) is None
                found += 1
    assert found > 50
