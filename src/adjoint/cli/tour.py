"""``adjoint tour``: what the library does, on real data, in under a minute."""

from __future__ import annotations

import argparse
import importlib
import os
import sys
import time
import webbrowser
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any

import numpy as np

from adjoint.api.derivatives import grad, jvp, value_and_grad
from adjoint.cli.failure import Failure
from adjoint.cli.files import check_writable, written_whole
from adjoint.cli.loading import load_module
from adjoint.explain.evaluation import EvaluationTrace, trace

if TYPE_CHECKING:
    from rich.console import Console

__all__ = ["Classifier", "Findings", "Simulation", "add_parser", "run"]

_DESCRIPTION = """\
A tour in under a minute:

  1. f(x) = x² − 3x − 2 worked through in forward and in reverse mode, step by step;
  2. a simulation that loops and overwrites its state, differentiated as it stands;
  3. a classifier written in plain NumPy, trained on real handwritten digits;
  4. a report with plots: one HTML file that needs nothing else.
"""

_EXAMPLES = """\
examples:
  adjoint tour
  adjoint tour --quick --output /tmp/tour.html --no-open
  adjoint tour --seed 7                                     another split, other first weights
"""

PROGRAMS = Path(__file__).parent / "programs"
THETA = np.array([0.6, 0.08, 0.5, 0.04])
THETA_NAMES = ("growth", "catch", "death", "feeding")
RATE = 0.2
BATCH = 32


@dataclass(frozen=True)
class Simulation:
    """The simulation and its derivatives.

    Attributes
    ----------
    file : Path
        The program.
    years : array of shape (steps + 1,)
    populations : array of shape (steps + 1, 2)
    sensitivities : array of shape (4, steps + 1, 2)
        Of the populations to each parameter, by forward mode.
    value : float
        The average number of predators.
    gradient, forward, differences : array of shape (4,)
        Its derivative, by reverse mode, from the sensitivities, and by central differences.
    """

    file: Path
    years: np.ndarray
    populations: np.ndarray
    sensitivities: np.ndarray
    value: float
    gradient: np.ndarray
    forward: np.ndarray
    differences: np.ndarray
    seconds: float

    @property
    def error(self) -> float:
        """The gradient's distance from differences, relative to its largest entry."""
        return float(
            np.max(np.abs(self.gradient - self.differences)) / np.max(np.abs(self.gradient))
        )


@dataclass(frozen=True)
class Classifier:
    """The trained classifier.

    Attributes
    ----------
    file : Path
        The program.
    losses : list of float
        Of each training step.
    accuracies : list of float
        On the test images, after each epoch.
    test_images, test_labels, predictions : array
    saliency : list of (image, digit, array)
        How the score of the digit depends on each pixel, on average over its test images.
    """

    file: Path
    losses: list[float]
    accuracies: list[float]
    train_size: int
    test_images: np.ndarray
    test_labels: np.ndarray
    predictions: np.ndarray
    saliency: list[tuple[np.ndarray, int, np.ndarray]]
    parameters: int
    seconds: float

    @property
    def accuracy(self) -> float:
        """On the test images, at the end."""
        return float(np.mean(self.predictions == self.test_labels))


@dataclass(frozen=True)
class Findings:
    """What the report shows."""

    quadratic: EvaluationTrace
    simulation: Simulation
    classifier: Classifier
    seed: int
    quick: bool


