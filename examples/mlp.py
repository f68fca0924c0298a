"""A small neural network, trained by Adam, both written in plain NumPy.

The parameters are a dictionary of arrays, and so is the gradient. The task is scikit-learn's
handwritten digits: 1797 images of 8 × 8 pixels.

Run it with ``python examples/mlp.py``.
"""

import numpy as np
from sklearn.datasets import load_digits

import adjoint as ad

rng = np.random.default_rng(0)
images, labels = load_digits(return_X_y=True)
images = images / 16
order = rng.permutation(len(labels))
train, test = order[:1400], order[1400:]


def layer(inputs, outputs):
    return {
        "w": rng.normal(size=(inputs, outputs)) * np.sqrt(2 / inputs),
        "b": np.zeros(outputs),
    }


params = {"hidden": layer(64, 64), "out": layer(64, 10)}


def scores(params, x):
    hidden = np.maximum(x @ params["hidden"]["w"] + params["hidden"]["b"], 0)
    return hidden @ params["out"]["w"] + params["out"]["b"]


def loss(params, x, labels):
    """Cross-entropy, and the fraction of images named right along with it."""
    s = scores(params, x)
    right = np.mean(s.argmax(axis=1) == labels)
    s = s - s.max(axis=1, keepdims=True)
    log_probability = s - np.log(np.exp(s).sum(axis=1, keepdims=True))
    return -log_probability[np.arange(len(labels)), labels].mean(), right


def adam(p, g, m, v, t, rate=3e-3, beta1=0.9, beta2=0.999, eps=1e-8):
    """Kingma & Ba, *Adam*, ICLR 2015, algorithm 1. Changes p, m and v in place."""
    m += (1 - beta1) * (g - m)
    v += (1 - beta2) * (g**2 - v)
    p -= rate * (m / (1 - beta1**t)) / (np.sqrt(v / (1 - beta2**t)) + eps)


leaves = [(name, part) for name in params for part in params[name]]
moments = {
    (name, part): (np.zeros_like(params[name][part]), np.zeros_like(params[name][part]))
    for name, part in leaves
}

# has_aux: what is returned beside the loss comes out as an ordinary value.
step = ad.value_and_grad(loss, has_aux=True)
t = 0
print("epoch   loss    right   right on unseen digits")
for epoch in range(16):
    history = []
    for batch in np.array_split(rng.permutation(train), 14):
        t += 1
        (value, right), gradient = step(params, images[batch], labels[batch])
        history.append((value, right))
        for name, part in leaves:
            adam(params[name][part], gradient[name][part], *moments[name, part], t)
    unseen = loss(params, images[test], labels[test])[1]
    if epoch % 5 == 0:
        value, right = np.mean(history, axis=0)
        print(f"{epoch:5d}   {value:.3f}   {right:.1%}   {unseen:.1%}")

assert unseen > 0.96

# Both modes against differences along a random direction.
ad.check_grads(lambda p: loss(p, images[:20], labels[:20])[0], (params,))
