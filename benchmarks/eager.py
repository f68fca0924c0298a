"""The eager tier beside PyTorch's and HIPS autograd: cost of a recorded operation, and of stores.

    python benchmarks/eager.py            # every table
    python benchmarks/eager.py --quick    # fewer repetitions

Every figure is the minimum of many interleaved samples in one process, one thread each; what
matters are the ratios. Peers that are not installed are left out, and named.

    pip install adjoint torch autograd
"""

from __future__ import annotations

import argparse
import os
import statistics
import time
from collections.abc import Callable
from typing import Any

for _name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ.setdefault(_name, "1")

import numpy as np  # noqa: E402  (after the number of threads is set)

import adjoint as ad  # noqa: E402

try:
    import torch

    torch.set_num_threads(1)
    torch.set_default_dtype(torch.float64)
except ImportError:
    torch = None
try:
    import autograd
    import autograd.numpy as anp
except ImportError:
    autograd = anp = None

Runner = Callable[[], Any]


def sample(runners: dict[str, Runner], rounds: int, inner: int) -> dict[str, float]:
    """Return the best seconds a call of each runner, their samples interleaved."""
    best = dict.fromkeys(runners, float("inf"))
    for runner in runners.values():
        runner()
    for _ in range(rounds):
        for name, runner in runners.items():
            start = time.perf_counter()
            for _ in range(inner):
                runner()
            best[name] = min(best[name], (time.perf_counter() - start) / inner)
    return best


def torch_gradient(f: Callable, x: np.ndarray) -> Runner:
    """Return a PyTorch gradient from a NumPy array to a NumPy array."""

    def run() -> np.ndarray:
        t = torch.from_numpy(x).requires_grad_(True)
        (g,) = torch.autograd.grad(f(t), t)
        return g.numpy()

    return run


# -- programs: written once for NumPy; the peers need their own modules -------------------------


def multiply_add(x: Any, steps: int) -> Any:
    y = x
    for _ in range(steps):
        y = y * x + x
    return y.sum()


def sine_multiply(sin: Callable) -> Callable[[Any, int], Any]:
    def program(x: Any, steps: int) -> Any:
        y = x
        for _ in range(steps):
            y = sin(y) * x
        return y.sum()

    return program


def numpy_sine_multiply(x: Any, steps: int) -> Any:
    y = x
    for _ in range(steps):
        y = np.sin(y) * x
    return y.sum()


def rosenbrock(x: Any) -> Any:
    return (100 * (x[1:] - x[:-1] ** 2) ** 2 + (1 - x[:-1]) ** 2).sum()


def rosenbrock_loop(x: Any) -> Any:
    total = 0.0
    for i in range(len(x) - 1):
        total = total + 100 * (x[i + 1] - x[i] ** 2) ** 2 + (1 - x[i]) ** 2
    return total


def gradients(f: Callable, peer: Callable, hips: Callable, x: np.ndarray) -> dict[str, Runner]:
    g = ad.grad(f)
    runners: dict[str, Runner] = {"adjoint": lambda: g(x)}
    if torch is not None:
        runners["PyTorch"] = torch_gradient(peer, x)
    if autograd is not None:
        h = autograd.grad(hips)
        runners["HIPS autograd"] = lambda: h(x)
    return runners


def per_operation(rounds: int) -> None:
    steps = 100
    x = np.linspace(0.5, 1.0, 10)
    print(f"\nA recorded operation, forward and reverse, arrays of {x.size} (µs)")
    table = {
        "y*x + x": (
            gradients(
                lambda x: multiply_add(x, steps), lambda x: multiply_add(x, steps),
                lambda x: anp.sum(multiply_add(x, steps)), x,
            ), 2 * steps + 1,
        ),
        "sin(y) * x": (
            gradients(
                lambda x: numpy_sine_multiply(x, steps),
                lambda x: sine_multiply(torch.sin)(x, steps),
                lambda x: sine_multiply(anp.sin)(x, steps), x,
            ), 2 * steps + 1,
        ),
        "y*x + x, numbers": (
            gradients(
                lambda x: number_chain(x, steps), lambda x: number_chain(x, steps),
                lambda x: number_chain(x, steps), np.array(0.9),
            ), 2 * steps,
        ),
    }  # fmt: skip
    for name, (runners, operations) in table.items():
        show(name, sample(runners, rounds, 5), 1e6 / operations)


def number_chain(x: Any, steps: int) -> Any:
    y = x
    for _ in range(steps):
        y = y * x + x
    return y


