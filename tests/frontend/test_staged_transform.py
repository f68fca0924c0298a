"""The staged flavour, with hooks that mean what Python means: nothing may change."""

import copy
import os
import traceback
import types

import pytest

import adjoint.frontend
from adjoint.frontend import why_not_rewritten
from tests import adversarial
from tests.adversarial import algorithms, kinds, language, stores
from tests.frontend import plain_hooks, programs
from tests.frontend.conftest import same
from tests.frontend.plain_hooks import PLAIN, resolver
from tests.frontend.programs import PROGRAMS

FOLDER = os.path.dirname(adjoint.frontend.__file__)
OURS = (FOLDER, plain_hooks.__file__, __file__)


def outcome(fn, arguments):
    """The result, or the error."""
    try:
        return fn(*arguments), None
    except Exception as error:
        return None, error


def lines(error):
    """The user's lines that an error went through; expressions may have become lambdas."""
    found = []
    for frame, line in traceback.walk_tb(error.__traceback__):
        code = frame.f_code
        if code.co_filename.startswith(OURS):
            continue
        where = (code.co_filename, line)
        if found[-1:] != [where]:
            found.append(where)
    return found


def check(fn, arguments=(), new=None):
    """Run a function as it is and rewritten, and compare."""
    given = copy.deepcopy(arguments)
    expected, error = outcome(fn, arguments)
    result, new_error = outcome(new or rewritten(fn), given)
    if error is None:
        if new_error is not None:
            raise new_error
        assert same(result, expected), (result, expected)
        return
    assert type(new_error) is type(error), (new_error, error)
    assert str(new_error) == str(error)
    assert lines(new_error) == lines(error)
    if error.__cause__ is not None:
        assert lines(new_error.__cause__) == lines(error.__cause__)


def rewritten(fn):
    new = resolver.resolve(fn)
    assert new is not fn, why_not_rewritten(fn, PLAIN)
    return new


# --------------------------------------------------------------------------------- whole programs


@pytest.mark.parametrize(
    "entry", PROGRAMS, ids=lambda entry: getattr(entry[0], "__name__", "partial")
)
def test_programs(entry, plain):
    check(*entry)


CASES = [*language.program, *kinds.program, *algorithms.program, *stores.program]


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_adversarial_programs(case, plain):
    check(case.fn, case.args)


def test_every_function_is_rewritten():
    found = 0
    for module in (programs, adversarial.language):
        for value in list(vars(module).values()):
            for fn in vars(value).values() if isinstance(value, type) else [value]:
                fn = getattr(fn, "__func__", fn)
                if (
                    isinstance(fn, types.FunctionType)
                    and fn.__code__.co_filename == module.__file__
                ):
                    assert why_not_rewritten(fn, PLAIN) is None
                    found += 1
    assert found > 100
