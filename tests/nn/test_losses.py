"""Losses: formulas, extreme arguments, dtypes, errors."""

from __future__ import annotations

import numpy as np
import pytest

import adjoint as ad
from adjoint import nn
from adjoint.errors import InputError

RNG = np.random.default_rng(0)
X = RNG.normal(size=(4, 3))
T = RNG.normal(size=(4, 3))
P = RNG.dirichlet(np.ones(3), size=4)
SIGNS = np.array([1.0, -1.0, 1.0, -1.0])
LABELS = np.array([2, 0, 1, 2])
WEIGHT = np.array([0.5, 2.0, 1.0])

SIMPLE = {
    "binary_cross_entropy": (lambda x: nn.binary_cross_entropy(x, P), P[::-1]),
    "binary_cross_entropy_with_logits": (
        lambda x: nn.binary_cross_entropy_with_logits(x, P, weight=T**2, pos_weight=WEIGHT), X,
    ),
    "cosine_embedding_loss": (lambda x: nn.cosine_embedding_loss(x, T, SIGNS), X),
    "cosine_similarity": (lambda x: nn.cosine_similarity(x, T), X),
    "cross_entropy": (lambda x: nn.cross_entropy(x, LABELS, weight=WEIGHT, label_smoothing=0.1), X),
    "cross_entropy of probabilities": (lambda x: nn.cross_entropy(x, P), X),
    "gaussian_nll_loss": (lambda x: nn.gaussian_nll_loss(T, X, x**2 + 0.1, full=True), X),
    "hinge_embedding_loss": (lambda x: nn.hinge_embedding_loss(x, SIGNS[:, None], margin=0.3), X),
    "huber_loss": (lambda x: nn.huber_loss(x, T, delta=0.7), X),
    "kl_div": (lambda x: nn.kl_div(x, P, reduction="batchmean"), X),
    "l1_loss": (lambda x: nn.l1_loss(x, T), X),
    "margin_ranking_loss": (lambda x: nn.margin_ranking_loss(x, T, SIGNS[:, None], margin=0.2), X),
    "mse_loss": (lambda x: nn.mse_loss(x, T), X),
    "nll_loss": (lambda x: nn.nll_loss(x, LABELS, weight=WEIGHT), X),
    "pairwise_distance": (lambda x: nn.pairwise_distance(x, T, 3.0), X),
    "poisson_nll_loss": (lambda x: nn.poisson_nll_loss(x, T**2), X),
    "smooth_l1_loss": (lambda x: nn.smooth_l1_loss(x, T, beta=0.5), X),
    "soft_margin_loss": (lambda x: nn.soft_margin_loss(x, SIGNS[:, None]), X),
    "triplet_margin_loss": (lambda x: nn.triplet_margin_loss(x, T, X[::-1], swap=True), X),
}  # fmt: skip


@pytest.mark.parametrize("name", SIMPLE)
def test_derivatives(name):
    f, x = SIMPLE[name]
    ad.check_grads(f, (x,), order=2)
    want = ad.value_and_grad(lambda x: np.sum(f(x)))(x)
    for backend in ("interpret", "llvm"):
        run = ad.jit(ad.value_and_grad(lambda x: np.sum(f(x))), backend=backend)
        value, g = run(x)
        np.testing.assert_allclose(value, want[0], rtol=1e-12)
        np.testing.assert_allclose(g, want[1], rtol=1e-11, atol=1e-14)
        assert "callback" not in ad.report(run)


