"""A variational autoencoder on handwritten digits: reparameterised draws inside a compiled step.

The encoder gives, for each image x, a Gaussian q(z | x) of eight numbers; the decoder the shade
of each pixel for a z. A draw from q is written μ + σ ε with ε from a standard Gaussian (the
"reparameterisation trick"), so that it has a derivative by μ and σ. Trained is the evidence lower
bound, log p(x) ≥ E_q log p(x | z) − KL(q ‖ N(0, 1)), whose second term is known in closed form.

The generator is an argument like any other: every call of the compiled step draws new numbers.

D. Kingma, M. Welling: Auto-Encoding Variational Bayes. ICLR 2014. Images: scikit-learn's digits,
1797 of 8 × 8 pixels. A pixel is how many of 4 × 4 dots are black: a number from a binomial
distribution.

Run it with ``python examples/vae.py`` or, faster, with ``--small``. In one run: 45 s, a
bound of −98.8 nats an image on unseen digits; the pixels' means alone give −254.0.
"""

import argparse

import numpy as np
from matplotlib.figure import Figure
from scipy.special import betaln
from scipy.stats import binom
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split

import adjoint as ad

parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
parser.add_argument("--small", action="store_true", help="few epochs, fast")
parser.add_argument("--picture", default="vae.png", help="the file that is drawn")
options = parser.parse_args()

nn = ad.nn
DOTS = 16
rng = np.random.default_rng(0)
images, labels = load_digits(return_X_y=True)
images = (images / DOTS).astype(np.float32)
train, test = train_test_split(images, test_size=360, stratify=labels, random_state=0)


class VAE(nn.Module):
    def __init__(self, latent, width, *, rng):
        self.encoder = nn.Sequential(nn.Linear(64, width, rng=rng), nn.gelu)
        self.mean = nn.Linear(width, latent, rng=rng)
        self.log_variance = nn.Linear(width, latent, rng=rng)
        self.decoder = nn.Sequential(
            nn.Linear(latent, width, rng=rng), nn.gelu, nn.Linear(width, 64, rng=rng)
        )

    def encode(self, x):
        hidden = self.encoder(x)
        return self.mean(hidden), self.log_variance(hidden)

    def decode(self, z):
        return nn.sigmoid(self.decoder(z))

    def __call__(self, x, rng=None):
        """The logits of the pixels, for a draw of z (its mean without ``rng``), and q."""
        mean, log_variance = self.encode(x)
        z = mean
        if rng is not None:
            noise = rng.standard_normal(mean.shape, dtype=np.float32)
            z = mean + np.exp(log_variance / 2) * noise
        return self.decoder(z), mean, log_variance


def log_orders(x):
    """In how many ways the dots of a pixel can be black: ln of 16 over 16 x."""
    return -np.log(DOTS + 1) - betaln(DOTS * x + 1, DOTS * (1 - x) + 1)


def terms(model, x, rng):
    """Both terms of the bound for each image, in nats."""
    logits, mean, log_variance = model(x, rng)
    pixels = DOTS * nn.binary_cross_entropy_with_logits(logits, x, reduction="none")
    kl = (np.exp(log_variance) + mean**2 - 1 - log_variance) / 2
    return np.sum(pixels - log_orders(x), axis=-1), np.sum(kl, axis=-1)


def loss(model, x, *, rng):
    reconstruction, kl = terms(model, x, rng)
    return np.mean(reconstruction + kl)


def bound(model, x, draws=50):
    """The bound on log p(x), averaged over images and draws, and its second term."""
    rng = np.random.default_rng(1)
    parts = np.array([[np.mean(part) for part in terms(model, x, rng)] for _ in range(draws)])
    reconstruction, kl = parts.mean(axis=0)
    return -(reconstruction + kl), kl


model = VAE(latent=8, width=256, rng=rng)

# The same weights and images, three draws: of the compiled function, and of plain NumPy.
step, generator = ad.jit(ad.value_and_grad(loss)), np.random.default_rng(2)
compiled = [step(model, train[:64], rng=generator)[0] for _ in range(3)]
generator = np.random.default_rng(2)
plain = [loss(model, train[:64], rng=generator) for _ in range(3)]
print("three draws:", *(f"{v:.4f}" for v in compiled))
assert len(set(compiled)) == 3 and np.allclose(compiled, plain, rtol=1e-5)

curve = []
result = nn.fit(
    model, loss, train, optimizer=ad.optim.Adam(lr=2e-3), epochs=25 if options.small else 300,
    batch_size=64, rng=rng, progress=False,
    callbacks=[lambda r: curve.append((bound(r.model, train, 1)[0], bound(r.model, test, 1)[0]))],
)  # fmt: skip
model = result.model

# What can be told without seeing the image (the pixels' means), and the best that a decoder could
# do if z cost nothing (the pixels themselves).
baseline, limit = (
    np.mean(np.sum(binom.logpmf(np.rint(DOTS * test), DOTS, p), axis=1))
    for p in ((np.sum(DOTS * train, axis=0) + 1) / (DOTS * len(train) + 2), test)
)
(seen, _), (unseen, kl) = bound(model, train), bound(model, test)
print(f"{nn.parameter_count(model)} weights, {result.epoch} epochs, {result.step} steps")
print(f"bound, nats an image: {seen:.2f} on images seen, {unseen:.2f} on unseen ones (KL {kl:.2f})")
print(f"pixels' means alone: {baseline:.2f}; no bound can be above {limit:.2f}")


def sheet(rows):
    """Images side by side, (rows, columns, 64)."""
    count, columns = rows.shape[:2]
    padded = np.pad(rows.reshape(count, columns, 8, 8), [(0, 0), (0, 0), (1, 1), (1, 1)])
    return padded.swapaxes(1, 2).reshape(10 * count, 10 * columns)


drawn = model.decode(rng.standard_normal((10, 10, 8), dtype=np.float32))
shown = test[:50].reshape(5, 10, 64)
again = model.decode(model.encode(shown)[0])
both = np.stack([shown, again], axis=1).reshape(10, 10, 64)

figure = Figure(figsize=(13, 4), layout="constrained")
axes = figure.subplots(1, 3)
axes[0].plot(curve, label=["seen", "unseen"])
axes[0].axhline(baseline, color="gray", ls=":", label="pixels' means")
axes[0].set(xlabel="epoch", ylabel="bound on log p(x), nats", title="evidence lower bound")
axes[0].legend()
for axis, title, rows in zip(
    axes[1:], ("drawn from the prior", "unseen, and below it the reconstruction"), (drawn, both),
    strict=True,
):  # fmt: skip
    axis.imshow(sheet(rows), cmap="gray_r")
    axis.set(title=title, xticks=[], yticks=[])
figure.savefig(options.picture, dpi=120)

assert unseen > baseline + (40 if options.small else 50)
