"""Inputs of the four ADBench problems, read from its files or made from a seed.

Both ways return the positional arguments of the program of the same name. What is made from a seed
has the shapes and the distributions of the files. ``read_*`` take the folder of ADBench's data and
the name of an instance; beside each lies ``NAME.reference.npz`` with its derivatives.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

Arguments = tuple[Any, ...]

ALPHABET = "".join(map(chr, range(97, 123))) * 4 + " " * 20 + ",.-ABCDEFGHIJ‘’—"

# A wrist, five fingers of four bones, and the forearm.
PARENTS = (-1,) + tuple(p for f in range(5) for p in (0, *range(1 + 4 * f, 4 + 4 * f))) + (0,)


def disagreement(found: Any, expected: Any) -> float:
    """Return ADBench's measure |x − y| / max(1, |x| + |y|), the largest over the entries."""
    x, y = np.asarray(found), np.asarray(expected)
    if x.shape != y.shape:
        raise ValueError(f"shape {x.shape} where the reference has {y.shape}")
    return float(np.max(np.abs(x - y) / np.maximum(1.0, np.abs(x) + np.abs(y)), initial=0.0))


def _numbers(path: Path) -> np.ndarray:
    return np.array(path.read_text().split(), dtype=float)


def _split(numbers: np.ndarray, *shapes: tuple[int, ...]) -> list[np.ndarray]:
    """Return the consecutive arrays of the given shapes that a file holds."""
    arrays, start = [], 0
    for shape in shapes:
        size = int(np.prod(shape))
        arrays.append(numbers[start : start + size].reshape(shape))
        start += size
    if start != numbers.size:
        raise ValueError(f"{numbers.size} numbers where {start} were expected")
    return arrays


# ------------------------------------------------------------------------------------------- GMM


