"""Recurrent networks: formulas, loops that stay loops, lengths, types and errors."""

import numpy as np
import pytest

import adjoint as ad
from adjoint import nn, tree
from adjoint.errors import InputError

KINDS = ["RNN", "LSTM", "GRU"]
RNG = np.random.default_rng(0)
X = RNG.normal(size=(4, 6, 3))
LENGTHS = np.array([2, 6, 1, 5])


def make(kind, dtype=np.float64, **options):
    return getattr(nn, kind)(3, 5, rng=1, dtype=dtype, **options)


def loss(model, x, lengths=None):
    y, last = model(x, lengths=lengths)
    total = np.sum(np.sin(y))
    for part in last if isinstance(last, tuple) else (last,):
        total = total + np.sum(part**2)
    return total


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def written_out(kind, m, x):
    """One sequence (time, features), as the formulas say."""
    h, c, ys = np.zeros(5), np.zeros(5), []
    for row in x:
        a = m.weight_ih_l0 @ row + m.bias_ih_l0
        b = m.weight_hh_l0 @ h + m.bias_hh_l0
        if kind == "RNN":
            h = np.tanh(a + b)
        elif kind == "LSTM":
            i, f, g, o = np.split(a + b, 4)
            c = sigmoid(f) * c + sigmoid(i) * np.tanh(g)
            h = sigmoid(o) * np.tanh(c)
        else:
            (r, z, n), (r_, z_, n_) = np.split(a, 3), np.split(b, 3)
            z = sigmoid(z + z_)
            h = (1 - z) * np.tanh(n + sigmoid(r + r_) * n_) + z * h
        ys.append(h)
    return np.array(ys)


@pytest.mark.parametrize("kind", KINDS)
def test_formulas(kind):
    model = make(kind)
    y, last = model(X)
    want = np.array([written_out(kind, model, x) for x in X])
    np.testing.assert_allclose(y, want, rtol=1e-12)
    np.testing.assert_allclose(last[0][0] if kind == "LSTM" else last[0], want[:, -1], rtol=1e-12)


@pytest.mark.parametrize("kind", KINDS)
def test_cells_are_steps(kind):
    model, cell = make(kind), getattr(nn, kind + "Cell")(3, 5, rng=1, dtype=np.float64)
    state = None
    for t in range(X.shape[1]):
        state = cell(X[:, t], state)
        h = state[0] if kind == "LSTM" else state
        np.testing.assert_allclose(h, model(X)[0][:, t], rtol=1e-12)


@pytest.mark.parametrize("kind", KINDS)
def test_derivatives(kind):
    model = make(kind, num_layers=2, bidirectional=True)
    ad.check_grads(lambda m, x: loss(m, x, LENGTHS), (model, X), order=2)


@pytest.mark.parametrize("lengths", [None, LENGTHS], ids=["whole", "lengths"])
@pytest.mark.parametrize("backend", ["interpret", "llvm"])
@pytest.mark.parametrize("kind", KINDS)
def test_compiled(kind, backend, lengths):
    model = make(kind, num_layers=2, bidirectional=True)
    run = ad.jit(ad.value_and_grad(loss), backend=backend)
    value, grads = run(model, X, lengths)
    want, expected = ad.value_and_grad(loss)(model, X, lengths)
    np.testing.assert_allclose(value, want, rtol=1e-12)
    for a, b in zip(tree.flatten(grads)[0], tree.flatten(expected)[0], strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-10, atol=1e-13)
    report = ad.report(run)
    assert "callback" not in report and "unrolled" not in report


@pytest.mark.parametrize("kind", KINDS)
def test_loops_stay_loops(kind):
    """One loop forward and one in reverse for each layer and direction, at any length."""
    x = RNG.normal(size=(10, 40, 3))
    text = str(ad.stage(ad.value_and_grad(loss))(make(kind, num_layers=2), x))
    assert text.count(" in range(") == 4
    assert "map" not in text


