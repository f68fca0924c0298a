"""The hooks of the flavours, in one place, and how other layers fill them.

`register`, `register_type` and `register_higher_order` say what calls reach; `configure` says what
stores and adoption do.  `resolve` is what a transformation applies to the function it is given.
"""

from __future__ import annotations

from adjoint.frontend import calls, values
from adjoint.frontend.calls import (
    call,
    register,
    register_higher_order,
    register_type,
    replacements,
    resolve,
    resolve_argument,
    resolve_staged,
    type_replacements,
    unregister,
)
from adjoint.frontend.policy import never_rewritten
from adjoint.frontend.rewrite import EAGER
from adjoint.frontend.staged_transform import STAGED
from adjoint.frontend.values import configure, contains_traced

__all__ = [
    "call", "configure", "contains_traced", "never_rewritten", "register",
    "register_higher_order", "register_type", "replacements", "resolve", "resolve_argument",
    "resolve_staged", "type_replacements", "unregister",
]  # fmt: skip

# The names that `transform` writes into rewritten code.
vars(EAGER.hooks).update(
    resolve=calls.resolve,
    owned=calls.eager.owned,
    attribute=calls.eager.attribute,
    target=values.target,
    addend=values.addend,
    written=values.written,
    shown=values.shown,
    own=values.own,
    own_item=values.own_item,
)

# Of the staged flavour, what is the same; the rest is the layer of staged values' to fill in.
vars(STAGED.hooks).update(
    resolve=calls.resolve_staged,
    written=values.written,
    shown=values.shown,
)
