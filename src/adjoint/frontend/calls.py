"""The resolvers of the two flavours, and how replacements are registered for both."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from adjoint.frontend.resolver import (
    ByFlavour,
    Resolver,
    registered,
    replacements,
    resolvers,
    type_replacements,
)
from adjoint.frontend.rewrite import EAGER, Flavour
from adjoint.frontend.staged_transform import STAGED
from adjoint.ir.build import staging


def register(fn: Any, implementation: Any, flavour: Flavour | None = None) -> None:
    """Have rewritten code call `implementation` where it would call `fn`.

    `fn` is recognised by identity and kept alive.  It may be a function, a class, a ufunc or any
    other callable, but not a method: those of an instance are made anew each time.

    Parameters
    ----------
    fn
    implementation
        A callable, or one `ByFlavour`.
    flavour
        Whose code; by default, that of all flavours that have no other implementation registered.
    """
    if flavour is not None:
        resolver_of(flavour).register(fn, implementation)
        return
    registered[id(fn)] = (fn, implementation)
    for resolver in resolvers:
        if id(fn) not in resolver.overridden:
            resolver.put(fn, implementation)
    try:
        replacements[fn] = eager.known[id(fn)]
    except TypeError:  # unhashable: known by identity alone
        pass


def unregister(fn: Any) -> None:
    """Undo `register`."""
    registered.pop(id(fn), None)
    for resolver in resolvers:
        resolver.unregister(fn)
    try:
        replacements.pop(fn, None)
    except TypeError:
        pass


def register_type(kind: type, implementation: Callable[..., Any]) -> None:
    """Have rewritten code call ``implementation(obj, ...)`` for callables `obj` of this type."""
    type_replacements[kind] = implementation


def register_higher_order(fn: Any, positions: tuple[int, ...], names: tuple[str, ...]) -> None:
    """Declare which arguments of a function are functions, to be resolved before it is called."""
    register(fn, ByFlavour(lambda resolver: resolver.higher_order(fn, positions, names)))


eager = Resolver(EAGER)
staged = Resolver(STAGED)


def resolver_of(flavour: Flavour) -> Resolver:
    """Return the resolver of a flavour."""
    return next(resolver for resolver in resolvers if resolver.flavour is flavour)


def current() -> Resolver:
    """Return the resolver of the code that is being run: staged while something is staged."""
    return staged if staging() else eager


def call(fn: Any, /, *args: Any, **kwargs: Any) -> Any:
    """Call `fn` as the rewritten code that is being run would."""
    return current().resolve(fn)(*args, **kwargs)


def resolve_argument(value: Any) -> Any:
    """Resolve a function, or a list of functions, that is passed to another."""
    return current().resolve_argument(value)


resolve = eager.resolve
resolve_staged = staged.resolve
