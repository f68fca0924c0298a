"""The systems that compiled code is measured beside, each in a module that says how it is used.

A peer's module defines ``PACKAGE`` (what has to be installed; empty for none), ``setup(threads)``
and ``prepare(task)``, which returns a `task.Prepared` or raises `task.NotWritten` with the reason.
The programs in each system's own terms are in the modules beside it, written from the mathematics
as a user of that system would write them; ``…_expert`` has the best known rewriting, where there is
one that a user would not write at first.
"""

from __future__ import annotations

import importlib
import importlib.util
from types import ModuleType

__all__ = ["ON_REQUEST", "PEERS", "load", "missing"]

PEERS = {
    "adjoint": "adjoint_peer",
    "numpy": "numpy_peer",
    "numba": "numba_peer",
    "jax": "jax_peer",
    "jax-expert": "jax_expert_peer",
    "torch": "torch_peer",
    "torch-compile": "torch_compile_peer",
    "autograd": "autograd_peer",
    "casadi": "casadi_peer",
    "dace": "dace_peer",
}
ON_REQUEST = ("torch-compile", "dace")
"""Peers that compile for long: measured where ``--peers`` names them."""


def load(name: str) -> ModuleType:
    """Return a peer's module."""
    return importlib.import_module(f"{__name__}.{PEERS[name]}")


def missing(name: str) -> str:
    """Return the package that has to be installed for a peer; empty where it is there."""
    packages = {"jax-expert": "jax", "torch-compile": "torch", "adjoint": "llvmlite"}
    package = packages.get(name, name)
    return "" if importlib.util.find_spec(package) else package
