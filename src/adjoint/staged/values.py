"""A staged value, and how an operation on staged values is recorded.

NumPy's memory model is kept by objects, as in the eager tier: an array's memory belongs to one
`Staged`, the *root*, which holds the graph value of what the memory contains now; a view is a root
and a path. A store gives the root a new graph value (``update``); a view reads its part again when
it is next used.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar

import numpy as np

from adjoint.errors import EscapedValueError, TracingError
from adjoint.ir.build import Builder, continuing, innermost, users_place
from adjoint.ir.dims import Dim
from adjoint.ir.graph import Value, values_in
from adjoint.ir.types import AnyType, StackType, Type, of_value
from adjoint.ops import control
from adjoint.ops.creation import range_length
from adjoint.ops.indexing import Path, getitem, index_add, is_basic, read
from adjoint.ops.inference import infer
from adjoint.ops.registry import Op, Traced
from adjoint.ops.structural import project_result
from adjoint.staged import sharing
from adjoint.staged.failures import CannotStage
from adjoint.staged.scopes import Cell, write

__all__ = ["Staged", "View", "emit", "lift", "param", "value_of", "wrap"]


class View:
    """The part of ``base`` at ``path``; ``seen`` is the base's value when it was last read."""

    __slots__ = ("base", "path", "seen")

    def __init__(self, base: Staged, path: Path, seen: Value) -> None:
        self.base = base
        self.path = path
        self.seen = seen


class Staged(Traced):
    """A value of a graph under construction, as the staged program sees it.

    Attributes
    ----------
    _value : Value
        What the memory holds now (of a view: held when it was last read).
    _view : View or None
    _contiguous : bool
        Whether the memory is known to be C-contiguous, so that ``reshape`` gives a view.
    _home : Builder or None
        Of an array made apart: the block under construction in which it was. A change there is not
        one of what was there before the block.
    _moved : str or None
        Why the object may not be used any more.
    _doubts : tuple of Doubt
        Other arrays that may or may not share its memory.
    _used : int
        When it was used last, of all events.
    """

    __slots__ = (
        "__weakref__", "_contiguous", "_doubts", "_home", "_moved", "_used", "_value", "_view"
    )  # fmt: skip

    _class: ClassVar[type]
    # From `adjoint.staged.integers`:
    _integer: ClassVar[Callable[[Value], Any]]
    _as_integer: ClassVar[Callable[[Dim], Any]]
    _materialise: ClassVar[Callable[[Dim], Value]]
    # From `adjoint.staged.stores`:
    _store: ClassVar[Callable[..., None]]

    def __init__(self, value: Value, view: View | None = None, contiguous: bool = True) -> None:
        self._value = value
        self._view = view
        self._contiguous = contiguous
        self._home: Builder | None = None
        self._moved: str | None = None
        self._doubts: tuple[sharing.Doubt, ...] = ()
        self._used = 0

    def __init_subclass__(cls) -> None:
        Staged._class = cls

    # -- what rules and walks use --------------------------------------------------------------

    @property
    def shape(self) -> tuple[Any, ...]:
        return shape_of(current(self))

    @property
    def dtype(self) -> np.dtype:
        return current(self).dtype

    @property
    def ndim(self) -> int:
        return len(self._value.shape)

    @property
    def type(self) -> AnyType:
        """The type of the value in the graph."""
        return current(self).type

    def _record(self, op: Op, args: tuple[Any, ...], params: dict[str, Any]) -> Any:
        return emit(op, args, params)

    def _constant(self, value: Any) -> Any:
        return lift(value)

    def _apart(self) -> Any:
        apart = Staged._class(current(self), None, self._contiguous)
        apart._home = innermost()
        return apart

    def _no_entries(self, dtype: np.dtype) -> Any:
        """Return the zero cotangent of a stack with entries like this one."""
        kept = StackType(current(self).type)
        return wrap(innermost().emit(control.empty_stack, (), {}, kept))

    def _add_at(self, path: Path, value: Any) -> None:
        if path and path[0][0] == "entry":
            held = current(self)
            params = {"index": param(path[0][1])}
            inputs = (held, value_of(value))
            self._value = innermost().emit(control.entry_add, inputs, params, held.type)
            return
        self._store(path, value, index_add)

    def _overwrite(self, path: Path, value: Any) -> None:
        self._store(path, value)

    def _set(self, value: Value) -> None:
        """Make the root hold another value, which the innermost scope takes note of."""
        if self._home is innermost():
            self._value = value
        else:
            write(Cell(self), value)


