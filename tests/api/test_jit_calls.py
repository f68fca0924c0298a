"""Calls of jitted functions: threads, forks, errors, memory, and arguments of every kind."""

import gc
import os
import subprocess
import sys
import threading
import tracemalloc
import weakref
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

import adjoint as ad
from adjoint.backends.llvm import contexts
from adjoint.errors import InputError

X = np.linspace(0.1, 1.0, 20)


def wave(x, n):
    u = np.sin(x)
    for i in range(n):
        u[i] += np.cos(u[i - 1]) * x[i]
    return u


@pytest.fixture
def jitted():
    f = ad.jit(wave)
    f(X, 3)
    return f


# -- threads ---------------------------------------------------------------------------------------


def in_threads(work, count=8):
    """Run a function of the thread's number in threads that begin at once; return the results."""
    barrier = threading.Barrier(count)

    def begin(k):
        barrier.wait()
        return work(k)

    with ThreadPoolExecutor(count) as pool:
        return list(pool.map(begin, range(count)))


def test_threads_call_one_function(jitted):
    want = {n: wave(X, n) for n in range(8)}

    def work(k):
        return all(np.allclose(jitted(X, k), want[k], rtol=1e-13) for _ in range(2000))

    assert all(in_threads(work))


def test_threads_call_a_function_for_the_first_time():
    for _ in range(5):
        f = ad.jit(lambda x: np.sum(np.exp(x)) + x[0])
        found = in_threads(lambda k, f=f: f(X * k))
        np.testing.assert_allclose(found, [np.sum(np.exp(X * k)) + X[0] * k for k in range(8)])


def test_threads_compile_different_functions():
    def work(k):
        f = ad.jit(ad.grad(lambda x: np.sum(np.sin(x) ** 2) * k))
        return f(X)

    for k, found in enumerate(in_threads(work)):
        np.testing.assert_allclose(found, 2 * k * np.sin(X) * np.cos(X), rtol=1e-13)


def test_what_threads_take_for_granted_is_their_own():
    meet = threading.Barrier(2, timeout=30)

    def first(x):
        meet.wait()  # both are being staged
        y = x[10:12]
        meet.wait()
        return np.sum(y)

    def second(x):
        meet.wait()
        meet.wait()
        return np.sum(x)

    f, g = ad.jit(first), ad.jit(second)
    given = np.arange(20.0)
    assert in_threads(lambda k: (f, g)[k](given), 2) == [21.0, 190.0]
    (mine,), (other,) = f.made, g.made
    assert mine.graph.signs and not other.graph.signs


def test_threads_with_arguments_of_different_kinds():
    f = ad.jit(lambda x: np.cumsum(x) * 2)
    given = [
        X, X[::2], X.astype(np.float32), np.arange(30), X[:5], X[::-1], X.reshape(4, 5), X + 1j,
    ]  # fmt: skip

    def work(k):
        for _ in range(50):
            np.testing.assert_allclose(f(given[k]), np.cumsum(given[k]) * 2, rtol=1e-5)
        return True

    assert all(in_threads(work))


def test_threads_with_errors(jitted):
    def work(k):
        for _ in range(500):
            if k % 2:
                with pytest.raises(IndexError, match="index 20 is out of bounds"):
                    jitted(X, 25)
            else:
                np.testing.assert_allclose(jitted(X, 4), wave(X, 4))
        return True

    assert all(in_threads(work))


def test_other_threads_run_meanwhile():
    def long(x, n):
        s = 0.0
        for _ in range(n):
            s = np.sin(s) + x
        return s

    f = ad.jit(long)
    f(1.0, 1)
    ticks = []
    done = threading.Event()

    def tick():
        while not done.wait(0.001):
            ticks.append(1)

    thread = threading.Thread(target=tick)
    thread.start()
    f(1.0, 20_000_000)
    done.set()
    thread.join()
    assert len(ticks) > 10  # the GIL was free


# -- callbacks -------------------------------------------------------------------------------------


