"""Fit a differential equation to data: lynx and hares of Hudson Bay, 1900-1920.

The equations are Lotka's and Volterra's; the solver is a Runge-Kutta loop in plain NumPy that fills
an array of states. Derivatives of the solution in the parameters (its *sensitivities*) come from
differentiating that loop. The data are the Hudson's Bay Company's pelts, in thousands, as tabulated
by J. M. Mahaffy (San Diego State University) and used in Stan's case study of this model
(B. Carpenter, *Predator-Prey Population Dynamics*, 2018).

Run it with ``python examples/ode_fit.py``.
"""

import numpy as np
from scipy.optimize import least_squares

import adjoint as ad

hares = np.array([
    30.0, 47.2, 70.2, 77.4, 36.3, 20.6, 18.1, 21.4, 22.0, 25.4, 27.1,
    40.3, 57.0, 76.6, 52.3, 19.5, 11.2, 7.6, 14.6, 16.2, 24.7,
])  # fmt: skip
lynx = np.array([
    4.0, 6.1, 9.8, 35.2, 59.4, 41.7, 19.0, 13.0, 8.3, 9.1, 7.4,
    8.0, 12.3, 19.5, 45.7, 51.1, 29.7, 15.8, 9.7, 10.1, 8.6,
])  # fmt: skip
observed = np.log(np.stack([hares, lynx], axis=1))


def rate(state, alpha, beta, gamma, delta):
    u, v = state
    return np.array([(alpha - beta * v) * u, (-gamma + delta * u) * v])


def solve(log_params, years=21, steps=4):
    """The populations at the end of each year, by the classical Runge-Kutta method."""
    params = np.exp(log_params)  # all of them are positive
    rates = params[:4]
    h = 1.0 / steps
    states = np.empty((years, 2))
    states[0] = params[4:]
    for year in range(1, years):
        x = states[year - 1]
        for _ in range(steps):
            k1 = rate(x, *rates)
            k2 = rate(x + h / 2 * k1, *rates)
            k3 = rate(x + h / 2 * k2, *rates)
            k4 = rate(x + h * k3, *rates)
            x = x + h / 6 * (k1 + 2 * k2 + 2 * k3 + k4)
        states[year] = x
    return states


def residuals(log_params):
    """Populations are counted with relative errors, so their logarithms are compared."""
    return (np.log(solve(log_params)) - observed).ravel()


start = np.log([0.5, 0.025, 0.75, 0.025, 30.0, 4.0])
fit = least_squares(residuals, start, jac=ad.jacobian(residuals), xtol=1e-12, ftol=1e-12)
estimate = np.exp(fit.x)

# How sure are we? From the sensitivities at the solution, as in linear regression.
J = ad.jacobian(residuals)(fit.x)
s = np.sqrt(2 * fit.cost / (observed.size - len(fit.x)))
errors = estimate * s * np.sqrt(np.diag(np.linalg.inv(J.T @ J)))

# The Bayesian fit of the same model in Stan's case study (its priors are weak): posterior means.
stan = np.array([0.55, 0.028, 0.80, 0.024, 34.0, 5.9])
names = (
    "hares, births",
    "hares, eaten",
    "lynx, deaths",
    "lynx, births",
    "hares, 1900",
    "lynx, 1900",
)
print(f"{fit.nfev} evaluations; deviation of the logarithms {s:.2f}")
print("                 estimate   ± error    Stan's")
for name, found, error, mean in zip(names, estimate, errors, stan):
    print(f"{name:14} {found:10.4f} {error:10.4f} {mean:9.3f}")
    assert abs(found - mean) < 2 * error, name

# The loop's derivative by the other mode, and against differences.
assert fit.success
assert np.allclose(J, ad.jacrev(residuals)(fit.x), rtol=1e-9, atol=1e-11)
h = 1e-6
difference = (residuals(fit.x + h * np.eye(6)[0]) - residuals(fit.x - h * np.eye(6)[0])) / (2 * h)
assert np.allclose(J[:, 0], difference, rtol=1e-6, atol=1e-7)
