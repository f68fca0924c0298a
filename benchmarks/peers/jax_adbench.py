"""ADBench's problems in JAX: batched products, ``vmap`` over observations, ``scan`` over time."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jax.scipy.special import logsumexp, multigammaln

from benchmarks.peers.task import Flat, NotWritten, Prepared, Run, Task

__all__ = ["derivative", "expert_derivative"]

# ------------------------------------------------------------------------------------------- GMM


def gmm(alphas, means, icf, x, gamma, m):
    n, d = x.shape
    column, row = np.triu_indices(d, 1)
    diagonal = np.arange(d)
    roots = jnp.zeros((len(icf), d, d)).at[:, diagonal, diagonal].set(jnp.exp(icf[:, :d]))
    roots = roots.at[:, row, column].set(icf[:, d:])
    whitened = jnp.einsum("kij,knj->kni", roots, x - means[:, None, :])
    log_densities = (alphas + icf[:, :d].sum(1))[:, None] - 0.5 * jnp.sum(whitened**2, axis=2)
    count = d + m + 1
    constant = count * d * (jnp.log(gamma) - 0.5 * np.log(2)) - multigammaln(count / 2, d)
    squares = jnp.sum(jnp.exp(icf[:, :d]) ** 2) + jnp.sum(icf[:, d:] ** 2)
    prior = 0.5 * gamma**2 * squares - m * jnp.sum(icf[:, :d]) - len(icf) * constant
    likelihood = jnp.sum(logsumexp(log_densities, axis=0)) - n * logsumexp(alphas)
    return -0.5 * n * d * np.log(2 * np.pi) + likelihood + prior


# -------------------------------------------------------------------------------------------- BA


def reprojection_error(camera, point, weight, feature):
    """One observation's error (2,)."""
    rotation, vector = camera[:3], point - camera[3:6]
    squared = rotation @ rotation
    angle = jnp.sqrt(jnp.where(squared > 0, squared, 1.0))
    axis = rotation / angle
    cosine, sine = jnp.cos(angle), jnp.sin(angle)
    turned = cosine * vector + sine * jnp.cross(axis, vector)
    turned = turned + (1 - cosine) * (axis @ vector) * axis
    seen = jnp.where(squared > 0, turned, vector + jnp.cross(rotation, vector))
    plane = seen[:2] / seen[2]
    r = plane @ plane
    projected = plane * (1 + camera[9] * r + camera[10] * r * r) * camera[6] + camera[7:9]
    return weight * (projected - feature)


def ba_jacobian(cameras, points, weights, features, camera_of, point_of):
    """BA's blocks and weights' derivatives: two rows of one observation, mapped over all."""
    per_observation = jax.vmap(jax.jacrev(reprojection_error, (0, 1, 2)))
    parts = per_observation(cameras[camera_of], points[point_of], weights, features)
    block = jnp.concatenate([*parts[:2], parts[2][..., None]], axis=2)
    return block, jax.vmap(jax.grad(lambda w: 1 - w**2))(weights)


# ------------------------------------------------------------------------------------------ HAND


def about(axis, angle):
    c, s = jnp.cos(angle), jnp.sin(angle)
    i, j = (1, 2) if axis == 0 else (0, 1)
    return jnp.eye(4).at[i, i].set(c).at[i, j].set(-s).at[j, i].set(s).at[j, j].set(c)


def rotation_matrix(rotation):
    angle = jnp.sqrt(jnp.sum(rotation**2))
    x, y, z = rotation / angle
    cross = jnp.array([[0, -z, y], [z, 0, -x], [-y, x, 0]])
    turned = jnp.eye(3) + jnp.sin(angle) * cross + (1 - jnp.cos(angle)) * (cross @ cross)
    return jnp.where(angle < 1e-4, jnp.eye(3), turned)


def posed_vertices(theta, parents, base_relatives, inverse_base_absolutes, rest, weights):
    bones = len(parents)
    angles = jnp.zeros((bones, 2))
    for finger in range(5):
        first, number = 2 + 4 * finger, 6 + 4 * finger
        angles = angles.at[first].set(theta[number : number + 2])
        angles = angles.at[first + 1, 0].set(theta[number + 2])
        angles = angles.at[first + 2, 0].set(theta[number + 3])
    turned_z = jax.vmap(lambda angle: about(2, angle))(angles[:, 1])
    turned_x = jax.vmap(lambda angle: about(0, angle))(angles[:, 0])
    relatives = base_relatives @ turned_z @ turned_x
    absolutes = []
    for i, parent in enumerate(parents):
        absolutes.append(relatives[i] if parent < 0 else absolutes[parent] @ relatives[i])
    transforms = jnp.stack(absolutes) @ inverse_base_absolutes
    homogeneous = jnp.hstack([rest, jnp.ones((len(rest), 1))])
    blended = jnp.einsum("vb,bij->vij", weights, transforms[:, :3])
    skinned = jnp.einsum("vij,vj->vi", blended, homogeneous)
    return skinned @ rotation_matrix(theta[:3]).T + theta[3:6]


