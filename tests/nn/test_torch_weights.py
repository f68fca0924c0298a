"""Weights that go to PyTorch and come back, by name."""

from __future__ import annotations

import builtins

import numpy as np
import pytest

from adjoint import nn, tree
from adjoint.errors import InputError, MissingDependencyError


def network(rng=0, dtype=np.float64):
    rng = np.random.default_rng(rng)
    return nn.Sequential(
        nn.Linear(3, 4, rng=rng, dtype=dtype),
        nn.BatchNorm1d(4, dtype=dtype),
        nn.relu,
        nn.Sequential(nn.LayerNorm(4, dtype=dtype), nn.PReLU(dtype=dtype)),
        nn.Dropout(0.5),
        nn.Linear(4, 2, bias=False, rng=rng, dtype=dtype),
    )


class Named(nn.Module):
    def __init__(self, rng):
        self.embedding = nn.Embedding(5, 3, rng=rng)
        self.blocks = [nn.BatchNorm1d(3), np.tanh, nn.BatchNorm1d(3)]
        self.heads = {"a": nn.Linear(3, 1, rng=rng), "b": None}
        self.scale = np.float32(2.0)
        self.sizes = (1, 2)


NAMES = [
    "0.weight", "0.bias", "1.weight", "1.bias", "3.0.weight", "3.0.bias", "3.1.weight", "5.weight",
]  # fmt: skip
RUNNING = ["1.running_mean", "1.running_var", "1.num_batches_tracked"]


def arrays(model, state=None, scale=1.0):
    """Return arrays under PyTorch's names, without PyTorch."""
    leaves = [leaf for _, leaf in tree.leaves_with_names((model, state))]
    names = NAMES + (RUNNING if state is not None else [])
    return {name: np.asarray(x * scale) for name, x in zip(names, leaves, strict=True)}


def test_arrays_are_loaded_by_name():
    model, other = network(), network(1, np.float32)
    state = model.init_state()
    loaded = nn.load_torch_state_dict(other, {k: v for k, v in arrays(model).items()})
    assert tree.structure(loaded) == tree.structure(other)
    for a, b in zip(tree.flatten(loaded)[0], tree.flatten(model)[0], strict=True):
        assert a.dtype == np.float32
        np.testing.assert_array_equal(a, b.astype(np.float32))
    loaded, kept = nn.load_torch_state_dict(other, arrays(model, state, 3), other.init_state())
    assert kept[1].num_batches_tracked == 0 and type(kept[1].num_batches_tracked) is np.int64
    np.testing.assert_array_equal(kept[1].running_var, np.full(4, 3.0, np.float32))
    assert kept[0] is None


def test_all_faults_are_told():
    model = network()
    weights = arrays(model)
    del weights["0.bias"], weights["3.1.weight"]
    weights["7.weight"] = np.zeros(2)
    weights["5.weight"] = np.zeros((4, 2))
    with pytest.raises(InputError) as error:
        nn.load_torch_state_dict(model, weights)
    assert str(error.value) == (
        "the weights do not fit the model; missing: 0.bias, 3.1.weight; unexpected: 7.weight; "
        "of another shape: 5.weight (4, 2) for (2, 4)"
    )
    with pytest.raises(InputError, match=r"give state=model.init_state\(\)"):
        nn.load_torch_state_dict(model, arrays(model, model.init_state()))


def test_without_torch(monkeypatch):
    def no_torch(name, *args, real=builtins.__import__, **kwargs):
        if name == "torch":
            raise ImportError(name)
        return real(name, *args, **kwargs)

    monkeypatch.setattr(builtins, "__import__", no_torch)
    with pytest.raises(MissingDependencyError, match="pip install torch"):
        nn.to_torch_state_dict(network())


def test_both_ways():
    torch = pytest.importorskip("torch", reason="moves weights to PyTorch and back")
    theirs = torch.nn.Sequential(
        torch.nn.Linear(3, 4), torch.nn.BatchNorm1d(4), torch.nn.ReLU(),
        torch.nn.Sequential(torch.nn.LayerNorm(4), torch.nn.PReLU()),
        torch.nn.Dropout(0.5), torch.nn.Linear(4, 2, bias=False),
    ).double()  # fmt: skip
    x = np.random.default_rng(2).normal(size=(6, 3))
    theirs(torch.tensor(x) * 2.0)  # running statistics that are not those of the beginning
    ours, state = nn.load_torch_state_dict(network(), theirs.state_dict(), network().init_state())
    y, new = ours(x, state, training=False)
    np.testing.assert_allclose(y, theirs.eval()(torch.tensor(x)).detach().numpy(), rtol=1e-10)
    assert all(a is b for a, b in zip(tree.flatten(new)[0], tree.flatten(state)[0], strict=True))

    ours, state = network(5), network().init_state()
    _, state = ours(x, state)
    weights = nn.to_torch_state_dict(ours, state)
    assert list(weights) == NAMES + RUNNING
    theirs.load_state_dict(weights)
    y, _ = ours(x, state, training=False)
    np.testing.assert_allclose(y, theirs(torch.tensor(x)).detach().numpy(), rtol=1e-10)
    # Nothing is shared.
    weights["0.weight"].zero_()
    assert ours.layers[0].weight.all()
    half = {k: v.bfloat16() if v.is_floating_point() else v for k, v in theirs.state_dict().items()}
    nn.load_torch_state_dict(ours, half, state)


def test_names_of_modules_of_ones_own():
    pytest.importorskip("torch", reason="moves weights to PyTorch and back")
    model = Named(np.random.default_rng(0))
    state = model.init_state()
    weights = nn.to_torch_state_dict(model, state)
    assert list(weights) == [
        "embedding.weight", "blocks.0.weight", "blocks.0.bias", "blocks.2.weight", "blocks.2.bias",
        "heads.a.weight", "heads.a.bias", "scale",
        *[f"blocks.{k}.{name[2:]}" for k in (0, 2) for name in RUNNING],
    ]  # fmt: skip
    again, kept = nn.load_torch_state_dict(model, weights, state)
    assert tree.structure((again, kept)) == tree.structure((model, state))
    assert type(again.scale) is np.float32 and again.sizes == (1, 2)
