"""Situations at the edge of a trace: values that escape, exceptions, pickling, missing source."""

import copy
import gc
import json
import math
import pickle

import numpy as np
import pytest

import adjoint as ad
from adjoint.errors import AdjointError, EscapedValueError, InputError, NonDifferentiableError

V = np.array([0.7, -0.4, 1.3])
KEPT = {}


# -- values that outlive their trace ---------------------------------------------------------------


def _escape(f):
    KEPT.clear()
    ad.grad(f)(V)
    return KEPT


def test_kept_in_a_global():
    def f(x):
        KEPT["x"], KEPT["y"] = x, x * x
        KEPT["view"] = x[1:]
        return np.sum(x)

    kept = _escape(f)
    for use in (
        lambda v: v + 1,
        lambda v: np.sin(v),
        lambda v: v[0],
        lambda v: v.sum(),
        lambda v: -v,
        lambda v: v @ v,
    ):
        for name in ("x", "y", "view"):
            with pytest.raises(EscapedValueError, match="return it from the function"):
                use(kept[name])
    with pytest.raises(EscapedValueError):
        kept["y"][0] = 1.0
    with pytest.raises(EscapedValueError):
        kept["y"] += 1.0


def test_kept_value_in_the_next_derivative():
    def f(x):
        KEPT["y"] = x * x
        return np.sum(x)

    kept = _escape(f)
    with pytest.raises(EscapedValueError):
        ad.grad(lambda x: np.sum(x * kept["y"]))(V)
    with pytest.raises(EscapedValueError):
        ad.jvp(lambda x: kept["y"] * x, (V,), (V,))


def test_array_filled_and_kept():
    """An array made outside a trace by its own rules stays plain; one made inside escapes."""

    def f(x):
        u = np.zeros(3)
        u[0] = x[0]
        KEPT["u"] = u
        return np.sum(u)

    kept = _escape(f)
    with pytest.raises(EscapedValueError):
        kept["u"] * 2


def test_kept_in_a_generator():
    def values(x):
        for v in x:
            yield v * v

    def f(x):
        g = values(x)
        KEPT["g"] = g
        return next(g)

    kept = _escape(f)
    with pytest.raises(EscapedValueError):
        next(kept["g"])


def test_kept_in_a_default_argument():
    def f(x, memory=[]):  # noqa: B006
        memory.append(x * 2)
        return np.sum(memory[0])

    np.testing.assert_array_equal(ad.grad(f)(V), 2 * np.ones(3))
    with pytest.raises(EscapedValueError):
        ad.grad(f)(V)


def test_returned_closure_over_a_traced_value():
    def f(x):
        return np.sum(x), lambda: x * 2

    _, later = ad.grad(f, has_aux=True)(V)
    with pytest.raises(EscapedValueError):
        later()


def test_aux_is_plain():
    def f(x):
        y = x * x
        return np.sum(y), {"y": y, "n": 3, "first": x[0], "text": "a"}

    gradient, aux = ad.grad(f, has_aux=True)(V)
    assert type(aux["y"]) is np.ndarray and type(aux["first"]) is np.float64
    np.testing.assert_array_equal(aux["y"], V * V)
    assert aux["n"] == 3 and aux["text"] == "a"


# -- exceptions ------------------------------------------------------------------------------------


class Stop(Exception):
    pass


def test_exception_in_mid_trace_leaves_nothing_behind():
    def bad(x):
        KEPT["x"] = x
        y = np.zeros(3)
        y[0] = x[0]
        raise Stop

    for transform in (
        lambda: ad.grad(bad)(V),
        lambda: ad.jvp(bad, (V,), (V,)),
        lambda: ad.vjp(bad, V),
        lambda: ad.grad(lambda x: np.sum(x * ad.grad(bad)(x)))(V),
    ):
        with pytest.raises(Stop):
            transform()
        with pytest.raises(EscapedValueError):
            KEPT["x"] + 1
        assert type(np.sin(V)) is np.ndarray and type(np.zeros(2)) is np.ndarray
        np.testing.assert_allclose(ad.grad(lambda x: np.sum(x**2))(V), 2 * V)


def test_exception_caught_inside_the_function():
    def f(x):
        def inner(y):
            if y > 0:
                raise Stop
            return y

        try:
            ad.grad(inner)(x[0])
        except Stop:
            return np.sum(x**2)
        return 0.0 * np.sum(x)

    np.testing.assert_allclose(ad.grad(f)(V), 2 * V)


