"""A recurrent network as a Python loop: handwritten digits, read one row at a time.

Each image of scikit-learn's digits (1797 of them, 8 × 8 pixels) is a sequence of eight rows. The
network sees a row a step, remembers in its state, and names the digit after the last row.

Run it with ``python examples/rnn.py``.
"""

import numpy as np
from sklearn.datasets import load_digits

import adjoint as ad

rng = np.random.default_rng(0)
images, labels = load_digits(return_X_y=True)
images = images.reshape(-1, 8, 8) / 16
order = rng.permutation(len(labels))
train, test = order[:1400], order[1400:]

SIZE = 48
params = {
    "inputs": rng.normal(size=(8, SIZE)) / np.sqrt(8),
    "memory": np.linalg.qr(rng.normal(size=(SIZE, SIZE)))[0],  # keeps the length of the state
    "bias": np.zeros(SIZE),
    "readout": rng.normal(size=(SIZE, 10)) / np.sqrt(SIZE),
}


def scores(params, images):
    state = np.zeros((len(images), SIZE))
    for t in range(images.shape[1]):
        row = images[:, t, :]
        state = np.tanh(row @ params["inputs"] + state @ params["memory"] + params["bias"])
    return state @ params["readout"]


def loss(params, images, labels):
    """Cross-entropy: the mean of −log softmax(scores)[label]."""
    s = scores(params, images)
    s = s - s.max(axis=1, keepdims=True)
    log_probability = s - np.log(np.sum(np.exp(s), axis=1, keepdims=True))
    return -np.mean(log_probability[np.arange(len(labels)), labels])


def accuracy(rows):
    return np.mean(scores(params, images[rows]).argmax(axis=1) == labels[rows])


# Gradient descent with momentum: ad.value_and_grad unrolls the loop, whatever its length.
value_and_grad = ad.value_and_grad(loss)
velocity = {name: np.zeros_like(p) for name, p in params.items()}
print("epoch   loss    accuracy on unseen digits")
for epoch in range(13):
    batches = np.array_split(rng.permutation(train), 14)
    losses = []
    for batch in batches:
        value, gradient = value_and_grad(params, images[batch], labels[batch])
        losses.append(value)
        for name in params:
            velocity[name] = 0.9 * velocity[name] - 0.1 * gradient[name]
            params[name] = params[name] + velocity[name]
    if epoch % 3 == 0:
        print(f"{epoch:5d}   {np.mean(losses):.3f}   {accuracy(test):.1%}")

assert accuracy(test) > 0.93

# What the network would have wanted to see differently: the loss's gradient with respect to the
# image flows back through all eight steps, down to the first row.
image, label = images[test[:1]], labels[test[:1]]
by_row = np.abs(ad.grad(loss, argnums=1)(params, image, label)).sum(axis=(0, 2))
print("\nsensitivity of one digit's loss to its rows, top to bottom")
print("  ", *(f"{g / by_row.max():.2f}" for g in by_row))
assert np.all(by_row > 0)
