"""Error propagation: what the uncertainties of measurements do to a result.

To first order the covariance of f(x) is J C Jᵀ, with C that of x and J the Jacobian of f
(*Guide to the Expression of Uncertainty in Measurement*, JCGM 100:2008, section 5).

Run it with ``python examples/uncertainty.py``.
"""

import math

import numpy as np

import adjoint as ad


def pendulum(x):
    """Gravity, and the length that beats seconds, from a pendulum's length, period and swing.

    The period of a swing of amplitude a is 2π √(l/g) / agm(1, cos(a/2)), where agm is the
    arithmetic-geometric mean: a loop that stops when it has converged.
    """
    length, period, amplitude = x
    a, b = 1.0, math.cos(amplitude / 2)
    while abs(a - b) > 1e-12:
        a, b = (a + b) / 2, math.sqrt(a * b)
    gravity = length * (2 * math.pi / (period * a)) ** 2
    return np.array([gravity, gravity / math.pi**2])


# An imagined experiment: metres, seconds, radians (20 degrees).
measured = np.array([0.9940, 2.0152, 0.3491])
uncertainty = np.array([0.0005, 0.0010, 0.0087])
correlation = np.array([[1.0, 0.0, 0.0], [0.0, 1.0, 0.3], [0.0, 0.3, 1.0]])
C = correlation * np.outer(uncertainty, uncertainty)

result = pendulum(measured)
J = ad.jacobian(pendulum)(measured)
covariance = J @ C @ J.T
deviation = np.sqrt(np.diag(covariance))

# For the first row there are formulas: g is proportional to l and to T⁻².
assert np.allclose(J[0, :2], [result[0] / measured[0], -2 * result[0] / measured[1]], rtol=1e-13)

# Where does the uncertainty come from? Each measurement's share, as if it were alone.
shares = np.abs(J[0]) * uncertainty
print(f"gravity              {result[0]:.4f} ± {deviation[0]:.4f} m/s²")
print(f"seconds pendulum     {result[1]:.5f} ± {deviation[1]:.5f} m")
for name, share in zip(("length", "period", "amplitude"), shares):
    print(f"  due to {name:10} {share:.4f} m/s²")

# The second order gives the bias of g: half the trace of its Hessian times C.
H = ad.hessian(lambda x: pendulum(x)[0])(measured)
bias = np.sum(H * C) / 2

# Against 20 000 draws (ordinary NumPy: the function runs on plain arrays as it always did).
rng = np.random.default_rng(0)
draws = np.array([pendulum(x) for x in rng.multivariate_normal(measured, C, size=20_000)])
print(f"Monte Carlo          {draws[:, 0].mean():.4f} ± {draws[:, 0].std():.4f} m/s²")
print(f"bias                 {bias:.1e} m/s² (Monte Carlo {draws[:, 0].mean() - result[0]:.1e})")
assert np.allclose(draws.std(axis=0), deviation, rtol=0.02)
assert abs(draws[:, 0].mean() - result[0] - bias) < 3 * deviation[0] / math.sqrt(len(draws))
