"""Connectionist temporal classification against a sum over all alignments, and PyTorch."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

import adjoint as ad
from adjoint import nn
from adjoint.errors import InputError

RNG = np.random.default_rng(0)
LOGITS = RNG.normal(size=(4, 3, 3))
TARGETS = np.array([[1, 2], [2, 2], [1, 0]])
TIMES, LENGTHS = np.array([4, 3, 2]), np.array([2, 2, 1])


def read(alignment, blank):
    merged = [label for label, _ in itertools.groupby(alignment)]
    return [label for label in merged if label != blank]


def by_all_alignments(log_probs, target, blank=0):
    total = 0.0
    for alignment in itertools.product(range(log_probs.shape[1]), repeat=len(log_probs)):
        if read(alignment, blank) == list(target):
            total += np.exp(sum(log_probs[t, label] for t, label in enumerate(alignment)))
    return -np.log(total)


def loss(logits, **options):
    return nn.ctc_loss(nn.log_softmax(logits), TARGETS, TIMES, LENGTHS, **options)


@pytest.mark.parametrize("blank", [0, 2])
def test_all_alignments(blank):
    log_probs = nn.log_softmax(LOGITS)
    targets = TARGETS if blank == 0 else 2 - TARGETS
    want = [
        by_all_alignments(log_probs[:time, k], targets[k, :length], blank)
        for k, (time, length) in enumerate(zip(TIMES, LENGTHS, strict=True))
    ]
    found = nn.ctc_loss(log_probs, targets, TIMES, LENGTHS, blank=blank, reduction="none")
    np.testing.assert_allclose(found, want, rtol=1e-12)
    total = nn.ctc_loss(log_probs, targets, TIMES, LENGTHS, blank=blank, reduction="sum")
    np.testing.assert_allclose(total, np.sum(want))
    mean = nn.ctc_loss(log_probs, targets, TIMES, LENGTHS, blank=blank)
    np.testing.assert_allclose(mean, np.mean(want / LENGTHS))


def test_targets_of_no_labels():
    log_probs = nn.log_softmax(LOGITS)
    found = nn.ctc_loss(log_probs, TARGETS, TIMES, np.zeros(3, int), reduction="none")
    want = [-np.sum(log_probs[:time, k, 0]) for k, time in enumerate(TIMES)]
    np.testing.assert_allclose(found, want, rtol=1e-12)
    empty = nn.ctc_loss(log_probs, TARGETS[:, :0], TIMES, np.zeros(3, int), reduction="none")
    np.testing.assert_allclose(empty, want, rtol=1e-12)


@pytest.mark.parametrize("backend", ["interpret", "llvm"])
def test_tiers(backend):
    ad.check_grads(loss, (LOGITS,), order=2)
    run = ad.jit(ad.value_and_grad(loss), backend=backend)
    value, g = run(LOGITS)
    np.testing.assert_allclose(value, loss(LOGITS), rtol=1e-12)
    np.testing.assert_allclose(g, ad.grad(loss)(LOGITS), rtol=1e-10, atol=1e-14)
    assert "callback" not in ad.report(run)
    text = str(ad.stage(ad.grad(loss))(LOGITS))
    assert text.count("for ") >= 2  # loops over time, there and back
    assert not g[3, 1].any() and not g[2:, 2].any()  # past the end


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_extreme_logits_and_impossible_targets(dtype):
    x = np.where(np.arange(3) == 1, 1e4, -1e4).astype(dtype) * np.ones((4, 3, 1), dtype)
    f = lambda x, **options: nn.ctc_loss(
        nn.log_softmax(x), TARGETS, np.array([4, 4, 4]), LENGTHS, reduction="none", **options
    )
    losses = f(x)
    # One 2; no 1 at any of four times, in five ways; none but 1.
    np.testing.assert_allclose(losses, [2e4, 8e4 - np.log(5), 0.0], rtol=1e-6)
    assert losses.dtype == dtype
    assert np.isfinite(ad.grad(lambda x: np.sum(f(x)))(x)).all()
    short = np.array([2, 2, 1])  # 2, 2 takes three times
    for zero, worst in ((False, np.inf), (True, 0.0)):
        g = lambda x: nn.ctc_loss(
            nn.log_softmax(x), TARGETS, short, LENGTHS, reduction="none", zero_infinity=zero
        )
        assert g(x)[1] == worst and np.isfinite(g(x)[[0, 2]]).all()
        slopes = ad.grad(lambda x: np.sum(g(x)))(LOGITS.astype(dtype))
        assert np.isfinite(slopes).all() and not slopes[:, 1].any()
    # Log-probabilities of minus infinity.
    with np.errstate(divide="ignore"):
        log_probs = np.log(np.full((3, 1, 2), [0.0, 1.0], dtype))
    args = (np.array([[1]]), np.array([3]), np.array([1]))
    assert nn.ctc_loss(log_probs, *args) == 0.0
    assert np.isfinite(ad.grad(nn.ctc_loss)(log_probs, *args)).all()


def test_like_torch():
    torch = pytest.importorskip("torch", reason="compares with PyTorch's loss")
    rng = np.random.default_rng(1)
    logits, targets = rng.normal(size=(12, 5, 7)), rng.integers(1, 7, size=(5, 4))
    times, lengths = np.array([12, 9, 10, 12, 11]), np.array([4, 3, 1, 2, 4])
    for reduction in ("mean", "sum"):
        t = torch.tensor(logits, requires_grad=True)
        theirs = torch.nn.functional.ctc_loss(
            torch.log_softmax(t, -1), torch.tensor(targets), torch.tensor(times),
            torch.tensor(lengths), reduction=reduction,
        )  # fmt: skip
        theirs.backward()
        f = lambda x: nn.ctc_loss(
            nn.log_softmax(x),
            targets,
            times,
            lengths,
            reduction=reduction,  # noqa: B023
        )
        np.testing.assert_allclose(f(logits), theirs.item(), rtol=1e-10)
        np.testing.assert_allclose(ad.grad(f)(logits), t.grad.numpy(), rtol=1e-10, atol=1e-13)


def test_errors():
    with pytest.raises(InputError, match=r"\(time, batch, classes\) and \(batch, length\)"):
        nn.ctc_loss(LOGITS, TARGETS[:2], TIMES, LENGTHS)
