"""Simplification: graphs that compute the same with less.

Each pass is a file, takes a valid graph and leaves a valid one, in place; `simplify` runs them
until nothing changes. What a result is does not change, infinities and NaN included, nor does its
type. What may change is named where it is done: the sign of a zero (`algebra`), and which error of
those that a program would raise comes first, or whether it comes at all (`dead`).
"""

from adjoint.transforms.simplify.pipeline import PASSES, simplify

__all__ = ["PASSES", "simplify"]