def test_traceback_points_at_the_users_line():
    def f(x):
        y = x * 2
        return y[7]

    with pytest.raises(IndexError) as info:
        ad.grad(f)(V)
    assert any(e.path.samefile(__file__) for e in info.traceback[1:])


@pytest.mark.parametrize(
    "bad",
    [
        lambda a, x: a.__setitem__(slice(None), x[:2]),
        lambda a, x: a.__setitem__((0, 0), x[0]),
        lambda a, x: a.__setitem__(9, x[0]),
        lambda a, x: a.__setitem__(0, x),
        lambda a, x: a.__setitem__([0, 1], x),
        lambda a, x: a.__setitem__(slice(0, 1), x),
        lambda a, x: a.__setitem__("k", x),
        lambda a, x: a.__setitem__(1.5, x[0]),
        lambda a, x: a.__iadd__(np.ones((2, 3)) * x),
        lambda a, x: a.__imul__(1j * x),
        lambda a, x: a.__imul__(x[:2]),
        lambda a, x: a @ x[:2],
        lambda a, x: a + x[:2],
        lambda a, x: a.reshape(2, 2) * x[0],
        lambda a, x: np.add(a, x, out=a[:2]),
    ],
    ids=range(15),
)
def test_numpys_errors_are_numpys(bad):
    """What NumPy refuses is refused with its exception, and its words where it is NumPy's own."""
    with pytest.raises(Exception) as plain:
        bad(V.copy(), V.copy())

    def f(x):
        a = x * 1.0
        before = a * 1.0
        try:
            bad(a, x)
        finally:
            KEPT["changed"] = bool(np.any(a != before))
        return np.sum(a)

    refused = TypeError if "UFunc" in plain.typename else plain.type
    with pytest.raises(refused) as traced:
        ad.grad(f)(V)
    if "UFunc" not in plain.typename and "operand" not in str(
        plain.value
    ):  # those name the ufunc's arguments
        assert str(plain.value)[:40] == str(traced.value)[:40]
    assert not KEPT["changed"]


def test_failed_store_changes_no_derivative():
    def f(x):
        a = x * x
        try:
            a[:] = x[:2]
        except ValueError:
            pass
        try:
            a[5] = 1.0
        except IndexError:
            pass
        return np.sum(a)

    np.testing.assert_allclose(ad.grad(f)(V), 2 * V)


# -- where a derivative could be lost --------------------------------------------------------------


def test_float_stored_into_integers_is_refused():
    def f(x):
        counts = np.zeros(3, dtype=int)
        counts[0] = x[2]
        return np.sum(counts * x)

    with pytest.raises(TypeError, match="derivative"):
        ad.grad(f)(V)


def test_float_stored_into_plain_outer_array_is_refused():
    outer = np.zeros(3)

    def f(x):
        outer[0] = x[0]
        return np.sum(outer * x)

    with pytest.raises(TypeError, match="stored"):
        ad.grad(f)(V)
    np.testing.assert_array_equal(outer, 0)


def test_plain_array_plus_equals_traced_is_refused():
    outer = np.zeros(3)

    def f(x):
        a = outer
        a += x
        return np.sum(a * x)

    with pytest.raises(TypeError):
        ad.grad(f)(V)
    np.testing.assert_array_equal(outer, 0)


@pytest.mark.parametrize(
    "convert",
    [
        pickle.dumps,
        json.dumps,
        lambda x: np.frombuffer(x),
        lambda x: memoryview(x),
        lambda x: bytearray(x),
        lambda x: np.fromiter(x, float),
        lambda x: math.fsum(x),
        lambda x: np.array(x, dtype=object),
        lambda x: np.ndarray.__add__(np.ones(3), x),
        lambda x: np.array([None, x], dtype=object),
    ],
    ids=lambda f: (
        getattr(f, "__name__", "") + str(f.__code__.co_names if hasattr(f, "__code__") else "")
    ),
)
def test_conversions_keep_the_derivative_or_raise(convert):
    def f(x):
        return np.sum(x * 2), convert(x)

    def g(x):
        out = convert(x)
        total = out if not isinstance(out, (bytes, str)) else 0.0
        return np.sum(x) + np.sum(total)

    try:
        gradient = ad.grad(g)(V)
    except (AdjointError, TypeError, ValueError, BufferError):
        return
    h = 1e-6
    numeric = [(g(V + h * e) - g(V - h * e)) / (2 * h) for e in np.eye(3)]
    np.testing.assert_allclose(gradient, numeric, rtol=1e-6)


