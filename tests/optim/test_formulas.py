"""Each optimiser against its formulas, written out here for one array of numbers."""

import numpy as np
import pytest

import adjoint as ad
from tests.optim.names import name_of

GRADS = np.random.default_rng(0).normal(size=(20, 7))
START = np.random.default_rng(1).normal(size=7)


def sgd(lr=0.1, momentum=0.0, dampening=0.0, weight_decay=0.0, nesterov=False, maximize=False):
    p, b = START, None
    for g in GRADS:
        g = (-g if maximize else g) + weight_decay * p
        b = g if b is None else momentum * b + (1 - dampening) * g
        p = p - lr * (g + momentum * b if nesterov else b)
    return p


def adam(lr=0.1, betas=(0.9, 0.999), eps=1e-8, weight_decay=0.0, amsgrad=False, decoupled=False):
    p, m, v, largest = START, 0.0, 0.0, 0.0
    for t, g in enumerate(GRADS, 1):
        if decoupled:
            p = p - lr * weight_decay * p
        else:
            g = g + weight_decay * p
        m = betas[0] * m + (1 - betas[0]) * g
        v = betas[1] * v + (1 - betas[1]) * g**2
        largest = np.maximum(largest, v) if amsgrad else v
        unbiased = m / (1 - betas[0] ** t), largest / (1 - betas[1] ** t)
        p = p - lr * unbiased[0] / (np.sqrt(unbiased[1]) + eps)
    return p


def rmsprop(lr=0.01, alpha=0.99, eps=1e-8, weight_decay=0.0, momentum=0.0, centered=False):
    p, v, a, b = START, 0.0, 0.0, 0.0
    for g in GRADS:
        g = g + weight_decay * p
        v = alpha * v + (1 - alpha) * g**2
        a = alpha * a + (1 - alpha) * g if centered else 0.0
        b = momentum * b + g / (np.sqrt(v - a**2) + eps)
        p = p - lr * b
    return p


def adagrad(lr=0.01, lr_decay=0.0, weight_decay=0.0, initial_accumulator_value=0.0, eps=1e-10):
    p, s = START, initial_accumulator_value
    for t, g in enumerate(GRADS):
        g = g + weight_decay * p
        s = s + g**2
        p = p - lr / (1 + t * lr_decay) * g / (np.sqrt(s) + eps)
    return p


def lion(lr=1e-4, betas=(0.9, 0.99), weight_decay=0.0, maximize=False):
    p, m = START, 0.0
    for g in GRADS:
        g = -g if maximize else g
        p = p - lr * (np.sign(betas[0] * m + (1 - betas[0]) * g) + weight_decay * p)
        m = betas[1] * m + (1 - betas[1]) * g
    return p


FORMULAS = {
    "SGD": [
        (sgd, {"lr": 0.1}),
        (sgd, {"lr": 0.1, "momentum": 0.9, "dampening": 0.2, "weight_decay": 0.1}),
        (sgd, {"lr": 0.1, "momentum": 0.9, "nesterov": True}),
        (sgd, {"lr": 0.1, "maximize": True}),
    ],
    "Adam": [
        (adam, {"lr": 0.1}),
        (adam, {"lr": 0.1, "betas": (0.5, 0.9), "eps": 1e-3}),
        (adam, {"lr": 0.1, "weight_decay": 0.1, "amsgrad": True}),
    ],
    "AdamW": [
        (lambda **options: adam(**options, decoupled=True), {"lr": 0.1, "weight_decay": 0.1})
    ],
    "RMSprop": [
        (rmsprop, {}),
        (rmsprop, {"alpha": 0.9, "weight_decay": 0.1, "momentum": 0.5}),
        (rmsprop, {"centered": True, "eps": 1e-3}),
    ],
    "Adagrad": [
        (adagrad, {}),
        (adagrad, {"lr_decay": 0.1, "weight_decay": 0.1, "initial_accumulator_value": 0.1}),
    ],
    "Lion": [
        (lion, {}),
        (lion, {"lr": 0.01, "betas": (0.8, 0.95), "weight_decay": 0.1}),
        (lion, {"lr": 0.01, "maximize": True}),
    ],
}
ROWS = [(name, formula, options) for name, rows in FORMULAS.items() for formula, options in rows]


@pytest.mark.parametrize(("name", "formula", "options"), ROWS, ids=name_of)
def test_formula(name, formula, options):
    optimizer = getattr(ad.optim, name)(**options)
    params, state = START, optimizer.init(START)
    for g in GRADS:
        params, state = optimizer.update(g, state, params)
    np.testing.assert_allclose(params, formula(**options), rtol=1e-12, atol=1e-13)
    assert state.step == len(GRADS)
