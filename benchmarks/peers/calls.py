"""Calls that measure what surrounds and repeats arithmetic: dispatch, a small loop, large arrays.

Each case is a function in the terms of every system that takes part, on the same data, with what
all have to return.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np

import adjoint as ad
from benchmarks.peers.task import Flat, Run

__all__ = ["TABLES", "Case"]

SCAN = 10_000
"""Steps up to which other compilers take part: their gradients of longer loops take seconds."""


@dataclass(frozen=True)
class Case:
    """A line of a table: what each peer runs, in order, and what it has to return."""

    name: str
    runs: dict[str, Run]
    expected: Flat


def leaves(found: Any) -> Flat:
    """Return the arrays of a dictionary, a tuple or an array, nested as they may be."""
    if isinstance(found, dict):
        found = tuple(found.values())
    if isinstance(found, (tuple, list)):
        return [x for part in found for x in leaves(part)]
    return [np.asarray(found, float)]


def ours(function: Callable, *args: Any) -> Run:
    return Run(partial(ad.jit(function, backend="llvm"), *args), leaves)


def numpys(function: Callable, *args: Any) -> Run:
    return Run(partial(function, *args), leaves)


def jaxs(function: Callable, *args: Any, static: tuple[int, ...] = ()) -> Run:
    """Return JAX's run on arrays of its own; it ends when the last result is there."""
    import jax

    code: Any = jax.jit(function, static_argnums=static)
    data = [x if k in static else jax.tree.map(jax.numpy.asarray, x) for k, x in enumerate(args)]

    def call() -> Any:
        found = code(*data)
        last = found
        while not hasattr(last, "block_until_ready"):
            last = last[-1] if isinstance(last, tuple) else last["w9"]
        last.block_until_ready()
        return found

    return Run(call, leaves)


def torchs(function: Callable, *args: Any, differentiated: tuple[int, ...] = ()) -> Run:
    """Return PyTorch's run, or that of value and gradient."""
    import torch

    def tensor(x: Any, variable: bool) -> Any:
        if isinstance(x, dict):
            return {key: tensor(value, variable) for key, value in x.items()}
        return torch.tensor(x, requires_grad=variable) if isinstance(x, np.ndarray) else x

    data = [tensor(x, k in differentiated) for k, x in enumerate(args)]
    if not differentiated:
        return Run(partial(function, *data), leaves)
    variables = [data[k] for k in differentiated]

    def gradient() -> Any:
        value = function(*data)
        return value.detach(), torch.autograd.grad(value, variables)

    return Run(gradient, leaves)


# --------------------------------------------------------------------------------------- dispatch


def double(x):
    return x * 2.0


def doubles(arrays):
    return {name: x * 2.0 for name, x in arrays.items()}


def total(arrays):
    return sum(x.sum() for x in arrays.values())


def dispatch(peers: Iterable[str]) -> Iterator[Case]:
    """Yield calls in which there is hardly anything to compute."""
    x = np.arange(3.0)
    arrays = {f"w{k}": np.full(4, float(k)) for k in range(10)}
    make = {"adjoint": ours, "numpy": numpys, "jax": jaxs, "torch": torchs}
    for name, function, argument in (
        ("an array of 3 in and out, `x * 2.0`", double, x),
        ("ten arrays of 4 in, a number out", total, arrays),
        ("ten arrays of 4 in and out", doubles, arrays),
    ):
        runs = {p: make[p](function, argument) for p in peers if p in make}
        yield Case(name, runs, leaves(function(argument)))


# ------------------------------------------------------------------------------------------- loop


def lorenz(u, p):
    x, y, z = u
    return np.array([p[0] * (y - x), x * (p[1] - z) - y, x * y - p[2] * z])


def euler(u, p, h, n):
    for _ in range(n):
        u = u + h * lorenz(u, p)
    return np.sum(u**2)


def euler_in_jax(u, p, h, n):
    import jax.numpy as jnp
    from jax import lax

    def step(u, _):
        x, y, z = u
        slope = jnp.array([p[0] * (y - x), x * (p[1] - z) - y, x * y - p[2] * z])
        return u + h * slope, None

    return jnp.sum(lax.scan(step, u, None, length=n)[0] ** 2)


def euler_in_torch(u, p, h, n):
    import torch

    for _ in range(n):
        x, y, z = u
        slope = torch.stack([p[0] * (y - x), x * (p[1] - z) - y, x * y - p[2] * z])
        u = u + h * slope
    return (u**2).sum()


