"""Comparing what a staged function returns with what the function itself returns."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from copy import deepcopy
from typing import Any

import numpy as np

import adjoint as ad
from adjoint import tree
from adjoint.ir.graph import walk
from adjoint.ir.verify import verify

__all__ = ["assert_agrees", "assert_close", "assert_same", "operations", "staged"]


def staged(fn: Callable, *args: Any) -> Any:
    """Stage a function, and check its graph."""
    graph = ad.stage(fn)(*args)
    verify(graph.function)
    return graph


def operations(graph: Any) -> Counter[str]:
    """Return how often each operation stands in a graph, by name."""
    return Counter(node.op.name for node in walk(graph.function.block))


def assert_agrees(
    fn: Callable, *args: Any, others: Iterable[Sequence[Any]] = (), rtol: float = 1e-12
) -> Any:
    """Check a function, staged for some arguments, at these and others; return its graph.

    It is given copies, into which it may store.
    """
    graph = staged(fn, *deepcopy(args))
    for given in (args, *others):
        got, want = graph(*deepcopy(given)), fn(*deepcopy(given))
        assert_close(got, want, rtol)
        for g, w in zip(tree.flatten(got)[0], tree.flatten(want)[0], strict=True):
            assert np.asarray(g).dtype == np.asarray(w).dtype
    return graph


def assert_close(got: Any, want: Any, rtol: float = 1e-12, what: str = "") -> None:
    """Check the numbers in pytrees, relative to the largest of each array, and shapes."""
    found, spec = tree.flatten(got)
    wanted, other = tree.flatten(want)
    assert spec == other, what
    for g, w in zip(found, wanted, strict=True):
        assert np.shape(g) == np.shape(w), f"{what}: shape {np.shape(g)}, not {np.shape(w)}"
        size = max(1.0, np.max(np.abs(w), initial=0.0, where=np.isfinite(w)))
        np.testing.assert_allclose(g, w, rtol=0, atol=rtol * size, err_msg=what)


def assert_same(got: Any, want: Any, name: str = "result") -> None:
    """Check values to rounding, shapes, dtypes, and kinds: array, NumPy scalar or Python number.

    Where NumPy's result is real or complex depending on the numbers, a graph's is complex.
    """
    if isinstance(want, (tuple, list)):
        assert type(got) is type(want) and len(got) == len(want), name
        for k, (g, w) in enumerate(zip(got, want, strict=True)):
            assert_same(g, w, f"{name}[{k}]")
        return
    if want is None or isinstance(want, str):
        assert got == want, name
        return
    g, w = np.asarray(got), np.asarray(want)
    assert g.shape == w.shape, f"{name}: shape {g.shape}, not {w.shape}"
    if g.dtype.kind == "c" and w.dtype.kind == "f":
        g = g.real
    else:
        assert type(got) is type(want), f"{name}: a {type(got)}, not a {type(want)}"
    assert g.dtype == w.dtype, f"{name}: {g.dtype}, not {w.dtype}"
    rtol = 1e-5 if w.dtype in (np.float32, np.complex64) else 1e-10
    np.testing.assert_allclose(g, w, rtol=rtol, atol=rtol, err_msg=name)
