"""``scipy.stats``: densities and distribution functions of the common distributions.

They are methods of SciPy's objects, reached from rewritten code: ``norm.logpdf(x, loc, scale)``,
and frozen, ``norm(loc, scale).logpdf(x)``. As in SciPy a point outside the support has density 0
(and the derivative 0), and invalid parameters give NaN. Results are in double precision.
Everything else in ``scipy.stats`` is refused by name.

Imported when something of ``scipy.stats`` is first called in rewritten code.
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from typing import Any, NoReturn

import numpy as np
import scipy.stats as stats

from adjoint.dispatch import any_staged, certainly, detached, is_staged, no_rule, plain
from adjoint.numpy_api import special as _special  # noqa: F401  (gives the operations their rules)
from adjoint.numpy_api.creation import as_array, to_dtype
from adjoint.numpy_api.distributions import CONTINUOUS, DISCRETE, Continuous, Discrete
from adjoint.numpy_api.multivariate import MULTIVARIATE
from adjoint.numpy_api.replaced import refuse, replace
from adjoint.ops import elementwise as ew
from adjoint.ops.registry import FUNCTIONS

__all__ = ["Frozen"]

_KIND: dict[type, Any] = {
    type(getattr(stats, name)): table[name] for table in (CONTINUOUS, DISCRETE) for name in table
}


def _double(x: Any) -> Any:
    """Return an argument in double precision, as SciPy computes."""
    if isinstance(x, (list, tuple)):
        x = as_array(x)
    value = plain(x)
    if isinstance(value, (np.ndarray, np.generic)) and value.dtype == np.float64:
        return x
    return ew.multiply(x, np.float64(1))


def _refused(dist: Any, method: str) -> NoReturn:
    def named(*args: Any) -> None: ...

    named.__module__ = "scipy.stats"
    named.__name__ = f"{getattr(dist, 'name', type(dist).__name__)}.{method}"
    no_rule(named)


def _valid(dist: Any, shapes: tuple[Any, ...], scale: Any) -> Any:
    proper: Any = True
    if any_staged(shapes):
        for condition in _KIND[type(dist)].proper(*shapes):
            proper = np.logical_and(proper, condition)
    else:
        proper = dist._argcheck(*plain(shapes))
    return np.logical_and(proper, np.greater(plain(scale), 0))


def _masked(result: Any, valid: Any) -> Any:
    return result if certainly(np.all(valid)) else ew.where(valid, result, np.nan)


def _some(mask: Any) -> bool:
    """Tell whether a mask holds somewhere, or may."""
    return is_staged(mask) or bool(np.any(mask))


class _Point:
    """An argument in standard form, with points outside the support moved inside."""

    def __init__(self, kind: Continuous, y: Any, shapes: tuple[Any, ...]) -> None:
        low, high = kind.support(*plain(shapes)) if callable(kind.support) else kind.support
        value = plain(y)
        self.below, self.above = np.less(value, low), np.greater(value, high)
        inside = kind.inside
        if callable(kind.support):
            # Between the ends, where one of them may be infinite.
            inside = np.clip(0.0, np.nextafter(low, np.inf), np.nextafter(high, -np.inf))
        outside = self.below | self.above
        self.y = ew.where(outside, inside, y) if _some(outside) else y

    def beyond(self, result: Any, below: float, above: float) -> Any:
        """Put constants in place of the results outside."""
        if _some(self.below):
            result = ew.where(self.below, below, result)
        return ew.where(self.above, above, result) if _some(self.above) else result


def _continuous(dist: Any, method: str, x: Any, args: Any, kwargs: Any) -> Any:
    kind = _KIND.get(type(dist))
    if not isinstance(kind, Continuous):
        _refused(dist, method)
    shapes, loc, scale = dist._parse_args(*args, **kwargs)
    shapes, x = tuple(map(_double, shapes)), _double(x)
    loc, scale = (a if type(a) is int else _double(a) for a in (loc, scale))
    valid = _valid(dist, shapes, scale)
    if method in ("ppf", "isf"):
        return _masked(_quantile(kind, dist, method, x, shapes, loc, scale), valid)
    y = (x - loc) / scale
    point = _Point(kind, y, shapes)
    if method in ("logpdf", "pdf"):
        result = kind.logpdf(point.y, *shapes) - np.log(scale)
        result = point.beyond(result, -np.inf, -np.inf)
        return _masked(np.exp(result) if method == "pdf" else result, valid)
    result = _tail(kind, dist, method, point.y, shapes)
    ends = {"cdf": (0.0, 1.0), "sf": (1.0, 0.0), "logcdf": (-np.inf, 0.0), "logsf": (0.0, -np.inf)}
    return _masked(point.beyond(result, *ends[method]), valid)


def _tail(kind: Continuous, dist: Any, method: str, y: Any, shapes: tuple[Any, ...]) -> Any:
    direct = getattr(kind, method)
    if direct is not None:
        return direct(y, *shapes)
    other = {"cdf": "sf", "sf": "cdf"}.get(method)
    if other is not None:
        complement = getattr(kind, other)
        if complement is None:
            _refused(dist, method)
        return 1 - complement(y, *shapes)
    return np.log(_tail(kind, dist, method[3:], y, shapes))


def _quantile(
    kind: Continuous, dist: Any, method: str, q: Any, shapes: tuple[Any, ...], loc: Any, scale: Any
) -> Any:
    direct, mirrored = (kind.ppf, kind.isf) if method == "ppf" else (kind.isf, kind.ppf)
    value = plain(q)
    proper = np.logical_and(np.greater(value, 0), np.less(value, 1))
    everywhere = certainly(np.all(proper))
    inside = q if everywhere else ew.where(proper, q, 0.5)
    if direct is not None:
        y = direct(inside, *shapes)
    elif mirrored is not None:
        y = mirrored(1 - inside, *shapes)
    else:
        _refused(dist, method)
    if not everywhere:
        low, high = kind.support(*shapes) if callable(kind.support) else kind.support
        if method == "isf":
            low, high = high, low
        y = ew.where(np.equal(value, 0), low, ew.where(np.equal(value, 1), high, y))
        y = ew.where(np.logical_and(value >= 0, value <= 1), y, np.nan)
    return y * scale + loc


def _discrete(dist: Any, method: str, k: Any, args: Any, kwargs: Any) -> Any:
    kind = _KIND.get(type(dist))
    if not isinstance(kind, Discrete):
        _refused(dist, method)
    if method in ("logcdf", "logsf"):
        return np.log(_discrete(dist, method[3:], k, args, kwargs))
    shapes, loc, _ = dist._parse_args(*args, **kwargs)
    shapes = tuple(map(_double, shapes))
    valid = _valid(dist, shapes, 1)
    # Mass sits at integers: nothing varies smoothly with k or loc.
    k = detached(to_dtype(as_array(plain(k)), np.float64) - plain(loc))
    upper = kind.upper(*plain(shapes))
    if method in ("logpmf", "pmf"):
        support = (k >= kind.lower) & (k <= upper) & (np.floor(k) == k)
        result = kind.logpmf(np.where(support, k, kind.lower)[()], *shapes)
        if not certainly(np.all(support)):
            result = ew.where(support, result, -np.inf)
        return _masked(np.exp(result) if method == "pmf" else result, valid)
    base = getattr(kind, method)
    if base is None:
        _refused(dist, method)
    k = np.floor(k)
    below, top = k < kind.lower, k >= upper
    result = base(np.where(below | top, kind.lower, k)[()], *shapes)
    at_bottom, at_top = (0.0, 1.0) if method == "cdf" else (1.0, 0.0)
    if _some(below):
        result = ew.where(below, at_bottom, result)
    if _some(top):
        result = ew.where(top, at_top, result)
    return _masked(result, valid)


_SMOOTH = ("pdf", "logpdf", "cdf", "logcdf", "sf", "logsf", "ppf", "isf")
_MASS = ("pmf", "logpmf", "cdf", "logcdf", "sf", "logsf")


def _evaluate(dist: Any, method: str, x: Any, args: Any, kwargs: Any) -> Any:
    name = type(dist)
    if name in MULTIVARIATE:
        impl = MULTIVARIATE[name].get(method)
        return impl(x, *args, **kwargs) if impl is not None else _refused(dist, method)
    if isinstance(dist, stats.rv_discrete):
        if method not in _MASS:
            _refused(dist, method)
        return _discrete(dist, method, x, args, kwargs)[()]
    if method not in _SMOOTH:
        _refused(dist, method)
    return _continuous(dist, method, x, args, kwargs)[()]


class Frozen:
    """A distribution with traced parameters: what ``norm(loc, scale)`` is in rewritten code."""

    def __init__(self, dist: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        self.dist = dist
        self.args = args
        self.kwds = kwargs

    def __getattr__(self, name: str) -> Callable[..., Any]:
        if name.startswith("_"):
            raise AttributeError(name)
        return functools.partial(self._call, name)

    def _call(self, method: str, /, *args: Any, **kwargs: Any) -> Any:
        if len(args) + len(kwargs) != 1:
            _refused(self.dist, method)
        x = args[0] if args else next(iter(kwargs.values()))
        return _evaluate(self.dist, method, x, self.args, self.kwds)


def _method(name: str) -> Callable[..., Any]:
    def impl(self: Any, *args: Any, **kwargs: Any) -> Any:
        if not args:
            first = next((key for key in ("x", "k", "q") if key in kwargs), None)
            if first is None:
                _refused(self, name)
            return _evaluate(self, name, kwargs.pop(first), (), kwargs)
        return _evaluate(self, name, args[0], args[1:], kwargs)

    return impl


def _frozen_method(name: str) -> Callable[..., Any]:
    def impl(self: Any, x: Any = None, *args: Any, **kwargs: Any) -> Any:
        if args or (kwargs and x is not None) or len(kwargs) > 1:
            _refused(self.dist, name)
        x = next(iter(kwargs.values())) if kwargs else x
        return _evaluate(self.dist, name, x, self.args, self.kwds)

    return impl


def _freeze(self: Any, *args: Any, **kwargs: Any) -> Frozen:
    return Frozen(self, args, kwargs)


def _own_methods(cls: type) -> list[tuple[str, Any]]:
    return [
        (name, fn)
        for name, fn in vars(cls).items()
        if inspect.isfunction(fn) and not name.startswith("_")
    ]


_generators = {base for cls in _KIND for base in cls.__mro__} | {
    stats.rv_continuous,
    stats.rv_discrete,
}
for _cls in _generators:
    if _cls.__module__.startswith("scipy.stats"):
        for _name, _fn in _own_methods(_cls):
            replace(_fn, _freeze if _name == "freeze" else _method(_name))
        if "__call__" in vars(_cls):
            replace(vars(_cls)["__call__"], _freeze)

for _cls in MULTIVARIATE:
    for _name, _fn in _own_methods(_cls):
        replace(_fn, _method(_name))
    replace(vars(_cls)["__call__"], _freeze)

for _cls in type(stats.norm()).__mro__ + type(stats.poisson(1)).__mro__:
    if _cls.__module__.startswith("scipy.stats"):
        for _name, _fn in _own_methods(_cls):
            replace(_fn, _frozen_method(_name))

for _name in stats.__all__:
    _fn = getattr(stats, _name)
    if inspect.isfunction(_fn) and _fn not in FUNCTIONS:
        refuse(_fn)
    elif (
        inspect.isclass(_fn)
        and not issubclass(_fn, (Warning, Exception))
        and "__init__" in vars(_fn)
    ):
        # Making an instance of traced numbers (gaussian_kde, ...); subclassing stays possible.
        refuse(_fn)
