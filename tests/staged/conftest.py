"""Fixtures of the tests of the staged tier.

What is staged is run by the interpreter here: tests/backends has the same programs as machine code.
``ADJOINT_TEST_BACKEND=llvm`` has these tests compile, too.
"""

import os

import numpy as np
import pytest

from adjoint.api import compile as api_compile
from adjoint.staging import stage


@pytest.fixture(autouse=True)
def backend(monkeypatch):
    """Have `jit` interpret."""
    monkeypatch.setattr(api_compile, "DEFAULT", os.environ.get("ADJOINT_TEST_BACKEND", "interpret"))


@pytest.fixture
def quiet():
    """Warn of no overflow."""
    with np.errstate(all="ignore"):
        yield


@pytest.fixture
def lengths_are_values(monkeypatch):
    """Make constants of no lengths, however short."""
    monkeypatch.setattr(stage, "FEW", 1)


@pytest.fixture(params=["short lengths constant", "all lengths values"])
def lengths(request):
    """Do both."""
    if request.param == "all lengths values":
        request.getfixturevalue("lengths_are_values")


@pytest.fixture
def stagings(monkeypatch):
    """Count how often something is staged."""
    count = []
    original = api_compile.stage_function

    def counted(*args, **kwargs):
        count.append(args)
        return original(*args, **kwargs)

    monkeypatch.setattr(api_compile, "stage_function", counted)
    return count
