"""One step of training, and one of evaluation, as functions that are compiled whole."""

from __future__ import annotations

import dataclasses
import importlib.util
import inspect
from collections.abc import Callable
from typing import Any

import numpy as np

from adjoint import tree
from adjoint.api.compile import jit as compiled
from adjoint.api.derivatives import value_and_grad
from adjoint.errors import InputError
from adjoint.frontend import resolve
from adjoint.ir.build import staging
from adjoint.optim.accumulation import Accumulate
from adjoint.optim.clipping import clip_by_global_norm
from adjoint.optim.leaves import is_trained
from adjoint.staging.recursion import resolve_call

__all__ = [
    "Clipped", "Leafwise", "apply_loss", "clipped", "evaluation_step", "float_type", "keywords_of",
    "split", "training_step",
]  # fmt: skip

SPECIAL = ("rng", "state", "training")
"""What the loss and the metrics are given by keyword where they have a parameter of that name."""


def keywords_of(fn: Callable) -> frozenset[str]:
    """Return which of `SPECIAL` a function takes."""
    try:
        return frozenset(SPECIAL) & inspect.signature(fn).parameters.keys()
    except (TypeError, ValueError):
        return frozenset()


def split(model: Any) -> tuple[list[Any], Callable[..., Any]]:
    """Return the leaves that train, and what puts others in their place.

    The latter takes what stands for all other leaves as well, if they are not to be the model's.
    """
    leaves, spec = tree.flatten(model)
    at = [k for k, leaf in enumerate(leaves) if is_trained(leaf)]

    def join(new: list[Any], rest: list[Any] | None = None) -> Any:
        whole = list(leaves if rest is None else rest)
        for k, leaf in zip(at, new, strict=True):
            whole[k] = leaf
        return tree.unflatten(spec, whole)

    return [leaves[k] for k in at], join


def float_type(model: Any) -> np.dtype | None:
    """Return the dtype of all leaves that train, or None if they are of several."""
    types = {leaf.dtype for leaf in tree.flatten(model)[0] if is_trained(leaf)}
    return types.pop() if len(types) == 1 else None


def apply_loss(loss: Callable, model: Any, state: Any, args: Any, rng: Any, training: bool) -> Any:
    """Return the value of the loss and the state after it."""
    given = {"rng": rng, "state": state, "training": training}
    takes = keywords_of(loss)
    result = _called(loss)(model, *args, **{k: v for k, v in given.items() if k in takes})
    if "state" not in takes:
        value = result
    elif isinstance(result, tuple) and len(result) == 2:
        value, state = result
    else:
        raise InputError(
            "the loss has a parameter `state`: it has to return a pair, its value and the new "
            f"state, not {type(result).__name__}"
        )
    if np.ndim(value):
        raise InputError(
            f"the loss returned an array of shape {np.shape(value)}: it has to be one number, such "
            "as a mean"
        )
    return value, state


def _called(fn: Callable) -> Callable:
    """Return what to call for a function of the user's: it is staged, or rewritten, as theirs."""
    return resolve_call(fn) if staging() else resolve(fn)


def training_step(loss: Callable, optimizer: Any, ema: Any) -> Callable[..., Any]:
    """Return the function that makes one step.

    Returns
    -------
    callable
        ``((model, state, optimizer_state, ema_state), args, rng) -> (value, finite, the same)``,
        where ``finite`` says whether the loss and all that was trained are finite.
    """

    def step(parts: Any, args: Any, rng: Any = None) -> Any:
        model, state, optimizer_state, ema_state = parts
        trained, join = split(model)

        def objective(parameters: list[Any]) -> Any:
            return apply_loss(loss, join(parameters), state, args, rng, True)

        (value, new_state), grads = value_and_grad(objective, has_aux=True)(trained)
        if tree.structure(new_state) != tree.structure(state):
            raise InputError(
                "the loss returned a state of another structure than the one that it was given: "
                f"{tree.structure(new_state)}, not {tree.structure(state)}"
            )
        nothing = [None] * len(tree.flatten(model)[0])
        model, optimizer_state = optimizer.update(join(grads, nothing), optimizer_state, model)
        if ema is not None:
            ema_state = ema.update(model, ema_state)
        finite = np.isfinite(value)
        for leaf in split(model)[0]:
            finite = finite & np.all(np.isfinite(leaf))
        return value, finite, (model, new_state, optimizer_state, ema_state)

    return step


