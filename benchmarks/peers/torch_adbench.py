"""ADBench's problems in PyTorch, eager: gradients, ``jacfwd``, and two sweeps for BA's blocks."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch

from benchmarks.peers.task import Flat, Prepared, Run, Task
from benchmarks.peers.torch_peer import tensor

__all__ = ["derivative"]


def gmm(alphas, means, icf, x, gamma, m):
    n, d = x.shape
    column, row = torch.triu_indices(d, d, 1)
    below = torch.zeros(len(icf), d, d)
    below[:, row, column] = icf[:, d:]
    roots = below + torch.diag_embed(torch.exp(icf[:, :d]))
    whitened = (x - means[:, None, :]) @ roots.transpose(1, 2)
    log_densities = (alphas + icf[:, :d].sum(1))[:, None] - 0.5 * (whitened**2).sum(2)
    count = d + m + 1
    constant = count * d * (torch.log(gamma) - 0.5 * np.log(2))
    constant = constant - torch.mvlgamma(torch.tensor(count / 2), d)
    squares = (torch.exp(icf[:, :d]) ** 2).sum() + (icf[:, d:] ** 2).sum()
    prior = 0.5 * gamma**2 * squares - m * icf[:, :d].sum() - len(icf) * constant
    likelihood = torch.logsumexp(log_densities, 0).sum() - n * torch.logsumexp(alphas, 0)
    return -0.5 * n * d * np.log(2 * np.pi) + likelihood + prior


def reprojection_errors(cameras, points, weights, features):
    """The errors of p observations, two of (p,); cameras are (11, p), points (3, p).

    Rows over observations: four times as fast as columns of three.
    """
    r0, r1, r2, c0, c1, c2, focal, p0, p1, k0, k1 = cameras.unbind()
    x, y, z = points[0] - c0, points[1] - c1, points[2] - c2
    squared = r0 * r0 + r1 * r1 + r2 * r2
    angle = torch.sqrt(torch.where(squared > 0, squared, 1.0))
    a, b, c = r0 / angle, r1 / angle, r2 / angle
    cosine, sine = torch.cos(angle), torch.sin(angle)
    along = (1 - cosine) * (a * x + b * y + c * z)
    turned = squared > 0
    sx = torch.where(turned, cosine * x + sine * (b * z - c * y) + along * a, x + r1 * z - r2 * y)
    sy = torch.where(turned, cosine * y + sine * (c * x - a * z) + along * b, y + r2 * x - r0 * z)
    sz = torch.where(turned, cosine * z + sine * (a * y - b * x) + along * c, z + r0 * y - r1 * x)
    u, v = sx / sz, sy / sz
    r = u * u + v * v
    distortion = (1 + k0 * r + k1 * r * r) * focal
    return (
        weights * (u * distortion + p0 - features[0]),
        weights * (v * distortion + p1 - features[1]),
    )


def ba_jacobian(cameras, points, weights, features, camera_of, point_of):
    """BA's rows by camera, point and weight, two sweeps, and the weights' derivatives."""
    own: Any = [
        x.requires_grad_()
        for x in (
            cameras.T[:, camera_of].contiguous(),
            points.T[:, point_of].contiguous(),
            weights.detach().clone(),
        )
    ]
    errors = reprojection_errors(own[0], own[1], own[2], features.T)
    rows = [
        torch.autograd.grad(error.sum(), own, retain_graph=k == 0) for k, error in enumerate(errors)
    ]
    return rows, torch.autograd.grad((1 - own[2] ** 2).sum(), own[2])[0]


def blocks(found: Any) -> Flat:
    """Return BA's rows as blocks (p, 2, 15)."""
    rows, weight_derivative = found
    joined = [torch.cat([camera, point, weight[None]]).T for camera, point, weight in rows]
    return [torch.stack(joined, 1).numpy(), weight_derivative.numpy()]


def about(axis, angles):
    """Rotations (bones, 4, 4) about an axis."""
    c, s, zero, one = (
        torch.cos(angles), torch.sin(angles), torch.zeros_like(angles), torch.ones_like(angles),
    )  # fmt: skip
    if axis == 0:
        rows = [one, zero, zero, zero, zero, c, -s, zero, zero, s, c, zero, zero, zero, zero, one]
    else:
        rows = [c, -s, zero, zero, s, c, zero, zero, zero, zero, one, zero, zero, zero, zero, one]
    return torch.stack(rows, -1).reshape(-1, 4, 4)


