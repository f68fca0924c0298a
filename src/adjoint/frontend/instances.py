"""Making instances of the user's classes, with what that runs rewritten."""

from __future__ import annotations

from collections.abc import Callable
from types import FunctionType, MethodType
from typing import Any

__all__ = ["makers", "user_functions"]


def user_functions(cls: type, resolve: Callable[[Any], Any]) -> set[str]:
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


def makers(resolve: Callable[[Any], Any]) -> tuple[Callable[..., Any], Callable[..., Any]]:
    """Return two functions that make instances: of simple classes, and of any."""

    def make_simply(cls: Any, /, *args: Any, **kwargs: Any) -> Any:
        """Make an instance of a class that has an ``__init__`` and nothing out of the ordinary."""
        instance = object.__new__(cls)
        result = resolve(cls.__init__)(instance, *args, **kwargs)
        if result is not None:
            raise TypeError(f"__init__() should return None, not '{type(result).__name__}'")
        return instance

    def make(cls: Any, /, *args: Any, **kwargs: Any) -> Any:
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

    return make_simply, make
