"""``scipy.fft``: the transforms that it shares with ``np.fft``.

SciPy finds backends by a protocol of its own, which does not ask the arrays: these are reached from
rewritten code. Options that say how to compute (``workers``, ``plan``, ``overwrite_x``) are taken
and have no effect on traced values.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import scipy.fft

from adjoint.dispatch import any_active, plain
from adjoint.frontend import hooks
from adjoint.numpy_api.creation import any_recorded
from adjoint.numpy_api.fourier import ONE_AXIS, SEVERAL_AXES, fftshift, ifftshift
from adjoint.ops.registry import FUNCTIONS

__all__: list[str] = []


def _register(name: str, impl: Callable[..., Any]) -> None:
    original = getattr(scipy.fft, name)

    def reached(x: Any, *args: Any, **kwargs: Any) -> Any:
        if any_active(x):
            return impl(x, *args, **kwargs)
        if any_recorded(x):
            x = plain(x)
        return original(x, *args, **kwargs)

    FUNCTIONS[original] = impl
    hooks.register(original, reached)


def _one(transform: Callable[..., Any]) -> Callable[..., Any]:
    def impl(
        x: Any, n: Any = None, axis: Any = -1, norm: Any = None, overwrite_x: Any = False,
        workers: Any = None, *, plan: Any = None,
    ) -> Any:  # fmt: skip
        return transform(x, n, axis, norm)

    return impl


def _several(transform: Callable[..., Any], default: Any) -> Callable[..., Any]:
    def impl(
        x: Any, s: Any = None, axes: Any = default, norm: Any = None, overwrite_x: Any = False,
        workers: Any = None, *, plan: Any = None,
    ) -> Any:  # fmt: skip
        return transform(x, s, axes, norm)

    return impl


for _name, _transform in ONE_AXIS.items():
    _register(_name, _one(_transform))
for _name, _transform in SEVERAL_AXES.items():
    _register(_name, _several(_transform, None))
    _register(_name.replace("fftn", "fft2"), _several(_transform, (-2, -1)))
_register("fftshift", fftshift)
_register("ifftshift", ifftshift)
