"""SciPy's optimisers with our derivatives: gradients, Hessians, Hessian-vector products.

Run it with ``python examples/newton_cg.py``.
"""

import numpy as np
from scipy.optimize import minimize, rosen_der

import adjoint as ad


def rosenbrock(x):
    """A curved valley; its smallest value is 0, at x = (1, ..., 1)."""
    return np.sum(100.0 * (x[1:] - x[:-1] ** 2) ** 2 + (1 - x[:-1]) ** 2)


gradient = ad.grad(rosenbrock)
hessian = ad.hessian(rosenbrock)


def hessian_vector(x, v):
    """The Hessian times v: about four evaluations of the function, and no matrix."""
    return ad.hvp(rosenbrock, (x,), (v,))


# Every method of `minimize` that uses derivatives takes them as they are.
x0 = np.array([1.3, 0.7, 0.8, 1.9, 1.2])
assert np.allclose(gradient(x0), rosen_der(x0), rtol=1e-13)

METHODS = {
    "CG": {},
    "BFGS": {},
    "L-BFGS-B": {},
    "TNC": {"options": {"maxfun": 1000}},
    "SLSQP": {"options": {"ftol": 1e-12}},
    "Newton-CG": {"hessp": hessian_vector},
    "trust-ncg": {"hessp": hessian_vector},
    "trust-krylov": {"hessp": hessian_vector},
    "trust-exact": {"hess": hessian},
    "dogleg": {"hess": hessian},
    "trust-constr": {"hessp": hessian_vector},
}

print("5 variables")
print("method        iterations  evaluations   error")
for method, options in METHODS.items():
    # dogleg asks for a positive definite Hessian all the way, which is so near the minimum.
    start = np.full(5, 1.05) if method == "dogleg" else x0
    result = minimize(rosenbrock, start, method=method, jac=gradient, **options)
    error = np.max(np.abs(result.x - 1))
    print(f"{method:14} {result.nit:9d} {result.nfev:12d}   {error:.1e}")
    assert error < 1e-3, method

# With a thousand variables the Hessian has a million entries. Newton-CG never forms it: conjugate
# gradients need its products with vectors alone.
n = 1000
rng = np.random.default_rng(0)
start = 1 + 0.1 * rng.standard_normal(n)
v = rng.standard_normal(n)
h = 1e-6
differences = (gradient(start + h * v) - gradient(start - h * v)) / (2 * h)
assert np.allclose(hessian_vector(start, v), differences, rtol=1e-6, atol=1e-4)

result = minimize(
    rosenbrock, start, method="Newton-CG", jac=gradient, hessp=hessian_vector,
    options={"xtol": 1e-10},
)  # fmt: skip
print(f"\n{n} variables, Newton-CG: {result.nit} iterations, {result.nhev} Hessian-vector products")
print(f"f = {result.fun:.1e}, largest error {np.max(np.abs(result.x - 1)):.1e}")
assert result.success
assert np.max(np.abs(result.x - 1)) < 1e-6
