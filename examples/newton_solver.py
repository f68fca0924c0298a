"""The derivative of a solution: Newton's method with `while`, differentiated as it stands.

The solver runs until it has converged, which takes another number of steps at every input. Its
derivative is compared with the implicit function theorem: F(x, p) = 0 gives dx/dp = −F_x⁻¹ F_p.

Run it with ``python examples/newton_solver.py``.
"""

import math

import numpy as np

import adjoint as ad


def eccentric_anomaly(M, e):
    """Where a planet is: the solution E of Kepler's equation E − e sin E = M."""
    E = M + e * math.sin(M)
    step = 1.0
    while abs(step) > 1e-10:
        step = (E - e * math.sin(E) - M) / (1 - e * math.cos(E))
        E -= step
    return E


# One number: Kepler's equation, for Mercury and for Halley's comet.
print("E − e sin E = M            E         dE/dM         dE/de    implicit function theorem")
for name, M, e in (("Mercury", 1.0, 0.2056), ("Halley", 0.1, 0.9671)):
    E = eccentric_anomaly(M, e)
    by_M, by_e = ad.grad(eccentric_anomaly, argnums=(0, 1))(M, e)
    wanted = np.array([1.0, math.sin(E)]) / (1 - e * math.cos(E))
    error = np.max(np.abs(np.array([by_M, by_e]) / wanted - 1))
    print(f"{name:8} e = {e:.4f}  {E:10.7f}  {by_M:12.8f}  {by_e:12.8f}    agrees to {error:.0e}")
    assert error < 1e-12


# Several: two coupled nonlinear equations F(x, p) = 0 in x, with three parameters.
def F(x, p):
    return np.array([
        p[0] * x[0] + x[0] * x[1] ** 2 - 1.0,
        np.exp(p[1] * x[1]) - p[2] * x[0],
    ])  # fmt: skip


def solve(p):
    x = np.array([0.5, 0.0])
    while True:
        residual = F(x, p)
        x = x - np.linalg.solve(ad.jacobian(F)(x, p), residual)  # a derivative inside
        if np.linalg.norm(residual) < 1e-9:
            return x


p = np.array([2.0, 0.7, 3.0])
x = solve(p)
through_the_loop = ad.jacobian(solve)(p)
implicit = -np.linalg.solve(ad.jacobian(F, 0)(x, p), ad.jacobian(F, 1)(x, p))
error = np.max(np.abs(through_the_loop - implicit))

# The error of the derivative is that of the last iterate but one: at the solution a Newton step
# forgets where it started, so that only the last step's own derivative counts.
print(f"\nF(x, p) = 0    x = [{x[0]:.6f} {x[1]:.6f}]")
print("dx/dp, through the loop     dx/dp, implicitly")
for row, other in zip(through_the_loop, implicit):
    print(*(f"{d:8.5f}" for d in row), "|", *(f"{d:8.5f}" for d in other))
print(f"largest difference {error:.0e}")
assert np.max(np.abs(F(x, p))) < 1e-14
assert error < 1e-9

# The second derivative is exact too: of x[0] in p, against differences of the first.
hessian = ad.hessian(lambda p: solve(p)[0])(p)
h = 1e-5 * np.eye(3)
differences = [(ad.jacobian(solve)(p + d)[0] - ad.jacobian(solve)(p - d)[0]) / 2e-5 for d in h]
assert np.allclose(hessian, differences, rtol=1e-6, atol=1e-8)
