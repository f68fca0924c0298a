"""How deep blocks are nested: Python compiles twenty, and hooks need some of them.

A loop is a block, and so is each ``try``, ``with`` and exception handler; an ``if`` is none.  With
hooks a loop is two (the loop, and a ``try`` in it), and so is an ``if``.  Where that would be too
many, the innermost branches and loops get the plain hooks `test` and `items` instead.
"""

from __future__ import annotations

import ast
from collections.abc import Iterable

from adjoint.frontend.bindings import statement_lists

__all__ = ["HOOKED", "LIMIT", "height", "inner_heights"]

LIMIT = 20
"""CPython's CO_MAXBLOCKS."""

HOOKED = 2
"""The blocks of a loop or branch with hooks (3 in its handler, which has nothing inside)."""

HANDLER = 2
"""The blocks of an exception handler: itself, and what unbinds its name."""


def height(statements: Iterable[ast.stmt], *, loop: int = 1, branch: int = 0) -> int:
    """Return how many blocks are nested in some statements.

    Parameters
    ----------
    statements
    loop, branch
        What a loop and an ``if`` count for.
    """

    def of(nodes: Iterable[ast.stmt]) -> int:
        return max(map(of_one, nodes), default=0)

    def of_one(node: ast.stmt) -> int:
        match node:
            case ast.For() | ast.While() | ast.AsyncFor():
                return max(loop + of(node.body), of(node.orelse))
            case ast.If():
                return branch + max(of(node.body), of(node.orelse))
            case ast.With() | ast.AsyncWith():
                return len(node.items) + of(node.body)
            case ast.Try() | ast.TryStar():
                finally_ = 1 if node.finalbody else 0
                body = bool(node.handlers) + of(node.body)
                handlers = [HANDLER + of(handler.body) for handler in node.handlers]
                return finally_ + max(body, *handlers, of(node.orelse), of(node.finalbody))
        return max(map(of, statement_lists(node)), default=0)

    return of(statements)


def inner_heights(node: ast.stmt) -> int:
    """Return how many blocks are nested inside a loop or branch, if nothing in it has hooks."""
    return max(map(height, statement_lists(node)), default=0)
