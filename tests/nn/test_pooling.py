"""Pooling against PyTorch's, and against windows taken one by one."""

from __future__ import annotations

import numpy as np
import pytest

import adjoint as ad
from adjoint.errors import InputError

POOLS = {
    "max": ("max_pool2d", (2, 3, 8, 6), (2,), {}),
    "max, numbers left": ("max_pool2d", (2, 3, 9, 11), ((2, 3),), {}),
    "max, overlapping": ("max_pool2d", (2, 3, 9, 10), (3, 2, 1), {}),
    "max, dilation": ("max_pool2d", (1, 2, 12, 11), (3,), {"dilation": (2, 1), "stride": 1}),
    "max, ceil": ("max_pool2d", (2, 2, 10, 12), (3, 2), {"ceil_mode": True}),
    "max, ceil, padding": ("max_pool2d", (2, 2, 9, 6), (4, 3, 2), {"ceil_mode": True}),
    "max, one axis": ("max_pool1d", (2, 3, 11), (3, 2, 1), {"ceil_mode": True}),
    "max, one image": ("max_pool2d", (3, 8, 8), (2,), {}),
    "mean": ("avg_pool2d", (2, 3, 8, 6), (2,), {}),
    "mean, overlapping": ("avg_pool2d", (2, 3, 10, 9), (3, 2, 1), {}),
    "mean, inside": ("avg_pool2d", (2, 3, 10, 9), (3, 2, 1), {"count_include_pad": False}),
    "mean, ceil": ("avg_pool2d", (2, 3, 10, 8), (3, 2, 1), {"ceil_mode": True}),
    "mean, ceil, inside": (
        "avg_pool2d", (2, 3, 10, 8), ((3, 4), (2, 3), (1, 2)),
        {"ceil_mode": True, "count_include_pad": False},
    ),
    "mean, divisor": ("avg_pool2d", (2, 3, 8, 6), (2,), {"divisor_override": 3}),
    "mean, one axis": ("avg_pool1d", (2, 3, 12), (4, 3), {}),
    "adaptive mean": ("adaptive_avg_pool2d", (2, 3, 9, 8), ((4, 3),), {}),
    "adaptive mean, None": ("adaptive_avg_pool2d", (2, 3, 5, 8), ((None, 2),), {}),
    "adaptive mean to one": ("adaptive_avg_pool2d", (2, 3, 10, 12), (1,), {}),
    "adaptive mean, one axis": ("adaptive_avg_pool1d", (2, 3, 11), (4,), {}),
    "adaptive max": ("adaptive_max_pool2d", (2, 3, 9, 8), ((4, 3),), {}),
    "adaptive max, one axis": ("adaptive_max_pool1d", (2, 3, 8), (3,), {}),
}  # fmt: skip


@pytest.mark.parametrize("ties", [False, True])
@pytest.mark.parametrize("backend", [None, "interpret", "llvm"])
@pytest.mark.parametrize("name", POOLS)
def test_pooling_is_pytorchs(name, backend, ties):
    torch = pytest.importorskip("torch", reason="PyTorch is what it is compared with")
    function, shape, args, options = POOLS[name]
    rng = np.random.default_rng(3)
    x = rng.integers(0, 3, shape).astype(float) if ties else rng.normal(size=shape)
    theirs = torch.tensor(x, requires_grad=True)
    want = getattr(torch.nn.functional, function)(theirs, *args, **options)
    ct = rng.normal(size=want.shape)
    (want * torch.tensor(ct)).sum().backward()

    def loss(x):
        y = getattr(ad.nn, function)(x, *args, **options)
        return np.sum(y * ct), y

    run = ad.value_and_grad(loss, has_aux=True)
    (_, y), grad = (run if backend is None else ad.jit(run, backend=backend))(x)
    assert y.shape == want.shape
    np.testing.assert_allclose(y, want.detach().numpy(), rtol=1e-10, atol=1e-10)
    np.testing.assert_allclose(grad, theirs.grad.numpy(), rtol=1e-10, atol=1e-10)


def test_windows_one_by_one():
    x = np.random.default_rng(0).normal(size=(2, 7, 8))
    y, z = ad.nn.max_pool2d(x, (3, 2), 2), ad.nn.avg_pool2d(x, (3, 2), 2)
    for p in range(3):
        for q in range(4):
            part = x[:, 2 * p : 2 * p + 3, 2 * q : 2 * q + 2]
            np.testing.assert_array_equal(y[:, p, q], part.max((1, 2)))
            np.testing.assert_allclose(z[:, p, q], part.mean((1, 2)), rtol=1e-14)


def test_nan_is_seen():
    x = np.zeros((1, 1, 4))
    x[0, 0, 1] = np.nan
    np.testing.assert_array_equal(ad.nn.max_pool1d(x, 2), [[[np.nan, 0.0]]])
    assert np.isnan(ad.nn.global_max_pool(x)).all()


def test_global():
    x = np.random.default_rng(1).normal(size=(2, 3, 4, 5))
    np.testing.assert_array_equal(ad.nn.global_max_pool(x), x.max((2, 3)))
    np.testing.assert_allclose(ad.nn.global_avg_pool(x), x.mean((2, 3)), rtol=1e-14)
    grad = ad.grad(lambda x: np.sum(ad.nn.global_max_pool(x)))(np.zeros((1, 1, 3)))
    np.testing.assert_array_equal(grad, [[[1.0, 0.0, 0.0]]])


@pytest.mark.parametrize("backend", ["interpret", "llvm"])
def test_single_precision_stays(backend):
    x = np.random.default_rng(0).normal(size=(2, 3, 10, 9)).astype(np.float32)

    def fn(x):
        nn = ad.nn
        y = nn.avg_pool2d(nn.max_pool2d(x, 3, 1, 1), 2, 2, 1, count_include_pad=False)
        return np.sum(nn.adaptive_avg_pool2d(y, 2) * nn.adaptive_max_pool2d(y, 2))

    for run in (ad.value_and_grad(fn), ad.jit(ad.value_and_grad(fn), backend=backend)):
        value, grad = run(x)
        assert value.dtype == grad.dtype == np.float32


def test_errors_say_what_is_wrong():
    with pytest.raises(InputError, match="more than half"):
        ad.nn.max_pool2d(np.ones((1, 1, 4, 4)), 2, padding=2)
    with pytest.raises(InputError, match="does not fit"):
        ad.nn.avg_pool1d(np.ones((1, 1, 4)), 5)
    with pytest.raises(InputError, match="N, C, L1, L2"):
        ad.nn.max_pool2d(np.ones(4), 2)
