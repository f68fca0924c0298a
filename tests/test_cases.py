"""Every case of the table, in every mode."""

import numpy as np
import pytest
import scipy
from numpy.lib import NumpyVersion

from tests import harness
from tests.cases import all_cases

CASES = all_cases()
OLD = NumpyVersion(np.__version__) < "2.3.0" or NumpyVersion(scipy.__version__) < "1.16.0"


def _ids(case):
    return case.name


@pytest.fixture(autouse=True)
def _installed(case):
    """Skip a case of a function that an old NumPy or SciPy does not have yet.

    With the versions for which the cases are written, nothing is skipped.
    """
    if not OLD:
        return
    try:
        case.fn(*case.args)
    except (AttributeError, TypeError) as error:
        installed = f"NumPy {np.__version__} and SciPy {scipy.__version__}"
        pytest.skip(f"not in {installed}: {error}")


@pytest.mark.parametrize("case", CASES, ids=_ids)
def test_first_order(case):
    harness.check_first_order(case)


@pytest.mark.parametrize("case", [c for c in CASES if c.order >= 2], ids=_ids)
def test_second_order(case):
    harness.check_second_order(case)


@pytest.mark.parametrize("case", [c for c in CASES if c.float32], ids=_ids)
def test_float32(case):
    harness.check_float32(case)
