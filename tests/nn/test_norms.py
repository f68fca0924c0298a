"""Normalisations, those with running statistics among them."""

from __future__ import annotations

import numpy as np
import pytest

import adjoint as ad
from adjoint import nn, tree
from adjoint.errors import InputError
from tests.nn.layers import check, check_torch, leaves, weighted

RNG = np.random.default_rng(0)
ROWS, MAPS, IMAGES = (RNG.normal(size=s) for s in ((4, 6), (3, 4, 5), (3, 4, 2, 3)))
F8 = {"dtype": np.float64}
LAYERS = {
    "layer": (lambda: nn.LayerNorm(6, **F8), lambda t: t.nn.LayerNorm(6), ROWS),
    "layer, two axes": (
        lambda: nn.LayerNorm((4, 5), 1e-3, **F8), lambda t: t.nn.LayerNorm((4, 5), 1e-3), MAPS,
    ),
    "layer, plain": (
        lambda: nn.LayerNorm(6, elementwise_affine=False, **F8),
        lambda t: t.nn.LayerNorm(6, elementwise_affine=False), ROWS,
    ),
    "layer without bias": (
        lambda: nn.LayerNorm(6, bias=False, **F8), lambda t: t.nn.LayerNorm(6, bias=False), ROWS,
    ),
    "rms": (lambda: nn.RMSNorm(6, **F8), lambda t: t.nn.RMSNorm(6), ROWS),
    "rms, two axes": (
        lambda: nn.RMSNorm([4, 5], 1e-3, **F8), lambda t: t.nn.RMSNorm([4, 5], 1e-3), MAPS,
    ),
    "rms, plain": (
        lambda: nn.RMSNorm(6, elementwise_affine=False, **F8),
        lambda t: t.nn.RMSNorm(6, elementwise_affine=False), ROWS,
    ),
    "group": (lambda: nn.GroupNorm(2, 4, **F8), lambda t: t.nn.GroupNorm(2, 4), IMAGES),
    "group of rows": (lambda: nn.GroupNorm(3, 6, **F8), lambda t: t.nn.GroupNorm(3, 6), ROWS),
    "group, plain": (
        lambda: nn.GroupNorm(4, 4, 1e-3, affine=False, **F8),
        lambda t: t.nn.GroupNorm(4, 4, 1e-3, affine=False), MAPS,
    ),
    "instance, 1d": (lambda: nn.InstanceNorm1d(4, **F8), lambda t: t.nn.InstanceNorm1d(4), MAPS),
    "instance, 2d": (
        lambda: nn.InstanceNorm2d(4, 1e-3, affine=True, **F8),
        lambda t: t.nn.InstanceNorm2d(4, 1e-3, affine=True), IMAGES,
    ),
    "batch without statistics": (
        lambda: nn.BatchNorm1d(6, track_running_stats=False, **F8),
        lambda t: t.nn.BatchNorm1d(6, track_running_stats=False), ROWS,
    ),
}  # fmt: skip
BATCH = {
    "1d": (lambda **o: nn.BatchNorm1d(6, **F8, **o), lambda t: t.nn.BatchNorm1d, ROWS),
    "1d of maps": (lambda **o: nn.BatchNorm1d(4, **F8, **o), lambda t: t.nn.BatchNorm1d, MAPS),
    "2d": (lambda **o: nn.BatchNorm2d(4, **F8, **o), lambda t: t.nn.BatchNorm2d, IMAGES),
}  # fmt: skip
OPTIONS = [{}, {"momentum": None}, {"momentum": 0.3, "eps": 1e-2}, {"affine": False}]


def shaken(layer):
    """Return a layer whose weights are not ones and zeros."""
    return tree.map_leaves(lambda x: x + np.linspace(0.1, 0.5, x.size).reshape(x.shape), layer)


@pytest.mark.parametrize("name", LAYERS)
def test_like_torch(name):
    make, theirs, x = LAYERS[name]
    layer = shaken(make())
    torch = pytest.importorskip("torch", reason="compares with PyTorch's layers")

    def other(_):
        made = theirs(torch).double()
        made.load_state_dict(nn.to_torch_state_dict(layer))
        return made

    check_torch(layer, other, x)


@pytest.mark.parametrize("name", LAYERS)
def test_derivatives_and_tiers(name):
    make, _, x = LAYERS[name]
    check(shaken(make()), x)