def test_single_precision_stays():
    x, t, p = (a.astype(np.float32) for a in (X, T, P))
    signs, weight = np.float32(SIGNS), np.float32(WEIGHT)
    losses = [
        lambda x: nn.binary_cross_entropy(x, p > 0.5),
        lambda x: nn.binary_cross_entropy_with_logits(x, p > 0.5, pos_weight=weight),
        lambda x: nn.cosine_embedding_loss(x, t, signs),
        lambda x: nn.cross_entropy(x, LABELS, weight=weight, label_smoothing=0.1),
        lambda x: nn.cross_entropy(x, LABELS, ignore_index=2),
        lambda x: nn.cross_entropy(x, p, label_smoothing=0.1),
        lambda x: nn.gaussian_nll_loss(x, t, p, full=True),
        lambda x: nn.hinge_embedding_loss(x, signs[:, None]),
        lambda x: nn.huber_loss(x, t),
        lambda x: nn.kl_div(x, p),
        lambda x: nn.kl_div(x, p, log_target=True, reduction="batchmean"),
        lambda x: nn.mse_loss(x, LABELS[:, None] * np.ones(3, int)),
        lambda x: nn.poisson_nll_loss(x, t**2, full=True),
        lambda x: nn.smooth_l1_loss(x, t),
        lambda x: nn.soft_margin_loss(x, signs[:, None]),
        lambda x: nn.triplet_margin_loss(x, t, x * 2),
        lambda x: nn.ctc_loss(
            nn.log_softmax(x)[:, None], np.array([[1]]), np.array([4]), np.array([1])
        ),
    ]
    for f in losses:
        for run in (ad.value_and_grad(f), ad.jit(ad.value_and_grad(f))):
            value, g = run(p if f is losses[0] else x)
            assert f(p if f is losses[0] else x).dtype == value.dtype == g.dtype == np.float32


def test_cross_entropy_formula():
    log_p = X - np.log(np.sum(np.exp(X), axis=1, keepdims=True))
    picked = -log_p[np.arange(4), LABELS]
    np.testing.assert_allclose(nn.cross_entropy(X, LABELS), picked.mean())
    np.testing.assert_allclose(nn.cross_entropy(X, LABELS, reduction="none"), picked)
    factors = WEIGHT[LABELS]
    weighted = nn.cross_entropy(X, LABELS, weight=WEIGHT)
    np.testing.assert_allclose(weighted, np.sum(picked * factors) / np.sum(factors))
    g = ad.grad(lambda x: nn.cross_entropy(x, LABELS, reduction="sum"))(X)
    np.testing.assert_allclose(g, np.exp(log_p) - np.eye(3)[LABELS], atol=1e-15)
    # Of any leading axes; and with classes on another one.
    np.testing.assert_allclose(
        nn.cross_entropy(X.reshape(2, 2, 3), LABELS.reshape(2, 2)), picked.mean()
    )
    np.testing.assert_allclose(nn.cross_entropy(X[0], LABELS[0]), picked[0])
    moved = np.moveaxis(X.reshape(2, 2, 3), -1, 1)
    np.testing.assert_allclose(nn.cross_entropy(moved, LABELS.reshape(2, 2), axis=1), picked.mean())


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("backend", [None, "interpret", "llvm"])
def test_extreme_logits(dtype, backend):
    x = np.array([[1e4, -1e4, 0.0], [-1e4, -1e4, 1e4], [1e4, 1e4, 1e4]], dtype)
    labels = np.array([1, 2, 0])

    def wrap(f):
        return f if backend is None else ad.jit(f, backend=backend)

    f = wrap(ad.value_and_grad(lambda x: nn.cross_entropy(x, labels, reduction="sum")))
    value, g = f(x)
    np.testing.assert_allclose(value, 2e4 + np.log(3), rtol=1e-6)
    np.testing.assert_allclose(g, [[1, -1, 0], [0, 0, 0], [-2 / 3, 1 / 3, 1 / 3]], rtol=1e-6)

    z = np.array([-1e4, 1e4, -1e4, 1e4, -80.0, 80.0, 0.0], dtype)
    t = np.array([1.0, 0.0, 0.0, 1.0, 0.0, 1.0, 0.0], dtype)
    f = wrap(
        ad.value_and_grad(lambda z: nn.binary_cross_entropy_with_logits(z, t, reduction="sum"))
    )
    value, g = f(z)
    small = np.exp(-80.0)
    np.testing.assert_allclose(value, 2e4 + np.log(2), rtol=1e-6)
    np.testing.assert_allclose(g, [-1, 1, 0, 0, small, -small, 0.5], rtol=1e-5)

    d = np.array([1e4, -1e4, 1e19, 0.0], dtype)
    for loss, slopes in ((nn.huber_loss, [1, -1, 1, 0]), (nn.smooth_l1_loss, [1, -1, 1, 0])):
        value, g = wrap(ad.value_and_grad(lambda d: loss(d, np.zeros_like(d), reduction="sum")))(d)
        assert np.isfinite(value)
        np.testing.assert_array_equal(g, slopes)

    log_q = wrap(nn.log_softmax)(x)
    target = np.exp(log_q)
    f = wrap(ad.value_and_grad(lambda x: nn.kl_div(nn.log_softmax(x), target, reduction="sum")))
    value, g = f(x)
    np.testing.assert_allclose(value, 0.0, atol=1e-6)
    np.testing.assert_allclose(g, np.zeros((3, 3)), atol=1e-6)


