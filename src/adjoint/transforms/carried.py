"""What memory a loop's carried values may refer to (`adjoint.transforms.ownership` says why)."""

from __future__ import annotations

from collections import defaultdict
from typing import Any

from adjoint.transforms.sharing import NONE, NOTHING, Memory, Tokens

__all__ = ["Carried"]


class Carried:
    """What is known of a loop's carried values while its body is walked.

    Attributes
    ----------
    tokens : list of Memory
        Of what they hold when an iteration begins.
    entry, back : list of Memory
        From around the loop: through the initial values, through the results of the body.
    direct : list of frozenset
        The part of ``back`` that does not come through a carried value.
    pairs : dict
        Carried values that may share memory, as ((i, is held), (j, is held)) → whether because of
        their initial values.
    common : dict
        The same → the tokens that they had in common.
    """

    __slots__ = ("back", "common", "direct", "entry", "pairs", "tokens")

    def __init__(self, tokens: list[Memory]) -> None:
        self.tokens = tokens
        self.entry = [NOTHING] * len(tokens)
        self.back = [NOTHING] * len(tokens)
        self.direct = [NONE] * len(tokens)
        self.pairs: dict[Any, bool] = {}
        self.common: defaultdict[Any, Tokens] = defaultdict(frozenset)

    def pair(self, memories: list[Memory], initial: bool) -> bool:
        """Add the pairs of ``memories`` that have tokens in common; tell whether any is new."""
        before = len(self.pairs)
        ends = [
            ((k, is_held), tokens)
            for k, memory in enumerate(memories)
            for is_held, tokens in ((False, memory.own), (True, memory.held))
            if tokens
        ]
        for i, (x, tokens) in enumerate(ends):
            for y, others in ends[:i]:
                if x[0] != y[0] and tokens & others:
                    self.pairs.setdefault((y, x), initial)
                    self.common[y, x] |= tokens & others
        return len(self.pairs) > before
