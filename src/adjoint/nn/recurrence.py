"""Recurrent networks over sequences: a plain loop over time.

Inside, time is the first axis and the batch the last: a step multiplies matrices of weights with
the few columns that x and h then are, as they lie in memory, for which BLAS takes less time than
for few rows; each gate is a block of rows; and the gradients of the weights, which the reversed
loop accumulates, are added to where they lie.

Sequences of different lengths are computed together: a step leaves the states of those sequences
as they are that have ended, or that, backwards, have not begun.
"""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np

from adjoint.errors import InputError
from adjoint.nn import init
from adjoint.nn.dropout import dropout
from adjoint.nn.module import Module

__all__ = ["Recurrent", "State"]

State = tuple[Any, ...]
"""The arrays (hidden, batch) that go from step to step, h first."""


class Recurrent(Module):
    """What RNN, LSTM and GRU have in common: layers, directions, lengths and dropout."""

    _gates: ClassVar[int]
    """How many times as long as the state what a step computes from the input is."""
    _states: ClassVar[int] = 1
    """How many arrays the state is."""

    weight_hh_l0: Any

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        num_layers: int = 1,
        bias: bool = True,
        *,
        dropout: float = 0.0,
        bidirectional: bool = False,
        rng: init.Rng,
        dtype: Any = np.float32,
    ) -> None:
        if min(input_size, hidden_size, num_layers) < 1:
            raise InputError("input_size, hidden_size and num_layers are positive numbers")
        if not 0.0 <= dropout <= 1.0:
            raise InputError(f"dropout is a probability, not {dropout}")
        self.input_size = input_size
        self.hidden_size = hidden_size
        self.num_layers = num_layers
        self.bias = bias
        self.dropout = dropout
        self.bidirectional = bidirectional
        rng, bound = init.generator(rng), 1.0 / hidden_size**0.5
        rows = self._gates * hidden_size
        for features, suffixes in self._layers():
            shapes = {"weight_ih": (rows, features), "weight_hh": (rows, hidden_size)}
            if bias:
                shapes |= {"bias_ih": (rows,), "bias_hh": (rows,)}
            for suffix in suffixes:
                for name, shape in shapes.items():
                    weight = init.uniform(shape, -bound, bound, rng=rng, dtype=dtype)
                    setattr(self, name + suffix, weight)

    @property
    def _directions(self) -> int:
        return 2 if self.bidirectional else 1

    def _layers(self) -> list[tuple[int, tuple[str, ...]]]:
        """Return for each layer how long its inputs are, and how its directions' names end."""
        inputs = [self.input_size] + [self.hidden_size * self._directions] * (self.num_layers - 1)
        names = [(f"_l{k}", f"_l{k}_reverse")[: self._directions] for k in range(self.num_layers)]
        return list(zip(inputs, names, strict=True))

    def _biases(self, suffix: str) -> tuple[Any, Any]:
        """Return the biases (gates,) of the product with x, and of that with h if it is apart."""
        return getattr(self, "bias_ih" + suffix) + getattr(self, "bias_hh" + suffix), None

    def _step(self, wx: Any, uh: Any, state: State) -> State:
        """Return the next state from the products with x and with h, (gates, batch)."""
        raise NotImplementedError

    def _direction(
        self, x: Any, suffix: str, features: int, state: State, inside: Any
    ) -> tuple[Any, State]:
        """Return h of one layer in one direction for x (time, features, batch), and the end."""
        time, _, batch = x.shape
        n, rows, backwards = self.hidden_size, self._gates * self.hidden_size, "reverse" in suffix
        # In a graph lengths of arguments are known when it runs; these are known before.
        w_ih = np.reshape(getattr(self, "weight_ih" + suffix), (rows, features))
        w_hh = np.reshape(getattr(self, "weight_hh" + suffix), (rows, n))
        # A column for each sequence: the loop in reverse then adds to the gradients element by
        # element, and columns are summed once.
        b_ih, b_hh = [
            None if b is None else np.broadcast_to(np.reshape(b, (rows, 1)), (rows, batch)).copy()
            for b in (self._biases(suffix) if self.bias else (None, None))
        ]
        h = np.empty((time, n, batch), state[0].dtype)
        for k in range(time):
            t = time - 1 - k if backwards else k
            wx, uh = w_ih @ x[t], w_hh @ state[0]
            wx, uh = wx if b_ih is None else wx + b_ih, uh if b_hh is None else uh + b_hh
            after = self._step(wx, uh, state)
            if inside is None:
                state = after
            else:
                state = tuple(
                    [np.where(inside[t], a, b) for a, b in zip(after, state, strict=True)]
                )
            h[t] = state[0]
        return h, state

    def _begin(self, state: Any, batch: Any, dtype: Any) -> list[State]:
        """Return the first state (hidden, batch) of each layer and direction."""
        count, n = self.num_layers * self._directions, self.hidden_size
        if state is None:
            zero = np.zeros((n, batch), dtype)
            return [(zero,) * self._states] * count
        arrays = state if isinstance(state, tuple | list) else (state,)
        if len(arrays) != self._states:
            raise InputError(f"the state is {self._states} arrays, not {len(arrays)}")
        for array in arrays:
            if array.ndim != 3 or array.shape[0] != count or array.shape[2] != n:
                raise InputError(
                    f"the state has shape ({count}, batch, {n}): layers times directions, batch, "
                    f"hidden_size; not {array.shape}"
                )
        return [
            tuple([np.reshape(a[k], (batch, n)).T.astype(dtype) for a in arrays])
            for k in range(count)
        ]

    def __call__(self, x: Any, state: Any = None, *, lengths: Any = None, rng: Any = None) -> Any:
        """Return the last layer's h at all times, and the last state of each layer.

        Parameters
        ----------
        x : (batch, time, input_size) array
        state : (layers × directions, batch, hidden_size) array, or a pair of them, optional
            What to begin with: h, for an LSTM (h, c); zeros by default. The directions of a layer
            stand next to each other.
        lengths : (batch,) array of int, optional
            How long each sequence is: as long as the array at most. What follows is not looked at.
        rng : numpy.random.Generator, optional
            Drops, with probability ``dropout``, elements of the outputs of each layer but the
            last. None, the default, drops nothing: evaluation.

        Returns
        -------
        y : (batch, time, directions × hidden_size) array
            Zero where a sequence has ended.
        state : array, or pair of arrays
            As the argument: of each sequence where it ends, backwards where it begins.
        """
        if np.ndim(x) != 3:
            raise InputError(f"a sequence has shape (batch, time, features), not {np.shape(x)}")
        batch, time, features = x.shape
        if features != self.input_size:
            raise InputError(f"x has {features} features; input_size is {self.input_size}")
        x = np.reshape(x, (batch, time, self.input_size))
        y, inside = np.transpose(x, (1, 2, 0)).copy(), None
        if lengths is not None:
            inside = (np.arange(time)[:, None] < np.asarray(lengths))[:, None, :]
            y = np.where(inside, y, 0.0)
        start = self._begin(state, batch, np.result_type(x.dtype, self.weight_hh_l0.dtype))
        ends: list[State] = []
        for features, suffixes in self._layers():
            if ends:
                y = dropout(y, self.dropout, rng=rng)
            each = []
            for suffix in suffixes:
                h, end = self._direction(y, suffix, features, start[len(ends)], inside)
                each.append(h)
                ends.append(end)
            y = each[0] if len(each) == 1 else np.concatenate(each, axis=1)
        if inside is not None:
            y = np.where(inside, y, 0.0)
        last = tuple([np.stack([end[k].T for end in ends]) for k in range(self._states)])
        return np.transpose(y, (2, 0, 1)), last if self._states > 1 else last[0]