@pytest.mark.parametrize("kind", KINDS)
def test_lengths_are_sequences_by_themselves(kind):
    model = make(kind, num_layers=2, bidirectional=True)
    x = X.copy()
    for row, n in zip(x, LENGTHS, strict=True):
        row[n:] = np.nan  # what follows the end is not looked at
    y, last = model(x, lengths=LENGTHS)
    for b, n in enumerate(LENGTHS):
        alone, end = model(X[b : b + 1, :n])
        np.testing.assert_allclose(y[b, :n], alone[0], rtol=1e-12)
        assert not y[b, n:].any()
        pairs = zip(last, end, strict=True) if kind == "LSTM" else [(last, end)]
        for ours, want in pairs:
            np.testing.assert_allclose(ours[:, b], want[:, 0], rtol=1e-12)
    for g in tree.flatten(ad.grad(loss)(model, x, LENGTHS))[0]:
        assert np.isfinite(g).all()


@pytest.mark.parametrize("kind", KINDS)
def test_a_length_of_zero_leaves_the_state(kind):
    model, n = make(kind), 2 if kind == "LSTM" else 1
    start = tuple(RNG.normal(size=(1, 2, 5)) for _ in range(n))
    given = start if kind == "LSTM" else start[0]
    y, end = model(X[:2], given, lengths=np.array([0, 3]))
    end = end if kind == "LSTM" else (end,)
    assert not y[0].any()
    for a, b in zip(start, end, strict=True):
        np.testing.assert_array_equal(a[:, 0], b[:, 0])


@pytest.mark.parametrize("kind", KINDS)
def test_vmap_and_products_with_the_hessian(kind):
    model = make(kind)
    each = ad.vmap(lambda x: ad.grad(loss)(model, x[None]))(X)
    whole = ad.grad(loss)(model, X)
    for a, b in zip(tree.flatten(each)[0], tree.flatten(whole)[0], strict=True):
        np.testing.assert_allclose(a.sum(0), b, rtol=1e-10, atol=1e-12)
    v = RNG.normal(size=X.shape)
    got = ad.hvp(lambda x: loss(model, x), (X,), (v,))
    step = 1e-6
    slope = [ad.grad(loss, argnums=1)(model, X + s * step * v) for s in (1, -1)]
    np.testing.assert_allclose(got, (slope[0] - slope[1]) / (2 * step), rtol=1e-6, atol=1e-7)


@pytest.mark.parametrize("backend", [None, "interpret", "llvm"])
@pytest.mark.parametrize("kind", KINDS)
def test_single_precision(kind, backend):
    model, x = make(kind, np.float32, num_layers=2, dropout=0.3), X.astype(np.float32)

    def run(model, x, rng):
        y, last = model(x, lengths=LENGTHS, rng=rng)
        total = np.mean(y**2)
        return total, (y, last)

    run = ad.value_and_grad(run, has_aux=True)
    run = run if backend is None else ad.jit(run, backend=backend)
    result = run(model, x, np.random.default_rng(0))
    assert {np.asarray(leaf).dtype for leaf in tree.flatten(result)[0]} == {np.dtype(np.float32)}


def test_dropout_between_layers():
    model = make("GRU", num_layers=2, dropout=0.5)
    run = ad.jit(lambda m, x, rng: m(x, rng=rng)[0], backend="interpret")
    rng = np.random.default_rng(5)
    first, second = run(model, X, rng), run(model, X, rng)
    assert not np.allclose(first, second)
    np.testing.assert_array_equal(model(X)[0], model(X)[0])
    one = make("GRU", dropout=0.5)  # nothing is dropped after the last layer
    np.testing.assert_array_equal(one(X, rng=rng)[0], one(X)[0])


def test_errors():
    with pytest.raises(InputError, match=r"shape \(batch, time, features\)"):
        make("LSTM")(X[0])
    with pytest.raises(InputError, match="x has 2 features; input_size is 3"):
        make("LSTM")(X[:, :, :2])
    with pytest.raises(InputError, match="2 arrays, not 1"):
        make("LSTM")(X, np.zeros((1, 4, 5)))
    with pytest.raises(InputError, match=r"\(1, batch, 5\)"):
        make("GRU")(X, np.zeros((2, 4, 5)))
    with pytest.raises(InputError, match="'tanh' or 'relu'"):
        make("RNN", nonlinearity="sin")
    with pytest.raises(InputError, match="probability"):
        make("GRU", dropout=2.0)
    with pytest.raises(InputError, match="positive"):
        nn.LSTM(3, 0, rng=0)
    with pytest.raises(InputError, match="positive"):
        nn.LSTMCell(0, 3, rng=0)
