"""Random programs: what Python computes, the graph computes, and so for derivatives in both modes.

Hypothesis draws the seeds of programs (`random_source`, whose docstring says how deep they are and
what is in them): `EXAMPLES` of them, always the same. Each is checked for its values at several
lengths, what it leaves of its arguments, stores in place against copies, reverse mode, forward mode
and, every fourth one, second derivatives in two nestings. With another number in the environment
variable ``ADJOINT_PROGRAMS`` as many others are drawn at each run::

    ADJOINT_PROGRAMS=5000 pytest tests/staged/test_random_staged.py

A program may be refused, with its file and line, but hardly ever is.
"""

from __future__ import annotations

import os
import re
from collections import Counter
from random import Random

import pytest
from hypothesis import HealthCheck, Phase, event, given, note, settings
from hypothesis import strategies as st

from tests.staged import random_source
from tests.staged.program_checks import (
    Refused,
    arguments,
    check_derivatives,
    check_second_derivatives,
    check_values,
    loaded,
    staged,
)
from tests.staged.random_source import write

MANY = os.environ.get("ADJOINT_PROGRAMS")
EXAMPLES = int(MANY or 60)
SAMPLE = range(100)
"""Seeds of the programs that are counted."""

pytestmark = pytest.mark.filterwarnings("ignore")


@settings(
    max_examples=EXAMPLES,
    derandomize=not MANY,
    # A smaller seed is no smaller program.
    phases=(Phase.explicit, Phase.reuse, Phase.generate),
    suppress_health_check=list(HealthCheck),
)
@given(st.integers(0, 2**32 - 1))
def test_random_programs(seed):
    program = write(Random(seed))
    note(program.text)
    try:
        check_values(program, seed)
        check_derivatives(program, seed)
        if seed % 4 == 0:
            check_second_derivatives(program, seed)
    except Refused as refused:
        event(f"refused: {str(refused)[:60]}")


def test_hardly_any_program_is_refused():
    refused = []
    for seed in SAMPLE:
        program = write(Random(seed))
        try:
            staged(*loaded(program), *arguments(program, seed))
        except Refused as error:
            refused.append(f"{seed}: {error}")
    assert len(refused) <= 0.06 * len(SAMPLE), "\n".join(refused)


def test_what_is_said_of_the_programs_is_true():
    """Parse the table of `random_source`, and count."""
    said = {}
    for count, names in re.findall(r"^ +(\d+) {2,}(\S.*)$", random_source.__doc__ or "", re.M):
        said.update(dict.fromkeys(names.split(" · "), int(count)))
    programs = [write(Random(seed)) for seed in range(400)]
    found = Counter(name for program in programs for name in program.constructs)
    assert said.keys() == found.keys()
    assert not {name for name in said if found[name] < said[name] / 100 * len(programs)}
