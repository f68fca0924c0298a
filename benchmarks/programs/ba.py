"""Bundle adjustment: errors of the reprojected points of many views (ADBench's BA)."""

import numpy as np

from benchmarks.programs.adbench_data import random_ba
from benchmarks.programs.registry import Program


def rotate(rotations, vectors):
    """Turn each vector by its rotation, given as axis times angle (Rodrigues)."""
    squared_angle = np.sum(rotations**2, axis=1, keepdims=True)
    turned = squared_angle > 0
    angle = np.sqrt(np.where(turned, squared_angle, 1.0))
    axis = rotations / angle
    cosine, sine = np.cos(angle), np.sin(angle)
    along = np.sum(axis * vectors, axis=1, keepdims=True)
    by_angle = cosine * vectors + sine * np.cross(axis, vectors) + (1 - cosine) * along * axis
    return np.where(turned, by_angle, vectors + np.cross(rotations, vectors))


def project(cameras, points):
    """Where each camera sees its point, shape (p, 2).

    A camera is rotation (3), centre (3), focal length, principal point (2), radial distortion (2).
    """
    rotations, centres = cameras[:, 0:3], cameras[:, 3:6]
    focal, principal, radial = cameras[:, 6:7], cameras[:, 7:9], cameras[:, 9:11]
    seen = rotate(rotations, points - centres)
    plane = seen[:, :2] / seen[:, 2:]
    r = np.sum(plane**2, axis=1, keepdims=True)
    distortion = 1 + radial[:, 0:1] * r + radial[:, 1:2] * r**2
    return plane * distortion * focal + principal


def observation_errors(cameras, points, weights, features):
    """The errors of p observations, each with its camera (p, 11), point (p, 3) and weight (p,)."""
    return weights[:, np.newaxis] * (project(cameras, points) - features)


def ba(cameras, points, weights, features, camera_of, point_of):
    """Reprojection errors (p, 2) and errors of the weights (p,).

    Observation i is of point ``point_of[i]`` by camera ``camera_of[i]``.
    """
    errors = observation_errors(cameras[camera_of], points[point_of], weights, features)
    return errors, 1 - weights**2


SIZES = {
    "tiny": {"n": 3, "m": 5, "p": 12},
    "S": {"n": 49, "m": 7776, "p": 31843},
    "M": {"n": 257, "m": 65132, "p": 225911},
}

PROGRAM = Program(
    name="ba",
    function=ba,
    inputs=lambda size, seed: random_ba(seed, **SIZES[size]),
    differentiated=(0, 1, 2),
    sizes=SIZES,
    source="ADBench (Šrajer, Kukelova, Fitzgibbon 2018), BA",
)
