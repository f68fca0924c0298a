"""Clipping: PyTorch's numbers, dtypes as they are, and leaves that are no gradients."""

import numpy as np
import pytest

import adjoint as ad
from adjoint import optim
from adjoint.errors import InputError


def draws(dtype):
    generator = np.random.default_rng(0)
    shapes = {"w": (5, 3), "b": (3,), "s": ()}
    return {k: generator.normal(size=s).astype(dtype) for k, s in shapes.items()}


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("bound", [0.1, 1.0, 100.0])
def test_torch(dtype, bound):
    torch = pytest.importorskip("torch", reason="PyTorch's clipping is compared with")
    grads, rtol = draws(dtype), 1e-12 if dtype == np.float64 else 1e-6
    for name, ours in (
        ("clip_grad_norm_", optim.clip_by_global_norm),
        ("clip_grad_value_", optim.clip_by_value),
    ):
        peers = {k: torch.zeros(g.shape, requires_grad=True) for k, g in grads.items()}
        peers = {
            k: p.to(torch.float64).detach() if dtype == np.float64 else p for k, p in peers.items()
        }
        for k, g in grads.items():
            peers[k].grad = torch.tensor(g)
        norm = getattr(torch.nn.utils, name)(peers.values(), bound)
        clipped = ours(grads, bound)
        for k, g in clipped.items():
            assert g.dtype == dtype and np.shape(g) == np.shape(grads[k])
            np.testing.assert_allclose(g, peers[k].grad.numpy(), rtol=rtol)
        if norm is not None:
            np.testing.assert_allclose(optim.global_norm(grads), norm.item(), rtol=rtol)


def test_formulas():
    grads = draws(np.float64)
    norm = np.sqrt(sum(np.sum(g**2) for g in grads.values()))
    np.testing.assert_allclose(optim.global_norm(grads), norm, rtol=1e-15)
    for bound in (0.5 * norm, 2.0 * norm):
        factor = min(1.0, bound / (norm + 1e-6))
        for k, g in optim.clip_by_global_norm(grads, bound).items():
            np.testing.assert_allclose(g, factor * grads[k], rtol=1e-15)
    for k, g in optim.clip_by_value(grads, 0.3).items():
        np.testing.assert_array_equal(g, np.minimum(np.maximum(grads[k], -0.3), 0.3))


def test_other_leaves():
    grads = {"w": np.array([3.0, 4.0]), "none": None, "n": 7, "i": np.arange(3)}
    assert optim.global_norm(grads) == 5.0
    for clipped in (optim.clip_by_global_norm(grads, 1.0), optim.clip_by_value(grads, 1.0)):
        assert clipped["none"] is None and clipped["n"] == 7 and clipped["i"] is grads["i"]
    assert optim.global_norm({}) == 0.0


def test_large_float32():
    """Squares are added where they cannot overflow."""
    grads = [np.full(10_000, 1e3, np.float32), np.float32(2.0)]
    np.testing.assert_allclose(optim.global_norm(grads), 1e5, rtol=1e-7)


def test_jit():
    def step(grads):
        return optim.clip_by_value(optim.clip_by_global_norm(grads, 1.0), 0.5)

    for dtype in (np.float32, np.float64):
        jitted = ad.jit(step)
        found, expected = jitted(draws(dtype)), step(draws(dtype))
        for k, g in expected.items():
            assert found[k].dtype == g.dtype and type(found[k]) is type(g)
            np.testing.assert_allclose(found[k], g, rtol=1e-6)
        assert "callback" not in ad.report(jitted)


@pytest.mark.parametrize("clip", [optim.clip_by_value, optim.clip_by_global_norm])
def test_errors(clip):
    with pytest.raises(InputError, match="is -1.0: it has to be 0 or more"):
        clip(np.ones(3), -1.0)
