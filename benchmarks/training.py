"""Steps of training beside the peers: forward, backward and Adam's update, in float32.

    python benchmarks/training.py                              # every network, one thread
    python benchmarks/training.py --programs lstm --threads 1 2 --blas-share --json figures.json
    python benchmarks/training.py --programs ten_million --peers adjoint

One command prints the table. Peers begin with the same weights, on the same data; each trains in a
process of its own, which waits while others work: they take turns, and times are medians over all
steps. Before anything is timed, the losses after one step and after five have to agree with those
of the eager tier in double precision, to 1e-4 of the first loss. What draws (dropout) draws anew at
each step, and by each peer's own generator: its losses have to be similar only.

The ratio is our time over that of the fastest of PyTorch (eager or compiled) and JAX: at most 1 is
the goal. Peak memory is what the process grew by beyond what imports and data take, in twenty steps
after the first; the first one's, which compiles, is told by ``--json``. With ``--blas-share`` the
products of matrices of our step are timed alone, too: what BLAS takes of our time.

    pip install adjoint[jit] torch jax      # torch.compile wants a C++ compiler
"""

from __future__ import annotations

import argparse
import contextlib
import importlib.metadata
import importlib.util
import json
import math
import platform
import select
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
    sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "src"))

from benchmarks.compiled import environment
from benchmarks.networks import NETWORKS
from benchmarks.peers import missing
from benchmarks.peers.table import milliseconds

PEERS = ("adjoint", "torch", "torch-compile", "jax")
RIVALS = PEERS[1:]
CHECKED, LATER = 6, (1, 5)
"""Losses are looked at of so many steps; those after so many of them have to agree."""
TOLERANCE, SIMILAR = 1e-4, 0.1
ROUND = 0.15
"""Seconds that a turn should last."""

Record = dict[str, Any]


class Trainer:
    """A process that trains a network with one peer (`benchmarks.peers.trainer`)."""

    def __init__(self, peer: str, name: str, options: argparse.Namespace, threads: int) -> None:
        self.timeout = options.timeout
        self.scratch = tempfile.TemporaryDirectory()
        self.errors = Path(self.scratch.name) / "stderr"
        arguments = ["--worker", peer, "--programs", name, "--size", options.size]
        with self.errors.open("w") as errors:
            self.process = subprocess.Popen(
                [sys.executable, str(Path(__file__).resolve()), *arguments,
                 "--threads", str(threads)],
                env=environment(threads, self.scratch.name), text=True, stdin=subprocess.PIPE,
                stdout=subprocess.PIPE, stderr=errors,
            )  # fmt: skip

    def ask(self, word: str, number: int) -> Record:
        """Return the answer; what went wrong is its "error"."""
        out = self.process.stdout
        assert self.process.stdin is not None and out is not None
        try:
            print(word, number, file=self.process.stdin, flush=True)
            ready, _, _ = select.select([out], [], [], self.timeout)
            if not ready:
                return {"error": f"took longer than {self.timeout:g} s"}
            answer = out.readline()
        except BrokenPipeError:
            answer = ""
        if answer:
            return json.loads(answer)
        last = (self.errors.read_text().strip().splitlines() or [""])[-1]
        return {"error": f"the process ended with status {self.process.wait()}: {last}"}

    def end(self) -> None:
        """End the process."""
        self.process.kill()
        self.process.communicate()
        self.scratch.cleanup()


def measure(name: str, threads: int, options: argparse.Namespace) -> Record:
    """Return the record of a network."""
    record: Record = {"name": name, "threads": threads, "peers": {}}
    peers = [*options.peers.split(","), *(["products"] if options.blas_share else [])]
    with contextlib.ExitStack() as stack:
        _, reference = _checked("reference", name, threads, options, stack)
        present = {}
        for peer in peers:
            if package := missing(peer) if peer in PEERS else "":
                record["peers"][peer] = {"error": f"{package} is not installed"}
                continue
            trainer, found = _checked(peer, name, threads, options, stack)
            record["peers"][peer] = found
            if "error" not in found and peer != "products":
                found |= compared(found["losses"], reference, bool(NETWORKS[name].dropout))
            if "error" not in found:
                present[peer] = trainer
        _take_turns(present, record, options)
    return record


