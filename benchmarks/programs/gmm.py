"""Gaussian mixture: the log posterior of its parameters given data (ADBench's GMM)."""

import numpy as np
from scipy.special import logsumexp, multigammaln

from benchmarks.programs.adbench_data import random_gmm
from benchmarks.programs.registry import Program


def precision_roots(icf, dimension):
    """The lower triangular Q with QᵀQ the inverse covariance, shape (K, D, D).

    A row of icf holds the logarithms of the diagonal, then what is below it column by column.
    """
    diagonal = np.arange(dimension)
    column, row = np.triu_indices(dimension, 1)
    roots = np.zeros((len(icf), dimension, dimension))
    roots[:, diagonal, diagonal] = np.exp(icf[:, :dimension])
    roots[:, row, column] = icf[:, dimension:]
    return roots


def log_wishart_prior(icf, dimension, gamma, m):
    """The log density of the Wishart prior, summed over the components."""
    n = dimension + m + 1
    constant = n * dimension * (np.log(gamma) - 0.5 * np.log(2)) - multigammaln(n / 2, dimension)
    log_diagonal, below = icf[:, :dimension], icf[:, dimension:]
    squares = np.sum(np.exp(log_diagonal) ** 2) + np.sum(below**2)
    return 0.5 * gamma**2 * squares - m * np.sum(log_diagonal) - len(icf) * constant


def gmm(alphas, means, icf, x, gamma, m):
    """The log posterior; alphas (K,), means (K, D), icf (K, D(D+1)/2), x (N, D)."""
    n, dimension = x.shape
    roots = precision_roots(icf, dimension)
    # Q (x − μ) for every component and point: (K, N, D) @ (K, D, D).
    whitened = (x - means[:, np.newaxis, :]) @ np.swapaxes(roots, 1, 2)
    log_determinants = np.sum(icf[:, :dimension], axis=1)
    log_densities = (alphas + log_determinants)[:, np.newaxis] - 0.5 * np.sum(whitened**2, axis=2)
    return (
        -0.5 * n * dimension * np.log(2 * np.pi)
        + np.sum(logsumexp(log_densities, axis=0))
        - n * logsumexp(alphas)
        + log_wishart_prior(icf, dimension, gamma, m)
    )


SIZES = {
    "tiny": {"N": 7, "D": 3, "K": 4},
    "S": {"N": 1000, "D": 10, "K": 25},
    "M": {"N": 10000, "D": 10, "K": 25},
    "L": {"N": 10000, "D": 20, "K": 50},
}

PROGRAM = Program(
    name="gmm",
    function=gmm,
    inputs=lambda size, seed: random_gmm(seed, **SIZES[size]),
    differentiated=(0, 1, 2),
    sizes=SIZES,
    source="ADBench (Šrajer, Kukelova, Fitzgibbon 2018), GMM",
)