def test_a_callback_calls_the_function_again():
    calls = []

    def outside(x):
        calls.append(float(x))
        return f(x - 1.0) if x > 0 else np.float64(1.0)

    outer = ad.external(outside, shape=())
    f = ad.jit(lambda x: outer(x) * 2.0 + np.float64(0))
    assert f(3.0) == 16.0
    assert calls == [3.0, 2.0, 1.0, 0.0]
    assert f(1.0) == 4.0


def test_a_callback_compiles_another_function():
    def outside(x):
        return ad.jit(lambda y: np.sum(y) * 2)(x)

    outer = ad.external(outside, shape=())
    f = ad.jit(lambda x: outer(x) + x[0])
    assert f(X) == pytest.approx(2 * np.sum(X) + X[0])


def test_errors_of_callbacks_leave_contexts_usable():
    class Mine(Exception):
        pass

    def outside(x):
        if x[0] > 0.5:
            raise Mine("too large")
        return x * 2

    outer = ad.external(outside, shape=lambda shape: shape)
    f = ad.jit(lambda x: np.sum(outer(np.sin(x))))
    f(np.zeros(10))
    before = len(contexts._contexts)
    for _ in range(100):
        with pytest.raises(Mine, match="too large") as raised:
            f(np.ones(10))
        assert any("external" in note for note in raised.value.__notes__)
    assert f(np.zeros(10)) == 0.0 and len(contexts._contexts) == before


@pytest.mark.parametrize("error", [KeyboardInterrupt, SystemExit, GeneratorExit])
def test_what_ends_a_program_passes_through(error):
    def outside(x):
        raise error

    outer = ad.external(outside, shape=())
    f = ad.jit(lambda x: outer(x) + 1.0)
    for _ in range(3):
        with pytest.raises(error):
            f(1.0)


def test_callbacks_in_threads():
    outer = ad.external(lambda x: np.sort(x)[::-1], shape=lambda shape: shape)
    f = ad.jit(lambda x: outer(x * 2)[0] + np.sum(x))

    def work(k):
        x = X * (k + 1)
        return all(f(x) == pytest.approx(2 * x[-1] + np.sum(x)) for _ in range(200))

    assert all(in_threads(work))


# -- errors ----------------------------------------------------------------------------------------


def test_errors_leave_contexts_usable(jitted):
    before = len(contexts._contexts)
    for _ in range(300):
        with pytest.raises(IndexError):
            jitted(X, 21)
    np.testing.assert_allclose(jitted(X, 5), wave(X, 5))
    assert len(contexts._contexts) == before


def test_errors_say_where(jitted):
    with pytest.raises(IndexError, match="index 20 is out of bounds for axis 0") as raised:
        jitted(X, 30)
    (note,) = raised.value.__notes__
    assert "test_jit_calls.py" in note and "line" in note


def test_errors_after_results_of_unknown_shape():
    def f(x, k):
        y = x[x > 0.5]
        return y, y[k]

    g = ad.jit(f)
    assert g(X, 1)[1] == X[X > 0.5][1]
    for _ in range(100):
        with pytest.raises(IndexError):
            g(X, 50)
    np.testing.assert_array_equal(g(X, 0)[0], X[X > 0.5])


def test_wrong_calls_are_python_errors(jitted):
    for args in ((), (X,), (X, 1, 2)):
        with pytest.raises(TypeError):
            jitted(*args)
    with pytest.raises(TypeError):
        jitted(X, m=3)
    np.testing.assert_allclose(jitted(X, n=3), wave(X, 3))


# -- fork ------------------------------------------------------------------------------------------


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork here")
def test_a_forked_child_calls_and_compiles(jitted):
    want = wave(X, 3)
    for _ in range(3):
        child = os.fork()
        if child == 0:
            status = 1
            try:
                fine = np.allclose(jitted(X, 3), want)
                fine &= ad.jit(lambda x: np.sum(x) * 3)(X) == pytest.approx(3 * np.sum(X))
                status = 0 if fine else 2
            finally:
                os._exit(status)
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    np.testing.assert_allclose(jitted(X, 3), want)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork here")
def test_a_fork_while_others_compile():
    stop = threading.Event()

    def compile_on():
        k = 0
        while not stop.is_set():
            k += 1
            ad.jit(lambda x, k=k: np.sum(x) * k)(X)

    thread = threading.Thread(target=compile_on)
    thread.start()
    try:
        for _ in range(5):
            child = os.fork()
            if child == 0:
                status = 1
                try:
                    status = 0 if ad.jit(lambda x: x * 2 + 1)(1.5) == 4.0 else 2
                finally:
                    os._exit(status)
            assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    finally:
        stop.set()
        thread.join()