def test_pickling_and_deep_copies():
    def f(x):
        with pytest.raises(AdjointError):
            pickle.dumps(x)
        with pytest.raises(AdjointError):
            pickle.dumps([x[0]])
        a = copy.deepcopy({"a": x * 2})["a"]
        b = copy.copy(x)
        b[0] = 5.0
        a[1] = 0.0
        return np.sum(a * x) + np.sum(b)

    np.testing.assert_allclose(ad.grad(f)(V), [4 * V[0], 1.0, 4 * V[2] + 1.0])


def test_no_traced_value_in_object_arrays():
    def f(x):
        a = np.empty(2, dtype=object)
        a[0] = x[0]
        return a[0] * 2.0

    try:
        gradient = ad.grad(f)(V)
    except AdjointError:
        return
    np.testing.assert_allclose(gradient, [2.0, 0, 0])


# -- bad requests ----------------------------------------------------------------------------------


def test_requests_that_make_no_sense():
    with pytest.raises(NonDifferentiableError, match="integers"):
        ad.grad(lambda x: x * 2.0)(3)
    with pytest.raises(NonDifferentiableError, match="integers"):
        ad.grad(lambda x: np.sum(x))(np.arange(3))
    with pytest.raises(InputError, match="scalar"):
        ad.grad(lambda x: x)(V)
    with pytest.raises(InputError, match="None"):
        ad.grad(lambda x: None)(V)
    with pytest.raises(AdjointError):
        ad.grad(lambda x: int(x[0]))(V)
    with pytest.raises(AdjointError):
        ad.grad(lambda x: x[0] > 0)(V)
    with pytest.raises(AdjointError):
        ad.grad(lambda x: "text")(V)
    with pytest.raises(InputError, match="shape"):
        ad.jvp(lambda x: x, (V,), (np.ones(2),))
    with pytest.raises(InputError, match="shape"):
        ad.vjp(lambda x: x * 2, V)[1](np.ones(2))


def test_result_does_not_depend_on_the_argument():
    np.testing.assert_array_equal(ad.grad(lambda x: 3.0)(V), 0)
    np.testing.assert_array_equal(ad.grad(lambda x: np.sum(V))(V), 0)
    np.testing.assert_array_equal(ad.jvp(lambda x: np.ones(2), (V,), (V,))[1], 0)
    value, pull = ad.vjp(lambda x: np.arange(3), V)
    np.testing.assert_array_equal(value, np.arange(3))


def test_keyword_and_unselected_arguments_are_left_alone():
    w, k = V.copy(), V.copy()

    def f(x, w, *, k):
        w[0] = x[0] * 2
        k *= x
        return np.sum(w * k)

    gradient = ad.grad(f)(V, w, k=k)
    np.testing.assert_array_equal(w, V)
    np.testing.assert_array_equal(k, V)
    np.testing.assert_allclose(
        gradient, [6 * V[0] ** 2 * 1.0 - 2 * V[0] ** 2, V[1] ** 2, V[2] ** 2]
    )


# -- functions without source ----------------------------------------------------------------------

