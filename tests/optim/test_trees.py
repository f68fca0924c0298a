"""Trees of parameters: what trains, what stays, which types come out."""

import dataclasses
import os
import pickle
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import adjoint as ad
from adjoint import tree

OPTIMIZERS = [
    ad.optim.SGD(lr=0.1),
    ad.optim.SGD(lr=0.1, momentum=0.9, nesterov=True, weight_decay=0.1),
    ad.optim.SGD(lr=0.1, momentum=0.9, dampening=0.1),
    ad.optim.Adam(lr=0.1, weight_decay=0.1),
    ad.optim.AdamW(lr=lambda step: 0.1 / (1.0 + step), amsgrad=True),
    ad.optim.RMSprop(centered=True, momentum=0.9, eps=1e-3),
    ad.optim.Adagrad(lr_decay=0.1),
    ad.optim.Lion(lr=0.01, weight_decay=0.1),
]
NUMBERS = [o for o in OPTIMIZERS if not callable(o.lr)]
"""Those that may be arguments: a schedule, a function, may not."""
every = pytest.mark.parametrize("optimizer", OPTIMIZERS, ids=lambda o: type(o).__name__)


@dataclasses.dataclass(frozen=True)
class Layer:
    weight: Any
    bias: Any
    stride: Any = 2
    mode: Any = "same"


def model(dtype):
    generator = np.random.default_rng(0)
    layer = Layer(generator.normal(size=(4, 3)).astype(dtype), np.ones(3, dtype))
    return {
        "layer": layer,
        "scale": dtype(2.0),
        "shift": np.array(0.5, dtype),
        "eps": 1e-5,
        "count": np.arange(3),
    }


def gradient(params):
    """Return something like a gradient; settings have None in their place."""

    def of(leaf):
        return np.cos(leaf) if hasattr(leaf, "dtype") and leaf.dtype.kind == "f" else None

    return tree.map_leaves(of, params)


def types(value):
    return [
        (name, type(leaf), getattr(leaf, "dtype", None), np.shape(leaf))
        for name, leaf in tree.leaves_with_names(value)
    ]


def contents(value):
    return [leaf.tobytes() if hasattr(leaf, "dtype") else leaf for leaf in tree.flatten(value)[0]]


@every
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_types_stay(optimizer, dtype):
    params = model(dtype)
    state = optimizer.init(params)
    expected = types(params), types(state)
    for _ in range(3):
        before = contents((params, state))
        new, next_state = optimizer.update(gradient(params), state, params)
        assert contents((params, state)) == before  # nothing was changed in place
        params, state = new, next_state
        assert (types(params), types(state)) == expected
    assert params["eps"] == 1e-5 and params["layer"].stride == 2 and params["layer"].mode == "same"
    assert not np.array_equal(params["shift"], 0.5) and params["scale"] != 2.0
    np.testing.assert_array_equal(params["count"], np.arange(3))


@every
def test_settings_may_be_float64(optimizer):
    """NumPy's numbers are strong: they must not make float64 of float32."""
    numbers = {
        f.name: np.float64(value)
        for f in dataclasses.fields(optimizer)
        if type(value := getattr(optimizer, f.name)) is float
    }
    strong = dataclasses.replace(optimizer, **numbers)
    params = model(np.float32)
    new, state = strong.update(gradient(params), strong.init(params), params)
    assert types(new) == types(params) and types(state) == types(optimizer.init(params))


@every
def test_resumed_bit_for_bit(optimizer):
    params = model(np.float32)
    state = optimizer.init(params)
    for step in range(10):
        if step == 5:
            kept = pickle.loads(pickle.dumps((params, state)))
        params, state = optimizer.update(gradient(params), state, params)
    again, other = kept
    for _ in range(5):
        again, other = optimizer.update(gradient(again), other, again)
    assert contents((again, other)) == contents((params, state))


