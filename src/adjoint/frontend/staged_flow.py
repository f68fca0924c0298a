"""``break``, ``continue`` and ``return`` as flags.

A loop or branch that may become an operation has one way in and one way out.  So what leaves it in
the middle sets a flag there, and the statements after it are run only where the flag is not set:

=============================  ========================================
the user's text                what runs
=============================  ========================================
``for x in xs:``               ``broke = False``
``    if x > 1:``              ``for x in xs:``      (stops once `broke`)
``        break``              ``    if x > 1:``
``    f(x)``                   ``        broke = True``
``else:``                      ``    else:``
``    g()``                    ``        f(x)``
\\                              ``if not broke:``
\\                              ``    g()``
=============================  ========================================

Where one side of an ``if`` surely leaves, the statements after it move to the other side: then both
sides of ``if c: return a`` bind the result, and no flag has to be looked at.

Where flags could not keep the meaning, loops and branches stay native: `adjoint.frontend.exits`.

The names of flags contain a space, as no name of the user's does.
"""

from __future__ import annotations

import ast
from collections.abc import Iterable
from dataclasses import dataclass, field

from adjoint.frontend.bindings import bound_in, statement_lists
from adjoint.frontend.exits import (
    exits_late,
    forever,
    leaves,
    leaves_by,
    may_exit,
    native_statements,
    returns_a_value,
)
from adjoint.frontend.making import Maker

__all__ = ["RESULT", "RETURNED", "TEMPORARY", "Flow", "lowered"]

TEMPORARY = "adjoint: "
"""What the names of temporaries begin with."""

RETURNED = TEMPORARY + "returned"
RESULT = TEMPORARY + "result"


@dataclass
class Flow:
    """A function's body whose loops and branches are left at their ends only.

    Attributes
    ----------
    body
    native
        The loops and branches that stay Python's own.
    stops
        Of the other loops, the flags that end them.
    beginnings
        The assignments before which a flag means nothing.
    may_end
        Whether the function may end without ``return`` although others of its paths return a
        value, and which one is told by the flag `RETURNED` (the value is `RESULT`).
    """

    body: list[ast.stmt] = field(default_factory=list)
    native: set[ast.stmt] = field(default_factory=set)
    stops: dict[ast.stmt, list[str]] = field(default_factory=dict)
    beginnings: set[ast.stmt] = field(default_factory=set)
    may_end: bool = False


def lowered(body: list[ast.stmt], *, suspending: bool) -> Flow:
    """Rewrite a function's body, in place.

    Parameters
    ----------
    body
    suspending
        Whether the function is a generator or a coroutine.
    """
    return _Lowering(body, suspending).flow


# ----------------------------------------------------------------------------------- lowering


@dataclass(frozen=True)
class _Loop:
    """The flags of a loop around the statement at hand."""

    broke: str
    continued: str


@dataclass
class _Part:
    """Lowered statements.

    Attributes
    ----------
    statements
    pending
        The flags that may be set where they end: what comes next must be guarded by them.
    completes
        Whether their end may be reached with no flag set.
    """

    statements: list[ast.stmt]
    pending: dict[str, None] = field(default_factory=dict)
    completes: bool = True


