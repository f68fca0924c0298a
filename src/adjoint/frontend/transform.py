"""The eager flavour's rewriting: calls, stores, and the adoption of plain arrays.

======================  =====================================================================
the user's text         what runs
======================  =====================================================================
``f(x, *a, k=v)``       ``H.resolve(f)(x, *a, k=v)``
``a[i] = v``            ``H.target(a)[i] = v``
``a[i] += v``           ``H.target(a)[i] += v``
``a += v``              ``a += H.addend(a, v)``
``"%g" % x``             ``"%g" % H.shown(x)``
``f(x, out=a)``         ``H.resolve(f)(x, out=H.written(a))``
``c = A * B``           ``c = H.own(A * B)``, if `c` is stored into
``c = f(x)``            ``c = H.owned(f)(x)``, if `c` is stored into
``c = A[i]``            ``c = H.own_item(A, i)``, if `c` is stored into
``obj.name``            ``H.attribute(obj, "name")``, if `name` is a property in the same file
======================  =====================================================================

A hook chooses or checks an object; the call, the store and the operator are Python's own (in all
but the last two rows).  So the order of evaluation is Python's, tracebacks have no frames of ours,
and what looks at its caller's frame (``locals()``, ``warnings.warn``, a debugger) sees the user's
function.

Another flavour is another subclass of `Transformer`.
"""

from __future__ import annotations

import ast
from typing import TypeVar

from adjoint.frontend.adoption import stored_names
from adjoint.frontend.build import HOOK_PREFIX, clone
from adjoint.frontend.source import Definition, Located

_Node = TypeVar("_Node", bound=ast.AST)
_Function = TypeVar("_Function", ast.FunctionDef, ast.AsyncFunctionDef)


_SUBSCRIPTED = frozenset({"r_", "c_", "mgrid", "ogrid"})
"""Names of NumPy's objects that make arrays when they are subscripted."""


def makes_arrays(subscripted: ast.expr) -> bool:
    """Whether a subscripted expression is one of NumPy's objects such as ``np.r_``."""
    return getattr(subscripted, "attr", getattr(subscripted, "id", None)) in _SUBSCRIPTED


class Transformer(ast.NodeTransformer):
    """Walks what belongs to a function's body, and makes hook expressions.

    Annotations and type parameters are left as they are: they are looked at, not run.
    """

    imported: frozenset[str]

    def hook(self, name: str, *arguments: ast.expr, at: ast.expr) -> ast.Call:
        """Return the expression ``H.name(*arguments)`` for what is written at `at`.

        It is placed so that no line is entered that `at` itself would not be in: the hook is
        loaded where `at` begins, and called where Python says that `at` is evaluated.
        """
        function = _place_start(ast.Constant(value=HOOK_PREFIX + name.encode()), at)
        call = ast.copy_location(ast.Call(func=function, args=list(arguments), keywords=[]), at)
        if isinstance(at, ast.Attribute):
            _place_attribute(call, at)
        return call

    def visit_all(self, nodes: list[_Node]) -> list[_Node]:
        """Visit the nodes of a list, in place."""
        nodes[:] = [self.visit(node) for node in nodes]
        return nodes

    def visit_FunctionDef(self, node: _Function) -> _Function:
        self.visit_all(node.decorator_list)
        self.visit(node.args)
        self.visit_all(node.body)
        return node

    visit_AsyncFunctionDef = visit_FunctionDef

    def visit_arg(self, node: ast.arg) -> ast.arg:
        return node

    def visit_AnnAssign(self, node: ast.AnnAssign) -> ast.AnnAssign:
        node.target = self.visit(node.target)
        if node.value is not None:
            node.value = self.visit(node.value)
        return node

    def visit_ClassDef(self, node: ast.ClassDef) -> ast.ClassDef:
        self.visit_all(node.decorator_list)
        self.visit_all(node.bases)
        self.visit_all(node.keywords)
        self.visit_all(node.body)
        return node

    def visit_TypeAlias(self, node: ast.AST) -> ast.AST:
        return node

    # ------------------------------------------------------------------------------------ calls

    def visit_Call(self, node: ast.Call) -> ast.Call:
        return self.call(node, "resolve")

    def call(self, node: ast.Call, hook: str) -> ast.Call:
        """Visit a call, and have `hook` choose what is called."""
        if isinstance(node.func, ast.Name) and node.func.id == "super":
            self.generic_visit(node)
            return node
        function = node.func
        base = getattr(function, "value", None)
        node.func = self.hook(hook, self.visit(function), at=function)
        self.visit_all(node.args)
        self.visit_all(node.keywords)
        for keyword in node.keywords:
            if keyword.arg == "out":
                keyword.value = self.hook("written", keyword.value, at=keyword.value)
        if isinstance(function, ast.Attribute) and not (
            isinstance(base, ast.Name) and base.id in self.imported
        ):
            _place_method_call(node, function)
        return node

    def visit_BinOp(self, node: ast.BinOp) -> ast.BinOp:
        self.generic_visit(node)
        text = isinstance(node.left, ast.JoinedStr) or (
            isinstance(node.left, ast.Constant) and isinstance(node.left.value, str)
        )
        if text and isinstance(node.op, ast.Mod):
            # A tuple stays one: Python compiles some of these to what an f-string compiles to.
            if isinstance(node.right, ast.Tuple):
                node.right.elts = [
                    e if isinstance(e, ast.Starred) else self.hook("shown", e, at=e)
                    for e in node.right.elts
                ]
            else:
                node.right = self.hook("shown", node.right, at=node.right)
        return node


