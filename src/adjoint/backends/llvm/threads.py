"""How many threads a call of machine code may use, and the threads themselves.

The workers (`lower.pool`) are started when a call first has work for them. They are daemon threads
of Python's that never come back from machine code, where they hold no GIL; the interpreter does not
wait for them at its end. A child of a fork begins without any.
"""

from __future__ import annotations

import ctypes
import os
import threading
from collections.abc import Callable
from typing import TYPE_CHECKING, SupportsIndex

from adjoint.backends.llvm.lower.pool import SLOTS

if TYPE_CHECKING:
    from adjoint.backends.llvm.engine import Code

__all__ = ["Pool", "get_threads", "set_threads"]


def _default() -> int:
    """Return what OMP_NUM_THREADS says, else how many CPUs the process may use."""
    said = os.environ.get("OMP_NUM_THREADS", "").split(",")[0].strip()
    if said.isdecimal() and int(said) > 0:
        return min(int(said), SLOTS + 1)
    try:
        count = len(os.sched_getaffinity(0))
    except (AttributeError, OSError):
        count = os.cpu_count() or 1
    return min(count, SLOTS + 1)


_limit = 0
_pool: Pool | None = None


def get_threads() -> int:
    """Return how many threads a call of a jitted function may use, its own among them.

    Examples
    --------
    >>> import adjoint as ad
    >>> ad.set_threads(2)
    >>> ad.get_threads()
    2
    """
    global _limit
    if not _limit:
        _limit = _default()
    return _limit


def set_threads(n: SupportsIndex | None = None) -> None:
    """Say how many threads a call of a jitted function may use.

    Results do not depend on it, not even in the last bit. BLAS has threads of its own, which its
    own settings are for.

    Parameters
    ----------
    n : int, optional
        The calling thread is one of them. None: what OMP_NUM_THREADS says, else as many as the
        process may use CPUs; which is how it is to begin with.

    Examples
    --------
    >>> import adjoint as ad
    >>> ad.set_threads(1)
    """
    global _limit
    if n is not None and (isinstance(n, bool) or not hasattr(n, "__index__")):
        raise TypeError(f"set_threads takes a number of threads, not {n!r}")
    count = _default() if n is None else n.__index__()
    if count < 1:
        raise ValueError(f"set_threads takes one thread or more, not {n}")
    _limit = min(count, SLOTS + 1)
    if _pool is not None:
        _pool.limit(_limit)


class Pool:
    """The workers of a process.

    Parameters
    ----------
    code : Code
        The runtime.
    new_context : callable
        Returns the address of a context for a worker, which it has for good.
    """

    def __init__(self, code: Code, new_context: Callable[[], int]) -> None:
        global _pool
        self._new_context = new_context
        self._work = code.function("pool.work", None, ctypes.c_int64)
        held = ctypes.PYFUNCTYPE
        self._add = held(ctypes.c_int64, ctypes.c_void_p, ctypes.c_void_p)(code.address("pool.add"))
        self._reset = held(None, ctypes.py_object, ctypes.c_void_p)(code.address("pool.reset"))
        self.limit = held(None, ctypes.c_int64)(code.address("pool.set_limit"))
        self._starter = self._start
        self.begin()
        self.limit(get_threads())
        _pool = self

    def begin(self) -> None:
        """Begin without workers: at first, and in the child of a fork."""
        self._count = 0
        self._starting = threading.Lock()
        self._reset(self._starter, _held_lock())

    def _start(self, count: int) -> None:
        """Have so many workers; fewer, if the system does not give more. Called by machine code."""
        with self._starting:
            while self._count < count:
                number = self._count
                thread = threading.Thread(
                    target=self._work, args=(number,), name=f"adjoint-{number}", daemon=True
                )
                self._add(_held_lock(), self._new_context())
                self._count += 1
                try:
                    thread.start()
                except RuntimeError:
                    # The slot stays empty: what is put there is taken back.
                    self.limit(max(number, 1))
                    return


def _held_lock() -> int:
    """Return a lock of CPython's, which any thread may release, without the GIL too; it is held."""
    allocate = ctypes.pythonapi.PyThread_allocate_lock
    allocate.restype, allocate.argtypes = ctypes.c_void_p, []
    acquire = ctypes.pythonapi.PyThread_acquire_lock
    acquire.restype, acquire.argtypes = ctypes.c_int, [ctypes.c_void_p, ctypes.c_int]
    lock = allocate()
    if not lock:
        raise MemoryError("there is no memory for a lock")
    acquire(lock, 1)
    return lock


def _forked() -> None:
    if _pool is not None:
        _pool.begin()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forked)
