"""The rows of an evaluation trace as plain text, Markdown and HTML."""

from __future__ import annotations

import html
import os
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, Literal

from adjoint.explain.expressions import value_text, width

if TYPE_CHECKING:
    from adjoint.explain.evaluation import Row

__all__ = ["Format", "Mode", "render"]

Mode = Literal["both", "forward", "reverse"]
Format = Literal["text", "markdown", "html"]

Line = list[str]
"""The cells of a row; empty for a rule between parts of the table."""


def render(
    rows: Sequence[Row],
    directions: Sequence[str],
    mode: Mode,
    format: Format,
    digits: int,
    max_rows: int,
    places: bool | None,
) -> str:
    """Return the table as text; see `EvaluationTrace.table`."""
    if places is None:
        places = len({row.place for row in rows if row.place is not None}) > 1
    forward, reverse = mode != "reverse", mode != "forward"
    head = ["v", "expression", "value"]
    if forward:
        head += [f"tangent {label or 'v̇'} ↓" for label in directions]
    if reverse:
        head.append("adjoint v̄ ↑")
    if places:
        head.append("line")
    body: list[Line] = []
    before = rows[0].kind if rows else None
    for row in _shortened(rows, max_rows):
        if row is None:
            body.append(["⋮", f"({len(rows) - max_rows} more steps)"] + [""] * (len(head) - 2))
            continue
        if row.kind != before:
            body.append([])
        before = row.kind
        cells = [row.name, row.expression, value_text(row.value, digits)]
        if forward:
            cells += ["0" if t is None else value_text(t, digits) for t in row.tangents]
        if reverse:
            cells.append("0" if row.adjoint is None else value_text(row.adjoint, digits))
        if places:
            cells.append(_line(row.place))
        body.append(cells)
    return _WRITERS[format](head, body, places)


def _shortened(rows: Sequence[Row], most: int) -> list[Row | None]:
    if len(rows) <= most:
        return list(rows)
    top = most // 2
    return [*rows[:top], None, *rows[len(rows) - (most - top) :]]


def _line(place: Any) -> str:
    return f"{os.path.basename(place[0])}:{place[1]}" if place is not None else ""


def _text(head: Line, body: list[Line], places: bool) -> str:
    """Text and formulas to the left, numbers to the right."""
    lines = [head, *filter(None, body)]
    widths = [max(width(line[k]) for line in lines) for k in range(len(head))]
    left = {0, 1} | ({len(head) - 1} if places else set())

    def written(line: Line) -> str:
        cells = []
        for k, cell in enumerate(line):
            space = " " * (widths[k] - width(cell))
            cells.append(cell + space if k in left else space + cell)
        return "  ".join(cells).rstrip()

    rule = "─" * (sum(widths) + 2 * (len(widths) - 1))
    return "\n".join([written(head), rule, *(written(line) if line else rule for line in body)])


def _markdown(head: Line, body: list[Line], places: bool) -> str:
    left = {0, 1} | ({len(head) - 1} if places else set())

    def written(line: Line) -> str:
        return "| " + " | ".join(cell.replace("|", "\\|") for cell in line) + " |"

    rule = "|" + "|".join("---" if k in left else "--:" for k in range(len(head))) + "|"
    return "\n".join([written(head), rule, *(written(line) for line in body if line)])


def _html(head: Line, body: list[Line], places: bool) -> str:
    left = {0, 1} | ({len(head) - 1} if places else set())

    def cell(tag: str, k: int, text: str) -> str:
        align = "" if k in left else ' style="text-align: right"'
        return f"<{tag}{align}>{html.escape(text)}</{tag}>"

    parts = [[]]
    for line in body:
        if line:
            parts[-1].append(
                "<tr>" + "".join(cell("td", k, t) for k, t in enumerate(line)) + "</tr>"
            )
        else:
            parts.append([])
    top = "".join(cell("th", k, text) for k, text in enumerate(head))
    groups = "\n".join("<tbody>\n" + "\n".join(part) + "\n</tbody>" for part in parts if part)
    return f'<table class="evaluation-trace">\n<thead><tr>{top}</tr></thead>\n{groups}\n</table>'


_WRITERS: dict[str, Callable[[Line, list[Line], bool], str]] = {
    "text": _text,
    "markdown": _markdown,
    "html": _html,
}
