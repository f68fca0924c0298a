"""One step of each recurrent network: the formulas, and the cells that are one step alone.

x is the input, h the hidden and c the cell state, σ the logistic function and ⊙ the elementwise
product. Weights and biases hold those of the gates one below the other, in the order written here.

* RNN:  h ← tanh(W x + b + U h + d), or relu in place of tanh (J. Elman, "Finding structure in
  time", Cognitive Science 14, 1990).
* LSTM: i, f, g, o = W x + b + U h + d;  c ← σ(f) ⊙ c + σ(i) ⊙ tanh(g);  h ← σ(o) ⊙ tanh(c)
  (S. Hochreiter, J. Schmidhuber, "Long short-term memory", Neural Computation 9, 1997; the gate f:
  F. Gers, J. Schmidhuber, F. Cummins, "Learning to forget", Neural Computation 12, 2000).
* GRU:  r, z, n = W x + b and r', z', n' = U h + d;  n ← tanh(n + σ(r + r') ⊙ n');
  h ← n + σ(z + z') ⊙ (h − n)  (K. Cho et al., "Learning phrase representations using RNN
  encoder–decoder", EMNLP 2014; r multiplies U h + d, as in PyTorch and cuDNN, in place of h).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar

import numpy as np

from adjoint.errors import InputError
from adjoint.nn import init
from adjoint.nn.activations import relu, sigmoid
from adjoint.nn.module import Module

__all__ = ["GRUCell", "LSTMCell", "RNNCell"]


NONLINEARITIES: dict[str, Callable[[Any], Any]] = {"tanh": np.tanh, "relu": relu}


def known_nonlinearity(name: str) -> str:
    """Return a name of `NONLINEARITIES`, or raise."""
    if name not in NONLINEARITIES:
        raise InputError(f"nonlinearity is 'tanh' or 'relu', not {name!r}")
    return name


def lstm_step(gates: Any, c: Any) -> tuple[Any, Any]:
    """Return h and c, (hidden, batch), from the four gates' arguments, (4 hidden, batch)."""
    n = c.shape[0]
    c = sigmoid(gates[n : 2 * n]) * c + sigmoid(gates[:n]) * np.tanh(gates[2 * n : 3 * n])
    return sigmoid(gates[3 * n :]) * np.tanh(c), c


def gru_step(wx: Any, uh: Any, h: Any) -> Any:
    """Return h, (hidden, batch), from the products with x and with h, (3 hidden, batch)."""
    n = h.shape[0]
    r = sigmoid(wx[:n] + uh[:n])
    z = sigmoid(wx[n : 2 * n] + uh[n : 2 * n])
    change = np.tanh(wx[2 * n :] + r * uh[2 * n :])
    return change + z * (h - change)


class Cell(Module):
    """What the cells have in common: weights, and the product of each operand with its own."""

    _gates: ClassVar[int]

    weight_ih: Any
    weight_hh: Any
    bias_ih: Any
    bias_hh: Any

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        bias: bool = True,
        *,
        rng: init.Rng,
        dtype: Any = np.float32,
    ) -> None:
        if min(input_size, hidden_size) < 1:
            raise InputError("input_size and hidden_size are positive numbers")
        self.input_size, self.hidden_size, self.bias = input_size, hidden_size, bias
        rng, rows, bound = init.generator(rng), self._gates * hidden_size, 1.0 / hidden_size**0.5
        shapes = {"weight_ih": (rows, input_size), "weight_hh": (rows, hidden_size)}
        if bias:
            shapes |= {"bias_ih": (rows,), "bias_hh": (rows,)}
        for name, shape in shapes.items():
            setattr(self, name, init.uniform(shape, -bound, bound, rng=rng, dtype=dtype))

    def _products(self, x: Any, h: Any) -> tuple[Any, Any]:
        """Return W x + b and U h + d, (gates, batch)."""
        wx, uh = self.weight_ih @ x.T, self.weight_hh @ h.T
        return (wx + self.bias_ih[:, None], uh + self.bias_hh[:, None]) if self.bias else (wx, uh)

    def _zeros(self, x: Any) -> Any:
        return np.zeros((x.shape[0], self.hidden_size), x.dtype)


class RNNCell(Cell):
    """One step of an RNN.

    Parameters
    ----------
    input_size, hidden_size : int
        The lengths of x and h.
    bias : bool
        Whether there are biases.
    nonlinearity : {"tanh", "relu"}
        What makes h of the sum.
    rng, dtype
        Where the weights come from, and what they are.

    Attributes
    ----------
    weight_ih : (hidden, input) array
    weight_hh : (hidden, hidden) array
    bias_ih, bias_hh : (hidden,) array
        All drawn uniformly between ±1/√hidden.

    Examples
    --------
    >>> import numpy as np, adjoint as ad
    >>> cell = ad.nn.RNNCell(3, 5, rng=0)
    >>> cell(np.ones((2, 3), np.float32)).shape
    (2, 5)
    """

    _gates = 1

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        bias: bool = True,
        nonlinearity: str = "tanh",
        *,
        rng: init.Rng,
        dtype: Any = np.float32,
    ) -> None:
        super().__init__(input_size, hidden_size, bias, rng=rng, dtype=dtype)
        self.nonlinearity = known_nonlinearity(nonlinearity)

    def __call__(self, x: Any, h: Any = None) -> Any:
        """Return h (batch, hidden) after x (batch, input); zeros are before it by default."""
        wx, uh = self._products(x, self._zeros(x) if h is None else h)
        return NONLINEARITIES[self.nonlinearity](wx + uh).T


class LSTMCell(Cell):
    """One step of an LSTM; as `RNNCell`, with four gates: i, f, g, o.

    Examples
    --------
    >>> import numpy as np, adjoint as ad
    >>> cell = ad.nn.LSTMCell(3, 5, rng=0)
    >>> h, c = cell(np.ones((2, 3), np.float32))
    >>> h, c = cell(np.ones((2, 3), np.float32), (h, c))
    >>> h.shape, c.shape, cell.weight_ih.shape
    ((2, 5), (2, 5), (20, 3))
    """

    _gates = 4

    def __call__(self, x: Any, state: Any = None) -> tuple[Any, Any]:
        """Return h and c (batch, hidden) after x (batch, input)."""
        h, c = (self._zeros(x), self._zeros(x)) if state is None else state
        wx, uh = self._products(x, h)
        h, c = lstm_step(wx + uh, c.T)
        return h.T, c.T


class GRUCell(Cell):
    """One step of a GRU; as `RNNCell`, with three gates: r, z, n.

    Examples
    --------
    >>> import numpy as np, adjoint as ad
    >>> cell = ad.nn.GRUCell(3, 5, rng=0)
    >>> cell(np.ones((2, 3), np.float32)).shape
    (2, 5)
    """

    _gates = 3

    def __call__(self, x: Any, h: Any = None) -> Any:
        """Return h (batch, hidden) after x (batch, input)."""
        h = self._zeros(x) if h is None else h
        return gru_step(*self._products(x, h), h.T).T
