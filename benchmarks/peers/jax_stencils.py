"""Stencils and solvers along lines in JAX: loops as ``fori_loop``, stores as ``.at[].set``."""

from __future__ import annotations

import jax.numpy as jnp
from jax.lax import fori_loop


def adi(tsteps, n, u):
    lam = 2.0 * n**2 / tsteps
    kap = 1.0 * n**2 / tsteps
    a, b, d, e = -lam / 2.0, 1.0 + lam, -kap / 2.0, 1.0 + kap
    inner = slice(1, -1)

    def step(_, state):
        u, v, p, q = state

        def eliminate_columns(j, state):
            p, q = state
            pivot = a * p[inner, j - 1] + b
            right = -d * u[j, :-2] + (1.0 + 2.0 * d) * u[j, inner] - d * u[j, 2:]
            q = q.at[inner, j].set((right - a * q[inner, j - 1]) / pivot)
            return p.at[inner, j].set(-a / pivot), q

        def eliminate_rows(j, state):
            p, q = state
            pivot = d * p[inner, j - 1] + e
            right = -a * v[:-2, j] + (1.0 + 2.0 * a) * v[inner, j] - a * v[2:, j]
            q = q.at[inner, j].set((right - d * q[inner, j - 1]) / pivot)
            return p.at[inner, j].set(-d / pivot), q

        def back_columns(k, v):
            j = n - 2 - k
            return v.at[j, inner].set(p[inner, j] * v[j + 1, inner] + q[inner, j])

        def back_rows(k, u):
            j = n - 2 - k
            return u.at[inner, j].set(p[inner, j] * u[inner, j + 1] + q[inner, j])

        v = v.at[0, inner].set(1.0)
        p, q = p.at[inner, 0].set(0.0), q.at[inner, 0].set(v[0, inner])
        p, q = fori_loop(1, n - 1, eliminate_columns, (p, q))
        v = fori_loop(0, n - 2, back_columns, v.at[-1, inner].set(1.0))
        u = u.at[inner, 0].set(1.0)
        p, q = p.at[inner, 0].set(0.0), q.at[inner, 0].set(u[inner, 0])
        p, q = fori_loop(1, n - 1, eliminate_rows, (p, q))
        u = fori_loop(0, n - 2, back_rows, u.at[inner, -1].set(1.0))
        return u, v, p, q

    zero = jnp.zeros_like(u)
    return fori_loop(0, tsteps, step, (u, zero, zero, zero))[0]


def cavity_flow(nt, nit, u, v, dt, dx, dy, p, rho, nu):
    def x_slope(f):
        return (f[1:-1, 2:] - f[1:-1, :-2]) / (2.0 * dx)

    def y_slope(f):
        return (f[2:, 1:-1] - f[:-2, 1:-1]) / (2.0 * dy)

    def pressure_step(source):
        weight = 2.0 * (dx**2 + dy**2)

        def relax(_, p):
            inside = (
                (p[1:-1, 2:] + p[1:-1, :-2]) * dy**2 + (p[2:, 1:-1] + p[:-2, 1:-1]) * dx**2
            ) / weight - dx**2 * dy**2 / weight * source
            p = p.at[1:-1, 1:-1].set(inside)
            p = p.at[:, -1].set(p[:, -2])
            p = p.at[0, :].set(p[1, :])
            p = p.at[:, 0].set(p[:, 1])
            return p.at[-1, :].set(0.0)

        return relax

    def transported(f, u, v):
        centre = f[1:-1, 1:-1]
        advection = u[1:-1, 1:-1] / dx * (centre - f[1:-1, :-2]) + v[1:-1, 1:-1] / dy * (
            centre - f[:-2, 1:-1]
        )
        diffusion = (f[1:-1, 2:] - 2.0 * centre + f[1:-1, :-2]) / dx**2 + (
            f[2:, 1:-1] - 2.0 * centre + f[:-2, 1:-1]
        ) / dy**2
        return centre - dt * advection + nu * dt * diffusion

    def walls(f, lid):
        return f.at[0, :].set(0.0).at[:, 0].set(0.0).at[:, -1].set(0.0).at[-1, :].set(lid)

    def step(_, state):
        u, v, p = state
        u_x, u_y, v_x, v_y = x_slope(u), y_slope(u), x_slope(v), y_slope(v)
        source = rho * ((u_x + v_y) / dt - u_x**2 - 2.0 * u_y * v_x - v_y**2)
        p = fori_loop(0, nit, pressure_step(source), p)
        new_u = transported(u, u, v) - dt / rho * x_slope(p)
        new_v = transported(v, u, v) - dt / rho * y_slope(p)
        new_v = v.at[1:-1, 1:-1].set(new_v)
        return walls(u.at[1:-1, 1:-1].set(new_u), 1.0), walls(new_v, 0.0), p

    return fori_loop(0, nt, step, (u, v, p))


