"""All parameters of a model as one vector, for what works on vectors: SciPy's solvers."""

from __future__ import annotations

from typing import Any

import numpy as np

from adjoint.errors import InputError
from adjoint.nn.module import parameter_count
from adjoint.optim.flat import restored, start
from adjoint.staged.values import require_equal

__all__ = ["parameters_to_vector", "vector_to_parameters"]


def parameters_to_vector(model: Any) -> Any:
    """Return the parameters of a model as one vector.

    They are in the order of `named_parameters`, and of the dtype that all of them fit in. Gradients
    are models too: this gives the gradient as a vector.

    Parameters
    ----------
    model : pytree

    Returns
    -------
    array (n,)

    Raises
    ------
    InputError
        If there are none, or complex ones.

    Examples
    --------
    >>> import numpy as np, adjoint as ad
    >>> ad.nn.parameters_to_vector({"w": np.ones((2, 2)), "b": np.zeros(1), "n": 3})
    array([0., 1., 1., 1., 1.])
    """
    return start(model)


def vector_to_parameters(vector: Any, model: Any) -> Any:
    """Return a model like another one, with the numbers of a vector as its parameters.

    Each parameter keeps its dtype. All else is the other model's.

    Parameters
    ----------
    vector : array (n,)
    model : pytree

    Returns
    -------
    pytree

    Raises
    ------
    InputError
        If the vector is not as long as the model has parameters.

    Examples
    --------
    >>> import numpy as np, adjoint as ad
    >>> line = ad.nn.Linear(2, 1, rng=0)
    >>> ad.nn.vector_to_parameters(np.array([1.0, 2.0, 3.0]), line).weight
    array([[1., 2.]], dtype=float32)
    """
    if np.ndim(vector) != 1:
        raise InputError(f"the vector has shape {np.shape(vector)}; it has one axis")
    length, count = vector.shape[0], parameter_count(model)
    if type(length) is not int:
        require_equal(length, count)  # a staged one: checked when the graph runs
    elif length != count:
        raise InputError(f"the vector has {length} numbers, but the model {count} parameters")
    return restored(model, vector)
