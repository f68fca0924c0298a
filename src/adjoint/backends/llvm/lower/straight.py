"""The text of a function that has no loops: the entries' (`c_entry`, `python_entry`)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from adjoint.backends.llvm.writer import Module
from adjoint.ir.dims import Dim
from adjoint.ir.graph import Value

__all__ = ["Straight"]


class Straight:
    """A function while it is written, line after line."""

    def __init__(self, module: Module) -> None:
        self.module = module
        self.lines: list[str] = []
        self.names = 0

    def let(self, text: str) -> str:
        self.names += 1
        self.lines.append(f"%x{self.names} = {text}")
        return f"%x{self.names}"

    def do(self, text: str) -> None:
        self.lines.append(text)

    def label(self) -> str:
        self.names += 1
        return f"l{self.names}"

    def place(self, base: str, offset: int) -> str:
        return self.let(f"getelementptr inbounds i8, ptr {base}, i64 {offset}")

    def field(self, base: str, offset: int, type: str = "ptr") -> str:
        return self.let(f"load {type}, ptr {self.place(base, offset)}")

    def compare(self, how: str, type: str, x: Any, y: Any) -> str:
        return self.let(f"icmp {how} {type} {x}, {y}")

    def dim(self, n: Any, numbers: Mapping[Value, str]) -> Any:
        """Return a length from the registers of integer parameters."""
        if not isinstance(n, Dim):
            return n
        total: Any = n.constant
        for value, c in n.terms:
            x = numbers[value] if value in numbers else value.params["value"]
            total = self.let(f"add i64 {total}, {self.let(f'mul i64 {x}, {c}')}")
        return total