def test_formulas():
    x = MAPS
    centred = x - x.mean(axis=-1, keepdims=True)
    want = centred / np.sqrt(x.var(axis=-1, keepdims=True) + 1e-5)
    np.testing.assert_allclose(nn.LayerNorm(5)(x), want, rtol=1e-12)
    np.testing.assert_allclose(nn.InstanceNorm1d(4)(x), want, rtol=1e-12)
    np.testing.assert_allclose(nn.GroupNorm(4, 4)(x), want, rtol=1e-12)
    mean, var = x.mean(axis=(0, 2), keepdims=True), x.var(axis=(0, 2), keepdims=True)
    y, state = nn.BatchNorm1d(4, **F8)(x, nn.BatchNorm1d(4, **F8).init_state())
    np.testing.assert_allclose(y, (x - mean) / np.sqrt(var + 1e-5), rtol=1e-12)
    np.testing.assert_allclose(state.running_mean, 0.1 * mean.ravel())
    np.testing.assert_allclose(state.running_var, 0.9 + 0.1 * x.var(axis=(0, 2), ddof=1))
    # A large mean does not hide the variance.
    shifted = nn.LayerNorm(5)(x + 1e6)
    np.testing.assert_allclose(shifted, want, atol=1e-8)


@pytest.mark.parametrize("options", OPTIONS, ids=str)
@pytest.mark.parametrize("name", BATCH)
def test_batch_norm_like_torch(name, options):
    torch = pytest.importorskip("torch", reason="compares with PyTorch's layers")
    make, theirs, x = BATCH[name]
    layer = shaken(make(**options))
    theirs = theirs(torch)(x.shape[1], **options).double()
    state = layer.init_state()
    theirs.load_state_dict(nn.to_torch_state_dict(layer, state))
    loss = lambda layer, x, state: (lambda y, s: (weighted(y), (y, s)))(*layer(x, state))
    factors = torch.tensor(np.cos(np.arange(x.size)).reshape(x.shape))
    for step in range(3):
        given = x * (1.0 + step) + step
        t = torch.tensor(given, requires_grad=True)
        theirs.zero_grad()
        result = theirs(t)
        torch.sum(result * factors).backward()
        grads, (y, state) = ad.grad(loss, argnums=(0, 1), has_aux=True)(layer, given, state)
        np.testing.assert_allclose(y, result.detach().numpy(), rtol=1e-10, atol=1e-11)
        np.testing.assert_allclose(grads[1], t.grad.numpy(), rtol=1e-10, atol=1e-10)
        for key, p in theirs.named_parameters():
            np.testing.assert_allclose(getattr(grads[0], key), p.grad.numpy(), 1e-10, 1e-10)
        for key, want in theirs.state_dict().items():
            if "running" in key or "num" in key:
                np.testing.assert_allclose(getattr(state, key), want.numpy(), rtol=1e-12)
    y, _ = layer(x, state, training=False)
    theirs.eval()
    np.testing.assert_allclose(y, theirs(torch.tensor(x)).detach().numpy(), rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize("name", BATCH)
def test_batch_norm_tiers(name):
    make, _, x = BATCH[name]
    for options in OPTIONS[:2]:
        layer = shaken(make(**options))
        state = layer.init_state()
        ad.check_grads(lambda layer, x: layer(x, state)[0], (layer, x), order=2)  # noqa: B023
        run = lambda layer, x, state, training: ad.value_and_grad(
            lambda layer, x: (lambda y, s: (weighted(y), s))(*layer(x, state, training)),
            argnums=(0, 1), has_aux=True,
        )(layer, x)  # fmt: skip
        for training in (True, False):
            want = leaves(run(layer, x, state, training))
            for backend in ("interpret", "llvm"):
                jitted = ad.jit(run, static_argnums=3, backend=backend)
                for a, b in zip(leaves(jitted(layer, x, state, training)), want, strict=True):
                    np.testing.assert_allclose(a, b, rtol=1e-9, atol=1e-12)
                assert "callback" not in ad.report(jitted)
        single = lambda x: x.astype(np.float32) if x.dtype.kind == "f" else x
        layer, state = tree.map_leaves(single, (layer, state))
        y, state = layer(single(x), state)
        assert {a.dtype for a in leaves((y, state))} == {np.dtype("f4"), np.dtype("i8")}


def test_errors():
    with pytest.raises(InputError, match=r"LayerNorm of \(6,\) takes arrays"):
        nn.LayerNorm(6)(MAPS)
    with pytest.raises(InputError, match="RMSNorm"):
        nn.RMSNorm((3, 6))(ROWS)
    with pytest.raises(InputError, match="6 channels are not 4 groups"):
        nn.GroupNorm(4, 6)
    with pytest.raises(InputError, match=r"of 2 or 3 axes, not of shape \(3, 4, 2, 3\)"):
        nn.BatchNorm1d(4)(IMAGES)
    with pytest.raises(InputError, match="InstanceNorm2d of 4"):
        nn.InstanceNorm2d(4)(MAPS)
    norm = nn.BatchNorm1d(6)
    with pytest.raises(InputError, match="BatchNorm1d has a state"):
        norm(ROWS)
    with pytest.raises(InputError, match="more than one number"):
        norm(ROWS[:1], norm.init_state())
    norm(ROWS[:1], norm.init_state(), training=False)
