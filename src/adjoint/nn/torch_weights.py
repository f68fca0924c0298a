"""Weights to and from PyTorch, by name.

Layers call their arrays what PyTorch calls them and give them the same shapes, so that a name is
the path to an array: ``encoder.layers.0.linear1.weight``. The tuple in a `Sequential` is left out
of paths, as PyTorch's is.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from adjoint.errors import InputError, MissingDependencyError
from adjoint.nn.module import Module, children
from adjoint.nn.sequential import Sequential

__all__ = ["load_torch_state_dict", "to_torch_state_dict"]


def load_torch_state_dict(model: Any, state_dict: Mapping[str, Any], state: Any = None) -> Any:
    """Return a model with the weights of a model of PyTorch's.

    Parameters
    ----------
    model : Module
        Of the same layers, under the same names.
    state_dict : mapping of str to tensor or array
        What ``state_dict()`` of the other model returns, or what a file of one holds. The numbers
        are copied, and take the dtypes of the model's.
    state : pytree, optional
        What ``model.init_state()`` returns, to take up running statistics.

    Returns
    -------
    Module, or (Module, pytree)
        The model; with a state, the model and the state.

    Raises
    ------
    InputError
        If names are missing or left over, or shapes differ; all of them are told.

    Examples
    --------
    >>> import numpy as np, adjoint as ad
    >>> model = ad.nn.Sequential(ad.nn.Linear(2, 1, rng=0), np.tanh)
    >>> weights = {"0.weight": np.array([[1.0, 2.0]]), "0.bias": np.array([3.0])}
    >>> ad.nn.load_torch_state_dict(model, weights).layers[0].weight
    array([[1., 2.]], dtype=float32)
    """
    left = dict(state_dict)
    missing: list[str] = []
    wrong: list[str] = []

    def take(name: str, old: Any) -> Any:
        if name not in left:
            missing.append(name)
            return old
        new = _array(left.pop(name))
        if new.shape != np.shape(old):
            wrong.append(f"{name} {new.shape} for {np.shape(old)}")
            return old
        # [()] makes a scalar of an array without axes, where the model has one.
        return new.astype(old.dtype)[()] if isinstance(old, np.generic) else new.astype(old.dtype)

    new_model, new_state = _mapped(take, model, ""), _mapped(take, state, "")
    faults = [
        f"{what}: {', '.join(names)}"
        for what, names in (
            ("missing", missing),
            ("unexpected", list(left)),
            ("of another shape", wrong),
        )
        if names
    ]
    if faults:
        hint = ""
        if state is None and any(name.endswith("running_mean") for name in left):
            hint = ". Running statistics go into a state: give state=model.init_state()"
        raise InputError(f"the weights do not fit the model; {'; '.join(faults)}{hint}")
    return new_model if state is None else (new_model, new_state)


def to_torch_state_dict(model: Any, state: Any = None) -> dict[str, Any]:
    """Return the weights of a model as PyTorch's ``load_state_dict`` takes them.

    Parameters
    ----------
    model : Module
        Of layers that PyTorch has too.
    state : pytree, optional
        Running statistics that go with it.

    Returns
    -------
    dict of str to torch.Tensor
        Copies of the arrays.

    Raises
    ------
    MissingDependencyError
        If PyTorch is not installed.
    """
    try:
        import torch
    except ImportError as error:
        raise MissingDependencyError(
            "to_torch_state_dict makes tensors: it needs PyTorch (pip install torch)"
        ) from error
    found: dict[str, Any] = {}

    def note(name: str, array: Any) -> Any:
        found[name] = torch.from_numpy(np.array(array))
        return array

    _mapped(note, model, "")
    _mapped(note, state, "")
    return found


def _array(value: Any) -> np.ndarray:
    """Return a copy of a tensor, or array, as an array."""
    if hasattr(value, "detach"):
        value = value.detach().cpu()
        if str(value.dtype) == "torch.bfloat16":  # which NumPy has not
            value = value.float()
        value = value.numpy()
    return np.array(value)


def _mapped(fn: Callable[[str, Any], Any], value: Any, path: str) -> Any:
    """Return a model, or a state, with ``fn(name, array)`` in the place of its arrays."""
    if isinstance(value, (np.ndarray, np.generic)):
        return fn(path, value)
    if isinstance(value, Module):
        hidden = "layers" if isinstance(value, Sequential) else None
        new = {
            name: _mapped(fn, child, path if name == hidden else _join(path, name))
            for name, child in children(value).items()
        }
        return value.replace(**new)
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        fields = [field.name for field in dataclasses.fields(value)]
        new = {name: _mapped(fn, getattr(value, name), _join(path, name)) for name in fields}
        return dataclasses.replace(value, **new)
    if isinstance(value, dict):
        return {key: _mapped(fn, child, _join(path, str(key))) for key, child in value.items()}
    if isinstance(value, (list, tuple)):
        entries = [_mapped(fn, child, _join(path, str(k))) for k, child in enumerate(value)]
        return type(value)(*entries) if hasattr(value, "_fields") else type(value)(entries)
    return value


def _join(path: str, name: str) -> str:
    return f"{path}.{name}" if path else name