def current(x: Staged) -> Value:
    """Return the graph value that ``x`` stands for now."""
    if x._moved is not None:
        raise CannotStage(x._moved)
    view = x._view
    builder = innermost()
    if view is not None:
        now = current(view.base)
        # In a block of its own, which may be a loop that changes the array before it goes round.
        if view.seen is not now or x._value not in builder.own:
            x._value = value_of(emit(read, (wrap(now),), {"path": view.path}))
            view.seen = now
        return x._value
    if not builder.sees(x._value):
        raise EscapedValueError(
            f"a staged value ({x._value.type}) was used outside of the function, branch or loop "
            "body that computes it. It was kept in a global, an attribute, a default argument or a "
            "generator; return it from the function instead."
        )
    sharing.note_use(x)
    return x._value


LAYOUT = (
    "an array was reshaped, and it or the array that it was made from was then stored into: "
    "whether they share memory depends on a layout that is not known here. Make a copy "
    "(np.reshape(x, shape).copy()) before storing."
)


def root_of(x: Staged) -> Staged:
    """Return the array that owns the memory of ``x``."""
    return x._view.base if x._view is not None else x


def wrap(value: Value, contiguous: bool = True) -> Any:
    """Return a graph value as the staged program sees it."""
    type = value.type
    if isinstance(type, tuple):
        return tuple(
            wrap(innermost().emit(project_result, (value,), {"k": k}, t))
            for k, t in enumerate(type)
        )
    if isinstance(type, Type) and type.kind == "python" and type.dtype.kind == "i":
        return Staged._integer(value)
    return Staged._class(value, None, contiguous)


def lift(x: Any) -> Any:
    """Return ``x`` as a staged value; a number or array becomes a constant of the graph."""
    return x if isinstance(x, (Staged, Dim)) else wrap(value_of(x))


def value_of(x: Any) -> Value:
    """Return the graph value of a staged value, a dimension, a number or an array."""
    if isinstance(x, Staged):
        return current(x)
    if isinstance(x, Value):
        return x
    if isinstance(x, Dim):
        return materialise(x)
    type = of_value(x)
    if type is None:
        if isinstance(x, control.Stack):
            raise TypeError("a stack is no constant")
        raise TracingError(
            f"{x!r} ({x.__class__.__name__}) met a staged value, but is neither a number nor an "
            "array of numbers"
        )
    builder = innermost()
    if type.kind == "array":
        return builder.emit(control.constant, (), {"value": x}, type)
    key = ("constant", x.__class__, repr(x))  # repr tells 0.0 and -0.0 apart
    found = builder.find(key)
    if found is None:
        found = builder.known[key] = builder.emit(control.constant, (), {"value": x}, type)
        if type.kind == "python" and type.dtype.kind == "i":
            found.bounds = (x, x)
    return found


def materialise(dim: Dim) -> Value:
    """Return a dimension as an integer value of the graph."""
    if len(dim.terms) == 1 and not dim.constant and dim.terms[0][1] == 1:
        return dim.terms[0][0]
    builder = innermost()
    key = ("dim", dim)
    found = builder.find(key)
    if found is None:
        found = builder.known[key] = Staged._materialise(dim)
    return found


def shape_of(value: Value) -> tuple[Any, ...]:
    """Return the shape of a value, with unknown lengths read from it."""
    return tuple(
        [
            n if type(n) is int else wrap_length(value, k) if n is None else Staged._as_integer(n)
            for k, n in enumerate(value.shape)
        ]
    )


def wrap_length(value: Value, axis: int) -> Any:
    """Return the length of an axis as the program sees it: read once, where the array is made."""
    builder = innermost()
    key = ("length", value, axis)
    found = builder.find(key)
    if found is None:
        builder = builder.home((value,))
        found = builder.emit(control.dim, (value,), {"axis": axis}, of_value(0))
        found.bounds = (0, None)
        builder.known[key] = found
    return Staged._integer(found)


# -- recording -------------------------------------------------------------------------------------


