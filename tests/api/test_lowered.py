"""What `lower` shows and `report` tells."""

import numpy as np
import pytest

import adjoint as ad
from adjoint.backends.llvm import engine
from adjoint.errors import InputError

X = np.linspace(0.1, 1.0, 20)


def relax(x, n):
    u = np.zeros(x.shape)
    for i in range(n):
        u = 0.5 * (u + np.sin(x))
        u[0] = i
    return u @ u


def stages(f, *args):
    return ad.jit(f).lower(*args)


# -- lower -----------------------------------------------------------------------------------------


def test_nothing_is_computed_before_it_is_asked_for(monkeypatch):
    made = []
    monkeypatch.setattr("adjoint.api.compile.make_graph", lambda *a, **k: made.append(1))
    ad.jit(relax).lower(X, 3)
    assert not made


def test_the_stages_follow_each_other(monkeypatch):
    shown = stages(ad.grad(relax), X, 3)
    assert shown.graph == str(ad.stage(ad.grad(relax))(X, 3))
    assert "define internal i32 @graph(" in shown.llvm
    monkeypatch.setattr(engine, "compile_object", None)
    assert "@enter" in shown.optimised and len(shown.optimised) != len(shown.llvm)
    assert "ret" in shown.assembly
    assert "cost: " in str(shown) and shown.loops in str(shown)


def test_the_graph_that_runs_is_the_one_shown():
    f = ad.jit(relax)
    f(X, 3)
    shown = f.lower(X, 3)
    _ = shown.graph
    assert shown._graph is f.made[0].graph


def test_static_arguments_are_constants():
    shown = ad.jit(relax, static_argnums=1).lower(X, 3)
    assert "in range(0, 3, 1)" in shown.graph


def test_loops_tell_of_fusion_memory_and_stores():
    text = stages(relax, X, 3).loops
    assert "carries" in text and "two memories that change roles" in text
    assert "in place" in text and "8 * %n0 bytes" in text
    assert "%8 multiply <- %7 add" in text


def test_bytes_are_a_number_where_lengths_are_constants():
    def f(x):
        y = np.sin(x) + np.cumsum(x)
        return np.sum(y[::-1] * np.cumsum(y))

    assert "bytes, in the frame" in stages(f, np.ones(5)).loops


@pytest.mark.parametrize(
    ("f", "args", "operations"),
    [
        (lambda x: np.sin(x) + x, (np.ones(50),), 100),
        (lambda a, b: a @ b, (np.ones((20, 30)), np.ones((30, 40))), 2 * 20 * 30 * 40),
        (lambda x: np.sum(x), (np.ones((20, 30)),), 600),
        (lambda x: x[::2] + 1.0, (np.ones(50),), 25),
    ],
)
def test_cost_of_arrays(f, args, operations):
    assert stages(f, *args).cost.operations == operations


def triangle(x, n):
    s = 0.0
    for i in range(n):
        for j in range(i):
            s += x[i] * x[j]
    return s


def test_cost_of_loops_is_that_of_their_passes():
    cost = stages(triangle, np.ones(101), 101).cost
    assert cost.operations == pytest.approx(2 * 101 * 100 / 2, rel=0.02) and not cost.unknown


def test_loops_of_unknown_length_are_told():
    def until(x):
        while x < 10.0:
            x = x * 1.5
        return x

    cost = stages(until, 1.0).cost
    assert len(cost.unknown) == 1 and "one pass of the loop" in str(cost)


def test_callbacks_are_told_with_their_lines():
    (one,) = stages(lambda x: np.linalg.eigh(x)[0], np.eye(12)).callbacks
    assert one.operation == "eigh" and one.place[0].endswith("test_lowered.py")


# -- report ----------------------------------------------------------------------------------------


def reasons(f):
    return [made.reason for made in f.made]


def test_reasons_of_recompilation():
    f = ad.jit(lambda x, k=1.0: np.sum(x * k))
    f(X)
    f(X.astype(np.float32))
    f(X.reshape(4, 5))
    f(X[:5])
    f(X[::2])
    f(X, 2.0)
    f(X, 2)
    f(X, k=2)
    first, dtype, rank, short, strided, structure, kind, keyword = reasons(f)
    assert first == "the first call"
    assert dtype == "x has dtype float32, not float64"
    assert rank == "x has 2 axes, not 1 axis"
    assert short == "axis 0 of x has length 5 (lengths up to 8 are constants)"
    assert strided == "x is not C-contiguous"
    assert structure.startswith("the arguments have the structure")
    assert kind == "k is a Python int, not a Python float"
    assert keyword.startswith("the arguments have the structure")