def _checked(
    peer: str, name: str, threads: int, options: argparse.Namespace, stack: contextlib.ExitStack
) -> tuple[Trainer, Record]:
    trainer = Trainer(peer, name, options, threads)
    stack.callback(trainer.end)
    found = trainer.ask("check", CHECKED)
    if peer == "reference" or "error" in found:
        trainer.end()
    return trainer, found


def compared(losses: list[float], reference: Record, draws: bool) -> Record:
    """Return by how much losses disagree, and the error if that is too much."""
    if "error" in reference:
        return {"error": f"the eager tier: {reference['error']}"}
    expected = reference["losses"]
    # Of the first loss: one that has fallen a hundredfold has not lost that much of its rounding.
    worst = max(abs(losses[k] - expected[k]) for k in LATER) / abs(expected[0])
    found: Record = {"disagreement": worst}
    if not worst <= (SIMILAR if draws else TOLERANCE):
        found["error"] = f"losses disagree by {worst:.1e}"
    elif draws and len(set(losses)) < len(losses):
        found["error"] = "does not draw anew at each step"
    elif not draws and not losses[-1] < losses[0]:
        found["error"] = "the loss does not fall"
    return found


def _take_turns(trainers: dict[str, Trainer], record: Record, options: argparse.Namespace) -> None:
    """Time steps of all, one turn of each a round, in turned order."""
    steps: dict[str, int] = {}
    spent, rounds = dict.fromkeys(trainers, 0.0), 0
    samples: dict[str, dict[str, list[float]]] = {p: {"wall": [], "process": []} for p in trainers}
    by_round: dict[str, dict[str, list[float]]] = {p: {"wall": [], "process": []} for p in trainers}
    while trainers and (rounds < 2 or max(spent.values()) < options.seconds):
        names = list(trainers)
        turn = rounds % len(names)
        for peer in names[turn:] + names[:turn]:
            began = time.perf_counter()
            found = trainers[peer].ask("time", steps.get(peer, 2))
            if "error" in found:
                record["peers"][peer]["error"] = found["error"]
                del trainers[peer], spent[peer]
                continue
            for clock in ("wall", "process"):
                samples[peer][clock] += found[clock]
                by_round[peer][clock].append(statistics.median(found[clock]))
            spent[peer] += time.perf_counter() - began
            steps[peer] = max(2, min(200, round(ROUND / statistics.median(found["wall"]))))
        rounds += 1
    for peer in trainers:
        found = record["peers"][peer]
        found["steps"] = len(samples[peer]["wall"])
        for clock in ("wall", "process"):
            found[clock] = statistics.median(samples[peer][clock])
            found[f"{clock} to compile"] = max(0.0, found["first call"][clock] - found[clock])
            if "adjoint" in trainers:
                pairs = zip(by_round["adjoint"][clock], by_round[peer][clock], strict=True)
                found[f"adjoint over it by {clock}"] = statistics.median(a / b for a, b in pairs)


# ------------------------------------------------------------------------------------- the table