def param(x: Any) -> Any:
    """Return a parameter of an operation with graph values in place of staged ones."""
    if isinstance(x, (Staged, np.ndarray)):
        return value_of(x)
    if isinstance(x, Dim):
        return Dim(x.constant, x.terms) if x.terms else x.constant
    kind: Any = type(x)
    if kind is tuple or kind is list:
        return kind([param(item) for item in x])
    if kind is dict:
        return {key: param(item) for key, item in x.items()}
    if kind is slice:
        return slice(_bound(x.start), _bound(x.stop), _bound(x.step))
    if isinstance(x, tuple) and hasattr(x, "_fields"):
        return kind(*[param(item) for item in x])
    return x


def _bound(x: Any) -> Any:
    """Return a bound of a slice: NumPy integers become Python's."""
    x = param(x)
    return int(x) if isinstance(x, np.integer) else x


def emit(
    op: Op,
    args: tuple[Any, ...],
    params: dict[str, Any] | None = None,
    evaluate: Callable[..., Any] | None = None,
) -> Any:
    """Record ``op(*args, **params)``.

    Parameters
    ----------
    op : Op
    args : tuple
        Staged values, dimensions, numbers and arrays.
    params : dict
    evaluate : callable, optional
        What computes it, if not NumPy's function: Python's operator, under which Python numbers
        stay Python numbers.
    """
    given = {key: param(value) for key, value in params.items()} if params else {}
    step = _step_of(op, given) if op.views and isinstance(args[0], Staged) else None
    source = args[0] if step is not None else None
    if step is not None and args[0]._view is not None and _is_array(args[0]):
        # Straight from the array that owns the memory: so go the cotangents, too.
        view = args[0]._view
        check = args[0]._moved
        if check is not None:
            raise CannotStage(check)
        op, given = read, {"path": view.path + step}
        args = (wrap(current(view.base)),)
    inputs = tuple([value_of(a) for a in args])
    builder = innermost()
    key = None
    if _is_integer_arithmetic(inputs, given):
        key = (op, inputs)
        found = builder.find(key)
        if found is not None:
            return wrap(found)
        if op.name in _TOTAL:  # as far out as it can stand: it may be the length of an array
            builder = builder.home([v for v in inputs if v.op is not control.constant])
            with continuing(builder):
                inputs = tuple([_here(v) for v in inputs])
    place = users_place()
    types = infer(
        op,
        tuple([v.type for v in inputs]),
        given,
        evaluate=evaluate,
        require_equal=require_equal,
        length=length_of_slice,
        quotient=_quotient,
    )
    value = builder.emit(op, inputs, given, types, (), place)
    if key is not None:
        builder.known[key] = value
    contiguous = not op.views
    if op.name == "copy":
        contiguous = given.get("order", "C") == "C"
    elif op.name in _KEEP_LAYOUT:
        contiguous = all(not isinstance(a, Staged) or a._contiguous for a in args)
    result = wrap(value, contiguous)
    if step is not None and isinstance(result, Staged) and isinstance(source, Staged):
        _note_view(given, source, step, result)
    return result


def _is_array(x: Staged) -> bool:
    type = x._value.type
    return isinstance(type, Type) and type.kind == "array"


_KEEP_LAYOUT = frozenset({"cast"})


def _is_integer_arithmetic(inputs: tuple[Value, ...], params: dict[str, Any]) -> bool:
    """Tell whether all operands are Python integers: lengths and indices, worth finding again."""
    if not inputs or params:
        return False
    for value in inputs:
        t = value.type
        if not (isinstance(t, Type) and t.kind == "python" and t.dtype.kind == "i"):
            return False
    return True


_TOTAL = frozenset({"absolute", "add", "maximum", "minimum", "multiply", "negative", "subtract"})
"""Integer arithmetic that cannot fail."""


def _here(v: Value) -> Value:
    return value_of(v.params["value"]) if v.op is control.constant else v


def length_of_slice(start: Any, stop: Any, step: Any, length: Any) -> Any:
    """Return the length of a slice (of a range, without ``length``) as an operation.

    It stands as far out as it can, so that arrays of that length are of one type in all passes of a
    loop, and around it. (A step may be zero, which is an error where it stands.)
    """
    builder = innermost()
    key = ("slice_length", start, stop, step, length)
    found = builder.find(key)
    if found is None:
        if not isinstance(step, Dim):
            builder = builder.home(values_in((start, stop, length)))
        with continuing(builder):
            found = builder.known[key] = _emit_length(start, stop, step, length)
    return Dim(0, ((found, 1),))


