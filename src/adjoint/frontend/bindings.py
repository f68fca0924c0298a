"""Which names a piece of a function binds, and which scope a name belongs to.

Python decides both from the text alone, and so do we: a name that a function binds anywhere is its
own, unless it is declared otherwise.  Names are written here as in the text; `mangled` gives those
that exist when the function runs.
"""

from __future__ import annotations

import ast
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

__all__ = [
    "Bound",
    "Scope",
    "bound_in",
    "hoist_declarations",
    "mangled",
    "nodes_here",
    "parameters",
    "scope_of",
    "statement_lists",
    "target_names",
]

Function = ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda
Loop = ast.For | ast.AsyncFor | ast.While
Comprehension = ast.ListComp | ast.SetComp | ast.DictComp | ast.GeneratorExp


def mangled(name: str, class_name: str | None) -> str:
    """Return what Python calls a name that stands inside a class (``__x`` is private)."""
    if class_name is None or not name.startswith("__") or name.endswith("__"):
        return name
    class_name = class_name.lstrip("_")
    return f"_{class_name}{name}" if class_name else name


@dataclass
class Bound:
    """What running some statements may do to names.

    Attributes
    ----------
    names
        Those that may be bound or deleted, in the order of the text (the values mean nothing).
    deleted
        Those that may be deleted.
    global_, nonlocal_
        Those that are declared to belong elsewhere.
    """

    names: dict[str, None] = field(default_factory=dict)
    deleted: set[str] = field(default_factory=set)
    global_: set[str] = field(default_factory=set)
    nonlocal_: set[str] = field(default_factory=set)


def bound_in(nodes: Iterable[ast.AST]) -> Bound:
    """Return what the nodes bind in the scope they stand in.

    What functions, classes and comprehensions bind inside does not count, but for ``:=`` in a
    comprehension.
    """
    binder = _Binder()
    for node in nodes:
        binder.visit(node)
    return binder.bound


class _Binder(ast.NodeVisitor):
    def __init__(self) -> None:
        self.bound = Bound()

    def _bind(self, name: str | None) -> None:
        if name is not None:
            self.bound.names[name] = None

    def visit_Name(self, node: ast.Name) -> None:
        if not isinstance(node.ctx, ast.Load):
            self._bind(node.id)
            if isinstance(node.ctx, ast.Del):
                self.bound.deleted.add(node.id)

    def visit_FunctionDef(self, node: ast.FunctionDef | ast.AsyncFunctionDef) -> None:
        for child in (*node.decorator_list, node.args, node.returns):
            if child is not None:
                self.visit(child)
        self._bind(node.name)

    visit_AsyncFunctionDef = visit_FunctionDef

    def visit_Lambda(self, node: ast.Lambda) -> None:
        self.visit(node.args)

    def visit_ClassDef(self, node: ast.ClassDef) -> None:
        for child in (*node.decorator_list, *node.bases, *node.keywords):
            self.visit(child)
        self._bind(node.name)

    def visit_comprehension(self, node: ast.comprehension) -> None:
        for child in (node.iter, *node.ifs):  # not the target
            self.visit(child)

    def visit_alias(self, node: ast.alias) -> None:
        self._bind(node.asname or node.name.partition(".")[0])

    def visit_ExceptHandler(self, node: ast.ExceptHandler) -> None:
        self._bind(node.name)
        if node.name is not None:
            self.bound.deleted.add(node.name)
        self.generic_visit(node)

    def visit_MatchAs(self, node: ast.MatchAs | ast.MatchStar) -> None:
        self._bind(node.name)
        self.generic_visit(node)

    visit_MatchStar = visit_MatchAs

    def visit_MatchMapping(self, node: ast.MatchMapping) -> None:
        self._bind(node.rest)
        self.generic_visit(node)

    def visit_TypeAlias(self, node: ast.AST) -> None:
        self._bind(node.name.id)  # type: ignore[attr-defined]

    def visit_Global(self, node: ast.Global) -> None:
        self.bound.global_.update(node.names)

    def visit_Nonlocal(self, node: ast.Nonlocal) -> None:
        self.bound.nonlocal_.update(node.names)