def read_gmm(folder: Path, name: str) -> Arguments:
    """Return alphas, means, icf, x, gamma and m."""
    numbers = _numbers(folder / f"{name}.txt")
    d, k, n = (int(v) for v in numbers[:3])
    shapes = (k,), (k, d), (k, d * (d + 1) // 2), (n, d), (2,)
    alphas, means, icf, x, wishart = _split(numbers[3:], *shapes)
    return alphas, means, icf, x, float(wishart[0]), int(wishart[1])


def random_gmm(seed: int, N: int, D: int, K: int) -> Arguments:
    """Return N normal points and K components with means in the unit cube."""
    rng = np.random.default_rng(seed)
    alphas, means = rng.standard_normal(K), rng.random((K, D))
    icf = rng.standard_normal((K, D * (D + 1) // 2))
    return alphas, means, icf, rng.standard_normal((N, D)), 1.0, 0


# -------------------------------------------------------------------------------------------- BA


def read_ba(folder: Path, name: str) -> Arguments:
    """Return the arguments of ba; a file holds one camera, point, weight and feature for all."""
    numbers = _numbers(folder / f"{name}.txt")
    n, m, p = (int(v) for v in numbers[:3])
    camera, point, weight, feature = _split(numbers[3:], (1, 11), (1, 3), (1,), (1, 2))
    cameras, points = np.tile(camera, (n, 1)), np.tile(point, (m, 1))
    weights, features = np.tile(weight, p), np.tile(feature, (p, 1))
    return cameras, points, weights, features, np.arange(p) % n, np.arange(p) % m


def random_ba(seed: int, n: int, m: int, p: int) -> Arguments:
    """Return n cameras looking from a distance at m points around the origin, observed p times."""
    rng = np.random.default_rng(seed)
    rotations = 0.2 * rng.standard_normal((n, 3))
    centres = rng.standard_normal((n, 3)) - np.array([0.0, 0.0, 12.0])
    focal, principal = 1000 * rng.random((n, 1)), 10 * rng.standard_normal((n, 2))
    radial = np.array([0.1, 0.01]) * rng.standard_normal((n, 2))
    cameras = np.hstack([rotations, centres, focal, principal, radial])
    points, weights = rng.standard_normal((m, 3)), rng.random(p)
    features = 1000 * rng.random((p, 2))
    return cameras, points, weights, features, np.arange(p) % n, np.arange(p) % m


# ------------------------------------------------------------------------------------------ HAND


def _read_model(folder: Path) -> tuple[Any, ...]:
    """Return the model's parents, two stacks of transforms, vertices, weights and triangles."""
    parents, relatives, inverses = [], [], []
    for line in (folder / "bones.txt").read_text().split():
        _, parent, *entries = line.split(":")
        numbers = np.array(entries, dtype=float).reshape(2, 4, 4)
        parents.append(int(parent))
        relatives.append(numbers[0])
        inverses.append(numbers[1])
    lines = [line.split(":") for line in (folder / "vertices.txt").read_text().split()]
    rest = np.array([line[:3] for line in lines], dtype=float)
    weights = np.zeros((len(lines), len(parents)))
    for vertex, line in enumerate(lines):
        for k in range(int(line[8])):
            weights[vertex, int(line[9 + 2 * k])] = float(line[10 + 2 * k])
    text = (folder / "triangles.txt").read_text().split()
    triangles = np.array([line.split(":") for line in text], dtype=int)
    return tuple(parents), np.array(relatives), np.array(inverses), rest, weights, triangles


def read_hand(folder: Path, name: str) -> Arguments:
    """Return the arguments of hand_simple or hand_complicated, by the name of the folder."""
    parents, relatives, inverses, rest, weights, triangles = _read_model(folder / "model")
    numbers = _numbers(folder / f"{name}.txt")
    n, parameters = int(numbers[0]), int(numbers[1])
    complicated = folder.name.startswith("complicated")
    u_shape = (n, 2) if complicated else (0, 2)
    matched, u, theta = _split(numbers[2:], (n, 4), u_shape, (parameters,))
    correspondences, points = matched[:, 0].astype(int), matched[:, 1:]
    model = parents, relatives, inverses, rest, weights
    if complicated:
        return theta, u, *model, triangles, correspondences, points
    return theta, *model, correspondences, points


def _random_model(rng: np.random.Generator, V: int) -> tuple[Any, ...]:
    """Return a hand of the files' skeleton with V vertices about its bones."""
    bones = len(PARENTS)
    relatives, absolutes = np.tile(np.eye(4), (bones, 1, 1)), np.zeros((bones, 4, 4))
    for i, parent in enumerate(PARENTS):
        rotation, _ = np.linalg.qr(rng.standard_normal((3, 3)))
        relatives[i, :3, :3] = rotation * np.linalg.det(rotation)
        if parent >= 0:
            relatives[i, 1, 3] = 0.004 if parent == 0 else rng.uniform(0.02, 0.11)
        absolutes[i] = relatives[i] if parent < 0 else absolutes[parent] @ relatives[i]
    weights = np.zeros((V, bones))
    rest = np.zeros((V, 3))
    for vertex in range(V):
        moved_by = rng.choice(bones, rng.choice([1, 2, 3, 4], p=[0.4, 0.5, 0.05, 0.05]), False)
        weights[vertex, moved_by] = rng.dirichlet(np.ones(len(moved_by)))
        rest[vertex] = absolutes[moved_by[0], :3, 3] + 0.01 * rng.standard_normal(3)
    triangles = np.array([rng.choice(V, 3, False) for _ in range(2 * V)])
    return PARENTS, relatives, np.linalg.inv(absolutes), rest, weights, triangles


def random_hand(seed: int, N: int, V: int, complicated: bool) -> Arguments:
    """Return a model of V vertices, a pose, and N points with what they correspond to."""
    rng = np.random.default_rng(seed)
    *model, triangles = _random_model(rng, V)
    theta, points = rng.standard_normal(26), rng.standard_normal((N, 3))
    if not complicated:
        return theta, *model, rng.integers(V, size=N), points
    u = rng.dirichlet(np.ones(3), N)[:, :2]
    return theta, u, *model, triangles, rng.integers(len(triangles), size=N), points


# ------------------------------------------------------------------------------------------ LSTM


def read_lstm(folder: Path, name: str) -> Arguments:
    """Return main, extra, state and sequence."""
    numbers = _numbers(folder / f"{name}.txt")
    layers, characters, b = (int(v) for v in numbers[:3])
    shapes = (2 * layers, 4 * b), (3, b), (2 * layers, b), (characters, b)
    main, extra, state, sequence = _split(numbers[3:], *shapes)
    return main, extra, state, sequence


def random_lstm(seed: int, layers: int, characters: int, b: int) -> Arguments:
    """Return parameters and a state in [0, 1) and the b binary digits of random characters."""
    rng = np.random.default_rng(seed)
    main, extra = rng.random((2 * layers, 4 * b)), rng.random((3, b))
    state = rng.random((2 * layers, b))
    codes = np.array([ord(c) for c in ALPHABET])[rng.integers(len(ALPHABET), size=characters)]
    sequence = (codes[:, np.newaxis] >> np.arange(b)[::-1] & 1).astype(float)
    return main, extra, state, sequence
