"""Comparing what a staged function returns with what the function itself returns."""

from __future__ import annotations

from typing import Any

import numpy as np

__all__ = ["assert_same"]


def assert_same(got: Any, want: Any, name: str = "result") -> None:
    """Check values to rounding, shapes, dtypes, and kinds: array, NumPy scalar or Python number.

    Where NumPy's result is real or complex depending on the numbers, a graph's is complex.
    """
    if isinstance(want, (tuple, list)):
        assert isinstance(got, (tuple, list)) and len(got) == len(want), name
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
