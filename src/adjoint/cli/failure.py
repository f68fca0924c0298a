"""What goes wrong, in one line: what was asked, what was found, where."""

from __future__ import annotations

import os

from adjoint.errors import AdjointError
from adjoint.places import Place, line_of_traceback

__all__ = ["Failure", "from_exception", "line_about", "place_text"]


class Failure(Exception):
    """Ends the command with one line on standard error.

    Attributes
    ----------
    status : int
        2 where the command line or a file is to blame, else 1.
    place : (str, int) or None
        The line of the user's program.
    """

    def __init__(self, message: str, status: int = 1, place: Place | None = None) -> None:
        super().__init__(message)
        self.status = status
        self.place = place


def place_text(place: Place | None) -> str:
    """Return ``file:line`` with the file as seen from the current folder."""
    if place is None:
        return ""
    name = place[0]
    if not name.startswith("<"):
        try:
            relative = os.path.relpath(name)
        except ValueError:  # another drive
            relative = name
        name = relative if len(relative) < len(name) else name
    return f"{name}:{place[1]}"


def line_about(failure: Failure) -> str:
    """Return the line that is shown."""
    where = place_text(failure.place)
    message = " ".join(str(failure).split())
    return f"adjoint: {where}: {message}" if where else f"adjoint: {message}"


def from_exception(error: BaseException, during: str = "") -> Failure:
    """Return the failure that an exception in (or because of) the user's code amounts to.

    Parameters
    ----------
    error : BaseException
    during : str
        What was being done, put after the message.
    """
    place = line_of_traceback(error.__traceback__)
    if isinstance(error, SyntaxError) and error.filename is not None:
        place = error.filename, error.lineno or 1
        text = f"{type(error).__name__}: {error.msg}"
    elif isinstance(error, AdjointError):
        text = _first_paragraph(str(error))
    elif isinstance(error, SystemExit):
        text = f"the program ended itself with sys.exit({error.code!r})"
    elif isinstance(error, KeyError):
        text = f"KeyError: {error}"
    else:
        text = f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
    return Failure(f"{text} ({during})" if during else text, 1, place)


def _first_paragraph(message: str) -> str:
    """Return the statement of a message, without the code that it goes on to show."""
    first = message.split("\n\n")[0].strip()
    if first.endswith(":"):
        first = first.rpartition(". ")[0] or first[:-1]
    return first
