"""What a call in rewritten code reaches.

`resolve` is the hook: it is given what is to be called and returns what is called in its place.
It does not make the call, so it costs no packing of arguments and no frame, and the answer is
remembered by the identity of what was asked about.
"""

from __future__ import annotations

import functools
import sys
import weakref
from collections.abc import Callable
from types import (
    BuiltinFunctionType,
    FunctionType,
    MethodDescriptorType,
    MethodType,
    MethodWrapperType,
    ModuleType,
    WrapperDescriptorType,
)
from typing import Any

from numpy import ndarray, ufunc

from adjoint.frontend.build import is_rewritten
from adjoint.frontend.policy import is_user_code
from adjoint.frontend.rewrite import EAGER, rewritten_function, with_code
from adjoint.frontend.values import (
    contains_traced,
    makes_arrays,
    own_result,
    writes_into_first,
    written,
)
from adjoint.ops.registry import load_for

replacements: dict[Any, Callable[..., Any]] = {}
"""Functions and classes, and what is called in their place.  Filled by `register`."""

type_replacements: dict[type, Callable[..., Any]] = {}
"""Types of callables: ``impl(obj, *args, **kwargs)`` is called in place of ``obj(...)``."""

# The id of a callable → what to call:
#   a callable                    its replacement,
#   _ITSELF                       the object, which a table must not keep alive,
#   (code, defaults, function)    the rewritten function, while these are its code and defaults,
#   (None, None, make)            what makes instances of a class: make(cls, *args, **kwargs).
# And the id of the code object of a user's closures → their rewritten code.
# An entry is there only while the object is: it is permanent, or a weak reference clears it.
_ITSELF: Any = object()
_known: dict[int, Any] = {}
_guards: dict[int, Any] = {}


def register(fn: Any, implementation: Callable[..., Any]) -> None:
    """Have rewritten code call `implementation` where it would call `fn`.

    `fn` is recognised by identity and kept alive.  It may be a function, a class, a ufunc or any
    other callable, but not a method: those of an instance are made anew each time.
    """
    _known[id(fn)] = implementation
    _guards[id(fn)] = fn
    try:
        replacements[fn] = implementation
    except TypeError:  # unhashable: known by identity alone
        pass


def unregister(fn: Any) -> None:
    """Undo `register`."""
    _known.pop(id(fn), None)
    _guards.pop(id(fn), None)
    try:
        replacements.pop(fn, None)
    except TypeError:
        pass


def register_type(kind: type, implementation: Callable[..., Any]) -> None:
    """Have rewritten code call ``implementation(obj, ...)`` for callables `obj` of this type."""
    type_replacements[kind] = implementation


def resolve(fn: Any) -> Any:
    """Return what rewritten code calls in place of `fn`: a replacement, a rewritten function, or
    `fn` itself."""
    found = _known.get(id(fn))
    if found is _ITSELF:
        return fn
    if found is None:
        return _resolve(fn)
    if type(found) is tuple:
        # A notebook's autoreload exchanges the code of living functions.
        code, defaults, function = found
        if code is None:
            return MethodType(function, fn)
        return function if code is fn.__code__ and defaults is fn.__defaults__ else _resolve(fn)
    return found


def owned(fn: Any) -> Any:
    """Do as `resolve` for a call whose result is stored into: arrays that it makes are adopted."""
    function = resolve(fn)
    if function is fn and makes_arrays(fn):
        return functools.partial(own_result, fn)
    return function


def attribute(instance: Any, name: str) -> Any:
    """Return ``instance.name``; if that is a property, of its rewritten function."""
    kind = type(instance)
    for cls in kind.__mro__:
        if name in cls.__dict__:
            found = cls.__dict__[name]
            break
    else:
        return getattr(instance, name)
    # A class with its own way of finding attributes may not get to the property, or go on from it.
    if kind.__getattribute__ is not object.__getattribute__ or hasattr(kind, "__getattr__"):
        return getattr(instance, name)
    if type(found) is property and type(found.fget) is FunctionType:
        return resolve(found.fget)(instance)
    if type(found) is functools.cached_property and found.attrname == name:
        attributes = getattr(instance, "__dict__", None)
        if attributes is not None and name not in attributes:
            attributes[name] = resolve(found.func)(instance)
    return getattr(instance, name)


def call(fn: Any, /, *args: Any, **kwargs: Any) -> Any:
    """Call `fn` as rewritten code would."""
    return resolve(fn)(*args, **kwargs)


