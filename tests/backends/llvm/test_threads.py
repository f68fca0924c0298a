"""Several threads for one call: the same bits for any number of them, whatever else goes on."""

import os
import subprocess
import sys
import threading
import time

import numpy as np
import pytest

import adjoint as ad
from tests.backends.llvm.test_interrupt import PATIENCE, interrupted

pytest.importorskip("llvmlite")

NUMBERS = (1, 2, 3, 7)


@pytest.fixture(autouse=True)
def threads_as_before():
    before = ad.get_threads()
    yield
    ad.set_threads(before)


def bits(x):
    return [(a.dtype.str, a.shape, a.tobytes()) for a in map(np.asarray, _leaves(x))]


def _leaves(x):
    return [y for item in x for y in _leaves(item)] if isinstance(x, tuple) else [x]


def on_all(f, *args):
    """Return the result, which is the same on any number of threads."""
    jitted = ad.jit(f)
    found = {}
    for n in NUMBERS:
        ad.set_threads(n)
        found[n] = jitted(*args)
        assert bits(jitted(*args)) == bits(found[n])
    for n in NUMBERS[1:]:
        assert bits(found[n]) == bits(found[1]), f"{n} threads"
    return found[1]


RNG = np.random.default_rng(0)
VECTOR = RNG.standard_normal(300_007)
MATRIX = RNG.standard_normal((700, 501))
TALL = RNG.standard_normal((100_003, 3))
DEEP = RNG.standard_normal((5, 7, 60, 80))
COMPLEX = VECTOR[:100_000] + 1j * VECTOR[100_000:200_000]

FUNCTIONS = {
    "elements": (lambda x: np.exp(np.sin(x)) * x, VECTOR),
    "float32": (lambda x: np.exp(np.sin(x)) * x, VECTOR.astype(np.float32)),
    "complex": (lambda x: np.exp(x) / (x + 3), COMPLEX),
    "views": (lambda x: 0.2 * (x[1:-1, 1:-1] + x[:-2, 1:-1] + x[2:, 1:-1] + x[1:-1, 2:]), MATRIX),
    "backwards": (lambda x: x[::-1] * 2.0 + x, VECTOR),
    "transposed": (lambda x: x.T * 2.0, MATRIX),
    "sum": (lambda x: np.sum(np.exp(np.sin(x)) * x), VECTOR),
    "sum of rows": (lambda x: np.sum(x * x, axis=1), MATRIX),
    "sum of columns": (lambda x: np.sum(x * x, axis=0), MATRIX),
    "sum of all": (lambda x: np.sum(x[:, 1:] * x[:, :-1]), MATRIX),
    "sum of few": (lambda x: (np.sum(x, axis=0), np.sum(x, axis=1), np.sum(x)), TALL),
    "sum of axes": (lambda x: np.sum(x, axis=(0, 2)), DEEP),
    "sum of float32": (lambda x: np.sum(x), VECTOR.astype(np.float32)),
    "complex sum": (lambda x: np.sum(x * x), COMPLEX),
    "extremes": (lambda x: (np.max(x), np.min(np.abs(x))), VECTOR),
    "any and all": (lambda x: (np.any(x > 5.5), np.all(x > -9.0)), VECTOR),
    "count": (lambda x: np.sum(x > 0), VECTOR),
    "product": (lambda x: np.prod(1 + 1e-6 * x), VECTOR),
    "times a vector": (lambda x: (x @ x[0], x[:, 0] @ x, x.T @ x[:, 1]), np.abs(MATRIX)),
    "times few rows": (lambda x: (x[:, :3].T @ x, x @ x[5:9].T), np.abs(MATRIX)),
    "times one row": (lambda x: x[0, :30] @ x[1:31], np.abs(MATRIX).reshape(70, -1)),
    "mean and variance": (lambda x: (np.mean(x, axis=1), np.var(x), np.std(x, axis=0)), MATRIX),
    "where": (lambda x: np.where(x > 0, np.sqrt(np.abs(x)), x * x), VECTOR),
    "positions": (lambda x: (np.argmax(x), np.argmin(x, axis=1)), MATRIX),
    "integers": (lambda x: np.sum(x % 7) + np.max(x), np.arange(200_000)),
}


def softmax(x):
    e = np.exp(x - np.max(x, axis=-1, keepdims=True))
    return e / np.sum(e, axis=-1, keepdims=True)


