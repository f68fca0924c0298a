"""The operations that everything else is made of: arithmetic, reading, storing, shapes."""

import numpy as np

from tests.cases import case

A = np.array([[0.7, -1.2, 0.4], [1.5, 0.3, -0.8]])
B = np.array([[1.1, 0.6, -0.9], [0.2, -1.4, 0.5]])
V = np.array([0.3, 1.7, -0.6])
Z = A + 1j * B


def store_through_view(x):
    y = x * 2.0
    part = y[1:]
    part[0] = x[0] * x[1]
    part += 1.0
    return y**2


def fill(x):
    u = np.zeros(5)
    u[0] = x[0]
    for k in range(1, 5):
        u[k] = np.sin(u[k - 1]) * x[k % 3]
    return u


def advanced_store(x):
    y = x * x
    y[[0, 0, 2]] = x
    return y


CASES = [
    case("add broadcast", lambda x, y: x + y, A, V),
    case("subtract broadcast", lambda x, y: x - y, V, A),
    case("multiply broadcast", lambda x, y: x * y, A, V),
    case("divide broadcast", lambda x, y: x / y, A, V),
    case("multiply complex by real", lambda x, y: x * y, Z, V),
    case("python numbers", lambda x, y: (x + 2) * y / 3 - 1 / x, 0.7, 1.3, float32=False),
    case("getitem", lambda x: x[1, ::-1] * x[0, 1], A),
    case("gather repeated", lambda x: x[[0, 1, 1, 0]] ** 2, A),
    case("mask", lambda x: x[A > 0] ** 2, A),
    case("store through a view", store_through_view, V),
    case("fill in a loop", fill, V),
    case("store at repeated indices", advanced_store, V),
    case("reshape transpose", lambda x: (x.reshape(3, 2).T * x) @ x.T, A),
    case("matmul", lambda x, y: x @ y, A, B.T.copy()),
    case("matmul vector", lambda x, y: x @ y, A, V),
    case("where", lambda x, y: np.where(A > 0, x * y, x), A, B),
    case("sum axis", lambda x: np.sum(x * x, axis=1), A),
    case("array of scalars", lambda x: np.array([x[0] * x[1], x[2], 1.0]), V),
]
