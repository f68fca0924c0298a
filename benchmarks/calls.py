"""What surrounds arithmetic, beside the peers: small functions, a small loop, large arrays.

    python benchmarks/calls.py                               # all three tables, one thread
    python benchmarks/calls.py --tables large --threads 2
    python benchmarks/calls.py --tables loop --peers adjoint,jax --processes 5

One command prints Markdown tables. As in ``compiled.py``, all peers run in one process on the same
data, in double precision, each is compared with a reference before it is timed, and times are
medians of interleaved rounds, by process time where there is one thread and by wall time otherwise.
Every table is measured in several processes, of which the medians are shown; the first call is one
of a process that has compiled something before, and reads nothing from a cache. JAX and PyTorch are
given arrays of their own.

    pip install adjoint[jit] jax torch
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
    sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "src"))

from benchmarks.compiled import TOLERANCE, environment, told
from benchmarks.peers import missing

TITLES = {
    "dispatch": "Calls",
    "loop": "Euler's method for Lorenz's equations",
    "large": "A million numbers",
}
PEERS = ("adjoint", "numpy", "jax", "torch")
COMPILERS = ("adjoint", "jax")

Figures = dict[str, dict[str, float]]


def duration(seconds: float | None) -> str:
    """Return three digits of a time and its unit."""
    if seconds is None:
        return "–"
    for unit, size in (("s", 1.0), ("ms", 1e-3), ("µs", 1e-6)):
        if seconds >= size or unit == "µs":
            return f"{seconds / size:#.3g}".rstrip(".") + f" {unit}"
    raise AssertionError


def work(options: argparse.Namespace) -> dict[str, Figures]:
    """Measure one table in this process: by line and peer the times, or an error."""
    from benchmarks.peers import load
    from benchmarks.peers.calls import TABLES
    from benchmarks.peers.measure import first_call, interleaved, paired_ratio
    from benchmarks.peers.task import disagreement

    peers = options.peers.split(",")
    for peer in peers:
        load(peer).setup(options.threads)
    lines: dict[str, Any] = {}
    for case in TABLES[options.worker](peers):
        found = lines[case.name] = {}
        present = {}
        for peer, run in case.runs.items():
            try:
                first, result = first_call(run)
                error = disagreement(run.flat(result), case.expected)
            except Exception as failure:
                found[peer] = {"error": told(failure)}
                continue
            if error <= TOLERANCE:
                present[peer], found[peer] = run, {"first": first[options.clock]}
            else:
                found[peer] = {"error": f"disagrees by {error:.1e}"}
        times = interleaved(present, options.seconds)
        for peer, measured in times.items():
            found[peer]["later"] = measured.median(options.clock)
            if "adjoint" in times:
                ratio = paired_ratio(measured, times["adjoint"], options.clock)
                found[peer]["over adjoint"] = ratio
    return lines


def measure(table: str, options: argparse.Namespace) -> dict[str, Figures]:
    """Return the medians over several processes of a table's figures."""
    runs = []
    for _ in range(options.processes):
        with tempfile.TemporaryDirectory() as scratch:
            out = Path(scratch) / "lines.json"
            command = [sys.executable, str(Path(__file__).resolve()), "--worker", table]
            command += ["--json", str(out), "--peers", options.peers, "--clock", options.clock]
            command += ["--threads", str(options.threads), "--seconds", str(options.seconds)]
            subprocess.run(command, env=environment(options.threads, scratch), check=True)
            runs.append(json.loads(out.read_text()))
    return {name: _medians([run[name] for run in runs]) for name in runs[0]}


def _medians(lines: list[Figures]) -> Figures:
    """Return one line's figures: medians of numbers, the first of errors."""
    merged: Any = {}
    for peer in lines[0]:
        found = [line[peer] for line in lines]
        wrong = [f for f in found if "error" in f]
        merged[peer] = (
            wrong[0]
            if wrong
            else {key: statistics.median(f[key] for f in found) for key in found[0]}
        )
    return merged


def markdown(table: str, lines: dict[str, Figures], peers: list[str]) -> str:
    """Return a table: times, the fastest peer's over ours, first calls."""
    compilers = [p for p in COMPILERS if p in peers]
    columns = ["", *peers, "fastest / adjoint"]
    columns += [f"first call: {', '.join(compilers)}"] if table != "dispatch" else []
    rows = [f"| {' | '.join(columns)} |", "|" + "---|" * len(columns)]
    notes = []
    for name, found in lines.items():
        others = {p: f["over adjoint"] for p, f in found.items() if "over adjoint" in f}
        others.pop("adjoint", None)
        cells = [name, *(duration(found.get(p, {}).get("later")) for p in peers)]
        cells.append(f"{min(others.values()):.3g}" if others else "–")
        if table != "dispatch":
            cells.append(", ".join(duration(found.get(p, {}).get("first")) for p in compilers))
        rows.append(f"| {' | '.join(cells)} |")
        notes += [f"{p}, {name}: {f['error']}" for p, f in found.items() if "error" in f]
    return "\n".join([f"### {TITLES[table]}", "", *rows, *([""] if notes else []), *notes])


def main(arguments: list[str] | None = None) -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--tables", default=",".join(TITLES), help="dispatch, loop, large")
    parser.add_argument("--peers", default=",".join(PEERS))
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--clock", choices=("process", "wall"), help="process for one thread")
    parser.add_argument("--processes", type=int, default=3, help="to take medians of")
    parser.add_argument("--seconds", type=float, default=0.3, help="to repeat each run for")
    parser.add_argument("--json", type=Path, help="where to write the figures")
    parser.add_argument("--worker", choices=tuple(TITLES), help=argparse.SUPPRESS)
    options = parser.parse_args(arguments)
    options.clock = options.clock or ("process" if options.threads == 1 else "wall")
    if options.worker:
        options.json.write_text(json.dumps(work(options)))
        return
    for names, known in ((options.tables, TITLES), (options.peers, PEERS)):
        if unknown := set(names.split(",")) - set(known):
            parser.error(f"no {', '.join(sorted(unknown))}; there are: {', '.join(known)}")
    peers = [peer for peer in options.peers.split(",") if not missing(peer)]
    options.peers = ",".join(peers)
    count = f"{options.threads} thread{'s' if options.threads > 1 else ''}"
    print(f"{count}, {options.clock} time, medians of {options.processes} processes\n")
    figures = {}
    for table in options.tables.split(","):
        figures[table] = measure(table, options)
        print(markdown(table, figures[table], peers) + "\n", flush=True)
    if options.json:
        options.json.write_text(json.dumps(figures, indent=1))


if __name__ == "__main__":
    main()