def _resolve(fn: Any) -> Any:
    kind = type(fn)
    if kind is BuiltinFunctionType:
        return _resolve_builtin(fn)
    if kind is MethodType:
        original = fn.__func__
        if _known.get(id(original)) is _ITSELF:  # a method of a traced array, most often
            return fn
        function = resolve(original)
        return fn if function is original else MethodType(function, fn.__self__)
    if kind is FunctionType:
        # Of the functions that get here again and again, those with closures are the most.
        code = _known.get(id(fn.__code__))
        if code is not None:
            return with_code(fn, code)
        return _resolve_function(fn)
    if kind is MethodWrapperType or kind is WrapperDescriptorType or kind is MethodDescriptorType:
        return fn
    try:
        implementation = type_replacements.get(kind)
    except TypeError:  # a metaclass without a hash
        implementation = None
    if implementation is not None:
        return functools.partial(implementation, fn)
    if issubclass(kind, type):
        return _resolve_class(fn)
    if kind is functools.partial:
        function = resolve(fn.func)
        if function is fn.func:
            return fn
        return functools.partial(function, *fn.args, **fn.keywords)
    if kind is functools._lru_cache_wrapper:
        return functools.partial(_call_cached, fn)
    method = getattr(kind, "__call__", None)  # noqa: B004
    if type(method) is FunctionType:
        function = resolve(method)
        return fn if function is method else MethodType(function, fn)
    # A ufunc finds its implementation when it meets a traced value.
    if kind is not ufunc and load_for(fn):
        return resolve(fn)
    _remember(fn, _ITSELF)
    return fn


# ------------------------------------------------------------------------------------ functions


def _resolve_function(fn: FunctionType) -> Any:
    if is_rewritten(fn.__code__, EAGER.hooks):  # it was defined in rewritten code
        return fn
    if not is_user_code(fn):
        if load_for(fn):
            return resolve(fn)
        special = _resolve_library_function(fn)
        if special is not None:
            return special
        _remember(fn, _ITSELF)
        return fn
    function = rewritten_function(fn, EAGER)
    if fn.__closure__ is None:
        # The rewritten function holds the globals, and so `fn`, alive: as the module does anyway.
        if _has_live_module(fn):
            _remember(fn, _ITSELF if function is fn else (fn.__code__, fn.__defaults__, function))
    elif function is not fn:
        _remember(fn.__code__, function.__code__)
    return function


def _has_live_module(fn: FunctionType) -> bool:
    name = fn.__globals__.get("__name__")
    module = sys.modules.get(name) if isinstance(name, str) else None
    return module is not None and getattr(module, "__dict__", None) is fn.__globals__


def _resolve_library_function(fn: FunctionType) -> Any:
    """Decorators of the standard library hide the user's function in a closure of theirs."""
    if fn.__globals__ is functools.__dict__ and hasattr(fn, "dispatch"):
        return functools.partial(_call_singledispatch, fn)
    wrapped = getattr(fn, "__wrapped__", None)
    if fn.__globals__.get("__name__") == "contextlib" and type(wrapped) is FunctionType:
        inner = resolve(wrapped)
        if inner is not wrapped and fn.__closure__:
            cells = tuple(
                type(cell)(inner) if cell.cell_contents is wrapped else cell
                for cell in fn.__closure__
            )
            return FunctionType(fn.__code__, fn.__globals__, fn.__name__, fn.__defaults__, cells)
    return None


def _call_singledispatch(fn: Any, /, *args: Any, **kwargs: Any) -> Any:
    if not args:
        return fn(**kwargs)  # its own TypeError
    return resolve(fn.dispatch(args[0].__class__))(*args, **kwargs)


def _call_cached(fn: Any, /, *args: Any, **kwargs: Any) -> Any:
    """Call a function under `functools.cache`: traced values go past the cache."""
    if contains_traced((args, kwargs)):
        return resolve(fn.__wrapped__)(*args, **kwargs)
    return fn(*args, **kwargs)


# -------------------------------------------------------------------------------------- classes


def _resolve_class(cls: type) -> Any:
    user_code = _user_functions(cls)
    if not user_code:
        if load_for(cls):
            return resolve(cls)
        _remember(cls, _ITSELF)
        return cls
    make = _make_simply if user_code == {"__init__"} else _make
    _remember(cls, (None, None, make))
    return MethodType(make, cls)


