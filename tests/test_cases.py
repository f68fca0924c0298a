"""Every case of the table, in every mode."""

import pytest

from tests import harness
from tests.cases import all_cases

CASES = all_cases()


def _ids(case):
    return case.name


@pytest.mark.parametrize("case", CASES, ids=_ids)
def test_first_order(case):
    harness.check_first_order(case)


@pytest.mark.parametrize("case", [c for c in CASES if c.order >= 2], ids=_ids)
def test_second_order(case):
    harness.check_second_order(case)


@pytest.mark.parametrize("case", [c for c in CASES if c.float32], ids=_ids)
def test_float32(case):
    harness.check_float32(case)
