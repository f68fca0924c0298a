"""Transformers and positions: derivatives, machine code, caches, dropout, types and errors."""

import numpy as np
import pytest

import adjoint as ad
from adjoint import nn, tree
from adjoint.errors import InputError

RNG = np.random.default_rng(0)
X = RNG.normal(size=(2, 9, 8))
MEMORY = RNG.normal(size=(2, 4, 8))


def encoder(dtype=np.float64, dropout=0.1, **options):
    rng = np.random.default_rng(1)
    layer = [
        nn.TransformerEncoderLayer(8, 2, 12, dropout, rng=rng, dtype=dtype, **options)
        for _ in range(2)
    ]
    return nn.TransformerEncoder(layer, nn.LayerNorm(8, dtype=dtype))


def decoder(**options):
    rng = np.random.default_rng(1)
    layer = [
        nn.TransformerDecoderLayer(8, 2, 12, rng=rng, dtype=np.float64, **options) for _ in range(2)
    ]
    return nn.TransformerDecoder(layer)


def loss(model, x, *memory):
    return np.sum(np.sin(model(x, *memory, causal=True)))


CASES = {
    "encoder": (encoder(), X),
    "norm first": (encoder(norm_first=True, activation="gelu"), X),
    "decoder": (decoder(), X, MEMORY),
    "decoder, norm first": (decoder(norm_first=True, activation=np.tanh), X, MEMORY),
}


@pytest.mark.parametrize("args", CASES.values(), ids=CASES)
def test_derivatives(args):
    order = 2 if args[0].layers[0].activation is not nn.relu else 1
    ad.check_grads(loss, args, order=order, atol=1e-4)


@pytest.mark.parametrize("backend", ["interpret", "llvm"])
@pytest.mark.parametrize("args", CASES.values(), ids=CASES)
def test_compiled(args, backend):
    run = ad.jit(ad.value_and_grad(loss, argnums=(0, 1)), backend=backend)
    got, want = run(*args), ad.value_and_grad(loss, argnums=(0, 1))(*args)
    for a, b in zip(tree.flatten(got)[0], tree.flatten(want)[0], strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-9, atol=1e-12)
    assert "callback" not in ad.report(run)


@pytest.mark.parametrize("backend", [None, "llvm"])
@pytest.mark.parametrize("args", CASES.values(), ids=CASES)
def test_token_by_token(args, backend):
    model, x, *memory = args
    want = model(x, *memory, causal=True)

    def step(model, x, memory, cache):
        return model(x, *memory, cache=cache)

    run = step if backend is None else ad.jit(step, backend=backend)
    cache = model.init_cache(2, 9)
    for t in range(9):
        y, cache = run(model, x[:, t : t + 1], memory, cache)
        np.testing.assert_allclose(y, want[:, t : t + 1], rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize("backend", [None, "interpret", "llvm"])
def test_single_precision_and_dropout(backend):
    model, x = encoder(np.float32, 0.5), X.astype(np.float32)
    run = ad.value_and_grad(lambda m, x, rng: np.sum(m(x, rng=rng) ** 3))
    run = run if backend is None else ad.jit(run, backend=backend)
    rng = np.random.default_rng(0)
    first, second = run(model, x, rng), run(model, x, rng)
    assert first[0] != second[0]
    assert {np.asarray(leaf).dtype for leaf in tree.flatten(first)[0]} == {np.dtype(np.float32)}
    np.testing.assert_array_equal(model(x), model(x))


def test_vmap():
    model = encoder(norm_first=True)
    each = ad.vmap(lambda x: ad.grad(loss)(model, x[None]))(X)
    whole = ad.grad(loss)(model, X)
    for a, b in zip(tree.flatten(each)[0], tree.flatten(whole)[0], strict=True):
        np.testing.assert_allclose(a.sum(0), b, rtol=1e-9, atol=1e-11)


def test_sinusoidal_encoding():
    waves = nn.sinusoidal_encoding(7, 6, dtype=np.float64)
    for p in range(7):
        for k in range(3):
            angle = p / 1e4 ** (2 * k / 6)
            np.testing.assert_allclose(waves[p, 2 * k : 2 * k + 2], [np.sin(angle), np.cos(angle)])
    later = nn.sinusoidal_encoding(3, 6, start=np.int64(4), dtype=np.float64)
    np.testing.assert_allclose(later, waves[4:], rtol=1e-12)
    run = ad.jit(lambda start: nn.sinusoidal_encoding(3, 6, start=start, dtype=np.float64))
    np.testing.assert_allclose(run(np.int64(4)), waves[4:], rtol=1e-12)
    assert nn.sinusoidal_encoding(2, 4).dtype == np.float32
    with pytest.raises(InputError, match="even number of features, not 5"):
        nn.sinusoidal_encoding(3, 5)


@pytest.mark.parametrize("interleaved", [True, False])
def test_rotary_embedding(interleaved):
    x = RNG.normal(size=(2, 5, 6))
    got = nn.rotary_embedding(x, start=3, interleaved=interleaved)
    for p in range(5):
        for k in range(3):
            angle = (p + 3) / 1e4 ** (2 * k / 6)
            pair = [2 * k, 2 * k + 1] if interleaved else [k, k + 3]
            turned = (x[:, p, pair[0]] + 1j * x[:, p, pair[1]]) * np.exp(1j * angle)
            np.testing.assert_allclose(got[:, p, pair[0]], turned.real, rtol=1e-10, atol=1e-14)
            np.testing.assert_allclose(got[:, p, pair[1]], turned.imag, rtol=1e-10, atol=1e-14)
    turn = lambda x: nn.rotary_embedding(x, interleaved=interleaved)  # noqa: E731
    ad.check_grads(turn, (x,), order=2)
    assert turn(x.astype(np.float32)).dtype == np.float32
    run = ad.jit(ad.grad(lambda x: np.sum(turn(x) ** 3)))
    np.testing.assert_allclose(run(x), ad.grad(lambda x: np.sum(turn(x) ** 3))(x), rtol=1e-10)
    assert "callback" not in ad.report(run)
    with pytest.raises(InputError, match="even number of features, not 5"):
        turn(x[..., :5])


def test_errors():
    with pytest.raises(InputError, match="'relu', 'gelu' or a function"):
        nn.TransformerEncoderLayer(8, 2, activation="sin", rng=0)
