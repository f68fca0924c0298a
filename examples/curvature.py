"""Per-example gradients, and the curvature of a trained network's loss.

A gradient for each example tells which of them the network still learns from. It is ``vmap`` of
``grad``: in the compiled function all examples go through each operation together.

The Hessian's largest eigenvalues tell how steep the minimum is, and which steps gradient descent
can take there. The matrix of all second derivatives is never made: Lanczos' method, in SciPy's
eigsh, needs products of it with vectors. Such a product costs a small multiple of a gradient, and
is compiled.

Run it with ``python examples/curvature.py`` or, faster, with ``--small``. In one run, by
one thread of a busy machine: 13 s; 1437 gradients of 4810 weights in 8.5 ms, and in a loop 252 ms.
"""

import argparse
import time

import numpy as np
from matplotlib.figure import Figure
from scipy.sparse.linalg import LinearOperator, eigsh
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split

import adjoint as ad

parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
parser.add_argument("--small", action="store_true", help="a smaller network, fast")
parser.add_argument("--picture", default="curvature.png", help="the file that is drawn")
options = parser.parse_args()

nn = ad.nn
width, epochs, count = (8, 10, 3) if options.small else (64, 25, 20)  # eigenvalues
images, labels = load_digits(return_X_y=True)
x, unseen, y, answers = train_test_split(
    images / 16, labels, test_size=360, stratify=labels, random_state=0
)


def network(width, seed, dtype=np.float64):
    rng = np.random.default_rng(seed)
    return nn.Sequential(
        nn.Linear(64, width, rng=rng, dtype=dtype),
        np.tanh,
        nn.Linear(width, 10, rng=rng, dtype=dtype),
    )


def loss(model, x, y):
    return nn.cross_entropy(model(x), y)


result = nn.fit(
    network(width, seed=0), loss, (x, y), optimizer=ad.optim.AdamW(lr=3e-3, weight_decay=1e-2),
    epochs=epochs, rng=0, progress=False,
)  # fmt: skip
model = result.model
right = np.mean(np.argmax(model(unseen), axis=1) == answers)
print(f"{nn.parameter_count(model)} weights; {right:.1%} of unseen digits are right")

# A gradient for each example: a model whose arrays have one more axis.
each = ad.jit(ad.vmap(ad.grad(loss), in_axes=(None, 0, 0)))
one = ad.jit(ad.grad(loss))


def norms_of(gradients):
    """The length of each example's gradient, over all weights."""
    squares = [
        np.sum(g.reshape(len(g), -1) ** 2, axis=1) for _, g in nn.named_parameters(gradients)
    ]
    return np.sqrt(sum(squares))


def timed(fn, *args):
    """Return the result, and the shortest time of five calls after the first, which compiles."""
    result, times = fn(*args), []
    for _ in range(5):
        begin = time.perf_counter()
        fn(*args)
        times.append(time.perf_counter() - begin)
    return result, min(times)


gradients, together = timed(each, model, x, y)
looped, in_turn = timed(lambda: [one(model, x[i], y[i]) for i in range(len(x))])
for i, gradient in enumerate(looped):
    for (_, a), (_, b) in zip(
        nn.named_parameters(gradients), nn.named_parameters(gradient), strict=True
    ):
        assert np.allclose(a[i], b, rtol=1e-9, atol=1e-12)
mean = [g.mean(axis=0) for _, g in nn.named_parameters(gradients)]
for a, (_, b) in zip(mean, nn.named_parameters(one(model, x, y)), strict=True):
    assert np.allclose(a, b, rtol=1e-9, atol=1e-12)
norms = norms_of(gradients)
hardest = np.argsort(norms)[::-1]
share = np.sum(norms[hardest[: len(x) // 10]]) / norms.sum()
print(f"{len(x)} gradients: {1e3 * together:.1f} ms by vmap, {1e3 * in_turn:.1f} ms in a loop")
print(f"median length {np.median(norms):.4f}, longest {norms.max():.2f}")
print(f"a tenth of the examples has {share:.0%} of all length")


def hessian_operator(model, x, y):
    """The Hessian of the loss in the weights, by its products with vectors."""

    @ad.jit
    def product(w, v, x, y):
        return ad.hvp(lambda w: loss(nn.vector_to_parameters(w, model), x, y), (w,), (v,))

    w = nn.parameters_to_vector(model)
    return LinearOperator(
        (len(w), len(w)), matvec=lambda v: product(w, v.ravel(), x, y), dtype=w.dtype
    )


# A network that is small enough for the whole matrix.
tiny = network(2, seed=1)
start = nn.parameters_to_vector(tiny)
full = ad.jit(ad.hessian(lambda w, x, y: loss(nn.vector_to_parameters(w, tiny), x, y)))
matrix = full(start, x, y)
operator = hessian_operator(tiny, x, y)
top = eigsh(operator, k=5, which="LA", return_eigenvectors=False)
expected = np.linalg.eigvalsh(matrix)[-5:]
print(f"\n{len(start)} weights, five eigenvalues of the matrix: {expected.round(6)}")
print(f"{'':12} by its products with vectors: {np.sort(top).round(6)}")
assert np.allclose(matrix, matrix.T, atol=1e-12)
assert np.allclose(np.sort(top), expected, rtol=1e-8)

# The trained one.
operator = hessian_operator(model, x, y)
begin = time.perf_counter()
values, vectors = eigsh(operator, k=count, which="LA")
least = eigsh(operator, k=1, which="SA", return_eigenvectors=False)[0]
seconds = time.perf_counter() - begin
for value, vector in zip(values, vectors.T, strict=True):
    assert np.linalg.norm(operator @ vector - value * vector) < 1e-6 * values[-1]
print(f"{operator.shape[0]} weights, the largest eigenvalues, in {seconds:.1f} s:")
print(" ", *(f"{v:.3f}" for v in values[::-1][:10]))
print(f"  the least {least:.4f}; gradient descent is stable below a step of {2 / values[-1]:.2f}")

figure = Figure(figsize=(10, 4), layout="constrained")
left, right_side = figure.subfigures(1, 2)
axes = left.subplots(1, 2)
axes[0].hist(np.log10(norms), bins=40)
axes[0].set(xlabel="log₁₀ of gradient's length", ylabel="examples")
axes[1].semilogy(np.arange(1, count + 1), values[::-1], "o")
axes[1].set(xlabel="number", ylabel="eigenvalue of the Hessian")
right_side.suptitle("the longest gradients, and the labels")
for axis, i in zip(right_side.subplots(3, 5).flat, hardest, strict=False):
    axis.imshow(x[i].reshape(8, 8), cmap="gray_r")
    axis.set(title=str(y[i]), xticks=[], yticks=[])
figure.savefig(options.picture, dpi=120)