WITHOUT_SOURCE = {
    "arithmetic": ("def f(x):\n    return np.sum(x * x)", 2 * V),
    "fill": (
        "def f(x):\n    u = np.zeros(3)\n    for k in range(3):\n        u[k] = x[k] ** 2\n"
        "    return np.sum(u)",
        2 * V,
    ),
    "math": ("def f(x):\n    return math.sin(x[0])", [math.cos(V[0]), 0, 0]),
    "float": ("def f(x):\n    return float(x[0]) * 2.0", [2.0, 0, 0]),
    "copy and store": (
        "def f(x):\n    u = x.copy()\n    u[0] *= 2\n    return np.sum(u)",
        [2, 1, 1],
    ),
    "like": (
        "def f(x):\n    u = np.zeros_like(x)\n    u[0] = x[1]\n    return np.sum(u)",
        [0, 1, 0],
    ),
    "plus equals": ("def f(x):\n    u = np.ones(3)\n    u *= x\n    return np.sum(u)", [1, 1, 1]),
    "array": ("def f(x):\n    return np.sum(np.array([x[0] * x[1], x[2]]))", [V[1], V[0], 1]),
    "fresh": ("def f(x):\n    u = W * 2\n    u[0] = x[0]\n    return np.sum(u)", [1, 0, 0]),
    "max": ("def f(x):\n    return max(x) * min(x)", [0, V[2], V[1]]),
    "out": (
        "def f(x):\n    u = np.zeros(3)\n    np.multiply(x, x, out=u)\n    return u.sum()",
        2 * V,
    ),
    "add at": (
        "def f(x):\n    u = np.zeros(3)\n    np.add.at(u, [0, 0, 1], x)\n    return u.sum()",
        [1, 1, 1],
    ),
    "asarray": ("def f(x):\n    return np.sum(np.asarray(x) ** 2)", 2 * V),
    "list store": (
        "def f(x):\n    u = np.zeros(3)\n    u[:] = [x[0], x[1], x[2]]\n    return u.sum()",
        [1, 1, 1],
    ),
    "copyto": (
        "def f(x):\n    u = np.zeros(3)\n    np.copyto(u, x)\n    return u.sum()",
        [1, 1, 1],
    ),
    "fill method": (
        "def f(x):\n    u = np.zeros(3)\n    u.fill(x[0])\n    return u.sum()",
        [3, 0, 0],
    ),
    "put": (
        "def f(x):\n    u = np.zeros(3)\n    np.put(u, [1], x[0])\n    return u.sum()",
        [1, 0, 0],
    ),
    "mutated residual": (
        "def f(x):\n    w = np.ones(3)\n    y = x * w\n    w[:] = 5.0\n    return np.sum(y)",
        [1, 1, 1],
    ),
}


REFUSED = (  # by NumPy or Python, which call nothing of ours there
    "fill", "math", "float", "plus equals", "array", "fresh", "out", "asarray", "list store",
    "fill method", "put", "copyto", "add at", "like",
)  # fmt: skip


@pytest.mark.parametrize("name", WITHOUT_SOURCE)
@pytest.mark.parametrize("mode", ["reverse", "forward"])
def test_function_without_source(name, mode):
    """Right, or refused with the reason; never silently wrong."""
    text, want = WITHOUT_SOURCE[name]
    space = {"np": np, "math": math, "W": np.ones(3)}
    exec(text, space)
    f = space["f"]
    try:
        if mode == "reverse":
            got = ad.grad(f)(V)
        else:
            got = [ad.jvp(f, (V,), (e,))[1] for e in np.eye(3)]
    except (AdjointError, TypeError, ValueError) as error:
        assert name in REFUSED, error
        assert str(error)
        return
    np.testing.assert_allclose(got, want, rtol=1e-12)


def test_single_precision_programs():
    """Single precision stays single, and widens, exactly where NumPy's does."""
    x = V.astype(np.float32)

    def stays(x):
        y = x * 2.0 + 1
        y /= 3.0
        out = np.zeros(3, np.float32)
        out[1:] = y[:-1] * 0.5
        out[0] = 1.5
        assert y.dtype == out.dtype == np.float32
        return np.sum(out * y * np.float32(2))

    def widens(x):
        y = x * np.float64(2.0)
        z = x + np.arange(3.0)
        assert y.dtype == z.dtype == np.float64
        a = np.zeros(3, np.float32)
        a[:] = z * z
        return np.sum(y * a)

    for f in (stays, widens):
        gradient = ad.grad(f)(x)
        assert gradient.dtype == np.float32
        assert ad.value_and_grad(f)(x)[0].dtype == f(x).dtype
        h = 1e-2
        numeric = [
            (f((V + h * e).astype(np.float32)) - f((V - h * e).astype(np.float32))) / (2 * h)
            for e in np.eye(3)
        ]
        np.testing.assert_allclose(gradient, numeric, rtol=1e-3, atol=1e-3)


def test_nothing_is_kept_after_a_derivative():
    """No tape, value or closure survives its transformation."""
    import weakref

    class Canary(np.ndarray):
        pass

    references = []

    def f(x):
        y = x * x
        references.append(weakref.ref(y))
        z = np.exp(y)
        references.append(weakref.ref(z))
        return np.sum(z)

    ad.grad(f)(V)
    ad.jvp(f, (V,), (V,))
    gc.collect()
    assert all(r() is None for r in references)
