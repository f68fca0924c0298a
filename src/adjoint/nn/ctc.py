"""Connectionist temporal classification: the probability of a sequence, however it is aligned."""

from __future__ import annotations

from typing import Any

import numpy as np

from adjoint.errors import InputError
from adjoint.nn.reduction import check_reduction, reduced

__all__ = ["ctc_loss"]

# The logarithm of a probability of 0 in the recursion. It is finite, so that differences of two of
# them are numbers, and further from all that occurs than any sum over time.
_NEVER = -1e30


def ctc_loss(
    log_probs: Any,
    targets: Any,
    input_lengths: Any,
    target_lengths: Any,
    *,
    blank: int = 0,
    reduction: str = "mean",
    zero_infinity: bool = False,
) -> Any:
    """Return minus the log-probability of sequences of labels, summed over all alignments.

    An alignment gives each time a label or blank; its sequence is what is left when repetitions are
    merged and blanks then dropped.

    Parameters
    ----------
    log_probs : array (time, batch, classes)
        Log-probabilities, of `log_softmax`. Time is the first axis, as in PyTorch.
    targets : array of int (batch, length)
        Labels, padded with any of them.
    input_lengths, target_lengths : array of int (batch,)
        How many times and labels of each row count.
    blank : int
        The class that stands for no label.
    reduction : str
        ``"mean"`` (each loss over the length of its target first), ``"sum"`` or ``"none"``.
    zero_infinity : bool
        Whether the loss of a target that no alignment has (it is too long) is 0, not infinite. Its
        gradient is 0 in both cases.

    Notes
    -----
    The gradient is that of the function of ``log_probs``. PyTorch's is what comes before
    `log_softmax` already; through one, both are the same.

    References
    ----------
    A. Graves, S. Fernández, F. Gomez, J. Schmidhuber: Connectionist temporal classification:
    labelling unsegmented sequence data with recurrent neural networks. ICML 2006, equations 5 to 8.

    Examples
    --------
    Two times, equal probabilities of blank and 1: three of four alignments are read as "1".

    >>> import numpy as np, adjoint as ad
    >>> log_probs = np.full((2, 1, 2), np.log(0.5))
    >>> loss = ad.nn.ctc_loss(log_probs, np.array([[1]]), np.array([2]), np.array([1]))
    >>> np.exp(-loss).round(6)
    np.float64(0.75)
    """
    check_reduction(reduction)
    if log_probs.ndim != 3 or targets.ndim != 2 or log_probs.shape[1] != targets.shape[0]:
        raise InputError(
            f"log_probs of shape {tuple(log_probs.shape)} and targets of shape "
            f"{tuple(targets.shape)}; they are (time, batch, classes) and (batch, length)"
        )
    time, batch, _ = log_probs.shape
    length = targets.shape[1]
    # Blanks around all labels: states 0, 2, 4, ... are blanks, states 1, 3, 5, ... labels.
    states = np.full((batch, 2 * length + 1), blank)
    states[:, 1::2] = targets
    # From a label, the label before is reached past the blank between, unless they are the same.
    skips = np.zeros((batch, 2 * length + 1), dtype=bool)
    skips[:, 3::2] = targets[:, 1:] != targets[:, :-1]
    ends = 2 * target_lengths[:, None]
    scores = np.take_along_axis(log_probs, states[None], axis=-1)  # (time, batch, states)
    scores = np.maximum(scores, _NEVER)

    never = np.full_like(scores[0, :, :1], _NEVER)
    start = np.arange(2 * length + 1) < 2
    alpha = np.where(start, scores[0], never)
    for t in range(1, time):
        one = np.concatenate((never, alpha[:, :-1]), axis=1)
        two = np.where(skips, np.concatenate((never, never, alpha[:, :-2]), axis=1), never)
        after = np.logaddexp(np.logaddexp(alpha, one), two) + scores[t]
        alpha = np.where(t < input_lengths[:, None], np.maximum(after, _NEVER), alpha)

    last = np.take_along_axis(alpha, ends, axis=1)[:, 0]
    label = np.take_along_axis(alpha, np.maximum(ends - 1, 0), axis=1)[:, 0]
    total = np.where(target_lengths > 0, np.logaddexp(last, label), last)
    losses = np.where(total > 0.5 * _NEVER, -total, 0.0 if zero_infinity else np.inf)
    if reduction == "mean":
        return np.mean(losses / np.maximum(target_lengths, 1).astype(losses.dtype))
    return reduced(losses, reduction)
