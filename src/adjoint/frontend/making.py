"""Syntax nodes with a place: every node must have one to be compiled, and ours stand in the user's
text."""

from __future__ import annotations

import ast

from adjoint.frontend.build import HOOK_PREFIX

__all__ = ["Maker"]

_LOAD, _STORE, _DEL = ast.Load(), ast.Store(), ast.Del()


class Maker:
    """Makes nodes that stand where another one does.

    Parameters
    ----------
    start
        What they begin with.
    end
        What they end with; by default, they are empty: they mark a place, and cover no text.
    """

    __slots__ = ("where",)

    def __init__(self, start: ast.AST, end: ast.AST | None = None) -> None:
        line, column = start.lineno, start.col_offset  # type: ignore[attr-defined]
        self.where = {
            "lineno": line,
            "col_offset": column,
            "end_lineno": line if end is None else end.end_lineno,  # type: ignore[attr-defined]
            "end_col_offset": column if end is None else end.end_col_offset,  # type: ignore[attr-defined]
        }

    @classmethod
    def over(cls, node: ast.AST) -> Maker:
        """Make nodes that cover the same text as `node`."""
        return cls(node, node)

    # ---------------------------------------------------------------------------- expressions

    def constant(self, value: object) -> ast.Constant:
        return ast.Constant(value=value, **self.where)  # type: ignore[arg-type]

    def name(self, id: str) -> ast.Name:
        return ast.Name(id=id, ctx=_LOAD, **self.where)

    def target(self, id: str) -> ast.Name:
        return ast.Name(id=id, ctx=_STORE, **self.where)

    def tuple(self, elements: list[ast.expr]) -> ast.Tuple:
        return ast.Tuple(elts=elements, ctx=_LOAD, **self.where)

    def not_(self, operand: ast.expr) -> ast.UnaryOp:
        return ast.UnaryOp(op=ast.Not(), operand=operand, **self.where)

    def chain(self, op: ast.boolop, values: list[ast.expr]) -> ast.expr:
        """Return ``value op value ...``."""
        return ast.BoolOp(op=op, values=values, **self.where) if values[1:] else values[0]

    def any(self, names: list[str]) -> ast.expr:
        """Return ``name or name ...``."""
        return self.chain(ast.Or(), [self.name(each) for each in names])

    def item(self, container: ast.expr, index: int) -> ast.Subscript:
        return ast.Subscript(value=container, slice=self.constant(index), ctx=_LOAD, **self.where)

    def function(self, parameters: list[str], body: ast.expr) -> ast.Lambda:
        """Return ``lambda parameters: body``."""
        args = [ast.arg(arg=each, **self.where) for each in parameters]
        signature = ast.arguments(
            posonlyargs=[], args=args, kwonlyargs=[], kw_defaults=[], defaults=[]
        )
        return ast.Lambda(args=signature, body=body, **self.where)

    def hook(self, name: str) -> ast.Constant:
        """Return what stands for a hook."""
        return self.constant(HOOK_PREFIX + name.encode())

    def call(self, function: ast.expr, *arguments: ast.expr) -> ast.Call:
        return ast.Call(func=function, args=list(arguments), keywords=[], **self.where)

    def method(self, owner: str, name: str, *arguments: ast.expr) -> ast.Call:
        """Return ``owner.name(*arguments)``."""
        return self.call(self.attribute(self.name(owner), name), *arguments)

    def attribute(self, value: ast.expr, name: str) -> ast.Attribute:
        return ast.Attribute(value=value, attr=name, ctx=_LOAD, **self.where)

    # ----------------------------------------------------------------------------- statements

    def expression(self, value: ast.expr) -> ast.Expr:
        return ast.Expr(value=value, **self.where)

    def assign(self, target: ast.expr, value: ast.expr) -> ast.Assign:
        return ast.Assign(targets=[target], value=value, **self.where)

    def assign_all(self, names: list[str], value: ast.expr) -> ast.Assign:
        """Return ``(name, name, ...) = value``."""
        targets: list[ast.expr] = [self.target(each) for each in names]
        return self.assign(ast.Tuple(elts=targets, ctx=_STORE, **self.where), value)

    def delete(self, name: str) -> ast.Delete:
        return ast.Delete(targets=[ast.Name(id=name, ctx=_DEL, **self.where)], **self.where)

    def choice(
        self, test: ast.expr, body: list[ast.stmt], orelse: list[ast.stmt] | None = None
    ) -> ast.If:
        return ast.If(test=test, body=body, orelse=orelse or [], **self.where)

    def loop(self, target: ast.expr, iterable: ast.expr, body: list[ast.stmt]) -> ast.For:
        return ast.For(target=target, iter=iterable, body=body, orelse=[], **self.where)

    def attempt(
        self, body: list[ast.stmt], kind: ast.expr, error: str, handler: list[ast.stmt]
    ) -> ast.Try:
        """Return ``try: body`` and ``except kind as error: handler``."""
        caught = ast.ExceptHandler(type=kind, name=error, body=handler, **self.where)
        return ast.Try(body=body, handlers=[caught], orelse=[], finalbody=[], **self.where)

    def again(self) -> ast.Raise:
        """Return ``raise``."""
        return ast.Raise(exc=None, cause=None, **self.where)

    def leave(self) -> ast.Break:
        """Return ``break``."""
        return ast.Break(**self.where)

    def result(self, value: ast.expr | None) -> ast.Return:
        """Return ``return value``."""
        return ast.Return(value=value, **self.where)
