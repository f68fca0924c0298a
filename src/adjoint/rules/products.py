"""Derivatives of sums of products: linear in each operand."""

from __future__ import annotations

from typing import Any

import numpy as np

from adjoint.ops import products as pr
from adjoint.ops import structural as st
from adjoint.ops.creation import arange, zeros
from adjoint.rules.cotangents import At
from adjoint.rules.derive import general, multilinear


def _einsum_jvp(
    tangents: Any, xs: list[Any], inputs: tuple[str, ...], output: str, options: Any
) -> Any:
    total = None
    for k, t in enumerate(tangents):
        if t is not None:
            term = pr.einsum(
                *xs[:k], t, *xs[k + 1 :], inputs=inputs, output=output, options=options
            )
            total = term if total is None else total + term
    return total


def _einsum_vjp(
    ct: Any,
    xs: list[Any],
    inputs: tuple[str, ...],
    output: str,
    options: Any,
    active: tuple[bool, ...],
) -> list[Any]:
    return [
        _einsum_transpose(ct, k, xs, inputs, output, options) if wanted else None
        for k, wanted in enumerate(active)
    ]


def _einsum_transpose(
    ct: Any, k: int, xs: list[Any], inputs: tuple[str, ...], output: str, options: Any
) -> Any:
    """Return the cotangent of operand ``k``: the einsum of ``ct`` with all the others.

    With x of subscripts s: x̄[s] = Σ ct[output] Π others, over the letters that are not in s. A
    letter of s that is nowhere else was just summed over: its cotangent is broadcast along it. A
    letter twice in s reads a diagonal, and the cotangent goes back to that. NumPy broadcasts axes
    of length 1, along which the cotangent is summed.
    """
    subscripts = inputs[k]
    shape = np.shape(xs[k])
    others = [x for j, x in enumerate(xs) if j != k]
    terms = [s for j, s in enumerate(inputs) if j != k]
    letters = "".join(dict.fromkeys(subscripts))
    size = {}
    for letter, n in zip(subscripts, shape, strict=True):
        size[letter] = size.get(letter, 1) if n == 1 else n
    known = set(output).union(*terms)
    found = "".join(c for c in letters if c in known)
    precision = {"optimize": (options or {}).get("optimize", False)}
    bar = pr.einsum(ct, *others, inputs=(output, *terms), output=found, options=precision)
    if found != letters:
        # Axes of summed letters, of length 1 until they are broadcast.
        bar = bar[(*(slice(None) if c in known else None for c in letters),)]
    summed = [j for j, c in enumerate(letters) if size[c] == 1 and c in known and bar.shape[j] != 1]
    if summed:
        bar = st.reduce_sum(bar, axis=tuple(summed), keepdims=True)
    want = tuple(size[c] for c in letters)
    if bar.shape != want:
        bar = st.broadcast_to(bar, shape=want)
    if letters == subscripts:
        return bar
    # Where a letter stands twice: the index of the diagonal, open-mesh fashion.
    position = {c: j for j, c in enumerate(letters)}
    index = []
    for letter, n in zip(subscripts, shape, strict=True):
        steps = arange(size[letter]) if n != 1 else zeros(size[letter], int)
        index.append(steps.reshape((-1,) + (1,) * (len(letters) - 1 - position[letter])))
    return At((("index", tuple(index)),), bar)


general(pr.einsum, jvp=_einsum_jvp, vjp=_einsum_vjp)


# -- convolution -------------------------------------------------------------------------------


def _in_full(ct: Any, n: int, m: int, mode: str) -> Any:
    """Put the cotangent of a cropped convolution in its place in the whole one."""
    if mode == "full":
        return ct
    short = min(n, m)
    start = short - 1 if mode == "valid" else (short - 1) // 2
    return st.pad(ct, width=((start, n + m - 1 - start - ct.shape[0]),))


def _convolve_x(ct: Any, y: Any, x_type: Any, mode: str) -> Any:
    ct = _in_full(ct, x_type.shape[0], y.shape[0], mode)
    return pr.convolve(ct, y[::-1], mode="valid")


def _convolve_y(ct: Any, x: Any, y_type: Any, mode: str) -> Any:
    return _convolve_x(ct, x, y_type, mode)


multilinear(pr.convolve, _convolve_x, _convolve_y)
