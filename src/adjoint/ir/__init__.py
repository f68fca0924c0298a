"""The graph: what running a function on traced values records.

This folder exists so that everything else reads or writes one data structure. It knows nothing of
derivatives, of NumPy's functions or of Python source.
"""

from adjoint.ir.core import Block, Node, Op, Traced

__all__ = ["Block", "Node", "Op", "Traced"]
