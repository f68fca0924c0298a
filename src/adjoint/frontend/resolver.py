"""What a call in rewritten code reaches.

`resolve` is the hook: it is given what is to be called and returns what is called in its place.
It does not make the call, so it costs no packing of arguments and no frame, and the answer is
remembered by the identity of what was asked about.

A flavour has a `Resolver` of its own, since the functions it rewrites are its own.  They share the
registered replacements; one flavour may have others.
"""

from __future__ import annotations

import functools
import sys
import weakref
from collections.abc import Callable
from dataclasses import dataclass
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
from adjoint.frontend.instances import makers, user_functions
from adjoint.frontend.policy import is_user_code
from adjoint.frontend.rewrite import Flavour, rewritten_function, with_code
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

registered: dict[int, tuple[Any, Any]] = {}
"""The id of a replaced callable → the callable, and its replacement in all flavours."""

resolvers: list[Resolver] = []
"""Of every flavour, its one."""

_ITSELF: Any = object()

_WITHOUT_FUNCTION = (MethodWrapperType, WrapperDescriptorType, MethodDescriptorType)


@dataclass(frozen=True)
class ByFlavour:
    """A replacement that resolves functions which it is given.

    Attributes
    ----------
    make
        Returns the replacement for one resolver.
    """

    make: Callable[[Resolver], Callable[..., Any]]


