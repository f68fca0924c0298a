"""A name for every character: a GRU that reads both ways colours lines of Python.

The sequences are lines of Python's own standard library, of 1 to 80 characters; the labels are what
`tokenize` says of each character. A line is seen alone: that it is in the middle of a long string,
the network has to guess from how it reads. Files of the training, the validation and the test set
are different ones, and no line is in two of them, or twice in one.

Lines of a batch are about as long as each other; ``lengths`` and the label −1 keep what is after
the end of a line out of the network's state and out of the loss.

Run it with ``python examples/tagging.py`` (a minute; it came to 98.8 % of the
test's characters, the commonest kind of each to 56.9 %); ``--small`` reads and trains less.
"""

import keyword
import os
import sys
import tokenize
from pathlib import Path

import numpy as np

import adjoint as ad

nn = ad.nn
SMALL = "--small" in sys.argv
FILES, EPOCHS, SIZE = (12, 3, 32) if SMALL else (60, 5, 64)
LONGEST, BATCH = 80, 64
KINDS = ["space", "name", "keyword", "number", "operator", "string", "comment"]
SPACE, NAME, KEYWORD, NUMBER, OPERATOR, STRING, COMMENT = range(7)


def kind(token):
    name = tokenize.tok_name[token.type]
    if name == "NAME":
        return KEYWORD if keyword.iskeyword(token.string) else NAME
    if "STRING" in name:  # and, from Python 3.12 on, the parts of an f-string
        return STRING
    return {"NUMBER": NUMBER, "OP": OPERATOR, "COMMENT": COMMENT}.get(name, SPACE)


def labelled(path):
    """Yield the lines of a file, each with the kinds of its characters."""
    with tokenize.open(path) as file:
        lines = file.read().splitlines()
    kinds = [np.full(len(line) + 1, SPACE) for line in lines] + [np.zeros(1, int)]
    with open(path, "rb") as file:
        for token in tokenize.tokenize(file.readline):
            (row, begin), (last_row, end) = token.start, token.end
            for at in range(row, last_row + 1):
                stop = end if at == last_row else None
                kinds[at - 1][begin if at == row else 0 : stop] = kind(token)
    for line, of_line in zip(lines, kinds):
        yield line, of_line[: len(line)]


def read(paths, before):
    """Return the codes and kinds of lines that were not there before."""
    found = {}
    for line, kinds in (pair for path in paths for pair in labelled(path)):
        if line.strip() and len(line) <= LONGEST and line not in before:
            found[line] = np.minimum([ord(c) for c in line], 127), kinds
    before.update(found)
    return list(found.values())


def batch(lines):
    """Return arrays of several lines: codes, lengths, and kinds, which are -1 after the end."""
    lengths = np.array([len(codes) for codes, _ in lines])
    codes = np.zeros((len(lines), lengths.max()), int)
    kinds = np.full_like(codes, -1)
    for row, (c, k) in enumerate(lines):
        codes[row, : len(c)], kinds[row, : len(c)] = c, k
    return codes, lengths, kinds


def batches(lines, rng=None):
    """Yield batches of lines of similar lengths; with a generator, in an order of chance."""
    chance = np.zeros(len(lines)) if rng is None else rng.random(len(lines))
    order = sorted(range(len(lines)), key=lambda k: (len(lines[k][0]) + 4 * chance[k], chance[k]))
    groups = [order[k : k + BATCH] for k in range(0, len(order), BATCH)]
    for k in range(len(groups)) if rng is None else rng.permutation(len(groups)):
        yield batch([lines[row] for row in groups[k]])


class Tagger(nn.Module):
    def __init__(self, size, *, rng):
        self.embedding = nn.Embedding(128, 32, rng=rng)
        self.gru = nn.GRU(32, size, bidirectional=True, rng=rng)
        self.out = nn.Linear(2 * size, len(KINDS), rng=rng)

    def __call__(self, codes, lengths, *, rng=None):
        y, _ = self.gru(self.embedding(codes), lengths=lengths)
        return self.out(nn.dropout(y, 0.1, rng=rng))


def loss(model, codes, lengths, kinds, *, rng=None):
    """The mean cross-entropy over the characters of the lines."""
    return nn.cross_entropy(model(codes, lengths, rng=rng), kinds, ignore_index=-1)


def accuracy(model, codes, lengths, kinds):
    there = kinds >= 0
    right = model(codes, lengths).argmax(axis=-1) == kinds
    return np.sum(right & there) / np.sum(there)


paths = sorted(Path(os.__file__).parent.glob("*.py"))
paths = np.random.default_rng(0).permutation(paths)[:FILES]
parts = np.split(paths, [FILES * 8 // 10, FILES * 9 // 10])
before = set()
train, validation, test = (read(part, before) for part in parts)
result = nn.fit(
    Tagger(SIZE, rng=0), loss, lambda rng: batches(train, rng), epochs=EPOCHS,
    validation=lambda: batches(validation), metrics={"accuracy": accuracy},
    optimizer=ad.optim.AdamW(ad.optim.WarmupCosineLR(5e-3, 50, EPOCHS * (len(train) // BATCH + 1))),
    clip_norm=1.0, early_stopping=2, rng=0,
)  # fmt: skip

# On the test, character by character, against what needs no network: the commonest kind of all, and
# the commonest kind of each character.
counts = np.zeros((128, len(KINDS)), int)
for codes, kinds in train:
    np.add.at(counts, (codes, kinds), 1)
answer = ad.jit(lambda model, codes, lengths: model(codes, lengths).argmax(axis=-1))
rows = []
for codes, lengths, kinds in batches(test):
    given = answer(result.model, codes, lengths), counts.argmax(axis=1)[codes]
    rows.append(np.array([kinds, *given])[:, kinds >= 0])
truth, network, character = np.concatenate(rows, axis=1)
majority = counts.sum(axis=0).argmax()
answers = {"majority": majority, "by character": character, "GRU": network}
right = {name: given == truth for name, given in answers.items()}

print(f"{len(train):,} lines to learn from; the test: {len(test):,}, {len(truth):,} characters")
print(f"{'':10}{'share':>8}" + "".join(f"{name:>14}" for name in right))
for k, name in enumerate([*KINDS, "all"]):
    rows = (truth == k) | (name == "all")
    found = "".join(f"{r[rows].mean():14.1%}" for r in right.values())
    print(f"{name:10}{rows.mean():8.1%}{found}")

line = "    return 'a for b', f(x1, 2.5)  # not if"
codes, lengths, _ = batch([(np.array([ord(c) for c in line]), np.zeros(len(line), int))])
print(f"\n{line}\n{''.join('_nk1.sc'[k] for k in answer(result.model, codes, lengths)[0])}")

# What stands after the end of a line, or beside it in the batch, changes nothing.
beside, _, _ = batch([(codes[0], codes[0] * 0), (np.full(70, 65), np.zeros(70, int))])
pair = result.model(beside, np.array([len(line), 70]))[0, : len(line)]
assert np.allclose(pair, result.model(codes, lengths)[0], atol=1e-4)
assert right["GRU"].mean() > right["by character"].mean() + (0.1 if SMALL else 0.25)