def evaluation_step(loss: Callable, metrics: dict[str, Callable]) -> Callable[..., Any]:
    """Return the function that evaluates the loss and the metrics of a batch.

    Nothing is random then, and the state stays as it is.

    Returns
    -------
    callable
        ``((model, state), args) -> (loss, *metrics)``.
    """

    def step(parts: Any, args: Any) -> tuple[Any, ...]:
        model, state = parts
        values = [apply_loss(loss, model, state, args, None, False)[0]]
        given = {"rng": None, "state": state, "training": False}
        for metric in metrics.values():
            takes = keywords_of(metric)
            some = {k: v for k, v in given.items() if k in takes}
            values.append(_called(metric)(model, *args, **some))
        return tuple(values)

    return step


class Leafwise:
    """A step that is called with leaves, and compiled where that is wanted and LLVM is there.

    Between steps nothing looks at the model, so that it need not be put together: a tuple of arrays
    in, a tuple of arrays out.

    Parameters
    ----------
    step : callable
        ``step(parts, args)`` or ``step(parts, args, rng)``.
    jit : bool
    """

    def __init__(self, step: Callable, jit: bool) -> None:
        self.step = step
        self.compiles = jit and importlib.util.find_spec("llvmlite") is not None
        self._known: dict[Any, Callable] = {}
        self._last: tuple[Any, Any, Callable] = (None, None, step)

    def __call__(self, spec: Any, leaves: Any, args_spec: Any, args: Any, *rng: Any) -> Any:
        """Return the leaves of what the step returns."""
        last_spec, last_args_spec, run = self._last
        if last_spec is not spec or last_args_spec != args_spec:
            run = self._known.get((spec, args_spec))
            if run is None:
                flat = _flat(self.step, spec, args_spec)
                run = self._known[spec, args_spec] = compiled(flat) if self.compiles else flat
            self._last = spec, args_spec, run
        return run(*leaves, *args, *rng)


def _flat(step: Callable, spec: Any, args_spec: Any) -> Callable[..., tuple[Any, ...]]:
    """Return a step as a function from leaves to leaves."""
    begin = spec.num_leaves
    end = begin + args_spec.num_leaves

    def flat(*leaves: Any) -> tuple[Any, ...]:
        parts = tree.unflatten(spec, leaves[:begin])
        args = tree.unflatten(args_spec, leaves[begin:end])
        return tuple(tree.flatten(step(parts, args, *leaves[end:]))[0])

    return flat


@dataclasses.dataclass(frozen=True)
class Clipped:
    """An optimiser that is given gradients of bounded length.

    Parameters
    ----------
    optimizer
        What has `init` and `update`.
    max_norm : float
        Of all gradients together.
    """

    optimizer: Any
    max_norm: float

    def init(self, params: Any) -> Any:
        """Return the optimiser's state before the first update."""
        return self.optimizer.init(params)

    def update(self, grads: Any, state: Any, params: Any) -> Any:
        """Return the parameters and the state after one step."""
        return self.optimizer.update(clip_by_global_norm(grads, self.max_norm), state, params)


def clipped(optimizer: Any, max_norm: float) -> Any:
    """Return an optimiser with clipping: of what has been accumulated, where it accumulates."""
    if isinstance(optimizer, Accumulate):
        inner = clipped(optimizer.optimizer, max_norm)
        return dataclasses.replace(optimizer, optimizer=inner)
    return Clipped(optimizer, max_norm)
