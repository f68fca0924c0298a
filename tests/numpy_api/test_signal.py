"""Convolutions of ``scipy.signal``, and windows, with lengths that show when a program runs."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.signal

import adjoint as ad
from adjoint.errors import NoRuleError

RNG = np.random.default_rng(4)
SIGNAL, FILTER, IMAGE, PATCH = (RNG.normal(size=s) for s in ((40,), (11,), (20, 17), (10, 9)))


@pytest.mark.parametrize("method", ["auto", "direct", "fft"])
@pytest.mark.parametrize("mode", ["full", "same", "valid"])
@pytest.mark.parametrize("name", ["convolve", "correlate"])
@pytest.mark.parametrize("backend", ["interpret", "llvm"])
def test_lengths_of_the_run(name, mode, method, backend):
    def fn(x, y, u, v):
        one = getattr(scipy.signal, name)(x, y, mode, method)
        return np.sum(np.sin(one)) + np.sum(getattr(scipy.signal, name)(u, v, mode, method) ** 3)

    run = ad.value_and_grad(fn, argnums=(0, 1, 2, 3))
    args = SIGNAL, FILTER, IMAGE, PATCH
    want, grads = run(*args)
    np.testing.assert_allclose(want, fn(*args), rtol=1e-10)
    have, found = ad.jit(run, backend=backend)(*args)
    np.testing.assert_allclose(have, want, rtol=1e-10)
    for a, b in zip(found, grads, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-8, atol=1e-8)


def test_refusals_are_scipys():
    grad = ad.grad(lambda x, y: np.sum(scipy.signal.convolve(x, y, "valid")))
    with pytest.raises(ValueError, match="at least as large"):
        grad(np.ones((3, 4)), np.ones((4, 3)))
    with pytest.raises(ValueError, match="same dimensionality"):
        grad(np.ones(3), np.ones((4, 3)))


@pytest.mark.parametrize("backend", ["interpret", "llvm"])
def test_a_convolution_by_hand(backend):
    def by_hand(x, w):
        windows = np.lib.stride_tricks.sliding_window_view(x, w.shape)
        return np.einsum("pqkl,kl->pq", windows, w)

    loss = lambda fn: ad.value_and_grad(lambda x, w: np.sum(np.tanh(fn(x, w))), argnums=(0, 1))
    want = loss(lambda x, w: scipy.signal.correlate(x, w, "valid"))(IMAGE, PATCH[:3, :4])
    for run in (loss(by_hand), ad.jit(loss(by_hand), backend=backend)):
        value, grads = run(IMAGE, PATCH[:3, :4])
        np.testing.assert_allclose(value, want[0], rtol=1e-12)
        for a, b in zip(grads, want[1], strict=True):
            np.testing.assert_allclose(a, b, rtol=1e-10, atol=1e-12)


def test_windows_of_all_examples():
    x = RNG.normal(size=(3, 12))
    fn = lambda x: np.lib.stride_tricks.sliding_window_view(x, 4)[::2] ** 2
    for run in (ad.vmap(fn), ad.jit(ad.vmap(fn))):
        np.testing.assert_array_equal(run(x), np.stack([fn(row) for row in x]))


def test_windows_are_no_views():
    with pytest.raises(NoRuleError, match="writeable"):
        ad.grad(lambda x: np.sum(
            np.lib.stride_tricks.sliding_window_view(x, 2, writeable=True)
        ))(np.ones(4))  # fmt: skip
    with pytest.raises(ValueError, match="larger than input"):
        ad.grad(lambda x: np.sum(np.lib.stride_tricks.sliding_window_view(x, 5)))(np.ones(4))
