"""Every case of the table, in every mode."""

import pytest

from tests import harness
from tests.cases import all_cases

CASES = all_cases()


def _ids(case):
    return case.name


@pytest.fixture(autouse=True)
def _installed(case):
    """Skip a case of a function that the installed NumPy or SciPy does not have yet."""
    try:
        case.fn(*case.args)
    except (AttributeError, TypeError) as error:
        if "has no attribute" in str(error) or "missing 2 required" in str(error):
            pytest.skip(f"{error}: needs a later version")
        raise


@pytest.mark.parametrize("case", CASES, ids=_ids)
def test_first_order(case):
    harness.check_first_order(case)


@pytest.mark.parametrize("case", [c for c in CASES if c.order >= 2], ids=_ids)
def test_second_order(case):
    harness.check_second_order(case)


@pytest.mark.parametrize("case", [c for c in CASES if c.float32], ids=_ids)
def test_float32(case):
    harness.check_float32(case)
