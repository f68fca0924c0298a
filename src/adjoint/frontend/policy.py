"""Whose code is rewritten: the user's, and that of pure-Python helpers, but not of the libraries
that work on arrays through NumPy's protocols, nor of Python itself."""

from __future__ import annotations

import os
import sys
from types import FunctionType

never_rewritten: set[str] = {
    # They dispatch on traced values, or are covered by replacements.
    "adjoint", "numpy", "scipy", "optree", "llvmlite",
    # Large, and nothing in them is to be differentiated.
    "IPython", "_pytest", "pytest", "hypothesis", "matplotlib", "pandas", "plotly", "rich", "tqdm",
    # Other array systems: they do not take traced values.
    "cupy", "dask", "jax", "jaxlib", "numba", "tensorflow", "torch",
}  # fmt: skip
"""Top-level packages whose functions run as they are."""

rewritten_anyway = (
    "numpy.polynomial", "adjoint.nn", "adjoint.cli.training.networks",
    "adjoint.optim.accumulation", "adjoint.optim.lbfgs", "adjoint.optim.line_search",
)  # fmt: skip
"""Modules among those that are Python code over arrays without NumPy's protocols, or with branches,
loops and draws of random numbers that are to be staged."""

_STANDARD_LIBRARY = os.path.dirname(os.path.abspath(os.__file__)) + os.sep
_INSTALLED = tuple(
    os.path.join(_STANDARD_LIBRARY, name) + os.sep for name in ("site-packages", "dist-packages")
)


def is_user_code(fn: FunctionType) -> bool:
    """Whether the front end should rewrite `fn`.

    The module is the one whose globals the function has: ``fn.__module__`` is copied about by
    `functools.wraps`.
    """
    name = fn.__globals__.get("__name__")
    package = name.partition(".")[0] if isinstance(name, str) else ""
    if package in never_rewritten:
        # An example in a docstring has the globals of the module that it documents.
        if fn.__code__.co_filename.startswith("<doctest "):
            return True
        return isinstance(name, str) and name.startswith(rewritten_anyway)
    if package not in sys.stdlib_module_names:
        return True
    # A user's module may well be called `queue` or `code`.
    filename = fn.__code__.co_filename
    if filename.startswith("<frozen "):
        return False
    filename = os.path.abspath(filename)
    return not filename.startswith(_STANDARD_LIBRARY) or filename.startswith(_INSTALLED)
