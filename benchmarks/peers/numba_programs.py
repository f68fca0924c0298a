"""Programs in the form that Numba takes, where it refuses the program's own.

It has no means, maxima or deviations along axes, and names keep one type.
"""

from __future__ import annotations

import numpy as np


def correlation(float_n, data):
    m = data.shape[1]
    corr = np.eye(m)
    for j in range(m):
        column = data[:, j]
        deviation = np.std(column)
        if deviation <= 0.1:
            deviation = 1.0
        data[:, j] = (column - np.mean(column)) / (np.sqrt(float_n) * deviation)
    for i in range(m - 1):
        corr[i, i + 1 :] = data[:, i] @ data[:, i + 1 :]
        corr[i + 1 :, i] = corr[i, i + 1 :]
    return corr, data


def rows_softmax(x):
    """Softmax of each row of a matrix."""
    out = np.empty_like(x)
    for i in range(x.shape[0]):
        shifted = np.exp(x[i] - np.max(x[i]))
        out[i] = shifted / np.sum(shifted)
    return out


def softmax(x):
    return rows_softmax(x.reshape(-1, x.shape[3])).reshape(x.shape)


def relu(x):
    return np.maximum(x, 0.0)


def mlp(x, w1, b1, w2, b2, w3, b3):
    return rows_softmax(relu(relu(x @ w1 + b1) @ w2 + b2) @ w3 + b3)


def conv2d(x, weights):
    k = weights.shape[0]
    batch, height, width, channels = x.shape
    out = np.zeros((batch, height - k + 1, width - k + 1, weights.shape[3]))
    for n in range(batch):
        for i in range(height - k + 1):
            for j in range(width - k + 1):
                for di in range(k):
                    for dj in range(k):
                        for c in range(channels):
                            for o in range(weights.shape[3]):
                                out[n, i, j, o] += x[n, i + di, j + dj, c] * weights[di, dj, c, o]
    return out


def max_pool(x):
    batch, height, width, channels = x.shape
    out = np.empty((batch, height // 2, width // 2, channels))
    for n in range(batch):
        for i in range(height // 2):
            for j in range(width // 2):
                for c in range(channels):
                    out[n, i, j, c] = np.max(x[n, 2 * i : 2 * i + 2, 2 * j : 2 * j + 2, c])
    return out


def lenet(x, conv1, bias1, conv2, bias2, w1, b1, w2, b2, w3, b3):
    y = max_pool(relu(conv2d(x, conv1) + bias1))
    y = max_pool(relu(conv2d(y, conv2) + bias2))
    flat = y.reshape(y.shape[0], w1.shape[0])
    return relu(relu(flat @ w1 + b1) @ w2 + b2) @ w3 + b3


def vadv(utens_stage, u_stage, wcon, u_pos, utens, dtr_stage):
    ni, nj, levels = u_stage.shape
    upper, right = np.empty_like(u_stage), np.empty_like(u_stage)
    for i in range(ni):
        for j in range(nj):
            for k in range(levels):
                diagonal = dtr_stage
                rhs = dtr_stage * u_pos[i, j, k] + utens[i, j, k] + utens_stage[i, j, k]
                if k > 0:
                    below = -0.125 * (wcon[i + 1, j, k] + wcon[i, j, k])
                    diagonal -= below + below * upper[i, j, k - 1]
                    rhs -= below * (u_stage[i, j, k - 1] - u_stage[i, j, k] + right[i, j, k - 1])
                if k < levels - 1:
                    above = 0.125 * (wcon[i + 1, j, k + 1] + wcon[i, j, k + 1])
                    diagonal -= above
                    rhs -= above * (u_stage[i, j, k + 1] - u_stage[i, j, k])
                    upper[i, j, k] = above / diagonal
                right[i, j, k] = rhs / diagonal
            x = right[i, j, levels - 1]
            utens_stage[i, j, levels - 1] = dtr_stage * (x - u_pos[i, j, levels - 1])
            for k in range(levels - 2, -1, -1):
                x = right[i, j, k] - upper[i, j, k] * x
                utens_stage[i, j, k] = dtr_stage * (x - u_pos[i, j, k])
    return utens_stage


REWRITTEN = {f.__name__: f for f in (correlation, lenet, mlp, softmax, vadv)}