# -- memory ----------------------------------------------------------------------------------------


def resident():
    """Return the bytes of memory that the process has."""
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * os.sysconf("SC_PAGESIZE")


def unchanged(call, calls=100_000):
    """Check that calls keep no memory."""
    for _ in range(1000):
        call()
    gc.collect()
    if not os.path.exists("/proc/self/statm"):
        pytest.skip("how much memory the process has is not known here")
    before = resident()
    for _ in range(calls):
        call()
    assert resident() - before < 8 << 20
    tracemalloc.start()
    try:
        call()
        gc.collect()
        start = tracemalloc.get_traced_memory()[0]
        for _ in range(2000):
            call()
        gc.collect()
        assert tracemalloc.get_traced_memory()[0] - start < 20_000
    finally:
        tracemalloc.stop()


def failing(f, *args):
    def call():
        try:
            f(*args)
        except IndexError:
            pass

    return call


def test_calls_keep_no_memory(jitted):
    unchanged(lambda: jitted(X, 5))


def test_calls_with_trees_keep_no_memory():
    f = ad.jit(lambda p: {"a": p["x"] * 2, "b": [p["k"] + 1.0, np.float32(3) * p["x"][0]]})
    unchanged(lambda: f({"x": X, "k": 2}))


def test_gradients_keep_no_memory():
    f = ad.jit(ad.value_and_grad(lambda x, n: np.sum(wave(x, n) ** 2)))
    unchanged(lambda: f(X, 5))


def test_results_of_unknown_shape_keep_no_memory():
    f = ad.jit(lambda x: (x[x > 0.5], np.sum(x)))
    unchanged(lambda: f(X))


def test_errors_keep_no_memory(jitted):
    unchanged(failing(jitted, X, 30), 20_000)


def test_errors_after_results_keep_no_memory():
    f = ad.jit(lambda x, k: (np.outer(x, x), x[x > 0.5][k]))
    f(X, 1)
    unchanged(failing(f, X, 50), 20_000)


def test_layouts_by_turns_keep_no_memory():
    f = ad.jit(lambda x: np.sum(x * 2))
    turned = np.ones((30, 40)).T

    def call():
        f(X), f(turned), f(3.0)

    unchanged(call, 10_000)


def test_callbacks_keep_no_memory():
    f = ad.jit(lambda x: np.linalg.eigh(x)[0])
    matrix = np.diag(np.arange(12.0))
    unchanged(lambda: f(matrix), 10_000)


def test_captured_arrays_and_effects_keep_no_memory():
    weights = np.ones(20)
    state = {"total": 0.0}

    def f(x):
        state["total"] = state["total"] * 0.5 + np.sum(weights * x)
        return x + weights

    g = ad.jit(f)
    unchanged(lambda: g(X), 20_000)


def test_references_are_counted(jitted):
    x, n = X.copy(), 5
    f = ad.jit(lambda x: (x, x))
    for call in (lambda: jitted(x, n), lambda: f(x), failing(jitted, x, 30), lambda: f(x[::2])):
        call()
        before = sys.getrefcount(x), sys.getrefcount(x.dtype), sys.getrefcount(None)
        for _ in range(1000):
            call()
        after = sys.getrefcount(x), sys.getrefcount(x.dtype), sys.getrefcount(None)
        assert all(abs(a - b) < 20 for a, b in zip(after, before, strict=True))


def test_graphs_are_freed():
    before = len(contexts._programs)
    for k in range(5):
        ad.jit(lambda x, k=k: np.sum(x) * k)(X)
    gc.collect()
    assert len(contexts._programs) <= before + 1


