"""Find the syntax tree of a function from its code object.

The whole file is parsed, not the function's own lines: that gives exact columns, the class whose
private names (``__x``) are mangled, and every lambda of a line.  A candidate is accepted only if
compiling it unchanged gives the code that the function really runs, so a file that was edited
after it was imported is noticed and never quietly run in place of the program.
"""

from __future__ import annotations

import ast
import linecache
import threading
import warnings
from collections import OrderedDict
from collections.abc import Iterator
from dataclasses import dataclass
from opcode import EXTENDED_ARG
from types import CodeType

from adjoint.frontend.bindings import mangled
from adjoint.frontend.build import compile_definition

Definition = ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda

_FILES_KEPT = 8
"""Parsed files remembered at a time (a syntax tree takes some hundred bytes per character)."""


class SourceNotFound(Exception):
    """Why a function's source cannot be used, in words for the user."""


@dataclass(frozen=True)
class Located:
    """A definition in its file.

    Attributes
    ----------
    node
        The definition's syntax tree.  Shared: clone it before changing it.
    class_name
        The innermost class around it, by which private names are mangled.
    imported
        The names that the module imports.
    properties
        The names of the properties that classes of the file define.
    """

    node: Definition
    class_name: str | None
    imported: frozenset[str]
    properties: frozenset[str]


@dataclass(frozen=True)
class _File:
    lines: list[str]
    definitions: dict[tuple[str, int], list[Located]]


_files: OrderedDict[str, _File] = OrderedDict()
_lock = threading.RLock()


def locate(code: CodeType, module_globals: dict | None = None) -> Located:
    """Return the definition that `code` was compiled from.

    Parameters
    ----------
    code
        The code object of a function or lambda.
    module_globals
        The function's globals: a loader named there (a zip file, say) may supply the source.

    Raises
    ------
    SourceNotFound
        If there is no source, or none that compiles to this code.
    """
    filename = code.co_filename
    found = _search(code, module_globals)
    if found is None:
        linecache.checkcache(filename)  # an earlier reader may have cached an older text
        found = _search(code, module_globals)
    if found is None:
        raise SourceNotFound(
            f"the text of {filename!r} at line {code.co_firstlineno} is not what is running "
            "(was the file edited after it was imported?)"
        )
    return found


def locate_rewritten(code: CodeType, module_globals: dict | None = None) -> Located:
    """Return the definition of a function that was defined in rewritten code.

    Its own code has hooks and cannot be compared with its text, but what it stands in was, and its
    instructions have kept their places.

    Raises
    ------
    SourceNotFound
        If there is no source, or none at its place.
    """
    file = _read(code.co_filename, module_globals)
    candidates = file.definitions.get((code.co_name, code.co_firstlineno), [])
    found = [located for located in candidates if _stands_in(code, located)]
    if not found:
        raise SourceNotFound(
            f"the text of {code.co_filename!r} has no {code.co_name!r} like this at line "
            f"{code.co_firstlineno} (was the file edited after it was imported?)"
        )
    return max(found, key=lambda located: _start(located.node))  # the innermost


def _stands_in(code: CodeType, located: Located) -> bool:
    """Whether rewritten code may be that of a definition on its line."""
    node = located.node
    named = [*node.args.posonlyargs, *node.args.args, *node.args.kwonlyargs]
    count = code.co_argcount + code.co_kwonlyargcount
    if code.co_varnames[:count] != tuple(mangled(arg.arg, located.class_name) for arg in named):
        return False
    if not isinstance(node, ast.Lambda):
        return True
    body = node.body
    return all(
        _start(body) <= (line, column)
        and (end, end_column) <= (body.end_lineno, body.end_col_offset)
        for line, end, column, end_column in code.co_positions()
        if end_column  # others stand for the whole line
    )


def _start(node: ast.expr | ast.stmt) -> tuple[int, int]:
    return node.lineno, node.col_offset


def compile_located(located: Located, node: Definition, code: CodeType) -> CodeType:
    """Compile `node` in the place of a located definition."""
    return compile_definition(node, located.class_name, located.imported, code)


def _search(code: CodeType, module_globals: dict | None) -> Located | None:
    file = _read(code.co_filename, module_globals)
    candidates = file.definitions.get((code.co_name, code.co_firstlineno), [])
    matches = []
    for candidate in candidates:
        try:
            compiled = compile_located(candidate, candidate.node, code)
        except (SyntaxError, ValueError):
            continue
        if same_program(compiled, code) or _same_but_for_asserts(compiled, code, candidate.node):
            matches.append((candidate, compiled))
    if len(matches) > 1:  # equal lambdas on one line: only their columns differ
        positions = list(code.co_positions())
        matches = [m for m in matches if list(m[1].co_positions()) == positions] or matches
    return matches[0][0] if matches else None


