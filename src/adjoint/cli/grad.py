"""``adjoint grad FILE.py:FUNCTION``: value and gradient of a function in a file, checked."""

from __future__ import annotations

import argparse
import inspect
import json
import os
import sys
from pathlib import Path
from typing import Any

import numpy as np

from adjoint.cli import gradient
from adjoint.cli.binding import Problem, bind
from adjoint.cli.failure import Failure, place_text
from adjoint.cli.files import check_writable, written_whole
from adjoint.cli.loading import load_function, parse_point, read_data
from adjoint.explain.expressions import number

__all__ = ["add_parser", "run"]

_DESCRIPTION = """\
Differentiate a function in a file, as it stands, at one point.

Prints the value; the gradient by reverse mode, by forward mode and by differences; how well they
agree; and what they cost. The function returns one number. It is ordinary Python and NumPy.
"""

_EXAMPLES = """\
what is differentiated:
  the arguments that --wrt names; without it those of --at that hold floating-point numbers (if
  all are integers, the arrays among them or else all); with --data alone, the first parameter.

data files:
  .npz   arrays by parameter name
  .json  an object, as for --at
  .csv   columns by parameter name; or, for a function of one table, all columns

examples:
  adjoint grad model.py:loss --at '{"x": [1.0, 2.0]}'
  adjoint grad model.py:loss --at '{"theta": [0.5, 1.5], "n": 1000}'      n stays an integer
  adjoint grad fit.py:loss --data data.npz --at '{"w": [0.1, 0.2]}'       data held constant
  adjoint grad fit.py:loss --data data.npz --wrt w,b --order 2            the Hessian too
  adjoint grad model.py:loss --at '[1.0, 2.0]' --json | jq .gradient
  adjoint grad model.py:loss --at '{"x": 3.0}' --output result.npz

exit status:
  0  done, and everything agrees
  1  the function failed, is not differentiable there, or a check failed: one line says where
  2  the command line or a file is not what it should be
"""

_SHOWN = 24
"""Longer gradients are shown in part."""


