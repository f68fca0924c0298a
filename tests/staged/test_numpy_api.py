"""Every case of the table, staged: with constant lengths, and with lengths that are values.

The graph of the second kind is run again on longer arrays: it must serve them too.
"""

from __future__ import annotations

import numpy as np
import pytest

import adjoint as ad
from adjoint.errors import TracingError
from tests.cases import all_cases
from tests.staged.comparison import assert_same

CASES = {case.name: case for case in all_cases()}

REFUSED = {
    "elementwise: emath": "real or complex: it depends on the numbers",
    "elementwise: emath inverses": "real or complex: it depends on the numbers",
    "elementwise: real_if_close": "real or complex: it depends on the numbers",
    "products: Polynomial": "np.poly1d asks for the length that trimming has left",
    "shaping: store through views in Fortran order": "whether ravel('K') copies depends on layout",
    **{
        f"products: {name} series": "what a product begins with depends on the trimmed length"
        for name in ("leg", "lag", "herm", "herme")
    },
}
"""What cannot be staged, with the reason; a `TracingError` says it to the user."""

CONSTANT = {
    "elementwise: ndenumerate": "a Python loop over indices",
    "products: cross": "vectors have two components or three",
    "products: cross axes": "vectors have two components or three",
    "scipy_linalg: sl.eigh subset": "all eigenvectors, or fewer",
    "scipy_linalg: sl.eigvalsh": "all eigenvalues, or fewer",
    "shaping: unstack": "as many results as there are slices",
    "special: special polygamma orders": "the order says which function it is",
    "stats: stats dirichlet": "whether the last component is given",
    "stats: stats dirichlet point": "whether the last component is given",
}
"""Functions of which some length has to be a constant, with the reason."""

SIZE_MATTERS = {
    "scipy_linalg: sl.lstsq": "the longer matrix has dependent columns, and no residuals",
    **{
        f"scipy_linalg: sl.{name}": "the longer matrix is singular, or nearly so"
        for name in (
            "inv", "solve transposed", "solve her", "solve sym", "eigh generalised",
            "eigh generalised, type 2", "eigh generalised, type 3", "solve_continuous_lyapunov",
        )
    },
}  # fmt: skip


pytestmark = pytest.mark.usefixtures("quiet")


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("name", [n for n in CASES if n not in REFUSED])
def test_constant_lengths(name):
    case = CASES[name]
    graph = ad.stage(case.fn)(*case.args)
    assert_same(graph(*case.args), case.fn(*case.args))


def longer(x):
    """Return an array with every axis mirrored, except those of length one."""
    if not isinstance(x, np.ndarray):
        return x
    for axis, n in enumerate(x.shape):
        if n > 1:
            more = np.flip(x, axis)
            x = np.concatenate([x, more if x.dtype.kind == "i" else 1.1 * more + 0.05], axis=axis)
    return x


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("name", [n for n in CASES if n not in REFUSED])
def test_lengths_that_are_values(name, lengths_are_values, stagings):
    case = CASES[name]
    jitted = ad.jit(case.fn)
    assert_same(jitted(*case.args), case.fn(*case.args))
    assert len(stagings) == 1 or name in CONSTANT, "a length was made a constant"
    if name in CONSTANT or name in SIZE_MATTERS:
        return
    args = [longer(x) for x in case.args]
    try:
        want = case.fn(*args)
    except Exception:
        return  # it does not fit the arrays that the case captures
    assert_same(jitted(*args), want)


@pytest.mark.parametrize("name", REFUSED)
def test_refused(name):
    case = CASES[name]
    with pytest.raises(TracingError):
        ad.stage(case.fn)(*case.args)
