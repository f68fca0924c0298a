"""What a model is: an object whose arrays are the leaves of a tree.

A module is written like a class of PyTorch's; its call is a NumPy program. As a pytree its children
are the arrays in it, and the modules, lists, tuples and dictionaries that hold arrays; all else
(numbers, flags, functions, names), also among the arrays of a list, is its structure, which
transformations leave alone and which `ad.jit` takes for constant. What is what is decided when the
module is made. From then on it cannot be changed: training returns new ones. That a model is a tree
and nothing else is the idea of P. Kidger and C. Garcia, "Equinox: neural networks in JAX via
callable PyTrees and filtered transformations" (NeurIPS workshop 2021).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, TypeVar

import numpy as np

from adjoint import tree
from adjoint.errors import InputError
from adjoint.ir.core import Traced

__all__ = ["Module", "children", "named_parameters", "parameter_count"]

Self = TypeVar("Self", bound="Module")

_CHILDREN = "_children"
_CONTAINERS = (list, tuple, dict)
_ARRAYS = (np.ndarray, np.generic, Traced)


class _Setting:
    """What stands for a setting in a container that goes into a tree: a node without leaves."""

    def __init__(self, value: Any) -> None:
        self.value = value


tree.register(_Setting, lambda s: ((), s.value), lambda value, _: _Setting(value))


def _take_apart(module: Module) -> tuple[tuple[Any, ...], Any, tuple[str, ...]]:
    fields = vars(module)
    held = fields[_CHILDREN]
    rest = tuple([(k, v) for k, v in fields.items() if k not in held and k != _CHILDREN])
    values = [
        fields[name] if places is None else _hide(fields[name], places)
        for name, places in held.items()
    ]
    return tuple(values), (tuple(fields), held, rest), tuple(held)


def _put_together(cls: type, data: Any, values: Any) -> Any:
    order, held, rest = data
    found = dict(rest)
    for (name, places), value in zip(held.items(), values, strict=True):
        found[name] = value if places is None else _show(value, places)
    new = object.__new__(cls)
    vars(new).update({name: found.get(name, held) for name in order})
    return new


def _places(value: Any) -> Any:
    """Return where the settings are among the arrays of a container.

    True stands for a setting, None for what holds none, and a dictionary for a container of both.
    """
    if value is None or isinstance(value, (*_ARRAYS, Module)):
        return None
    if not _has_arrays(value):
        return True
    found = {key: _places(v) for key, v in _items(value)}
    return found if any(x is not None for x in found.values()) else None


def _hide(value: Any, places: Any) -> Any:
    if places is True:
        return _Setting(value)
    return value if places is None else _over(lambda k, v: _hide(v, places[k]), value)


def _show(value: Any, places: Any) -> Any:
    if isinstance(value, _Setting):
        return value.value
    # A transformation may have put something else in the place of the container.
    if places is None or not isinstance(value, _CONTAINERS):
        return value
    return _over(lambda k, v: _show(v, places[k]), value)


def _items(container: Any) -> Any:
    return container.items() if isinstance(container, dict) else enumerate(container)


def _over(fn: Callable[[Any, Any], Any], container: Any) -> Any:
    """Return a container of ``fn(key, value)``."""
    new = [fn(key, value) for key, value in _items(container)]
    if isinstance(container, dict):
        return type(container)(zip(container, new, strict=True))
    return type(container)(*new) if hasattr(container, "_fields") else type(container)(new)


class _Meta(type):
    """Makes instances that cannot be changed once ``__init__`` has returned."""

    def __init__(cls, name: str, bases: tuple[type, ...], space: dict[str, Any]) -> None:
        super().__init__(name, bases, space)
        put_together = lambda data, children: _put_together(cls, data, children)
        tree.register(cls, _take_apart, put_together, attributes=True, frozen=True)

    def __call__(cls, *args: Any, **kwargs: Any) -> Any:
        module = super().__call__(*args, **kwargs)
        fields = vars(module)
        held = {name: _places(value) for name, value in fields.items() if _has_arrays(value)}
        for name, value in fields.items():
            if isinstance(value, np.random.Generator):
                raise InputError(
                    f"{cls.__name__}.{name} is a random generator: a model does not change when "
                    "it is called; give the generator to the call"
                )
        object.__setattr__(module, _CHILDREN, held)
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

    def init_state(self) -> Any:
        """Return what the layers keep from call to call before the first one.

        A layer with a state (`BatchNorm1d`) takes it in its call and returns it with the result:
        nothing is changed in place. The state of a module is a dictionary of the states of those
        of its attributes that have one, in which lists and tuples of layers are tuples; None where
        there is nothing to keep. Override it where calls are to take another form.
        """
        states = {name: _state_of(child) for name, child in children(self).items()}
        return {name: state for name, state in states.items() if state is not None} or None


def _has_arrays(value: Any) -> bool:
    """Tell whether a value is a child: an array, a module, or a container of some."""
    if isinstance(value, (*_ARRAYS, Module)):
        return True
    return isinstance(value, _CONTAINERS) and any(_has_arrays(x) for _, x in _items(value))


def _state_of(value: Any) -> Any:
    if isinstance(value, Module):
        return value.init_state()
    if not isinstance(value, _CONTAINERS):
        return None
    states = {key: _state_of(x) for key, x in _items(value)}
    if all(state is None for state in states.values()):
        return None
    return states if isinstance(value, dict) else tuple(states.values())


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


def children(module: Module) -> dict[str, Any]:
    """Return the attributes of a module that are, or hold, arrays."""
    return {name: vars(module)[name] for name in vars(module)[_CHILDREN]}


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
