"""Epochs and steps: the loop that `fit` has set up."""

from __future__ import annotations

import copy
import dataclasses
import time
from collections.abc import Callable
from typing import Any, Literal

import numpy as np

from adjoint import tree
from adjoint.errors import InputError, NonFiniteError
from adjoint.nn.data import Batch, leaves_of
from adjoint.nn.history import History
from adjoint.nn.nonfinite import first_in_step
from adjoint.nn.progress import Silent
from adjoint.nn.running import Run
from adjoint.nn.steps import Leafwise
from adjoint.nn.stopping import EarlyStopping, Interruption

__all__ = ["FitResult", "Loop"]

Stopped = Literal["epochs", "early_stopping", "interrupted", "callback", "non_finite", "running"]


@dataclasses.dataclass(frozen=True)
class FitResult:
    """What `fit` returns.

    Attributes
    ----------
    model : pytree
        The trained model; of the best epoch, where early stopping restores it.
    state : pytree
        The layers' state (running statistics).
    optimizer_state : pytree
    average : pytree or None
        The averaged model, with ``ema``.
    history : History
    stopped : str
        Why training ended: ``"epochs"``, ``"early_stopping"``, ``"interrupted"`` or ``"callback"``;
        ``"non_finite"`` in the result that a `NonFiniteError` holds, ``"running"`` in what
        callbacks are given.
    epoch, step : int
        How many were completed.
    """

    model: Any = dataclasses.field(repr=False)
    state: Any = dataclasses.field(repr=False)
    optimizer_state: Any = dataclasses.field(repr=False)
    average: Any = dataclasses.field(repr=False)
    history: History = dataclasses.field(repr=False)
    stopped: Stopped
    epoch: int
    step: int


