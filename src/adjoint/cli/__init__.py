"""The command `adjoint`: derivatives from the shell, and a tour.

This folder exists so that the library can be used, and tried, without writing a program around it.

``grad``       the value and gradient of a function in a file, checked
``gradient``   the numbers behind it
``loading``    a function and its arguments from files and the command line
``tour``       the main job for newcomers; ``report`` is the page that it writes, and ``programs/``
               holds the ordinary NumPy programs that it differentiates
``train``      a training run; ``training/`` is what it makes of a configuration or a program
``failure``    what goes wrong, in one line
``files``      writing a file whole or not at all
"""

from __future__ import annotations

import argparse
import contextlib
import os
import sys
from collections.abc import Sequence
from typing import NoReturn

from adjoint._version import __version__
from adjoint.cli import grad, tour, train
from adjoint.cli.failure import Failure, line_about

__all__ = ["main"]

_EXAMPLES = """\
examples:
  adjoint tour                                           what it can do, in under a minute
  adjoint grad model.py:loss --at '{"x": [1.0, 2.0]}'    the gradient of a function in a file
  adjoint train iris.toml                                a network, on data in a file
  adjoint grad --help                                    all that can be asked of it
"""


class _Parser(argparse.ArgumentParser):
    """Says what is wrong in one line."""

    def error(self, message: str) -> NoReturn:
        raise Failure(f"{message} (see `{self.prog} --help`)", status=2)


def _parser() -> argparse.ArgumentParser:
    parser = _Parser(
        prog="adjoint",
        description="Automatic differentiation for the NumPy program you already have.",
        epilog=_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    parser.add_argument("--version", action="version", version=f"adjoint {__version__}")
    commands = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)
    grad.add_parser(commands)
    tour.add_parser(commands)
    train.add_parser(commands)
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command; return its exit status.

    0: done. 1: the function could not be differentiated, or a check failed. 2: the command line or
    a file is not what it should be. 130: interrupted.
    """
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(AttributeError, ValueError):  # replaced by something simpler
            stream.reconfigure(errors="replace")  # type: ignore[union-attr]
    try:
        options = _parser().parse_args(argv)
        status = options.run(options)
        sys.stdout.flush()
        return status
    except SystemExit as done:  # --help and --version
        return int(done.code or 0)
    except KeyboardInterrupt:
        print("adjoint: interrupted", file=sys.stderr)
        return 130
    except BrokenPipeError:  # the reader has seen enough
        with contextlib.suppress(Exception):
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except Failure as failure:
        print(line_about(failure), file=sys.stderr)
        return failure.status
