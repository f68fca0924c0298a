"""Hand tracking: distances of measured points from a hand posed by 26 numbers (ADBench's HAND)."""

import numpy as np

from benchmarks.programs.adbench_data import random_hand
from benchmarks.programs.registry import Program


def about_x(angle):
    """The 4 × 4 matrix of a rotation about the first axis."""
    c, s = np.cos(angle), np.sin(angle)
    return np.array([[1, 0, 0, 0], [0, c, -s, 0], [0, s, c, 0], [0, 0, 0, 1]])


def about_z(angle):
    """The 4 × 4 matrix of a rotation about the third axis."""
    c, s = np.cos(angle), np.sin(angle)
    return np.array([[c, -s, 0, 0], [s, c, 0, 0], [0, 0, 1, 0], [0, 0, 0, 1]])


def rotation_matrix(rotation):
    """The 3 × 3 matrix of a rotation given as axis times angle (Rodrigues)."""
    angle = np.sqrt(np.sum(rotation**2))
    if angle < 1e-4:
        return np.eye(3)
    x, y, z = rotation / angle
    cross = np.array([[0, -z, y], [z, 0, -x], [-y, x, 0]])
    return np.eye(3) + np.sin(angle) * cross + (1 - np.cos(angle)) * (cross @ cross)


def joint_angles(theta, bones):
    """The angles of every bone about x and z, shape (bones, 2).

    Four numbers a finger: its second bone turns about both axes, the next two about x.
    """
    angles = np.zeros((bones, 2))
    for finger in range(5):
        first, number = 2 + 4 * finger, 6 + 4 * finger
        angles[first] = theta[number : number + 2]
        angles[first + 1, 0] = theta[number + 2]
        angles[first + 2, 0] = theta[number + 3]
    return angles


def posed_vertices(theta, parents, base_relatives, inverse_base_absolutes, rest, weights):
    """The vertices (V, 3) of the model in the pose theta, by linear blend skinning."""
    bones = len(parents)
    angles = joint_angles(theta, bones)
    homogeneous = np.hstack([rest, np.ones((len(rest), 1))])
    absolutes = np.zeros((bones, 4, 4))
    skinned = np.zeros((len(rest), 3))
    for i in range(bones):
        relative = base_relatives[i] @ about_z(angles[i, 1]) @ about_x(angles[i, 0])
        if parents[i] < 0:
            absolutes[i] = relative
        else:
            absolutes[i] = absolutes[parents[i]] @ relative
        transform = absolutes[i] @ inverse_base_absolutes[i]
        skinned += weights[:, i : i + 1] * (homogeneous @ transform[:3].T)
    return skinned @ rotation_matrix(theta[:3]).T + theta[3:6]


def hand_simple(
    theta,
    parents,
    base_relatives,
    inverse_base_absolutes,
    rest,
    weights,
    correspondences,
    points,
):
    """Each point (N, 3) less the vertex it corresponds to."""
    vertices = posed_vertices(theta, parents, base_relatives, inverse_base_absolutes, rest, weights)
    return points - vertices[correspondences]


def hand_complicated(
    theta,
    u,
    parents,
    base_relatives,
    inverse_base_absolutes,
    rest,
    weights,
    triangles,
    correspondences,
    points,
):
    """Each point (N, 3) less that of its triangle with the barycentric coordinates u (N, 2)."""
    vertices = posed_vertices(theta, parents, base_relatives, inverse_base_absolutes, rest, weights)
    a, b, c = triangles[correspondences].T
    u0, u1 = u[:, 0:1], u[:, 1:2]
    return points - (u0 * vertices[a] + u1 * vertices[b] + (1 - u0 - u1) * vertices[c])


SIZES = {
    "tiny": {"N": 5, "V": 20},
    "S": {"N": 100, "V": 544},
    "M": {"N": 800, "V": 10000},
}

PROGRAMS = (
    Program(
        name="hand_simple",
        function=hand_simple,
        inputs=lambda size, seed: random_hand(seed, **SIZES[size], complicated=False),
        differentiated=(0,),
        sizes=SIZES,
        source="ADBench (Šrajer, Kukelova, Fitzgibbon 2018), HAND, simple",
    ),
    Program(
        name="hand_complicated",
        function=hand_complicated,
        inputs=lambda size, seed: random_hand(seed, **SIZES[size], complicated=True),
        differentiated=(0, 1),
        sizes=SIZES,
        source="ADBench (Šrajer, Kukelova, Fitzgibbon 2018), HAND, complicated",
    ),
)
