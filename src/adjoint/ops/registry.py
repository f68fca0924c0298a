"""What an operation is, and the tables in which NumPy's functions find theirs.

An `Op` is called like the NumPy function that gives its meaning. On ordinary numbers and arrays it
*is* that function; when an operand is traced, the operand's class records the call instead. Rules
and NumPy's compositions are written with these calls, and so serve every mode and tier.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

__all__ = ["FUNCTIONS", "METHODS", "OPS", "UFUNCS", "Op", "Traced", "implements", "primitive"]


class Traced:
    """Base class of the values that record what is done to them."""

    __slots__ = ()

    def _record(self, op: Op, args: tuple[Any, ...], params: dict[str, Any]) -> Any:
        raise NotImplementedError


class Op:
    """A primitive operation.

    Attributes
    ----------
    name : str
    fn : callable
        Its meaning on NumPy values: ``fn(*operands, **parameters)``.
    operands : tuple of str
        Names of the operands, which derivative rules refer to. ``("*xs",)`` when their number
        varies.
    results : bool
        Whether it returns a tuple of arrays.
    views : bool
        Whether its NumPy meaning may return a view of its first operand.
    rule :
        The derivative, derived from its row by `adjoint.rules.derive`; None until it has one.
    """

    __slots__ = ("fn", "name", "operands", "results", "rule", "variadic", "views")

    def __init__(
        self,
        name: str,
        fn: Callable,
        operands: tuple[str, ...],
        results: bool = False,
        views: bool = False,
    ) -> None:
        self.name = name
        self.fn = fn
        self.operands = operands
        self.variadic = bool(operands) and operands[0].startswith("*")
        self.results = results
        self.views = views
        self.rule: Any = None

    def __call__(self, *args: Any, **params: Any) -> Any:
        for arg in args:
            if isinstance(arg, Traced):
                return arg._record(self, args, params)
        return self.fn(*args, **params)

    def __repr__(self) -> str:
        return f"<operation {self.name}>"

    def __reduce__(self) -> tuple[Callable, tuple[str]]:
        return OPS.__getitem__, (self.name,)


OPS: dict[str, Op] = {}
"""Every declared operation by name."""

UFUNCS: dict[Any, Callable] = {}
"""NumPy and SciPy ufunc -> operation or composition, called as ``impl(*inputs)``."""

METHODS: dict[tuple[Any, str], Callable] = {}
"""(ufunc, "reduce" | "accumulate" | "outer" | "at" | "reduceat") -> implementation."""

FUNCTIONS: dict[Any, Callable] = {}
"""NumPy or SciPy function -> implementation with the same signature."""


def primitive(
    name: str,
    fn: Callable,
    *operands: str,
    ufunc: Any = None,
    results: bool = False,
    views: bool = False,
) -> Op:
    """Declare an operation.

    Parameters
    ----------
    name : str
        Unique; the name under which the graph prints it.
    fn : callable
        Its NumPy meaning. Operands come first and by position, parameters by keyword.
    *operands : str
        Names of the operands.
    ufunc : numpy.ufunc, optional
        The ufunc (or several, in a tuple) that this operation implements.
    results, views : bool
        See `Op`.
    """
    if name in OPS:
        raise ValueError(f"operation {name!r} is declared twice")
    op = OPS[name] = Op(name, fn, operands, results, views)
    for u in ufunc if isinstance(ufunc, tuple) else (ufunc,) if ufunc is not None else ():
        UFUNCS[u] = op
    return op


def implements(*functions: Any) -> Callable[[Callable], Callable]:
    """Decorate a composition as the traced meaning of NumPy or SciPy functions.

    The implementation has the signature of the function it stands for, and is called whenever an
    argument (or an element of a list or tuple argument) is traced.
    """

    def register(impl: Callable) -> Callable:
        for fn in functions:
            FUNCTIONS[fn] = impl
        return impl

    return register