def functions(rounds: int) -> None:
    x = np.linspace(0.5, 1.5, 10)
    print("\nGradient of the 10-dimensional Rosenbrock function (µs)")
    show("array form", sample(gradients(rosenbrock, rosenbrock, rosenbrock, x), rounds, 20), 1e6)
    show(
        "element form",
        sample(gradients(rosenbrock_loop, rosenbrock_loop, rosenbrock_loop, x), rounds, 5),
        1e6,
    )


def large(rounds: int) -> None:
    x = np.linspace(0.1, 1.0, 1_000_000)
    print("\nArrays of 10⁶: the gradient beside the NumPy calls that its rules must make (ms)")

    def by_hand_wave() -> Any:
        s, c = np.sin(x), np.exp(x)
        np.sum(s * c)
        g = np.broadcast_to(1.0, x.shape)
        a, b = g * c, g * s
        return a * np.cos(x) + b * c

    def by_hand_square() -> Any:
        y = x * x
        np.sum(y + x)
        g = np.broadcast_to(1.0, x.shape)
        total = g * x
        total += g * x
        total += g
        return total

    for name, f, hand in (
        ("sum(sin x · exp x)", lambda x: np.sum(np.sin(x) * np.exp(x)), by_hand_wave),
        ("sum(x·x + x)", lambda x: np.sum(x * x + x), by_hand_square),
    ):
        g = ad.grad(f)
        np.testing.assert_allclose(g(x[:100]), _differences(f, x[:100]), rtol=1e-5)
        show(name, sample({"adjoint": lambda g=g: g(x), "NumPy calls": hand}, rounds, 1), 1e3)


def _differences(f: Callable, x: np.ndarray) -> np.ndarray:
    h = 1e-6
    return np.array([(f(x + h * e) - f(x - h * e)) / (2 * h) for e in np.eye(len(x))])


def fill(x: Any, n: int) -> Any:
    u = np.zeros(n)
    u[0] = x
    for t in range(1, n):
        u[t] = u[t - 1] * x
    return u[n - 1]


def stores(rounds: int) -> None:
    print("\nFilling an array of n elements in a loop, forward and reverse (µs an element)")
    g = ad.grad(fill)
    for n in (1_000, 4_000, 16_000, 64_000):
        show(
            f"n = {n}",
            sample({"adjoint": lambda n=n: g(0.999, n)}, max(2, rounds // 4), 1),
            1e6 / n,
        )


def show(name: str, seconds: dict[str, float], unit: float) -> None:
    ours = seconds["adjoint"]
    cells = [f"{peer} {s * unit:8.2f}" + (f" ({s / ours:4.1f}x)" if peer != "adjoint" else "")
             for peer, s in seconds.items()]  # fmt: skip
    print(f"  {name:22s} " + "   ".join(cells))


def imports() -> None:
    import subprocess
    import sys

    # Installed packages come with their bytecode; a checkout should be no worse off.
    environment = {k: v for k, v in os.environ.items() if k != "PYTHONDONTWRITEBYTECODE"}

    def cost(statement: str) -> float:
        code = f"import time; t = time.perf_counter(); {statement}; print(time.perf_counter() - t)"
        done = subprocess.run(
            [sys.executable, "-c", code],
            capture_output=True,
            text=True,
            check=True,
            env=environment,
        )
        return float(done.stdout)

    cost("import adjoint")
    times = [cost("import numpy") for _ in range(7)]
    ours = [cost("import numpy; t = time.perf_counter(); import adjoint") for _ in range(7)]
    print(
        f"\nimport numpy {min(times) * 1e3:.0f} ms (median {statistics.median(times) * 1e3:.0f}); "
        f"import adjoint after it {min(ours) * 1e3:.0f} ms "
        f"(median {statistics.median(ours) * 1e3:.0f})"
    )


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--quick", action="store_true", help="fewer repetitions")
    rounds = 10 if parser.parse_args().quick else 60
    missing = [n for n, m in (("torch", torch), ("autograd", autograd)) if m is None]
    print(
        f"numpy {np.__version__}, adjoint {ad.__version__}"
        + (f", torch {torch.__version__}" if torch else "")
    )
    if missing:
        print("not installed, left out:", ", ".join(missing))
    per_operation(rounds)
    functions(rounds)
    large(max(5, rounds // 4))
    stores(rounds)
    imports()


if __name__ == "__main__":
    main()
