"""Which line of the user's a frame or a traceback belongs to."""

from __future__ import annotations

import functools
import os
from types import FrameType, TracebackType

__all__ = ["Place", "library_function", "line_of_frame", "line_of_traceback", "users_frame"]

Place = tuple[str, int]
"""A file and a line in it."""


def _folder(path: str | None) -> str:
    return os.path.dirname(os.path.abspath(path or "")) + os.sep


_PACKAGE = _folder(__file__)
# Ordinary programs that the command ships; they import nothing of ours.
_PROGRAMS = os.path.join(_PACKAGE, "cli", "programs") + os.sep
_STANDARD_LIBRARY = _folder(os.__file__)
_INSTALLED = tuple(f"{os.sep}{name}{os.sep}" for name in ("site-packages", "dist-packages"))


@functools.cache
def is_users(filename: str) -> bool:
    """Tell whether a file is the user's own: not ours, not Python's, not an installed package."""
    if filename.startswith(("<frozen ", "<__array_function__")):
        return False
    if filename.startswith("<"):  # a notebook cell, standard input, an `exec`
        return True
    filename = os.path.abspath(filename)
    if filename.startswith(_PROGRAMS):
        return True
    if filename.startswith((_PACKAGE, _STANDARD_LIBRARY)):
        return False
    return not any(part in filename for part in _INSTALLED)


def users_frame(frame: FrameType | None) -> FrameType | None:
    """Return the innermost frame of the user's that led to ``frame``."""
    while frame is not None and not is_users(frame.f_code.co_filename):
        frame = frame.f_back
    return frame


def line_of_frame(frame: FrameType | None) -> Place | None:
    """Return the innermost line of the user's that led to ``frame``."""
    frame = users_frame(frame)
    return None if frame is None else (frame.f_code.co_filename, frame.f_lineno)


def library_function(frame: FrameType | None) -> str | None:
    """Return the library's function that the user's code called on the way to ``frame``.

    None if the user's code called us directly.
    """
    outermost = None
    while frame is not None and not is_users(frame.f_code.co_filename):
        if not frame.f_code.co_filename.startswith(_PACKAGE):
            outermost = frame
        frame = frame.f_back
    if outermost is None:
        return None
    return f"{outermost.f_globals.get('__name__', '?')}.{outermost.f_code.co_qualname}"


def line_of_traceback(traceback: TracebackType | None) -> Place | None:
    """Return the innermost line of the user's that an exception passed through."""
    found = None
    while traceback is not None:
        filename = traceback.tb_frame.f_code.co_filename
        if is_users(filename):
            found = filename, traceback.tb_lineno
        traceback = traceback.tb_next
    return found
