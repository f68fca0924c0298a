"""Many threads, forked processes: no state is shared, results are exact."""

import multiprocessing
import os
import sys
import threading
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

import adjoint as ad

V = np.array([0.7, -0.4, 1.3, 0.9])


def loop(x):
    u = np.zeros(6)
    u[0] = x[0]
    for k in range(1, 6):
        u[k] = np.sin(u[k - 1]) * x[k % 4] + x[1]
        u[:k] *= x[2]
    return np.sum(u**2)


def nested(x):
    return np.sum(x * ad.grad(lambda y: np.sum(np.exp(y) * x))(x))


def make(k):
    """A function of its own for each thread: each is rewritten while others run."""

    def f(x):
        a = x * float(k)
        a[k % 4] = x[0] * x[1]
        return np.sum(a**2)

    return f


def test_same_function_in_many_threads():
    start = threading.Barrier(8)
    want = [ad.grad(loop)(V * s) for s in range(1, 9)]
    curved = [ad.grad(nested)(V * s) for s in range(1, 9)]

    def work(s):
        start.wait()
        for _ in range(15):
            np.testing.assert_array_equal(ad.grad(loop)(V * s), want[s - 1])
            np.testing.assert_array_equal(ad.grad(nested)(V * s), curved[s - 1])
            ad.jvp(loop, (V * s,), (V,))
        return True

    old = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    try:
        with ThreadPoolExecutor(8) as pool:
            assert all(pool.map(work, range(1, 9)))
    finally:
        sys.setswitchinterval(old)


def test_first_use_of_a_function_in_many_threads():
    """The rewriting of a function's source happens once, whoever is first."""
    for trial in range(4):
        space = {}
        start = threading.Barrier(8)
        f = make(trial + 1)
        a = V * (trial + 1.0)
        a[(trial + 1) % 4] = V[0] * V[1]

        def work(_, f=f, start=start):
            start.wait()
            return ad.grad(f)(V)

        with ThreadPoolExecutor(8) as pool:
            results = list(pool.map(work, range(8)))
        for r in results[1:]:
            np.testing.assert_array_equal(r, results[0])
        del space


def test_different_functions_in_many_threads():
    want = {k: ad.grad(make(k))(V) for k in range(1, 13)}

    def work(k):
        return k, [ad.grad(make(k))(V) for _ in range(10)]

    with ThreadPoolExecutor(6) as pool:
        for k, results in pool.map(work, want):
            for r in results:
                np.testing.assert_array_equal(r, want[k])


def test_one_pullback_in_many_threads():
    _, pull = ad.vjp(loop, V)
    want = pull(1.0)[0]

    def work(s):
        return [pull(float(s))[0] for _ in range(20)]

    with ThreadPoolExecutor(6) as pool:
        for s, results in zip(range(1, 7), pool.map(work, range(1, 7))):
            for r in results:
                np.testing.assert_allclose(r, s * want, rtol=1e-13)


def test_threads_inside_the_function():
    """A function may compute parts of itself in threads: the tape takes nodes from any of them."""

    def f(x):
        with ThreadPoolExecutor(4) as pool:
            parts = list(pool.map(lambda k: np.sin(x[k]) * x[(k + 1) % 4], range(4)))
        return parts[0] + parts[1] * parts[2] + parts[3]

    def serial(x):
        parts = [np.sin(x[k]) * x[(k + 1) % 4] for k in range(4)]
        return parts[0] + parts[1] * parts[2] + parts[3]

    np.testing.assert_allclose(ad.grad(f)(V), ad.grad(serial)(V), rtol=1e-14)


def test_exception_in_one_thread_leaves_the_others_alone():
    def bad(x):
        raise KeyError

    def work(k):
        if k % 2:
            with pytest.raises(KeyError):
                ad.grad(bad)(V)
            return None
        return ad.grad(loop)(V)

    want = ad.grad(loop)(V)
    with ThreadPoolExecutor(4) as pool:
        for r in pool.map(work, range(20)):
            assert r is None or np.array_equal(r, want)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="fork is POSIX's")
@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_fork():
    """In a child the derivatives are as before, in the middle of a trace too."""
    want = ad.grad(loop)(V)

    def run_in_child(check):
        child = os.fork()
        if child == 0:
            code = 1
            try:
                code = 0 if check() else 2
            finally:
                os._exit(code)
        return os.waitpid(child, 0)[1]

    assert run_in_child(lambda: np.array_equal(ad.grad(loop)(V), want)) == 0

    def forks(x):
        y = x * 2.0
        assert run_in_child(lambda: np.array_equal(ad.grad(loop)(V), want)) == 0
        return np.sum(y * x)

    np.testing.assert_allclose(ad.grad(forks)(V), 4 * V)


def _in_process(x):
    return ad.grad(loop)(x)


@pytest.mark.parametrize("method", ["spawn"])
def test_process_pool(method):
    with multiprocessing.get_context(method).Pool(1) as pool:
        result = pool.map(_in_process, [V, 2 * V])
    np.testing.assert_array_equal(result[0], ad.grad(loop)(V))
    np.testing.assert_array_equal(result[1], ad.grad(loop)(2 * V))
