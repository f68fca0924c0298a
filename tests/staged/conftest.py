"""Fixtures of the tests of the staged tier.

What is staged is run by the interpreter here: tests/backends has the same programs as machine code.
``ADJOINT_TEST_BACKEND=llvm`` has these tests compile what they stage, by `jit` or `stage`.
"""

import os

import numpy as np
import pytest

from adjoint.api import compile as api_compile
from adjoint.api.launch import Native
from adjoint.staging import stage

BACKEND = os.environ.get("ADJOINT_TEST_BACKEND", "interpret")


@pytest.fixture(autouse=True)
def backend(monkeypatch):
    """Have `jit`, and graphs that are called, interpret or compile."""
    monkeypatch.setattr(api_compile, "DEFAULT", BACKEND)
    if BACKEND == "llvm":
        monkeypatch.setattr(api_compile.StagedFunction, "__call__", as_machine_code)


@pytest.fixture
def compiling():
    """Whether graphs are compiled."""
    return BACKEND == "llvm"


def as_machine_code(graph, *args, **kwargs):
    """Call a staged function as machine code, which is kept with it."""
    leaves = graph._leaves(args, kwargs)
    if not hasattr(graph, "native"):
        graph.native = Native(graph._graph, leaves)
    return graph.native(leaves)


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
