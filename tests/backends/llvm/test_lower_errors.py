"""What fails at run time fails with the exception, the message and the line of the interpreter."""

from __future__ import annotations

from copy import deepcopy

import numpy as np
import pytest

import adjoint as ad
from adjoint.backends.interpret import run
from adjoint.backends.llvm import compiled
from adjoint.staging import stage
from tests.backends.llvm.lowering import agree

pytestmark = [
    pytest.mark.usefixtures("compiled_quickly"),
    pytest.mark.filterwarnings("ignore"),
]


def v(*shape):
    return np.arange(1.0, 1 + np.prod(shape)).reshape(shape)


def i(*integers):
    return np.array(integers)


def store(x, index, y):
    x = x.copy()
    x[index] = y
    return x


def add_at(x, index, y):
    x = x.copy()
    np.add.at(x, index, y)
    return x


def total(x, n):
    s = 0.0
    for k in range(n):
        s += x[k]
    return s


def asserted(x):
    assert x[0] > 0, "not positive"
    return x


def raised(x):
    if x[0] < 0:
        raise KeyError("negative")
    return x


CASES = {
    "index": (lambda x, k: x[k], (v(5), 2), (v(5), 5), (v(5), -6), (v(5), -5)),
    "indices": (lambda x, k, m: x[k, m], (v(5, 4), 2, 1), (v(5, 4), 5, 0), (v(5, 4), 0, -5)),
    "index array": (
        lambda x, k: x[k], (v(5), i(1, 2)), (v(5), i(1, 5)), (v(5), i(-6, 5, 9)), (v(5), i(5, -6)),
    ),
    "take": (lambda x, k: np.take(x, k, axis=0), (v(5, 4), i(1, 2)), (v(5, 4), i(1, 5))),
    "take along": (
        lambda x, k: np.take_along_axis(x, k, 0), (v(6), i(1, 2)), (v(6), i(1, 6))
    ),
    "store": (lambda x, k: store(x, k, 1.0), (v(5), 2), (v(5), 5), (v(5), -6)),
    "store a part": (
        lambda x, y: store(x, slice(1, None), y), (v(5), v(4)), (v(5), v(3)), (v(5), v(1))
    ),
    "store at an index array": (
        store, (v(5), i(1, 2), v(2)), (v(5), i(1, 7), v(2)), (v(5), i(1, 2), v(3)),
    ),
    "store at a mask": (
        lambda x, y: store(x, x > 2, y), (v(5), v(3)), (v(5), v(4)), (v(5), v(2)), (v(2), v(0)),
    ),
    "store one at a mask": (
        lambda x, y, n: store(x, x > 2, y[:n]), (v(5), v(4), 3), (v(5), v(4), 1),
    ),
    "add at": (add_at, (v(5), i(1, 2), v(2)), (v(5), i(1, 9), v(2)), (v(5), i(1, 2), v(3))),
    "masked sum": (lambda x, y: x[x > 2] + y[y > 2], (v(5), v(5)), (v(5), v(4)), (v(5), v(3))),
    "masked and not": (lambda x, y: x[x > 2] * x[x > 2] + y, (v(5), v(3)), (v(5), v(4))),
    "masked product": (
        lambda x, y: x[:, x[0] > 1] @ y, (v(3, 5), v(4, 2)), (v(3, 5), v(3, 2)),
    ),
    "masked joined": (
        lambda x, y: np.concatenate([x[:, x[0] > 1], y]), (v(6, 3), v(3, 2)), (v(6, 3), v(3, 4)),
    ),
    "masked stacked": (lambda x, y: np.stack([x[x > 1], y]), (v(6), v(5)), (v(6), v(3))),
    "masked reshaped": (lambda x: x[x > 2].reshape(2, -1), (v(6),), (v(5),), (v(2),)),
    "masked reshaped to squares": (lambda x: x[x > 2].reshape(2, 2), (v(6),), (v(5),)),
    "reshape": (lambda x, n: x.reshape(n, 2), (v(6), 3), (v(6), 4), (v(7), 3)),
    "greatest": (lambda x: x.max(), (v(6),), (v(0),)),
    "greatest of columns": (lambda x: x.max(axis=0), (v(6, 2),), (v(0, 2),)),
    "place of the greatest": (lambda x: np.argmax(x), (v(6),), (v(0),)),
    "place of the least": (lambda x: np.argmin(x, axis=1), (v(6, 2),), (v(6, 0),)),
    "quotient": (lambda x, y: x / y, (1.0, 2.0), (1.0, 0.0)),
    "quotient of integers": (lambda x, y: x / y, (1, 2), (1, 0)),
    "whole quotient": (lambda x, y: x // y, (1.0, 2.0), (1.0, 0.0)),
    "whole quotient of integers": (lambda x, y: x // y, (1, 2), (1, 0), (-7, 2)),
    "remainder": (lambda x, y: x % y, (1.0, 2.0), (1.0, 0.0)),
    "remainder of integers": (lambda x, y: x % y, (1, 2), (1, 0), (-7, 3), (-(2**63), -1)),
    "power": (lambda x, y: x**y, (1.0, 2.0), (-1.0, 0.5), (0.0, -1.0)),
    "powers of integers": (lambda x, y: x**y, (i(1, 2), i(1, 2)), (i(1, 2), i(1, -2))),
    "int": (lambda x: int(x) + 1, (1.5,), (-1.5,), (float("nan"),), (float("inf"),)),
    "passes": (total, (v(6), 2), (v(6), 7), (v(6), 0)),
    "step": (lambda x, n: x[::n], (v(6), 2), (v(6), 0), (v(6), -2)),
    "assertion": (asserted, (v(6),), (-v(6),)),
    "exception": (raised, (v(6),), (-v(6),)),
    "broadcast": (lambda x, n: np.broadcast_to(x, (3, n)), (v(6), 6), (v(6), 5)),
    "singular": (np.linalg.solve, (np.eye(3), v(3)), (np.zeros((3, 3)), v(3))),
    "not positive definite": (np.linalg.cholesky, (np.eye(3),), (-np.eye(3),)),
}  # fmt: skip


def outcome(runs, graph, args):
    try:
        return runs(graph.function, graph.inputs(*deepcopy(args)))
    except Exception as error:
        return type(error), str(error), getattr(error, "__notes__", None)


@pytest.mark.parametrize("name", CASES)
def test_outcomes(name, monkeypatch):
    monkeypatch.setattr(stage, "FEW", 1)
    fn, *points = CASES[name]
    graph = ad.stage(fn)(*points[0])
    with np.errstate(all="ignore"):
        for args in [*points, points[0]]:
            want, got = outcome(run, graph, args), outcome(compiled.run, graph, args)
            if isinstance(want, tuple) or isinstance(got, tuple):
                assert got == want
                continue
            for g, w in zip(got, want, strict=True):
                agree(g, w)


@pytest.mark.parametrize(
    "fn, args",
    [
        (lambda x, y: x + y, (2**63 - 1, 1)),
        (lambda x, y: x - y, (-(2**63), 1)),
        (lambda x, y: x * y, (2**62, 2)),
        (lambda x, y: x // y, (-(2**63), -1)),
        (lambda x, y: -x + y, (-(2**63), 0)),
        (lambda x, y: abs(x) + y, (-(2**63), 0)),
        (lambda x, y: int(x) + y, (1e30, 0)),
    ],
)
def test_integers_beyond_64_bits_are_refused(fn, args):
    graph = ad.stage(fn)(*args)
    with pytest.raises(OverflowError, match="does not fit an integer of 64 bits"):
        compiled.run(graph.function, graph.inputs(*args))


def test_arguments_that_the_code_is_not_for_are_refused():
    def scaled(x, y, a):
        return (x @ y) * a

    graph = ad.stage(scaled)(v(4, 3), v(3), 2.0)
    args = [np.zeros((4, 2), np.float32), v(3), 2.0]
    variant = compiled.Variant(graph.function, (True,) * 3)
    with pytest.raises(TypeError) as caught:
        compiled.call(variant, args)
    wanted = "(float64(4,3), float64(3,), float)"
    given = "(float32(4,2), float64(3,), float)"
    assert str(caught.value).endswith(f"scaled' is for {wanted}, not for {given}")
