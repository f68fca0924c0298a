"""What a model is: an object whose arrays are the leaves of a tree.

A module is written like a class of PyTorch's; its call is a NumPy program. As a pytree its children
are the arrays in it, and the modules, lists, tuples and dictionaries that hold arrays; all else
(numbers, flags, functions, names) is its structure, which transformations leave alone and which
`ad.jit` takes for constant. What is what is decided when the module is made. From then on it cannot
be changed: training returns new ones. That a model is a tree and nothing else is the idea of
P. Kidger and C. Garcia, "Equinox: neural networks in JAX via callable PyTrees and filtered
transformations" (NeurIPS workshop 2021).
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, TypeVar

import numpy as np

from adjoint import tree
from adjoint.errors import InputError

__all__ = ["Module", "named_parameters", "parameter_count"]

Self = TypeVar("Self", bound="Module")

_CHILDREN = "_children"
_CONTAINERS = (list, tuple, dict)


def _take_apart(module: Module) -> tuple[tuple[Any, ...], Any, tuple[str, ...]]:
    fields = vars(module)
    names = fields[_CHILDREN]
    rest = tuple([(k, v) for k, v in fields.items() if k not in names and k != _CHILDREN])
    return tuple([fields[name] for name in names]), (tuple(fields), names, rest), names


def _put_together(cls: type, data: Any, children: Any) -> Any:
    order, names, rest = data
    values = dict(zip(names, children, strict=True)) | dict(rest)
    new = object.__new__(cls)
    vars(new).update({name: values.get(name, names) for name in order})
    return new


class _Meta(type):
    """Makes instances that cannot be changed once ``__init__`` has returned."""

    def __init__(cls, name: str, bases: tuple[type, ...], space: dict[str, Any]) -> None:
        super().__init__(name, bases, space)
        tree.register(
            cls, _take_apart, lambda data, children: _put_together(cls, data, children), True
        )

    def __call__(cls, *args: Any, **kwargs: Any) -> Any:
        module = super().__call__(*args, **kwargs)
        fields = vars(module)
        children = tuple([name for name, value in fields.items() if _has_arrays(value)])
        for name, value in fields.items():
            if isinstance(value, np.random.Generator):
                raise InputError(
                    f"{cls.__name__}.{name} is a random generator: a model does not change when "
                    "it is called; give the generator to the call"
                )
        object.__setattr__(module, _CHILDREN, children)
        return module


class Module(metaclass=_Meta):
    """A model, or a part of one.

    Subclasses assign arrays, other modules and settings to ``self`` in ``__init__``, and are called
    through ``__call__``.

    Examples
    --------
    >>> import numpy as np, adjoint as ad
    >>> class Line(ad.nn.Module):
    ...     def __init__(self, slope, shift):
    ...         self.slope, self.shift = np.float64(slope), np.float64(shift)
    ...
    ...     def __call__(self, x):
    ...         return self.slope * x + self.shift
    >>> def loss(line, x, y):
    ...     return np.mean((line(x) - y) ** 2)
    >>> line = Line(2.0, 0.0)
    >>> ad.grad(loss)(line, np.array([0.0, 1.0]), np.array([1.0, 3.0]))
    Line(slope=-1.0, shift=-2.0)
    """

    def __setattr__(self, name: str, value: Any) -> None:
        if _CHILDREN in vars(self):
            raise AttributeError(
                f"a {type(self).__name__} cannot be changed; make another one by "
                f"module.replace({name}=…)"
            )
        object.__setattr__(self, name, value)

    def __delattr__(self, name: str) -> None:
        raise AttributeError(f"a {type(self).__name__} cannot be changed")

    def __repr__(self) -> str:
        shown = [f"{k}={_text(v)}" for k, v in vars(self).items() if k != _CHILDREN]
        return f"{type(self).__name__}({', '.join(shown)})"

    def replace(self: Self, **changes: Any) -> Self:
        """Return a copy with other values of some attributes.

        Raises
        ------
        AttributeError
            If the module has no such attribute.
        """
        new = object.__new__(type(self))
        vars(new).update(vars(self))
        for name, value in changes.items():
            if name not in vars(self) or name == _CHILDREN:
                raise AttributeError(f"a {type(self).__name__} has no attribute {name!r}")
            vars(new)[name] = value
        return new


def _has_arrays(value: Any) -> bool:
    """Tell whether a value is a child: an array, a module, or a container of some."""
    if isinstance(value, (np.ndarray, np.generic, Module)):
        return True
    if isinstance(value, _CONTAINERS):
        return any(_has_arrays(x) for x in (value.values() if isinstance(value, dict) else value))
    return False


def _text(value: Any) -> str:
    if isinstance(value, np.ndarray) and value.ndim:
        return f"{value.dtype}[{', '.join(map(str, value.shape))}]"
    if isinstance(value, np.ndarray | np.generic):
        return str(value)
    if isinstance(value, dict):
        return "{" + ", ".join(f"{k!r}: {_text(v)}" for k, v in value.items()) + "}"
    if isinstance(value, (list, tuple)):
        inside = ", ".join(map(_text, value))
        return f"[{inside}]" if isinstance(value, list) else f"({inside})"
    return repr(value)


def named_parameters(module: Any) -> Iterator[tuple[str, Any]]:
    """Yield the floating-point arrays of a model, each with its name.

    Examples
    --------
    >>> import numpy as np, adjoint as ad
    >>> [name for name, _ in ad.nn.named_parameters({"w": np.ones(2), "n": 3})]
    ["['w']"]
    """
    for name, leaf in tree.leaves_with_names(module):
        if isinstance(leaf, (np.ndarray, np.generic)) and leaf.dtype.kind in "fc":
            yield name, leaf


def parameter_count(module: Any) -> int:
    """Return how many numbers the floating-point arrays of a model have together."""
    return sum(np.size(leaf) for _, leaf in named_parameters(module))