@every
def test_resumed_from_arrays(optimizer, tmp_path):
    """Files keep arrays, not NumPy scalars: the step count comes back as one of no axes."""
    params = np.ones((3, 4), np.float32)
    params, state = optimizer.update(np.cos(params), optimizer.init(params), params)
    leaves, spec = tree.flatten((params, state))
    np.savez(tmp_path / "kept.npz", *leaves)
    with np.load(tmp_path / "kept.npz") as kept:
        again, other = tree.unflatten(spec, [kept[name] for name in kept.files])
    for _ in range(3):
        params, state = optimizer.update(np.cos(params), state, params)
        again, other = optimizer.update(np.cos(again), other, again)
    assert contents((again, other)) == contents((params, state))


@every
def test_ensembles(optimizer):
    """`vmap` of the methods trains several models at once."""
    many = np.random.default_rng(0).normal(size=(3, 4))
    state = ad.vmap(optimizer.init)(many)
    new, state = ad.vmap(optimizer.update)(np.cos(many), state, many)
    for k, params in enumerate(many):
        one, _ = optimizer.update(np.cos(params), optimizer.init(params), params)
        np.testing.assert_allclose(new[k], one, rtol=1e-14)


@pytest.mark.parametrize("optimizer", NUMBERS, ids=lambda o: type(o).__name__)
def test_the_optimiser_may_be_an_argument(optimizer):
    step = ad.jit(lambda o, g, s, p: o.update(g, s, p), backend="interpret")
    params = np.ones(3)
    for lr in (0.1, 0.01):
        now = dataclasses.replace(optimizer, lr=lr)
        state = now.init(params)
        found, _ = step(now, np.cos(params), state, params)
        np.testing.assert_allclose(found, now.update(np.cos(params), state, params)[0], rtol=1e-14)
    assert ": 1 graph\n" in ad.report(step)


@every
def test_jit(optimizer):
    """One graph for all steps, Python is not called back, and the numbers are the same."""
    params = {"w": np.linspace(-1, 1, 12).reshape(4, 3), "b": np.zeros(3), "n": 3}
    x, y = np.random.default_rng(0).normal(size=(8, 4)), np.ones((8, 3))

    def loss(w, b, n):
        return np.mean((np.tanh(x @ w + b) * n - y) ** 2)

    def step(params, state):
        value, (w_bar, b_bar) = ad.value_and_grad(loss, argnums=(0, 1))(*params.values())
        grads = {"w": w_bar, "b": b_bar, "n": None}
        params, state = optimizer.update(grads, state, params)
        return params, state, value

    runs = []
    jitted, interpreted = ad.jit(step), ad.jit(step, backend="interpret")
    for run in (step, interpreted, jitted):
        now, state = params, optimizer.init(params)
        for _ in range(6):
            now, state, value = run(now, state)
        runs.append(tree.flatten((now, state, value))[0])
        assert types((now, state)) == types((params, optimizer.init(params)))
    for ours, theirs, plain in zip(*runs, strict=True):
        np.testing.assert_allclose(ours, plain, rtol=1e-12, atol=1e-14)
        np.testing.assert_allclose(theirs, plain, rtol=1e-12, atol=1e-14)
    for each in (jitted, interpreted):
        report = ad.report(each)
        assert ": 1 graph\n" in report and "callback" not in report, report


@every
def test_jitted_update(optimizer):
    params = {k: model(np.float32)[k] for k in ("layer", "scale", "shift", "eps")}
    update = ad.jit(optimizer.update, backend="interpret")
    state, now = optimizer.init(params), params
    other, plain = state, params
    for _ in range(4):
        now, state = update(gradient(now), state, now)
        plain, other = optimizer.update(gradient(plain), other, plain)
        assert types((now, state)) == types((plain, other))
    assert ": 1 graph\n" in ad.report(update)
    for a, b in zip(*(tree.flatten(each)[0] for each in ((now, state), (plain, other)))):
        if isinstance(a, str):
            assert a == b
        else:
            np.testing.assert_allclose(a, b, rtol=2e-6, atol=1e-7)


