"""Text, character by character: an LSTM and a small transformer learn to write English.

The text is what ``help()`` knows about Python, from `pydoc_data.topics`. Many of its paragraphs are
in several topics; each is taken once, so that none of the last tenth, which is for validation, is
in what is learnt from. How well a character is foreseen is told in bits: tables of the frequencies
of characters, and of pairs of them, are what networks have to be better than. Each window of text
is foreseen on its own, so that its first characters are foreseen from little.

Run it with ``python examples/language_model.py`` (less than 3 minutes; the LSTM came to 2.07
bits, the transformer to 2.08, pairs of characters to 3.46); ``--small`` only shows that it runs.
"""

import pydoc_data.topics
import re
import sys

import numpy as np
from matplotlib.figure import Figure

import adjoint as ad

nn = ad.nn
SMALL = "--small" in sys.argv
LENGTH = 32 if SMALL else 128  # of a window
BATCH = 1024 // LENGTH
EPOCHS = 3 if SMALL else 8

topics = "\n\n".join(pydoc_data.topics.topics.values())
paragraphs = dict.fromkeys(p.strip("\n") for p in re.split(r"\n\s*\n", topics))
text = "\n\n".join(paragraphs)
characters = sorted(set(text))
code = np.searchsorted(characters, list(text))
cut = len(code) * 9 // 10
seen, unseen = (code[:20_000], code[-4_000:]) if SMALL else (code[:cut], code[cut:])


def windows(code, start=0):
    """Return one window a row, each with the character after it; they share memory."""
    rows = np.lib.stride_tricks.sliding_window_view(code, LENGTH + 1)
    return rows[start::LENGTH]


def batches(rng):
    """Yield the batches of an epoch: windows that begin elsewhere than in the one before."""
    rows = windows(seen, rng.integers(LENGTH))
    order = rng.permutation(len(rows))
    for k in range(0, len(rows) - BATCH + 1, BATCH):
        yield rows[order[k : k + BATCH]]


class LSTM(nn.Module):
    def __init__(self, size, *, rng):
        self.embedding = nn.Embedding(len(characters), 32, rng=rng)
        self.lstm = nn.LSTM(32, size, rng=rng)
        self.out = nn.Linear(size, len(characters), rng=rng)

    def start(self, length):
        return None

    def __call__(self, text, state=None, *, rng=None):
        y, state = self.lstm(self.embedding(text), state)
        return self.out(nn.dropout(y, 0.1, rng=rng)), state


class Transformer(nn.Module):
    def __init__(self, size, *, rng):
        options = {"dropout": 0.1, "activation": "gelu", "norm_first": True, "rng": rng}
        layers = [nn.TransformerEncoderLayer(size, 4, 4 * size, **options) for _ in range(3)]
        self.embedding = nn.Embedding(len(characters), size, rng=rng)
        self.encoder = nn.TransformerEncoder(layers, nn.LayerNorm(size))
        self.out = nn.Linear(size, len(characters), rng=rng)

    def start(self, length):
        """Return room for the keys and values of a text of this length."""
        return self.encoder.init_cache(1, length)

    def __call__(self, text, cache=None, *, rng=None):
        begin = 0 if cache is None else cache[0].position
        x = self.embedding(text)
        x = x + nn.sinusoidal_encoding(text.shape[1], x.shape[2], start=begin)
        if cache is None:
            return self.out(self.encoder(x, causal=True, rng=rng)), None
        y, cache = self.encoder(x, cache=cache)
        return self.out(y), cache


def loss(model, window, *, rng=None):
    """The mean of −ln p(character), each given those before it in the window."""
    return nn.cross_entropy(model(window[:, :-1], rng=rng)[0], window[:, 1:])


def bits(model, window):
    return loss(model, window) / np.log(2)


following = ad.jit(lambda model, character, state: model(character, state))


def sample(model, prompt, length, temperature, rng):
    """Write on: draw from softmax(logits/temperature), and read what was drawn."""
    state, written = model.start(length), list(np.searchsorted(characters, list(prompt)))
    for k in range(length):
        logits, state = following(model, np.array([[written[k]]]), state)
        if k + 1 == len(written):
            p = nn.softmax(logits[0, -1].astype(float) / temperature)
            written.append(rng.choice(len(p), p=p))
    return "".join(characters[c] for c in written)


# Tables of frequencies; none is 0, and of pairs that are rare the single ones tell.
pairs = np.zeros((len(characters),) * 2)
np.add.at(pairs, (seen[:-1], seen[1:]), 1)
p = (pairs.sum(axis=0) + 1) / (pairs.sum() + len(characters))
p_after = (pairs + p) / (pairs.sum(axis=1, keepdims=True) + 1)
single = -np.log2(p[unseen[1:]]).mean()
double = -np.log2(p_after[unseen[:-1], unseen[1:]]).mean()
print(f"{len(seen):,} characters to learn from, {len(unseen):,} to foresee")
print(f"bits a character: {np.log2(len(characters)):.2f} if all are equally likely, "
      f"{single:.2f} by frequency, {double:.2f} by frequency after the one before")  # fmt: skip

figure = Figure(figsize=(7, 4), layout="constrained")
axes = figure.subplots()
axes.axhline(double, color="gray", ls=":", label="pairs of characters")
rng = np.random.default_rng(0)
found = {}
for model in (LSTM(128, rng=rng), Transformer(64, rng=rng)):
    name = type(model).__name__
    steps = EPOCHS * (len(seen) // LENGTH // BATCH)
    result = nn.fit(
        model, loss, batches, validation=(windows(unseen),), metrics={"bits": bits}, epochs=EPOCHS,
        optimizer=ad.optim.AdamW(ad.optim.WarmupCosineLR(4e-3, steps // 20, steps)),
        batch_size=32, clip_norm=1.0, early_stopping=3, rng=0,
    )  # fmt: skip
    history = result.history
    found[name] = history["val_bits"].min()
    (line,) = axes.plot(history["epoch"], history["val_bits"], ".-", label=f"{name}, validation")
    axes.plot(history["epoch"], history["loss"] / np.log(2), "--", color=line.get_color(),
              label="in training, with dropout")  # fmt: skip
    print(f"\n{name}, {nn.parameter_count(model):,} parameters, {history['seconds'].sum():.0f} s: "
          f"{found[name]:.2f} bits a character")  # fmt: skip
    for temperature in (0.5, 1.0):
        written = sample(result.model, "The ", LENGTH, temperature, rng)
        print(f"  at temperature {temperature}: {written!r}")

axes.set(xlabel="epoch", ylabel="bits a character")
axes.legend()
figure.savefig("language_model.png", dpi=150)
print("\nloss by epoch: language_model.png")
assert max(found.values()) < (single if SMALL else double - 0.5)
