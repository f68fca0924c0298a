"""The words of a graph's text."""

from __future__ import annotations

import ast
import re
from dataclasses import dataclass
from typing import Any, NoReturn

from adjoint.errors import IRError

__all__ = ["Tokens"]

_DIGITS = r"(?:\d+(?:\.(?!\.)\d*)?(?:[eE][+-]?\d+)?|(?:inf|nan)(?=j?(?!\w)))"
_TOKEN = re.compile(
    rf"""
    (?P<space>   \s+ | \#.* )
  | (?P<handle>  <[^<>\#\n]*\#\d+> )
  | (?P<value>   %\w+ )
  | (?P<number>  \([+-]?{_DIGITS}[+-]{_DIGITS}j\) | {_DIGITS}j? )
  | (?P<string>  b?(?:'(?:[^'\\\n]|\\.)*'|"(?:[^"\\\n]|\\.)*") )
  | (?P<name>    [^\W\d]\w*(?:\.[^\W\d]\w*)* )
  | (?P<sign>    \.\.\. | \.\. | [][(){{}},:=@?+*<>-] )
    """,
    re.VERBOSE,
)


@dataclass(frozen=True, slots=True)
class Token:
    """A word: its kind (a group of the pattern above; "end"), its text, and where it begins."""

    kind: str
    text: str
    start: int


class Tokens:
    """The words of a text, and how far they have been read."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.position = 0
        self._tokens: list[Token] = []
        end = 0
        while end < len(text):
            found = _TOKEN.match(text, end)
            if found is None:
                self._fail(f"{text[end]!r} begins no word", end)
            kind = found.lastgroup or ""
            if kind != "space":
                self._tokens.append(Token(kind, found.group(), end))
            end = found.end()
        self._tokens.append(Token("end", "the end of the text", end))

    def peek(self, ahead: int = 0) -> Token:
        """Return the next word, or one after it."""
        return self._tokens[min(self.position + ahead, len(self._tokens) - 1)]

    def at(self, *texts: str, ahead: int = 0) -> bool:
        """Tell whether the next word is one of those."""
        token = self.peek(ahead)
        return token.text in texts and token.kind not in ("string", "end")

    def next(self) -> Token:
        """Read a word."""
        token = self.peek()
        self.position += 1
        return token

    def take(self, text: str) -> bool:
        """Read a word if it is that one, and tell whether it was."""
        found = self.at(text)
        self.position += found
        return found

    def expect(self, text: str) -> None:
        """Read a word that must be that one."""
        if not self.take(text):
            self.fail(f"expected {text!r}, found {self.peek().text!r}")

    def read(self, kind: str) -> str:
        """Read a word that must be of a kind."""
        if self.peek().kind != kind:
            self.fail(f"expected a {kind}, found {self.peek().text!r}")
        return self.next().text

    def read_name(self) -> str:
        """Read a name, which stands in quotes where it is not an ordinary one."""
        if self.peek().kind == "string":
            return self.read_string()
        return self.read("name")

    def read_string(self) -> Any:
        """Read a string or bytes."""
        return ast.literal_eval(self.read("string"))

    def fail(self, message: str) -> NoReturn:
        """Raise an error at the next word."""
        self._fail(message, self.peek().start)

    def _fail(self, message: str, start: int) -> NoReturn:
        line = self.text.count("\n", 0, start)
        lines = self.text.splitlines() or [""]
        shown = lines[min(line, len(lines) - 1)].strip()
        raise IRError(f"line {line + 1} of the graph's text: {message}\n    {shown}")
