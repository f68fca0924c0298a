"""The staged flavour's expressions: what is read, compared and chosen goes through hooks.

===============================  ================================================================
the user's text                  what runs
===============================  ================================================================
``f(x)``                         ``H.resolve(f)(x)``, as in the eager flavour
``name`` (global, builtin, …)    ``H.outer("name", name, lambda: name)``
``name`` (may be unbound)        ``H.use("name", name)``
``obj.name``                     ``H.attribute(obj, "name")``
``obj.name = v``, ``+=``, del    ``H.fields(obj).name = v``
``c[i]``, ``c[a:b]``             ``H.item(c, i)``, ``H.item(c, H.slice(a, b, None))``
``c[i] = v``, ``+=``, del        ``H.target(c)[i] = v``
``a and b``, ``a or b``          ``H.and_(a, lambda: b)``, ``H.or_(a, lambda: b)``
``not a``                        ``H.not_(a)``
``a if t else b``                ``H.if_(t, lambda: a, lambda: b)``
``a < b``                        ``H.compare(a, "<", b)``
``a < b <= c``                   ``H.compare_chain(a, ("<", lambda: b), ("<=", lambda: c))``
``[e for t in it if c]``         ``H.comprehension("list", it, lambda t: e, lambda t: c)``
===============================  ================================================================

An operand cannot become a lambda if it binds a name, suspends, or looks at its own frame.  Then the
choice stays Python's: ``H.test(a) and b``, ``a if H.test(t) else b``; so do comprehensions, with
``H.items(it)`` and ``H.test(c)``.  `H.test` gives its argument back wherever Python may look at its
truth.  Comparisons with ``is`` among them stay as they are, and chains that cannot become lambdas.

What a class's body runs is left alone but for calls: a lambda could not see the names of the class.
"""

from __future__ import annotations

import ast
import itertools
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from adjoint.frontend.bindings import (
    Comprehension,
    Scope,
    mangled,
    nodes_here,
    target_names,
)
from adjoint.frontend.build import clone
from adjoint.frontend.making import Maker
from adjoint.frontend.source import Located
from adjoint.frontend.staged_flow import TEMPORARY, Flow
from adjoint.frontend.transform import Transformer, makes_arrays

__all__ = ["Frame", "StagedExpressions", "can_be_lambdas"]

_SYMBOLS: dict[type[ast.cmpop], str] = {
    ast.Lt: "<", ast.LtE: "<=", ast.Gt: ">", ast.GtE: ">=", ast.Eq: "==", ast.NotEq: "!=",
    ast.In: "in", ast.NotIn: "not in",
}  # fmt: skip

_KINDS: dict[type[ast.AST], str] = {
    ast.ListComp: "list", ast.SetComp: "set", ast.DictComp: "dict", ast.GeneratorExp: "generator",
}  # fmt: skip

_LOOK_AT_FRAME = frozenset(("dir", "eval", "exec", "locals", "super", "vars"))
"""Builtins that mean something else in another frame."""

_PYTHONS_OWN = frozenset(("super", "__class__", "__debug__"))
"""Names that the compiler recognises."""

_CONSUMERS = frozenset(
    ("all", "any", "dict", "frozenset", "fromiter", "fsum", "join", "list", "max", "min", "prod",
     "set", "sorted", "sum", "tuple")
)  # fmt: skip
"""Functions that are done with a generator or key function when they return."""

_LONG_CHAIN = 30

_INLINED = sys.version_info >= (3, 12)
"""Whether comprehensions run in the frame around them (generators never do)."""

_PLAIN_IN_CLASSES = (
    ast.Name, ast.Attribute, ast.Subscript, ast.BoolOp, ast.UnaryOp, ast.Compare, ast.IfExp,
    ast.NamedExpr, *_KINDS, ast.For, ast.AsyncFor, ast.While, ast.If, ast.With, ast.AsyncWith,
    ast.Try, ast.TryStar, ast.Match, ast.Assert, ast.Raise, ast.Assign, ast.AnnAssign,
    ast.AugAssign, ast.Delete,
)  # fmt: skip


