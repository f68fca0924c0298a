"""Mathematical functions for machine code: libm's, and libmvec's where a loop is vectorised.

A module declares libm's function and calls it; an attribute of the declaration names libmvec's
versions of it by width, and the vectoriser takes one where it makes a vector of calls. Those
versions are declared too, and listed in ``@llvm.compiler.used``, without which they would be gone
before the vectoriser looks for them.

Two facts make the difference between a vector loop and a scalar one:

- The declared name is not C's. LLVM knows ``log``, and makes ``llvm.log`` of it where it can tell
  that the argument is positive (``exp2`` of ``pow(2, x)``, and so on), which has no vector version.
- ``speculatable``: without it a call under a condition is not turned into a vector of calls and a
  selection. It may be computed where the program does not, as may ``memory(none)`` things be moved,
  merged and repeated: no ``errno`` and no floating-point flag is anybody's business.

libmvec promises 4 units in the last place. So it was found to be in glibc 2.36, for every function
here and every width: at most 3.5 units in 10⁵ random arguments of ``double``, 4.00 (``erff``)
and 3.97 (``logf``) over all numbers of ``float``, and as C's Annex F has it at special arguments.
``tgamma`` has no vector version, and libm's is up to 5 units off at negative arguments.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache

from adjoint.backends.llvm import engine, symbols
from adjoint.errors import CompileError

__all__ = ["ARITY", "MathFunction", "function", "prelude", "vectorised"]

# fmt: off
_UNARY = (
    "sin", "cos", "tan", "asin", "acos", "atan", "sinh", "cosh", "tanh", "asinh", "acosh", "atanh",
    "exp", "exp2", "expm1", "log", "log2", "log10", "log1p", "cbrt", "erf", "erfc",
    "lgamma", "tgamma",
)
_BINARY = ("pow", "atan2", "hypot", "fmod", "remainder")
# fmt: on

ARITY = {**dict.fromkeys(_UNARY, 1), **dict.fromkeys(_BINARY, 2)}
"""libm's functions of one or two numbers of a type, and of how many. What LLVM has instructions
for (sqrt, floor, copysign...) is not here, nor are the Bessel functions, whose last digits are
wrong near their zeros."""

MASKED = "masked."
"""What the names of vector versions that take a mask begin with."""

_SUFFIX = {"double": "", "float": "f"}
_BITS = {"double": 64, "float": 32}
# The letter of a vector register's kind in a vector function's name, the processor's feature that
# has it, and its bits (the x86-64 vector function ABI). 256 bits without AVX2 are not worth having.
_KINDS = (("e", "avx512f", 512), ("d", "avx2", 256), ("b", "sse4.1", 128))


@dataclass(frozen=True, slots=True)
class MathFunction:
    """A function as a module declares and calls it.

    Attributes
    ----------
    name : str
        Its name for ``double``, in C.
    type : str
        ``double`` or ``float``.
    symbol : str
        Its name in the module.
    variants : tuple of (int, str)
        Widths and symbols of the vector versions that may take its place.
    """

    name: str
    type: str
    symbol: str
    variants: tuple[tuple[int, str], ...]

    @property
    def arity(self) -> int:
        """How many arguments it takes."""
        return ARITY[self.name]

    @property
    def declarations(self) -> tuple[str, ...]:
        """What a module has to declare, once; `prelude` says what else it needs."""
        attributes = "nounwind willreturn nosync nofree speculatable memory(none)"
        taken = "v" * self.arity
        names = ",".join(
            f"_ZGV_LLVM_N{w}{taken}_{self.symbol}({s}),"
            f"_ZGV_LLVM_M{w}{taken}_{self.symbol}({MASKED}{s})"
            for w, s in self.variants
        )
        mapping = f' "vector-function-abi-variant"="{names}"' if names else ""
        lines = [f"declare {self._signature(self.type, self.symbol)} {attributes}{mapping}"]
        for width, symbol in self.variants:
            vector = f"<{width} x {self.type}>"
            lines.append(f"declare {self._signature(vector, symbol)} {attributes}")
        return tuple(lines)

    @property
    def masked(self) -> tuple[str, ...]:
        """Vector versions that take a mask, which libmvec has not: the lanes that are off are 1."""
        found = []
        for width, symbol in self.variants:
            vector, mask = f"<{width} x {self.type}>", f"<{width} x i1>"
            ones = f"splat ({self.type} 1.0)"
            names = [f"%x{k}" for k in range(self.arity)]
            lines = [
                f"%y{k} = select {mask} %mask, {vector} {x}, {vector} {ones}"
                for k, x in enumerate(names)
            ]
            given = ", ".join(f"{vector} %y{k}" for k in range(self.arity))
            taken = ", ".join(f"{vector} {x}" for x in names)
            found.append(
                f"define internal {vector} @{MASKED}{symbol}({taken}, {mask} %mask) "
                f"nounwind willreturn nosync nofree memory(none) noinline {{\n"
                + "\n".join(lines)
                + f"\n%z = tail call {vector} @{symbol}({given})\nret {vector} %z\n}}"
            )
        return tuple(found)

    def call(self, *operands: str) -> str:
        """Return the text of a call, to the right of ``=``."""
        return f"call {self.type} @{self.symbol}({', '.join(f'{self.type} {x}' for x in operands)})"

    def _signature(self, kind: str, symbol: str) -> str:
        return f"{kind} @{symbol}({', '.join([kind] * self.arity)})"


def vectorised() -> bool:
    """Whether vector versions are used: ``ADJOINT_VECTOR_MATH=0`` in the environment says no."""
    return os.environ.get("ADJOINT_VECTOR_MATH", "") not in ("0", "off", "no", "false")


def function(name: str, kind: str = "double", vectors: bool | None = None) -> MathFunction:
    """Return one of the functions in `ARITY`.

    Parameters
    ----------
    name : str
        Its name for ``double``, in C.
    kind : str
        ``double`` or ``float``.
    vectors : bool, optional
        Whether vector versions may take its place; `vectorised` unless said.
    """
    return _function(name, kind, vectorised() if vectors is None else vectors)


@cache
def _function(name: str, kind: str, vectors: bool) -> MathFunction:
    symbol = symbols.LIBM + name + _SUFFIX[kind]
    if name not in ARITY or symbols.resolve(symbol) is None:
        raise CompileError(f"no function {name!r} of {kind} in this machine's libm")
    return MathFunction(name, kind, symbol, _variants(name, kind) if vectors else ())


def _variants(name: str, kind: str) -> tuple[tuple[int, str], ...]:
    host = engine.host()
    if not host.triple.startswith("x86_64"):
        return ()
    found = []
    for letter, feature, bits in _KINDS:
        width = bits // _BITS[kind]
        symbol = f"_ZGV{letter}N{width}{'v' * ARITY[name]}_{name}{_SUFFIX[kind]}"
        if host.has(feature) and symbols.resolve(symbol):
            found.append((width, symbol))
    return tuple(found)


def prelude(functions: Iterable[MathFunction]) -> str:
    """Return all that a module has to declare for the functions that it calls."""
    each = list(dict.fromkeys(functions))
    lines = [line for one in each for line in one.declarations]
    lines += [line for one in each for line in one.masked]
    used = [f"ptr @{m}{symbol}" for one in each for _, symbol in one.variants for m in ("", MASKED)]
    if used:
        lines.append(
            f"@llvm.compiler.used = appending global [{len(used)} x ptr] [{', '.join(used)}], "
            'section "llvm.metadata"'
        )
    return "\n".join(lines) + "\n"
