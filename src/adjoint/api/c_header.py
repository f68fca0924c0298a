"""The header of an exported function: what each parameter is, in C and in words."""

from __future__ import annotations

import textwrap
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from adjoint._version import __version__
from adjoint.ir.dims import Dim

__all__ = ["Parameter", "Result", "header"]


def c_type(dtype: np.dtype) -> str:
    """Return the C type of numbers of a dtype; of complex numbers, of their parts."""
    kind, size = dtype.kind, dtype.itemsize
    if kind == "b":
        return "bool"
    if kind in "iu":
        return f"{'u' if kind == 'u' else ''}int{8 * size}_t"
    return {4: "float", 8: "double"}[size // 2 if kind == "c" else size]


@dataclass(frozen=True, slots=True)
class Parameter:
    """An argument.

    Attributes
    ----------
    name : str
    type : Type
    lengths : mapping
        Names of the lengths in it.
    changed : bool
        Whether it is changed in place.
    note : str
        What else there is to say.
    """

    name: str
    type: Any
    lengths: Mapping[Any, str]
    changed: bool = False
    note: str = ""

    @property
    def declarations(self) -> list[str]:
        """Return how C declares it."""
        kind = c_type(self.type.dtype)
        if not self.type.shape and self.type.dtype.kind != "c":
            return [f"{kind} {self.name}"]
        return [f"{'' if self.changed else 'const '}{kind} *{self.name}"]

    @property
    def words(self) -> str:
        """Return what it is."""
        text = _described(self.type.dtype, _shape(self.type.shape, self.lengths))
        return ", ".join(
            [text, *["changed in place"] * self.changed, *[self.note] * bool(self.note)]
        )


@dataclass(frozen=True, slots=True)
class Result:
    """A result.

    Attributes
    ----------
    name : str
    type : Type or numpy.generic
        Of a constant, what it is.
    lengths : mapping
        Names of the lengths in its shape.
    number : int or None
        Which of the graph's it is; None of a constant.
    made : bool
        Whether the caller has memory for it; else its shape turns out while the program runs.
    """

    name: str
    type: Any
    lengths: Mapping[Any, str]
    number: int | None
    made: bool = True

    @property
    def declarations(self) -> list[str]:
        """Return how C declares it."""
        kind = c_type(self.type.dtype)
        if not self.made:
            return [f"{kind} **{self.name}", f"int64_t *{self.name}_shape"]
        return [f"{kind} *{self.name}"]

    @property
    def words(self) -> str:
        """Return what it is."""
        if self.number is None:
            return f"{_described(self.type.dtype, '')}: always {self.type}"
        shape = self.type.shape
        if self.made:
            return f"{_described(self.type.dtype, _shape(shape, self.lengths))}, to be written"
        axes = "axis" if len(shape) == 1 else "axes"
        return (
            f"{_described(self.type.dtype, '')}s in an array of {len(shape)} {axes} that is made "
            f"by malloc and that the caller has to free; its shape goes to {self.name}_shape"
        )


def _shape(shape: Sequence[Any], lengths: Mapping[Any, str]) -> str:
    if not shape:
        return ""
    dims = [Dim.text(n, lengths.__getitem__) if isinstance(n, Dim) else str(n) for n in shape]
    return f"[{', '.join(dims)}]"


def _described(dtype: np.dtype, shape: str) -> str:
    kind = c_type(dtype)
    if dtype.kind == "c":
        return f"{kind}{shape} complex (real and imaginary parts in turn)"
    return f"{kind}{shape}"


def header(
    name: str,
    origin: str,
    parameters: Sequence[Parameter],
    results: Sequence[Result],
    blas: Sequence[str],
    vector_math: Sequence[str],
    cpu: str,
) -> str:
    """Return the text of the header.

    Parameters
    ----------
    name : str
        Of the C function.
    origin : str
        Of the function that it was made from.
    parameters : sequence of Parameter
    results : sequence of Result
    blas, vector_math : sequence of str
        What has to be linked with it.
    cpu : str
        The processor that it is for.
    """
    each: list[Any] = [*parameters, *results]
    names = [d for one in each for d in one.declarations] or ["void"]
    declared = ", ".join(names)
    if len(name) + len(declared) > 90:
        declared = "\n    " + ",\n    ".join(names)
    width = max([len(one.name) for one in each], default=0)
    told = "\n".join(
        textwrap.fill(
            one.words, 98, initial_indent=f" *   {one.name:<{width}}  ",
            subsequent_indent=f" *   {'':<{width}}  ",
        )
        for one in each
    )  # fmt: skip
    link = ["-lm"]
    if vector_math:
        link.insert(0, "-lmvec")
    needs = f" * To be linked with {' '.join(link)}"
    if blas:
        needs += f" and a BLAS with integers of 32 bits ({', '.join(blas)})"
    guard = f"ADJOINT_{name.upper()}_H"
    return f"""/* {name}: {origin}, as machine code for {cpu}, made by adjoint {__version__}.
 *
{told}
 *
 * Arrays are C-contiguous and aligned; results overlap neither arguments nor each other.
 * It returns 0; 1 where Python would have raised an error; 2 if it is not for these lengths, or
 * there is no memory. What results hold then is not defined. {name}_error() is the message
 * of this thread's last error. {name}_free() frees the memory that this thread's calls have worked
 * in, which is kept for the next one. Threads may call it at the same time.
{needs}.
 */
#ifndef {guard}
#define {guard}

#include <stdbool.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {{
#endif

int {name}({declared});
const char *{name}_error(void);
void {name}_free(void);

#ifdef __cplusplus
}}
#endif

#endif
"""
