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

_LAYOUT = "_layout"
_CONTAINERS = (list, tuple, dict)
_ARRAYS = (np.ndarray, np.generic, Traced)


class _Layout:
    """What a module is beside the arrays in it; modules made of one another share it.

    Attributes
    ----------
    names : tuple of str
        The attributes that are, or hold, arrays.
    places : dict
        Where the settings are in those that hold both (`_places`).
    fields : dict
        All attributes in their order, with None for those of ``names``.
    """

    __slots__ = ("fields", "names", "places")

    def __init__(self, fields: dict[str, Any], names: tuple[str, ...]) -> None:
        found = {name: _places(v) if _has_arrays(v := fields[name]) else None for name in names}
        self.names = names
        self.places = {name: places for name, places in found.items() if places is not None}
        self.fields = {k: None if k in found else v for k, v in fields.items() if k != _LAYOUT}

    def __eq__(self, other: object) -> bool:
        return self is other or (
            isinstance(other, _Layout)
            and self.names == other.names
            and self.places == other.places
            and self.fields == other.fields
            and tuple(self.fields) == tuple(other.fields)
        )

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        return ", ".join(map(repr, self.fields.items()))


def _take_apart(module: Module) -> tuple[tuple[Any, ...], Any, tuple[str, ...]]:
    fields = vars(module)
    layout = fields[_LAYOUT]
    values = [fields[name] for name in layout.names]
    if layout.places:
        places = layout.places
        values = [
            _hide(value, places.get(name)) for name, value in zip(layout.names, values, strict=True)
        ]
    return tuple(values), layout, layout.names


def _put_together(cls: type, layout: Any, values: Any) -> Any:
    new = object.__new__(cls)
    fields = vars(new)
    fields.update(layout.fields)
    fields.update(zip(layout.names, values, strict=True))
    for name, places in layout.places.items():
        fields[name] = _show(fields[name], places)
    fields[_LAYOUT] = layout
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
        return tree.Setting(value)
    return value if places is None else _over(lambda k, v: _hide(v, places[k]), value)


def _show(value: Any, places: Any) -> Any:
    if isinstance(value, tree.Setting):
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
        tree.register(cls, _take_apart, put_together, attributes=True, frozen=_LAYOUT)

    def __call__(cls, *args: Any, **kwargs: Any) -> Any:
        module = super().__call__(*args, **kwargs)
        fields = vars(module)
        names = tuple([name for name, value in fields.items() if _has_arrays(value)])
        for name, value in fields.items():
            if isinstance(value, np.random.Generator):
                raise InputError(
                    f"{cls.__name__}.{name} is a random generator: a model does not change when "
                    "it is called; give the generator to the call"
                )
        object.__setattr__(module, _LAYOUT, _Layout(fields, names))
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
        if _LAYOUT in vars(self):
            raise AttributeError(
                f"a {type(self).__name__} cannot be changed; make another one by "
                f"module.replace({name}=…)"
            )
        object.__setattr__(self, name, value)

    def __delattr__(self, name: str) -> None:
        raise AttributeError(f"a {type(self).__name__} cannot be changed")

    def __repr__(self) -> str:
        shown = [f"{k}={_text(v)}" for k, v in vars(self).items() if k != _LAYOUT]
        return f"{type(self).__name__}({', '.join(shown)})"

    def replace(self: Self, **changes: Any) -> Self:
        """Return a copy with other values of some attributes.

        Raises
        ------
        AttributeError
            If the module has no such attribute.
        """
        new = object.__new__(type(self))
        fields, layout = vars(new), vars(self)[_LAYOUT]
        fields.update(vars(self))
        for name, value in changes.items():
            if name not in layout.fields:
                raise AttributeError(f"a {type(self).__name__} has no attribute {name!r}")
            fields[name] = value
        # What was an array may be anything: a transformation's.
        names = [
            name for name in layout.fields if name in layout.names or _has_arrays(fields[name])
        ]
        other = _Layout(fields, tuple(names))
        fields[_LAYOUT] = layout if other == layout else other
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
    return {name: vars(module)[name] for name in vars(module)[_LAYOUT].names}


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
