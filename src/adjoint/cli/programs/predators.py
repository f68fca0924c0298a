"""Prey and predators, with a hunter who keeps the prey below a limit.

adjoint tour differentiates it. A loop that writes its state in place and branches on it: what
tracing systems stumble over, and what simulations look like.
"""

import numpy as np


def populations(theta, years=40.0, steps=800):
    """Prey and predators over time, shape (steps + 1, 2).

    theta: growth of the prey, how often prey is caught, death of the predators, and how well a
    catch feeds them.
    """
    growth, catch, death, feeding = theta
    dt = years / steps
    u = np.zeros((steps + 1, 2))
    u[0] = 12.0, 4.0
    for t in range(steps):
        u[t + 1] = u[t]
        u[t + 1, 0] += dt * (growth - catch * u[t, 1]) * u[t, 0]
        if u[t + 1, 0] > 20.0:
            u[t + 1, 0] -= 2.0 * dt * (u[t + 1, 0] - 20.0)  # hunted
        u[t + 1, 1] += dt * (feeding * u[t + 1, 0] - death) * u[t, 1]
    return u


def mean_predators(theta, years=40.0, steps=800):
    """The average number of predators."""
    return np.mean(populations(theta, years, steps)[:, 1])