# -- arguments -------------------------------------------------------------------------------------


def unaligned(x):
    raw = np.zeros(x.nbytes + 1, np.uint8)
    found = raw[1:].view(x.dtype).reshape(x.shape)
    found[...] = x
    return found


def read_only(x):
    x = x.copy()
    x.flags.writeable = False
    return x


class Tagged(np.ndarray):
    pass


KINDS = {
    "strided": lambda x: np.repeat(x, 2, axis=-1)[..., ::2],
    "reversed": lambda x: x[..., ::-1].copy()[..., ::-1],
    "fortran": np.asfortranarray,
    "broadcast": lambda x: np.broadcast_to(x[..., :1], x.shape),
    "big-endian": lambda x: x.astype(x.dtype.newbyteorder(">")),
    "unaligned": unaligned,
    "read-only": read_only,
    "subclass": lambda x: x.view(Tagged),
    "transposed": lambda x: np.swapaxes(np.swapaxes(x, 0, -1).copy(), 0, -1),
    "field": lambda x: np.rec.fromarrays([x, x], names="a,b")["a"],
}


@pytest.mark.parametrize("shape", [(20,), (4, 15), (3, 4, 10), (5,)])
@pytest.mark.parametrize("kind", KINDS)
def test_kinds_of_arrays(kind, shape):
    x = np.arange(1.0, np.prod(shape) + 1).reshape(shape)
    given = KINDS[kind](x)

    def f(x):
        y = x * 2 + np.sum(x, axis=-1, keepdims=True)
        y[..., 0] = 1.0
        return y, np.cumsum(x)

    staged = ad.jit(f)
    want = f(np.asarray(given, float))
    for _ in range(3):
        for got, expected in zip(staged(given), want, strict=True):
            assert type(got) is np.ndarray and got.dtype == expected.dtype
            np.testing.assert_allclose(got, expected)
        for got, expected in zip(staged(x), f(x), strict=True):
            np.testing.assert_allclose(got, expected)


@pytest.mark.parametrize("shape", [(0,), (0, 12), (12, 0), (0, 0), (3, 0, 20)])
def test_empty_arrays(shape):
    x = np.ones(shape)
    f = ad.jit(lambda x: (x * 2, np.sum(x), np.sum(x, axis=0), x.T))
    for got, want in zip(f(x), (x * 2, 0.0, np.sum(x, axis=0), x.T), strict=True):
        np.testing.assert_array_equal(got, want)
        assert np.shape(got) == np.shape(want)


def test_arrays_without_axes():
    f = ad.jit(lambda x: x * 2)
    assert f(np.array(3.0)) == 6.0 and f(np.float32(1.5)) == np.float32(3)
    assert type(f(np.float32(1.5))) is np.float32


def test_integers_beyond_64_bits():
    f = ad.jit(lambda n: n + 1)
    assert f(2**62) == 2**62 + 1
    for n in (2**63, -(2**63) - 1, 10**30):
        with pytest.raises(OverflowError, match="64 bits"):
            f(n)
    assert f(-(2**63)) == -(2**63) + 1


@pytest.mark.parametrize(
    ("f", "fits", "beyond"),
    [
        (lambda n: n * n, 3 * 10**9, 2**32),
        (lambda n: n**3, 2**20, 2**21),
        (lambda n: (-2) ** n, 63, 64),
        (lambda n: 1 << n, 62, 63),
        (lambda n: -1 << n, 63, 64),
        (lambda n: n << 3, -(2**60), 2**60),
        (lambda n: -n, 2**63 - 1, -(2**63)),
        (lambda n: abs(n), -(2**63) + 1, -(2**63)),
    ],
)
def test_integers_are_right_or_refused(f, fits, beyond):
    staged = ad.jit(f)
    assert staged(fits) == f(fits)
    with pytest.raises(OverflowError, match="64 bits"):
        staged(beyond)


@pytest.mark.parametrize("shift", [lambda n: 5 << n, lambda n: 5 >> n])
def test_shifts_by_negative_counts(shift):
    assert ad.jit(shift)(2) == shift(2)
    with pytest.raises(ValueError, match="negative shift count"):
        ad.jit(shift)(-1)


