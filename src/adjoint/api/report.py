"""report: what was made for a jitted function, and why."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from adjoint.api.compile import Jitted
from adjoint.api.launch import Native
from adjoint.api.lowered import callbacks_of
from adjoint.api.reasons import Made
from adjoint.api.tracing import name_of
from adjoint.errors import InputError

__all__ = ["report"]


def report(fun: Callable) -> str:
    """Return what was made for a function: graphs and code, why, and how long that took.

    Of each graph: why those before would not do (dtypes, axes, lengths, layouts, constants, what
    is read from outside), how long staging, simplifying, lowering and compiling took, for which
    layouts of arguments there is code, which operations Python runs (*callbacks*), and which loops
    were unrolled.

    Parameters
    ----------
    fun : callable
        What `jit` returned.

    Examples
    --------
    >>> import adjoint as ad
    >>> f = ad.jit(lambda x: x * 2.0, backend="interpret")
    >>> f(1.0), f(1)
    (2.0, 2.0)
    >>> print(ad.report(f))  # doctest: +ELLIPSIS
    <lambda>: 2 graphs
      graph 1: the first call
        staged in ... ms, simplified in ... ms
      graph 2: x is a Python int, not a Python float
        staged in ... ms, simplified in ... ms
    """
    if not isinstance(fun, Jitted):
        raise InputError(f"{name_of(fun)} is not what ad.jit returned: it has no graphs")
    return "\n".join(_of(fun, name_of(fun.fun)))


def _of(fun: Jitted, name: str) -> list[str]:
    made = list(fun.made)
    lines = [f"{name}: {len(made)} graph{'s' * (len(made) != 1)}"]
    for number, each in enumerate(made, 1):
        lines += _lines(number, each)
    for what, derived in fun.derivatives():
        if derived.made:
            lines += _of(derived, f"{what} of {name}")
    return lines


def _lines(number: int, made: Made) -> list[str]:
    lines = [f"  graph {number}: {made.reason}"]
    times = f"staged in {_ms(made.staging)}, simplified in {_ms(made.simplifying)}"
    lines.append(f"    {times}")
    if isinstance(made.launcher, Native):
        names: dict[Any, None] = {}
        for dense, variant in made.launcher.variants.items():
            how = "found on disk" if variant.kept else "compiled"
            lines.append(
                f"    {_layout(dense)}: lowered in {_ms(variant.lowering)}, "
                f"{how} in {_ms(variant.compiling)}"
            )
            names.update(dict.fromkeys(callbacks_of(variant.program)))
        lines += [f"    callback: {each}" for each in names]
    elif made.launcher is None:
        lines.append("    there is no code for it: that raised an error")
    for place, why in made.graph.unrolled.items():
        where = f"{place[0]}:{place[1]}" if place else "an unknown line"
        lines.append(f"    the loop at {where} was unrolled: {why}")
    return lines


def _layout(dense: tuple[bool, ...]) -> str:
    strided = sum(not each for each in dense)
    if not strided:
        return "contiguous arguments"
    return f"{strided} argument{'s' * (strided != 1)} with strides"


def _ms(seconds: float) -> str:
    return f"{1000 * seconds:.1f} ms"
