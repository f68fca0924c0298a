"""Which operation an error is of, in words: its name and the line of the user's program."""

from __future__ import annotations

from adjoint.ir.graph import Value

__all__ = ["named", "note"]


def named(node: Value | None) -> str | None:
    """Return how messages name an operation; None for what is none."""
    if node is None or node.op is None:
        return None
    place = f", line {node.place[1]} of {node.place[0]}" if node.place else ""
    return f"operation {node.op.name}{place}"


def note(error: BaseException, node: Value | None) -> None:
    """Say in an error which operation raised it, once."""
    name = named(node)
    if name is not None and f"in {name}" not in getattr(error, "__notes__", ()):
        error.add_note(f"in {name}")