def test_probabilities_of_zero_and_one():
    p, t = np.array([0.0, 1.0, 0.0, 1.0, 0.5]), np.array([0.0, 1.0, 1.0, 0.0, 1.0])
    losses = nn.binary_cross_entropy(p, t, reduction="none")
    np.testing.assert_allclose(losses, [0, 0, 100, 100, np.log(2)])
    g = ad.grad(lambda p: nn.binary_cross_entropy(p, t, reduction="sum"))(p)
    np.testing.assert_allclose(g, [1, -1, 0, 0, -2])
    x = np.array([[-np.inf, 0.0]])
    assert nn.cross_entropy(x, np.array([1])) == 0.0
    np.testing.assert_array_equal(ad.grad(nn.cross_entropy)(x, np.array([1])), [[0.0, 0.0]])


def test_ignored_rows_do_not_count():
    labels = np.array([2, -100, 1, -100])
    rows = [0, 2]
    for options in ({}, {"weight": WEIGHT}, {"label_smoothing": 0.2, "weight": WEIGHT}):
        f = lambda x, labels=labels, options=options: nn.cross_entropy(
            x, labels, ignore_index=-100, **options
        )
        np.testing.assert_allclose(f(X), nn.cross_entropy(X[rows], labels[rows], **options))
        bad = X.copy()
        bad[1] = np.nan
        assert np.isfinite(f(bad))
        g = ad.grad(f)(X)
        assert not g[[1, 3]].any() and g[rows].all()


@pytest.mark.parametrize("backend", [None, "interpret", "llvm"])
def test_labels_out_of_range(backend):
    f = nn.cross_entropy if backend is None else ad.jit(nn.cross_entropy, backend=backend)
    for bad in (-1, 3):
        with pytest.raises(InputError, match="a label is negative, or not less"):
            f(X, np.array([0, 1, bad, 2]))


def test_cosine_of_short_vectors():
    # The derivative is that of the value, where PyTorch's is not.
    f = lambda x: nn.cosine_similarity(x, T, eps=10.0)
    np.testing.assert_allclose(f(X), np.sum(X * T, axis=1) / 100)
    np.testing.assert_allclose(ad.grad(lambda x: np.sum(f(x)))(X), T / 100)
    assert not ad.grad(lambda x: np.sum(nn.cosine_similarity(x, x)))(np.zeros((1, 3))).any()


def test_errors():
    with pytest.raises(InputError, match=r"shape \(3,\) do not fit rows of shape \(4,\)"):
        nn.cross_entropy(X, LABELS[:3])
    with pytest.raises(InputError, match="do not fit logits"):
        nn.cross_entropy(X, P[:, :2])
    with pytest.raises(InputError, match="label_smoothing is 2"):
        nn.cross_entropy(X, LABELS, label_smoothing=2)
    with pytest.raises(InputError, match="reduction is 'average'"):
        nn.cross_entropy(X, LABELS, reduction="average")
    with pytest.raises(InputError, match="'batchmean'"):
        nn.kl_div(X, P, reduction="average")
    with pytest.raises(InputError, match=r"targets of shape \(4, 1\) do not fit"):
        nn.mse_loss(X, T[:, :1])
    with pytest.raises(InputError, match="delta"):
        nn.huber_loss(X, T, delta=0)
    with pytest.raises(InputError, match="beta"):
        nn.smooth_l1_loss(X, T, beta=-1)