class Resolver:
    """What the calls in the rewritten code of one flavour reach.

    Attributes
    ----------
    flavour
    resolve
        Returns what rewritten code calls in place of a callable: a replacement, a rewritten
        function, or the callable itself.
    known
        The id of a callable → what to call:

        * a callable: its replacement;
        * `_ITSELF`: the object, which a table must not keep alive;
        * ``(code, defaults, function)``: the rewritten function, while these are its code and
          defaults;
        * ``(None, None, make)``: what makes instances of a class, ``make(cls, *args, **kwargs)``.

        And the id of the code object of a user's closures → their rewritten code.  An entry is
        there only while the object is: it is permanent, or a weak reference clears it.
    guards
        The id of what is known → the weak reference, or the object if it is permanent.
    methods
        Returns what a builtin method reaches in this flavour, or None.
    overridden
        The ids of the callables that have a replacement of their own in this flavour.
    """

    def __init__(self, flavour: Flavour) -> None:
        self.flavour = flavour
        self.known: dict[int, Any] = {}
        self.guards: dict[int, Any] = {}
        self.overridden: set[int] = set()
        self.methods: Callable[[Any], Any] | None = None
        # Closures, not methods: for speed.
        self.resolve, self._find = self._functions()
        self._make_simply, self._make = makers(self.resolve)
        for fn, implementation in registered.values():
            self.put(fn, implementation)
        resolvers.append(self)

    # ------------------------------------------------------------------------------ registered

    def register(self, fn: Any, implementation: Any) -> None:
        """Have this flavour's code call `implementation` where it would call `fn`."""
        self.overridden.add(id(fn))
        self.put(fn, implementation)

    def put(self, fn: Any, implementation: Any) -> None:
        if isinstance(implementation, ByFlavour):
            implementation = implementation.make(self)
        self.known[id(fn)] = implementation
        self.guards[id(fn)] = fn

    def unregister(self, fn: Any) -> None:
        """Undo `register`, and forget what is known of `fn`."""
        self.overridden.discard(id(fn))
        _forget(self, id(fn), None)

    # ---------------------------------------------------------------------------------- calls

    def _functions(self) -> tuple[Callable[[Any], Any], Callable[[Any], Any]]:
        known, flavour = self.known, self.flavour
        resolve_builtin, resolve_function = self._resolve_builtin, self._resolve_function
        resolve_other = self._resolve_other

        def resolve(fn: Any) -> Any:
            found = known.get(id(fn))
            if found is _ITSELF:
                return fn
            if found is None:
                return find(fn)
            if type(found) is tuple:
                # A notebook's autoreload exchanges the code of living functions.
                code, defaults, function = found
                if code is None:
                    return MethodType(function, fn)
                if code is fn.__code__ and defaults is fn.__defaults__:
                    return function
                return find(fn)
            return found

        def find(fn: Any) -> Any:
            kind = type(fn)
            if kind is BuiltinFunctionType:
                return resolve_builtin(fn)
            if kind is MethodType:
                original = fn.__func__
                if known.get(id(original)) is _ITSELF:  # a method of a traced array, most often
                    return fn
                function = resolve(original)
                return fn if function is original else MethodType(function, fn.__self__)
            if kind is FunctionType:
                # Of the functions that get here again and again, those with closures are the most.
                code = known.get(id(fn.__code__))
                if code is not None:
                    return with_code(fn, code, flavour)
                return resolve_function(fn)
            return resolve_other(fn, kind)

        return resolve, find

    def _resolve_other(self, fn: Any, kind: type) -> Any:
        resolve = self.resolve
        if (
            kind is MethodWrapperType
            or kind is WrapperDescriptorType
            or kind is MethodDescriptorType
        ):
            return fn
        try:
            implementation = type_replacements.get(kind)
        except TypeError:  # a metaclass without a hash
            implementation = None
        if implementation is not None:
            return functools.partial(implementation, fn)
        if issubclass(kind, type):
            return self._resolve_class(fn)
        if kind is functools.partial:
            function = resolve(fn.func)
            if function is fn.func:
                return fn
            return functools.partial(function, *fn.args, **fn.keywords)
        if kind is functools._lru_cache_wrapper:
            return functools.partial(self._call_cached, fn)
        method = getattr(kind, "__call__", None)  # noqa: B004
        if type(method) is FunctionType:
            function = resolve(method)
            return fn if function is method else MethodType(function, fn)
        # A ufunc finds its implementation when it meets a traced value.
        if kind is not ufunc and load_for(fn):
            return resolve(fn)
        self._remember(fn, _ITSELF)
        return fn

    def owned(self, fn: Any) -> Any:
        """Do as `resolve` for a call whose result is stored into: arrays it makes are adopted."""
        function = self.resolve(fn)
        if function is fn and makes_arrays(fn):
            return functools.partial(own_result, fn)
        return function

    def attribute(self, instance: Any, name: str) -> Any:
        """Return ``instance.name``; if that is a property, of its rewritten function."""
        kind = type(instance)
        for cls in kind.__mro__:
            if name in cls.__dict__:
                found = cls.__dict__[name]
                break
        else:
            return getattr(instance, name)
        # A class with its own way of finding attributes may not get to the property, or go on
        # from it.
        if kind.__getattribute__ is not object.__getattribute__ or hasattr(kind, "__getattr__"):
            return getattr(instance, name)
        if type(found) is property and type(found.fget) is FunctionType:
            return self.resolve(found.fget)(instance)
        if type(found) is functools.cached_property and found.attrname == name:
            attributes = getattr(instance, "__dict__", None)
            if attributes is not None and name not in attributes:
                attributes[name] = self.resolve(found.func)(instance)
        return getattr(instance, name)

    def call(self, fn: Any, /, *args: Any, **kwargs: Any) -> Any:
        """Call `fn` as rewritten code would."""
        return self.resolve(fn)(*args, **kwargs)

    # ------------------------------------------------------------------------------ functions

    def _resolve_function(self, fn: FunctionType) -> Any:
        if is_rewritten(fn.__code__, self.flavour.hooks):  # it was defined in rewritten code
            return fn
        if not is_user_code(fn):
            if load_for(fn):
                return self.resolve(fn)
            special = self._resolve_library_function(fn)
            if special is not None:
                return special
            self._remember(fn, _ITSELF)
            return fn
        function = rewritten_function(fn, self.flavour)
        if fn.__closure__ is None:
            # The rewritten function holds the globals, and so `fn`, alive: as the module does
            # anyway.
            if _has_live_module(fn):
                itself = function is fn
                self._remember(fn, _ITSELF if itself else (fn.__code__, fn.__defaults__, function))
        elif function is not fn:
            self._remember(fn.__code__, function.__code__)
        return function

    def _resolve_library_function(self, fn: FunctionType) -> Any:
        """Decorators of the standard library hide the user's function in a closure of theirs."""
        if fn.__globals__ is functools.__dict__ and hasattr(fn, "dispatch"):
            return functools.partial(self._call_singledispatch, fn)
        wrapped = getattr(fn, "__wrapped__", None)
        if fn.__globals__.get("__name__") == "contextlib" and type(wrapped) is FunctionType:
            inner = self.resolve(wrapped)
            if inner is not wrapped and fn.__closure__:
                cells = tuple(
                    type(cell)(inner) if cell.cell_contents is wrapped else cell
                    for cell in fn.__closure__
                )
                return FunctionType(
                    fn.__code__, fn.__globals__, fn.__name__, fn.__defaults__, cells
                )
        return None

    def _call_singledispatch(self, fn: Any, /, *args: Any, **kwargs: Any) -> Any:
        if not args:
            return fn(**kwargs)  # its own TypeError
        return self.resolve(fn.dispatch(args[0].__class__))(*args, **kwargs)

    def _call_cached(self, fn: Any, /, *args: Any, **kwargs: Any) -> Any:
        """Call a function under `functools.cache`: traced values go past the cache."""
        if contains_traced((args, kwargs)):
            return self.resolve(fn.__wrapped__)(*args, **kwargs)
        return fn(*args, **kwargs)

    # ---------------------------------------------------------------------- classes, builtins

    def _resolve_class(self, cls: type) -> Any:
        user_code = user_functions(cls, self.resolve)
        if not user_code:
            if load_for(cls):
                return self.resolve(cls)
            self._remember(cls, _ITSELF)
            return cls
        make = self._make_simply if user_code == {"__init__"} else self._make
        self._remember(cls, (None, None, make))
        return MethodType(make, cls)

    def _resolve_builtin(self, fn: Any) -> Any:
        owner = fn.__self__
        if self.methods is not None:
            method = self.methods(fn)
            if method is not None:
                return method
        if owner is None or type(owner) is ModuleType:
            self._remember(fn, _ITSELF)
        elif type(owner) is list and fn.__name__ == "sort":
            return self.higher_order(fn, (), ("key",))
        elif type(owner) is ndarray and fn.__name__ in _WRITING_METHODS:
            written(owner)
        elif type(owner) is ufunc and fn.__name__ == "at":
            return writes_into_first(fn)
        return fn

    def higher_order(
        self, fn: Any, positions: tuple[int, ...], names: tuple[str, ...]
    ) -> Callable[..., Any]:
        """Return `fn` with the function arguments at these places resolved before it is called."""
        return functools.partial(self._call_with_functions, fn, positions, names)

    def _call_with_functions(
        self, fn: Any, positions: tuple[int, ...], names: tuple[str, ...], /, *args: Any, **kw: Any
    ) -> Any:
        if positions:
            args = tuple(
                self.resolve_argument(argument) if i in positions else argument
                for i, argument in enumerate(args)
            )
        for name in names:
            if name in kw:
                kw[name] = self.resolve_argument(kw[name])
        return fn(*args, **kw)

    def resolve_argument(self, value: Any) -> Any:
        """Resolve a function, or a list of functions, that is passed to another."""
        if type(value) is list or type(value) is tuple:
            return type(value)(map(self.resolve_argument, value))
        return self.resolve(value) if callable(value) else value

    # ----------------------------------------------------------------------------- the memory

    def _remember(self, fn: Any, target: Any) -> None:
        """Remember what is called in place of `fn`, until it dies."""
        key = id(fn)
        try:
            self.guards[key] = weakref.ref(fn, functools.partial(_forget, self, key))
        except TypeError:  # NumPy's functions are not weakly referable
            if not _is_module_attribute(fn):
                return
            self.guards[key] = fn
        self.known[key] = target


_WRITING_METHODS = frozenset(("fill", "put", "sort", "partition", "setfield", "byteswap"))


def _forget(resolver: Resolver, key: int, reference: Any) -> None:
    resolver.known.pop(key, None)
    resolver.guards.pop(key, None)


def _has_live_module(fn: FunctionType) -> bool:
    name = fn.__globals__.get("__name__")
    module = sys.modules.get(name) if isinstance(name, str) else None
    return module is not None and getattr(module, "__dict__", None) is fn.__globals__


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
