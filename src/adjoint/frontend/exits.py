"""How statements are left: which surely are, which may be, and which must be left to Python.

Flags can stand for ``break``, ``continue`` and ``return`` (`adjoint.frontend.staged_flow`) but for
two kinds of places: a generator's loops around ``yield`` and branches around ``return``; and what
surrounds a ``finally`` block that is left in the middle, which drops the exception on its way.
"""

from __future__ import annotations

import ast
from collections.abc import Collection, Iterable, Iterator

from adjoint.frontend.bindings import Loop, nodes_here, statement_lists

__all__ = [
    "breaks",
    "exits_late",
    "forever",
    "is_dead",
    "leaves",
    "leaves_by",
    "may_exit",
    "native_statements",
    "returns_a_value",
]

_Tries = (ast.Try, ast.TryStar)
_Withs = (ast.With, ast.AsyncWith)


def is_dead(node: ast.stmt) -> bool:
    """Whether a statement is ``if False: ...``: never run, but Python looks at its names."""
    return isinstance(node, ast.If) and isinstance(node.test, ast.Constant) and not node.test.value


def forever(node: ast.stmt) -> bool:
    """Whether a statement is ``while True: ...``."""
    test = node.test if isinstance(node, ast.While) else None
    return isinstance(test, ast.Constant) and bool(test.value)


def leaves(statements: list[ast.stmt], stopped: Collection[ast.stmt] = ()) -> bool:
    """Whether the end of a block is surely not reached.

    Parameters
    ----------
    statements
    stopped
        Loops that are ended by flags.
    """
    return any(leaves_by(node, stopped) for node in statements)


def leaves_by(node: ast.stmt, stopped: Collection[ast.stmt] = ()) -> bool:
    """Whether what follows a statement is surely not reached."""
    match node:
        case ast.Return() | ast.Raise() | ast.Break() | ast.Continue():
            return True
        case ast.If():
            return leaves(node.body, stopped) and leaves(node.orelse, stopped)
        case ast.For() | ast.While() | ast.AsyncFor():
            exhausted = forever(node) or leaves(node.orelse, stopped)
            return exhausted and node not in stopped and not any(breaks(node.body))
        case ast.Try() | ast.TryStar():
            ends = [node.body + node.orelse, *(handler.body for handler in node.handlers)]
            return leaves(node.finalbody, stopped) or all(leaves(end, stopped) for end in ends)
        case ast.Match():
            last = node.cases[-1]
            complete = last.guard is None and _matches_all(last.pattern)
            return complete and all(leaves(case.body, stopped) for case in node.cases)
    return False  # a `with` statement may swallow an exception


def _matches_all(pattern: ast.pattern) -> bool:
    match pattern:
        case ast.MatchAs():
            return pattern.pattern is None or _matches_all(pattern.pattern)
        case ast.MatchOr():
            return _matches_all(pattern.patterns[-1])
    return False


def breaks(statements: Iterable[ast.stmt]) -> Iterator[ast.stmt]:
    """Yield the ``break`` statements of the loop that has this body."""
    for node in statements:
        if isinstance(node, ast.Break):
            yield node
        elif isinstance(node, Loop):
            yield from breaks(node.orelse)
        else:
            for inner in statement_lists(node):
                yield from breaks(inner)


def may_exit(node: ast.stmt, in_loop: bool = False) -> bool:
    """Whether ``break``, ``continue`` or ``return`` may leave a statement."""
    match node:
        case ast.Return():
            return True
        case ast.Break() | ast.Continue():
            return not in_loop
        case ast.For() | ast.While() | ast.AsyncFor():
            body = any(may_exit(child, True) for child in node.body)
            return body or any(may_exit(child, in_loop) for child in node.orelse)
    return any(may_exit(child, in_loop) for inner in statement_lists(node) for child in inner)


def exits_late(node: ast.stmt) -> bool:
    """Whether code of the user's may run between ``return`` in a statement and its end."""
    late = isinstance(node, _Withs) or (isinstance(node, _Tries) and bool(node.finalbody))
    if late and may_exit(node):
        return True
    return any(exits_late(child) for inner in statement_lists(node) for child in inner)


def returns_a_value(statements: list[ast.stmt]) -> bool:
    """Whether a block has a ``return`` of anything but None."""
    for node in statements:
        value = node.value if isinstance(node, ast.Return) else None
        if value is not None and not (isinstance(value, ast.Constant) and value.value is None):
            return True
        if any(map(returns_a_value, statement_lists(node))):
            return True
    return False


# ---------------------------------------------------------------------------- what stays native

_FINALLY = ast.Pass()
"""Stands in a path for the edge of a ``finally`` block."""

_FUNCTION = ast.Pass()
"""Stands for the function in the paths of its ``return`` statements."""

_SUSPENDING = (ast.Yield, ast.YieldFrom, ast.Await, ast.AsyncFor, ast.AsyncWith)


def _suspends(node: ast.AST) -> bool:
    return any(
        isinstance(child, _SUSPENDING) or (isinstance(child, ast.comprehension) and child.is_async)
        for child in nodes_here(node)
    )


def native_statements(body: list[ast.stmt], suspending: bool) -> set[ast.stmt]:
    """Return the loops and branches of a function that stay Python's own.

    Parameters
    ----------
    body
    suspending
        Whether the function is a generator or a coroutine.
    """
    return _Natives(body, suspending).native


_Path = tuple[tuple[ast.stmt, bool], ...]
"""The loops, branches and edges of ``finally`` blocks around a statement, and whether it is in
their bodies (not in their ``else``)."""


class _Natives:
    """Finds the loops and branches that stay Python's own."""

    def __init__(self, body: list[ast.stmt], suspending: bool) -> None:
        self.suspending = suspending
        self.native: set[ast.stmt] = set()
        # Statements of which, if one is native, all must be: from a loop to its `break`s and
        # `continue`s, and from the function to its `return`s.
        self.together: list[set[ast.stmt]] = []
        self._search(body, ((_FUNCTION, True),))
        changed = True
        while changed:
            before = len(self.native)
            for nodes in self.together:
                if not self.native.isdisjoint(nodes):
                    self.native |= nodes
            changed = len(self.native) != before

    def _search(self, statements: list[ast.stmt], path: _Path) -> None:
        for node in statements:
            match node:
                case ast.Return():
                    self._exit(path, self.suspending)
                case ast.Break() | ast.Continue():
                    inside = [isinstance(outer, Loop) and body for outer, body in path]
                    self._exit(path[len(path) - 1 - inside[::-1].index(True) :])
                case ast.For() | ast.While() | ast.AsyncFor() | ast.If():
                    if self.suspending and _suspends(node):
                        self.native.add(node)
                    self._search(node.body, (*path, (node, True)))
                    self._search(node.orelse, (*path, (node, False)))
                case ast.Try() | ast.TryStar():
                    for inner in (node.body, node.orelse, *(h.body for h in node.handlers)):
                        self._search(inner, path)
                    self._search(node.finalbody, (*path, (_FINALLY, True)))
                case _:
                    for inner in statement_lists(node):
                        self._search(inner, path)

    def _exit(self, path: _Path, pinned: bool = False) -> None:
        nodes = {node for node, _ in path}
        if pinned or _FINALLY in nodes:
            self.native |= nodes - {_FINALLY}
        self.together.append(nodes - {_FINALLY})
