"""The text of staged graphs, with the table of operations."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from adjoint.ir.graph import Function
from adjoint.ir.parse import parse
from adjoint.ops.plain import lookup

__all__ = ["parse_function", "parse_functions"]


def parse_function(text: str, constants: Mapping[str, Any] | None = None) -> Function:
    """Return the first function of a text; the others are those that it calls."""
    return parse_functions(text, constants)[0]


def parse_functions(text: str, constants: Mapping[str, Any] | None = None) -> list[Function]:
    """Return the functions of a text that `adjoint.ir.text.text` wrote, or a person."""
    return parse(text, lookup, constants)