def add_parser(commands: Any) -> None:
    """Add the sub-command to the parser."""
    parser = commands.add_parser(
        "grad",
        help="value and gradient of a function in a file, checked",
        description=_DESCRIPTION,
        epilog=_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    parser.add_argument("target", metavar="FILE.py:FUNCTION", help="what to differentiate")
    parser.add_argument("--at", metavar="JSON", help="arguments by name (or the only argument)")
    parser.add_argument(
        "--data", metavar="FILE", type=Path, help="arguments from .npz, .json or .csv"
    )
    parser.add_argument(
        "--wrt", metavar="NAME[,NAME]", action="append", help="arguments to differentiate"
    )
    parser.add_argument(
        "--mode",
        choices=("both", "reverse", "forward"),
        default="both",
        help="how the gradient is computed (default: both, and compared)",
    )
    parser.add_argument(
        "--order", type=int, choices=(1, 2), default=1, help="2: the Hessian as well"
    )
    parser.add_argument("--no-check", action="store_true", help="do not compare with differences")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    parser.add_argument(
        "--output", metavar="FILE", type=Path, help="write the result to a .npz or .json file"
    )
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Do what the command line says."""
    if options.output is not None:
        if options.output.suffix.lower() not in (".npz", ".json"):
            raise Failure(f"--output {options.output}: the name must end in .npz or .json", 2)
        check_writable(options.output)
    output = sys.stderr if options.json else sys.stdout
    at = parse_point(options.at) if options.at is not None else None
    data = read_data(options.data) if options.data is not None else None
    wrt = [name.strip() for names in options.wrt or () for name in names.split(",")]
    function = load_function(options.target)
    name = options.target.rpartition(":")[2]
    data_file = str(options.data) if options.data is not None else None
    problem = bind(function, name, at, data, data_file, wrt)
    answer = gradient.solve(problem, options.mode, options.order, not options.no_check, output)
    if options.output is not None:
        _write(options.output, problem, answer)
    if options.json:
        print(json.dumps(_as_json(problem, answer), indent=2, allow_nan=False))
    else:
        print(_as_text(problem, answer))
        if options.output is not None:
            print(f"written      {options.output}")
    return 0


# --------------------------------------------------------------------------------------- as text


def _as_text(problem: Problem, answer: gradient.Answer) -> str:
    lines = [_heading(problem), "", f"value        {answer.value!r}"]
    if problem.unused:
        lines.append(f"not used     {', '.join(problem.unused)}")
    lines += ["", *_gradient_table(answer)]
    if answer.hessian is not None:
        lines += ["", *_hessian_table(answer)]
    lines.append("")
    lines += [f"check        {text}" for text in _checks(answer)]
    lines.append(f"timing       {_timing(answer)}")
    return "\n".join(lines)


def _heading(problem: Problem) -> str:
    function = inspect.unwrap(problem.function)
    code = getattr(getattr(function, "__func__", function), "__code__", None)
    where = place_text((code.co_filename, code.co_firstlineno)) if code is not None else ""
    by = ", ".join(problem.selected)
    held = f"; {', '.join(problem.constants)} held constant" if problem.constants else ""
    return (
        f"{problem.name} at {where}, by {by}{held}" if where else f"{problem.name}, by {by}{held}"
    )


def _digits(x: Any, digits: int = 12) -> str:
    return number(np.asarray(x)[()], digits).replace("−", "-")


def _gradient_table(answer: gradient.Answer) -> list[str]:
    columns = [("reverse mode", answer.reverse), ("forward mode", answer.forward)]
    columns = [(head, values) for head, values in columns if values is not None]
    if answer.differences is not None:
        columns.append(("differences", answer.differences))
    table = [["gradient", "at", *(head for head, _ in columns)]]
    entries = answer.entries()
    shown = entries
    if len(entries) > _SHOWN:
        shown = [*entries[: _SHOWN - 4], *entries[-3:]]
    for row, (label, k, index) in enumerate(shown):
        if len(entries) > _SHOWN and row == _SHOWN - 4:
            table.append([f"... {len(entries) - len(shown)} more"] + [""] * (len(columns) + 1))
        cells = [label, _digits(np.asarray(answer.point[k])[index], 6)]
        cells += [_digits(values[k][index]) for _, values in columns]
        table.append(cells)
    return _aligned(table)


def _hessian_table(answer: gradient.Answer) -> list[str]:
    hessian = answer.hessian
    assert hessian is not None
    labels = [label for label, _, _ in answer.entries()]
    most = 8
    table = [["Hessian", *labels[:most], *(["..."] if len(labels) > most else [])]]
    for label, row in list(zip(labels, hessian, strict=True))[:most]:
        more = ["..."] if len(labels) > most else []
        table.append([label, *(_digits(x, 8) for x in row[:most]), *more])
    lines = _aligned(table)
    if len(labels) > most:
        lines.append(f"... {len(labels)} × {len(labels)}: --output or --json for all of it")
    return lines


def _aligned(table: list[list[str]]) -> list[str]:
    widths = [max(len(row[k]) for row in table) for k in range(len(table[0]))]
    widths[0] = max(widths[0], 11)
    return [
        "  ".join(
            cell.ljust(width) if k == 0 else cell.rjust(width)
            for k, (cell, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in table
    ]


def _checks(answer: gradient.Answer) -> list[str]:
    along = f" along {answer.along} random directions" if answer.along else ""
    checks = []
    if answer.forward_error is not None:
        where = along if answer.forward is None else ""
        checks.append(f"forward = reverse to {_error(answer.forward_error)}{where}")
    if answer.difference_error is not None:
        where = along if answer.differences is None else ""
        checks.append(f"differences agree to {_error(answer.difference_error)}{where}")
    if answer.asymmetry is not None:
        checks.append(f"Hessian symmetric to {_error(answer.asymmetry)}")
    if answer.hessian_error is not None:
        checks.append(f"Hessian = differences of the gradient to {_error(answer.hessian_error)}")
    return checks or ["none"]


def _error(x: float) -> str:
    return "the last bit" if x == 0 else f"{x:.0e}"


def _timing(answer: gradient.Answer) -> str:
    seconds = answer.seconds
    parts = [f"function {_duration(seconds['value'])}"]
    for key, text in (("reverse", "gradient by reverse mode"), ("forward", "forward mode")):
        if key in seconds:
            unit = " a direction" if key == "forward" else ""
            ratio = seconds[key] / seconds["value"]
            parts.append(f"{text} {_duration(seconds[key])}{unit} ({ratio:.1f} ×)")
    if "hessian" in seconds:
        parts.append(f"Hessian {_duration(seconds['hessian'])}")
    return " · ".join(parts)


def _duration(seconds: float) -> str:
    for unit, scale in (("s", 1.0), ("ms", 1e-3), ("µs", 1e-6)):
        if seconds >= scale:
            return f"{seconds / scale:.3g} {unit}"
    return f"{seconds / 1e-9:.3g} ns"


# ------------------------------------------------------------------------------- as JSON, as NPZ


def _named(answer: gradient.Answer, leaves: list[np.ndarray] | None) -> dict[str, Any] | None:
    if leaves is None:
        return None
    return {name: _listed(x) for name, x in zip(answer.names, leaves, strict=True)}


def _listed(x: Any) -> Any:
    x = np.asarray(x)
    if x.dtype.kind == "c":
        return {"real": x.real.tolist(), "imag": x.imag.tolist()}
    return x.tolist()


def _blocks(answer: gradient.Answer) -> list[tuple[str, str, np.ndarray]]:
    """Return the Hessian by pairs of leaves, each block with the shape of the two."""
    assert answer.hessian is not None
    ends = np.cumsum([0, *(np.size(x) for x in answer.point)])
    blocks = []
    for i, (a, x) in enumerate(zip(answer.names, answer.point, strict=True)):
        for j, (b, y) in enumerate(zip(answer.names, answer.point, strict=True)):
            block = answer.hessian[ends[i] : ends[i + 1], ends[j] : ends[j + 1]]
            blocks.append((a, b, block.reshape(np.shape(x) + np.shape(y))))
    return blocks


def _as_json(problem: Problem, answer: gradient.Answer) -> dict[str, Any]:
    result: dict[str, Any] = {
        "function": problem.name,
        "at": _named(answer, answer.point),
        "value": answer.value,
        "gradient": _named(answer, answer.gradient),
        "reverse": _named(answer, answer.reverse),
        "forward": _named(answer, answer.forward),
        "differences": _named(answer, answer.differences),
        "check": {
            "forward_reverse": answer.forward_error,
            "differences": answer.difference_error,
            "random_directions": answer.along,
        },
        "seconds": answer.seconds,
    }
    if answer.hessian is not None:
        nested: dict[str, dict[str, Any]] = {}
        for a, b, block in _blocks(answer):
            nested.setdefault(a, {})[b] = block.tolist()
        result["hessian"] = nested
        result["check"] |= {"symmetry": answer.asymmetry, "hessian": answer.hessian_error}
    return result


def _write(path: Path, problem: Problem, answer: gradient.Answer) -> None:
    if path.suffix.lower() == ".json":
        text = json.dumps(_as_json(problem, answer), indent=2, allow_nan=False) + "\n"
        with written_whole(path) as file:
            file.write(text.encode())
        return
    arrays: dict[str, Any] = {"value": np.asarray(answer.value)}
    for name, x, g in zip(answer.names, answer.point, answer.gradient, strict=True):
        arrays[f"at.{name}"] = x
        arrays[f"gradient.{name}"] = g
    if answer.hessian is not None:
        for a, b, block in _blocks(answer):
            arrays[f"hessian.{a}.{b}"] = block
    with written_whole(path) as file:
        np.savez(file, **{key.replace(os.sep, "_"): value for key, value in arrays.items()})
