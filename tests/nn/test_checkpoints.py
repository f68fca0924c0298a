"""Trees in files: what comes back, and what is refused."""

from __future__ import annotations

import os
import subprocess
import sys
from collections import namedtuple

import numpy as np
import pytest

from adjoint import nn, optim, tree
from adjoint.errors import CheckpointError, InputError
from adjoint.nn import checkpoints

numpy_of_safetensors = pytest.importorskip("safetensors.numpy")

Pair = namedtuple("Pair", "a b")


def test_every_kind_of_leaf(tmp_path):
    rng = np.random.default_rng(0)
    value = {
        "floats": [np.float16([1, 2]), np.float32([[3]]), rng.normal(size=(2, 3, 4))],
        "ints": Pair(np.arange(3, dtype=np.int8), np.arange(4, dtype=np.uint64)),
        "bools": np.array([True, False]),
        "complex": np.complex64([1 + 2j]), "more": rng.normal(size=(2, 2)) * (1 + 1j),
        "scalars": (np.float32(0.1), np.int64(7), np.bool_(True), np.complex128(2j)),
        "no axes": np.array(2.5), "nothing": np.zeros((0, 3)),
        "python": (3, 0.1, True, "text", None), "function": np.sin,
        "order": np.asfortranarray(rng.normal(size=(3, 4))), "strided": rng.normal(size=9)[::2],
        "swapped": np.arange(3.0).astype(">f8"),
        "special": np.array([np.nan, np.inf, -0.0]),
    }  # fmt: skip
    path = tmp_path / "a.safetensors"
    nn.save(path, value)
    back = nn.load(path, value)
    assert tree.structure(back) == tree.structure(value)
    for (name, p), q in zip(tree.leaves_with_names(value), tree.flatten(back)[0], strict=True):
        assert type(p) is type(q), name
        if isinstance(p, (np.ndarray, np.generic)):
            assert p.dtype.newbyteorder("=") == q.dtype and p.shape == q.shape
            assert p.astype(q.dtype).tobytes() == q.tobytes(), name
        else:
            assert p == q, name
    back["floats"][2][0] = 0.0  # it can be written to


def test_models_and_states(tmp_path):
    model = nn.Sequential(nn.Linear(3, 4, rng=0), np.tanh, nn.Linear(4, 2, rng=1))
    state = optim.Adam().init(model)
    nn.save(tmp_path / "a", (model, state))
    like = nn.Sequential(nn.Linear(3, 4, rng=5), np.tanh, nn.Linear(4, 2, rng=6))
    again, _ = nn.load(tmp_path / "a", (like, optim.Adam().init(like)))
    x = np.ones((1, 3), np.float32)
    np.testing.assert_array_equal(again(x), model(x))


def test_what_does_not_fit_is_named(tmp_path):
    path = tmp_path / "a"
    nn.save(path, {"w": np.ones(3), "b": np.ones(2), "n": 3, "gone": np.ones(1)})
    with pytest.raises(CheckpointError) as caught:
        nn.load(path, {"w": np.ones(4), "b": np.ones(2, np.float32), "n": 0, "new": np.ones(1)})
    for part in (
        "no ['new']", "['gone'], which the tree has not", "['w'] as float64[3], where the tree has "
        "float64[4]", "['b'] as float64[2], where the tree has float32[2]",
    ):  # fmt: skip
        assert part in str(caught.value)
    with pytest.raises(CheckpointError, match=r"and 12 more$"):
        nn.load(path, [np.ones(1)] * 16)


def test_damaged_files(tmp_path):
    path = tmp_path / "a"
    value = {"w": np.arange(1000.0)}
    nn.save(path, value)
    whole = path.read_bytes()
    for cut in (0, 4, 100, len(whole) - 1):
        path.write_bytes(whole[:cut])
        with pytest.raises(CheckpointError, match="is damaged, cut short, or no safetensors file"):
            nn.load(path, value)
    flipped = bytearray(whole)
    flipped[-20] ^= 1
    path.write_bytes(flipped)
    with pytest.raises(CheckpointError, match="is damaged: its numbers are not those"):
        nn.load(path, value)
    with pytest.raises(FileNotFoundError, match="there is no file"):
        nn.load(tmp_path / "b", value)


def test_a_file_is_replaced_whole_or_not_at_all(tmp_path, monkeypatch):
    path = tmp_path / "a"
    nn.save(path, {"w": np.zeros(3)})

    def fails(handle):
        raise OSError("the disk is full")

    monkeypatch.setattr(checkpoints.os, "fsync", fails)
    with pytest.raises(OSError, match="the disk is full"):
        nn.save(path, {"w": np.ones(3)})
    monkeypatch.undo()
    assert os.listdir(tmp_path) == ["a"]
    np.testing.assert_array_equal(nn.load(path, {"w": np.ones(3)})["w"], np.zeros(3))


@pytest.mark.skipif(os.name == "nt", reason="POSIX permissions")
def test_others_may_read_it(tmp_path):
    nn.save(tmp_path / "a", [np.ones(1)])
    mask = os.umask(0)
    os.umask(mask)
    assert (tmp_path / "a").stat().st_mode & 0o777 == 0o666 & ~mask


def test_files_of_other_programs(tmp_path):
    numpy_of_safetensors.save_file({"weight": np.ones((2, 3), np.float32)}, tmp_path / "a")
    got = nn.load(tmp_path / "a", _Weights(np.zeros((2, 3), np.float32)))
    np.testing.assert_array_equal(got.weight, np.ones((2, 3)))


class _Weights(nn.Module):
    def __init__(self, weight):
        self.weight = weight


def test_what_cannot_be_kept(tmp_path):
    with pytest.raises(InputError, match=r"\['x'\] is a set: only arrays and numbers are kept"):
        nn.save(tmp_path / "a", {"x": {1, 2}})
    with pytest.raises(InputError, match="which the safetensors format does not have"):
        nn.save(tmp_path / "a", {"x": np.array(["text"])})
    if np.dtype(np.longdouble).itemsize > 8:
        with pytest.raises(InputError, match="which the safetensors format does not have"):
            nn.save(tmp_path / "a", {"x": np.ones(2, np.longdouble)})
    assert not list(tmp_path.iterdir())


def test_it_is_not_imported_before_it_is_needed():
    heavy = {"safetensors", "matplotlib", "rich"}
    code = f"import adjoint.nn, sys; assert not {heavy} & set(sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True)