def _emit_length(start: Any, stop: Any, step: Any, length: Any) -> Value:
    builder, place = innermost(), users_place()
    if length is None:
        inputs = (value_of(start), value_of(stop), value_of(step))
        found = builder.emit(range_length, inputs, {}, of_value(0), (), place)
    else:
        params = {"start": start, "stop": stop, "step": step}
        inputs = (value_of(length),)
        found = builder.emit(control.slice_length, inputs, params, of_value(0), (), place)
    found.bounds = (0, length)
    return found


def _quotient(above: tuple[Any, ...], below: tuple[Any, ...]) -> Any:
    """Return the product of some lengths divided by that of others, as an operation."""
    top, bottom = _product(above), _product(below)
    result = top // bottom
    return Dim(result.constant, result.terms) if isinstance(result, Dim) else result


def _product(lengths: tuple[Any, ...]) -> Any:
    product: Any = 1
    for n in lengths:
        product = product * (Staged._as_integer(n) if isinstance(n, Dim) else n)
    return product


def require_equal(a: Any, b: Any) -> None:
    """Check at run time that two lengths are equal, as NumPy does."""
    if a == b:
        return
    builder = innermost()
    key = ("equal", a, b)
    if builder.find(key) is None:
        builder.known[key] = builder.emit(
            control.require_equal,
            (value_of(a), value_of(b)),
            {},
            of_value(0),
            (),
            users_place(),
        )


# -- storage ---------------------------------------------------------------------------------------


def _step_of(op: Op, params: dict[str, Any]) -> Path | None:
    """Return the step of a path that an operation takes; None if it takes none."""
    if op is getitem:
        return (("index", params["index"]),)
    if op is read:
        return params["path"]
    if op.name == "reshape":
        return (("reshape", params["shape"]),)
    if op.name == "permute":
        return (("permute", params["axes"]),)
    if op.name == "broadcast_to":
        return (("broadcast_to", params["shape"]),)
    if op.name == "diagonal":
        kind = "diagonal" if params.get("writeable") else "read-only diagonal"
        return ((kind, params["offset_axes"]),)
    return ((op.name, None),) if op.name in ("real", "imag") else None


def _note_view(params: dict[str, Any], x: Staged, step: Path, result: Staged) -> None:
    """Make ``result`` a view if NumPy's answer is one."""
    type, of = result._value.type, x._value.type
    assert isinstance(type, Type) and isinstance(of, Type)
    kind, argument = step[-1] if step else ("index", ())
    gathers = any(k == "index" and not is_view_index(i) for k, i in step)
    if of.kind != "array" or type.kind != "array" or gathers:
        result._contiguous = not gathers  # NumPy's layout of a gathered array varies
        return
    if kind in ("real", "imag") and of.dtype.kind != "c":
        return
    if kind == "reshape" and not x._contiguous:
        # Whether NumPy made a view or a copy, nobody knows.
        sharing.may_share([(result, root_of(x))], LAYOUT)
        return
    if kind == "index":
        result._contiguous = x._contiguous and len(step) == 1 and _leading(argument)
    elif kind == "permute":
        result._contiguous = x._contiguous and argument == tuple(range(len(argument)))
    else:
        result._contiguous = kind == "reshape"
    view = x._view
    if view is not None:
        result._view = View(view.base, view.path + step, view.base._value)
    else:
        result._view = View(x, step, x._value)


def _leading(index: Any) -> bool:
    """Tell whether a basic index of a C-contiguous array gives a C-contiguous one."""
    index = index if isinstance(index, tuple) else (index,)
    return all(i is None or isinstance(i, (int, Dim, Value)) for i in index)


def is_view_index(index: Any) -> bool:
    """Tell whether NumPy answers the index with a view (or an element): no arrays in it."""
    if isinstance(index, tuple):
        return all(is_view_index(i) for i in index)
    if isinstance(index, Value):
        return index.shape == () and index.dtype.kind in "iu"
    return isinstance(index, Dim) or is_basic(index)
