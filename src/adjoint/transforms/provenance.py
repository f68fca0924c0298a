"""How values have come by the memory that they may refer to."""

from __future__ import annotations

from collections import defaultdict

from adjoint.ir.graph import Value
from adjoint.ir.types import StackType
from adjoint.ops import control
from adjoint.ops.structural import broadcast_to, project_result
from adjoint.transforms.lifetimes import Key, type_of
from adjoint.transforms.sharing import FOREIGN, NONE, Scope, Sharing, Tokens, may_view

__all__ = ["Provenance", "is_stack"]


def is_stack(key: Key) -> bool:
    """Tell whether a value is a stack."""
    return isinstance(type_of(key), StackType)


class Provenance:
    """Where tokens come from.

    Attributes
    ----------
    sources : dict
        Token of a carried value or of a loop's result → the tokens of what it may have been given.
    keepers : dict
        Token → the operations that put what has it into a stack.
    common : dict
        Token that stands for what two carried values have in common → the tokens of that.
    """

    def __init__(self, sharing: Sharing) -> None:
        self.sharing = sharing
        self.sources: defaultdict[int, Tokens] = defaultdict(frozenset)
        self.keepers: defaultdict[int, set[Value]] = defaultdict(set)
        self.common: defaultdict[int, Tokens] = defaultdict(frozenset)

    def origins(self, tokens: Tokens) -> Tokens:
        """Return the tokens of all that memory may have been handed down from."""
        origins = todo = tokens
        while todo:
            todo = NONE.union(*[self.sources[t] for t in todo]) - origins
            origins |= todo
        return origins

    def have_in_common(self, token: int, tokens: Tokens) -> None:
        """Note what a token stands for."""
        self.common[token] |= tokens.union(*[self.common[t] for t in tokens])

    def users(self, token: int, scope: Scope, target: Value) -> set[Value] | None:
        """Return the views, and what put memory into stacks, because of which a token is in use.

        None if it is in use because of something else, such as ``target`` itself.
        """
        if token == FOREIGN:
            return None
        users: set[Value] = set()
        for key in self.sharing.users(token, scope):
            behind = self._behind(key, token, target)
            if not behind:
                return None
            users |= behind
        return users

    def _behind(self, key: Key, token: int, target: Value) -> set[Value] | None:
        """Return the views through which a value has come by a token; None if it is no view."""
        if is_stack(key):
            return self.keepers[token].union(*[self.keepers[t] for t in self.common[token]])
        if not isinstance(key, tuple):
            if key.op is project_result:
                return self._behind((key.inputs[0], key.params["k"]), token, target)
            if not may_view(key) or key.op is broadcast_to or key is target:
                return None
            return {key} if token != self.sharing.token((key, "own")) else None
        node, k = key
        if node.op is not control.cond:
            return None
        behind: set[Value] = set()
        for block in node.blocks:
            result = block.results[k]
            if token in self.sharing.of(result).own:
                found = self._behind(result, token, target)
                if not found:
                    return None
                behind |= found
        return behind
