"""Programs of the suite as an expert rewrites them for JAX: scans, maps, library functions."""

from __future__ import annotations

import jax
import jax.numpy as jnp
from jax import lax
from jax.scipy.linalg import solve_triangular

from benchmarks.peers.jax_networks import relu


def azimint_naive(data, radius, npt):
    edges = radius.max() * jnp.arange(npt + 1) / npt
    ring = jnp.searchsorted(edges, radius, side="right") - 1  # npt for the outermost point
    sums = jax.ops.segment_sum(data, ring, npt + 1)[:npt]
    return sums / jax.ops.segment_sum(jnp.ones_like(data), ring, npt + 1)[:npt]


def cholesky(a):
    below = jnp.tril(a, -1)
    root = jnp.linalg.cholesky(below + jnp.diag(jnp.diag(a)) + below.T)
    return root + jnp.triu(a, 1)


def convolution(x, weights):
    numbers = ("NHWC", "HWIO", "NHWC")
    return lax.conv_general_dilated(x, weights, (1, 1), "VALID", dimension_numbers=numbers)


def conv2d_bias(x, weights, bias):
    return convolution(x, weights) + bias


def correlation(float_n, data):
    m = data.shape[1]
    deviation = jnp.std(data, axis=0)
    deviation = jnp.where(deviation <= 0.1, 1.0, deviation)
    data = (data - jnp.mean(data, axis=0)) / (jnp.sqrt(float_n) * deviation)
    above = jnp.triu(data.T @ data, 1)
    return above + above.T + jnp.eye(m), data


def deriche(alpha, image):
    decay = jnp.exp(-alpha)
    k = (1.0 - decay) ** 2 / (1.0 + 2.0 * alpha * decay - decay**2)
    a1, a2, a3, a4 = k, k * decay * (alpha - 1.0), k * decay * (alpha + 1.0), -k * decay**2
    b1, b2 = 2.0**-alpha, -(decay**2)

    def smooth(x):
        """Filter along the first axis."""

        def recur(state, source):
            one, two = state
            new = source + b1 * one + b2 * two
            return (new, one), new

        zero = jnp.zeros_like(x[:1])
        later, latest = jnp.concatenate([x[1:], zero]), jnp.concatenate([x[2:], zero, zero])
        start = (zero[0], zero[0])
        causal = a1 * x + a2 * jnp.concatenate([zero, x[:-1]])
        _, causal = lax.scan(recur, start, causal)
        _, anticausal = lax.scan(recur, start, a3 * later + a4 * latest, reverse=True)
        return causal + anticausal

    return smooth(smooth(image.T).T)


def doitgen(a, c4):
    return a @ c4


def gramschmidt(a):
    n = a.shape[1]
    index = jnp.arange(n)

    def column(a, k):
        norm = jnp.sqrt(a[:, k] @ a[:, k])
        q = a[:, k] / norm
        products = jnp.where(index > k, q @ a, 0.0)
        return a - jnp.outer(q, products), (q, products.at[k].set(norm))

    a, (q, r) = lax.scan(column, a, index)
    return a, q.T, r


def go_fast(a):
    return a + jnp.sum(jnp.tanh(jnp.diagonal(a)))


def max_pool(x):
    return lax.reduce_window(x, -jnp.inf, lax.max, (1, 2, 2, 1), (1, 2, 2, 1), "VALID")


def lenet(x, conv1, bias1, conv2, bias2, w1, b1, w2, b2, w3, b3):
    x = max_pool(relu(convolution(x, conv1) + bias1))
    x = max_pool(relu(convolution(x, conv2) + bias2))
    x = x.reshape(x.shape[0], -1)
    return relu(relu(x @ w1 + b1) @ w2 + b2) @ w3 + b3


