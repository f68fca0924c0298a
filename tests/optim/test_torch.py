"""Step by step against PyTorch's own optimisers, on the same numbers."""

import numpy as np
import pytest

import adjoint as ad
from tests.optim.names import name_of

torch = pytest.importorskip("torch", reason="PyTorch's optimisers are what these are compared with")

SHAPES = {"w": (5, 3), "b": (3,), "s": (), "k": (2, 1, 3, 3)}
STEPS = 25
TOLERANCE = {np.float64: 1e-12, np.float32: 1e-6}

CASES = {
    "SGD": [
        {},
        {"lr": 0.1},
        {"lr": 0.1, "weight_decay": 0.05},
        {"lr": 0.1, "momentum": 0.9},
        {"lr": 0.1, "momentum": 0.9, "dampening": 0.3},
        {"lr": 0.1, "momentum": 0.9, "nesterov": True},
        {"lr": 0.1, "momentum": 0.9, "nesterov": True, "weight_decay": 0.05},
        {"lr": 0.1, "momentum": 0.5, "maximize": True, "weight_decay": 0.1},
    ],
    "Adam": [
        {},
        {"lr": 0.1},
        {"lr": 0.1, "betas": (0.5, 0.9)},
        {"lr": 0.1, "eps": 1e-2},
        {"lr": 0.1, "weight_decay": 0.1},
        {"lr": 0.1, "amsgrad": True},
        {"lr": 0.1, "maximize": True},
    ],
    "AdamW": [{}, {"lr": 0.1, "weight_decay": 0.2}, {"lr": 0.1, "amsgrad": True}],
    "RMSprop": [
        {},
        {"alpha": 0.9},
        {"eps": 1e-3},
        {"weight_decay": 0.1},
        {"momentum": 0.9},
        {"centered": True, "eps": 1e-3},
        {"centered": True, "momentum": 0.5, "weight_decay": 0.1, "eps": 1e-3},
        {"maximize": True},
    ],
    "Adagrad": [
        {},
        {"lr": 0.1, "lr_decay": 0.1},
        {"weight_decay": 0.1},
        {"initial_accumulator_value": 0.5},
        {"eps": 1e-2},
        {"maximize": True},
    ],
}
ROWS = [(name, options) for name, rows in CASES.items() for options in rows]


def draws(dtype, seed=0):
    generator = np.random.default_rng(seed)
    return {k: generator.normal(size=s).astype(dtype) for k, s in SHAPES.items()}


def close(ours, theirs, dtype):
    assert ours.dtype == dtype and ours.shape == tuple(theirs.shape)
    theirs = theirs.detach().numpy()
    tolerance = TOLERANCE[dtype]
    np.testing.assert_allclose(ours, theirs, tolerance, tolerance * max(1, np.abs(theirs).max()))


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize(("name", "options"), ROWS, ids=name_of)
def test_optimiser(name, options, dtype):
    params = draws(dtype)
    peers = {k: torch.tensor(p, requires_grad=True) for k, p in params.items()}
    peer = getattr(torch.optim, name)(peers.values(), **options)
    optimizer = getattr(ad.optim, name)(**options)
    state = optimizer.init(params)
    for step in range(STEPS):
        grads = draws(dtype, seed=step + 1)
        for k, p in peers.items():
            p.grad = torch.tensor(grads[k])
        peer.step()
        params, state = optimizer.update(grads, state, params)
        for k in params:
            close(params[k], peers[k], dtype)
    assert state.step == STEPS
    for kept in ("exp_avg", "exp_avg_sq", "max_exp_avg_sq", "momentum_buffer", "square_avg"):
        if getattr(state, kept, None) is not None:
            for k, p in peers.items():
                close(getattr(state, kept)[k], peer.state[p][kept], dtype)


@pytest.mark.parametrize("name", CASES)
def test_defaults(name):
    """Every setting that PyTorch has under the same name has the same default."""
    theirs = getattr(torch.optim, name)([torch.zeros(1)]).defaults
    ours = vars(getattr(ad.optim, name)())
    missing = {"foreach", "capturable", "differentiable", "fused", "decoupled_weight_decay"}
    assert {k: v for k, v in ours.items() if k != "weight_decay_mask"} == {
        k: v for k, v in theirs.items() if k not in missing
    }


def test_schedule():
    """A schedule gives the rate of each step, as a scheduler does after it."""
    p = torch.tensor([1.0, -2.0], dtype=torch.float64, requires_grad=True)
    peer = torch.optim.Adam([p], lr=0.1)
    scheduler = torch.optim.lr_scheduler.LambdaLR(peer, lambda epoch: 0.9**epoch)
    params = np.array([1.0, -2.0])
    optimizer = ad.optim.Adam(lr=lambda step: 0.1 * 0.9**step)
    state = optimizer.init(params)
    for _ in range(STEPS):
        p.grad = (p**2).detach()
        peer.step()
        scheduler.step()
        params, state = optimizer.update(params**2, state, params)
        close(params, p, np.float64)


def test_masks():
    """A mask is what two groups of parameters are in PyTorch."""
    params = draws(np.float64)
    peers = {k: torch.tensor(p, requires_grad=True) for k, p in params.items()}
    decaying, others = [peers["w"], peers["k"]], [peers["b"], peers["s"]]
    groups = [{"params": decaying}, {"params": others, "weight_decay": 0.0}]
    peer = torch.optim.AdamW(groups, lr=0.1, weight_decay=0.3)
    by_name = ad.optim.AdamW(
        lr=0.1, weight_decay=0.3, weight_decay_mask=lambda name: name in ("['w']", "['k']")
    )
    flags = {"w": True, "b": False, "s": False, "k": True}
    by_flags = ad.optim.AdamW(lr=0.1, weight_decay=0.3, weight_decay_mask=flags)
    state, other, same = by_name.init(params), by_flags.init(params), params
    for step in range(STEPS):
        grads = draws(np.float64, seed=step + 1)
        for k, p in peers.items():
            p.grad = torch.tensor(grads[k])
        peer.step()
        params, state = by_name.update(grads, state, params)
        same, other = by_flags.update(grads, other, same)
        for k in params:
            close(params[k], peers[k], np.float64)
            np.testing.assert_array_equal(params[k], same[k])