def heat(u):
    for _ in range(5):
        u[1:-1, 1:-1] = 0.25 * (u[:-2, 1:-1] + u[2:, 1:-1] + u[1:-1, :-2] + u[1:-1, 2:])
    return np.sum(u * u)


@pytest.mark.parametrize("name", FUNCTIONS)
def test_bits_do_not_depend_on_threads(name):
    f, x = FUNCTIONS[name]
    got, want = on_all(f, x), f(x)
    exact = x.dtype.kind == "i"
    for g, w in zip(_leaves(got), _leaves(want), strict=True):
        np.testing.assert_allclose(g, w, rtol=0 if exact else 1e-4 if x.itemsize == 4 else 1e-11)


@pytest.mark.parametrize("f", [softmax, heat])
def test_gradients(f):
    x = DEEP if f is softmax else MATRIX.copy()

    def loss(x):
        y = f(x)
        return np.sum(y * y)

    value, gradient = on_all(ad.value_and_grad(loss), x)
    again, expected = ad.jit(ad.value_and_grad(loss), backend="interpret")(x)
    np.testing.assert_allclose(value, again, rtol=1e-12)
    np.testing.assert_allclose(gradient, expected, rtol=1e-9, atol=1e-12)


def newton(x):
    """Square roots, each by as many passes as it takes."""

    def root(a):
        y = a
        k = 0
        while np.abs(y * y - a) > 1e-12 * a:
            y = 0.5 * (y + a / y)
            k = k + 1
        return y, k

    return ad.vmap(root)(x)


def polynomials(x, n):
    def one(row):
        u = np.zeros(4)
        for k in range(n):
            u[k % 4] = u[(k + 1) % 4] * row[k % 3] + np.sin(row[0] + k)
        return u

    return ad.vmap(one)(x)


def test_maps():
    x = np.abs(VECTOR[:20_000]) + 0.1
    roots, passes = on_all(newton, x)
    np.testing.assert_allclose(roots, np.sqrt(x), rtol=1e-10)
    assert passes.max() > passes.min()
    got = on_all(lambda rows: polynomials(rows, 30), TALL[:5000])
    np.testing.assert_allclose(got[17], polynomials(TALL[17:18], 30)[0], rtol=1e-10)


def walk(x, starts):
    """Sum entries at positions that are data: out of bounds is an error of that pass."""

    def one(i):
        s = 0.0
        while s < 20.0:
            s = s + 1.0 + np.abs(x[i])
        return s

    return ad.vmap(one)(starts)


def test_the_first_error_in_order_is_raised():
    x = VECTOR[:100]
    starts = RNG.integers(0, 100, 20_000)
    f = ad.jit(walk)
    right = f(x, starts)
    wrong = starts.copy()
    wrong[12_345:] = 999
    wrong[6_789] = 123
    for n in NUMBERS:
        ad.set_threads(n)
        for _ in range(3):
            with pytest.raises(IndexError, match="index 123 ") as caught:
                f(x, wrong)
            assert any("test_threads.py" in note for note in caught.value.__notes__)
        assert bits(f(x, starts)) == bits(right)


def test_interruption():
    ad.set_threads(2)

    def long(x, n):
        return ad.vmap(lambda a: slow(a, n))(x)

    def slow(a, n):
        k = 0
        while k < n:
            a = np.sin(a)
            k = k + 1
        return a

    f = ad.jit(long)
    x = VECTOR[:64]
    before = f(x, 10)
    assert interrupted(lambda: f(x, 10**10)) < PATIENCE
    assert bits(f(x, 10)) == bits(before)
    g = ad.jit(lambda x, n: repeated(x, n))
    few = g(VECTOR, 2)
    assert interrupted(lambda: g(VECTOR, 10**9)) < PATIENCE
    assert bits(g(VECTOR, 2)) == bits(few)


def repeated(x, n):
    for _ in range(n):
        x = np.sin(np.exp(-x * x))
    return x


def test_many_callers_at_once():
    f = ad.jit(lambda x: (np.sum(np.exp(np.sin(x)) * x), np.cos(x) * x))
    inputs = [VECTOR * (k + 1) / 8 for k in range(8)]
    ad.set_threads(1)
    want = [bits(f(x)) for x in inputs]
    ad.set_threads(3)
    wrong = []

    def call(k):
        for _ in range(20):
            if bits(f(inputs[k])) != want[k]:
                wrong.append(k)

    callers = [threading.Thread(target=call, args=(k,)) for k in range(8)]
    for caller in callers:
        caller.start()
    for caller in callers:
        caller.join()
    assert not wrong


