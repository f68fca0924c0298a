"""Lid-driven cavity: incompressible Navier–Stokes by pressure projection, finite differences.

    ∂u/∂t + (u·∇) u = −∇p/ρ + ν ∇²u,   ∇²p = ρ (∇·u/Δt − u_x² − 2 u_y v_x − v_y²)

Explicit in time, backward differences for advection; `nit` Jacobi sweeps of the pressure a step;
u = 1 on the lid, no slip elsewhere; ∂p/∂n = 0 on the walls, p = 0 on the lid. In place.

Source: L. Barba and G. Forsyth, CFD Python (12 steps to Navier–Stokes), step 11; NPBench,
cavity_flow.
"""

from __future__ import annotations

import numpy as np

from benchmarks.programs.registry import Program


def pressure_source(rho, dt, u, v, dx, dy):
    """Return the right-hand side of the pressure equation inside the domain."""
    u_x = (u[1:-1, 2:] - u[1:-1, :-2]) / (2.0 * dx)
    u_y = (u[2:, 1:-1] - u[:-2, 1:-1]) / (2.0 * dy)
    v_x = (v[1:-1, 2:] - v[1:-1, :-2]) / (2.0 * dx)
    v_y = (v[2:, 1:-1] - v[:-2, 1:-1]) / (2.0 * dy)
    return rho * ((u_x + v_y) / dt - u_x**2 - 2.0 * u_y * v_x - v_y**2)


def relax_pressure(nit, p, source, dx, dy):
    """Relax the pressure equation in place."""
    weight = 2.0 * (dx**2 + dy**2)
    for _ in range(nit):
        old = p.copy()
        p[1:-1, 1:-1] = (
            (old[1:-1, 2:] + old[1:-1, :-2]) * dy**2 + (old[2:, 1:-1] + old[:-2, 1:-1]) * dx**2
        ) / weight - dx**2 * dy**2 / weight * source
        p[:, -1] = p[:, -2]
        p[0, :] = p[1, :]
        p[:, 0] = p[:, 1]
        p[-1, :] = 0.0


def transported(f, u, v, dt, dx, dy, nu):
    """Return ``f`` inside the domain after advection and diffusion over one step."""
    centre = f[1:-1, 1:-1]
    advection = u[1:-1, 1:-1] / dx * (centre - f[1:-1, :-2]) + v[1:-1, 1:-1] / dy * (
        centre - f[:-2, 1:-1]
    )
    diffusion = (f[1:-1, 2:] - 2.0 * centre + f[1:-1, :-2]) / dx**2 + (
        f[2:, 1:-1] - 2.0 * centre + f[:-2, 1:-1]
    ) / dy**2
    return centre - dt * advection + nu * dt * diffusion


def cavity_flow(nt, nit, u, v, dt, dx, dy, p, rho, nu):
    for _ in range(nt):
        un = u.copy()
        vn = v.copy()
        relax_pressure(nit, p, pressure_source(rho, dt, un, vn, dx, dy), dx, dy)
        p_x = (p[1:-1, 2:] - p[1:-1, :-2]) / (2.0 * dx)
        p_y = (p[2:, 1:-1] - p[:-2, 1:-1]) / (2.0 * dy)
        u[1:-1, 1:-1] = transported(un, un, vn, dt, dx, dy, nu) - dt / rho * p_x
        v[1:-1, 1:-1] = transported(vn, un, vn, dt, dx, dy, nu) - dt / rho * p_y
        u[0, :] = 0.0
        u[:, 0] = 0.0
        u[:, -1] = 0.0
        u[-1, :] = 1.0
        v[0, :] = 0.0
        v[-1, :] = 0.0
        v[:, 0] = 0.0
        v[:, -1] = 0.0
    return u, v, p


SIZES = {"tiny": (6, 5, 3, 2), "S": (61, 61, 25, 5), "M": (121, 121, 50, 10)}  # ny, nx, nt, nit


def inputs(size, seed=0):
    ny, nx, nt, nit = SIZES[size]
    rng = np.random.default_rng(seed)
    u, v, p = (0.1 * rng.standard_normal((ny, nx)) for _ in range(3))
    dx, dy = 2.0 / (nx - 1), 2.0 / (ny - 1)
    return nt, nit, u, v, 0.1 / ((nx - 1) * (ny - 1)), dx, dy, p, 1.0, 0.1


PROGRAM = Program("cavity_flow", cavity_flow, inputs, (2, 3, 4, 5, 6, 7, 8, 9), SIZES, "NPBench")