class Table:
    """The layout: a line a network and peer."""

    def __init__(self, clock: str) -> None:
        self.clock = clock
        self.columns = (
            f"{'':20}{'peer':>14}{'ms a step':>11}{'ours/it':>9}{'compile s':>11}"
            f"{'peak MiB':>10}{'/torch':>8}{'busy':>6}{'disagree':>10}"
        )

    def head(self, options: argparse.Namespace, threads: int) -> str:
        """Return what was run, and the names of the columns."""
        packages = ["numpy", *(p for p in ("torch", "jax", "llvmlite") if _installed(p))]
        versions = ", ".join(f"{p} {importlib.metadata.version(p)}" for p in packages)
        return "\n".join(
            [
                f"Python {platform.python_version()}, {versions}",
                f"size {options.size}, {threads} thread{'s' if threads > 1 else ''}, {self.clock} "
                "time; ours/it: at most 1 is as fast as it or faster",
                "",
                self.columns,
                "-" * len(self.columns),
            ]
        )

    def lines(self, record: Record) -> str:
        """Return the lines of a network."""
        lines, peers = [], record["peers"]
        for peer, found in peers.items():
            title = record["name"] if peer == next(iter(peers)) else ""
            line = f"{title:20}{peer:>14}"
            if self.clock not in found:
                lines.append(f"{line}  failed: {found.get('error', 'not timed')[:90]}")
                continue
            line += f"{milliseconds(found[self.clock]):>11}"
            if peer == "products":
                share = self.share(record)
                lines.append(f"{line}  of ours{'' if share is None else f': {share:.0%}'}")
                continue
            ratio = found.get(f"adjoint over it by {self.clock}")
            line += f"{_ratio(ratio if peer != 'adjoint' else self.to_best(record)):>9}"
            line += f"{found[f'{self.clock} to compile']:>11.2f}{found['memory']:>10.1f}"
            line += f"{_ratio(self.memory_ratio(record, peer)):>8}"
            line += f"{found['process'] / found['wall']:>6.2f}{found['disagreement']:>10.1e}"
            lines.append(line)
        return "\n".join(lines)

    def best(self, record: Record) -> str | None:
        """Return the fastest of the others."""
        times = {p: t for p in RIVALS if (t := record["peers"].get(p, {}).get(self.clock))}
        return min(times, key=lambda p: times[p]) if times else None

    def to_best(self, record: Record) -> float | None:
        """Return our time over the fastest other's."""
        best = self.best(record)
        return record["peers"][best].get(f"adjoint over it by {self.clock}") if best else None

    def share(self, record: Record) -> float | None:
        """Return the products' part of our time."""
        found = record["peers"]["products"].get(f"adjoint over it by {self.clock}")
        return 1 / found if found else None

    def memory_ratio(self, record: Record, peer: str) -> float | None:
        """Return a peer's peak memory over PyTorch eager's."""
        peers = record["peers"]
        ours, theirs = (peers.get(p, {}).get("memory") for p in (peer, "torch"))
        return ours / theirs if ours and theirs else None

    def summary(self, records: list[Record]) -> str:
        """Return our ratios to the best other, and of memory to PyTorch's."""
        ratios = {r["name"]: x for r in records if (x := self.to_best(r))}
        memory = {r["name"]: x for r in records if (x := self.memory_ratio(r, "adjoint"))}
        lines = [""]
        for title, found in (("time, ours over the best", ratios), ("memory over PyTorch", memory)):
            if found:
                mean = math.exp(statistics.fmean(map(math.log, found.values())))
                worst = max(found, key=lambda name: found[name])
                lines.append(
                    f"{title}: geometric mean {mean:.2f}, worst {found[worst]:.2f} ({worst})"
                )
        return "\n".join(lines)


def _ratio(x: float | None) -> str:
    return "–" if x is None or math.isnan(x) else f"{x:.2f}"


def _installed(package: str) -> bool:
    return importlib.util.find_spec(package) is not None


# -------------------------------------------------------------------------------------- the command


def parse(arguments: list[str] | None) -> argparse.Namespace:
    """Return the options."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--programs", default=",".join(NETWORKS))
    parser.add_argument("--peers", default=",".join(PEERS))
    parser.add_argument("--size", default="full", choices=("full", "tiny"))
    parser.add_argument("--threads", type=int, nargs="+", default=[1])
    parser.add_argument("--clock", choices=("process", "wall"), help="that the table shows")
    parser.add_argument("--seconds", type=float, default=3.0, help="to time each peer for")
    parser.add_argument("--blas-share", action="store_true", help="time our products alone, too")
    parser.add_argument("--timeout", type=float, default=600.0, help="seconds for an answer")
    parser.add_argument("--json", type=Path, help="where to write all figures")
    parser.add_argument("--worker", help=argparse.SUPPRESS)
    options = parser.parse_args(arguments)
    for what, known in (("programs", NETWORKS), ("peers", PEERS)):
        for name in getattr(options, what).split(","):
            if name not in known:
                raise SystemExit(f"there is no {name!r} among the {what}: {', '.join(known)}")
    return options


def main(arguments: list[str] | None = None) -> None:
    """Print the table, some lines as soon as a network is done."""
    options = parse(arguments)
    if options.worker:
        from benchmarks.peers.trainer import serve

        serve(options.worker, options.programs, options.size, options.threads[0])
        return
    everything: list[Record] = []
    for threads in options.threads:
        table = Table(options.clock or ("process" if threads == 1 else "wall"))
        print(table.head(options, threads), flush=True)
        records: list[Record] = []
        for name in options.programs.split(","):
            records.append(measure(name, threads, options))
            print(table.lines(records[-1]), flush=True)
            if options.json:
                options.json.write_text(json.dumps(everything + records, indent=1))
        everything += records
        print(table.summary(records), flush=True)


if __name__ == "__main__":
    main()
