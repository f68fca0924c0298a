"""ADBench's four problems: time of the objective, time of the derivative, agreement.

    python benchmarks/adbench.py                       # on inputs made from a seed
    python benchmarks/adbench.py --data FOLDER         # on ADBench's files, against its references
    python benchmarks/adbench.py --only gmm/1k_d10_K25

FOLDER holds ``adbench/{gmm,ba,hand,lstm}``. The derivatives are those that ADBench defines: the
gradients of GMM and LSTM, the sparse Jacobian of BA, HAND's Jacobian with compressed columns for u.
"""

from __future__ import annotations

import argparse
import os
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

if __name__ == "__main__":
    for _name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
        os.environ.setdefault(_name, "1")
    sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import numpy as np

import adjoint as ad
from benchmarks.programs.adbench_data import (
    disagreement,
    random_gmm,
    read_ba,
    read_gmm,
    read_hand,
    read_lstm,
)
from benchmarks.programs.ba import PROGRAM as BA
from benchmarks.programs.ba import ba, observation_errors
from benchmarks.programs.gmm import gmm
from benchmarks.programs.hand import PROGRAMS as HANDS
from benchmarks.programs.hand import hand_complicated, hand_simple
from benchmarks.programs.lstm import PROGRAM as LSTM
from benchmarks.programs.lstm import lstm

Results = dict[str, np.ndarray]

# ---------------------------------------------------------------------------------- the derivatives


def gmm_derivative(args: tuple[Any, ...]) -> Results:
    """Return the objective and its gradient by alphas, means and icf."""
    value, (alphas, means, icf) = ad.value_and_grad(gmm, (0, 1, 2))(*args)
    return {"objective": value, "alphas": alphas, "means": means, "icf": icf}


def lstm_derivative(args: tuple[Any, ...]) -> Results:
    """Return the loss and its gradient by main and extra, flat in the order of the file."""
    value, (main, extra) = ad.value_and_grad(lstm, (0, 1))(*args)
    return {"objective": value, "main": np.ravel(main), "extra": np.ravel(extra)}


def ba_derivative(args: tuple[Any, ...]) -> Results:
    """Return the errors and the sparse Jacobian's values: blocks (p, 2, 15) and weights' (p,).

    An observation's errors depend on its own camera, point and weight alone, so that one reverse
    sweep gives a row of every block.
    """
    cameras, points, weights, features, camera_of, point_of = args
    errors, pullback = ad.vjp(
        lambda c, x, w: observation_errors(c, x, w, features),
        cameras[camera_of],
        points[point_of],
        weights,
    )
    block = np.empty((len(weights), 2, 15))
    for row in range(2):
        seed = np.zeros_like(errors)
        seed[:, row] = 1
        by_camera, by_point, by_weight = pullback(seed)
        block[:, row, :11], block[:, row, 11:14] = by_camera, by_point
        block[:, row, 14] = by_weight
    weight_error, pull_weight = ad.vjp(lambda w: 1 - w**2, weights)
    (weight_derivative,) = pull_weight(np.ones_like(weight_error))
    return {
        "reprojection_error": errors,
        "weight_error": weight_error,
        "block": block,
        "weight_derivative": weight_derivative,
    }


def ba_derivative_forward(args: tuple[Any, ...]) -> Results:
    """Return what `ba_derivative` does, from the whole program with a seed for each column.

    The columns of one number of every camera (point, weight) meet in no row: 15 tangents suffice.
    """
    cameras, points, weights, *rest = args
    (errors, weight_error), push = ad.linearize(
        lambda c, x, w: ba(c, x, w, *rest), cameras, points, weights
    )
    zero = [np.zeros_like(cameras), np.zeros_like(points), np.zeros_like(weights)]
    block = np.empty((len(weights), 2, 15))
    weight_derivative = np.empty(len(weights))
    for column, (argument, k) in enumerate(
        [(0, k) for k in range(11)] + [(1, k) for k in range(3)] + [(2, 0)]
    ):
        seeds = [z.copy() for z in zero]
        seeds[argument].reshape(len(zero[argument]), -1)[:, k] = 1
        block[:, :, column], weight_derivative = push(*seeds)
    return {
        "reprojection_error": errors,
        "weight_error": weight_error,
        "block": block,
        "weight_derivative": weight_derivative,
    }


def hand_simple_derivative(args: tuple[Any, ...]) -> Results:
    """Return the residual (3N,) and its Jacobian by theta (3N, 26)."""
    theta, *rest = args
    residual, push = ad.linearize(lambda t: hand_simple(t, *rest), theta)
    columns = [np.ravel(push(unit)) for unit in np.eye(len(theta))]
    return {"residual": np.ravel(residual), "jacobian": np.stack(columns, axis=1)}