def deriche(alpha, image):
    decay = jnp.exp(-alpha)
    k = (1.0 - decay) ** 2 / (1.0 + 2.0 * alpha * decay - decay**2)
    a1, a2, a3, a4 = k, k * decay * (alpha - 1.0), k * decay * (alpha + 1.0), -k * decay**2
    b1, b2 = 2.0**-alpha, -(decay**2)

    def smooth_rows(x):
        n = x.shape[1]

        def forward(j, y):
            new = a1 * x[:, j] + a2 * x[:, j - 1] + b1 * y[:, j - 1] + b2 * y[:, j - 2]
            return y.at[:, j].set(new)

        def backward(m, y):
            j = n - 3 - m
            new = a3 * x[:, j + 1] + a4 * x[:, j + 2] + b1 * y[:, j + 1] + b2 * y[:, j + 2]
            return y.at[:, j].set(new)

        causal = jnp.zeros_like(x).at[:, 0].set(a1 * x[:, 0])
        causal = causal.at[:, 1].set(a1 * x[:, 1] + a2 * x[:, 0] + b1 * causal[:, 0])
        causal = fori_loop(2, n, forward, causal)
        anticausal = jnp.zeros_like(x).at[:, -2].set(a3 * x[:, -1])
        return causal + fori_loop(0, n - 2, backward, anticausal)

    return smooth_rows(smooth_rows(image).T).T


def hdiff(field, out, coeff):
    laplacian = 4.0 * field[1:-1, 1:-1] - (
        field[2:, 1:-1] + field[:-2, 1:-1] + field[1:-1, 2:] + field[1:-1, :-2]
    )
    step = laplacian[1:, 1:-1] - laplacian[:-1, 1:-1]
    flux_x = jnp.where(step * (field[2:-1, 2:-2] - field[1:-2, 2:-2]) > 0.0, 0.0, step)
    step = laplacian[1:-1, 1:] - laplacian[1:-1, :-1]
    flux_y = jnp.where(step * (field[2:-2, 2:-1] - field[2:-2, 1:-2]) > 0.0, 0.0, step)
    divergence = flux_x[1:] - flux_x[:-1] + flux_y[:, 1:] - flux_y[:, :-1]
    return field[2:-2, 2:-2] - coeff * divergence


def heat_3d(tsteps, a, b):
    def stepped(u):
        centre = u[1:-1, 1:-1, 1:-1]
        return (
            0.125 * (u[2:, 1:-1, 1:-1] - 2.0 * centre + u[:-2, 1:-1, 1:-1])
            + 0.125 * (u[1:-1, 2:, 1:-1] - 2.0 * centre + u[1:-1, :-2, 1:-1])
            + 0.125 * (u[1:-1, 1:-1, 2:] - 2.0 * centre + u[1:-1, 1:-1, :-2])
            + centre
        )

    def sweep(_, state):
        a, b = state
        b = b.at[1:-1, 1:-1, 1:-1].set(stepped(a))
        return a.at[1:-1, 1:-1, 1:-1].set(stepped(b)), b

    return fori_loop(1, tsteps, sweep, (a, b))


def jacobi_1d(tsteps, a, b):
    def sweep(_, state):
        a, b = state
        b = b.at[1:-1].set(0.33333 * (a[:-2] + a[1:-1] + a[2:]))
        return a.at[1:-1].set(0.33333 * (b[:-2] + b[1:-1] + b[2:])), b

    return fori_loop(1, tsteps, sweep, (a, b))


