"""Accumulated gradients: what the mean of them gives, at the last call alone."""

import numpy as np
import pytest

import adjoint as ad
from adjoint import optim, tree
from adjoint.errors import InputError

PARAMS = {"w": np.ones((2, 3), np.float32), "b": [np.array(1.0), np.float64(2.0)], "n": 3}


def gradient(seed):
    generator = np.random.default_rng(seed)
    b = [np.array(generator.normal()), np.float64(generator.normal())]
    return {"w": generator.normal(size=(2, 3)).astype(np.float32), "b": b, "n": None}


def same(ours, theirs, rtol=0.0):
    for (name, a), (_, b) in zip(*map(tree.leaves_with_names, (ours, theirs)), strict=True):
        assert type(a) is type(b), name
        np.testing.assert_allclose(a, b, rtol=rtol, atol=rtol, err_msg=name)


@pytest.mark.parametrize(
    "inner", [optim.SGD(0.1, momentum=0.9), optim.AdamW(lambda t: 0.1 / (1 + t))]
)
def test_accumulate(inner):
    optimizer = optim.Accumulate(inner, steps=4)
    params, state = PARAMS, optimizer.init(PARAMS)
    expected, kept = PARAMS, inner.init(PARAMS)
    for step in range(12):
        params, state = optimizer.update(gradient(step), state, params)
        if step % 4 == 3:
            grads = [tree.flatten(gradient(step - k))[0] for k in range(4)]
            mean = [sum(column) / 4 for column in zip(*grads, strict=True)]
            mean = tree.unflatten(tree.structure(gradient(0)), mean)
            expected, kept = inner.update(mean, kept, expected)
        assert state.count == (step + 1) % 4
        same(params, expected, 1e-6)
    same(state.inner, kept, 1e-6)


def test_torch():
    """``loss / k`` and ``backward()`` k times before a ``step()``."""
    torch = pytest.importorskip("torch", reason="PyTorch's optimisers are compared with")
    p = torch.tensor([1.0, -2.0], dtype=torch.float64, requires_grad=True)
    peer = torch.optim.Adam([p], lr=0.1)
    optimizer = optim.Accumulate(optim.Adam(lr=0.1), steps=3)
    params = np.array([1.0, -2.0])
    state = optimizer.init(params)
    for step in range(21):
        x = np.random.default_rng(step).normal(size=2)
        (torch.sum((p * torch.tensor(x)) ** 2) / 3).backward()
        if step % 3 == 2:
            peer.step()
            peer.zero_grad()
        params, state = optimizer.update(2 * params * x**2, state, params)
        np.testing.assert_allclose(params, p.detach().numpy(), rtol=1e-12)


@pytest.mark.parametrize("backend", ["interpret", "llvm"])
@pytest.mark.parametrize("inner", [optim.SGD(0.1), optim.Adam(0.1, amsgrad=True)])
def test_jit(inner, backend):
    """One graph: that it is time for an update is found out when it runs."""
    optimizer = optim.Accumulate(inner, steps=3)
    update = ad.jit(optimizer.update, backend=backend)
    one = two = (PARAMS, optimizer.init(PARAMS))
    for step in range(7):
        one = optimizer.update(gradient(step), one[1], one[0])
        two = update(gradient(step), two[1], two[0])
        same(two, one, 1e-6)
    report = ad.report(update)
    assert ": 1 graph\n" in report and "callback" not in report


def test_none_in_place_of_a_gradient():
    optimizer = optim.Accumulate(optim.AdamW(0.1, weight_decay=0.5), steps=2)
    params = {"a": np.ones(2), "b": np.ones(2)}
    state = optimizer.init(params)
    for _ in range(2):
        params, state = optimizer.update({"a": np.ones(2), "b": None}, state, params)
    assert np.all(params["a"] < 1) and np.all(params["b"] == 1)


def test_a_gradient_that_is_not_finite_is_forgotten():
    optimizer = optim.Accumulate(optim.SGD(1.0), steps=2)
    params, state = np.zeros(1), optimizer.init(np.zeros(1))
    for g in (np.nan, 1.0):
        _, state = optimizer.update(np.array([g]), state, params)
    assert state.total[0] == 0.0 and state.count == 0


def test_errors():
    with pytest.raises(InputError, match="steps is 0: it has to be a whole number from 1 on"):
        optim.Accumulate(optim.SGD(), 0)
