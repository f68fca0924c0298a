"""Writing a file whole or not at all."""

from __future__ import annotations

import contextlib
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import IO

from adjoint.cli.failure import Failure

__all__ = ["check_writable", "written_whole"]


def check_writable(path: Path) -> None:
    """Refuse a place that cannot be written to, before any work is done for it."""
    folder = path.parent
    if not folder.is_dir():
        raise Failure(f"cannot write {path}: there is no folder {folder}", status=2)
    if path.is_dir():
        raise Failure(f"cannot write {path}: it is a folder", status=2)
    if not os.access(folder, os.W_OK) or (path.exists() and not os.access(path, os.W_OK)):
        raise Failure(f"cannot write {path}: permission denied", status=2)


@contextlib.contextmanager
def written_whole(path: Path) -> Iterator[IO[bytes]]:
    """Give a file to write to, which takes the place of ``path`` when everything is written."""
    try:
        handle, temporary = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
        try:
            with os.fdopen(handle, "wb") as file:
                yield file
            mask = os.umask(0)
            os.umask(mask)
            os.chmod(temporary, 0o666 & ~mask)  # mkstemp keeps others out
            os.replace(temporary, path)
        except BaseException:
            with contextlib.suppress(OSError):
                os.unlink(temporary)
            raise
    except OSError as error:
        raise Failure(f"cannot write {path}: {error.strerror or error}") from error