@dataclass
class Frame:
    """The function or class whose code is being rewritten.

    Attributes
    ----------
    plain
        Whether it is a class.
    scope
    flow
        What the statements of its body are.
    maybe
        Names that hooks may find unbound: those that loops and branches bind.
    definite
        Names that are surely bound where the rewriting is.
    inner
        The targets of the comprehensions around it.
    lifted
        How many lambdas made here are around it.
    apart
        How many comprehensions around it are functions of their own in Python.
    depth
        How many blocks are around it (`adjoint.frontend.nesting`).
    tight
        Whether there are too many for all loops and branches to have hooks.
    """

    plain: bool = False
    scope: Scope = field(default_factory=Scope)
    flow: Flow = field(default_factory=Flow)
    maybe: frozenset[str] = frozenset()
    definite: set[str] = field(default_factory=set)
    inner: list[set[str]] = field(default_factory=list)
    lifted: int = 0
    apart: int = 0
    depth: int = 0
    tight: bool = False
    numbers: Iterator[int] = field(default_factory=lambda: itertools.count(1))


class StagedExpressions(Transformer):
    """Makes the table above true."""

    def __init__(self, located: Located) -> None:
        self.imported = located.imported
        self.class_name = located.class_name
        self.frame = Frame()

    @contextmanager
    def inside(self, node: Comprehension, *, lifted: bool) -> Iterator[None]:
        """Rewrite what a comprehension runs for each item."""
        frame = self.frame
        entered, apart = len(frame.inner), isinstance(node, ast.GeneratorExp) or not _INLINED
        frame.apart += apart
        frame.lifted += lifted
        try:
            yield
        finally:
            frame.apart -= apart
            frame.lifted -= lifted
            del frame.inner[entered:]

    @contextmanager
    def framed(self, frame: Frame, class_name: str | None) -> Iterator[None]:
        """Rewrite the code of another function or class."""
        former = self.frame, self.class_name
        self.frame, self.class_name = frame, class_name
        try:
            yield
        finally:
            self.frame, self.class_name = former

    def visit(self, node: ast.AST) -> Any:
        if self.frame.plain and isinstance(node, _PLAIN_IN_CLASSES):
            return self.generic_visit(node)
        # What `ast.NodeVisitor` does, with a frame less for each level of an expression.
        return getattr(self, "visit_" + type(node).__name__, self.generic_visit)(node)

    def mangled(self, id: str) -> str:
        return mangled(id, self.class_name)

    # ------------------------------------------------------------------------------- lambdas

    def thunk(self, node: ast.expr) -> ast.Lambda:
        """Visit an expression; return a function that evaluates it."""
        self.frame.lifted += 1
        body = self.visit(node)
        self.frame.lifted -= 1
        return Maker.over(body).function([], body)

    # --------------------------------------------------------------------------------- names

    def visit_Name(self, node: ast.Name) -> ast.expr:
        id, frame = node.id, self.frame
        if any(id in targets for targets in frame.inner):
            return node
        if isinstance(node.ctx, ast.Store):
            frame.definite.add(id)
        elif isinstance(node.ctx, ast.Del):
            frame.definite.discard(id)
        elif id in frame.scope.own:
            if id not in frame.definite:
                return self._unsure(node)
        elif id not in _PYTHONS_OWN and not id.startswith(TEMPORARY):
            make = Maker.over(node)
            said = make.constant(self.mangled(id))
            return self.hook("outer", said, node, make.function([], node), at=node)
        return node

    def _unsure(self, node: ast.Name) -> ast.expr:
        """Read a name that may be unbound."""
        frame, make = self.frame, Maker.over(node)
        said = make.constant(self.mangled(node.id))
        read: ast.expr = node
        elsewhere = frame.scope.global_ | frame.scope.nonlocal_
        if frame.lifted and not frame.apart and node.id not in elsewhere:
            # Python's error would be that of a closure's variable.
            read = self.hook("bound", said, make.function([], node), at=node)
        return self.hook("use", said, read, at=node) if node.id in frame.maybe else read

    def visit_NamedExpr(self, node: ast.NamedExpr) -> ast.NamedExpr:
        node.value = self.visit(node.value)
        self.frame.definite.add(node.target.id)
        return node

    # ---------------------------------------------------------------------- attributes and items

    def visit_Attribute(self, node: ast.Attribute) -> ast.expr:
        by_super = _is_call_of(node.value, "super")
        node.value = self.visit(node.value)
        if not isinstance(node.ctx, ast.Load):
            node.value = self.hook("fields", node.value, at=node.value)
        elif not by_super:
            said = Maker.over(node).constant(self.mangled(node.attr))
            return self.hook("attribute", node.value, said, at=node)
        return node

    def visit_Subscript(self, node: ast.Subscript) -> ast.expr:
        maker = makes_arrays(node.value)
        node.value = self.visit(node.value)
        if not isinstance(node.ctx, ast.Load):
            node.slice = self.visit(node.slice)
            node.value = self.hook("target", node.value, at=node.value)
            return node
        if maker:
            node.value = self.hook("resolve", node.value, at=node.value)
        return self.hook("item", node.value, self._index(node.slice), at=node)

    def _index(self, node: ast.expr) -> ast.expr:
        if isinstance(node, ast.Slice):
            none = Maker.over(node).constant(None)
            ends = [
                none if end is None else self.visit(end)
                for end in (node.lower, node.upper, node.step)
            ]
            return self.hook("slice", *ends, at=node)
        if isinstance(node, ast.Tuple):
            node.elts = [self._index(element) for element in node.elts]
            return node
        return self.visit(node)

    # ------------------------------------------------------------------------------- choices

    def visit_BoolOp(self, node: ast.BoolOp) -> ast.expr:
        first, *rest = node.values
        if not can_be_lambdas(*rest):
            node.values = [self.visit(first)]
            definite = set(self.frame.definite)
            node.values += map(self.visit, rest)
            self.frame.definite = definite
            # Each is looked at by Python, but for the last.
            node.values[:-1] = [self.hook("test", value, at=value) for value in node.values[:-1]]
            return node
        kind = "and_" if isinstance(node.op, ast.And) else "or_"
        # A long chain is halved: its lambdas would be nested too deeply.
        cut = len(node.values) // 2 if len(node.values) > _LONG_CHAIN else 1
        first, second = (
            Maker(part[0], part[-1]).chain(node.op, part)
            for part in (node.values[:cut], node.values[cut:])
        )
        return self.hook(kind, self.visit(first), self.thunk(second), at=node)

    def visit_UnaryOp(self, node: ast.UnaryOp) -> ast.expr:
        node.operand = self.visit(node.operand)
        if isinstance(node.op, ast.Not):
            return self.hook("not_", node.operand, at=node)
        return node

    def visit_IfExp(self, node: ast.IfExp) -> ast.expr:
        test = self.visit(node.test)
        if can_be_lambdas(node.body, node.orelse):
            return self.hook("if_", test, self.thunk(node.body), self.thunk(node.orelse), at=node)
        node.test = self.hook("test", test, at=test)
        definite = self.frame.definite
        self.frame.definite = set(definite)
        node.body = self.visit(node.body)
        self.frame.definite = set(definite)
        node.orelse = self.visit(node.orelse)
        self.frame.definite = definite
        return node

    def visit_Compare(self, node: ast.Compare) -> ast.expr:
        chain = len(node.ops) > 1
        identity = any(isinstance(op, ast.Is | ast.IsNot) for op in node.ops)
        if identity or (chain and not can_be_lambdas(*node.comparators)):
            self.generic_visit(node)
            return node
        make = Maker.over(node)
        said = [make.constant(_SYMBOLS[type(op)]) for op in node.ops]
        if not chain:
            self.generic_visit(node)
            return self.hook("compare", node.left, said[0], node.comparators[0], at=node)
        left = self.visit(node.left)
        steps = [
            make.tuple([symbol, self.thunk(operand)])
            for symbol, operand in zip(said, node.comparators)
        ]
        return self.hook("compare_chain", left, *steps, at=node)

    # -------------------------------------------------------------------------- comprehensions

    def visit_ListComp(self, node: Comprehension) -> ast.expr:
        generators = node.generators
        first = generators[0]
        wanted = [node.key, node.value] if isinstance(node, ast.DictComp) else [node.elt]
        if (
            len(generators) > 1
            or not _is_simple(first.target)
            or not can_be_lambdas(node)
            or _keeps(set(target_names(first.target)), *wanted, *first.ifs)
        ):
            return self._native_comprehension(node)
        iterable = self.visit(first.iter)
        element = wanted[0]
        if isinstance(node, ast.DictComp):
            element = Maker(node.key, node.value).tuple(wanted)
        make, keep = Maker.over(node), None
        with self.inside(node, lifted=True):
            self.frame.inner.append(set(target_names(first.target)))
            made = self._function(first.target, self.visit(element))
            if first.ifs:
                test = Maker(first.ifs[0], first.ifs[-1]).chain(ast.And(), first.ifs)
                keep = self._function(first.target, self.visit(test))
        kind = make.constant(_KINDS[type(node)])
        keep = keep or make.constant(None)
        return self.hook("comprehension", kind, iterable, made, keep, at=node)

    visit_SetComp = visit_DictComp = visit_GeneratorExp = visit_ListComp

    def _function(self, target: ast.expr, value: ast.expr) -> ast.expr:
        """Return ``lambda target: value``."""
        make = Maker.over(value)
        if isinstance(target, ast.Name):
            return make.function([target.id], value)
        # Python unpacks in assignments only: [value for target in (item,)][0]
        item = TEMPORARY + "item"
        loop = ast.comprehension(
            target=clone(target), iter=make.tuple([make.name(item)]), ifs=[], is_async=0
        )
        listed = ast.ListComp(elt=value, generators=[loop], **make.where)
        return make.function([item], make.item(listed, 0))

    def _native_comprehension(self, node: Comprehension) -> ast.expr:
        frame = self.frame
        definite = set(frame.definite)
        first = node.generators[0]
        first.iter = self.visit(first.iter)
        with self.inside(node, lifted=False):
            for generator in node.generators:
                if generator is not first:
                    generator.iter = self.visit(generator.iter)
                if not generator.is_async:
                    generator.iter = self.hook("items", generator.iter, at=generator.iter)
                frame.inner.append(set(target_names(generator.target)))
                generator.target = self.visit(generator.target)
                for k, test in enumerate(generator.ifs):
                    generator.ifs[k] = self.hook("test", self.visit(test), at=test)
            if isinstance(node, ast.DictComp):
                node.key, node.value = self.visit(node.key), self.visit(node.value)
            else:
                node.elt = self.visit(node.elt)
        frame.definite = definite
        return node


