"""``np.r_[...]`` and ``np.c_[...]``; ``np.mgrid[...]`` and ``np.ogrid[...]`` in staged programs."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from adjoint.dispatch import any_active, any_staged, plain
from adjoint.eager.recorded import constant
from adjoint.frontend import hooks
from adjoint.numpy_api.creation import array, as_array, to_dtype
from adjoint.numpy_api.joining import concatenate
from adjoint.numpy_api.lengths import spread
from adjoint.numpy_api.sequences import linspace
from adjoint.numpy_api.staged_creation import STAGED, adopted
from adjoint.ops.registry import FUNCTIONS
from adjoint.ops.structural import reshape, stack

__all__: list[str] = []


class _Concatenator:
    """What stands for ``np.r_`` (``ndmin`` 1) and ``np.c_`` in rewritten code.

    Attributes
    ----------
    original : object
    own : callable
        Makes an array record what is stored to it.
    """

    def __init__(self, original: Any, own: Callable[[Any], Any]) -> None:
        self.original = original
        self.own = own

    def __getitem__(self, key: Any) -> Any:
        items = key if type(key) is tuple else (key,)
        if not any(any_active((k.start, k.stop, k.step) if type(k) is slice else k) for k in items):
            result = self.original[plain(key)]
            return self.own(result)
        axis, ndmin, placed = self.original.axis, self.original.ndmin, self.original.trans1d
        if type(items[0]) is str:
            numbers = [int(n) for n in items[0].split(",")]  # "axis", "axis,ndmin", ...
            axis, ndmin, placed = (*numbers, *(axis, ndmin, placed)[len(numbers) :])
            items = items[1:]
        parts, types = [], []
        for item in items:
            if type(item) is slice:
                item = _range(item)
            value = plain(item)
            number = isinstance(value, (int, float, complex, np.generic))
            types.append(value if number else plain(as_array(item)).dtype)
            parts.append(_placed(as_array(item), 0 if number else ndmin, placed))
        dtype = np.result_type(*types)
        parts = [array(to_dtype(part, dtype), copy=None, ndmin=ndmin) for part in parts]
        return concatenate(parts, axis)


def _range(item: slice) -> Any:
    start = 0 if item.start is None else item.start
    step = 1 if item.step is None else item.step
    if isinstance(plain(step), complex):
        return linspace(start, item.stop, int(abs(plain(step))))
    if any_staged((start, item.stop, step)):
        return FUNCTIONS[np.arange](start, item.stop, step)
    return hooks.call(np.arange, start, item.stop, step)


def _placed(x: Any, ndmin: int, place: int) -> Any:
    """Give ``x`` the missing axes, its own from ``place`` on."""
    missing = ndmin - x.ndim
    if missing <= 0:
        return x
    if place == -1:
        return x[(None,) * missing]
    before = place if place >= 0 else place + missing + 1
    return x[(*(None,) * before, *(slice(None),) * x.ndim, *(None,) * (missing - before))]


class _Grid:
    """What stands for ``np.mgrid`` and ``np.ogrid`` in rewritten staged code."""

    def __init__(self, original: Any) -> None:
        self.original = original

    def __getitem__(self, key: Any) -> Any:
        if not any_staged(key):
            return adopted(self.original[key], ())
        if type(key) is not tuple:
            return _range(key)
        points = [_range(k) for k in key]
        dtype = np.result_type(*points)
        shape, axes = tuple(p.shape[0] for p in points), range(len(points))
        grids = [
            reshape(to_dtype(p, dtype), shape=(1,) * k + (n,) + (1,) * (len(shape) - k - 1))
            for k, n, p in zip(axes, shape, points)
        ]
        if self.original.sparse:
            return tuple(grids)
        return stack(*(spread(grid, shape) for grid in grids), axis=0)


def _constant_of(result: Any) -> Any:
    return constant(result) if getattr(result, "dtype", np.dtype(int)).kind in "fc" else result


_replacements: dict[Any, Any] = {}
for _original in (np.r_, np.c_):
    hooks.register(_original, _Concatenator(_original, _constant_of))
    _replacements[_original] = _Concatenator(_original, lambda x: adopted(x, ()))
for _original in (np.mgrid, np.ogrid):
    _replacements[_original] = _Grid(_original)
STAGED.update(_replacements)