def _read(filename: str, module_globals: dict | None) -> _File:
    # Looked up anew each time: doctest replaces linecache.getlines while it runs.
    lines = linecache.getlines(filename, module_globals)
    if not lines:
        raise SourceNotFound(f"its source text is not available (it was defined in {filename!r})")
    with _lock:
        file = _files.get(filename)
        if file is None or (file.lines is not lines and file.lines != lines):
            file = _files[filename] = _File(lines, _parse(filename, lines))
        _files.move_to_end(filename)
        while len(_files) > _FILES_KEPT:
            _files.popitem(last=False)
        return file


def _parse(filename: str, lines: list[str]) -> dict[tuple[str, int], list[Located]]:
    try:
        with warnings.catch_warnings():  # the user saw them when the file was first compiled
            warnings.simplefilter("ignore")
            tree = ast.parse("".join(lines), filename)
    except (SyntaxError, ValueError, MemoryError) as error:
        raise SourceNotFound(f"{filename!r} cannot be parsed on its own: {error}") from None
    definitions: dict[tuple[str, int], list[Located]] = {}
    for located in _walk(tree):
        node = located.node
        if isinstance(node, ast.Lambda):
            key = ("<lambda>", node.lineno)
        else:
            first = node.decorator_list[0] if node.decorator_list else node
            key = (node.name, first.lineno)
        definitions.setdefault(key, []).append(located)
    return definitions


def _walk(tree: ast.Module) -> Iterator[Located]:
    imported, properties = _imported(tree), _properties(tree)
    pending: list[tuple[ast.AST, str | None]] = [(tree, None)]
    while pending:
        node, class_name = pending.pop()
        if isinstance(node, Definition):
            yield Located(node, class_name, imported, properties)
        if isinstance(node, ast.ClassDef):
            # Decorators and bases are outside the class; no function in them is mangled by it.
            pending += [(child, class_name) for child in (*node.decorator_list, *node.bases)]
            pending += [(keyword.value, class_name) for keyword in node.keywords]
            pending += [(child, node.name) for child in node.body]
        else:
            pending += [(child, class_name) for child in ast.iter_child_nodes(node)]


def _imported(tree: ast.Module) -> frozenset[str]:
    names: set[str] = set()
    pending: list[ast.AST] = [tree]
    while pending:
        node = pending.pop()
        if isinstance(node, ast.Import | ast.ImportFrom):
            names |= {alias.asname or alias.name.partition(".")[0] for alias in node.names}
        elif isinstance(node, ast.Name) and node.id == "super":
            names.add("super")  # Python then compiles super().method() as any other call
        elif not isinstance(node, Definition | ast.ClassDef):
            pending += ast.iter_child_nodes(node)
    return frozenset(names - {"*"})


def _properties(tree: ast.Module) -> frozenset[str]:
    names: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef):
            for decorator in node.decorator_list:
                name = getattr(decorator, "attr", getattr(decorator, "id", ""))
                if name in ("property", "cached_property"):
                    names.add(node.name)
    return frozenset(names)


def same_program(one: CodeType, other: CodeType) -> bool:
    """Whether two code objects run the same instructions on the same names and constants."""
    return (
        one.co_code == other.co_code
        and one.co_names == other.co_names
        and one.co_varnames == other.co_varnames
        and one.co_freevars == other.co_freevars
        and one.co_cellvars == other.co_cellvars
        and len(one.co_consts) == len(other.co_consts)
        and all(map(_same_constant, one.co_consts, other.co_consts))
    )


def _same_constant(one: object, other: object) -> bool:
    if isinstance(one, CodeType) and isinstance(other, CodeType):
        return same_program(one, other)
    return type(one) is type(other) and one == other


def _same_but_for_asserts(compiled: CodeType, code: CodeType, node: Definition) -> bool:
    """Whether `code` differs from `compiled` in its assert statements alone.

    pytest rewrites the asserts of test modules, so that the code of a function that has some is
    not what its text compiles to.  The instructions of every other line must agree.
    """
    asserts: set[int] = set()
    for child in ast.walk(node):
        if isinstance(child, ast.Assert):
            asserts.update(range(child.lineno, (child.end_lineno or child.lineno) + 1))
    if not asserts:
        return False
    count = code.co_argcount + code.co_kwonlyargcount
    return (
        compiled.co_varnames[:count] == code.co_varnames[:count]
        and compiled.co_freevars == code.co_freevars
        and _instructions_by_line(compiled, asserts) == _instructions_by_line(code, asserts)
    )


def _instructions_by_line(code: CodeType, omitted: set[int]) -> dict[int, list[int]]:
    skipped = (EXTENDED_ARG, 0)  # argument prefixes and inline caches
    lines: dict[int, list[int]] = {}
    for index, (line, *_) in enumerate(code.co_positions()):
        opcode = code.co_code[2 * index]
        if line is not None and line not in omitted and opcode not in skipped:
            lines.setdefault(line, []).append(opcode)
    return lines