def along(u: Any, p: Any, dots: tuple[Any, Any], h: float, n: int) -> tuple[float, float]:
    """Return the loop's value and its derivative along ``dots``, by Python's complex numbers."""
    step = 1e-30
    x, y, z = (complex(a, step * b) for a, b in zip(u, dots[0], strict=True))
    s, r, b = (complex(a, step * b) for a, b in zip(p, dots[1], strict=True))
    for _ in range(n):
        x, y, z = x + h * s * (y - x), y + h * (x * (r - z) - y), z + h * (x * y - b * z)
    square = x * x + y * y + z * z
    return square.real, square.imag / step


def euler_run(peer: str, argnums: tuple[int, ...], args: tuple[Any, ...]) -> Run | None:
    """Return a peer's run of the loop, or of its value and gradient; None where it has none."""
    n = args[3]
    if peer == "adjoint":
        return ours(ad.value_and_grad(euler, argnums) if argnums else euler, *args)
    if peer == "numpy" and n == 1000 and not argnums:
        return numpys(euler, *args)
    if peer == "jax" and n <= SCAN:
        import jax

        of = jax.value_and_grad(euler_in_jax, argnums) if argnums else euler_in_jax
        return jaxs(of, *args, static=(3,))
    if peer == "torch" and n == 1000:
        return torchs(euler_in_torch, *args, differentiated=argnums)
    return None


def loop(peers: Iterable[str]) -> Iterator[Case]:
    """Yield Euler steps of Lorenz's equations over two units of time."""
    u, p = np.ones(3), np.array([10.0, 28.0, 8.0 / 3.0])
    u_dot, p_dot = np.array([0.3, -0.7, 0.2]), np.array([0.1, 0.4, -0.5])

    def contracted(found: Any) -> Flat:
        value, gradient = found
        return leaves((value, sum(np.asarray(g) @ d for g, d in zip(gradient, (u_dot, p_dot)))))

    value, by_start, by_both = (), (0,), (0, 1)
    title = {
        value: "value",
        by_start: "and gradient by the start",
        by_both: "and gradient by start and parameters",
    }
    for n in (1000, 10_000, 100_000, 1_000_000):
        args = u, p, 2.0 / n, n
        for argnums in (value, by_start, by_both) if n == 1000 else (value, by_both):
            found = {peer: euler_run(peer, argnums, args) for peer in peers}
            runs = {peer: run for peer, run in found.items() if run}
            expected = along(u, p, (u_dot, p_dot if argnums == by_both else 0.0 * p), *args[2:])
            if argnums:
                runs = {peer: Run(run.call, contracted) for peer, run in runs.items()}
            name = f"{n:,} steps, {title[argnums]}"
            yield Case(name, runs, leaves(expected if argnums else expected[0]))


# ------------------------------------------------------------------------------------------ large


def curve(x):
    return np.exp(np.sin(x)) * x


def area(x):
    return np.sum(np.exp(np.sin(x)) * x)


def curve_in(xp: Any) -> tuple[Callable, Callable]:
    """Return the two functions in another system's namespace."""
    return lambda x: xp.exp(xp.sin(x)) * x, lambda x: xp.sum(xp.exp(xp.sin(x)) * x)


def large(peers: Iterable[str]) -> Iterator[Case]:
    """Yield elementwise work on a million numbers."""
    x = np.random.default_rng(0).uniform(-3.0, 3.0, 1_000_000)
    curves, areas, gradients = {}, {}, {}
    for peer in peers:
        if peer == "adjoint":
            curves[peer], areas[peer] = ours(curve, x), ours(area, x)
            gradients[peer] = ours(ad.value_and_grad(area), x)
        elif peer == "numpy":
            curves[peer], areas[peer] = numpys(curve, x), numpys(area, x)
        elif peer == "jax":
            import jax

            f, g = curve_in(jax.numpy)
            curves[peer], areas[peer] = jaxs(f, x), jaxs(g, x)
            gradients[peer] = jaxs(jax.value_and_grad(g), x)
        elif peer == "torch":
            import torch

            f, g = curve_in(torch)
            curves[peer], areas[peer] = torchs(f, x), torchs(g, x)
            gradients[peer] = torchs(g, x, differentiated=(0,))
    inner = np.exp(np.sin(x))
    slope = inner * (1.0 + x * np.cos(x))
    yield Case("`exp(sin(x)) * x`", curves, [inner * x])
    yield Case("its sum", areas, leaves(np.sum(inner * x)))
    yield Case("its sum and gradient", gradients, leaves((np.sum(inner * x), slope)))


TABLES = {"dispatch": dispatch, "loop": loop, "large": large}
