"""Losses against PyTorch's: values, and gradients with respect to all that has one."""

from __future__ import annotations

import inspect

import numpy as np
import pytest

import adjoint as ad
from adjoint import nn

torch = pytest.importorskip("torch", reason="PyTorch's losses are what these are compared with")

RNG = np.random.default_rng(0)
X, Y, Z = RNG.normal(size=(3, 5, 4))
P = RNG.dirichlet(np.ones(4), size=5)
LOG_P = np.log(RNG.dirichlet(np.ones(4), size=5))
LABELS = np.array([3, 0, 1, 2, 1])
WEIGHT = np.array([0.5, 2.0, 1.0, 0.1])
SIGNS = np.array([1.0, -1.0, 1.0, -1.0, -1.0])
COUNTS = np.array([[0.5, 1.0, 2.0, 7.0]] * 5)
IMAGES, PIXELS = RNG.normal(size=(2, 4, 3, 2)), RNG.integers(0, 4, size=(2, 3, 2))

CASES = {
    "cross_entropy": [
        ((X, LABELS), {}),
        ((X, LABELS), {"weight": WEIGHT}),
        ((X, LABELS), {"ignore_index": 1}),
        ((X, LABELS), {"ignore_index": 1, "weight": WEIGHT, "label_smoothing": 0.2}),
        ((X, LABELS), {"label_smoothing": 0.1}),
        ((X, P), {}),
        ((X, P), {"weight": WEIGHT, "label_smoothing": 0.3}),
        ((X[0], LABELS[0]), {}),
        ((IMAGES, PIXELS), {"axis": 1, "weight": WEIGHT, "ignore_index": 2}),
    ],
    "nll_loss": [
        ((LOG_P, LABELS), {}),
        ((LOG_P, LABELS), {"weight": WEIGHT, "ignore_index": 1}),
        ((IMAGES, PIXELS), {"axis": 1, "weight": WEIGHT}),
    ],
    "binary_cross_entropy": [((P, P[::-1].copy()), {}), ((P, P[::-1].copy()), {"weight": Y**2})],
    "binary_cross_entropy_with_logits": [
        ((X * 10, P), {}),
        ((X, P), {"weight": Y**2}),
        ((X, P), {"pos_weight": WEIGHT}),
    ],
    "mse_loss": [((X, Y), {})],
    "l1_loss": [((X, Y), {}), ((X, X.copy()), {})],
    "smooth_l1_loss": [((X, Y), {}), ((X, Y), {"beta": 0.3}), ((X, Y), {"beta": 0.0})],
    "huber_loss": [((X, Y), {}), ((X, Y), {"delta": 0.3})],
    "kl_div": [
        ((LOG_P, P), {}),
        ((LOG_P, P), {"reduction": "batchmean"}),
        ((LOG_P, LOG_P[::-1].copy()), {"log_target": True}),
    ],
    "gaussian_nll_loss": [
        ((X, Y, Z**2), {}),
        ((X, Y, Z**2), {"full": True, "eps": 0.5}),
    ],
    "poisson_nll_loss": [
        ((X, COUNTS), {}),
        ((X, COUNTS), {"full": True}),
        ((X**2, COUNTS), {"log_input": False, "eps": 1e-3}),
    ],
    "cosine_embedding_loss": [((X, Y, SIGNS), {}), ((X, Y, SIGNS), {"margin": 0.2})],
    "cosine_similarity": [((X, Y), {}), ((X, Y), {"axis": 0})],
    "hinge_embedding_loss": [((X[:, 0], SIGNS), {}), ((X[:, 0], SIGNS), {"margin": 0.3})],
    "margin_ranking_loss": [
        ((X[:, 0], X[:, 1], SIGNS), {}),
        ((X[:, 0], X[:, 1], SIGNS), {"margin": 0.3}),
    ],
    "pairwise_distance": [((X, Y), {}), ((X, Y), {"p": 3.0, "eps": 0.1})],
    "soft_margin_loss": [((X[:, 0] * 20, SIGNS.astype(int)), {})],
    "triplet_margin_loss": [
        ((X, Y, Z), {}),
        ((X, Y, Z), {"margin": 0.5, "p": 1.0}),
        ((X, Y, Z), {"swap": True}),
    ],
}
ALL = [
    pytest.param(name, args, options, id=f"{name}-{k}")
    for name, cases in CASES.items()
    for k, (args, options) in enumerate(cases)
]
TORCH_NAMES = {"axis": "dim"}


def theirs(name, args, options):
    given = [torch.tensor(x, requires_grad=x.dtype.kind == "f") for x in args]
    named = {
        TORCH_NAMES.get(key, key): torch.tensor(x) if isinstance(x, np.ndarray) else x
        for key, x in options.items()
        if not (key == "axis" and name != "cosine_similarity")
    }
    result = getattr(torch.nn.functional, name)(*given, **named)
    torch.sum(result).backward()
    return result.detach().numpy(), [x.grad for x in given]


@pytest.mark.parametrize(("name", "args", "options"), ALL)
def test_like_torch(name, args, options):
    ours = getattr(nn, name)
    reductions = ["mean"]
    if "reduction" in inspect.signature(ours).parameters and "reduction" not in options:
        reductions += ["sum", "none"]
    for reduction in reductions:
        every = options if len(reductions) == 1 else {**options, "reduction": reduction}
        want, slopes = theirs(name, args, every)
        np.testing.assert_allclose(ours(*args, **every), want, rtol=1e-10, atol=1e-14)
        where = tuple(k for k, x in enumerate(args) if x.dtype.kind == "f")
        grads = ad.grad(lambda *a: np.sum(ours(*a, **every)), argnums=where)(*args)  # noqa: B023
        for k, g in zip(where, grads, strict=True):
            if slopes[k] is None:  # PyTorch has none
                continue
            np.testing.assert_allclose(g, slopes[k].numpy(), rtol=1e-10, atol=1e-13)