def add_parser(commands: Any) -> None:
    """Add the sub-command to the parser."""
    parser = commands.add_parser(
        "tour",
        help="what it can do, on real data, with a report",
        description=_DESCRIPTION,
        epilog=_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    parser.add_argument(
        "--output",
        metavar="FILE",
        type=Path,
        default=Path("adjoint-tour.html"),
        help="where the report goes (default: adjoint-tour.html here)",
    )
    parser.add_argument("--seed", type=_seed, default=0, help="of the random numbers (default: 0)")
    parser.add_argument("--quick", action="store_true", help="a few seconds: train less")
    parser.add_argument(
        "--no-open", action="store_true", help="do not open the report in a browser"
    )
    parser.set_defaults(run=run)


def _seed(text: str) -> int:
    value = int(text)
    if value < 0:
        raise ValueError
    return value


def require(*modules: str) -> None:
    """Refuse to start without the optional packages, before anything is done."""
    missing = []
    for module, package in modules_and_packages(modules):
        try:
            importlib.import_module(module)
        except ImportError:
            missing.append(package)
    if missing:
        raise Failure(
            f'adjoint tour needs {" and ".join(missing)}: run pip install "adjoint[report]"'
        )


def modules_and_packages(modules: tuple[str, ...]) -> list[tuple[str, str]]:
    """Return what each module is called when it is installed."""
    return [(module, {"sklearn": "scikit-learn"}.get(module, module)) for module in modules]


def run(options: argparse.Namespace) -> int:
    """Take the tour."""
    require("rich", "matplotlib", "sklearn")
    from rich.console import Console

    from adjoint.cli.report import page

    check_writable(options.output)
    console = Console(highlight=False, soft_wrap=True)
    start = time.perf_counter()
    quadratic = _quadratic(console)
    simulation = _simulation(console, quick=options.quick)
    classifier = _classifier(console, options.seed, quick=options.quick)
    findings = Findings(quadratic, simulation, classifier, options.seed, options.quick)
    text = page(findings, time.perf_counter() - start)
    with written_whole(options.output) as file:
        file.write(text.encode())
    took = time.perf_counter() - start
    _heading(console, "4", "The report")
    console.print(f"  written to [bold]{options.output}[/]  ({took:.1f} s in all)\n")
    if not options.no_open and _has_browser():
        webbrowser.open(options.output.resolve().as_uri())
    return 0


def _has_browser() -> bool:
    """Tell whether somebody is looking, at a screen that can show more than text."""
    if not sys.stdout.isatty():
        return False
    windows = sys.platform in ("win32", "darwin")
    return windows or bool(os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY"))


def _heading(console: Console, number: str, text: str) -> None:
    console.print(f"\n[bold cyan]{number}[/]  [bold]{text}[/]\n")


def quadratic(x):
    """The function of the introductory texts."""
    return x**2 - 3 * x - 2


def _quadratic(console: Console) -> EvaluationTrace:
    _heading(console, "1", "f(x) = x² − 3x − 2 at x = 4, in both modes")
    found = trace(quadratic)(4.0)
    for line in found.table().splitlines():
        console.print("   " + line, markup=False)
    console.print(
        "\n   Tangents are read downwards: v̇ is how a step changes with x."
        "\n   Adjoints are read upwards: v̄ is how f changes with a step. Both say f′(4) = "
        f"[bold]{float(found.rows[0].adjoint):g}[/]."
    )
    return found


# ------------------------------------------------------------------------------------- simulation


def _simulation(console: Console, quick: bool) -> Simulation:
    _heading(console, "2", "A simulation: a loop that overwrites its state and branches on it")
    file = PROGRAMS / "predators.py"
    program = load_module(file)
    years, steps = (10.0, 200) if quick else (40.0, 800)
    start = time.perf_counter()
    with console.status("   differentiating …"):
        value, gradient = value_and_grad(program.mean_predators)(THETA, years, steps)
        pushed = [
            jvp(partial(program.populations, years=years, steps=steps), (THETA,), (direction,))
            for direction in np.eye(len(THETA))
        ]
    seconds = time.perf_counter() - start
    sensitivities = np.stack([dot for _, dot in pushed])

    def mean(theta: np.ndarray) -> float:
        return float(program.mean_predators(theta, years, steps))

    found = Simulation(
        file,
        np.linspace(0.0, years, steps + 1),
        pushed[0][0],
        sensitivities,
        float(value),
        gradient,
        np.mean(sensitivities[:, :, 1], axis=1),
        _central_differences(mean, THETA),
        seconds,
    )
    console.print(
        f"   Prey and predators over {years:g} years, {steps} steps, written into one array in "
        f"place: {file.name}\n   Mean number of predators {found.value:.4f}; how it depends on the "
        "four parameters:\n"
    )
    console.print(f"   {'':10}{'reverse mode':>16}{'forward mode':>16}{'differences':>16}")
    for k, name in enumerate(THETA_NAMES):
        numbers = (found.gradient[k], found.forward[k], found.differences[k])
        console.print(f"   {name:10}" + "".join(f"{x:16.8f}" for x in numbers))
    console.print(f"\n   They agree to {found.error:.0e}  ({seconds:.1f} s)")
    if not found.error < 1e-5:
        raise Failure(f"the simulation's gradient and differences disagree by {found.error:.1e}")
    return found


def _central_differences(fun: Any, x: np.ndarray) -> np.ndarray:
    """Return central differences with steps of 10⁻⁵, extrapolated once."""
    result = []
    for k, direction in enumerate(np.eye(len(x))):
        h = 1e-5 * x[k] * direction
        wide = (fun(x + h) - fun(x - h)) / (2 * h[k])
        narrow = (fun(x + h / 2) - fun(x - h / 2)) / h[k]
        result.append((4 * narrow - wide) / 3)
    return np.array(result)


# ------------------------------------------------------------------------------------- classifier


def _classifier(console: Console, seed: int, quick: bool) -> Classifier:
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
    from sklearn.datasets import load_digits

    _heading(
        console, "3", "Handwritten digits: a classifier in plain NumPy, trained by its gradient"
    )
    file = PROGRAMS / "digits.py"
    program = load_module(file)
    data: Any = load_digits()
    images, labels = data.data / 16.0, data.target
    rng = np.random.default_rng(seed)
    order = rng.permutation(len(labels))
    test, train = order[: len(order) // 5], order[len(order) // 5 :]
    layers = program.initial(rng)
    parameters = sum(array.size for layer in layers for array in layer.values())
    console.print(
        f"   {len(train)} images to learn from, {len(test)} to be tested on; "
        f"{parameters} weights: {file.name}"
    )
    gradient_of_loss = value_and_grad(program.loss)
    epochs = 3 if quick else 30
    losses: list[float] = []
    accuracies: list[float] = []
    start = time.perf_counter()
    columns = (
        TextColumn("   [cyan]epoch"),
        MofNCompleteColumn(),
        BarColumn(bar_width=32),
        TextColumn("loss {task.fields[loss]:.4f} · test accuracy {task.fields[accuracy]:.1%}"),
        TimeElapsedColumn(),
    )
    with Progress(*columns, console=console) as progress:
        task = progress.add_task("", total=epochs, loss=float("nan"), accuracy=0.0)
        for epoch in range(epochs):
            shuffled = rng.permutation(train)
            # Gradient descent in small batches, in shorter steps towards the end.
            rate = RATE * (1 - epoch / epochs) ** 0.5
            for first in range(0, len(shuffled), BATCH):
                batch = shuffled[first : first + BATCH]
                value, gradient = gradient_of_loss(layers, images[batch], labels[batch])
                for layer, change in zip(layers, gradient, strict=True):
                    for key in layer:
                        layer[key] -= rate * change[key]
                losses.append(float(value))
            accuracies.append(_accuracy(program, layers, images[test], labels[test]))
            recent = float(np.mean(losses[-len(shuffled) // BATCH :]))
            progress.update(task, advance=1, loss=recent, accuracy=accuracies[-1])
    seconds = time.perf_counter() - start
    predictions = np.argmax(program.scores(layers, images[test]), axis=1)
    found = Classifier(
        file,
        losses,
        accuracies,
        len(train),
        images[test].reshape(-1, 8, 8),
        labels[test],
        predictions,
        _saliency(program, layers, images[test], labels[test]),
        parameters,
        seconds,
    )
    console.print(
        f"   Test accuracy [bold green]{found.accuracy:.1%}[/] after {len(losses)} gradient steps "
        f"({seconds:.1f} s)"
    )
    return found


def _accuracy(program: ModuleType, layers: Any, images: np.ndarray, labels: np.ndarray) -> float:
    return float(np.mean(np.argmax(program.scores(layers, images), axis=1) == labels))


def _saliency(
    program: ModuleType, layers: Any, images: np.ndarray, labels: np.ndarray
) -> list[tuple[np.ndarray, int, np.ndarray]]:
    """Return the mean image of each digit and the mean gradient of its score by the pixels."""
    by_pixel = grad(program.margin)
    result = []
    for digit in range(10):
        chosen = images[labels == digit]
        pixels = by_pixel(chosen, layers, digit)
        result.append((chosen.mean(0).reshape(8, 8), digit, pixels.mean(0).reshape(8, 8)))
    return result
