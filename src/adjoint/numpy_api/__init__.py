"""NumPy's and SciPy's functions over operations, by area.

Each implementation has the signature of the function that it stands for, is written over the
operations and NumPy's own calls, and so has every derivative that those have. Importing the package
fills the tables in `adjoint.ops.registry`.
"""

from adjoint.numpy_api import (
    choices,
    concatenators,
    constants,
    creation,
    differences,
    elementwise,
    histograms,
    indexing,
    interpolation,
    joining,
    linalg,
    loops,
    nan_reductions,
    padding,
    polynomials,
    products,
    python,
    quantiles,
    reductions,
    scans,
    sequences,
    shaping,
    shortcuts,
    sorting,
    staged_python,
    statistics,
    ufunc_methods,
    ufuncs,
    windows,
)
from adjoint.ops.registry import LAZY

LAZY.update({
    "numpy.fft": "adjoint.numpy_api.fourier",
    "numpy.random": "adjoint.numpy_api.random",
    "numpy.polynomial": "adjoint.numpy_api.polynomial_package",
    "scipy.fft": "adjoint.numpy_api.fourier_scipy",
    "scipy.linalg": "adjoint.numpy_api.scipy_matrices",
    "scipy.signal": "adjoint.numpy_api.signal",
    "scipy.sparse.linalg": "adjoint.numpy_api.scipy_sparse_linalg",
    "scipy.sparse": "adjoint.numpy_api.sparse",
    "scipy.special": "adjoint.numpy_api.special",
    "scipy.stats": "adjoint.numpy_api.stats",
})  # fmt: skip

shortcuts.shorten()

from adjoint.numpy_api import writers  # noqa: E402  (goes around what is registered so far)
