"""Operations that appear only in derivatives: cases whose cotangents depend on the argument."""

import numpy as np
import scipy.special as sp

from tests.cases import case

M = np.array([[1.2, 0.3, -0.4], [0.1, 0.9, 0.5], [-0.6, 0.2, 1.4]])
V = np.array([0.3, 1.7, -0.6, 0.8])

CASES = [
    case("reached: segments", lambda x: np.add.reduceat(x * x, [0, 2]) ** 2, V),
    case("reached: determinant", lambda x: np.linalg.det(x) ** 2, M, float32=False),
    case("reached: ndtri_exp", lambda x: sp.ndtri_exp(x), -1.0 - V**2, float32=False),
]
