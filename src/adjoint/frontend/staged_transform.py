r"""The staged flavour's rewriting: loops and branches ask hooks how often they run.

For ``for target in iterable: body``, this runs in the frame of the user's code (the loop is
the object that the hook returned, under a name with a space in it, as all temporaries)::

    loop = H.for_loop(iterable, NAMES, TARGETS, locals(), OUTER)
    for target in loop:
        try:
            (a, b, ...) = loop.enter()              # the values of NAMES
            body
            loop.leave(locals(), OUTER, stop)       # stop: whether break or return was reached
        except BaseException as error:
            if not loop.failed(error): raise
    (a, b, ..., target) = loop.results()            # the values of NAMES, then of TARGETS

for ``while test: body``::

    loop = H.while_loop(NAMES, locals(), OUTER)
    for _ in loop:
        try:
            (a, b, ...) = loop.enter()
            if loop.test(test):                     # not stop and test
                body
                loop.leave(locals(), OUTER)
        except BaseException as error:
            if not loop.failed(error): raise
    (a, b, ...) = loop.results()

and for ``if test: body else: orelse``::

    branch = H.branch(test, NAMES, locals(), OUTER)
    for side in branch:
        try:
            (a, b, ...) = branch.enter()
            if side: body
            else: orelse
            branch.leave(locals(), OUTER)
        except BaseException as error:
            if not branch.failed(error): raise
    (a, b, ...) = branch.results()

NAMES are the names that the body may bind or delete, with those that functions inside the function
bind; TARGETS those in the loop's target, which is assigned to in the body if it is more than a
name.  A name whose value is `H.UNBOUND` is deleted.  OUTER are those of the globals that the
function declares and binds: of NAMES, what is not in ``locals()`` or OUTER is unbound.

What leaves the body in the middle has become flags before (`adjoint.frontend.staged_flow`).  Loops
and branches that must stay Python's own (`adjoint.frontend.exits`), or are too deep
(`adjoint.frontend.nesting`), run over ``H.items(iterable)`` and look at ``H.test(test)``.

==================================  ==========================================================
other statements                    what runs
==================================  ==========================================================
``assert t, m``                     ``if __debug__: H.assert_(t, lambda: m)``
``raise X from Y``                  ``raise H.raised(X) from Y``
``x += v``, `x` may be unbound      ``x = H.use("x", x)`` before
``case p if t:``                    ``case p if H.test(t):``
end of a function with results      ``return H.returned(flag, result)``, if some paths return;
\                                   the flag is True where all of them do
==================================  ==========================================================
"""

from __future__ import annotations

import ast
import builtins
from collections.abc import Callable, Iterable, Iterator
from types import ModuleType
from typing import Any

from adjoint.frontend.bindings import (
    Function,
    bound_in,
    hoist_declarations,
    nodes_here,
    scope_of,
    statement_lists,
    target_names,
)
from adjoint.frontend.build import clone
from adjoint.frontend.exits import forever, is_dead, leaves
from adjoint.frontend.making import Maker
from adjoint.frontend.nesting import HANDLER, HOOKED, LIMIT, height, inner_heights
from adjoint.frontend.protocol import Protocol
from adjoint.frontend.rewrite import Flavour
from adjoint.frontend.source import Definition, Located
from adjoint.frontend.staged_expressions import Frame, StagedExpressions, can_be_lambdas
from adjoint.frontend.staged_flow import RESULT, RETURNED, lowered

__all__ = ["PYTHONS", "STAGED", "staged"]

_Statements = list[ast.stmt]