def hand_simple_jacobian(parents):
    def residual(theta, relatives, inverses, rest, weights, correspondences, points):
        vertices = posed_vertices(theta, parents, relatives, inverses, rest, weights)
        return (points - vertices[correspondences]).ravel()

    return jax.jacfwd(residual)


def hand_complicated_jacobian(parents):
    def residual(both, u, relatives, inverses, rest, weights, triangles, correspondences, points):
        # Rows of u share a shift: the two columns by each point's own u.
        u, theta = u + both[:2], both[2:]
        vertices = posed_vertices(theta, parents, relatives, inverses, rest, weights)
        a, b, c = triangles[correspondences].T
        u0, u1 = u[:, 0:1], u[:, 1:2]
        at = u0 * vertices[a] + u1 * vertices[b] + (1 - u0 - u1) * vertices[c]
        return (points - at).ravel()

    def jacobian(theta, *rest):
        return jax.jacfwd(residual)(jnp.concatenate([jnp.zeros(2), theta]), *rest)

    return jacobian


# ------------------------------------------------------------------------------------------ LSTM


def lstm_with(unroll: int) -> Callable:
    """Return the LSTM with a scan over time, so many steps unrolled."""

    def lstm(main, extra, state, sequence):
        layers, b = len(main) // 2, len(main[0]) // 4
        weights, biases = main[0::2].reshape(layers, 4, b), main[1::2].reshape(layers, 4, b)

        def step(carry, characters):
            hidden, cell = carry
            now, following = characters
            x = now * extra[0]
            new_hidden, new_cell = [], []
            for i in range(layers):
                w, bias, h = weights[i], biases[i], hidden[i]
                forget = jax.nn.sigmoid(x * w[0] + bias[0])
                ingate = jax.nn.sigmoid(h * w[1] + bias[1])
                outgate = jax.nn.sigmoid(x * w[2] + bias[2])
                change = jnp.tanh(h * w[3] + bias[3])
                new_cell.append(cell[i] * forget + ingate * change)
                x = outgate * jnp.tanh(new_cell[i])
                new_hidden.append(x)
            y = x * extra[1] + extra[2]
            log_prediction = y - jnp.log(2 + jnp.sum(jnp.exp(y)))
            carry = jnp.stack(new_hidden), jnp.stack(new_cell)
            return carry, jnp.sum(following * log_prediction)

        start = state[0::2], state[1::2]
        _, terms = lax.scan(step, start, (sequence[:-1], sequence[1:]), unroll=unroll)
        return -jnp.sum(terms) / (b * (len(sequence) - 1))

    return lstm


# ----------------------------------------------------------------------------------------- the runs


def run(function: Callable, args: tuple[Any, ...], static: tuple[int, ...] = ()) -> Run:
    """Return the compiled function's run on the arguments; static ones have been taken already."""
    code = jax.jit(function, static_argnums=static)
    data = tuple(x if k in static else jnp.asarray(x) for k, x in enumerate(args))
    return Run(lambda: jax.block_until_ready(code(*data)), flat)


def flat(found: Any) -> Flat:
    """Return one array or a tuple of them as a list."""
    found = found if isinstance(found, tuple) else (found,)
    return [np.asarray(x, float) for x in found]


def lstm_gradient(unroll: int) -> Callable:
    """Return LSTM's gradient, flat as in ADBench's files."""

    def gradient(*args):
        return tuple(g.ravel() for g in jax.grad(lstm_with(unroll), (0, 1))(*args))

    return gradient


def derivative(task: Task) -> Prepared:
    """Return a problem's derivative as a user writes it."""
    args = task.args
    if task.problem == "gmm":
        return Prepared(None, run(jax.grad(gmm, (0, 1, 2)), args, (5,)))
    if task.problem == "ba":
        return Prepared(None, run(ba_jacobian, args))
    if task.problem == "hand_simple":
        return Prepared(None, run(hand_simple_jacobian(args[1]), (args[0], *args[2:])))
    if task.problem == "hand_complicated":
        return Prepared(None, run(hand_complicated_jacobian(args[2]), (*args[:2], *args[3:])))
    return Prepared(None, run(lstm_gradient(1), args))


def expert_derivative(task: Task) -> Prepared:
    """Return a problem's derivative where another form is known to be faster."""
    if task.problem == "lstm":
        return Prepared(None, run(lstm_gradient(8), task.args))
    raise NotWritten("no rewriting")
