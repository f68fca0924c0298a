"""Taking trees apart whose structure is known, and putting them together, by functions made for it.

`adjoint.tree` asks of every container what it is. Where a function is called again and again with
containers of one structure, checking that they still have it is several times as fast: what is
written here is ``type(x) is dict and len(x) == 2``, ``x['a']`` and ``{'a': y[0], 'b': y[1]}``.
Whether the leaves are leaves is for the caller to check. Containers of other kinds are taken apart
and put together by what they were registered with.
"""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Callable, Sequence
from typing import Any

from adjoint import tree
from adjoint.tree import Structure

__all__ = ["maker", "taker"]


def taker(spec: Structure) -> Callable[[Any], list[Any] | None]:
    """Return a function from a tree to its leaves, or to None if its structure is another."""
    lines: list[str] = []
    leaves: list[str] = []
    given: dict[str, Any] = {}
    _take(spec, "x", lines, leaves, given)
    body = "\n    ".join([*lines, f"return [{', '.join(leaves)}]"])
    return _made(f"def take(x):\n    {body}\n", "take", given)


def _take(
    spec: Structure, x: str, lines: list[str], leaves: list[str], given: dict[str, Any]
) -> None:
    if tree.is_leaf(spec):
        leaves.append(x)
        return
    kind, children = spec.type, spec.children()
    if kind is tree.Setting:
        name = f"setting{len(given)}"
        given[name] = tree.unflatten(spec, []).value
        lines.append(f"if {x} is not {name}: return None")
        return
    if kind is type(None):
        lines.append(f"if {x} is not None: return None")
        return
    assert kind is not None
    name = f"kind{len(given)}"
    given[name] = kind
    fields: Sequence[Any] = []
    if kind in (tuple, list, dict):
        lines.append(f"if type({x}) is not {name} or len({x}) != {len(children)}: return None")
    elif dataclasses.is_dataclass(kind):
        lines.append(f"if type({x}) is not {name}: return None")
        fields = [f.name for f in dataclasses.fields(kind)]
        if len(fields) != len(children):
            return _take_whole(spec, x, lines, leaves, given)
    elif kind in tree.frozen_types:
        attribute, _ = tree.frozen_types[kind]
        given[f"of_{name}"] = _metadata(spec)
        lines.append(f"if type({x}) is not {name}: return None")
        lines.append(f"{x}_of = {x}.{attribute}")
        lines.append(f"if {x}_of is not of_{name} and {x}_of != of_{name}: return None")
        fields = spec.entries()
    else:
        return _take_whole(spec, x, lines, leaves, given)
    parts = [f"{x}_{k}" for k in range(len(children))]
    if kind in (tuple, list):
        if parts:
            lines.append(f"{', '.join(parts)}, = {x}")
    elif kind is dict:
        keys = [f"key{len(given) + k}" for k in range(len(children))]
        given.update(zip(keys, spec.entries(), strict=True))
        items = [f"{part} = {x}[{key}]" for part, key in zip(parts, keys, strict=True)]
        if items:
            lines.append(f"try: {'; '.join(items)}")
            lines.append("except KeyError: return None")
    else:
        lines += [f"{part} = {x}.{field}" for part, field in zip(parts, fields, strict=True)]
    for part, child in zip(parts, children, strict=True):
        _take(child, part, lines, leaves, given)


def _metadata(spec: Structure) -> Any:
    """Return the metadata of a node that never changes."""
    assert spec.type is not None
    return getattr(tree.unflatten(spec, [None] * spec.num_leaves), tree.frozen_types[spec.type][0])


def _take_whole(
    spec: Structure, x: str, lines: list[str], leaves: list[str], given: dict[str, Any]
) -> None:
    """Take apart a container of another kind with all that is in it."""
    name = f"spec{len(given)}"
    given[name] = spec
    given["flatten"] = tree.flatten
    lines.append(f"{x}_leaves, {x}_spec = flatten({x})")
    lines.append(f"if {x}_spec != {name}: return None")
    leaves.append(f"*{x}_leaves")


def maker(spec: Structure) -> Callable[[Sequence[Any]], Any]:
    """Return a function from leaves to the tree of a structure."""
    given: dict[str, Any] = {}
    text, _ = _make(spec, 0, given)
    return _made(f"def make(y):\n    return {text}\n", "make", given)


def _make(spec: Structure, at: int, given: dict[str, Any]) -> tuple[str, int]:
    if tree.is_leaf(spec):
        return f"y[{at}]", at + 1
    kind = spec.type
    if kind is type(None):
        return "None", at
    if kind is tree.Setting:
        name = f"setting{len(given)}"
        given[name] = tree.unflatten(spec, [])
        return name, at
    parts = []
    for child in spec.children():
        part, at = _make(child, at, given)
        parts.append(part)
    if kind is tuple:
        return f"({', '.join(parts)}{',' * (len(parts) == 1)})", at
    if kind is list:
        return f"[{', '.join(parts)}]", at
    if kind in tree.frozen_types:
        name = f"kind{len(given)}"
        given[name] = functools.partial(tree.frozen_types[kind][1], _metadata(spec))
        return f"{name}(({', '.join(parts)}{',' * (len(parts) == 1)}))", at
    if kind is not dict:
        one = spec.one_level()
        assert one is not None
        name = f"kind{len(given)}"
        given[name] = one.unflatten
        return f"{name}([{', '.join(parts)}])", at
    items = []
    for key, part in zip(spec.entries(), parts, strict=True):
        name = f"key{len(given)}"
        given[name] = key
        items.append(f"{name}: {part}")
    return f"{{{', '.join(items)}}}", at


def _made(text: str, name: str, given: dict[str, Any]) -> Any:
    exec(compile(text, f"<{name}>", "exec"), given)
    return given[name]