def _user_functions(cls: type) -> set[str]:
    """Name the functions that making an instance runs and that should be rewritten."""
    if type(cls).__call__ is not type.__call__:  # its metaclass decides what a call does
        return set()
    found = set()
    for name in ("__init__", "__new__", "__post_init__"):
        function = getattr(cls, name, None)
        if type(function) is FunctionType and resolve(function) is not function:
            found.add(name)
    if cls.__new__ is not object.__new__ and found:
        found.add("__new__")
    return found


def _make_simply(cls: Any, /, *args: Any, **kwargs: Any) -> Any:
    """Make an instance of a class that has an ``__init__`` and nothing out of the ordinary."""
    instance = object.__new__(cls)
    result = resolve(cls.__init__)(instance, *args, **kwargs)
    if result is not None:
        raise TypeError(f"__init__() should return None, not '{type(result).__name__}'")
    return instance


def _make(cls: Any, /, *args: Any, **kwargs: Any) -> Any:
    """Do what ``type.__call__`` does, with the user's functions rewritten."""
    new = cls.__new__
    if new is object.__new__ and cls.__init__ is not object.__init__:
        instance = new(cls)
    else:
        instance = resolve(new)(cls, *args, **kwargs)
    actual = type(instance)
    if not issubclass(actual, cls):
        return instance
    post_init = getattr(actual, "__post_init__", None)
    attributes: dict[str, Any] | None = getattr(instance, "__dict__", None)
    if type(post_init) is not FunctionType:
        attributes = None
    if attributes is not None:
        # A dataclass's generated __init__ has no source and looks this up on the instance.
        attributes["__post_init__"] = MethodType(resolve(post_init), instance)
    try:
        result = resolve(actual.__init__)(instance, *args, **kwargs)
    finally:
        if attributes is not None:
            attributes.pop("__post_init__", None)
    if result is not None:
        raise TypeError(f"__init__() should return None, not '{type(result).__name__}'")
    return instance


# ------------------------------------------------------------------------------------- builtins


_WRITING_METHODS = frozenset(("fill", "put", "sort", "partition", "setfield", "byteswap"))


def _resolve_builtin(fn: Any) -> Any:
    owner = fn.__self__
    if owner is None or type(owner) is ModuleType:
        _remember(fn, _ITSELF)
    elif type(owner) is list and fn.__name__ == "sort":
        return functools.partial(_call_with_functions, fn, (), ("key",))
    elif type(owner) is ndarray and fn.__name__ in _WRITING_METHODS:
        written(owner)
    elif type(owner) is ufunc and fn.__name__ == "at":
        return writes_into_first(fn)
    return fn


def _call_with_functions(
    fn: Any, positions: tuple[int, ...], names: tuple[str, ...], /, *args: Any, **kwargs: Any
) -> Any:
    """Call `fn` with the function arguments at these places resolved."""
    if positions:
        args = tuple(
            resolve_argument(argument) if i in positions else argument
            for i, argument in enumerate(args)
        )
    for name in names:
        if name in kwargs:
            kwargs[name] = resolve_argument(kwargs[name])
    return fn(*args, **kwargs)


def resolve_argument(value: Any) -> Any:
    """Resolve a function, or a list of functions, that is passed to another."""
    if type(value) is list or type(value) is tuple:
        return type(value)(map(resolve_argument, value))
    return resolve(value) if callable(value) else value


def register_higher_order(fn: Any, positions: tuple[int, ...], names: tuple[str, ...]) -> None:
    """Declare which arguments of a function are functions, to be resolved before it is called."""
    register(fn, functools.partial(_call_with_functions, fn, positions, names))


# ------------------------------------------------------------------------------------ the memory


def _remember(fn: Any, target: Any) -> None:
    if _guard(fn):
        _known[id(fn)] = target


def _guard(fn: Any) -> bool:
    """See to it that what is known of `fn` is forgotten when it dies."""
    key = id(fn)
    try:
        _guards[key] = weakref.ref(fn, functools.partial(_forget, key))
    except TypeError:  # NumPy's functions are not weakly referable
        if not _is_module_attribute(fn):
            return False
        _guards[key] = fn
    return True


def _forget(key: int, reference: Any) -> None:
    _known.pop(key, None)
    _guards.pop(key, None)


def _is_module_attribute(fn: Any) -> bool:
    """Whether `fn` is reached through a module of its library, and so lives as long as that."""
    name = getattr(fn, "__name__", None)
    if not isinstance(name, str):
        return False
    modules = (getattr(fn, "__module__", None), "numpy", "scipy.special")
    return any(
        getattr(sys.modules.get(module), name, None) is fn
        for module in modules
        if isinstance(module, str)
    )
