"""Sparse Jacobians of functions that read their arguments by arrays of indices."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from scipy import sparse

import adjoint as ad
from adjoint import tree
from adjoint.api import sparse as module
from adjoint.transforms.sparsity import Detection
from benchmarks.programs.ba import PROGRAM as BA
from benchmarks.programs.ba import ba

RNG = np.random.default_rng(3)
POINTS = RNG.standard_normal((12, 3))
EDGES = np.array([[0, 3], [3, 4], [11, 0], [5, 6], [7, 7], [1, 2], [9, 8], [10, 3], [3, 0], [2, 1]])
HEIGHTS = RNG.uniform(0.5, 2.0, 12)


def dense(fn: Any, args: Any, argnums: Any = 0) -> np.ndarray:
    """The Jacobian as one matrix, by the tape."""
    several = argnums if isinstance(argnums, tuple) else (argnums,)
    leaves = tree.flatten(ad.jacrev(fn, several)(*args))[0]
    sizes = [np.size(x) for k in several for x in tree.flatten(args[k])[0]]
    rows = [leaves[k : k + len(sizes)] for k in range(0, len(leaves), len(sizes))]
    return np.vstack(
        [
            np.hstack([np.reshape(x, (-1, n)) for x, n in zip(row, sizes, strict=True)])
            for row in rows
        ]
    )


def agrees(derivative: Any, fn: Any, args: Any, argnums: Any = 0) -> Any:
    found = derivative(*args)
    want = dense(fn, args, argnums)
    assert isinstance(found, sparse.csr_array)
    assert found.has_canonical_format
    assert sparse.csr_array((found.data, found.indices, found.indptr)).has_canonical_format
    assert found.shape == want.shape
    scale = max(1.0, np.max(np.abs(want), initial=0.0))
    np.testing.assert_allclose(found.toarray(), want, rtol=0, atol=1e-12 * scale)
    return derivative.plan(*args)


def check(fn: Any, args: Any, argnums: Any = 0) -> Any:
    derivative = ad.sparse_jacobian(fn, argnums)
    agrees(derivative, fn, args, argnums)
    return agrees(derivative, fn, args, argnums)


def sweeps(plan: Any) -> int:
    return plan.forward + plan.reverse


def spring(points, edges):
    """Squared lengths: two gathers of one array."""
    d = points[edges[:, 0]] - points[edges[:, 1]]
    return np.sum(d**2, axis=1)


def test_several_gathers_of_one_argument():
    edges = EDGES[[0, 1, 2, 3, 5, 6, 7, 8, 9]]
    plan = check(spring, (POINTS, edges))
    assert sweeps(plan) == 1
    assert np.max(np.diff(plan.pattern.tocsc().indptr)) > 3  # by rows there would be more


def test_the_same_element_twice_in_a_row():
    check(spring, (POINTS, EDGES))
    check(lambda x, i: x[i] * np.exp(x[i[::-1]]), (HEIGHTS, np.array([0, 4, 4, 2, 2, 2, 11, 0, 5])))
    check(lambda x, i: np.sum(x[i], axis=1), (HEIGHTS, EDGES))
    check(lambda x, i: np.sum(x[i] ** 3, axis=1), (HEIGHTS, np.zeros((10, 4), int)))


def test_one_gather():
    index = np.array([3, 1, 4, 1, 5, 9, 2, 6, 5, 3])
    assert sweeps(check(lambda x, i: np.sin(x[i]), (HEIGHTS, index))) == 1
    assert sweeps(check(lambda x, i: x[i] * x[i], (HEIGHTS, index))) == 1
    rotated = lambda x, i: np.cross(x[i], np.array([1.0, 2.0, -1.0]))
    assert sweeps(check(rotated, (POINTS, index))) <= 3


def test_negative_indices():
    index = np.array([-1, 0, -12, 11, -3, 9, 4, -4, 5, -1])
    check(lambda x, i: np.cos(x[i]), (HEIGHTS, index))
    check(lambda x, i: x[i] * x[-i - 1][:, ::-1], (POINTS, index))


def test_indices_that_are_computed():
    k = np.arange(10)
    check(lambda x, k: x[(3 * k) % 12] * x[k // 2 + 1], (HEIGHTS, k))
    check(lambda x, w, k: x[np.argsort(w)][k] ** 2, (HEIGHTS, RNG.standard_normal(12), k))
    check(lambda x, k: x[np.array([2, 2, 0])] ** 2, (HEIGHTS, k))


def test_parts_of_what_is_gathered():
    k = np.array([0, 3, 3, 7, 11, 2, 5, 1, 6])
    check(lambda x, i: x[i][:, 0] * x[i][:, 2] - x[i, 1], (POINTS, k))
    check(lambda x, i: x[i] * x[0, 1], (POINTS, k))
    check(lambda x, i: x[:, i].T * x[1, i][:, None], (POINTS.T.copy(), k))
    check(lambda x, i: x.T[i] ** 2, (POINTS.T.copy(), k))


def test_used_in_other_ways_too():
    k = np.array([0, 3, 3, 7, 11, 2, 5, 1, 6, 4, 8, 9])
    check(lambda x, i: x[i] * x, (HEIGHTS, k))
    check(lambda x, i: x[i] * np.sum(x), (HEIGHTS, k))
    check(lambda x, i: x[i[np.argmax(x)] + np.arange(2)] * x[i][:2], (HEIGHTS, k))

    def stored(x, i):
        y = x[i]
        x[0] = 3.0
        return y * x[i[::-1]]

    check(stored, (HEIGHTS, k))


def test_some_arguments_are_gathered():
    index = EDGES[:, 0]
    scale = RNG.uniform(1, 2, 10)
    fn = lambda x, s, c, i: s * x[i] ** 2 + c
    check(fn, (HEIGHTS, scale, 0.5, index), (0, 1, 2))
    check(fn, (HEIGHTS, scale, 0.5, index), (1, 0))
    check(fn, (HEIGHTS, scale, 0.5, index), (2, 0))
    tree_of = lambda p, i: (p["a"][i] * p["b"][i], p["a"][i] - 1)
    check(tree_of, ({"a": HEIGHTS, "b": HEIGHTS[::-1].copy()}, index))


def test_where_the_whole_takes_fewer_sweeps():
    index = RNG.integers(0, 3, 40)
    matrix = RNG.standard_normal((5, 40))
    plan = check(lambda x, a, i: a @ x[i], (HEIGHTS[:3].copy(), matrix, index))
    assert (plan.forward, plan.reverse) == (3, 0)


def test_gathers_in_loops():
    def fn(x, i):
        y = np.zeros(len(i))
        for k in range(len(i)):
            y[k] = x[i[k]] ** 2
        return y

    check(fn, (HEIGHTS, EDGES[:, 0]))

    def iterated(x, i):
        y = x[i]
        for _ in range(12):
            y = y - 0.1 * np.sin(y)
        return y

    check(iterated, (HEIGHTS, EDGES[:, 0]))


def test_indices_from_outside():
    outside = {"index": EDGES[:, 1].copy()}
    fn = lambda x: x[outside["index"]] ** 2
    derivative = ad.sparse_jacobian(fn)
    agrees(derivative, fn, (HEIGHTS,))
    outside["index"] = EDGES[::-1, 0].copy()
    agrees(derivative, fn, (HEIGHTS,))


def test_other_indices_need_no_other_sweeps(monkeypatch):
    calls: list[str] = []
    find, colour = Detection.__call__, module.of_jacobian
    monkeypatch.setattr(Detection, "__call__", lambda s, v: calls.append("pattern") or find(s, v))
    monkeypatch.setattr(module, "of_jacobian", lambda *a: calls.append("colours") or colour(*a))
    derivative = ad.sparse_jacobian(spring)
    edges = EDGES.copy()
    for _ in range(3):
        agrees(derivative, spring, (POINTS, edges))
        edges[:] = np.roll(edges, 3, axis=0)  # in place
        agrees(derivative, spring, (POINTS, edges))
        edges[2] = 1 + edges[2] // 2
    assert calls == ["pattern", "colours"]
    agrees(derivative, spring, (POINTS, np.concatenate([edges, edges])))
    assert calls == ["pattern", "colours"] * 2


def test_nothing_is_read():
    derivative = ad.sparse_jacobian(spring)
    agrees(derivative, spring, (POINTS, EDGES))
    found = derivative(POINTS, EDGES[:0])
    assert found.shape == (0, 36)
    assert found.nnz == 0
    found = ad.sparse_jacobian(lambda x, i: 0 * x[i].astype(int) + 1.0)(HEIGHTS, EDGES[:, 0])
    assert found.nnz == 0


@pytest.mark.parametrize("kind", [np.int32, np.uint8, np.int64])
def test_kinds_of_indices(kind):
    check(spring, (POINTS, EDGES.astype(kind)))


def test_numbers_of_single_precision_and_complex_ones():
    x = HEIGHTS.astype(np.float32)
    found = ad.sparse_jacobian(lambda x, i: x[i] ** 2)(x, EDGES[:, 0])
    assert found.dtype == np.float32
    z = HEIGHTS + 1j * HEIGHTS[::-1]
    fn = lambda z, i: z[i] ** 2
    found = ad.sparse_jacobian(fn, holomorphic=True)(z, EDGES[:, 0])
    want = ad.jacfwd(fn, holomorphic=True)(z, EDGES[:, 0])
    np.testing.assert_allclose(found.toarray(), want)


def test_indices_out_of_range():
    with pytest.raises(IndexError):
        ad.sparse_jacobian(spring)(POINTS, EDGES + 7)


def test_rules_of_the_users_own():
    @ad.custom_vjp
    def cube(x):
        return x**3

    cube.defvjp(lambda x: (x**3, x), lambda x, ct: (3 * x**2 * ct,))
    check(lambda x, i: cube(x[i]) * x[i], (HEIGHTS, EDGES[:, 0]))

    def either(x, i, mine):
        return cube(x[i]) * x[i] if mine else x[i] ** 4

    derivative = ad.sparse_jacobian(either)
    for mine in (False, True, False):
        args = (HEIGHTS, EDGES[:, 0], mine)
        agrees(derivative, either, args)

    @ad.custom_jvp
    def square(x):
        return x**2

    square.defjvp(lambda primals, dots: (primals[0] ** 2, 2 * primals[0] * dots[0]))
    check(lambda x, i: np.sum(square(x[i]) * x[i], axis=1), (POINTS, EDGES[:, 0]))


def staged(derivative: Any) -> Any:
    """The block of the reverse sweeps."""
    ((launcher,),) = derivative._local.sweeps._reverse.launchers.values()
    return launcher.graph.function.block


def by_rows(x, i, scale):
    """What is done to each row alone, in many ways."""
    a, b = x[i], x[i[::-1]]
    frame = np.stack([a, np.cross(a, b), np.where(b > 0, b, b**2)], axis=1)
    turned = np.swapaxes(frame, 1, 2) * scale
    y = np.zeros((len(i), 4))
    y[:, 0] = np.sum(turned[:, :, 0] * b, axis=1)
    y[:, 1:3] += turned[:, 1:, 2]
    y[..., 3] = a[:, 0] - np.sum(frame, axis=(1, 2))
    sizes = np.sqrt(np.sum(y**2, axis=-1, keepdims=True) + 1)
    return np.concatenate(
        [y / sizes, np.broadcast_to(a[:, None, :], (len(i), 2, 3)).reshape(-1, 6)], axis=1
    )


def test_rows_are_written_in_columns():
    index = np.array([0, 3, 5, 3, 9, 2, 11, 4, 7, 1])
    derivative = ad.sparse_jacobian(lambda x, i, scale: by_rows(x, i, scale)[:, :4])
    fn = lambda x, i, scale: by_rows(x, i, scale)[:, :4]
    args = (POINTS, index, np.array([1.0, 2.0, -1.0]))
    for _ in range(2):
        agrees(derivative, fn, args)
    agrees(derivative, fn, (POINTS, np.tile(index, 3), args[2]))
    small = [
        node
        for node in staged(derivative).nodes
        if len(node.shape) > 1 and node.op.name not in ("stack", "getitem")
    ]
    assert not small
    check(by_rows, args)


def test_columns_of_other_widths():
    index = np.array([0, 3, 5, 3, 9, 2, 11, 4, 7, 1])
    fn = lambda x, i: np.sum(x[i] * x[i][:, ::-1], axis=1)
    derivative = ad.sparse_jacobian(fn)
    for width in (11, 12, 11, 3, 40):
        x = RNG.standard_normal((12, width))
        agrees(derivative, fn, (x, index))


def test_one_graph_for_all_numbers_of_rows():
    fn = lambda x, i, a: x[i] ** 2 * np.diag(a)[:, None] + (a @ x[i])[0]
    derivative = ad.sparse_jacobian(fn)
    for n in (10, 11, 15):
        agrees(derivative, fn, (POINTS, np.arange(n) % 12, RNG.standard_normal((n, n))))
    assert len(derivative._local.sweeps._pushed.launchers) == 1
    derivative = ad.sparse_jacobian(spring)
    for n in (10, 11, 15):
        agrees(derivative, spring, (POINTS, np.arange(2 * n).reshape(n, 2) % 12))
    staged(derivative)  # of one graph


@pytest.mark.parametrize(
    "fn",
    [
        lambda x, i: x[i] @ np.array([[1.0, 2.0], [0.0, 3.0], [1.0, 1.0]]),
        lambda x, i: np.cumsum(x[i], axis=1)[:, 1],
        lambda x, i: np.max(x[i], axis=1),
        lambda x, i: x[i][::-1, 0] * x[i][:, 1],
        lambda x, i: np.sum(x[i], axis=0),
        lambda x, i: np.concatenate([x[i], x[i] ** 2])[:, 1],
        lambda x, i: np.sum(x[i] > 0, axis=1) * x[i][:, 0],
        lambda x, i: x[i].ravel() ** 2,
        lambda x, i: (x[i] ** 2, x[i, 0], 3.0 * x[0]),
        lambda x, i: np.linalg.norm(x[i], axis=1),
    ],
)
def test_rows_that_are_used_in_other_ways(fn):
    check(fn, (POINTS, np.array([0, 3, 5, 3, 9, 2, 11, 4, 7, 1])))


def test_bundle_adjustment():
    args = BA.inputs("tiny", 0)
    plan = check(ba, args, BA.differentiated)
    assert sweeps(plan) == 3
