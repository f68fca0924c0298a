"""Attention: formulas, masks that leave nothing, caches, types and errors."""

import numpy as np
import pytest

import adjoint as ad
from adjoint import nn, tree
from adjoint.errors import InputError

RNG = np.random.default_rng(0)
X = RNG.normal(size=(2, 9, 6))


def make(dtype=np.float64, **options):
    return nn.MultiHeadAttention(6, 2, rng=1, dtype=dtype, **options)


def loss(model, x, mask=None, causal=True):
    return np.sum(np.sin(model(x, mask=mask, causal=causal)))


def test_formula():
    q, k, v = RNG.normal(size=(3, 4, 5))
    want = np.zeros((4, 5))
    for i in range(4):
        e = [np.exp(q[i] @ k[j] / np.sqrt(5)) for j in range(i + 1)]
        want[i] = sum(w * v[j] for j, w in enumerate(e)) / sum(e)
    got = nn.scaled_dot_product_attention(q, k, v, causal=True)
    np.testing.assert_allclose(got, want, rtol=1e-12)


def test_derivatives():
    mask = RNG.random((9, 9)) < 0.5
    ad.check_grads(lambda m, x: loss(m, x, mask), (make(), X), order=2)


@pytest.mark.parametrize("wrap", [lambda f: f, ad.jit], ids=["eager", "compiled"])
@pytest.mark.parametrize("numbers", [False, True], ids=["bool", "numbers"])
def test_queries_that_may_attend_to_nothing(wrap, numbers):
    q, k, v = RNG.normal(size=(3, 2, 4, 5)) * 1e3
    mask = np.array([[True, False] * 2, [False] * 4, [True] * 4, [False] * 4])
    given = np.where(mask, 0.0, -np.inf) if numbers else mask

    def total(q, k, v, mask):
        y = nn.scaled_dot_product_attention(q, k, v, mask=mask)
        return np.sum(y**2), y

    run = wrap(ad.value_and_grad(total, argnums=(0, 1, 2), has_aux=True))
    (_, y), grads = run(q, k, v, given)
    assert not y[:, [1, 3]].any() and not grads[0][:, [1, 3]].any()
    (_, some), fewer = run(q[:, [0, 2]], k, v, given[[0, 2]])
    np.testing.assert_allclose(y[:, [0, 2]], some, rtol=1e-12)
    np.testing.assert_allclose(grads[1], fewer[1], rtol=1e-9, atol=1e-9)
    np.testing.assert_allclose(grads[2], fewer[2], rtol=1e-12)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_large_scores(dtype):
    q = np.full((1, 3, 2), 1e4, dtype)
    k = np.array([[[1e4, 1e4], [-1e4, -1e4], [0, 0]]], dtype)
    v = RNG.normal(size=(1, 3, 2)).astype(dtype)
    for causal in (False, True):
        run = ad.value_and_grad(
            lambda q, k, v: np.sum(nn.scaled_dot_product_attention(q, k, v, causal=causal))  # noqa: B023
        )
        value, grad = run(q, k, v)
        np.testing.assert_allclose(value, 3 * v[0, 0].sum(), rtol=1e-6)
        assert value.dtype == dtype and np.isfinite(grad).all()


@pytest.mark.parametrize("backend", ["interpret", "llvm"])
@pytest.mark.parametrize("masked", [False, True])
def test_compiled(backend, masked):
    mask = RNG.random((2, 1, 9, 9)) < 0.7 if masked else None
    model = make()
    run = ad.jit(ad.value_and_grad(loss, argnums=(0, 1)), backend=backend)
    got = run(model, X, mask)
    want = ad.value_and_grad(loss, argnums=(0, 1))(model, X, mask)
    for a, b in zip(tree.flatten(got)[0], tree.flatten(want)[0], strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-10, atol=1e-13)
    assert "callback" not in ad.report(run)


@pytest.mark.parametrize("backend", [None, "interpret", "llvm"])
def test_single_precision_and_dropout(backend):
    model, x = make(np.float32, dropout=0.5), X.astype(np.float32)
    run = ad.value_and_grad(lambda m, x, rng: np.sum(m(x, causal=True, rng=rng) ** 2))
    run = run if backend is None else ad.jit(run, backend=backend)
    rng = np.random.default_rng(0)
    first, second = run(model, x, rng), run(model, x, rng)
    assert first[0] != second[0]
    assert {np.asarray(leaf).dtype for leaf in tree.flatten(first)[0]} == {np.dtype(np.float32)}


@pytest.mark.parametrize("backend", [None, "interpret", "llvm"])
def test_token_by_token(backend):
    model = make()
    present = np.ones((2, 12), bool)
    present[1, :2] = False  # the first two tokens of the second sequence are padding
    want = model(X, causal=True, key_mask=present[:, :9])

    def step(model, x, cache):
        return model(x, cache=cache, key_mask=present)

    run = step if backend is None else ad.jit(step, backend=backend)
    y, cache = run(model, X[:, :4], model.init_cache(2, 12))  # four tokens at once
    np.testing.assert_allclose(y, want[:, :4], rtol=1e-10, atol=1e-13)
    for t in range(4, 9):
        y, cache = run(model, X[:, t : t + 1], cache)
        np.testing.assert_allclose(y, want[:, t : t + 1], rtol=1e-10, atol=1e-13)
        assert cache.position == t + 1
    if backend is not None:
        assert "2 graphs" in ad.report(run)  # of four tokens, and of one
    numbers = ("12", "9") if backend is None else ("n", "n")  # a graph's messages have few numbers
    told = "room for {} tokens: {} are in it, and 4 more do not fit".format(*numbers)
    with pytest.raises(InputError, match=told):
        run(model, X[:, :4], cache)


def test_vmap_and_products_with_the_hessian():
    model = make()
    each = ad.vmap(lambda x: ad.grad(loss)(model, x[None]))(X)
    whole = ad.grad(loss)(model, X)
    for a, b in zip(tree.flatten(each)[0], tree.flatten(whole)[0], strict=True):
        np.testing.assert_allclose(a.sum(0), b, rtol=1e-10, atol=1e-12)
    v = RNG.normal(size=X.shape)
    got = ad.hvp(lambda x: loss(model, x), (X,), (v,))
    slope = [ad.grad(loss, argnums=1)(model, X + s * 1e-6 * v) for s in (1, -1)]
    np.testing.assert_allclose(got, (slope[0] - slope[1]) / 2e-6, rtol=1e-6, atol=1e-7)


def test_errors():
    with pytest.raises(InputError, match="4 heads cannot share evenly"):
        nn.MultiHeadAttention(6, 4, rng=0)
    with pytest.raises(InputError, match="probability"):
        make(dropout=-0.1)
    with pytest.raises(InputError, match="self-attention"):
        make()(X, X, cache=make().init_cache(2, 9))