def jacobi_2d(tsteps, a, b):
    def average(u):
        return 0.2 * (u[1:-1, 1:-1] + u[1:-1, :-2] + u[1:-1, 2:] + u[2:, 1:-1] + u[:-2, 1:-1])

    def sweep(_, state):
        a, b = state
        b = b.at[1:-1, 1:-1].set(average(a))
        return a.at[1:-1, 1:-1].set(average(b)), b

    return fori_loop(1, tsteps, sweep, (a, b))


def seidel_2d(tsteps, a):
    n = a.shape[0]

    def row(i, a):
        above = a[i - 1, :-2] + a[i - 1, 1:-1] + a[i - 1, 2:]
        below = a[i + 1, :-2] + a[i + 1, 1:-1] + a[i + 1, 2:]
        known = above + a[i, 1:-1] + a[i, 2:] + below

        def element(j, a):
            return a.at[i, j].set((known[j - 1] + a[i, j - 1]) / 9.0)

        return fori_loop(1, n - 1, element, a)

    return fori_loop(0, tsteps - 1, lambda _, a: fori_loop(1, n - 1, row, a), a)


def seidel_2d_elements(tsteps, a):
    n = a.shape[0]

    def row(i, a):
        def element(j, a):
            total = 0.0
            for di in (-1, 0, 1):
                total += a[i + di, j - 1] + a[i + di, j] + a[i + di, j + 1]
            return a.at[i, j].set(total / 9.0)

        return fori_loop(1, n - 1, element, a)

    return fori_loop(0, tsteps - 1, lambda _, a: fori_loop(1, n - 1, row, a), a)


def vadv(utens_stage, u_stage, wcon, u_pos, utens, dtr_stage):
    levels = u_stage.shape[2]

    def wind(k):
        return 0.125 * (wcon[1:, :, k] + wcon[:-1, :, k])

    def source(k):
        return dtr_stage * u_pos[:, :, k] + utens[:, :, k] + utens_stage[:, :, k]

    def eliminate(k, state):
        upper, right = state
        below, above = -wind(k), wind(k + 1)
        rhs = source(k) - below * (u_stage[:, :, k - 1] - u_stage[:, :, k])
        rhs = rhs - above * (u_stage[:, :, k + 1] - u_stage[:, :, k])
        diagonal = dtr_stage - below - above - below * upper[:, :, k - 1]
        rhs = rhs - below * right[:, :, k - 1]
        return upper.at[:, :, k].set(above / diagonal), right.at[:, :, k].set(rhs / diagonal)

    def substitute(m, state):
        x, result = state
        k = levels - 2 - m
        x = right[:, :, k] - upper[:, :, k] * x
        return x, result.at[:, :, k].set(dtr_stage * (x - u_pos[:, :, k]))

    zero = jnp.zeros_like(u_stage)
    above = wind(1)
    diagonal = dtr_stage - above
    upper = zero.at[:, :, 0].set(above / diagonal)
    rhs = source(0) - above * (u_stage[:, :, 1] - u_stage[:, :, 0])
    right = zero.at[:, :, 0].set(rhs / diagonal)
    upper, right = fori_loop(1, levels - 1, eliminate, (upper, right))
    last = levels - 1
    below = -wind(last)
    rhs = source(last) - below * (u_stage[:, :, last - 1] - u_stage[:, :, last])
    rhs = rhs - below * right[:, :, last - 1]
    x = rhs / (dtr_stage - below - below * upper[:, :, last - 1])
    result = utens_stage.at[:, :, last].set(dtr_stage * (x - u_pos[:, :, last]))
    return fori_loop(0, levels - 1, substitute, (x, result))[1]


PROGRAMS = {
    f.__name__: f
    for f in (
        adi, cavity_flow, deriche, hdiff, heat_3d, jacobi_1d, jacobi_2d, seidel_2d,
        seidel_2d_elements, vadv,
    )
}  # fmt: skip
