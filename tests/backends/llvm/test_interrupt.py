"""Ctrl-C ends machine code that runs long, and what comes after it works as before."""

import os
import signal
import subprocess
import sys
import threading
import time

import numpy as np
import pytest

import adjoint as ad

pytest.importorskip("llvmlite")

DELAY = 0.2
PATIENCE = 5.0
"""Seconds after which a run has not been interrupted, on a machine with other work."""

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="signals are sent by os.kill")


def nested(n):
    s = 0.0
    for i in range(n):
        for j in range(n):
            s = s + (i * 0.5 - j) * 1e-9
    return s


def leaf(n):
    s = 0.0
    for i in range(n):
        s = 0.5 * s + i
    return s


def backwards(n):
    s = 0.0
    for i in range(n, 0, -3):
        s = 0.5 * s + i
    return s


def steps(n, step):
    s = 0
    for i in range(0, n, step):
        s = (3 * s + i) % 1000003
    return s


def while_loop(n):
    c = 0
    while n > 0:
        n = n - 1
        c = (3 * c + 1) % 1000003
    return c


def rows(n):
    u = np.ones(1000)
    for k in range(n):
        u[1:-1] = 0.5 * (u[:-2] + u[2:]) + k
    return np.sum(u)


def products(n):
    a = np.ones((200, 200)) / 200
    b = np.ones((200, 200))
    for _ in range(n):
        b = a @ b
    return np.sum(b)


def recursion(n):
    return n if n < 2 else recursion(n - 1) + recursion(n - 2)


def called_back(n):
    s = 0.0
    for i in range(n):
        s = s + np.sum(np.fft.fft(np.ones(8) * i).real)
    return s


PROGRAMS = {
    "nested": (nested, (20,), (10**7,)),
    "leaf": (leaf, (100,), (10**12,)),
    "backwards": (backwards, (100,), (10**12,)),
    "steps": (steps, (100, 7), (10**12, 7)),
    "while": (while_loop, (100,), (10**12,)),
    "rows": (rows, (10,), (10**10,)),
    "products": (products, (3,), (10**7,)),
    "recursion": (recursion, (12,), (80,)),
    "called_back": (called_back, (5,), (10**9,)),
}


def interrupted(call):
    """Call, send SIGINT meanwhile; return the seconds from the one to the end."""
    begun = []

    def fire():
        time.sleep(DELAY)
        begun.append(time.perf_counter())
        os.kill(os.getpid(), signal.SIGINT)

    timer = threading.Thread(target=fire)
    timer.start()
    try:
        with pytest.raises(KeyboardInterrupt):
            call()
            timer.join()
            time.sleep(DELAY)
        return time.perf_counter() - begun[0]
    finally:
        timer.join()


@pytest.mark.parametrize("name", PROGRAMS)
def test_a_long_run_is_interrupted(name):
    program, few, many = PROGRAMS[name]
    f = ad.jit(program)
    before = f(*few)
    np.testing.assert_allclose(before, program(*few), rtol=1e-12)
    for _ in range(2):
        assert interrupted(lambda: f(*many)) < PATIENCE
        assert f(*few) == before


def test_the_gradient_of_a_loop_is_interrupted():
    def f(x, n):
        for _ in range(n):
            x = x - 0.1 * x * x
        return x

    g = ad.jit(ad.value_and_grad(f))
    before = g(1.0, 10)

    def runs():
        for _ in range(10**6):
            g(1.0, 10**6)

    assert interrupted(runs) < PATIENCE
    assert g(1.0, 10) == before


def test_memory_is_given_back_after_an_interruption():
    def f(a, n):
        for k in range(n):
            b = np.sin(a) + k
            a = np.cumsum(b) / b.size
        return np.sum(a)

    jitted = ad.jit(f)
    a = np.linspace(0, 1, 100_000)
    before = jitted(a, 2)
    for _ in range(3):
        assert interrupted(lambda: jitted(a, 10**9)) < PATIENCE
        assert jitted(a, 2) == before


def test_a_handler_that_does_not_raise_lets_the_run_go_on():
    seen = []
    former = signal.signal(signal.SIGALRM, lambda *_: seen.append(1))
    try:
        signal.setitimer(signal.ITIMER_REAL, 0.05)
        f = ad.jit(leaf)
        deadline = time.perf_counter() + 60
        while not seen and time.perf_counter() < deadline:
            assert f(10**8) == f(10**8)
        assert seen
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, former)


def test_a_handler_runs_in_the_middle_of_a_call():
    at = []
    former = signal.signal(signal.SIGALRM, lambda *_: at.append(time.perf_counter()))
    try:
        f = ad.jit(while_loop)
        f(10)
        n = 10**7
        while True:
            begin = time.perf_counter()
            f(n)
            if time.perf_counter() - begin > 1:
                break
            n *= 4
        signal.setitimer(signal.ITIMER_REAL, 0.1)
        f(n)
        assert at and time.perf_counter() - at[0] > 0.3
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, former)


def test_signals_are_handled_in_the_main_thread_alone():
    f = ad.jit(while_loop)
    f(10)
    done = []
    thread = threading.Thread(target=lambda: done.append(f(3 * 10**8)))
    thread.start()
    with pytest.raises(KeyboardInterrupt):
        os.kill(os.getpid(), signal.SIGINT)
        time.sleep(1)
    thread.join()
    assert done == [f(3 * 10**8)]


def test_a_child_of_fork_is_interrupted():
    if not hasattr(os, "fork"):
        pytest.skip("there is no fork")
    code = """
import os, signal, sys, time
import adjoint as ad
def leaf(n):
    s = 0.0
    for i in range(n):
        s = 0.5 * s + i
    return s
f = ad.jit(leaf)
f(10)
child = os.fork()
if not child:
    try:
        f(10**13)
    except KeyboardInterrupt:
        os._exit(7)
    os._exit(1)
time.sleep(0.3)
os.kill(child, signal.SIGINT)
_, status = os.waitpid(child, 0)
sys.exit(0 if os.waitstatus_to_exitcode(status) == 7 else 1)
"""
    done = subprocess.run([sys.executable, "-W", "ignore", "-c", code], timeout=60)
    assert done.returncode == 0