class StagedTransformer(StagedExpressions):
    """Makes the texts above true."""

    # ----------------------------------------------------------------------------- functions

    def rewrite(self, node: Function) -> None:
        """Rewrite what a function runs, but not its defaults and decorators."""
        scope = scope_of(node)
        frame = Frame(scope=scope, definite=set(scope.parameters | scope.nonlocal_))
        with self.framed(frame, self.class_name):
            if isinstance(node, ast.Lambda):
                node.body = self.visit(node.body)
            else:
                node.body = self._body(node)

    def _body(self, node: ast.FunctionDef | ast.AsyncFunctionDef) -> _Statements:
        frame, body = self.frame, node.body
        declarations = hoist_declarations(body)
        documented = ast.get_docstring(node, clean=False) is not None
        suspending = isinstance(node, ast.AsyncFunctionDef) or any(
            isinstance(child, ast.Yield | ast.YieldFrom)
            for statement in body
            for child in nodes_here(statement)
        )
        last = body[-1]
        frame.flow = flow = lowered(body, suspending=suspending)
        frame.maybe = frozenset(_bound_in_constructs(flow.body))
        frame.tight = height(flow.body, loop=HOOKED, branch=HOOKED) + 1 > LIMIT
        statements = self.statements(flow.body)
        statements[documented:documented] = declarations
        if flow.may_end:
            make = Maker(last)
            get = make.attribute(make.call(make.hook("locals")), "get")
            value = make.call(get, make.constant(RESULT))
            value = make.call(make.hook("returned"), make.name(RETURNED), value)
            statements.append(make.result(value))
        return statements

    def visit_FunctionDef(self, node: Any) -> Any:
        self.visit_all(node.decorator_list)
        self.visit(node.args)
        self.rewrite(node)
        self.frame.definite.add(node.name)
        return node

    visit_AsyncFunctionDef = visit_FunctionDef

    def visit_Lambda(self, node: ast.Lambda) -> ast.Lambda:
        self.visit(node.args)
        self.rewrite(node)
        return node

    def visit_ClassDef(self, node: ast.ClassDef) -> ast.ClassDef:
        self.visit_all(node.decorator_list)
        self.visit_all(node.bases)
        self.visit_all(node.keywords)
        with self.framed(Frame(plain=True), node.name):
            self.visit_all(node.body)
        self.frame.definite.add(node.name)
        return node

    # ---------------------------------------------------------------------------- statements

    def statements(self, nodes: _Statements) -> _Statements:
        """Rewrite a block."""
        done: _Statements = []
        for node in nodes:
            new = self.visit(node)
            done += new if isinstance(new, list) else [new]
        return done

    def _block(self, nodes: _Statements, definite: Iterable[str], depth: int) -> _Statements:
        """Rewrite a block that starts with these names bound, `depth` blocks further in."""
        self.frame.definite = set(definite)
        self.frame.depth += depth
        nodes = self.statements(nodes)
        self.frame.depth -= depth
        return nodes

    def visit_Assign(self, node: ast.Assign) -> ast.Assign:
        node.value = self.visit(node.value)
        self.visit_all(node.targets)
        return node

    def visit_AnnAssign(self, node: ast.AnnAssign) -> ast.AnnAssign:
        if node.value is not None:
            node.value = self.visit(node.value)
        if node.value is not None or not isinstance(node.target, ast.Name):
            node.target = self.visit(node.target)
        return node

    def visit_AugAssign(self, node: ast.AugAssign) -> Any:
        target = node.target
        if not isinstance(target, ast.Name):
            node.target = self.visit(target)
            node.value = self.visit(node.value)
            return node
        statements: _Statements = [node]
        if target.id in self.frame.maybe and target.id not in self.frame.definite:
            make = Maker.over(target)
            value = self.visit(make.name(target.id))
            statements.insert(0, make.assign(make.target(target.id), value))
        node.value = self.visit(node.value)
        self.frame.definite.add(target.id)
        return statements

    def visit_Import(self, node: ast.Import | ast.ImportFrom) -> Any:
        self.frame.definite.update(bound_in([node]).names)
        return node

    visit_ImportFrom = visit_Import

    def visit_Assert(self, node: ast.Assert) -> ast.stmt:
        make = Maker.over(node.test)
        message = node.msg or make.constant(None)
        if not can_be_lambdas(message):
            node.test = self.hook("test", self.visit(node.test), at=node.test)
            node.msg = self.visit(message)
            return node
        test, thunk = self.visit(node.test), self.thunk(message)
        check = make.expression(self.hook("assert_", test, thunk, at=node.test))
        return make.choice(make.name("__debug__"), [check])

    def visit_Raise(self, node: ast.Raise) -> ast.Raise:
        if node.exc is not None:
            node.exc = self.hook("raised", self.visit(node.exc), at=node.exc)
        if node.cause is not None:
            node.cause = self.visit(node.cause)
        return node

    def visit_Return(self, node: ast.Return) -> ast.Return:
        self.generic_visit(node)
        if isinstance(node.value, ast.Name) and node.value.id == RESULT:
            make = Maker.over(node)
            node.value = make.call(make.hook("returned"), make.constant(True), node.value)
        return node

    def visit_With(self, node: ast.With | ast.AsyncWith) -> Any:
        self.visit_all(node.items)
        before = set(self.frame.definite)
        node.body = self._block(node.body, before, len(node.items))
        # It may have swallowed an exception.
        self.frame.definite &= before
        return node

    visit_AsyncWith = visit_With

    def visit_Try(self, node: ast.Try | ast.TryStar) -> Any:
        before, depth = set(self.frame.definite), int(bool(node.finalbody))
        caught = before - bound_in(node.body).deleted
        deleted = bound_in([node]).deleted
        after: list[set[str]] = []
        ends = not self._leaves(node.body + node.orelse)
        node.body = self._block(node.body, before, depth + bool(node.handlers))
        node.orelse = self._block(node.orelse, self.frame.definite, depth)
        if ends:
            after.append(self.frame.definite)
        for handler in node.handlers:
            ends = not self._leaves(handler.body)
            self.frame.definite = set(caught)
            if handler.type is not None:
                handler.type = self.visit(handler.type)
            bound = {handler.name} if handler.name else set()
            handler.body = self._block(handler.body, caught | bound, depth + HANDLER)
            if ends:
                after.append(self.frame.definite - bound)
        definite = set.intersection(*after) if after else caught
        if node.finalbody:
            lost = bound_in(node.finalbody).deleted
            node.finalbody = self._block(node.finalbody, before - deleted, 1)
            definite = (definite - lost) | self.frame.definite
        self.frame.definite = definite
        return node

    visit_TryStar = visit_Try

    def visit_Match(self, node: ast.Match) -> Any:
        node.subject = self.visit(node.subject)
        before = set(self.frame.definite)
        after = [before]
        for case in node.cases:
            self.frame.definite = before | bound_in([case.pattern]).names.keys()
            if case.guard is not None:
                case.guard = self.hook("test", self.visit(case.guard), at=case.guard)
            case.body = self._block(case.body, self.frame.definite, 0)
            after.append(self.frame.definite)
        self.frame.definite = set.intersection(*after)
        return node

    # ---------------------------------------------------------------------- loops and branches

    def visit_If(self, node: ast.If) -> Any:
        if is_dead(node):
            node.orelse = self.statements(node.orelse)
            return node
        hooked, make = self._has_hooks(node), Maker(node, node.test)
        depth = HOOKED if hooked else 0
        names, deleted = self._names(node.body + node.orelse), bound_in([node]).deleted
        completing = [not self._leaves(side) for side in (node.body, node.orelse)]
        test = self.visit(node.test)
        before, ends = self.frame.definite, []
        protocol = self._protocol(make, names, before)
        body = self._block(node.body, before, depth)
        ends.append(self.frame.definite)
        orelse = self._block(node.orelse, before, depth)
        ends.append(self.frame.definite)
        ends = [end for end, completes in zip(ends, completing) if completes]
        self.frame.definite = set.intersection(*ends) if ends else before - deleted
        if not hooked:
            node.test = self.hook("test", test, at=test)
            node.body, node.orelse = body, orelse
            return node
        side = make.choice(make.name(protocol.turn), body, orelse)
        return [
            protocol.begin("branch", test),
            protocol.passes([side, protocol.leave()]),
            *protocol.results(deleted),
        ]

    def visit_For(self, node: ast.For | ast.AsyncFor) -> Any:
        hooked, make = self._has_hooks(node), Maker(node, node.iter)
        stop = self.frame.flow.stops.get(node, [])
        targets, deleted = target_names(node.target), bound_in(node.body).deleted
        names = [each for each in self._names(node.body) if each not in targets]
        iterable = self.visit(node.iter)
        before = self.frame.definite - deleted
        target, body = node.target, node.body
        if not hooked:
            if isinstance(node, ast.For):
                iterable = self.hook("items", iterable, at=iterable)
            node.iter, node.target = iterable, self.visit(target)
            node.body = self._block(body, before | set(targets), 1)
            if stop:
                stopped = self.hook("test", self.visit(make.any(stop)), at=iterable)
                node.body.append(make.choice(stopped, [make.leave()]))
            self._native_else(node, before)
            return node
        protocol = self._protocol(make, names, before, targets)
        if isinstance(target, ast.Name):
            assigned = target.id
        else:  # what fails in it fails inside the `try`
            assigned = protocol.turn
            at = Maker.over(target)
            body = [at.assign(target, at.name(assigned)), *body]
        body = self._block(body, before | set(targets), HOOKED)
        ended = self.visit(make.any(stop)) if stop else make.constant(False)
        self.frame.definite = before
        return [
            protocol.begin("for_loop", iterable),
            protocol.passes([*body, protocol.leave(ended)], assigned),
            *protocol.results(deleted),
        ]

    visit_AsyncFor = visit_For

    def visit_While(self, node: ast.While) -> Any:
        hooked, make = self._has_hooks(node), Maker(node, node.test)
        stop = self.frame.flow.stops.get(node, [])
        names, deleted = self._names(node.body), bound_in(node.body).deleted
        self.frame.definite -= deleted
        before = set(self.frame.definite)
        test: ast.expr = node.test
        if stop:
            going = [make.not_(make.any(stop)), *([] if forever(node) else [test])]
            test = Maker.over(test).chain(ast.And(), going)
        test = self.visit(test)
        after = set(self.frame.definite)
        protocol = self._protocol(make, names, before)
        body = self._block(node.body, after, HOOKED if hooked else 1)
        if not hooked:
            node.test, node.body = self.hook("test", test, at=test), body
            self._native_else(node, after)
            return node
        self.frame.definite = after
        tested = make.method(protocol.owner, "test", test)
        return [
            protocol.begin("while_loop"),
            protocol.passes([make.choice(tested, [*body, protocol.leave()])]),
            *protocol.results(deleted),
        ]

    def _native_else(self, node: ast.For | ast.AsyncFor | ast.While, definite: set[str]) -> None:
        after = definite - bound_in(node.orelse).deleted
        node.orelse = self._block(node.orelse, definite, 0)
        self.frame.definite = after

    def _protocol(
        self, make: Maker, names: list[str], bound: set[str], targets: Iterable[str] = ()
    ) -> Protocol:
        frame = self.frame
        number = next(frame.numbers)
        return Protocol(make, number, names, list(targets), bound, frame.scope, self.class_name)

    def _leaves(self, nodes: _Statements) -> bool:
        return leaves(nodes, self.frame.flow.stops)

    def _has_hooks(self, node: ast.stmt) -> bool:
        frame = self.frame
        if node in frame.flow.native:
            return False
        room = LIMIT - frame.depth - HOOKED
        return not frame.tight or max(1, inner_heights(node)) <= room

    def _names(self, nodes: _Statements) -> list[str]:
        """Return the names that a loop's or branch's body may bind."""
        frame = self.frame
        begun = {flag for node in nodes for flag in _begun_in(node, frame.flow.beginnings)}
        bound = bound_in(nodes).names | dict.fromkeys(sorted(frame.scope.rebound))
        return [each for each in bound if each not in begun]


