"""An inverse problem: what is a rod made of, if all we have is three thermometers?

The simulation is written as one would write it in NumPy: arrays made once, overwritten in place at
every time step. Its gradient tells how to change the conductivities until the readings match.

Run it with ``python examples/heat_equation.py``.
"""

import numpy as np
from scipy.optimize import minimize

import adjoint as ad

N, STEPS, EVERY = 41, 400, 20
DX = 1.0 / (N - 1)
DT = 0.2 * DX**2  # stable up to a conductivity of 2.5
SENSORS = np.array([8, 20, 32])


def simulate(conductivity):
    """Readings of a rod that is heated at its left end and kept cold at its right."""
    k = np.repeat(conductivity, (N - 1) // len(conductivity))  # one for each face between cells
    u = np.zeros(N)
    u[0] = 1.0
    flux = np.empty(N - 1)
    readings = np.empty((STEPS // EVERY, len(SENSORS)))
    for step in range(STEPS):
        flux[:] = k * (u[1:] - u[:-1]) / DX
        u[1:-1] += DT / DX * (flux[1:] - flux[:-1])  # the ends are held
        if step % EVERY == EVERY - 1:
            readings[step // EVERY] = u[SENSORS]
    return readings


# What an experiment would have given us: the readings of a rod of four materials.
truth = np.array([1.0, 0.4, 1.6, 0.7])
measured = simulate(truth)


def misfit(log_conductivity):
    """The logarithm keeps every conductivity positive."""
    return np.sum((simulate(np.exp(log_conductivity)) - measured) ** 2)


# The gradient costs a few simulations, whatever the number of unknowns.
guess = np.zeros(4)
gradient = ad.grad(misfit)(guess)
forward = ad.jacfwd(misfit)(guess)
assert np.allclose(gradient, forward, rtol=1e-12)
ad.check_grads(misfit, (guess,))

fit = minimize(ad.value_and_grad(misfit), guess, jac=True, method="BFGS", options={"gtol": 1e-10})
found = np.exp(fit.x)

print(f"misfit {misfit(guess):.2e} -> {fit.fun:.1e} in {fit.nfev} simulations with gradient")
print("material        1        2        3        4")
print("true      ", *(f"{k:8.4f}" for k in truth))
print("found     ", *(f"{k:8.4f}" for k in found))
assert np.allclose(found, truth, rtol=1e-4)
