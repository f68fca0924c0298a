"""Random numbers: draws are operations with an effect, on a generator that is read at each call."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import numpy as np

from adjoint.errors import TracingError
from adjoint.ir.build import innermost, users_place
from adjoint.ir.dims import Dim
from adjoint.ir.types import Type, of_value
from adjoint.ops import control
from adjoint.staged.values import Staged, param, wrap

__all__ = ["GENERATORS", "drawn_by"]

GENERATORS = (np.random.Generator, np.random.RandomState)


def drawn_by(method: Any) -> Callable[..., Any]:
    """Return what records draws by a method of a generator."""

    def drawn(*args: Any, **kwargs: Any) -> Any:
        generator = method.__self__
        trial = getattr(copy.deepcopy(generator), method.__name__)
        stand_ins: list[int] = []
        sizes: list[Any] = []

        def stand_in(x: Any) -> Any:
            if isinstance(x, Dim):
                sizes.append(x)
                stand_ins.append(11 + 2 * len(sizes))
                return stand_ins[-1]
            if isinstance(x, Staged):
                if x.dtype.kind in "fc":
                    raise TracingError(
                        f"random numbers were drawn ({method.__name__}) with a staged argument; "
                        "draw standard ones and shift and scale them, which has a derivative too"
                    )
                return 3
            if type(x) in (tuple, list):
                return type(x)(map(stand_in, x))
            return x

        sample = trial(
            *[stand_in(a) for a in args], **{key: stand_in(v) for key, v in kwargs.items()}
        )
        if sample is None:  # shuffle: in place
            raise TracingError(
                f"{method.__name__} changes its argument at random, which cannot be staged; use "
                "x[rng.permutation(len(x))]"
            )
        type_ = of_value(sample)
        if type_ is None:
            raise TracingError(f"{method.__name__} cannot be staged: it returns {sample!r}")
        lengths = tuple(
            Dim(sizes[stand_ins.index(n)].constant, sizes[stand_ins.index(n)].terms)
            if n in stand_ins
            else n
            for n in type_.shape
        )
        params = {"call": method, "args": param(args), "kwargs": param(kwargs)}
        type_ = Type(type_.dtype, lengths, type_.kind)
        return wrap(innermost().emit(control.draw, (), params, type_, (), users_place()))

    return drawn