def lu(a):
    index = jnp.arange(a.shape[0])

    def eliminate(a, k):
        below = index > k
        column = jnp.where(below, a[:, k] / a[k, k], 0.0)
        a = a - jnp.outer(column, jnp.where(below, a[k], 0.0))
        return a.at[:, k].set(jnp.where(below, column, a[:, k])), None

    return lax.scan(eliminate, a, index)[0]


def seidel_2d(tsteps, a):
    def row(above, rows):
        """Return a row's new values; ``above`` is new, ``old`` and ``below`` are not."""
        old, below = rows
        known = above[:-2] + above[1:-1] + above[2:] + old[1:-1] + old[2:]
        known = (known + below[:-2] + below[1:-1] + below[2:]) / 9.0
        # y[j] = known[j] + y[j − 1] / 9, with y[−1] the boundary.
        factors = jnp.full_like(known, 1.0 / 9.0)

        def join(first, second):
            return first[0] * second[0], first[1] * second[0] + second[1]

        known = known.at[0].add(old[0] / 9.0)
        _, inside = lax.associative_scan(join, (factors, known))
        new = jnp.concatenate([old[:1], inside, old[-1:]])
        return new, new

    def sweep(a, _):
        _, inside = lax.scan(row, a[0], (a[1:-1], a[2:]))
        return jnp.concatenate([a[:1], inside, a[-1:]]), None

    return lax.scan(sweep, a, None, length=tsteps - 1)[0]


def spmv(row, col, val, x):
    rows = row.size - 1
    row_of = jnp.repeat(
        jnp.arange(rows), jnp.diff(row.astype(jnp.int64)), total_repeat_length=val.size
    )
    return jax.ops.segment_sum(val * x[col], row_of, rows, indices_are_sorted=True)


def symm(alpha, beta, c, a, b):
    below = jnp.tril(a, -1)
    return beta * c + alpha * ((below + jnp.diag(jnp.diag(a)) + below.T) @ b)


def syrk(alpha, beta, c, a):
    return jnp.tril(beta * c + alpha * (a @ a.T)) + jnp.triu(c, 1)


def trisolv(l, x, b):
    return solve_triangular(l, b, lower=True)


def trmm(alpha, a, b):
    return alpha * (b + jnp.tril(a, -1).T @ b)


def vadv(utens_stage, u_stage, wcon, u_pos, utens, dtr_stage):
    first = lambda f: jnp.moveaxis(f, 2, 0)
    u, w, pos, tendency = map(first, (u_stage, wcon, u_pos, utens + utens_stage))
    wind = 0.125 * (w[:, 1:] + w[:, :-1])
    zero = jnp.zeros_like(u[:1])
    below = -jnp.concatenate([zero, wind[1:]])
    above = jnp.concatenate([wind[1:], zero])
    drop = jnp.concatenate([zero, u[:-1] - u[1:]])
    rise = jnp.concatenate([u[1:] - u[:-1], zero])
    rhs = dtr_stage * pos + tendency - below * drop - above * rise
    diagonal = dtr_stage - below - above

    def eliminate(state, level):
        upper, right = state
        below, above, diagonal, rhs = level
        pivot = diagonal - below * upper
        new = above / pivot, (rhs - below * right) / pivot
        return new, new

    def substitute(x, level):
        upper, right = level
        x = right - upper * x
        return x, x

    _, levels = lax.scan(eliminate, (zero[0], zero[0]), (below, above, diagonal, rhs))
    _, x = lax.scan(substitute, zero[0], levels, reverse=True)
    return jnp.moveaxis(dtr_stage * (x - pos), 0, 2)


PROGRAMS = {
    f.__name__: f
    for f in (
        azimint_naive, cholesky, conv2d_bias, correlation, deriche, doitgen, gramschmidt, go_fast,
        lenet, lu, seidel_2d, spmv, symm, syrk, trisolv, trmm, vadv,
    )
}  # fmt: skip
PROGRAMS |= {"cholesky_elements": cholesky, "seidel_2d_elements": seidel_2d}
