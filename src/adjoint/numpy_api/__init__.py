"""NumPy's and SciPy's functions over operations, by area.

Each implementation has the signature of the function that it stands for, is written over the
operations and NumPy's own calls, and so has every derivative that those have. Importing the package
fills the tables in `adjoint.ops.registry`.
"""

from adjoint.numpy_api import constants, creation, reductions, shaping

__all__ = ["constants", "creation", "reductions", "shaping"]