def target_names(target: ast.expr) -> list[str]:
    """Return the names that an assignment to `target` binds."""
    return list(bound_in([target]).names)


def nodes_here(node: ast.AST) -> Iterator[ast.AST]:
    """Walk over `node` and what runs where it stands: not into functions and classes."""
    pending = [node]
    while pending:
        node = pending.pop()
        yield node
        match node:
            case ast.FunctionDef() | ast.AsyncFunctionDef():
                pending += [*node.decorator_list, node.args]
            case ast.ClassDef():
                pending += [*node.decorator_list, *node.bases, *node.keywords]
            case ast.Lambda():
                pending.append(node.args)
            case _:
                pending += ast.iter_child_nodes(node)


def statement_lists(node: ast.AST) -> Iterator[list[ast.stmt]]:
    """Yield the blocks of a statement that run where it stands."""
    if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
        return
    for name in ("body", "orelse", "finalbody"):
        statements = getattr(node, name, None)
        if isinstance(statements, list):
            yield statements
    for part in (*getattr(node, "handlers", ()), *getattr(node, "cases", ())):
        yield part.body


def hoist_declarations(body: list[ast.stmt]) -> list[ast.stmt]:
    """Take the ``global`` and ``nonlocal`` statements out of a body, and return them.

    They hold for all of the function wherever they stand, but must stand before the first use.
    """
    found: list[ast.stmt] = []

    def search(statements: list[ast.stmt]) -> None:
        for k, statement in enumerate(statements):
            if isinstance(statement, ast.Global | ast.Nonlocal):
                found.append(statement)
                statements[k] = ast.copy_location(ast.Pass(), statement)
            for inner in statement_lists(statement):
                search(inner)

    search(body)
    return found


@dataclass(frozen=True)
class Scope:
    """The names of one function.

    Attributes
    ----------
    parameters
    own
        Those whose values the function may change: its locals, and what it declares ``global`` or
        ``nonlocal`` and binds.
    global_
        Those of them that are ``global``.
    nonlocal_
        Those of them that are ``nonlocal``.
    rebound
        Those of them that functions inside it declare too, and may bind: any call may do so.
    """

    parameters: frozenset[str] = frozenset()
    own: frozenset[str] = frozenset()
    global_: frozenset[str] = frozenset()
    nonlocal_: frozenset[str] = frozenset()
    rebound: frozenset[str] = frozenset()


def parameters(arguments: ast.arguments) -> list[str]:
    """Return the names of a function's parameters."""
    found = [*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs]
    found += [arg for arg in (arguments.vararg, arguments.kwarg) if arg is not None]
    return [arg.arg for arg in found]


def scope_of(node: Function) -> Scope:
    """Analyse the names of a function, as it was written."""
    body: list[ast.AST] = [node.body] if isinstance(node, ast.Lambda) else list(node.body)
    bound = bound_in(body)
    given = frozenset(parameters(node.args))
    own = given | bound.names.keys()
    return Scope(
        parameters=given,
        own=own,
        global_=own & bound.global_,
        nonlocal_=own & bound.nonlocal_,
        rebound=own & _declared_inside(body),
    )


def _declared_inside(body: list[ast.AST]) -> set[str]:
    """Return what functions and classes in a body declare ``global`` or ``nonlocal``."""
    found: set[str] = set()
    pending = [(node, False) for node in body]
    while pending:
        node, inside = pending.pop()
        if isinstance(node, ast.Global | ast.Nonlocal) and inside:
            found.update(node.names)
        inside = inside or isinstance(node, Function | ast.ClassDef)
        pending += [(child, inside) for child in ast.iter_child_nodes(node)]
    return found
