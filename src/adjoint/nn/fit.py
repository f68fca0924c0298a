"""The training loop."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from typing import Any

import numpy as np

from adjoint.errors import InputError, TracingError
from adjoint.nn import checkpoints, running
from adjoint.nn.data import as_source
from adjoint.nn.loop import FitResult, Loop
from adjoint.nn.progress import reporter
from adjoint.nn.running import Run
from adjoint.nn.steps import (
    Leafwise,
    clipped,
    evaluation_step,
    float_type,
    keywords_of,
    split,
    training_step,
)
from adjoint.nn.stopping import EarlyStopping, Interruption
from adjoint.optim.lbfgs import LBFGS
from adjoint.optim.settings import check_not_negative, check_whole

__all__ = ["fit"]


def fit(
    model: Any,
    loss: Callable[..., Any],
    data: Any,
    *,
    optimizer: Any,
    epochs: int,
    batch_size: int = 32,
    shuffle: bool = True,
    validation: Any = None,
    metrics: dict[str, Callable[..., Any]] | None = None,
    state: Any = None,
    rng: int | np.random.Generator = 0,
    clip_norm: float | None = None,
    ema: Any = None,
    early_stopping: EarlyStopping | int | None = None,
    checkpoint: str | os.PathLike[str] | None = None,
    checkpoint_every: int | None = None,
    resume: bool | str | os.PathLike[str] = False,
    callbacks: Iterable[Callable[[FitResult], Any]] = (),
    progress: bool = True,
    jit: bool = True,
) -> FitResult:
    """Train a model.

    Parameters
    ----------
    model : pytree
        It is left as it is.
    loss : callable
        ``loss(model, *batch)`` returns one number. Where it has parameters of these names, it is
        given by keyword ``rng`` (a generator in training, None in validation), ``training`` (True
        or False) and ``state``; it then returns ``(value, state)``.
    data : arrays, iterable or callable
        A tuple or dict of arrays with one row an example (memory-mapped ones are read batch by
        batch), a list or other iterable of batches, or a function that returns the batches of an
        epoch, which may take ``rng``. A batch that is a tuple is several arguments of the loss,
        any other is one.
    optimizer : optimiser
        Of `adjoint.optim`, or anything with ``init`` and ``update``. Gradients are accumulated by
        `optim.Accumulate`.
    epochs : int
        How many, counted from the very beginning when training is resumed.
    batch_size : int
        Of arrays. The last batch of an epoch may be smaller.
    shuffle : bool
        Whether arrays are gone through in a new order in each epoch.
    validation : optional
        Data like ``data``, on which loss and metrics are evaluated after each epoch.
    metrics : dict, optional
        Names and functions like the loss. They are evaluated on the validation data, or else on
        the training data, after each epoch, and averaged over the examples.
    state : pytree, optional
        The layers' state. By default ``model.init_state()``, if the loss takes it.
    rng : int or Generator
        Where the order of the data and the generator of the loss come from.
    clip_norm : float, optional
        The gradients together are made no longer than this.
    ema : optim.EMA, optional
        Keeps an average of the model, which is then what is validated.
    early_stopping : EarlyStopping or int, optional
        An integer is its patience.
    checkpoint : path, optional
        A file that is written after each epoch, and after an interruption.
    checkpoint_every : int, optional
        Write it after so many steps as well.
    resume : bool or path
        Go on from ``checkpoint``, or from another file: with the same numbers, to the last bit, as
        if training had never stopped. The file's random generators count then, not ``rng``.
    callbacks : iterable of callable
        Called with a `FitResult` after each epoch; one that returns True ends training.
    progress : bool
        Show a bar in a terminal (with `rich`), or else a line an epoch, on standard error.
    jit : bool
        Compile the step, which llvmlite is needed for; otherwise, and without it, training is on
        the eager tier.

    Returns
    -------
    FitResult

    Raises
    ------
    NonFiniteError
        If the loss, or what is trained, becomes NaN or infinite. The message says where it began;
        ``error.result.model`` is the model of before.

    Notes
    -----
    Ctrl-C ends training after the step that is running, writes the checkpoint and returns; a second
    one raises KeyboardInterrupt.

    Examples
    --------
    >>> import numpy as np, adjoint as ad
    >>> x = np.linspace(-1, 1, 64).reshape(-1, 1)
    >>> def loss(model, x, y):
    ...     return np.mean((x @ model["w"] + model["b"] - y) ** 2)
    >>> result = ad.nn.fit(
    ...     {"w": np.zeros((1, 1)), "b": np.zeros(1)}, loss, (x, 3 * x + 1),
    ...     optimizer=ad.optim.Adam(lr=0.1), epochs=40, batch_size=16, progress=False, jit=False,
    ... )
    >>> result.model["w"].round(2), result.stopped, len(result.history)
    (array([[3.]]), 'epochs', 40)
    """  # fmt: skip
    check_whole(0, epochs=epochs)
    check_whole(1, batch_size=batch_size)
    if checkpoint_every is not None:
        check_whole(1, checkpoint_every=checkpoint_every)
        if checkpoint is None:
            raise InputError("checkpoint_every is given, but no checkpoint, which says where")
    if isinstance(optimizer, type) or not hasattr(optimizer, "update"):
        raise InputError(f"optimizer is {optimizer!r}: it has to be one, such as optim.Adam()")
    if isinstance(optimizer, LBFGS):
        raise InputError(
            "LBFGS evaluates the loss of all data as often as it likes, and has no place in a "
            "loop over batches: call optimizer.update(ad.value_and_grad(loss), state, model)"
        )
    if clip_norm is not None:
        check_not_negative(clip_norm=clip_norm)
        optimizer = clipped(optimizer, clip_norm)
    if isinstance(early_stopping, int):
        early_stopping = EarlyStopping(patience=early_stopping)
    takes = keywords_of(loss)
    if "state" in takes and state is None and hasattr(model, "init_state"):
        state = model.init_state()
    if "state" in takes and "training" not in takes and (validation is not None or metrics):
        raise InputError(
            "the loss has a parameter `state`, but none that is named `training`: it has to know "
            "when it is evaluated on validation data, and state is not to be updated"
        )
    if not split(model)[0]:
        raise InputError("the model holds no array of floating-point numbers: nothing to train")
    source = as_source(data, batch_size, shuffle, epochs, "data")
    held_out = None
    if validation is not None:
        held_out = as_source(validation, batch_size, False, epochs, "validation")
    order, noise = running.generators(rng)
    averages = None if ema is None else ema.init(model)
    run = Run((model, state, optimizer.init(model), averages), order, noise)
    about = {"examples": source.examples, "batch_size": batch_size, "shuffle": shuffle}
    if resume:
        path = checkpoint if resume is True else resume
        if path is None:
            raise InputError("resume=True needs a checkpoint, which says what to go on from")
        running.take_up(path, run, about)
    if checkpoint is not None:
        checkpoints.check_place(checkpoint)
    loop = Loop(
        run=run,
        loss=loss,
        source=source,
        held_out=held_out,
        dtype=float_type(model),
        noisy="rng" in takes,
        step=Leafwise(training_step(loss, optimizer, ema), jit),
        evaluate=Leafwise(evaluation_step(loss, metrics or {}), jit),
        metrics=tuple(metrics or ()),
        keep=None if checkpoint is None else lambda: running.keep(checkpoint, run, about),
        keep_every=checkpoint_every,
        early_stopping=early_stopping,
        callbacks=tuple(callbacks),
        show=reporter(progress),
    )
    try:
        with Interruption() as interruption:
            stopped = loop.epochs(epochs, interruption)
    except TracingError as error:
        if jit:
            error.add_note("fit(…, jit=False) trains without staging the loss.")
        raise
    finally:
        loop.show.close()
    return loop.result(stopped)