def test_kinds_of_numbers():
    f = ad.jit(lambda x: x * 3)
    for x in (2, 2.5, 1j, True, np.int8(2), np.uint16(7), np.float32(1.5), np.complex64(1j)):
        got, want = f(x), x * 3
        assert got == want and type(got) is type(want)


def test_numbers_of_dtypes_without_machine_code():
    f = ad.jit(lambda x: (np.sum(x * 2), x[::2] + x[0], x[1]))
    for dtype in (np.float16, np.longdouble, np.clongdouble):
        x = np.arange(20, dtype=dtype)
        for _ in range(3):
            for got, want in zip(f(x), (2 * np.sum(x), x[::2] + x[0], x[1]), strict=True):
                np.testing.assert_array_equal(got, want)
                assert got.dtype == want.dtype
    g = ad.jit(lambda x: (x * x, x + 1))
    for x in (np.float16(3), np.longdouble(3), np.clongdouble(3 + 1j)):
        assert g(x) == (x * x, x + 1) and type(g(x)[0]) is type(x)


@pytest.mark.parametrize("kind", [np.matrix, np.ma.masked_array])
def test_arrays_with_operators_of_their_own_are_refused(kind):
    with pytest.raises(InputError, match=r"whose operators are its own.*np.asarray"):
        ad.jit(lambda x: x * x)(kind(np.eye(3)))


def test_byte_orders_of_what_is_read_and_made():
    swapped = np.arange(20.0).astype(">f8")
    f = ad.jit(lambda x: (x + swapped, x.astype(">f4") * 2, np.zeros(3, ">i4")))
    for got, want in zip(f(X), (X + swapped, X.astype("f4") * 2, np.zeros(3)), strict=True):
        np.testing.assert_allclose(got, want)
        assert got.dtype.isnative
    swapped[:] = 1.0
    np.testing.assert_allclose(f(X)[0], X + 1)


@pytest.mark.parametrize("kind", ["unaligned", "big-endian", "subclass", "strided"])
def test_arguments_of_every_kind_are_changed_in_place(kind):
    def f(x):
        x[3:5] = 7.0
        x *= 2
        return x[0]

    x = KINDS[kind](X.copy())
    assert ad.jit(f)(x) == pytest.approx(2 * X[0])
    want = X.copy()
    f(want)
    np.testing.assert_allclose(x, want)


def test_arrays_that_are_constants_may_change():
    names = np.array(["a", "b"], dtype=object)
    f = ad.jit(lambda x, names: x * 2 if names[0] == "a" else x * 3)
    assert f(1.0, names) == 2.0
    names[0] = "c"
    assert f(1.0, names) == 3.0


def test_a_recursion_that_is_too_deep():
    def down(n):
        return 0.0 if n == 0 else 1.0 + down(n - 1)

    f = ad.jit(down)
    assert f(100) == 100.0
    for _ in range(3):
        with pytest.raises(RecursionError):
            f(10**8)
    assert f(1000) == 1000.0


def test_results_own_their_memory():
    def f(x):
        y = x * 2
        return x, y, y[2:4], y.reshape(4, 5), y[:, None], np.zeros(20), x[x > 0.5]

    g = ad.jit(f)
    x = X.copy()
    found = g(x)
    for k, a in enumerate(found):
        assert a.flags.writeable and a.flags.aligned and a.flags.c_contiguous
        assert not np.shares_memory(a, x)
        for b in found[:k]:
            assert not np.shares_memory(a, b)
    again = g(x)
    for a, b in zip(found, again, strict=True):
        assert not np.shares_memory(a, b)
    for a in found:
        a[...] = -1.0
    for a, b in zip(g(x), again, strict=True):
        np.testing.assert_array_equal(a, b)
    np.testing.assert_array_equal(x, X)


def test_results_outlive_the_function():
    f = ad.jit(lambda x: (np.sin(x), x[x > 0.5]))
    found = f(X)
    del f
    gc.collect()
    np.testing.assert_allclose(found[0], np.sin(X))


