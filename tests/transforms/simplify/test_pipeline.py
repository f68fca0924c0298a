"""All passes together: on random programs, on derivatives, and how long they take."""

import random
import time

import numpy as np
import pytest

import adjoint as ad
from adjoint.backends.interpret import count, run
from adjoint.ir.graph import walk
from adjoint.ir.text import text
from adjoint.ir.verify import verify
from adjoint.transforms.simplify import PASSES, simplify
from tests.backends.random_graphs import arguments, random_function
from tests.transforms.simplify.programs import random_program
from tests.transforms.simplify.support import becomes, equal, function

pytestmark = pytest.mark.filterwarnings("ignore")


@pytest.mark.parametrize("first", range(0, 200, 20))
def test_random_programs_compute_the_same(first):
    for seed in range(first, first + 20):
        f, args = random_program(random.Random(seed))
        g, _ = random_program(random.Random(seed))
        verify(simplify(g))
        equal(run(f, args), run(g, args, check=True))


@pytest.mark.parametrize("first", range(0, 200, 20))
def test_graphs_that_share_memory_compute_the_same(first):
    for seed in range(first, first + 20):
        f, g = (random_function(random.Random(seed)) for _ in range(2))
        args = arguments(random.Random(seed))
        verify(simplify(g))
        equal(run(f, args), run(g, args, check=True))


@pytest.mark.parametrize("each", range(len(PASSES)))
def test_each_pass_alone_leaves_a_valid_graph_that_computes_the_same(each):
    for seed in range(1000, 1030):
        f, args = random_program(random.Random(seed))
        g, _ = random_program(random.Random(seed))
        verify(simplify(g, (PASSES[each],)))
        equal(run(f, args), run(g, args, check=True))


def test_nothing_is_left_to_do():
    for seed in range(2000, 2050):
        f, _ = random_program(random.Random(seed))
        once = text(simplify(f))
        assert text(simplify(f)) == once


def simulate(theta, n):
    u = np.zeros(n)
    u[0] = theta[0]
    for t in range(1, n):
        u[t] = u[t - 1] + np.sin(theta[1] * u[t - 1]) / n
        if u[t] > 2.0:
            u[t] *= 0.5
    return np.sum(u**2)


def loops(f):
    return [node for node in walk(f.block) if node.op.name == "for"]


def test_a_loop_carries_what_is_needed():
    staged = ad.stage(simulate)(np.array([0.3, 0.2]), 20)
    (loop,) = loops(simplify(staged.function))
    assert [str(t.dtype) for t in loop.type] == ["float64"]


def test_the_reverse_of_a_loop_carries_what_is_needed():
    staged = ad.stage(ad.grad(simulate))(np.array([0.3, 0.2]), 20)
    forward, reverse = loops(simplify(staged.function))
    assert len(forward.type) == 2  # u and a stack
    assert len(reverse.type) == 2  # the cotangents of u and theta
    names = {node.op.name for node in walk(reverse.blocks[0])}
    assert not names & {"copy", "add", "broadcast_to", "strong_divide"}


def test_functions_that_are_called_are_simplified():
    becomes(
        """
        function f(%s: float64) {
          %0: float64 = call g(%s)
          return %0
        }
        function g(%s: float64) {
          %0: float64 = multiply(%s, 1.0)
          %1: float64 = call g(%0)
          return %1
        }
        """,
        """
        function f(%s: float64) {
          %0: float64 = call g(%s)
          return %0
        }
        function g(%s: float64) {
          %1: float64 = call g(%s)
          return %1
        }
        """,
        *PASSES,
    )


def test_a_function_that_has_run_is_left_as_it_is():
    f = function("function f(%s: float64) { %0: float64 = multiply(%s, 1.0)\n return %0 }")
    run(f, [np.float64(2)])
    simplify(f)
    assert len(f.block.nodes) == 2


def test_the_time_it_takes():
    lines = "\n".join(
        f"""
        %a{k}: float64 = getitem(%x, index={k % 9})
        %b{k}: float64 = multiply(%a{k}, %b{k - 1})
        %c{k}: float64 = sin(%b{k})
        %d{k}: float64 = add(%c{k}, %s)
        %e{k}: float64[9] = update(%e{k - 1}, %d{k}, path=(('index', {k % 7}),))
        """
        for k in range(1, 201)
    )
    source = f"""
        function f(%x: float64[9], %s: float64, %b0: float64, %e0: float64[9]) {{
          {lines}
          return %e200, %d200
        }}
        """
    spent = []
    for _ in range(3):
        f = function(source)
        start = time.perf_counter()
        simplify(f)
        spent.append(time.perf_counter() - start)
    # About 15 µs a value on a machine with nothing else to do.
    assert min(spent) < 1000 * 150e-6
    args = (np.arange(9.0), np.float64(0.1), np.float64(0.5), np.ones(9))
    assert count(f, args).copied <= 72
