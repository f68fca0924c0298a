"""Factorisations and recursions in JAX: masks stand in for slices whose length a loop changes.

Reverse mode needs static trip counts, so that inner loops run over the whole range.
"""

from __future__ import annotations

import jax.numpy as jnp
from jax.lax import fori_loop


def cholesky(a):
    n = a.shape[0]
    k = jnp.arange(n)

    def row(i, a):
        def column(j, a):
            product = jnp.sum(jnp.where(k < j, a[i] * a[j], 0.0))
            new = (a[i, j] - product) / a[j, j]
            return a.at[i, j].set(jnp.where(j < i, new, a[i, j]))

        a = fori_loop(0, n, column, a)
        return a.at[i, i].set(jnp.sqrt(a[i, i] - jnp.sum(jnp.where(k < i, a[i] ** 2, 0.0))))

    return fori_loop(0, n, row, a)


def durbin(r):
    n = r.shape[0]
    index = jnp.arange(n)
    reverse = r[::-1]

    def step(k, state):
        y, alpha, beta = state
        beta = beta * (1.0 - alpha * alpha)
        # r[k − 1 − i] and y[k − 1 − i] for i < k.
        product = jnp.sum(jnp.where(index < k, jnp.roll(reverse, k) * y, 0.0))
        alpha = -(r[k] + product) / beta
        y = jnp.where(index < k, y + alpha * jnp.roll(y[::-1], k), y)
        return y.at[k].set(alpha), alpha, beta

    y = jnp.zeros_like(r).at[0].set(-r[0])
    return fori_loop(1, n, step, (y, -r[0], 1.0))[0]


def gramschmidt(a):
    n = a.shape[1]

    def column(k, state):
        a, q, r = state
        norm = jnp.sqrt(a[:, k] @ a[:, k])
        r = r.at[k, k].set(norm)
        q = q.at[:, k].set(a[:, k] / norm)

        def remove(j, state):
            a, r = state
            product = q[:, k] @ a[:, j]
            later = j > k
            r = r.at[k, j].set(jnp.where(later, product, r[k, j]))
            a = a.at[:, j].add(jnp.where(later, -q[:, k] * product, 0.0))
            return a, r

        a, r = fori_loop(0, n, remove, (a, r))
        return a, q, r

    return fori_loop(0, n, column, (a, jnp.zeros_like(a), jnp.zeros((n, n))))


def lu(a):
    n = a.shape[0]
    k = jnp.arange(n)

    def row(i, a):
        def column(j, a):
            before = k < jnp.minimum(i, j)
            value = a[i, j] - jnp.sum(jnp.where(before, a[i] * a[:, j], 0.0))
            return a.at[i, j].set(jnp.where(j < i, value / a[j, j], value))

        return fori_loop(0, n, column, a)

    return fori_loop(0, n, row, a)


def trisolv(l, x, b):
    n = b.shape[0]
    k = jnp.arange(n)

    def row(i, x):
        product = jnp.sum(jnp.where(k < i, l[i] * x, 0.0))
        return x.at[i].set((b[i] - product) / l[i, i])

    return fori_loop(0, n, row, x)


PROGRAMS = {f.__name__: f for f in (cholesky, durbin, gramschmidt, lu, trisolv)}
PROGRAMS["cholesky_elements"] = cholesky
