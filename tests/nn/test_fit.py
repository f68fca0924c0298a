"""`nn.fit`: what it computes, measures and shows, and when it ends."""

from __future__ import annotations

import dataclasses
import json
import os
import signal
import subprocess
import sys
import threading

import numpy as np
import pytest

import adjoint as ad
from adjoint import nn, optim, tree
from adjoint.errors import InputError, MissingDependencyError
from tests.nn.models import SETTINGS, Net, X, Y, loss, mean_loss, noisy_loss


def same(a, b):
    for p, q in zip(tree.flatten(a)[0], tree.flatten(b)[0], strict=True):
        np.testing.assert_array_equal(p, q)


def test_it_is_the_loop_that_one_would_write():
    got = nn.fit(Net(), loss, (X, Y), epochs=3, shuffle=False, jit=False, **SETTINGS)
    model, optimizer = Net(), SETTINGS["optimizer"]
    state = optimizer.init(model)
    for _ in range(3):
        for k in range(0, 50, 16):
            grads = ad.grad(lambda m: loss(m, X[k : k + 16], Y[k : k + 16]))(
                model.replace(mask=None)
            )
            model, state = optimizer.update(grads.replace(mask=None), state, model)
    for p, q in zip(tree.flatten(got.model)[0], tree.flatten(model)[0], strict=True):
        np.testing.assert_allclose(p, q, rtol=1e-12)
    assert (got.stopped, got.epoch, got.step, got.average) == ("epochs", 3, 12, None)


@pytest.mark.parametrize("which", [loss, noisy_loss, mean_loss])
def test_compiled_and_eager_agree(which):
    state = {"mean": np.float64(0.0)} if which is mean_loss else None
    both = [
        nn.fit(
            Net(), which, (X, Y), epochs=3, jit=jit, state=state, validation=(X[:20], Y[:20]),
            ema=optim.EMA(0.9), clip_norm=0.5, **SETTINGS,
        )
        for jit in (True, False)
    ]  # fmt: skip
    for name in ("model", "state", "average", "optimizer_state"):
        pair = [tree.flatten(getattr(result, name))[0] for result in both]
        for p, q in zip(*pair, strict=True):
            np.testing.assert_allclose(p, q, rtol=1e-10)
    np.testing.assert_allclose(both[0].history["val_loss"], both[1].history["val_loss"], rtol=1e-10)
    assert both[0].history["loss"][-1] < both[0].history["loss"][0]


def test_one_graph_serves_all_batches(monkeypatch):
    graphs = []

    def compiled(step):
        graphs.append(ad.jit(step, backend="interpret"))
        return graphs[-1]

    monkeypatch.setattr("adjoint.nn.steps.compiled", compiled)
    nn.fit(Net(), noisy_loss, (X[:42], Y[:42]), epochs=2, validation=(X[:43], Y[:43]), **SETTINGS)
    assert [len(graph.made) for graph in graphs] == [1, 1]


def test_nothing_that_is_given_is_changed():
    model, x, y = Net(), X.copy(), Y.copy()
    nn.fit(model, noisy_loss, (x, y), epochs=1, **SETTINGS)
    same(model, Net())
    same((x, y), (X, Y))


def test_float32_stays():
    model = nn.Linear(3, 1, rng=0)
    seen = []

    def watching(model, x, y):
        seen.append(x.dtype)
        return np.mean((model(x) - y) ** 2)

    result = nn.fit(model, watching, (X, Y), epochs=1, jit=False, **SETTINGS)
    assert set(seen) == {np.dtype(np.float32)}
    assert result.model.weight.dtype == np.float32


def test_what_is_measured():
    def error(model, x, y):
        return np.mean(np.abs(model(x) - y))

    result = nn.fit(
        Net(), noisy_loss, (X, Y), epochs=2, metrics={"error": error}, validation=(X, Y), **SETTINGS
    )
    history = result.history
    assert history.columns == (
        "epoch", "step", "loss", "val_loss", "val_error", "seconds", "examples_per_second",
    )  # fmt: skip
    np.testing.assert_allclose(history[-1]["val_error"], error(result.model, X, Y), rtol=1e-12)
    np.testing.assert_allclose(history[-1]["val_loss"], loss(result.model, X, Y), rtol=1e-12)
    assert list(history["epoch"]) == [1, 2] and list(history["step"]) == [4, 8]
    # Without validation data the training data are what metrics are of.
    plain = nn.fit(Net(), loss, (X, Y), epochs=1, metrics={"error": error}, **SETTINGS)
    np.testing.assert_allclose(plain.history["error"], error(plain.model, X, Y), rtol=1e-12)


def test_an_average_is_what_is_validated():
    result = nn.fit(
        Net(), loss, (X, Y), epochs=2, ema=optim.EMA(0.9), validation=(X, Y), **SETTINGS
    )
    np.testing.assert_allclose(
        result.history["val_loss"][-1], loss(result.average, X, Y), rtol=1e-12
    )


