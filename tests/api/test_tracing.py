"""What the recording of a call lets in and out."""

import pytest

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
