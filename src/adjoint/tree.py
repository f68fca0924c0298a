"""Pytrees: nested containers of arrays, taken apart and put together by `optree`.

Dictionaries, lists, tuples, named tuples, ``None`` and the containers registered with `optree` are
nodes; dataclass instances are nodes too (their classes are registered the first time one is seen).
Everything else is a leaf.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any, TypeAlias

import numpy as np
import optree

from adjoint.errors import InputError

__all__ = [
    "Setting", "first_difference", "flatten", "frozen_types", "is_flat_tuple", "is_leaf",
    "leaves_with_names", "map_leaves", "register", "structure", "unflatten",
]  # fmt: skip

NAMESPACE = "adjoint"
Structure: TypeAlias = optree.PyTreeSpec


leaf_types: set[type] = {float, int, bool, complex, str, np.ndarray, np.float64}
"""Types that are certainly leaves; looking them up here saves asking `optree`."""

_LEAF: Structure = optree.treespec_leaf(namespace=NAMESPACE)
_ONE: Structure = optree.treespec_tuple((_LEAF,), namespace=NAMESPACE)


def _register_dataclass(cls: type) -> None:
    fields = tuple(f.name for f in dataclasses.fields(cls))

    def take_apart(value: Any) -> tuple[tuple[Any, ...], None, tuple[str, ...]]:
        return tuple(getattr(value, name) for name in fields), None, fields

    def put_together(_: None, children: Any) -> Any:
        # Not through __init__: it may convert, compute or refuse what a transformation puts there.
        value = object.__new__(cls)
        for name, child in zip(fields, children, strict=True):
            object.__setattr__(value, name, child)
        return value

    register(cls, take_apart, put_together, attributes=True)


frozen_types: dict[type, tuple[str, Callable]] = {}
"""Types of nodes whose instances never change: what is not among the children is constant.

To each belong the attribute that holds its metadata, and the function that makes an instance. Its
children are attributes, with the names given.
"""


class Setting:
    """What stands for a constant in a container: a node without leaves."""

    __slots__ = ("value",)

    def __init__(self, value: Any) -> None:
        self.value = value


def register(
    cls: type,
    flatten_fn: Callable,
    unflatten_fn: Callable,
    attributes: bool = False,
    frozen: str | None = None,
) -> None:
    """Make instances of ``cls`` nodes of a pytree.

    Parameters
    ----------
    cls : type
        The container's class.
    flatten_fn : callable
        ``value -> (children, metadata)`` or ``(children, metadata, names)``.
    unflatten_fn : callable
        ``(metadata, children) -> value``.
    attributes : bool
        Whether the names are those of attributes.
    frozen : str, optional
        If instances never change, the attribute that holds their metadata.
    """
    if frozen is not None:
        frozen_types[cls] = frozen, unflatten_fn
    kind = optree.GetAttrEntry if attributes else optree.AutoEntry
    try:
        optree.register_pytree_node(
            cls, flatten_fn, unflatten_fn, path_entry_type=kind, namespace=NAMESPACE
        )
    except ValueError:  # another thread was first
        pass


register(Setting, lambda x: ((), x.value), lambda value, _: Setting(value))


def flatten(tree: Any) -> tuple[list[Any], Structure]:
    """Return the leaves of ``tree``, left to right, and its structure."""
    kind = type(tree)
    if kind in leaf_types:
        return [tree], _LEAF
    if kind is tuple and len(tree) == 1 and type(tree[0]) in leaf_types:
        return [tree[0]], _ONE
    while True:
        leaves, spec = optree.tree_flatten(tree, namespace=NAMESPACE)
        types = {type(leaf) for leaf in leaves} - leaf_types
        seen = {cls for cls in types if dataclasses.is_dataclass(cls)}
        if not seen:
            return leaves, spec
        for cls in seen:
            _register_dataclass(cls)


def unflatten(spec: Structure, leaves: Any) -> Any:
    """Put ``leaves`` back into the structure that `flatten` returned."""
    if spec is _LEAF:
        return leaves[0]
    return (leaves[0],) if spec is _ONE else optree.tree_unflatten(spec, leaves)


def is_leaf(spec: Structure) -> bool:
    """Tell whether a structure is that of a leaf alone."""
    return spec.num_nodes == spec.num_leaves == 1


def is_flat_tuple(spec: Structure) -> bool:
    """Tell whether a structure is a tuple of leaves."""
    return spec.type is tuple and spec.num_nodes == spec.num_leaves + 1 == spec.num_children + 1


def structure(tree: Any) -> Structure:
    """Return the structure of ``tree`` without its leaves."""
    return flatten(tree)[1]


def map_leaves(fn: Callable, tree: Any, *rest: Any) -> Any:
    """Apply ``fn`` leaf by leaf to one tree, or to several of the same structure.

    Raises
    ------
    InputError
        If the structures differ.
    """
    leaves, spec = flatten(tree)
    columns = [leaves]
    for other in rest:
        other_leaves, other_spec = flatten(other)
        if other_spec != spec:
            raise InputError(f"the trees have different structures: {spec} and {other_spec}")
        columns.append(other_leaves)
    return unflatten(spec, [fn(*row) for row in zip(*columns, strict=True)])


def leaves_with_names(tree: Any) -> list[tuple[str, Any]]:
    """Return ``(path, leaf)`` pairs; the path reads as Python, such as ``['w'][0]``."""
    leaves, spec = flatten(tree)
    accessors = optree.treespec_accessors(spec)
    paths = [accessor.codify("") if len(accessor) else "" for accessor in accessors]
    return list(zip(paths, leaves, strict=True))


def first_difference(a: Structure, b: Structure) -> tuple[str, Structure, Structure]:
    """Return where two structures differ first, which reads as Python, and what is there."""
    path = ""
    while not (a.is_leaf() or b.is_leaf()) and a.one_level() == b.one_level():
        parts = zip(a.entries(), a.children(), b.children(), strict=True)
        different = next(((e, x, y) for e, x, y in parts if x != y), None)
        if different is None:
            break
        attribute = a.type not in (dict, list, tuple) and isinstance(different[0], str)
        path += f".{different[0]}" if attribute else f"[{different[0]!r}]"
        a, b = different[1:]
    return path, a, b