def test_the_number_may_change_meanwhile():
    f = ad.jit(lambda x: np.sum(np.exp(np.sin(x)) * x))
    want = bits(f(VECTOR))
    ended = threading.Event()

    def change():
        k = 0
        while not ended.is_set():
            ad.set_threads(1 + k % 5)
            k += 1
            time.sleep(0.001)

    thread = threading.Thread(target=change)
    thread.start()
    try:
        for _ in range(200):
            assert bits(f(VECTOR)) == want
    finally:
        ended.set()
        thread.join()


def test_what_python_runs_stays_with_the_caller():
    seen = set()

    def squared(x):
        seen.add(threading.get_ident())
        return x * x

    square = ad.external(squared, shape=())
    f = ad.jit(lambda x: ad.vmap(lambda a: np.sin(square(a)) + a)(x))
    ad.set_threads(3)
    x = VECTOR[:2000]
    np.testing.assert_allclose(f(x), np.sin(x * x) + x, rtol=1e-12)
    assert seen == {threading.get_ident()}


def test_numbers_of_threads():
    ad.set_threads(3)
    assert ad.get_threads() == 3
    ad.set_threads(np.int64(2))
    assert ad.get_threads() == 2
    for wrong in (0, -1):
        with pytest.raises(ValueError, match="one thread or more"):
            ad.set_threads(wrong)
    for wrong in (1.5, "2", True):
        with pytest.raises(TypeError, match="number of threads"):
            ad.set_threads(wrong)  # type: ignore[arg-type]
    ad.set_threads(None)
    assert ad.get_threads() >= 1


def script(code, **environment):
    env = {**os.environ, **environment, "PYTHONPATH": os.pathsep.join(sys.path)}
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", code],
        env=env, capture_output=True, text=True, timeout=300,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return done.stdout.split()


def test_the_environment_says_how_many():
    code = "import sys, adjoint as ad; print(ad.get_threads(), 'llvmlite' in sys.modules)"
    assert script(code, OMP_NUM_THREADS="5") == ["5", "False"]
    assert script(code, OMP_NUM_THREADS="3,2") == ["3", "False"]
    count = str(len(os.sched_getaffinity(0))) if hasattr(os, "sched_getaffinity") else None
    for unusable in ("", "0", "many"):
        found, _ = script(code, OMP_NUM_THREADS=unusable)
        assert count is None or found == count


IDLE = """
import threading, numpy as np, adjoint as ad
ad.set_threads(3)
count = lambda: sum(t.name.startswith("adjoint-") for t in threading.enumerate())
small = ad.jit(lambda x: np.sum(x * x))
small(np.ones(100))
print(count())
large = ad.jit(lambda x: np.exp(np.sin(x)) * x)
large(np.ones(10**6))
print(count())
"""


def test_threads_are_started_when_there_is_work_and_idle_when_there_is_none():
    code = (
        IDLE
        + """
import time
large(np.ones(10**6))
time.sleep(0.1)
before = time.process_time()
time.sleep(0.5)
print(time.process_time() - before < 0.1)
"""
    )
    assert script(code) == ["0", "2", "True"]


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork")
def test_fork():
    code = (
        IDLE
        + """
import os, sys
want = large(np.arange(10.0**6)).tobytes()
stop = threading.Event()
def busy():
    while not stop.is_set():
        large(np.ones(3 * 10**5))
others = [threading.Thread(target=busy) for _ in range(2)]
for t in others:
    t.start()
good = 0
for k in range(10):
    child = os.fork()
    if not child:
        if count():
            os._exit(1)
        for _ in range(3):
            if large(np.arange(10.0**6)).tobytes() != want:
                os._exit(2)
        os._exit(0 if count() == 2 else 3)
    _, status = os.waitpid(child, 0)
    good += os.waitstatus_to_exitcode(status) == 0
stop.set()
for t in others:
    t.join()
print(good, large(np.arange(10.0**6)).tobytes() == want)
"""
    )
    assert script(code) == ["0", "2", "10", "True"]


@pytest.mark.parametrize("what", [["programs"], ["random", "0", "5"]])
def test_everything_in_chunks_of_few_elements(what):
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-m", "tests.backends.llvm.chunked", *what],
        env={**os.environ, "ADJOINT_CACHE": "0", "PYTHONPATH": os.pathsep.join(sys.path)},
        capture_output=True, text=True, timeout=600,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-3000:]
