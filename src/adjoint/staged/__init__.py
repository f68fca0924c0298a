"""Staged values: what the user's function is run on to record a graph without computing anything.

This folder exists so that NumPy's functions, the derivative rules and the walks, all written as
calls of operations, record into a graph when their operands are staged. It knows the storage of
arrays (views and stores), and not what the derivatives are.
"""

from adjoint.staged.integers import Integer
from adjoint.staged.values import Staged, emit, lift, value_of, wrap

__all__ = ["Integer", "Staged", "emit", "lift", "value_of", "wrap"]
