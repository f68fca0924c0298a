"""Automatic differentiation for the NumPy program you already have.

>>> import numpy as np, adjoint as ad
>>> def f(x):
...     u = np.zeros(3)
...     for k in range(3):
...         u[k] = x[k] ** (k + 1)
...     return np.sum(u)
>>> ad.grad(f)(np.array([1.0, 2.0, 3.0]))
array([ 1.,  4., 27.])
"""

from importlib import import_module
from typing import TYPE_CHECKING

from adjoint import numpy_api as _numpy_api  # noqa: F401  (fills the tables of NumPy's functions)
from adjoint._version import __version__
from adjoint.api.checkpoint import checkpoint
from adjoint.api.checks import check_grads
from adjoint.api.custom import custom_jvp, custom_vjp, stop_gradient
from adjoint.api.derivatives import conjugate_grad, grad, jvp, linearize, value_and_grad, vjp
from adjoint.api.jacobians import hessian, hvp, jacfwd, jacobian, jacrev
from adjoint.api.mapping import vmap
from adjoint.api.returning import returning
from adjoint.api.taylor import derivative, taylor
from adjoint.errors import AdjointError
from adjoint.tree import register as register_pytree_node

if TYPE_CHECKING:
    from adjoint import nn, optim
    from adjoint.api.compile import jit, stage
    from adjoint.api.export import export
    from adjoint.api.external import external
    from adjoint.api.report import report
    from adjoint.api.sparse import sparse_hessian, sparse_jacobian, sparsity
    from adjoint.backends.llvm.threads import get_threads, set_threads
    from adjoint.explain import trace

__all__ = [
    "AdjointError",
    "__version__",
    "check_grads",
    "checkpoint",
    "conjugate_grad",
    "custom_jvp",
    "custom_vjp",
    "derivative",
    "export",
    "external",
    "get_threads",
    "grad",
    "hessian",
    "hvp",
    "jacfwd",
    "jacobian",
    "jacrev",
    "jit",
    "jvp",
    "linearize",
    "nn",
    "optim",
    "register_pytree_node",
    "report",
    "returning",
    "set_threads",
    "sparse_hessian",
    "sparse_jacobian",
    "sparsity",
    "stage",
    "stop_gradient",
    "taylor",
    "trace",
    "value_and_grad",
    "vjp",
    "vmap",
]


_LATER = {
    "export": "adjoint.api.export",
    "external": "adjoint.api.external",
    "get_threads": "adjoint.backends.llvm.threads",
    "jit": "adjoint.api.compile",
    "report": "adjoint.api.report",
    "set_threads": "adjoint.backends.llvm.threads",
    "sparse_hessian": "adjoint.api.sparse",
    "sparse_jacobian": "adjoint.api.sparse",
    "sparsity": "adjoint.api.sparse",
    "stage": "adjoint.api.compile",
    "trace": "adjoint.explain",
}


def __getattr__(name: str) -> object:
    # Staging, and what stands on the core, are imported when they are first asked for.
    if name in ("nn", "optim"):
        return import_module(f"adjoint.{name}")
    module = _LATER.get(name)
    if module is None:
        raise AttributeError(f"module 'adjoint' has no attribute {name!r}")
    value = globals()[name] = getattr(import_module(module), name)
    return value
