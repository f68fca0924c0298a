"""Every program of the tables: value, derivatives in every mode, arguments untouched."""

import copy
import dataclasses

import numpy as np
import pytest

import adjoint as ad
from adjoint.eager import Recorded
from tests import harness
from tests.adversarial import algorithms, kinds, language, stores

PROGRAMS = [*stores.program, *language.program, *kinds.program, *algorithms.program]
SECOND = [p for p in PROGRAMS if p.order >= 2]


def _name(case):
    return case.name


def _protected(case):
    """The case with a function that a difference quotient may call: it leaves its arguments alone.

    Traced arguments are passed as they are: that the caller's arrays survive is for us to see to.
    """

    def fn(*args):
        if not any(isinstance(a, Recorded) for a in args):
            args = copy.deepcopy(args)
        return case.fn(*args)

    return dataclasses.replace(case, fn=fn)


def test_there_are_enough_programs():
    assert len(PROGRAMS) >= 60
    assert len({p.name for p in PROGRAMS}) == len(PROGRAMS)


@pytest.mark.parametrize("case", PROGRAMS, ids=_name)
def test_first_order(case):
    before = copy.deepcopy(case.args)
    harness.check_first_order(_protected(case))
    assert all(np.array_equal(a, b) for a, b in zip(case.args, before)), "an argument was changed"


@pytest.mark.parametrize("case", SECOND, ids=_name)
def test_second_order(case):
    before = copy.deepcopy(case.args)
    harness.check_second_order(_protected(case))
    assert all(np.array_equal(a, b) for a, b in zip(case.args, before)), "an argument was changed"


@pytest.mark.parametrize("case", PROGRAMS, ids=_name)
def test_direct_call(case):
    """Without the harness's wrapper: the user's function itself is what is transformed."""
    before = copy.deepcopy(case.args)
    plain = case.fn(*copy.deepcopy(case.args))
    value, pullback = ad.vjp(case.fn, *case.args)
    assert all(np.array_equal(a, b) for a, b in zip(case.args, before)), "an argument was changed"
    plain_leaves = list(plain) if isinstance(plain, tuple) else [plain]
    leaves = list(value) if isinstance(value, tuple) else [value]
    for got, want in zip(leaves, plain_leaves, strict=True):
        # A Python float may come back as one, or as NumPy's: both are floats.
        assert isinstance(got, np.ndarray) == isinstance(want, np.ndarray)
        np.testing.assert_allclose(got, want, rtol=1e-12)
        assert not isinstance(got, Recorded)
    ones = tuple(np.ones_like(v) if harness.has_derivative(v) else v for v in leaves)
    once = pullback(ones if isinstance(value, tuple) else ones[0])
    twice = pullback(ones if isinstance(value, tuple) else ones[0])
    for a, b, x in zip(once, twice, case.args, strict=True):
        np.testing.assert_array_equal(a, b, err_msg="the second pullback differs from the first")
        assert type(a) in (np.ndarray, float, np.float64, np.float32, np.complex128)
        if isinstance(a, np.ndarray):
            assert a.flags.writeable and a.flags.owndata and not np.may_share_memory(a, x)