def _begun_in(node: ast.AST, beginnings: set[ast.stmt]) -> Iterator[str]:
    """Yield the flags whose lives begin in a statement."""
    if node in beginnings:
        yield from target_names(node.targets[0])  # type: ignore[attr-defined]
    for inner in statement_lists(node):
        for child in inner:
            yield from _begun_in(child, beginnings)


def _bound_in_constructs(statements: _Statements) -> set[str]:
    """Return the names that loops and branches bind."""
    found: set[str] = set()
    for node in statements:
        if isinstance(node, ast.For | ast.AsyncFor | ast.While | ast.If):
            found |= bound_in([node]).names.keys()
        else:
            for inner in statement_lists(node):
                found |= _bound_in_constructs(inner)
    return found


# ----------------------------------------------------------------------------------- the flavour


def staged(located: Located) -> Definition:
    """Return a rewritten copy of a definition.  Its defaults and decorators are not looked at."""
    node = clone(located.node)
    StagedTransformer(located).rewrite(node)
    return node


def declared(outer: dict[str, Any], names: tuple[str, ...]) -> dict[str, Any]:
    """Return those of a module's variables that have these names."""
    return {each: outer[each] for each in names if each in outer}


def bound(name: str, read: Callable[[], Any]) -> Any:
    """Read a local variable of the caller's from inside a lambda, with the caller's error."""
    try:
        return read()
    except NameError:
        raise UnboundLocalError(
            f"cannot access local variable {name!r} where it is not associated with a value"
        ) from None


STAGED = Flavour(staged, ModuleType("adjoint.frontend.staged_hooks"))

PYTHONS: dict[str, Any] = {
    "BaseException": BaseException,
    "bound": bound,
    "declared": declared,
    "globals": builtins.globals,
    "locals": builtins.locals,
    "slice": builtins.slice,
}
"""Hooks that mean the same whatever the others mean (the user may have bound Python's names)."""

vars(STAGED.hooks).update(PYTHONS)
