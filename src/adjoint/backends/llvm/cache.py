"""Compiled objects on disk, so that a second process starts warm.

One file an object, named by its key: a hash of all that the object follows from (the caller's
business). A file is written under another name and renamed, so that a reader sees the whole of it
or none, whatever other processes do. It carries a checksum over its key and content: a file that is
truncated, damaged, or another's is deleted and taken as absent. Reading a file makes it the most
recently used; when the files outgrow the limit, those least recently used go.

Nothing here fails for want of a disk: without a home, with a read-only or full one, objects are
compiled again. The environment says where and how much, and is read at each use:

- ``ADJOINT_CACHE_DIR``: the folder; else ``adjoint`` in ``XDG_CACHE_HOME`` or ``~/.cache``
  (``LOCALAPPDATA`` on Windows);
- ``ADJOINT_CACHE_SIZE``: the limit in megabytes, 256 unless said;
- ``ADJOINT_CACHE=0``: no cache.
"""

from __future__ import annotations

import os
import tempfile
import time
from dataclasses import dataclass, field
from hashlib import blake2b
from pathlib import Path

__all__ = ["Cache", "current", "digest"]

MAGIC = b"adjoint object 1\n"
SUFFIX = ".object"
UNFINISHED = ".part"
ABANDONED = 3600.0
"""Seconds after which a file that somebody began to write is taken to be left over."""
DEFAULT_SIZE = 256
_KEEP = 0.75
"""Share of the limit that an eviction leaves."""
_CHECKSUM = 32


def digest(*parts: str | bytes) -> str:
    """Return a key: a hash of all parts, which do not run into each other."""
    hashed = blake2b(digest_size=32)
    for part in parts:
        data = part.encode() if isinstance(part, str) else part
        hashed.update(len(data).to_bytes(8, "little"))
        hashed.update(data)
    return hashed.hexdigest()


@dataclass(slots=True)
class Cache:
    """A folder of objects.

    Parameters
    ----------
    folder : Path
        Made when something is first kept.
    limit : int
        Bytes that the files may take together.
    """

    folder: Path
    limit: int
    _since_sweep: int = field(default=-1, init=False, compare=False)

    def get(self, key: str) -> bytes | None:
        """Return what is kept under a key."""
        path = self._path(key)
        try:
            data = path.read_bytes()
        except OSError:
            return None
        head = len(MAGIC) + _CHECKSUM
        content = data[head:]
        if data[:head] != MAGIC + _checksum(key, content):
            _remove(path)
            return None
        try:
            os.utime(path)
        except OSError:
            pass
        return content

    def put(self, key: str, content: bytes) -> bool:
        """Keep something under a key; return whether it could be kept."""
        try:
            self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            handle, part = tempfile.mkstemp(UNFINISHED, key[:16], self.folder)
        except OSError:
            return False
        try:
            with os.fdopen(handle, "wb") as file:
                file.write(MAGIC + _checksum(key, content))
                file.write(content)
            os.replace(part, self._path(key))
        except OSError:
            _remove(Path(part))
            return False
        self._account(len(content))
        return True

    def _path(self, key: str) -> Path:
        return self.folder / (key + SUFFIX)

    def _account(self, size: int) -> None:
        """Sweep once in a process, and again for each sixteenth of the limit that it adds."""
        due = self._since_sweep < 0 or self._since_sweep + size > self.limit // 16
        self._since_sweep = 0 if due else self._since_sweep + size
        if due:
            self.sweep()

    def sweep(self) -> None:
        """Delete what was left unfinished, and what was least recently used beyond the limit."""
        files: list[tuple[float, int, str]] = []
        try:
            with os.scandir(self.folder) as entries:
                for entry in entries:
                    if entry.name.endswith((SUFFIX, UNFINISHED)):
                        try:
                            found = entry.stat()
                        except OSError:
                            continue
                        files.append((found.st_mtime, found.st_size, entry.path))
        except OSError:
            return
        old = time.time() - ABANDONED
        for when, _, path in files:
            if path.endswith(UNFINISHED) and when < old:
                _remove(Path(path))
        total = sum(size for _, size, _ in files)
        if total <= self.limit:
            return
        for _, size, path in sorted(files):
            if total <= self.limit * _KEEP:
                break
            if path.endswith(SUFFIX):
                _remove(Path(path))
                total -= size


def _checksum(key: str, content: bytes) -> bytes:
    return blake2b(content, digest_size=_CHECKSUM, key=key.encode()[:64]).digest()


def _remove(path: Path) -> None:
    try:
        path.unlink()
    except OSError:
        pass


_caches: dict[tuple[str, int], Cache] = {}


def current() -> Cache | None:
    """Return the cache that the environment asks for; None where it asks for none."""
    if os.environ.get("ADJOINT_CACHE", "").strip().lower() in ("0", "off", "no", "false"):
        return None
    folder = os.environ.get("ADJOINT_CACHE_DIR") or _default_folder()
    if folder is None:
        return None
    try:
        limit = int(float(os.environ.get("ADJOINT_CACHE_SIZE") or DEFAULT_SIZE) * 2**20)
    except (ValueError, OverflowError):
        limit = DEFAULT_SIZE * 2**20
    return _caches.setdefault((folder, limit), Cache(Path(folder), limit))


def _default_folder() -> str | None:
    base = os.environ.get("LOCALAPPDATA" if os.name == "nt" else "XDG_CACHE_HOME")
    # The XDG specification: a path that is not absolute is to be ignored.
    if base and os.path.isabs(base):
        return os.path.join(base, "adjoint")
    home = os.path.expanduser("~")
    return os.path.join(home, ".cache", "adjoint") if os.path.isabs(home) else None
