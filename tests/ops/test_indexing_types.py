"""Types of parts of arrays, for every kind of index, against NumPy."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from adjoint.ir.dims import of_value
from adjoint.ir.graph import Value
from adjoint.ir.types import Type
from adjoint.ir.types import of_value as type_of_number
from adjoint.ops.indexing import getitem, index_add, read, update
from adjoint.ops.inference import infer
from adjoint.ops.structural import (
    broadcast_to,
    concatenate,
    diagonal,
    pad,
    permute,
    reshape,
    stack,
)
from tests.ops.symbols import Symbols, integer

F64 = np.dtype(np.float64)


def array(*shape: Any, dtype: Any = F64) -> Type:
    return Type(np.dtype(dtype), shape)


def staged(x: Any) -> Any:
    """Return an index with graph values in the place of arrays."""
    if isinstance(x, np.ndarray):
        return Value(None, (), {}, type_of_number(x))
    return tuple(map(staged, x)) if isinstance(x, tuple) else x


@st.composite
def reads(draw) -> Any:
    """A shape and an index of it: integers, slices, new axes, an ellipsis, arrays, masks."""
    shape = tuple(draw(st.lists(st.integers(1, 4), min_size=1, max_size=4)))
    shared = tuple(draw(st.lists(st.integers(1, 3), max_size=2)))
    entries: list[Any] = []
    axis = 0
    ellipsis_at = draw(st.integers(0, 6))
    while axis < len(shape):
        n = shape[axis]
        kind = draw(
            st.sampled_from(["int", "slice", "new", "array", "zero-d", "mask", "mask2", "stop"])
        )
        if len(entries) == ellipsis_at and not any(e is Ellipsis for e in entries):
            entries.append(Ellipsis)
            axis += draw(st.integers(0, len(shape) - axis))
            continue
        if kind == "stop":
            break
        if kind == "new":
            entries.append(None)
            if len(entries) > 6:
                break
            continue
        if kind == "int":
            entries.append(draw(st.integers(-n, n - 1)))
        elif kind == "zero-d":
            entries.append(np.array(draw(st.integers(0, n - 1))))
        elif kind == "slice":
            bound = st.none() | st.integers(-5, 5)
            entries.append(slice(draw(bound), draw(bound), draw(st.sampled_from([None, 1, 2, -1]))))
        elif kind == "array":
            stretch = tuple(1 if draw(st.booleans()) else k for k in shared)
            entries.append(np.full(stretch or (1,), draw(st.integers(0, n - 1))))
        elif kind == "mask2" and axis + 1 < len(shape):
            mask = np.zeros(shape[axis : axis + 2], bool)
            mask[0, 0] = True
            entries.append(mask)
            axis += 1
        else:
            mask = np.zeros(n, bool)
            mask[-1] = True
            entries.append(mask)
        axis += 1
    return shape, entries[0] if len(entries) == 1 and draw(st.booleans()) else tuple(entries)


def _applied(shape: tuple[int, ...], index: Any) -> Any:
    """Return NumPy's answer; None if it refuses."""
    try:
        return np.zeros(shape)[index]
    except IndexError:
        return None


@settings(max_examples=600, deadline=None)
@given(reads())
def test_any_index(given_):
    shape, index = given_
    want = _applied(shape, index)
    if want is None:
        return
    got = infer(getitem, (array(*shape),), {"index": index})
    assert got.shape == np.shape(want) and got.dtype == want.dtype
    assert got.kind == ("array" if isinstance(want, np.ndarray) else "scalar")


@settings(max_examples=400, deadline=None)
@given(reads())
def test_any_index_with_symbols_for_lengths(given_):
    shape, index = given_
    want = _applied(shape, index)
    if want is None:
        return
    symbols = Symbols()
    x = symbols.operand(array(*shape))
    got = symbols.infer(getitem, (x,), {"index": staged(index)})
    assert len(got.shape) == np.ndim(want)
    assert all(
        n in (None, m) for n, m in zip(symbols.shape(got.shape), np.shape(want), strict=True)
    )
    assert got.kind == ("array" if isinstance(want, np.ndarray) else "scalar")
    assert symbols.hold()
    masks = [
        i for i in (index if isinstance(index, tuple) else (index,)) if np.asarray(i).dtype == bool
    ]
    assert masks or None not in got.shape


def test_scalars_and_arrays_without_axes():
    x = array(3)
    i = integer(0, 2)
    assert infer(getitem, (x,), {"index": i}) == Type(F64, (), "scalar")
    assert infer(getitem, (x,), {"index": of_value(i)}) == Type(F64, (), "scalar")
    assert infer(getitem, (x,), {"index": (..., i)}) == Type(F64, ())
    assert infer(getitem, (array(),), {"index": ()}) == Type(F64, (), "scalar")
    assert infer(getitem, (array(),), {"index": ...}) == Type(F64, ())
    assert infer(getitem, (array(3),), {"index": [i, 1, of_value(i)]}) == array(3)
    assert infer(getitem, (array(3, 4),), {"index": ([[i], [1]], [0, 2])}) == array(2, 2)
    mask = Value(None, (), {}, Type(np.dtype(bool), (), "python"))
    assert infer(getitem, (x,), {"index": mask}) == array(None, 3)


def test_refused_indices_say_what_numpy_says():
    for shape, index in (
        ((3,), (0, 0)),
        ((3,), (..., ...)),
        ((3, 2), (np.zeros(2, int), np.zeros(3, int))),
        ((3,), np.zeros(2, bool)),
    ):
        with pytest.raises(IndexError) as want:
            np.zeros(shape)[index]
        with pytest.raises(IndexError) as got:
            infer(getitem, (array(*shape),), {"index": index})
        assert str(got.value).rstrip() == str(want.value).rstrip()


