"""Training that was ended and taken up again gives the numbers of training that never stopped."""

from __future__ import annotations

import os
import signal
import subprocess
import sys

import numpy as np
import pytest

from adjoint import nn, optim, tree
from adjoint.errors import CheckpointError
from tests.nn.models import SETTINGS, Net, X, Y, loss, mean_loss, noisy_loss

pytest.importorskip("safetensors")


def identical(a, b):
    for name in ("model", "state", "optimizer_state", "average"):
        pair = [tree.leaves_with_names(getattr(result, name)) for result in (a, b)]
        for (at, p), (_, q) in zip(*pair, strict=True):
            assert type(p) is type(q), (name, at)
            assert np.array_equal(p, q), (name, at)
    untimed = [
        [{k: v for k, v in row.items() if "second" not in k} for row in result.history]
        for result in (a, b)
    ]
    assert untimed[0] == untimed[1]
    assert (a.stopped, a.epoch, a.step) == (b.stopped, b.epoch, b.step)


EVERYTHING = dict(
    data=(X, Y), validation=(X[:20], Y[:20]), ema=optim.EMA(0.9), clip_norm=0.5,
    early_stopping=nn.EarlyStopping(patience=3), state={"mean": np.float64(0.0)}, loss=mean_loss,
)  # fmt: skip


def run(**changes):
    given = {"model": Net(), "loss": noisy_loss, "data": (X, Y)} | SETTINGS | changes
    return nn.fit(given.pop("model"), given.pop("loss"), given.pop("data"), **given)


@pytest.mark.parametrize("jit", [False, True])
@pytest.mark.parametrize("more", [{}, EVERYTHING], ids=["simple", "everything"])
def test_between_epochs(jit, more, tmp_path):
    path = tmp_path / "run.safetensors"
    whole = run(epochs=4, jit=jit, **more)
    run(epochs=2, jit=jit, checkpoint=path, **more)
    identical(run(epochs=4, jit=jit, checkpoint=path, resume=True, rng=77, **more), whole)


def numbered(rng):
    """Yield batches in an order of its own."""
    for k in rng.permutation(5):
        yield X[10 * k : 10 * k + 10], Y[10 * k : 10 * k + 10]


class Interrupting:
    """Interrupts the run after so many batches."""

    def __init__(self, after):
        self.after = after

    def __call__(self, rng):
        for batch in numbered(rng):
            if self.after == 0:
                os.kill(os.getpid(), signal.SIGINT)
            self.after -= 1
            yield batch


@pytest.mark.skipif(os.name == "nt", reason="Windows cannot send itself SIGINT")
@pytest.mark.parametrize("jit", [False, True])
@pytest.mark.parametrize("after", [0, 3, 5, 12])
def test_in_the_middle_of_an_epoch(jit, after, tmp_path):
    path = tmp_path / "run.safetensors"
    more = dict(EVERYTHING) | {"jit": jit, "epochs": 4}
    whole = run(**more | {"data": numbered})
    part = run(**more | {"data": Interrupting(after)}, checkpoint=path)
    assert part.stopped == "interrupted" and part.step == after
    identical(run(**more | {"data": numbered}, checkpoint=path, resume=True), whole)


def test_arrays_in_the_middle_of_an_epoch(tmp_path):
    path, every = tmp_path / "run.safetensors", tmp_path / "every.safetensors"
    steps = []

    def counted(model, x, y, *, rng):
        steps.append(None)
        if len(steps) == 7:
            raise RuntimeError("the power is cut")
        return noisy_loss(model, x, y, rng=rng)

    with pytest.raises(RuntimeError):
        run(loss=counted, epochs=3, jit=False, checkpoint=every, checkpoint_every=2)
    # Step 6 was done and kept, in the middle of the second epoch.
    resumed = run(epochs=3, jit=False, checkpoint=path, resume=every)
    identical(resumed, run(epochs=3, jit=False))
    assert resumed.step == 12
    with pytest.raises(CheckpointError, match="batch_size was 16, now it is 8"):
        run(epochs=3, resume=every, batch_size=8)


def test_in_another_process(tmp_path):
    path = tmp_path / "run.safetensors"
    code = (
        "import sys\nfrom tests.nn.test_fit_resume import run\n"
        f"run(epochs=2, checkpoint={str(path)!r}, jit=False)"
    )
    subprocess.run([sys.executable, "-c", code], check=True, env=os.environ | _paths())
    identical(run(epochs=4, resume=path, jit=False), run(epochs=4, jit=False))


def _paths():
    return {"PYTHONPATH": os.pathsep.join(p for p in sys.path if p)}


def test_other_generators(tmp_path):
    for bits in (np.random.MT19937, np.random.Philox, np.random.SFC64):
        path = tmp_path / "run.safetensors"
        whole = run(epochs=2, jit=False, rng=np.random.Generator(bits(5)))
        run(epochs=1, jit=False, rng=np.random.Generator(bits(5)), checkpoint=path)
        identical(run(epochs=2, jit=False, resume=path), whole)


def test_the_best_model_is_kept(tmp_path):
    path = tmp_path / "run.safetensors"
    worse = {"metrics": {"worse": lambda model, x, y: np.abs(model.last.bias[0])}}
    more = worse | {"early_stopping": nn.EarlyStopping(3, "worse"), "jit": False}
    whole = run(epochs=9, **more)
    run(epochs=2, checkpoint=path, **more)
    identical(run(epochs=9, checkpoint=path, resume=True, **more), whole)
    assert whole.stopped == "early_stopping"
    # It had come to its end, and says so again.
    identical(run(epochs=9, checkpoint=path, resume=True, **more), whole)


def test_what_does_not_fit(tmp_path):
    path = tmp_path / "run.safetensors"
    run(epochs=1, jit=False, checkpoint=path)
    with pytest.raises(
        CheckpointError, match=r"model\.first\.weight as float64\[8, 3\], where .*12"
    ):
        run(epochs=2, resume=path, model=Net(hidden=12))
    with pytest.raises(
        CheckpointError, match=r"another model.*optimizer\.exp_avg\.first\.weight, "
    ):
        run(epochs=2, resume=path, optimizer=optim.SGD())
    with pytest.raises(CheckpointError, match=r"no average\.step"):
        run(epochs=2, resume=path, ema=optim.EMA())
    nn.save(path, Net())
    with pytest.raises(CheckpointError, match="is no checkpoint of `fit`"):
        run(epochs=2, resume=path)
    with pytest.raises(FileNotFoundError, match="there is no file"):
        run(epochs=2, resume=tmp_path / "nothing")


def test_the_weights_can_be_read_elsewhere(tmp_path):
    from safetensors.numpy import load_file

    path = tmp_path / "run.safetensors"
    result = run(epochs=1, loss=loss, jit=False, checkpoint=path)
    arrays = load_file(path)
    np.testing.assert_array_equal(arrays["model.first.weight"], result.model.first.weight)
    assert "optimizer.exp_avg.last.bias" in arrays and "model.mask" in arrays
