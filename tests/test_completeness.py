"""Every operation has a row in the table of derivatives, and a case that reaches it.

What has none is listed here with the reason.
"""

from __future__ import annotations

import importlib

import numpy as np
import pytest

import adjoint as ad
import adjoint.api.compile  # noqa: F401  (operations of staged graphs, and their rules)
import adjoint.api.staged_tracing  # noqa: F401
from adjoint.api import tracing
from adjoint.ops import control
from adjoint.ops.registry import LAZY, OPS
from adjoint.rules.derive import ZERO
from tests import harness
from tests.cases import all_cases

NO_RULE: dict[str, str] = {}
"""Operations without a derivative rule: name -> why they need none."""

NO_CASE: dict[str, str] = {
    "project": "takes apart the results of an operation that has several",
    "unless": "what `math` refuses in staged programs: tests/staged/test_domains.py",
    "sech2": "appears in the derivative of tanh; its own is checked in the second order of tanh",
}
"""Operations that no case reaches in the forward sweep: name -> where they are checked instead."""

NO_CASE |= dict.fromkeys(
    ("spectral_product", "sum_to", "checked"), "of staged graphs alone: tests/staged/test_cases.py"
)
NO_CASE |= {
    op.name: "of staged graphs alone: tests/staged, tests/transforms"
    for op in (
        *control.CONTROL,
        control.push,
        control.entry,
        control.entry_add,
        control.add_stacks,
        control.recompute,
        control.external,
    )  # fmt: skip
}


@pytest.fixture(scope="module")
def everything():
    """Every operation, those of the areas that are imported late included."""
    for module in {*LAZY.values()}:
        importlib.import_module(module)
    return dict(OPS)


def test_every_operation_has_a_rule(everything):
    missing = {name for name, op in everything.items() if op.rule is None}
    assert missing == set(NO_RULE)


def test_exemptions_are_of_operations_that_exist(everything):
    assert set(NO_RULE) | set(NO_CASE) <= set(everything)


def test_every_operation_is_reached_by_a_case(everything, monkeypatch):
    """Run the cases to the second order, and collect the operations of all recorded blocks."""
    reached: set[str] = set()
    close = tracing.Tape.close

    def closing(tape):
        reached.update(node.op.name for node in tape.block.nodes if node.op is not None)
        close(tape)

    monkeypatch.setattr(tracing.Tape, "close", closing)
    for case in all_cases():
        problem = harness.Problem(case)
        fn = harness.ad_ready(problem)

        def pulled(*xs, fn=fn):
            value, pull = ad.vjp(fn, *xs)
            return pull(tuple(np.ones_like(v) for v in value))

        with np.errstate(all="ignore"):
            (ad.vjp(pulled, *problem.point) if case.order >= 2 else pulled(*problem.point))
    constant = {name for name, op in everything.items() if op.rule is ZERO}
    missing = set(everything) - reached - constant
    assert missing == set(NO_CASE) - reached