@every
def test_long_arrays(optimizer):
    """Lengths that are known at run time only, some of them from constants of the program."""
    x = np.random.default_rng(0).normal(size=(20, 11))

    def step(params, state):
        grads = ad.grad(lambda p: np.sum(np.tanh(x @ p["w"] + p["b"]) ** 2))(params)
        grads = ad.optim.clip_by_global_norm(grads, 1.0)
        return optimizer.update(grads, state, params)

    jitted = ad.jit(step)
    for width in (12, 13):
        params = {"w": np.ones((11, width)), "b": np.linspace(0, 1, width)}
        one = two = params, optimizer.init(params)
        for _ in range(3):
            one, two = step(*one), jitted(*two)
        for a, b in zip(tree.flatten(one)[0], tree.flatten(two)[0]):
            np.testing.assert_allclose(a, b, rtol=1e-10, atol=1e-12)
    assert ": 1 graph\n" in ad.report(jitted) and "callback" not in ad.report(jitted)


def test_the_rate_may_be_an_argument():
    """A rate that the program chooses as it goes is an argument of the jitted step."""
    optimizer = ad.optim.SGD(momentum=0.9)

    def step(lr, grads, state, params):
        return dataclasses.replace(optimizer, lr=lr).update(grads, state, params)

    step = ad.jit(step, backend="interpret")
    params, state = np.zeros(2), optimizer.init(np.zeros(2))
    for lr in (1.0, 2.0, 0.5):
        assert step(lr, np.ones(2), state, params)[0][0] == -lr
    assert ": 1 graph\n" in ad.report(step)


def test_a_schedule_of_the_users_is_staged():
    def schedule(step):
        if step < 2:
            return 1.0
        return 0.5 / step

    optimizer = ad.optim.SGD(lr=schedule)
    update = ad.jit(optimizer.update)
    params, state = np.zeros(2), optimizer.init(np.zeros(2))
    found = []
    for _ in range(5):
        new, state = update(np.ones(2), state, params)
        found.append(params[0] - new[0])
        params = new
    np.testing.assert_allclose(found, [1.0, 1.0, 0.25, 0.5 / 3, 0.125])
    assert ": 1 graph\n" in ad.report(update)


@pytest.mark.parametrize("transform", [lambda f: f, lambda f: ad.jit(f, backend="interpret")])
def test_derivative_by_the_learning_rate(transform):
    """An update is a function like any other: it is differentiated, too."""

    def after(lr):
        optimizer = ad.optim.SGD(lr=lr, momentum=0.5)
        params = np.array([1.0, -2.0])
        state = optimizer.init(params)
        for _ in range(3):
            params, state = optimizer.update(2 * params, state, params)
        return np.sum(params**2)

    found = transform(ad.grad(after))(0.1)
    step = 1e-6
    np.testing.assert_allclose(found, (after(0.1 + step) - after(0.1 - step)) / (2 * step), 1e-6)


def test_imported_when_asked_for():
    """``import adjoint`` alone does not import optimisers; ``adjoint.optim`` does."""
    code = (
        "import sys, adjoint as ad; assert 'adjoint.optim' not in sys.modules;"
        "ad.optim.Adam(); assert ad.optim is sys.modules['adjoint.optim']"
    )
    source = str(Path(ad.__file__).parent.parent)
    environment = {**os.environ, "PYTHONPATH": source}
    subprocess.run([sys.executable, "-c", code], check=True, env=environment)


def test_none_in_place_of_a_gradient():
    params = {"a": np.ones(2), "b": np.ones(2)}
    optimizer = ad.optim.Adam(lr=0.1)
    new, state = optimizer.update({"a": np.ones(2), "b": None}, optimizer.init(params), params)
    assert np.all(new["a"] < 1) and np.all(new["b"] == 1) and np.all(state.exp_avg["b"] == 0)