@dataclasses.dataclass
class Loop:
    """Training, with all that it needs."""

    run: Run
    loss: Callable
    source: Any
    held_out: Any
    dtype: np.dtype | None
    noisy: bool
    step: Leafwise
    evaluate: Leafwise
    metrics: tuple[str, ...]
    keep: Callable[[], None] | None
    keep_every: int | None
    early_stopping: EarlyStopping | None
    callbacks: tuple[Callable[[FitResult], Any], ...]
    show: Silent

    def epochs(self, count: int, interruption: Interruption) -> Stopped:
        """Train until there is a reason to end, which is returned."""
        run, stopping = self.run, self.early_stopping
        while run.progress.epoch < count:
            if stopping is not None and run.progress.waited >= stopping.patience:
                return "early_stopping"
            if not self._epoch(count, interruption):
                if self.keep is not None:
                    self.keep()
                return "interrupted"
            if self.keep is not None:
                self.keep()
            result = self.result("running")
            if any([callback(result) is True for callback in self.callbacks]):
                return "callback"
        if stopping is not None and run.progress.waited >= stopping.patience:
            return "early_stopping"
        return "epochs"

    def result(self, stopped: Stopped) -> FitResult:
        """Return what there is now."""
        run, progress = self.run, self.run.progress
        ended = stopped not in ("running", "non_finite")
        best = run.best if ended and run.best is not None else run.parts
        return FitResult(
            model=best[0],
            state=best[1],
            optimizer_state=run.parts[2],
            average=None if best[3] is None else best[3].average,
            history=run.history,
            stopped=stopped,
            epoch=progress.epoch,
            step=progress.step,
        )

    def _epoch(self, count: int, interruption: Interruption) -> bool:
        """Train through the rest of an epoch, and measure; tell whether it was completed."""
        run, progress = self.run, self.run.progress
        self.show.begin(progress.epoch + 1, count, self.source.batches, progress.batch)
        # The generator in the run stays as it was when the epoch began, for checkpoints.
        order = copy.deepcopy(run.order)
        began = time.perf_counter()
        before = progress.seconds
        for batch in self.source.epoch(order, progress.batch):
            if interruption.asked:
                return False
            self._step(batch)
            progress.seconds = before + time.perf_counter() - began
            speed = progress.examples / max(progress.seconds, 1e-9)
            self.show.advance(progress.total / max(progress.examples, 1), speed)
            if self.keep_every is not None and progress.step % self.keep_every == 0:
                assert self.keep is not None
                self.keep()
        if progress.examples == 0:
            raise InputError("data gave no batch in this epoch: an iterator that is used up?")
        measured = self._measured(interruption)
        if measured is None:
            return False
        progress.seconds = before + time.perf_counter() - began
        run.order = order
        self._close_epoch(measured)
        return True

    def _step(self, batch: Batch) -> None:
        run, progress = self.run, self.run.progress
        leaves, spec = leaves_of(batch.args, self.dtype)
        noise = (run.noise,) if self.noisy else ()
        drawn = run.noise.bit_generator.state
        with np.errstate(all="ignore"):
            value, finite, *new = self.step(run.spec, run.leaves, spec, leaves, *noise)
        if not finite:
            run.noise.bit_generator.state = drawn
            raise self._non_finite(Batch(tree.unflatten(spec, leaves), batch.rows), value)
        run.leaves = new
        progress.total += float(value) * batch.size
        progress.examples += batch.size
        progress.batch += 1
        progress.step += 1

    def _measured(self, interruption: Interruption) -> dict[str, float] | None:
        """Return what the validation data, or else the training data, say of the model."""
        if self.held_out is None and not self.metrics:
            return {}
        source, prefix = (self.held_out, "val_") if self.held_out is not None else (self.source, "")
        model, state, _, average = self.run.parts
        parts, spec = tree.flatten((model if average is None else average.average, state))
        names = ("loss", *self.metrics)
        sums = [0.0] * len(names)
        examples = 0
        for batch in source.epoch(copy.deepcopy(self.run.order)):
            if interruption.asked:
                return None
            args, args_spec = leaves_of(batch.args, self.dtype)
            values = self.evaluate(spec, parts, args_spec, args)
            sums = [s + float(v) * batch.size for s, v in zip(sums, values, strict=True)]
            examples += batch.size
        means = {prefix + name: s / examples for name, s in zip(names, sums, strict=True)}
        return means if prefix else {k: v for k, v in means.items() if k != "loss"}

    def _close_epoch(self, measured: dict[str, float]) -> None:
        run, progress, stopping = self.run, self.run.progress, self.early_stopping
        row = {
            "epoch": progress.epoch + 1,
            "step": progress.step,
            "loss": progress.total / progress.examples,
            **measured,
            "seconds": progress.seconds,
            "examples_per_second": progress.examples / max(progress.seconds, 1e-9),
        }
        run.history = run.history.with_row(row)
        progress.epoch += 1
        progress.batch, progress.total, progress.examples, progress.seconds = 0, 0.0, 0, 0.0
        if stopping is not None:
            value = stopping.monitored(row)
            if stopping.better(value, progress.best):
                progress.best, progress.waited = value, 0
                if stopping.restore_best:
                    run.best = run.parts
            else:
                progress.waited += 1
        self.show.end(row)

    def _non_finite(self, batch: Batch, value: Any) -> NonFiniteError:
        """Return the error that says where the step went wrong."""
        run, progress = self.run, self.run.progress
        model, state, *_ = run.parts
        rng = run.noise if self.noisy else None
        found = first_in_step(self.loss, model, state, batch, rng)
        where = (
            f"{value} at step {progress.step + 1} (epoch {progress.epoch + 1}, batch "
            f"{progress.batch + 1})"
        )
        if not np.isfinite(value):
            cause = found or "the same step on the eager tier gives finite numbers"
            text = f"the loss is {where}: {cause}"
        elif found is not None:
            text = f"the gradient is not finite; the loss is {where}: {found}"
        else:
            text = (
                f"the update made the model not finite; the loss is {where}: the learning rate may "
                "be too large"
            )
        text += ". The model of before this step is error.result.model"
        return NonFiniteError(
            text,
            self.result("non_finite"),
            progress.step,
            None if found is None else found.layer,
            None if found is None else found.place,
        )
