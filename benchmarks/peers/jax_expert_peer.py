"""JAX again: the best idiomatic rewriting known, with scans, maps and library functions."""

from __future__ import annotations

from benchmarks.peers import jax_peer
from benchmarks.peers.task import NotWritten, Prepared, Task

PACKAGE = "jax"
setup = jax_peer.setup


def prepare(task: Task) -> Prepared:
    """Return the rewritten program as JAX compiles it."""
    if not task.weights:
        from benchmarks.peers.jax_adbench import expert_derivative

        return expert_derivative(task)
    function = jax_peer.programs("jax_experts").get(task.problem)
    if function is None:
        raise NotWritten("no rewriting")
    return jax_peer.prepare_with(task, function)