def hand_complicated_derivative(args: tuple[Any, ...]) -> Results:
    """Return the residual (3N,) and its Jacobian (3N, 28): compressed by u, then by theta."""
    theta, u, *rest = args
    residual, push = ad.linearize(lambda t, v: hand_complicated(t, v, *rest), theta, u)
    columns = []
    for k in range(2):
        seed = np.zeros_like(u)
        seed[:, k] = 1
        columns.append(np.ravel(push(np.zeros_like(theta), seed)))
    for unit in np.eye(len(theta)):
        columns.append(np.ravel(push(unit, np.zeros_like(u))))
    return {"residual": np.ravel(residual), "jacobian": np.stack(columns, axis=1)}


# ------------------------------------------------------------------------------------ the instances


@dataclass(frozen=True)
class Instance:
    """A problem with an input: how to read it or make it, and what to compute."""

    name: str
    objective: Callable[..., Any]
    derivative: Callable[[tuple[Any, ...]], Results]
    read: Callable[[Path, str], tuple[Any, ...]]
    make: Callable[[], tuple[Any, ...]]

    def arguments(self, data: Path | None) -> tuple[Any, ...]:
        """Return the program's arguments from the files below ``data``, or made from a seed."""
        if data is None:
            return self.make()
        path = data / "adbench" / self.name
        return self.read(path.parent, path.name)

    def reference(self, data: Path) -> Results:
        """Return the reference values and derivatives of the file."""
        with np.load(data / "adbench" / f"{self.name}.reference.npz") as file:
            return {key: file[key] for key in file}


def instances() -> Iterator[Instance]:
    """Yield every instance of the data, smallest first in each problem."""
    gmms = ["1k_d2_K5", "1k_d10_K25", "1k_d32_K50", "10k_d10_K25", "10k_d20_K50"]
    extents = [(1000, 2, 5), (1000, 10, 25), (1000, 32, 50), (10000, 10, 25), (10000, 20, 50)]
    for name, (n, d, k) in zip(gmms, extents):
        make = lambda n=n, d=d, k=k: random_gmm(0, n, d, k)
        yield Instance(f"gmm/{name}", gmm, gmm_derivative, read_gmm, make)
    for name, size in [("ba1_n49_m7776_p31843", "S"), ("ba5_n257_m65132_p225911", "M")]:
        yield Instance(
            f"ba/{name}", ba, ba_derivative, read_ba, lambda size=size: BA.inputs(size, 0)
        )
    derivatives = (hand_simple_derivative, hand_complicated_derivative)
    for program, derivative in zip(HANDS, derivatives):
        kind = program.name.removeprefix("hand_")
        for scale, name, size in [("small", "hand1_t26_c100", "S"), ("big", "hand5_t26_c800", "M")]:
            make = lambda program=program, size=size: program.inputs(size, 0)
            where = f"hand/{kind}_{scale}/{name}"
            yield Instance(where, program.function, derivative, read_hand, make)
    for name, size in [("lstm_l2_c1024", "S"), ("lstm_l4_c1024", "M"), ("lstm_l4_c4096", "L")]:
        make = lambda size=size: LSTM.inputs(size, 0)
        yield Instance(f"lstm/{name}", lstm, lstm_derivative, read_lstm, make)


def worst_disagreement(found: Results, reference: Results) -> float:
    """Return ADBench's measure over all entries; BA's file holds one observation for all."""
    worst = 0.0
    for key, expected in reference.items():
        value = np.asarray(found[key])
        if value.ndim == expected.ndim + 1:
            expected = np.broadcast_to(expected, value.shape)
        worst = max(worst, disagreement(value, expected))
    return worst


def best_time(run: Callable[[], Any], budget: float) -> tuple[float, Any]:
    """Return the best seconds of calls within the budget (at least two), and a result."""
    best, spent, calls = float("inf"), 0.0, 0
    result = None
    while calls < 2 or (spent < budget and calls < 200):
        result = None  # what the last call holds is given back before the next
        start = time.perf_counter()
        result = run()
        took = time.perf_counter() - start
        best, spent, calls = min(best, took), spent + took, calls + 1
    return best, result


def line(instance: Instance, data: Path | None, seconds: float) -> str:
    """Measure an instance and return its line of the table."""
    args = instance.arguments(data)
    objective, _ = best_time(lambda: instance.objective(*args), seconds)
    derivative, found = best_time(lambda: instance.derivative(args), seconds)
    agreement = ""
    if data is not None:
        agreement = f"{worst_disagreement(found, instance.reference(data)):.1e}"
    return (
        f"{instance.name:38} {objective * 1e3:8.2f} ms {derivative * 1e3:8.2f} ms "
        f"{derivative / objective:7.1f}  {agreement}"
    )


def main() -> None:
    """Print a line an instance."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--data", type=Path, default=os.environ.get("ADJOINT_DATA"))
    parser.add_argument("--only", default="", help="instances whose name contains this")
    parser.add_argument("--seconds", type=float, default=2.0, help="how long to repeat each")
    options = parser.parse_args()
    data = None if options.data is None else Path(options.data)
    print(f"{'instance':38} {'objective':>11} {'derivative':>11} {'ratio':>7}  disagreement")
    for instance in instances():
        if options.only in instance.name:
            print(line(instance, data, options.seconds), flush=True)


if __name__ == "__main__":
    main()
