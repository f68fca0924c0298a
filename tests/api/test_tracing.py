"""What the recording of a call lets in and out."""

import logging
import math

import numpy as np
import pytest
import scipy.optimize
from numpy.testing import assert_allclose

import adjoint as ad
from adjoint.errors import EscapedValueError


def test_value_of_an_earlier_call_returned_as_it_is():
    """As from a cache: nothing is computed with the old value, it is just returned."""
    kept = []

    def f(x):
        kept.append(x * x)
        return kept[0]

    assert ad.grad(f)(3.0) == 6.0
    with pytest.raises(EscapedValueError):
        ad.grad(f)(3.0)
    with pytest.raises(EscapedValueError):
        ad.grad(lambda x: (x, kept[0]), has_aux=True)(3.0)
    with pytest.raises(EscapedValueError):
        ad.jvp(lambda x: (x, kept[0]), (3.0,), (1.0,))


def test_value_of_an_outer_call_may_be_returned():
    assert ad.grad(lambda x: x * ad.grad(lambda y: y + 0 * x)(2.0))(3.0) == 1.0
    assert ad.jvp(lambda x: ad.jvp(lambda y: x * x, (1.0,), (1.0,))[0], (3.0,), (1.0,))[1] == 6.0


def test_percent_formatting_shows_the_value():
    shown = []

    def f(x):
        shown.append("%.2f and %s" % (x[0], x[1]))  # noqa: UP031
        return x.sum()

    ad.grad(f)(np.array([1.0, 2.0]))
    assert shown == ["1.00 and 2.0"]


def test_generators_of_traced_numbers_reach_math():
    gradient = ad.grad(lambda x: math.fsum(v * v for v in x) * math.prod(v for v in x))
    assert_allclose(gradient(np.array([1.0, 2.0])), [2 * 2 + 5 * 2, 4 * 2 + 5 * 1])


def test_a_lost_derivative_names_the_library_function_and_the_line():
    def f(x):
        return scipy.optimize.rosen(x)

    with pytest.raises(ad.AdjointError, match=r"rosen \(called at .*test_tracing.py:\d+\)"):
        ad.grad(f)(np.ones(3))


def test_constant_stores_leave_the_callers_arrays_alone():
    buffer = np.zeros(2)

    def f(x, b):
        b[0] = 5.0
        return x * b[0]

    assert ad.grad(f)(3.0, buffer) == 5.0
    assert buffer[0] == 0.0


def test_arrays_of_text_cannot_take_a_traced_number():
    with pytest.raises(ad.AdjointError, match="not numbers"):
        ad.grad(lambda x: float(np.array([x[0], "a"], dtype=object)[0]) * x[1])(np.ones(2))


class Angle:
    def __init__(self, value):
        self.value = value

    def __abs__(self):
        return math.sin(self.value)


def test_a_method_that_python_calls_is_refused_by_name():
    with pytest.raises(ad.AdjointError, match=r"Angle.__abs__.*write np.sin"):
        ad.grad(lambda x: abs(Angle(x)))(0.5)


def test_logging_shows_the_value(caplog):
    logger = logging.getLogger("tests.adjoint")

    def f(x):
        logger.warning("loss %.2f", x)
        logging.warning("again %.1f", x)
        return x * x

    assert ad.grad(f)(1.5) == 3.0
    assert [record.getMessage() for record in caplog.records] == ["loss 1.50", "again 1.5"]
    assert caplog.records[0].funcName == "f"
