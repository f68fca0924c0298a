"""Recurrent networks against PyTorch's, with the same weights: values and all gradients."""

import numpy as np
import pytest

import adjoint as ad
from adjoint import nn

torch = pytest.importorskip("torch", reason="PyTorch's layers are what these are compared with")

BATCH, TIME, INPUT, HIDDEN = 5, 6, 3, 4
LENGTHS = np.array([3, 6, 1, 4, 6])


def copied(ours, theirs):
    """Give a layer of PyTorch's our weights."""
    theirs = theirs.double()
    named = dict(theirs.named_parameters())
    with torch.no_grad():
        for name, p in named.items():
            p.copy_(torch.from_numpy(getattr(ours, name)))
    return theirs


def close(ours, theirs):
    theirs = theirs.detach().numpy()
    assert ours.shape == theirs.shape
    np.testing.assert_allclose(ours, theirs, rtol=1e-10, atol=1e-12)


def start(kind, count, rng):
    arrays = [rng.normal(size=(count, BATCH, HIDDEN)) for _ in range(2 if kind == "LSTM" else 1)]
    return tuple(arrays) if kind == "LSTM" else arrays[0]


def to_torch(tree):
    if isinstance(tree, tuple):
        return tuple(to_torch(x) for x in tree)
    return torch.tensor(tree, requires_grad=True)


def flat(state):
    return list(state) if isinstance(state, tuple) else [state]


@pytest.mark.parametrize("lengths", [None, LENGTHS], ids=["whole", "lengths"])
@pytest.mark.parametrize("given", [False, True], ids=["zeros", "state"])
@pytest.mark.parametrize("bidirectional", [False, True], ids=["forward", "both"])
@pytest.mark.parametrize(
    ("kind", "options"),
    [
        ("RNN", {}),
        ("RNN", {"nonlinearity": "relu", "num_layers": 2}),
        ("RNN", {"bias": False}),
        ("LSTM", {}),
        ("LSTM", {"num_layers": 3}),
        ("LSTM", {"bias": False}),
        ("GRU", {}),
        ("GRU", {"num_layers": 2}),
        ("GRU", {"bias": False}),
    ],
    ids=str,
)
def test_network(kind, options, bidirectional, given, lengths):
    rng = np.random.default_rng(1)
    make = {"bidirectional": bidirectional, **options}
    ours = getattr(nn, kind)(INPUT, HIDDEN, rng=2, dtype=np.float64, **make)
    theirs = copied(ours, getattr(torch.nn, kind)(INPUT, HIDDEN, batch_first=True, **make))
    directions = 1 + bidirectional
    x = rng.normal(size=(BATCH, TIME, INPUT))
    state = start(kind, options.get("num_layers", 1) * directions, rng) if given else None
    weights = rng.normal(size=(BATCH, TIME, HIDDEN * directions))

    def loss(model, x, state):
        y, last = model(x, state, lengths=lengths)
        total = np.sum(weights * y)
        for k, part in enumerate(flat(last)):
            total = total + (k + 1) * np.sum(part**2)
        return total, (y, last)

    args = (ours, x, state) if given else (ours, x)
    full = loss if given else lambda model, x: loss(model, x, None)
    (_, (y, last)), grads = ad.value_and_grad(full, argnums=tuple(range(len(args))), has_aux=True)(
        *args
    )

    x_ = to_torch(x)
    state_ = to_torch(state) if given else None
    if lengths is None:
        y_, last_ = theirs(x_, state_)
    else:
        pack = torch.nn.utils.rnn
        packed = pack.pack_padded_sequence(x_, lengths, batch_first=True, enforce_sorted=False)
        y_, last_ = theirs(packed, state_)
        y_, _ = pack.pad_packed_sequence(y_, batch_first=True, total_length=TIME)
    total = (torch.tensor(weights) * y_).sum()
    for k, part in enumerate(flat(last_)):
        total = total + (k + 1) * (part**2).sum()
    total.backward()

    close(y, y_)
    for a, b in zip(flat(last), flat(last_), strict=True):
        close(a, b)
    for name, p in theirs.named_parameters():
        close(getattr(grads[0], name), p.grad)
    close(grads[1], x_.grad)
    if given:
        for a, b in zip(flat(grads[2]), flat(state_), strict=True):
            close(a, b.grad)


@pytest.mark.parametrize("options", [{}, {"bias": False}], ids=str)
@pytest.mark.parametrize("kind", ["RNNCell", "LSTMCell", "GRUCell"])
@pytest.mark.parametrize("given", [False, True], ids=["zeros", "state"])
def test_cell(kind, options, given):
    rng = np.random.default_rng(3)
    ours = getattr(nn, kind)(INPUT, HIDDEN, rng=2, dtype=np.float64, **options)
    theirs = copied(ours, getattr(torch.nn, kind)(INPUT, HIDDEN, **options))
    x = rng.normal(size=(BATCH, INPUT))
    state = None
    if given:
        state = rng.normal(size=(BATCH, HIDDEN))
        state = (state, rng.normal(size=(BATCH, HIDDEN))) if kind == "LSTMCell" else state

    def loss(cell, x):
        after = cell(x, state)
        return sum(np.sum(part**3) for part in flat(after)), after

    (_, after), grads = ad.value_and_grad(loss, argnums=(0, 1), has_aux=True)(ours, x)
    x_ = to_torch(x)
    after_ = theirs(x_, to_torch(state) if given else None)
    sum((part**3).sum() for part in flat(after_)).backward()
    for a, b in zip(flat(after), flat(after_), strict=True):
        close(a, b)
    close(grads[1], x_.grad)
    for name, p in theirs.named_parameters():
        close(getattr(grads[0], name), p.grad)


@pytest.mark.parametrize("kind", ["RNN", "LSTM", "GRU"])
def test_the_names_and_shapes_of_the_weights(kind):
    options = {"num_layers": 2, "bidirectional": True}
    ours = getattr(nn, kind)(3, 4, rng=0, **options)
    theirs = getattr(torch.nn, kind)(3, 4, **options)
    want = {"." + name: tuple(p.shape) for name, p in theirs.named_parameters()}
    assert {name: p.shape for name, p in nn.named_parameters(ours)} == want
