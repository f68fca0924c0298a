"""A classifier of handwritten digits in plain NumPy.

adjoint tour trains it. It imports NumPy alone: nothing here knows that it is differentiated.
"""

import numpy as np


def initial(rng, sizes=(64, 64, 10)):
    """Weights of a network with layers of these sizes, small and random."""
    layers = []
    for n, m in zip(sizes[:-1], sizes[1:]):  # noqa: RUF007
        layers.append({"weights": rng.normal(0.0, np.sqrt(2.0 / n), (n, m)), "bias": np.zeros(m)})
    return layers


def scores(layers, images):
    """One number a class, for each image."""
    x = images
    for layer in layers[:-1]:
        x = np.tanh(x @ layer["weights"] + layer["bias"])
    return x @ layers[-1]["weights"] + layers[-1]["bias"]


def loss(layers, images, labels):
    """Mean cross-entropy: minus the log-probability of the right class."""
    s = scores(layers, images)
    s = s - s.max(axis=1, keepdims=True)
    log_probability = s - np.log(np.sum(np.exp(s), axis=1, keepdims=True))
    return -np.mean(log_probability[np.arange(len(labels)), labels])


def margin(images, layers, digit):
    """How far the score of one class lies above the average of all, summed over the images."""
    s = scores(layers, images)
    return np.sum(s[:, digit] - np.mean(s, axis=1))