def test_clipping_is_of_what_was_accumulated():
    settings = dict(epochs=1, shuffle=False, progress=False, jit=False, clip_norm=0.01)
    small = nn.fit(
        Net(), loss, (X[:48], Y[:48]), batch_size=16,
        optimizer=optim.Accumulate(optim.SGD(lr=0.1), steps=3), **settings,
    )  # fmt: skip
    large = nn.fit(
        Net(), loss, (X[:48], Y[:48]), batch_size=48, optimizer=optim.SGD(lr=0.1), **settings
    )
    np.testing.assert_allclose(small.model.last.weight, large.model.last.weight, rtol=1e-12)


def test_early_stopping_restores_the_best():
    seen = []

    def never_better(model, x, y):
        return np.float64(len(seen))

    result = nn.fit(
        Net(), loss, (X, Y), epochs=9, metrics={"worse": never_better}, jit=False,
        early_stopping=nn.EarlyStopping(patience=2, monitor="worse"),
        callbacks=[lambda result: seen.append(result)], **SETTINGS,
    )  # fmt: skip
    assert result.stopped == "early_stopping" and result.epoch == len(seen) == 3
    same(result.model, seen[0].model)
    last = nn.fit(
        Net(), loss, (X, Y), epochs=9, metrics={"worse": never_better}, jit=False,
        early_stopping=nn.EarlyStopping(patience=2, monitor="worse", restore_best=False), **SETTINGS
    )  # fmt: skip
    assert last.epoch == 3
    same(last.model, seen[2].model)


def test_min_delta_and_max():
    stopping = nn.EarlyStopping(min_delta=0.1, mode="max", monitor="accuracy")
    assert stopping.better(stopping.monitored({"accuracy": 0.5}), None)
    assert not stopping.better(stopping.monitored({"accuracy": 0.55}), -0.5)
    assert stopping.better(stopping.monitored({"accuracy": 0.65}), -0.5)
    assert not stopping.better(np.nan, None) and not stopping.better(np.nan, 1.0)
    with pytest.raises(InputError, match="'accuracy', which is not measured; there are loss"):
        stopping.monitored({"loss": 1.0})


def test_a_callback_ends_it():
    result = nn.fit(
        Net(), loss, (X, Y), epochs=9, callbacks=[lambda r: r.epoch == 2], jit=False, **SETTINGS
    )
    assert result.stopped == "callback" and result.epoch == 2


@pytest.mark.skipif(os.name == "nt", reason="Windows cannot send itself SIGINT")
@pytest.mark.parametrize("jit", [False, True])
def test_an_interruption_ends_it_after_the_step(jit, tmp_path):
    def batches():
        for k in range(5):
            if k == 3:
                os.kill(os.getpid(), signal.SIGINT)
            yield X[:16], Y[:16]

    before = signal.getsignal(signal.SIGINT)
    path = tmp_path / "run.safetensors"
    result = nn.fit(Net(), loss, batches, epochs=2, jit=jit, checkpoint=path, **SETTINGS)
    assert result.stopped == "interrupted" and result.step == 3 and result.epoch == 0
    assert signal.getsignal(signal.SIGINT) is before
    same(nn.load(path, _kept(result)).model, result.model)


@dataclasses.dataclass
class Kept:
    model: object
    optimizer: object


def _kept(result):
    return Kept(result.model, result.optimizer_state)


@pytest.mark.skipif(os.name == "nt", reason="Windows cannot send itself SIGINT")
def test_a_second_interruption_is_raised():
    def batches():
        os.kill(os.getpid(), signal.SIGINT)
        os.kill(os.getpid(), signal.SIGINT)
        yield X, Y

    with pytest.raises(KeyboardInterrupt):
        nn.fit(Net(), loss, batches, epochs=1, jit=False, **SETTINGS)
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_in_another_thread():
    results = []

    def work():
        results.append(nn.fit(Net(), loss, (X, Y), epochs=1, jit=False, **SETTINGS))

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert results[0].stopped == "epochs"


def test_lines_and_silence(capsys):
    settings = SETTINGS | {"progress": True}
    nn.fit(Net(), loss, (X, Y), epochs=2, jit=False, validation=(X, Y), **settings)
    shown = capsys.readouterr()
    first, second = shown.err.splitlines()
    assert shown.out == ""
    assert first.startswith("epoch 1/2  loss ") and "val_loss" in first and "left" in second
    nn.fit(Net(), loss, (X, Y), epochs=2, jit=False, **SETTINGS)
    assert capsys.readouterr().err == ""


def test_a_bar_in_a_terminal(monkeypatch, capsys):
    pytest.importorskip("rich")
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True, raising=False)
    monkeypatch.setenv("TERM", "xterm")
    settings = SETTINGS | {"progress": True}
    nn.fit(Net(), loss, (X, Y), epochs=2, jit=False, **settings)
    assert "epoch 2/2" in capsys.readouterr().err


