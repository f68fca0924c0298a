"""Compile a function definition alone, as if it still stood in its place.

The definition is put into a factory whose parameters are the function's free variables and, for a
method, into a class of the same name (private names are mangled and ``__class__`` exists as they
were).  The factory is compiled, never run: the function's code object is taken out of its
constants, and the caller joins it to the original function's own globals and closure cells.
"""

from __future__ import annotations
import __future__

import ast
import sys
import warnings
from types import CodeType
from typing import Any

HOOK_PREFIX = b"adjoint: hook \xad\x10\x17 "
"""With a hook's name after it, stands for the hook in a syntax tree, which may hold only plain
constants.

It is exchanged for the hook itself in the code object's constants.  So rewritten code reaches its
hooks without a global, a free variable or a local: no name can collide, and ``locals()``,
``globals()`` and the closure stay what the user wrote.
"""

# No user name has a space, so these bind nothing that the user's code could mean.
_FACTORY = "adjoint: factory"
_FUNCTION = "adjoint: function"


def clone(node: Any) -> Any:
    """Return a copy of a syntax tree (several times faster than `copy.deepcopy`)."""
    new = node.__class__.__new__(node.__class__)
    for name, value in node.__dict__.items():
        if isinstance(value, ast.AST):
            value = clone(value)
        elif isinstance(value, list):
            value = [clone(item) if isinstance(item, ast.AST) else item for item in value]
        new.__dict__[name] = value
    return new


def compile_definition(
    node: ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda,
    class_name: str | None,
    imported: frozenset[str],
    original: CodeType,
) -> CodeType:
    """Compile `node` to a code object with the file name and free variables of `original`.

    Parameters
    ----------
    node
        The definition.  Not changed.
    class_name
        The class by which its private names are mangled.
    imported
        The names that its module imports (Python compiles ``np.sin(x)`` and ``obj.sin(x)``
        differently if `np` is one).
    original
        The code object whose place the result takes.

    Notes
    -----
    Defaults, decorators and annotations are evaluated where the function is defined, not when it
    is called, so they have no part in its code and are left out.
    """
    definition = _bare(node)
    free = [name for name in original.co_freevars if class_name is None or name != "__class__"]
    body: list[ast.stmt] = [definition]
    if class_name is not None:
        place = ast.ClassDef(name=class_name, bases=[], keywords=[], body=body, **_undecorated())
        body = [_at(node, place)]
        if class_name not in free:  # or the factory would bind a name that is global to the user
            body.insert(0, _at(node, ast.Global(names=[class_name])))
    arguments = [_at(node, ast.arg(arg=name)) for name in free]
    parameters = ast.arguments(
        posonlyargs=[], args=arguments, kwonlyargs=[], kw_defaults=[], defaults=[]
    )
    factory = ast.FunctionDef(name=_FACTORY, args=parameters, body=body, **_undecorated())
    _at(node, factory)
    imports = [_at(node, ast.Import(names=[_at(node, ast.alias(name=name))])) for name in imported]
    annotations = __future__.annotations.compiler_flag
    # The user saw the warnings when the file was first compiled.  Ours would be that the constants
    # that stand for hooks are not callable.
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        module = compile(
            ast.Module(body=[*imports, factory], type_ignores=[]),
            original.co_filename,
            "exec",
            flags=original.co_flags & annotations,
            dont_inherit=True,
        )
    code = _inner(module, _FACTORY)
    if class_name is not None:
        code = _inner(code, class_name)
    code = _inner(code, "<lambda>" if isinstance(node, ast.Lambda) else _FUNCTION)
    code = _renamed(code, code.co_qualname, original.co_qualname)
    # Flags that were set later (by types.coroutine), or tell where a definition stands, are kept.
    return code.replace(co_name=original.co_name, co_flags=original.co_flags)


def _renamed(code: CodeType, prefix: str, qualname: str) -> CodeType:
    """Correct the qualified names in a code object and the code within it."""

    def corrected(constant: Any) -> Any:
        if isinstance(constant, CodeType):
            return _renamed(constant, prefix, qualname)
        if isinstance(constant, str) and constant.startswith(prefix):
            return qualname + constant[len(prefix) :]  # the __qualname__ of a class body
        return constant

    constants = tuple(map(corrected, code.co_consts))
    return code.replace(co_consts=constants, co_qualname=corrected(code.co_qualname))


def finish(code: CodeType, hooks: object) -> CodeType:
    """Put the hooks into compiled code and the code within it.

    The namespace they come from is also the last constant of every code object: the mark by which
    functions that were rewritten as part of another's body are known (`is_rewritten`).
    """

    def finished(constant: Any) -> Any:
        if isinstance(constant, CodeType):
            return finish(constant, hooks)
        if isinstance(constant, bytes) and constant.startswith(HOOK_PREFIX):
            return getattr(hooks, constant[len(HOOK_PREFIX) :].decode())
        return constant

    return code.replace(co_consts=(*map(finished, code.co_consts), hooks))


def is_rewritten(code: CodeType, hooks: object) -> bool:
    """Whether `code` came out of `finish` with these hooks."""
    constants = code.co_consts
    return bool(constants) and constants[-1] is hooks


def _bare(node: Any) -> Any:
    """Return a statement that defines the function and evaluates nothing else."""
    new = _clone_top(node)
    arguments = new.args = _clone_top(node.args)
    for field in ("posonlyargs", "args", "kwonlyargs"):
        setattr(arguments, field, [_unannotated(arg) for arg in getattr(arguments, field)])
    for field in ("vararg", "kwarg"):
        if getattr(arguments, field) is not None:
            setattr(arguments, field, _unannotated(getattr(arguments, field)))
    arguments.defaults = []
    arguments.kw_defaults = [None] * len(arguments.kwonlyargs)
    if isinstance(node, ast.Lambda):
        target = _at(node, ast.Name(id=_FUNCTION, ctx=ast.Store()))
        return _at(node, ast.Assign(targets=[target], value=new))
    new.name = _FUNCTION
    new.returns = None
    new.type_params = []
    if node.decorator_list:  # one stays: the code's first line is that of the first decorator
        new.decorator_list = [_at(node.decorator_list[0], ast.Constant(value=None))]
    return new


def _clone_top(node: Any) -> Any:
    """Return a copy of one node that shares its children."""
    new = node.__class__.__new__(node.__class__)
    new.__dict__.update(node.__dict__)
    return new


def _unannotated(arg: ast.arg) -> ast.arg:
    return ast.copy_location(ast.arg(arg=arg.arg), arg)


def _undecorated() -> dict[str, Any]:
    fields: dict[str, Any] = {"decorator_list": []}
    if sys.version_info >= (3, 12):
        fields["type_params"] = []
    return fields


def _at(place: ast.AST, node: Any) -> Any:
    return ast.copy_location(node, place)


def _inner(code: CodeType, name: str) -> CodeType:
    for constant in code.co_consts:
        if isinstance(constant, CodeType) and constant.co_name == name:
            return constant
    raise ValueError(f"no code named {name!r}")