def test_an_argument_is_the_same_array_twice():
    def f(x, y):
        y = y.copy()
        for i in range(len(y) - 1):
            y[i + 1] += x[i] * y[i]
        return y, x

    np.testing.assert_allclose(ad.jit(f)(X, X)[0], f(X, X)[0])


def test_arguments_that_are_changed_in_place():
    def f(x, y):
        for i in range(len(x)):
            x[i] = x[i] * 2 + y[0]
        return np.sum(x)

    for make in (np.copy, lambda x: np.repeat(x, 2)[::2], lambda x: x[::-1].copy()[::-1]):
        mine, theirs = make(X), make(X)
        assert ad.jit(f)(mine, np.ones(30)) == pytest.approx(f(theirs, np.ones(30)))
        np.testing.assert_allclose(mine, theirs)
    with pytest.raises(ValueError, match="read-only"):
        ad.jit(f)(read_only(X), np.ones(30))


def test_an_argument_that_changes_while_it_is_called():
    x = np.arange(20.0)
    f = ad.jit(lambda x: x + 1)
    first = f(x)
    x[:] = -1
    np.testing.assert_array_equal(first, np.arange(20.0) + 1)


# -- kept code -------------------------------------------------------------------------------------

PROGRAM = """
import numpy as np, adjoint as ad
f = ad.jit(lambda x: np.sum(np.sin(x) * 1.75))
print(f(np.linspace(0.0, 1.0, 20)))
print("found on disk" in ad.report(f))
"""


def run_program(text, **environment):
    done = subprocess.run(
        [sys.executable, "-c", text], env={**os.environ, **environment}, capture_output=True,
        text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return done.stdout.split("\n")[:2]


def test_damaged_code_on_disk_is_compiled_again(tmp_path):
    def run():
        number, kept = run_program(PROGRAM, ADJOINT_CACHE_DIR=str(tmp_path), ADJOINT_CACHE="1")
        return float(number), kept == "True"

    first, kept = run()
    assert not kept
    assert run() == (first, True)
    files = list(tmp_path.glob("*.object"))
    assert files
    for damage in (b"", b"\0" * 5000, None):
        for file in files:
            file.write_bytes(file.read_bytes()[:-7] + b"damaged" if damage is None else damage)
        assert run() == (first, False)
        assert run() == (first, True)


def test_without_llvmlite_the_error_tells_what_to_install():
    text = """
import sys
sys.modules["llvmlite"] = None
import numpy as np, adjoint as ad
def f(x): return x * 2.0
try:
    ad.jit(f)(1.0)
except ad.AdjointError as error:
    print("adjoint[jit]" in str(error) and 'backend="interpret"' in str(error))
print(ad.jit(f, backend="interpret")(1.0), ad.stage(f)(1.0)(1.5), ad.grad(f)(2.0))
"""
    assert run_program(text) == ["True", "2.0 3.0 2.0"]


@pytest.mark.parametrize("backend", ["llvm", "interpret"])
def test_an_argument_that_is_changed_and_returned_twice(backend):
    """It is stored once, and what is returned is no part of it."""

    def step(a, b):
        a[0] = a[0] * 2
        b += a
        return a, b, a

    f = ad.jit(step, backend=backend)
    mine = [np.arange(132.0).reshape(12, 11), np.ones((12, 11))]
    theirs = [x.copy() for x in mine]
    for _ in range(3):
        found, expected = f(*mine), step(*theirs)
        for x, y in zip((*found, *mine), (*expected, *theirs), strict=True):
            np.testing.assert_array_equal(x, y)
        for x in found:
            assert not any(np.shares_memory(x, y) for y in mine)


def test_a_branch_that_raises_keeps_no_arguments():
    def checked(x):
        if np.any(x < 0):
            raise ValueError("negative")
        return np.sum(x)

    run, x = ad.jit(checked), np.ones(5)
    run(x)
    found = weakref.ref(x)
    del x
    gc.collect()
    assert found() is None
    with pytest.raises(ValueError, match="negative"):
        run(-np.ones(5))
