"""Products of matrices and vectors in JAX, by its own functions or by loops as they are."""

from __future__ import annotations

import jax.numpy as jnp
from jax.lax import fori_loop


def atax(a, x):
    return (a @ x) @ a


def azimint_naive(data, radius, npt):
    r_max = radius.max()

    def ring(i, result):
        inside = (r_max * i / npt <= radius) & (radius < r_max * (i + 1) / npt)
        return result.at[i].set(jnp.mean(data, where=inside))

    return fori_loop(0, npt, ring, jnp.zeros(npt))


def correlation(float_n, data):
    m = data.shape[1]
    mean = jnp.mean(data, axis=0)
    deviation = jnp.std(data, axis=0)
    deviation = jnp.where(deviation <= 0.1, 1.0, deviation)
    data = (data - mean) / (jnp.sqrt(float_n) * deviation)
    index = jnp.arange(m)

    def row(i, corr):
        products = data[:, i] @ data
        corr = corr.at[i].set(jnp.where(index > i, products, corr[i]))
        return corr.at[:, i].set(jnp.where(index > i, products, corr[:, i]))

    return fori_loop(0, m - 1, row, jnp.eye(m)), data


def doitgen(a, c4):
    return fori_loop(0, a.shape[0], lambda r, a: a.at[r].set(a[r] @ c4), a)


def gemm(alpha, beta, c, a, b):
    return alpha * (a @ b) + beta * c


def gemver(alpha, beta, a, u1, v1, u2, v2, w, x, y, z):
    a = a + jnp.outer(u1, v1) + jnp.outer(u2, v2)
    x = x + beta * y @ a + z
    return a, x, w + alpha * a @ x


def go_fast(a):
    trace = fori_loop(0, a.shape[0], lambda i, trace: trace + jnp.tanh(a[i, i]), 0.0)
    return a + trace


def k3mm(a, b, c, d):
    return (a @ b) @ (c @ d)


def spmv(row, col, val, x):
    rows, entries = row.size - 1, jnp.arange(val.size)

    def one(i, y):
        inside = (row[i] <= entries) & (entries < row[i + 1])
        return y.at[i].set(jnp.sum(jnp.where(inside, val * x[col], 0.0)))

    return fori_loop(0, rows, one, jnp.zeros(rows))


def symm(alpha, beta, c, a, b):
    m, n = c.shape
    k = jnp.arange(m)

    def row(i, c):
        before = k < i

        def column(j, c):
            c = c.at[:, j].add(jnp.where(before, alpha * b[i, j] * a[i], 0.0))
            product = jnp.sum(jnp.where(before, b[:, j] * a[i], 0.0))
            return c.at[i, j].add(alpha * (b[i, j] * a[i, i] + product))

        return fori_loop(0, n, column, c)

    return fori_loop(0, m, row, c * beta)


def syrk(alpha, beta, c, a):
    n, m = a.shape
    index = jnp.arange(n)

    def row(i, c):
        lower = index <= i
        c = c.at[i].multiply(jnp.where(lower, beta, 1.0))

        def add(k, c):
            return c.at[i].add(jnp.where(lower, alpha * a[i, k] * a[:, k], 0.0))

        return fori_loop(0, m, add, c)

    return fori_loop(0, n, row, c)


def trmm(alpha, a, b):
    m, n = b.shape
    k = jnp.arange(m)

    def row(i, b):
        def column(j, b):
            return b.at[i, j].add(jnp.sum(jnp.where(k > i, a[:, i] * b[:, j], 0.0)))

        return fori_loop(0, n, column, b)

    return alpha * fori_loop(0, m, row, b)


PROGRAMS = {
    f.__name__: f
    for f in (
        atax, azimint_naive, correlation, doitgen, gemm, gemver, go_fast, k3mm, spmv, symm, syrk,
        trmm,
    )
}  # fmt: skip
