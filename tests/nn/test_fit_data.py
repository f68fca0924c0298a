"""Where batches come from: arrays, memory-mapped files, dictionaries, iterables, functions."""

from __future__ import annotations

import numpy as np
import pytest

from adjoint import nn
from adjoint.errors import InputError
from adjoint.nn.data import Arrays, as_source
from tests.nn.models import SETTINGS, Net, X, Y, loss


def fit(data, loss=loss, **more):
    return nn.fit(Net(), loss, data, jit=False, **SETTINGS | {"epochs": 2} | more)


def test_an_epoch_is_every_row_once():
    source = as_source((np.arange(10), np.arange(10.0) * 2), 4, True, 1, "data")
    assert isinstance(source, Arrays) and source.batches == 3
    first, second = (
        [batch for batch in source.epoch(np.random.default_rng(seed))] for seed in (0, 1)
    )
    assert [batch.size for batch in first] == [4, 4, 2]
    rows = np.concatenate([batch.args[0] for batch in first])
    assert sorted(rows) == list(range(10)) and list(rows) != list(range(10))
    assert list(rows) == list(np.concatenate([batch.rows for batch in first]))
    assert list(rows) != list(np.concatenate([batch.args[0] for batch in second]))
    for batch in first:
        np.testing.assert_array_equal(batch.args[1], 2.0 * batch.args[0])
    rest = list(source.epoch(np.random.default_rng(0), skip=1))
    np.testing.assert_array_equal(rest[0].args[0], first[1].args[0])
    plain = as_source(np.arange(10), 4, False, 1, "data")
    rows = [list(batch.args[0]) for batch in plain.epoch(np.random.default_rng(0))]
    assert rows == [[0, 1, 2, 3], [4, 5, 6, 7], [8, 9]]


def test_the_same_from_everywhere(tmp_path):
    want = fit((X, Y), shuffle=False).model
    np.save(tmp_path / "x.npy", X)
    mapped = np.load(tmp_path / "x.npy", mmap_mode="r")
    parts = [(X[k : k + 16], Y[k : k + 16]) for k in range(0, 50, 16)]

    class Loader:
        def __iter__(self):
            return iter(parts)

    def by_name(model, batch):
        return loss(model, batch["x"], batch["y"])

    for data, how in (
        ((mapped, Y), loss),
        ({"x": X, "y": Y}, by_name),
        (parts, loss),
        (Loader(), loss),
        (lambda: iter(parts), loss),
        (lambda: (list(part) for part in parts), loss),
        (lambda: ({"x": x, "y": y} for x, y in parts), by_name),
    ):
        got = fit(data, how, shuffle=False).model
        np.testing.assert_array_equal(got.first.weight, want.first.weight)


def test_only_the_rows_of_a_batch_are_read():
    read = []

    class Watched(np.ndarray):
        def __getitem__(self, at):
            read.append(np.size(np.arange(len(self))[at]))
            return super().__getitem__(at)

    fit((X.view(Watched), Y))
    assert read and max(read) == 16


def test_a_single_array_is_one_argument():
    def autoencoding(model, x):
        return np.mean((model(x) - x[:, :1]) ** 2)

    assert fit(X, autoencoding).step == 8


def test_a_function_may_take_the_generator():
    seen = []

    def batches(rng):
        order = rng.permutation(50)
        seen.append(order)
        yield X[order], Y[order]

    fit(batches)
    assert not np.array_equal(*seen)
    before = list(seen)
    seen.clear()
    fit(batches)
    np.testing.assert_array_equal(seen, before)


def test_validation_in_every_form():
    want = fit((X, Y), validation=(X, Y)).history[-1]["val_loss"]
    parts = [(X[k : k + 7], Y[k : k + 7]) for k in range(0, 50, 7)]
    for data in (parts, lambda: iter(parts)):
        got = fit((X, Y), validation=data).history[-1]["val_loss"]
        np.testing.assert_allclose(got, want, rtol=1e-12)


def test_float_types():
    """Floats become the model's, integers stay."""
    seen = []

    def watching(model, x, y):
        seen.append((x.dtype, y.dtype))
        return np.mean(model(x)) + 0 * y[0]

    model = nn.Linear(3, 1, rng=0)
    nn.fit(model, watching, (X, np.arange(50)), epochs=1, jit=False, **SETTINGS)
    assert set(seen) == {(np.dtype(np.float32), np.dtype(np.int64))}


@pytest.mark.parametrize(
    ("data", "message"),
    [
        ((X, Y[:7]), r"data\[1\] has 7 rows, but data\[0\] has 50"),
        ((X, 3.0), r"data\[1\] is 3.0: it has to be an array"),
        ((np.zeros((0, 3)), np.zeros(0)), r"data is empty: data\[0\] has no rows"),
        ([X, Y], "data is a list of arrays: give a tuple"),
        ([], "data is empty"),
        ((), "data holds no arrays"),
        (7, "data is an int: it has to be arrays, batches or a function"),
        (iter([(X, Y)]), "which gives its batches once, not for 2 epochs"),
        (lambda: iter(()), "data gave no batch in this epoch"),
        ({"x": np.array([{}, {}])}, r"data\['x'\] holds Python objects"),
    ],
    ids=lambda x: x if isinstance(x, str) else "",
)
def test_refusals(data, message):
    with pytest.raises(InputError, match=message):
        fit(data)
