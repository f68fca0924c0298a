"""Functions that call the functions they are given: those are to be rewritten too."""

from __future__ import annotations

import functools
import heapq
import itertools
from typing import Any

import numpy as np

from adjoint.frontend.calls import register, register_higher_order
from adjoint.frontend.resolver import ByFlavour, Resolver

_FUNCTIONS = [
    # function, positions and names of its function arguments
    (map, (0,), ()),
    (filter, (0,), ()),
    (sorted, (), ("key",)),
    (min, (), ("key",)),
    (max, (), ("key",)),
    (functools.reduce, (0,), ("function",)),
    (functools.cmp_to_key, (0,), ("mycmp",)),
    (heapq.nlargest, (2,), ("key",)),
    (heapq.nsmallest, (2,), ("key",)),
    (heapq.merge, (), ("key",)),
    (itertools.accumulate, (1,), ("func",)),
    (itertools.starmap, (0,), ()),
    (itertools.takewhile, (0,), ()),
    (itertools.dropwhile, (0,), ()),
    (itertools.filterfalse, (0,), ()),
    (itertools.groupby, (1,), ("key",)),
    (np.apply_along_axis, (0,), ("func1d",)),
    (np.apply_over_axes, (0,), ("func",)),
    (np.fromfunction, (0,), ("function",)),
    (np.frompyfunc, (0,), ()),
    (np.piecewise, (2,), ("funclist",)),
    (np.vectorize, (0,), ("pyfunc",)),
]


def _iter(resolver: Resolver, /, *args: Any) -> Any:
    """``iter``: its first argument is a function only if there is a second."""
    if len(args) == 2:
        return iter(resolver.resolve_argument(args[0]), args[1])
    return iter(*args)


def register_all() -> None:
    """Register every function above, and ``iter``."""
    register(iter, ByFlavour(lambda resolver: functools.partial(_iter, resolver)))
    for function, positions, names in _FUNCTIONS:
        register_higher_order(function, positions, names)


register_all()
