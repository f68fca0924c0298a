"""The recurrent networks by name, each a step for the loop of `adjoint.nn.recurrence`."""

from __future__ import annotations

from typing import Any

import numpy as np

from adjoint.nn import init
from adjoint.nn.recurrence import Recurrent, State
from adjoint.nn.recurrent_cells import NONLINEARITIES, gru_step, known_nonlinearity, lstm_step

__all__ = ["GRU", "LSTM", "RNN"]


class RNN(Recurrent):
    """Elman's network: h ← tanh(W x + b + U h + d), or relu in place of tanh.

    Parameters
    ----------
    input_size, hidden_size : int
        The lengths of x and h.
    num_layers : int
        How many networks stand one on another, each reading the outputs of the one below.
    nonlinearity : {"tanh", "relu"}
        What makes h of the sum.
    bias : bool
        Whether there are biases.
    dropout : float
        The probability with which elements are dropped between layers in training.
    bidirectional : bool
        Whether each layer also reads from the end to the beginning.
    rng : numpy.random.Generator or int
        Where the weights come from.
    dtype : dtype
        Of the weights.

    Attributes
    ----------
    weight_ih_l0 : (hidden, input) array
    weight_hh_l0 : (hidden, hidden) array
    bias_ih_l0, bias_hh_l0 : (hidden,) array
        Of the first layer; ``…_l1`` of the second, ``…_l0_reverse`` of the direction backwards. All
        are drawn uniformly between ±1/√hidden_size.

    Examples
    --------
    >>> import numpy as np, adjoint as ad
    >>> rnn = ad.nn.RNN(3, 5, num_layers=2, bidirectional=True, rng=0)
    >>> y, h = rnn(np.ones((4, 7, 3), np.float32))
    >>> y.shape, h.shape
    ((4, 7, 10), (4, 4, 5))

    Sequences of four lengths:

    >>> y, h = rnn(np.ones((4, 7, 3), np.float32), lengths=np.array([7, 5, 2, 1]))
    >>> (abs(y).max(axis=2) > 0).sum(axis=1)
    array([7, 5, 2, 1])
    """

    _gates = 1

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        num_layers: int = 1,
        nonlinearity: str = "tanh",
        bias: bool = True,
        *,
        dropout: float = 0.0,
        bidirectional: bool = False,
        rng: init.Rng,
        dtype: Any = np.float32,
    ) -> None:
        self.nonlinearity = known_nonlinearity(nonlinearity)
        options = {"dropout": dropout, "bidirectional": bidirectional, "rng": rng, "dtype": dtype}
        super().__init__(input_size, hidden_size, num_layers, bias, **options)

    def _step(self, wx: Any, uh: Any, state: State) -> State:
        return (NONLINEARITIES[self.nonlinearity](wx + uh),)


class LSTM(Recurrent):
    """A network with a long short-term memory; its state is (h, c).

    The formulas are in `adjoint.nn.recurrent_cells`. Parameters are those of `RNN`, but for
    ``nonlinearity``. So are attributes, with the rows of four gates: i, f, g, o.

    Examples
    --------
    >>> import numpy as np, adjoint as ad
    >>> lstm = ad.nn.LSTM(3, 5, rng=0)
    >>> y, (h, c) = lstm(np.ones((4, 7, 3), np.float32))
    >>> y.shape, h.shape, c.shape, lstm.weight_hh_l0.shape
    ((4, 7, 5), (1, 4, 5), (1, 4, 5), (20, 5))

    A sequence can be read in parts:

    >>> x = np.ones((4, 2, 3), np.float32)
    >>> first, state = lstm(x[:, :1])
    >>> second, state = lstm(x[:, 1:], state)
    >>> bool(np.allclose(np.concatenate([first, second], axis=1), lstm(x)[0]))
    True
    """

    _gates, _states = 4, 2

    def _step(self, wx: Any, uh: Any, state: State) -> State:
        return lstm_step(wx + uh, state[1])


class GRU(Recurrent):
    """A network of gated recurrent units.

    The formulas are in `adjoint.nn.recurrent_cells`. Parameters are those of `RNN`, but for
    ``nonlinearity``. So are attributes, with the rows of three gates: r, z, n.

    Examples
    --------
    >>> import numpy as np, adjoint as ad
    >>> gru = ad.nn.GRU(3, 5, bidirectional=True, rng=0)
    >>> y, h = gru(np.ones((4, 7, 3), np.float32))
    >>> y.shape, h.shape
    ((4, 7, 10), (2, 4, 5))
    """

    _gates = 3

    def _biases(self, suffix: str) -> tuple[Any, Any]:
        return getattr(self, "bias_ih" + suffix), getattr(self, "bias_hh" + suffix)

    def _step(self, wx: Any, uh: Any, state: State) -> State:
        return (gru_step(wx, uh, state[0]),)