def test_without_llvmlite_it_is_eager():
    code = (
        "import sys, importlib.util as u\n"
        "found = u.find_spec\n"
        "u.find_spec = lambda name, *a: None if name == 'llvmlite' else found(name, *a)\n"
        "import numpy as np, adjoint as ad\n"
        "r = ad.nn.fit({'w': np.ones(2)}, lambda m, x: np.sum((m['w'] - x) ** 2), np.zeros((4, 2)),"
        " optimizer=ad.optim.SGD(0.1), epochs=1, progress=False)\n"
        "assert 'llvmlite' not in sys.modules and r.step == 1\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_history(tmp_path):
    history = nn.fit(Net(), loss, (X, Y), epochs=3, validation=(X, Y), **SETTINGS).history
    assert repr(history).splitlines()[0].split()[:3] == ["epoch", "step", "loss"]
    assert len(repr(history).splitlines()) == 4
    assert json.loads(history.to_json()) == list(history)
    assert nn.History(({"loss": np.nan},)).to_json().split() == '[ { "loss": null } ]'.split()
    assert set(history.arrays()) == set(history.columns)
    with pytest.raises(KeyError, match="'accuracy' was not measured; there are epoch"):
        history["accuracy"]
    pytest.importorskip("matplotlib")
    figure = history.plot(tmp_path / "history.png")
    assert (tmp_path / "history.png").stat().st_size > 1000
    (axes,) = figure.axes
    assert [line.get_label() for line in axes.lines] == ["training", "validation"]
    with pytest.raises(InputError, match="no epoch was finished"):
        nn.History().plot()


def test_extras_are_named(monkeypatch, tmp_path):
    for name in ("safetensors", "matplotlib", "matplotlib.figure"):
        monkeypatch.setitem(sys.modules, name, None)
    with pytest.raises(MissingDependencyError, match=r"pip install 'adjoint\[train\]'"):
        nn.fit(Net(), loss, (X, Y), epochs=1, checkpoint=tmp_path / "a", **SETTINGS)
    with pytest.raises(MissingDependencyError, match=r"pip install 'adjoint\[train\]'"):
        nn.History(({"epoch": 1, "loss": 0.0},)).plot()


def with_state(model, x, y, *, state):
    return loss(model, x, y), state


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"epochs": -1}, "epochs is -1"),
        ({"batch_size": 0}, "batch_size is 0"),
        ({"rng": "seed"}, "rng is 'seed'"),
        ({"checkpoint_every": 3}, "no checkpoint, which says where"),
        ({"resume": True}, "resume=True needs a checkpoint"),
        ({"checkpoint": "/no/such/folder/a"}, "there is no folder /no/such/folder"),
        ({"optimizer": optim.Adam}, "it has to be one, such as"),
        ({"optimizer": optim.LBFGS()}, "LBFGS evaluates the loss of all data"),
        ({"loss": lambda m, x, y: x}, "the loss returned an array of shape"),
        ({"loss": with_state, "validation": (X, Y)}, "none that is named `training`"),
        ({"loss": lambda m, x, y, state: loss(m, x, y)}, "has to return a pair"),
        ({"model": {"n": 3}}, "nothing to train"),
        ({"clip_norm": -1.0}, "clip_norm is -1.0"),
        ({"loss": lambda m, x, y, state: (loss(m, x, y), 3.0)}, "a state of another structure"),
    ],
    ids=lambda x: next(iter(x)) if isinstance(x, dict) else "",
)
def test_refusals(changes, message):
    given = {"model": Net(), "loss": loss, "data": (X, Y), "epochs": 1, "jit": False}
    given |= SETTINGS | changes
    with pytest.raises(InputError, match=message):
        nn.fit(given.pop("model"), given.pop("loss"), given.pop("data"), **given)


@pytest.mark.parametrize("jit", [False, True])
def test_layers_with_a_state(jit):
    """Statistics are learnt in training, and used, unchanged, in validation."""
    model = nn.Sequential(
        nn.Linear(3, 8, rng=0, dtype=np.float64), nn.BatchNorm1d(8, dtype=np.float64), np.tanh,
        nn.Dropout(0.1), nn.Linear(8, 1, rng=1, dtype=np.float64),
    )  # fmt: skip

    def loss(model, x, y, *, rng, state, training):
        z, state = model(x, state, rng=rng, training=training)
        return np.mean((z - y) ** 2), state

    result = nn.fit(model, loss, (X, Y), epochs=30, validation=(X, Y), jit=jit, **SETTINGS)
    state = result.state
    assert state[1] is not None and state[0] is None
    mean = np.mean(result.model.layers[0](X), axis=0)
    np.testing.assert_allclose(state[1].running_mean, mean, atol=0.2)
    z, same_state = result.model(X, state, training=False)
    same(same_state, state)
    np.testing.assert_allclose(result.history[-1]["val_loss"], np.mean((z - Y) ** 2), rtol=1e-12)
    assert result.history[-1]["val_loss"] < 0.25 * result.history[0]["val_loss"]
