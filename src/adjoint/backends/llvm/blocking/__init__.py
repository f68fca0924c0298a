"""Loops over blocks of rows: arrays that exceed the caches exist a few rows at a time.

A program computes arrays of shape (n, K, D) one after another for thousands of observations, sums
them, and reads them again in the reverse sweep; each goes through memory several times. Where row k
of one is computed from row k of others, the whole sequence is run for a block of rows before the
next block, and what is between stays in the cache.

- `rows`: what an operation does with rows.
- `plan`: which operations share a loop, and whether it pays.
- `rewrite`: the loop.

It is done to a copy of the graph that is about to be lowered: an interpreter, which runs one
operation after another, has nothing of it.
"""

from __future__ import annotations

from adjoint.backends.llvm.blocking.rewrite import in_blocks

__all__ = ["in_blocks"]