def test_the_reason_of_a_large_structure_is_where_it_differs():
    def model(rate, width):
        layers = [ad.nn.Linear(3, 3, rng=0) for _ in range(5)]
        return ad.nn.Sequential(*layers, ad.nn.Linear(3, width, rng=0), ad.nn.Dropout(rate))

    f = ad.jit(lambda model, x: model(x))
    x = np.ones((20, 3), np.float32)
    f(model(0.1, 3), x)
    f(model(0.1, 4), x)
    f({"other": model(0.1, 3).layers[0]}["other"], x)
    _, setting, other = reasons(f)
    assert (
        setting.startswith("the structure of args[0].layers[5] is ")
        and "('out_features', 4)" in setting
    )
    assert other.startswith("the structure of args[0] is ") and "Sequential" in other
    assert max(map(len, (setting, other))) < 600


def test_reasons_that_are_constants():
    f = ad.jit(lambda x, mode, k: np.sum(x, axis=k) if mode == "sum" else np.max(x, axis=k))
    x = np.ones((20, 30))
    f(x, "sum", 0)
    f(x, "sum", 1)
    f(x, "max", 1)
    assert reasons(f)[1:] == [
        "k = 1 is a constant of the graph: Python needs its number",
        "mode is 'max', not 'sum', a constant of the graph",
    ]
    g = ad.jit(lambda x, n: x * n, static_argnums=1)
    assert np.all(g(X, 2) < g(X, 3))
    assert reasons(g)[1] == "the static arguments are 3, not 2"


FACTOR, WEIGHTS = 2, np.ones(20)


def test_reasons_outside(monkeypatch):
    f = ad.jit(lambda x: np.sum(x * FACTOR * WEIGHTS))
    f(X)
    monkeypatch.setitem(globals(), "FACTOR", 3)
    f(X)
    monkeypatch.setitem(globals(), "WEIGHTS", np.ones((3, 20)))
    assert f(X) == pytest.approx(9 * np.sum(X))
    assert reasons(f)[1:] == [
        "the variable 'FACTOR' is 3, not 2",
        "the variable 'WEIGHTS' is float64[3, 20], not float64[20]",
    ]


def test_a_length_that_a_captured_array_has_is_no_other_graph():
    weights = np.arange(12.0)
    f = ad.jit(lambda x: np.sum(x * weights))
    for _ in range(3):
        assert f(np.ones(12)) == 66.0
    assert len(f.made) == 1


def test_reasons_of_lengths():
    f = ad.jit(lambda x, y: np.sum(x[10:12]) + np.sum(y))
    f(np.ones(20), np.ones(30))
    f(np.ones(20), np.ones(20))
    f(np.ones(11), np.ones(20))
    assert reasons(f)[1] == "axis 0 of y is as long as other axes than before"
    assert reasons(f)[2] == "len(x) - 12 > 0 does not hold"


def test_the_report_names_leaves_of_trees():
    f = ad.jit(lambda p, x: np.sum(p["w"][0] * x))
    f({"w": [X]}, X)
    f({"w": [X.astype(np.float32)]}, X)
    assert reasons(f)[1] == "p['w'][0] has dtype float32, not float64"


def test_the_report_tells_of_code_and_disk(tmp_path, monkeypatch):
    monkeypatch.setenv("ADJOINT_CACHE_DIR", str(tmp_path))
    monkeypatch.delenv("ADJOINT_CACHE", raising=False)

    def f(x):
        return np.sum(x) * 3.25

    first, second = ad.jit(f), ad.jit(f)
    assert first(X) == second(X)
    assert "compiled in" in ad.report(first) and "found on disk in" in ad.report(second)
    assert "lowered in" in ad.report(first)


def test_the_report_tells_of_callbacks_and_derivatives():
    f = ad.jit(lambda x: np.linalg.eigh(x)[0])
    f(np.eye(12))
    ad.grad(lambda x: np.sum(f(x)))(np.diag(np.arange(12.0)))
    text = ad.report(f)
    assert "callback: eigh at " in text and "\nvjp of " in text


def test_the_report_is_of_jitted_functions():
    with pytest.raises(InputError, match="not what ad.jit returned"):
        ad.report(relax)