def _is_call_of(node: ast.expr, *names: str) -> bool:
    return isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in names


def can_be_lambdas(*nodes: ast.expr) -> bool:
    """Whether expressions mean the same when they are evaluated in a function inside."""
    for node in nodes:
        for child in nodes_here(node):
            match child:
                case ast.NamedExpr() | ast.Await() | ast.Yield() | ast.YieldFrom():
                    return False
                case ast.comprehension(is_async=1):
                    return False
                case ast.Call() if _is_call_of(child, *_LOOK_AT_FRAME):
                    return False
    return True


def _is_simple(target: ast.expr) -> bool:
    """Whether an assignment to `target` binds names only."""
    match target:
        case ast.Name():
            return True
        case ast.Tuple() | ast.List():
            return all(map(_is_simple, target.elts))
        case ast.Starred():
            return _is_simple(target.value)
    return False


def _keeps(names: set[str], *nodes: ast.expr) -> bool:
    """Whether functions or generators in expressions may outlive them and refer to `names`.

    They would see the comprehension's last item, as ``[lambda: x for x in xs]`` does.
    """
    for node in nodes:
        if isinstance(node, ast.Lambda | ast.GeneratorExp):
            if any(isinstance(c, ast.Name) and c.id in names for c in ast.walk(node)):
                return True
            continue
        children: list[ast.AST] = list(ast.iter_child_nodes(node))
        if isinstance(node, ast.Call):
            consumer = getattr(node.func, "attr", getattr(node.func, "id", None))
            if consumer in _CONSUMERS:
                arguments = [*node.args, *(keyword.value for keyword in node.keywords)]
                children = [
                    inner
                    for child in (node.func, *arguments)
                    for inner in (
                        ast.iter_child_nodes(child)
                        if isinstance(child, ast.Lambda | ast.GeneratorExp)
                        else (child,)
                    )
                ]
        if _keeps(names, *children):  # type: ignore[arg-type]
            return True
    return False
