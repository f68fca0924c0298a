"""From a function to the function with hooks.

What is remembered is the rewritten *code*, for as long as the original code lives.  Functions are
cheap to make from it; remembering them would keep alive the closures they carry (a rewritten
closure may refer, through a cell, to the very function it was made from, so even a weak table
would never let go).
"""

from __future__ import annotations

import sys
import threading
import weakref
from collections.abc import Callable
from dataclasses import dataclass, field
from types import CodeType, FunctionType, MethodType, ModuleType
from typing import Any

from adjoint.frontend.build import finish, is_rewritten
from adjoint.frontend.source import (
    Definition,
    Located,
    SourceNotFound,
    compile_located,
    locate,
    locate_rewritten,
)
from adjoint.frontend.transform import eager


@dataclass(frozen=True)
class Flavour:
    """A way of rewriting.

    Attributes
    ----------
    transform
        Takes a located definition, returns a rewritten copy of its syntax tree.
    hooks
        The namespace of the functions that the rewritten code calls.
    shared
        Called with each function whose closure a rewritten one shares.
    """

    transform: Callable[[Located], Definition]
    hooks: ModuleType
    codes: dict[int, tuple[weakref.ref[CodeType], CodeType | str]] = field(
        default_factory=dict, repr=False, compare=False
    )
    shared: list[Callable[[FunctionType], None]] = field(
        default_factory=list, repr=False, compare=False
    )


EAGER = Flavour(eager, ModuleType("adjoint.frontend.eager_hooks"))

_lock = threading.RLock()


def rewrite(fn: Any, flavour: Flavour = EAGER) -> Any:
    """Return `fn` with hooks in place of its calls and stores.

    Parameters
    ----------
    fn
        A Python function, lambda or bound method, or a `classmethod` or `staticmethod` object.
    flavour
        What is rewritten, and into which hooks.

    Returns
    -------
    callable
        A new function with the same globals, closure cells, defaults and metadata (and the same
        ``__dict__`` object).  `fn` itself where it cannot be rewritten; `why_not_rewritten` then
        says why.
    """
    if isinstance(fn, MethodType):
        function = rewrite(fn.__func__, flavour)
        return fn if function is fn.__func__ else MethodType(function, fn.__self__)
    if isinstance(fn, classmethod | staticmethod):
        function = rewrite(fn.__func__, flavour)
        return fn if function is fn.__func__ else type(fn)(function)
    if not isinstance(fn, FunctionType):
        return fn
    new = rewritten_function(fn, flavour)
    if new is fn:
        return fn
    new.__qualname__ = fn.__qualname__
    new.__module__ = fn.__module__
    new.__doc__ = fn.__doc__
    new.__dict__ = fn.__dict__
    if hasattr(fn, "__annotate__"):  # Python 3.14: may not be evaluated yet
        new.__annotate__ = fn.__annotate__
    else:
        new.__annotations__ = fn.__annotations__
    if hasattr(fn, "__type_params__"):
        new.__type_params__ = fn.__type_params__
    return new


def rewritten_function(fn: FunctionType, flavour: Flavour = EAGER) -> FunctionType:
    """Return the rewritten `fn` with no more metadata than calling it needs, or `fn` itself."""
    code = fn.__code__
    if is_rewritten(code, flavour.hooks):
        return fn
    entry = flavour.codes.get(id(code))
    new = _rewrite_code(fn, flavour) if entry is None else entry[1]
    if isinstance(new, str):
        return fn
    return with_code(fn, new, flavour)


def with_code(fn: FunctionType, code: CodeType, flavour: Flavour) -> FunctionType:
    """Return a function that differs from `fn` in its code, and has no metadata of its own."""
    if fn.__closure__ is not None:
        for note in flavour.shared:
            note(fn)
    new = FunctionType(code, fn.__globals__, fn.__name__, fn.__defaults__, fn.__closure__)
    if fn.__kwdefaults__ is not None:
        new.__kwdefaults__ = fn.__kwdefaults__
    return new


def why_not_rewritten(fn: Any, flavour: Flavour = EAGER) -> str | None:
    """Say why `rewrite` returns `fn` itself, or None if it does rewrite it."""
    if isinstance(fn, MethodType | classmethod | staticmethod):
        return why_not_rewritten(fn.__func__, flavour)
    if not isinstance(fn, FunctionType):
        kind = type(fn).__name__
        return f"{getattr(fn, '__qualname__', kind)!s} is not a Python function (it is a {kind})"
    if is_rewritten(fn.__code__, flavour.hooks):
        return None
    rewritten_function(fn, flavour)
    reason = flavour.codes[id(fn.__code__)][1]
    return f"{fn.__qualname__} runs as it is: {reason}" if isinstance(reason, str) else None


def was_refused(fn: Any, flavour: Flavour = EAGER) -> bool:
    """Whether rewriting a user's function has been tried and could not be done."""
    code = getattr(getattr(fn, "__func__", fn), "__code__", None)
    entry = flavour.codes.get(id(code))
    return entry is not None and isinstance(entry[1], str)


def _rewrite_code(fn: FunctionType, flavour: Flavour) -> CodeType | str:
    code = fn.__code__
    codes, key = flavour.codes, id(code)
    with _lock:
        if key in codes:  # another thread was first
            return codes[key][1]
        new = _attempt(fn, flavour)
        # The entry goes before the identity can be used again: weak references are cleared, and
        # call back, while the object is still being taken apart.
        codes[key] = (weakref.ref(code, lambda _: codes.pop(key, None)), new)
        return new


def _attempt(fn: FunctionType, flavour: Flavour) -> CodeType | str:
    code = fn.__code__
    try:
        new = _compile(fn, flavour)
    except SourceNotFound as error:
        return str(error)
    except RecursionError:
        # A sum of a thousand terms, as programs write them.  Python compiled it, and so can we.
        limit = sys.getrecursionlimit()
        sys.setrecursionlimit(limit + 5000)
        try:
            new = _compile(fn, flavour)
        except (RecursionError, SourceNotFound):
            return "its expressions are nested too deeply"
        finally:
            sys.setrecursionlimit(limit)
    if new.co_freevars != code.co_freevars:
        return f"its free variables {code.co_freevars} became {new.co_freevars}"
    return finish(new, flavour.hooks)


def _compile(fn: FunctionType, flavour: Flavour) -> CodeType:
    # A function may have been defined in code that was rewritten in the eager flavour.
    search = locate_rewritten if is_rewritten(fn.__code__, EAGER.hooks) else locate
    found = search(fn.__code__, fn.__globals__)
    return compile_located(found, flavour.transform(found), fn.__code__)
