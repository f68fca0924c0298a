"""Products of matrices that lie in memory in every way that a program can have them lie."""

import numpy as np
import pytest

import adjoint as ad
from adjoint.staging import stage
from tests.backends.llvm.lowering import evaluate

pytestmark = pytest.mark.usefixtures("compiled_quickly")

PARTS = {
    "whole": lambda x: x,
    "transposed": lambda x: x.T,
    "rows reversed": lambda x: x[::-1],
    "columns reversed": lambda x: x[:, ::-1],
    "every other row": lambda x: x[::2],
    "every other column": lambda x: x[:, ::2],
    "inner": lambda x: x[2:-1, 1:-2],
    "inner, transposed": lambda x: x[2:-1, 1:-2].T,
    "rows reversed, transposed": lambda x: x[::-1].T,
    "a column": lambda x: x[:, 1:2],
    "a row": lambda x: x[1:2],
    "no row": lambda x: x[:0],
    "no column": lambda x: x[:, :0],
    "a row again and again": lambda x: np.broadcast_to(x[0], (5, x.shape[1])),
    "a column again and again": lambda x: np.broadcast_to(x[:, :1], (x.shape[0], 7)),
    "a column again and again, transposed": lambda x: np.broadcast_to(x[:, :1].T, (6, x.shape[0])),
    "real": lambda x: x.real,
    "imaginary": lambda x: x.imag,
}


def matrix(seed, dtype):
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(18, 18))
    return (x + 1j * rng.normal(size=(18, 18)) if dtype == "complex128" else x).astype(dtype)


def check(part, other, dtype):
    a, b = matrix(0, dtype), matrix(1, dtype)
    k = min(part(a).shape[1], other(b).shape[0])
    rtol = 1e-5 if dtype == "float32" else 1e-13

    def inside(a, b):
        return part(a)[:, :k] @ other(b)[:k]

    for fn, args in ((inside, (a, b)), (np.matmul, (part(a)[:, :k], other(b)[:k]))):
        graph = ad.stage(fn)(*args)
        evaluate(graph.function, *graph.inputs(*args), rtol=rtol)


@pytest.mark.parametrize("few", [1, None])
@pytest.mark.parametrize("name", PARTS)
def test_layouts(name, few, monkeypatch):
    if few is not None:
        monkeypatch.setattr(stage, "FEW", few)
    names = list(PARTS)
    at = names.index(name)
    for other, dtype in ((at, "float64"), (3 * at + 1, "complex128"), (5 * at + 2, "float32")):
        check(PARTS[name], PARTS[names[other % len(names)]], dtype)


def test_stacks_of_matrices():
    rng = np.random.default_rng(2)
    a, b = rng.normal(size=(3, 1, 17, 18)), rng.normal(size=(4, 18, 19))
    for fn in (
        np.matmul,
        lambda x, y: x[::-1, :, ::2] @ y[:, :, ::-1],
        lambda x, y: np.swapaxes(y, 1, 2) @ np.swapaxes(x[0], 1, 2),
    ):
        graph = ad.stage(fn)(a, b)
        evaluate(graph.function, *graph.inputs(a, b))
