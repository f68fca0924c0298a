"""What is read from finished arrays instead of being kept."""

import numpy as np
import pytest

import adjoint as ad
from adjoint.ir.graph import walk
from adjoint.ir.types import StackType

X = np.linspace(0.4, 1.6, 12)
A = np.cos(np.arange(144.0)).reshape(12, 12) * 0.1 + np.eye(12) * 2


def stacks(f, *args):
    """Return what the loops of the gradient keep, as stacks of stacks of what."""
    found = []
    for node in walk(ad.stage(ad.grad(f))(*args).function.block):
        if node.op.name == "for":
            found += [str(t) for t in node.type if isinstance(t, StackType)]
    return found


def agrees(f, *args):
    for backend in ("interpret", "llvm"):
        got = ad.jit(ad.grad(f), backend=backend)(*args)
        np.testing.assert_allclose(got, ad.grad(f)(*args), rtol=1e-12)


def cholesky(a):
    a = a @ a.T
    n = a.shape[0]
    for i in range(n):
        for j in range(i):
            a[i, j] = (a[i, j] - a[i, :j] @ a[j, :j]) / a[j, j]
        a[i, i] = np.sqrt(a[i, i] - a[i, :i] @ a[i, :i])
    return np.sum(np.tril(a) ** 2)


def forwards(x):
    u = np.zeros(x.shape)
    u[0] = x[0]
    for k in range(1, len(x)):
        u[k] = np.cos(x[k] * u[k - 1])
    return np.sum(u * u)


def backwards(x):
    u = x * 1.0
    for k in range(len(x) - 2, -1, -1):
        u[k] *= u[k + 1] * u[k + 1]
    return np.sum(u)


def by_two(x):
    u = x * 1.0
    for k in range(0, 10, 2):
        u[k + 1] = u[k] * u[k]
    return np.sum(u)


def in_rows(a):
    a = a * 1.0
    for i in range(1, a.shape[0]):
        a[i] = a[i] * a[i - 1]
    return np.sum(a)


@pytest.mark.parametrize(
    ("f", "x", "left"),
    [(cholesky, A, 0), (forwards, X, 0), (backwards, X, 1), (by_two, X, 1), (in_rows, A, 1)],
)
def test_what_no_later_pass_overwrites_is_not_kept(f, x, left):
    # What u[k] and a[i] were before their store has to be kept; and a number of a pass that is
    # not a linear expression of the index is not looked into.
    assert len(stacks(f, x)) == left
    agrees(f, x)


def overwritten_next(x):
    u = x * 1.0
    for k in range(1, len(x)):
        u[k] = u[k - 1] * u[k]
        u[k - 1] = 0.5
    return np.sum(u * u)


def overwritten_at_an_unknown_place(x):
    u = x * 1.0
    for k in range(1, len(x)):
        v = u[k - 1]
        u[int(u[0] * 0)] = v * v
    return np.sum(u)


def overwritten_in_a_branch(x):
    u = x * 1.0
    for k in range(1, len(x)):
        v = u[k - 1]
        if v > 1.0:
            u[0] = v * v
        u[k] = v * v * u[k]
    return np.sum(u)


def swapped(x):
    u, v = x * 1.0, x * 2.0
    for k in range(1, len(x)):
        u[k] = u[k - 1] * v[k] ** 2
        u, v = v, u
    return np.sum(u * v)


def wrapped_around(x):
    u = x * 1.0
    for k in range(len(x) - 1):
        u[k] = u[k - 1] * u[k - 1] * u[k]
    return np.sum(u)


def swept_again(x):
    u = x * 1.0
    for _ in range(3):
        for k in range(1, len(x)):
            u[k] = u[k - 1] * u[k - 1]
    return np.sum(u)


def overlapping(x):
    u = x * 1.0
    for k in range(1, 8):
        u[k : k + 3] = u[k - 1 : k + 2] * u[k]
    return np.sum(u)


KEPT = [overwritten_next, overwritten_at_an_unknown_place, overwritten_in_a_branch, swapped,
        wrapped_around, swept_again, overlapping]  # fmt: skip


@pytest.mark.parametrize("f", KEPT)
def test_what_may_be_overwritten_is_kept(f):
    assert stacks(f, X)
    agrees(f, X)