class _Lowering:
    def __init__(self, body: list[ast.stmt], suspending: bool) -> None:
        self.flow = Flow(body, native_statements(body, suspending))
        self.values = returns_a_value(body)
        self.loops: list[_Loop | None] = []  # None: native
        self.count = 0
        # How many loops, branches and guards that are not native are around.
        self.depth = 0
        self.looked_at: set[str] = set()
        self.stores: list[tuple[str, ast.stmt]] = []
        part = self._block(body)
        statements = part.statements
        if RETURNED in part.pending and part.completes and self.values:
            self.flow.may_end = True
            self.looked_at.add(RETURNED)
        if RETURNED in self.looked_at:
            docstring = ast.get_docstring(ast.Module(body=statements, type_ignores=[]), False)
            k = 0 if docstring is None else 1
            statements.insert(k, self._begin(RETURNED, body[0]))
        self.flow.body = statements
        useless = {store for flag, store in self.stores if flag not in self.looked_at}
        if useless:
            _replace_by_pass(statements, useless)

    # -- flags

    def _store(self, flag: str, value: bool, at: ast.stmt) -> ast.stmt:
        make = Maker(at)
        node = make.assign(make.target(flag), make.constant(value))
        self.stores.append((flag, node))
        return node

    def _begin(self, flag: str, at: ast.stmt) -> ast.stmt:
        node = self._store(flag, False, at)
        self.flow.beginnings.add(node)
        return node

    def _guard(self, flags: Iterable[str], statements: list[ast.stmt]) -> ast.stmt:
        """Return ``if not (flag or ...): statements``."""
        self.looked_at.update(flags)
        make = Maker(statements[0])
        return make.choice(make.not_(make.any(list(flags))), statements)

    def _guarded(self, flags: dict[str, None], statements: list[ast.stmt]) -> _Part:
        """Lower statements that run only if no flag is set."""
        if not flags:
            return self._block(statements)
        self.depth += 1
        part = self._block(statements)
        self.depth -= 1
        return _Part([self._guard(flags, part.statements)], part.pending, part.completes)

    # -- statements

    def _block(self, statements: list[ast.stmt]) -> _Part:
        done = _Part([])
        for k, node in enumerate(statements):
            rest = statements[k + 1 :]
            if rest and self._take_rest(node, rest):
                rest = []
            part = self._statement(node)
            done.statements += part.statements
            done.pending |= part.pending
            done.completes = part.completes
            if not part.completes:
                if not self.depth and RETURNED in done.pending:
                    done.pending = {}
                    done.statements.append(self._return_result(node))
                if rest:
                    done.statements.append(_dead(rest))
                break
            if not rest:
                break
            if part.pending:
                part = self._guarded(part.pending, rest)
                done.statements += part.statements
                done.pending |= part.pending
                done.completes = part.completes
                if not part.completes and not self.depth and RETURNED in done.pending:
                    done.pending = {}
                    done.statements.append(self._return_result(rest[-1]))
                break
        return done

    def _take_rest(self, node: ast.stmt, rest: list[ast.stmt]) -> bool:
        """Move what follows a branch to its other side, if one side surely leaves."""
        if not isinstance(node, ast.If) or node in self.flow.native or not may_exit(node):
            return False
        if leaves(node.body) and not leaves(node.orelse):
            node.orelse = node.orelse + rest
            return True
        if leaves(node.orelse) and not leaves(node.body):
            node.body = node.body + rest
            return True
        return False

    def _return_result(self, at: ast.stmt) -> ast.stmt:
        make = Maker(at)
        return make.result(make.name(RESULT) if self.values else None)

    def _statement(self, node: ast.stmt) -> _Part:
        match node:
            case ast.Return() if self.depth:
                return self._return(node)
            case ast.Break() | ast.Continue() if (loop := self.loops[-1]) is not None:
                flag = loop.broke if isinstance(node, ast.Break) else loop.continued
                return _Part([self._store(flag, True, node)], {flag: None}, False)
            case ast.Return() | ast.Raise() | ast.Break() | ast.Continue():
                return _Part([node], completes=False)
            case ast.If():
                return self._branch(node)
            case ast.For() | ast.While() | ast.AsyncFor():
                return self._native_loop(node) if node in self.flow.native else self._loop(node)
            case ast.Try() | ast.TryStar():
                return self._try(node)
            case ast.With() | ast.AsyncWith():
                return self._with(node)
            case ast.Match():
                return self._match(node)
        return _Part([node])

    def _return(self, node: ast.Return) -> _Part:
        statements: list[ast.stmt] = []
        if self.values:
            make = Maker.over(node)
            value = node.value or make.constant(None)
            statements.append(make.assign(make.target(RESULT), value))
        statements.append(self._store(RETURNED, True, node))
        return _Part(statements, {RETURNED: None}, False)

    def _branch(self, node: ast.If) -> _Part:
        hooked = node not in self.flow.native
        self.depth += hooked
        body, orelse = self._block(node.body), self._block(node.orelse)
        self.depth -= hooked
        node.body, node.orelse = body.statements, orelse.statements
        return _Part([node], body.pending | orelse.pending, body.completes or orelse.completes)

    def _native_loop(self, node: ast.For | ast.While | ast.AsyncFor) -> _Part:
        completes = not leaves_by(node)
        self.loops.append(None)
        node.body = self._block(node.body).statements
        self.loops.pop()
        orelse = self._block(node.orelse)
        node.orelse = orelse.statements
        return _Part([node], orelse.pending, completes)

    def _loop(self, node: ast.For | ast.While | ast.AsyncFor) -> _Part:
        self.count += 1
        loop = _Loop(f"{TEMPORARY}broke {self.count}", f"{TEMPORARY}continued {self.count}")
        endless, ended = forever(node), f"{TEMPORARY}ended {self.count}"
        binding = False
        if isinstance(node, ast.While) and bound_in([node.test]).names:
            binding = True
            # The test is part of the body, so that what it binds at last is there after the loop.
            make = Maker(node, node.test)
            choice = make.choice(node.test, node.body, [self._store(ended, True, node)])
            node.test, node.body = make.constant(True), [choice]
        self.loops.append(loop)
        self.depth += 1
        body = self._block(node.body)
        self.depth -= 1
        self.loops.pop()
        if loop.continued in self.looked_at:
            body.statements.insert(0, self._begin(loop.continued, node.body[0]))
        stops = {flag: None for flag in body.pending if flag != loop.continued}
        ending = [ended, *stops] if binding else list(stops)
        if ending:
            self.flow.stops[node] = ending
            self.looked_at.update(ending)
        node.body = body.statements
        begun = [flag for flag in (ended, loop.broke) if flag in ending]
        statements: list[ast.stmt] = [*(self._begin(flag, node) for flag in begun), node]
        orelse, node.orelse = node.orelse, []
        part = self._guarded(stops, orelse) if orelse else _Part([])
        statements += part.statements
        exhausted = not endless and part.completes
        part.pending |= {flag: None for flag in stops if flag == RETURNED}
        return _Part(statements, part.pending, loop.broke in stops or exhausted)

    def _try(self, node: ast.Try | ast.TryStar) -> _Part:
        late = any(map(exits_late, node.body))
        body = self._block(node.body)
        node.body = body.statements
        if node.orelse:
            orelse = self._guarded(body.pending, node.orelse)
            node.orelse = orelse.statements
        else:
            orelse = _Part([])
        pending = body.pending | orelse.pending
        completes = body.completes and orelse.completes
        for handler in node.handlers:
            part = self._block(handler.body)
            if late:  # the exception may have been raised on the way out
                resets = [self._store(flag, False, handler.body[0]) for flag in body.pending]
                part.statements[:0] = resets
            handler.body = part.statements
            pending |= part.pending
            completes = completes or part.completes
        final = self._block(node.finalbody)
        node.finalbody = final.statements
        return _Part([node], pending | final.pending, completes and final.completes)

    def _with(self, node: ast.With | ast.AsyncWith) -> _Part:
        if len(node.items) > 1 and any(map(may_exit, node.body)):
            # The same as one inside the other; an exit may raise what one around it swallows.
            where = Maker.over(node.items[1].context_expr).where
            node.body = [type(node)(items=node.items[1:], body=node.body, **where)]
            node.items = node.items[:1]
        late = any(map(exits_late, node.body))
        part = self._block(node.body)
        node.body = part.statements
        statements: list[ast.stmt] = [node]
        if late and part.pending:
            # An exception raised on the way out may have been swallowed: nothing was left then.
            self.count += 1
            ended = f"{TEMPORARY}ended {self.count}"
            self.looked_at.add(ended)
            statements.insert(0, self._begin(ended, node))
            node.body.append(self._store(ended, True, node))
            resets = [self._store(flag, False, node) for flag in part.pending]
            statements.append(self._guard([ended], resets))
            self.flow.native.add(statements[-1])
        return _Part(statements, part.pending)

    def _match(self, node: ast.Match) -> _Part:
        completes = not leaves_by(node)
        pending: dict[str, None] = {}
        for case in node.cases:
            part = self._block(case.body)
            case.body = part.statements
            pending |= part.pending
        return _Part([node], pending, completes)


def _dead(statements: list[ast.stmt]) -> ast.stmt:
    """Return ``if False: statements``."""
    make = Maker(statements[0])
    return make.choice(make.constant(False), statements)


def _replace_by_pass(statements: list[ast.stmt], useless: set[ast.stmt]) -> None:
    for k, node in enumerate(statements):
        if node in useless:
            statements[k] = ast.copy_location(ast.Pass(), node)
        for inner in statement_lists(node):
            _replace_by_pass(inner, useless)