class EagerTransformer(Transformer):
    """Makes the table above true."""

    def __init__(
        self, stored: frozenset[str], imported: frozenset[str], properties: frozenset[str]
    ) -> None:
        self.stored = stored
        self.imported = imported
        self.properties = properties

    # ------------------------------------------------------------------------------- properties

    def visit_Attribute(self, node: ast.Attribute) -> ast.expr:
        node.value = self.visit(node.value)
        load = isinstance(node.ctx, ast.Load)
        if load and node.attr in self.properties and not node.attr.startswith("__"):
            name = ast.copy_location(ast.Constant(value=node.attr), node)
            return self.hook("attribute", node.value, name, at=node)
        return node

    # ----------------------------------------------------------------------------------- stores

    def visit_Subscript(self, node: ast.Subscript) -> ast.Subscript:
        self.generic_visit(node)
        if isinstance(node.ctx, ast.Store):
            node.value = self.hook("target", node.value, at=node.value)
        elif makes_arrays(node.value):
            node.value = self.hook("resolve", node.value, at=node.value)
        return node

    def visit_AugAssign(self, node: ast.AugAssign) -> ast.AugAssign:
        target, value = node.target, self.visit(node.value)
        if isinstance(target, ast.Name):
            loaded = _place_start(ast.Name(id=target.id, ctx=ast.Load()), value)
            value = self.hook("addend", loaded, value, at=value)
        node.target, node.value = self.visit(target), value
        return node

    # --------------------------------------------------------------------------------- adoption

    def visit_Assign(self, node: ast.Assign) -> ast.Assign:
        # All targets are bound to the one value.
        wanted = any(self._is_stored(target) for target in node.targets)
        node.value = self._bound(node.value, node.targets[0], wanted)
        self.visit_all(node.targets)
        return node

    def visit_AnnAssign(self, node: ast.AnnAssign) -> ast.AnnAssign:
        if node.value is not None:
            node.value = self._bound(node.value, node.target, self._is_stored(node.target))
        node.target = self.visit(node.target)
        return node

    def visit_NamedExpr(self, node: ast.NamedExpr) -> ast.NamedExpr:
        node.value = self._bound(node.value, node.target, self._is_stored(node.target))
        return node

    def _is_stored(self, target: ast.AST) -> bool:
        match target:
            case ast.Name():
                return target.id in self.stored
            case ast.Attribute():
                return "." + target.attr in self.stored
            case ast.Tuple() | ast.List():
                return any(map(self._is_stored, target.elts))
            case ast.Starred():
                return self._is_stored(target.value)
        return False

    def _bound(self, value: ast.expr, target: ast.expr, wanted: bool) -> ast.expr:
        """Visit an expression that is bound to `target`, adopting its value if `wanted`."""
        if not wanted:
            return self.visit(value)
        match value:
            case ast.BinOp() | ast.UnaryOp(op=ast.USub() | ast.UAdd() | ast.Invert()):
                # Arithmetic on arrays always gives a new array.
                return self.hook("own", self.visit(value), at=value)
            case ast.Call():
                return self.call(value, "owned")
            case ast.Subscript():
                if makes_arrays(value.value):
                    return self.visit(value)
                self.generic_visit(value)
                if not _has_slice(value.slice):
                    return self.hook("own_item", value.value, value.slice, at=value)
            case ast.IfExp():
                value.test = self.visit(value.test)
                value.body = self._bound(value.body, target, True)
                value.orelse = self._bound(value.orelse, target, True)
            case ast.Tuple() | ast.List() if (
                isinstance(target, ast.Tuple | ast.List)
                and len(target.elts) == len(value.elts)
                and not any(isinstance(e, ast.Starred) for e in (*target.elts, *value.elts))
            ):
                value.elts = [
                    self._bound(element, name, self._is_stored(name))
                    for element, name in zip(value.elts, target.elts)
                ]
            case _:
                return self.visit(value)
        return value


def _has_slice(index: ast.expr) -> bool:
    """Whether an index is written with slices (the value is a view, or awkward to pass on)."""
    elements = index.elts if isinstance(index, ast.Tuple) else [index]
    return any(isinstance(element, ast.Slice | ast.Starred) for element in elements)


def _place_start(node: _Node, at: ast.expr) -> _Node:
    """Place a node at the first character of `at`."""
    ast.copy_location(node, at)
    node.end_lineno, node.end_col_offset = at.lineno, at.col_offset  # type: ignore[attr-defined]
    return node


def _place_attribute(call: ast.Call, attribute: ast.Attribute) -> None:
    """Place a call at the name of an attribute that is on another line than its object."""
    if attribute.end_lineno is not None and attribute.lineno != attribute.end_lineno:
        call.lineno = attribute.end_lineno
        call.col_offset = max(0, (attribute.end_col_offset or 0) - len(attribute.attr))


def _place_method_call(call: ast.Call, method: ast.Attribute) -> None:
    """Give a call written over several lines the line that Python reports for a method call.

    ``obj<newline>.name(x)`` is reported at the line of ``.name``.  Python does so only where it
    compiles the attribute and the call together; the call of a hook's result is compiled apart.
    """
    starred = any(isinstance(argument, ast.Starred) for argument in call.args)
    if not starred and all(keyword.arg is not None for keyword in call.keywords):
        _place_attribute(call, method)


def eager(located: Located) -> Definition:
    """Return a rewritten copy of a definition.  Its defaults and decorators are not looked at."""
    node = clone(located.node)
    transformer = EagerTransformer(stored_names(node), located.imported, located.properties)
    if isinstance(node, ast.Lambda):
        node.body = transformer.visit(node.body)
    else:
        transformer.visit_all(node.body)
    return node
