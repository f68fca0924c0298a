"""Which names a function stores into, so that plain arrays bound to them can be adopted.

``c = W * 2`` gives a plain array when `W` is one, and a plain array cannot hold a traced value:
``c[0] = x`` would have to be refused.  But here nobody else has seen the array yet, so if `c` is
stored into anywhere in the function it can be made a traced constant on the spot.

The analysis errs on the side of adopting: adopting a fresh array changes no result, it only costs
time.  Names are not told apart by scope, and ``v = c[1:]`` followed by ``v[0] = x`` makes both `v`
and `c` stored names.  An attribute is the name ``.attr``, whatever object it belongs to.
"""

from __future__ import annotations

import ast

_MUTATING_METHODS = frozenset(("fill", "put", "sort", "partition"))
_MUTATING_FUNCTIONS = frozenset(
    ("copyto", "fill_diagonal", "put", "putmask", "place", "put_along_axis", "at", "shuffle")
)


def stored_names(node: ast.AST) -> frozenset[str]:
    """Return the names in `node` whose arrays may be written to."""
    finder = _Finder()
    finder.visit(node)
    stored = finder.stored
    size = -1
    while len(stored) != size:
        size = len(stored)
        for targets, values in finder.aliases:
            if not targets.isdisjoint(stored):
                stored |= values
    return frozenset(stored - finder.outer)


def roots(node: ast.AST | None) -> set[str]:
    """Return the names whose storage the value of an expression may share."""
    match node:
        case ast.Name():
            return {node.id}
        case ast.Attribute():
            return {"." + node.attr} | roots(node.value)
        case ast.Subscript() | ast.Starred():
            return roots(node.value)
        case ast.NamedExpr():
            return roots(node.target) | roots(node.value)
        case ast.Call():  # c.reshape(n, m), np.ravel(c), zip(c, d)
            shared = roots(node.func)
            for argument in node.args:
                shared |= roots(argument)
            return shared
        case ast.Tuple() | ast.List():
            return set().union(*map(roots, node.elts))
        case ast.IfExp():
            return roots(node.body) | roots(node.orelse)
    return set()


class _Finder(ast.NodeVisitor):
    def __init__(self) -> None:
        self.stored: set[str] = set()
        self.aliases: list[tuple[set[str], set[str]]] = []
        # An adopted array must not outlive the call in a module's globals.
        self.outer: set[str] = set()

    def visit_Subscript(self, node: ast.Subscript) -> None:
        if isinstance(node.ctx, ast.Store):
            self.stored |= roots(node.value)
        self.generic_visit(node)

    def visit_AugAssign(self, node: ast.AugAssign) -> None:
        self.stored |= roots(node.target)
        self.generic_visit(node)

    def visit_Call(self, node: ast.Call) -> None:
        if isinstance(node.func, ast.Attribute):
            if node.func.attr in _MUTATING_METHODS:
                self.stored |= roots(node.func.value)
            if node.func.attr in _MUTATING_FUNCTIONS and node.args:
                self.stored |= roots(node.args[0])
        for keyword in node.keywords:
            if keyword.arg == "out":
                self.stored |= roots(keyword.value)
        self.generic_visit(node)

    def visit_Assign(self, node: ast.Assign) -> None:
        for target in node.targets:
            self._alias(target, node.value)
        self.generic_visit(node)

    def visit_AnnAssign(self, node: ast.AnnAssign) -> None:
        self._alias(node.target, node.value)
        self.generic_visit(node)

    def visit_NamedExpr(self, node: ast.NamedExpr) -> None:
        self._alias(node.target, node.value)
        self.generic_visit(node)

    def visit_For(self, node: ast.For | ast.AsyncFor | ast.comprehension) -> None:
        self._alias(node.target, node.iter)
        self.generic_visit(node)

    visit_AsyncFor = visit_comprehension = visit_For

    def visit_Global(self, node: ast.Global) -> None:
        self.outer.update(node.names)

    def _alias(self, target: ast.AST, value: ast.AST | None) -> None:
        names, shared = roots(target), roots(value)
        if names and shared:
            self.aliases.append((names, shared))