def rotation_matrix(rotation):
    angle = torch.sqrt((rotation**2).sum())
    x, y, z = (rotation / angle).unbind()
    zero = torch.zeros_like(x)
    cross = torch.stack([zero, -z, y, z, zero, -x, -y, x, zero]).reshape(3, 3)
    return torch.eye(3) + torch.sin(angle) * cross + (1 - torch.cos(angle)) * (cross @ cross)


def posed_vertices(theta, parents, base_relatives, inverse_base_absolutes, rest, weights):
    zero = torch.zeros_like(theta[0])
    about_x, about_z = [zero] * len(parents), [zero] * len(parents)
    for finger in range(5):
        first, number = 2 + 4 * finger, 6 + 4 * finger
        about_x[first], about_z[first] = theta[number], theta[number + 1]
        about_x[first + 1], about_x[first + 2] = theta[number + 2], theta[number + 3]
    relatives = base_relatives @ about(2, torch.stack(about_z)) @ about(0, torch.stack(about_x))
    absolutes: list[Any] = []
    for i, parent in enumerate(parents):
        absolutes.append(relatives[i] if parent < 0 else absolutes[parent] @ relatives[i])
    transforms = (torch.stack(absolutes) @ inverse_base_absolutes)[:, :3]
    homogeneous = torch.cat([rest, torch.ones(len(rest), 1)], 1)
    blended = torch.einsum("vb,bij->vij", weights, transforms)
    skinned = torch.einsum("vij,vj->vi", blended, homogeneous)
    return skinned @ rotation_matrix(theta[:3]).T + theta[3:6]


def hand_simple(theta, *model):
    *skeleton, correspondences, points = model
    return points - posed_vertices(theta, *skeleton)[correspondences]


def hand_complicated(both, u, *model):
    *skeleton, triangles, correspondences, points = model
    u, theta = u + both[:2], both[2:]
    vertices = posed_vertices(theta, *skeleton)
    a, b, c = triangles[correspondences].T
    u0, u1 = u[:, 0:1], u[:, 1:2]
    return points - (u0 * vertices[a] + u1 * vertices[b] + (1 - u0 - u1) * vertices[c])


def lstm(main, extra, state, sequence):
    layers, b = len(main) // 2, len(main[0]) // 4
    weights, biases = main[0::2].reshape(layers, 4, b), main[1::2].reshape(layers, 4, b)
    hidden, cell = list(state[0::2]), list(state[1::2])
    total = 0.0
    for t in range(len(sequence) - 1):
        x = sequence[t] * extra[0]
        for i in range(layers):
            w, bias, h = weights[i], biases[i], hidden[i]
            forget = torch.sigmoid(x * w[0] + bias[0])
            ingate = torch.sigmoid(h * w[1] + bias[1])
            outgate = torch.sigmoid(x * w[2] + bias[2])
            change = torch.tanh(h * w[3] + bias[3])
            cell[i] = cell[i] * forget + ingate * change
            x = hidden[i] = outgate * torch.tanh(cell[i])
        y = x * extra[1] + extra[2]
        log_prediction = y - torch.log(2 + torch.exp(y).sum())
        total = total + (sequence[t + 1] * log_prediction).sum()
    return -total / (b * (len(sequence) - 1))


def flat(found: Any) -> Flat:
    """Return tensors as NumPy arrays."""
    return [x.detach().numpy() for x in found]


def derivative(task: Task) -> Prepared:
    """Return a problem's derivative."""
    args = [tensor(x) for x in task.args]
    if task.problem == "ba":
        return Prepared(None, Run(lambda: ba_jacobian(*args), blocks))
    if task.problem.startswith("hand"):
        simple = task.problem == "hand_simple"
        point = args[0] if simple else torch.cat([torch.zeros(2), args[0]])
        jacobian = torch.func.jacfwd(hand_simple if simple else hand_complicated)
        reshaped = lambda found: [found.reshape(-1, len(point)).numpy()]
        return Prepared(None, Run(lambda: jacobian(point, *args[1:]), reshaped))
    function: Any = gmm if task.problem == "gmm" else lstm
    leaves = [args[k].requires_grad_(True) for k in task.differentiated]
    raveled = lambda found: [x.numpy().ravel() for x in found]
    return Prepared(
        None,
        Run(
            lambda: torch.autograd.grad(function(*args), leaves),
            raveled if task.problem == "lstm" else flat,
        ),
    )