def test_paths():
    z = array(4, 4, 3, dtype=np.complex64)
    path = (
        ("permute", (2, 0, 1)),
        ("index", (slice(1, None),)),
        ("diagonal", (1, 1, 2)),
        ("imag", None),
        ("reshape", (6,)),
    )
    assert infer(read, (z,), {"path": path}) == array(6, dtype=np.float32)
    assert infer(read, (z,), {"path": (*path, ("index", 0))}).kind == "scalar"
    assert infer(read, (array(3),), {"path": (("broadcast_to", (2, 3)),)}) == array(2, 3)


@pytest.mark.parametrize("op", [update, index_add])
def test_stores(op):
    symbols = Symbols()
    n = symbols.symbol(12, 9)
    i = symbols.symbol(4, 0, n)
    x = array(n, 3)
    path = (("index", slice(None, i)),)
    assert symbols.infer(op, (x, array(i, 3)), {"path": path}) == x
    assert symbols.infer(op, (x, array(3)), {"path": path}) == x
    assert symbols.infer(op, (x, array(1, 1, 1, 3)), {"path": path}) == x
    assert not symbols.required
    assert symbols.infer(op, (x, array(4, 3)), {"path": path}) == x
    assert symbols.required == [(4, i)] or symbols.required == [(i, 4)]
    for value in (array(2), array(2, 12, 3)):
        with pytest.raises(ValueError, match="could not broadcast input array"):
            symbols.infer(op, (x, value), {"path": (("index", slice(None)),)})


def test_stores_refused_say_what_numpy_says():
    with pytest.raises(ValueError) as want:
        np.zeros((2, 3))[:] = np.zeros((2, 2))
    with pytest.raises(ValueError) as got:
        infer(update, (array(2, 3), array(2, 2)), {"path": (("index", slice(None)),)})
    assert str(got.value) == str(want.value)


# -- shapes ----------------------------------------------------------------------------------------


def test_reshape_with_one_length_left_open():
    symbols = Symbols()
    n, m = symbols.symbol(12, 9), symbols.symbol(20, 9)

    def reshaped(shape: Any, target: Any) -> Any:
        got = symbols.infer(reshape, (array(*shape),), {"shape": target}).shape
        return got

    from adjoint.ir.dims import add, scale

    assert reshaped((n, 3), -1) == (scale(n, 3),)
    assert reshaped((n, 4), (-1, 2)) == (scale(n, 2), 2)
    assert reshaped((n, m), (m, -1)) == (m, n)
    assert reshaped((n, m, 2), (-1, m)) == (scale(n, 2), m)
    assert reshaped((scale(add(n, 1), 2),), (2, -1)) == (2, add(n, 1))
    assert reshaped((None, 2), (-1,)) == (None,)
    assert not symbols.fresh and not symbols.required
    assert symbols.shape(reshaped((n, m), -1)) == (240,) and symbols.fresh == 1
    assert symbols.shape(reshaped((n,), (-1, 3))) == (4, 3) and symbols.fresh == 2
    assert reshaped((n, m), (m, n)) == (m, n) and not symbols.required
    assert reshaped((n,), (3, 4)) == (3, 4) and symbols.required == [(n, 12)]
    with pytest.raises(ValueError, match="cannot reshape"):
        reshaped((n,), (2, 2))
    for shape, target in (((6,), (4, -1)), ((6,), (4, 2)), ((6,), (-1, -1)), ((0,), (0, -1))):
        with pytest.raises(ValueError) as want:
            np.zeros(shape).reshape(target)
        with pytest.raises(ValueError) as got:
            reshaped(shape, target)
        assert str(got.value) == str(want.value)


def test_assembly_and_layout():
    symbols = Symbols()
    n, m = symbols.symbol(12, 9), symbols.symbol(12, 9)
    from adjoint.ir.dims import add

    together = symbols.infer(concatenate, (array(n, 3), array(m, 3), array(2, 3)), {"axis": 0})
    assert together.shape == (add(add(n, m), 2), 3) and not symbols.required
    assert symbols.infer(stack, (array(n), array(n)), {"axis": -1}).shape == (n, 2)
    assert symbols.infer(stack, (array(n), array(m)), {"axis": 0}).shape == (2, n)
    assert symbols.required == [(n, m)]
    assert symbols.infer(permute, (array(n, 3),), {"axes": (1, 0)}).shape == (3, n)
    assert symbols.infer(diagonal, (array(n, n),), {"offset_axes": (-1, 0, 1)}).shape == (
        add(n, -1),
    )
    assert symbols.infer(diagonal, (array(n, n),), {}).shape == (n,)
    assert symbols.infer(pad, (array(n),), {"width": ((1, m),)}).shape == (add(add(n, m), 1),)
    assert symbols.infer(broadcast_to, (array(n),), {"shape": (3, n)}).shape == (3, n)
    with pytest.raises(ValueError, match=r"\(n,\) could not be broadcast to shape \(3,2\)"):
        symbols.infer(broadcast_to, (array(n),), {"shape": (3, 2)})
    for op, types, params, call in (
        (stack, (array(2), array(3)), {}, lambda: np.stack([np.zeros(2), np.zeros(3)])),
        (concatenate, (array(2, 2), array(2, 3)), {"axis": 0},
         lambda: np.concatenate([np.zeros((2, 2)), np.zeros((2, 3))])),
        (broadcast_to, (array(2),), {"shape": (3,)}, lambda: np.broadcast_to(np.zeros(2), 3)),
    ):  # fmt: skip
        with pytest.raises(ValueError) as want:
            call()
        with pytest.raises(ValueError) as got:
            infer(op, types, params)
        assert str(got.value) == str(want.value)
