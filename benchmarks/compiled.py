"""Compiled programs beside the peers: values and gradients, forward times, compile times.

    python benchmarks/compiled.py                             # every program at size S, one thread
    python benchmarks/compiled.py --programs cholesky,lu --size M
    python benchmarks/compiled.py --group adbench --data FOLDER
    python benchmarks/compiled.py --threads 2 --json figures.json

One command prints the table. All peers run in one process a program, on the same data, in double
precision; before anything is timed, each has to agree with the eager tier to 1e-8. Times are
medians of interleaved rounds, ratios medians over the rounds of paired samples: by process time
where there is one thread, by wall time otherwise (``--clock``; the file of figures has both). Of a
program of the suite the derivative is the value and gradient of Σ ⟨w, result⟩ with random w; of
ADBench's problems it is what ADBench defines. What the first call takes over a later one is the
compile time; nothing is read from a cache.

    pip install adjoint[jit] jax numba torch autograd casadi
    pip install --pre dace     # for --peers adjoint,jax,dace,torch-compile; a C++ compiler, too
"""

from __future__ import annotations

import argparse
import ast
import inspect
import json
import os
import subprocess
import sys
import tempfile
import textwrap
from pathlib import Path
from typing import Any

if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
    sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "src"))

from benchmarks.peers import ON_REQUEST, PEERS, missing
from benchmarks.peers.table import Table

ROOT = Path(__file__).resolve().parent.parent
TOLERANCE = 1e-8
ADBENCH = ("gmm", "ba", "hand_simple", "hand_complicated", "lstm")


def environment(threads: int, scratch: str) -> dict[str, str]:
    """Return the environment of a process with so many threads, without caches of compiled code."""
    eigen = "true" if threads > 1 else "false"
    names = ("OMP", "OPENBLAS", "MKL", "NUMBA", "VECLIB_MAXIMUM")
    return {
        **os.environ,
        **{f"{name}_NUM_THREADS": str(threads) for name in names},
        "XLA_FLAGS": f"--xla_cpu_multi_thread_eigen={eigen} intra_op_parallelism_threads={threads}",
        "NPROC": str(threads),
        "ADJOINT_CACHE": "0",
        "JAX_PLATFORMS": "cpu",
        "TMPDIR": scratch,
        "PYTHONPATH": os.pathsep.join([str(ROOT / "src"), str(ROOT)]),
    }


# ------------------------------------------------------------------------------------- the worker


def task_of(name: str, size: str, data: Path | None) -> Any:
    """Return the task of a program's name, or of the name of an instance of ADBench."""
    from benchmarks.peers.task import program_task
    from benchmarks.programs import PROGRAMS

    if name in PROGRAMS and name not in ADBENCH:
        return program_task(PROGRAMS[name], size)
    from benchmarks.peers.adbench_tasks import instance_task

    return instance_task(name, data)


def told(error: BaseException) -> str:
    """Return an error's kind and the first line of its message."""
    lines = str(error).strip().splitlines() or [""]
    return f"{type(error).__name__}: {textwrap.shorten(lines[0], 110, placeholder=' …')}"


def work(options: argparse.Namespace) -> dict[str, Any]:
    """Measure one program with every peer and return its record."""
    from benchmarks.peers import load
    from benchmarks.peers.measure import first_call, interleaved, paired_ratio
    from benchmarks.peers.task import NotWritten, disagreement

    task = task_of(options.worker, options.size, options.data)
    forward, derivative = task.reference()
    expected = {"forward": forward, "derivative": derivative}
    record: dict[str, Any] = {"name": task.name, "problem": task.problem, "peers": {}}
    runs: dict[str, dict[str, Any]] = {"forward": {}, "derivative": {}}
    for peer in options.peers.split(","):
        found = record["peers"][peer] = {}
        try:
            module = load(peer)
            module.setup(options.threads)
            prepared = module.prepare(task)
        except NotWritten as reason:
            found["absent"] = str(reason)
            continue
        except Exception as error:
            found["error"] = told(error)
            continue
        for kind in runs:
            run = getattr(prepared, kind)
            if run is None or (kind == "forward" and peer not in options.forward.split(",")):
                continue
            try:
                seconds, result = first_call(run)
                error = disagreement(run.flat(result), expected[kind])
            except Exception as failure:
                found["error"] = f"{kind}: {told(failure)}"
                continue
            result = None
            found[kind] = {"first call": seconds, "disagreement": error}
            if error <= TOLERANCE:
                runs[kind][peer] = run
            else:
                found["error"] = f"{kind}: disagrees with the eager tier by {error:.1e}"
    for kind, present in runs.items():
        times = interleaved(present, options.seconds)
        for peer, measured in times.items():
            found = record["peers"][peer][kind]
            for clock in ("wall", "process"):
                found[clock] = measured.median(clock)
                if "adjoint" in times:
                    found[f"{clock} over adjoint"] = paired_ratio(measured, times["adjoint"], clock)
                compiling = found["first call"][clock] - measured.least(clock)
                found[f"{clock} to compile"] = max(0.0, compiling)
            found["rounds"] = len(measured.wall)
    return record


# ------------------------------------------------------------------------------------- the parent


def has_loop(name: str) -> bool:
    """Tell whether a program has loops in Python: its function or a helper of its module."""
    from benchmarks.programs import PROGRAMS

    if name not in PROGRAMS:
        return True
    tree = ast.parse(inspect.getsource(inspect.getmodule(PROGRAMS[name].function)))  # type: ignore[arg-type]
    functions = [n for n in tree.body if isinstance(n, ast.FunctionDef) and n.name != "inputs"]
    return any(isinstance(n, (ast.For, ast.While)) for f in functions for n in ast.walk(f))


def measure(name: str, options: argparse.Namespace) -> dict[str, Any]:
    """Return the record of a program, measured in a process of its own."""
    with tempfile.TemporaryDirectory() as scratch:
        out = Path(scratch) / "record.json"
        command = [
            sys.executable, str(Path(__file__).resolve()),
            "--worker", name, "--json", str(out), "--size", options.size,
            "--peers", options.peers, "--forward", options.forward,
            "--threads", str(options.threads), "--seconds", str(options.seconds),
        ]  # fmt: skip
        if options.data:
            command += ["--data", str(options.data)]
        record: dict[str, Any] = {"name": name, "problem": name, "peers": {}}
        try:
            done = subprocess.run(
                command,
                env=environment(options.threads, scratch),
                capture_output=True,
                text=True,
                timeout=options.timeout,
            )
        except subprocess.TimeoutExpired:
            record["error"] = f"took longer than {options.timeout} s"
        else:
            if done.returncode or not out.exists():
                last = (done.stderr.strip().splitlines() or [""])[-1]
                record["error"] = f"the process ended with status {done.returncode}: {last}"
            else:
                record = json.loads(out.read_text())
        record["loop"] = has_loop(record["problem"])
        return record


def names_of(options: argparse.Namespace) -> list[str]:
    """Return the programs and instances that were asked for."""
    from benchmarks.adbench import instances
    from benchmarks.programs import PROGRAMS

    suite = [name for name in PROGRAMS if name not in ADBENCH]
    adbench = [instance.name for instance in instances()]
    chosen = {"programs": suite, "adbench": adbench, "all": suite + adbench}[options.group]
    if not options.programs:
        return chosen
    known, wanted = suite + adbench, []
    for part in options.programs.split(","):
        matching = [part] if part in known else [n for n in adbench if part in n]
        if not matching:
            raise SystemExit(f"no program or instance is named {part!r}; there are: {known}")
        wanted += matching
    return wanted


def parse(arguments: list[str] | None) -> argparse.Namespace:
    """Return the options."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--size", default="S", help="of the suite's programs (tiny, S, M)")
    parser.add_argument("--programs", default="", help="names; parts of ADBench's instances' names")
    parser.add_argument("--group", choices=("programs", "adbench", "all"), default="programs")
    parser.add_argument("--peers", default=",".join(p for p in PEERS if p not in ON_REQUEST))
    parser.add_argument("--forward", default="adjoint,numpy,numba", help="peers to time forward")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--clock", choices=("process", "wall"), help="that the table shows")
    parser.add_argument("--seconds", type=float, default=1.0, help="to repeat each run for")
    parser.add_argument("--timeout", type=float, default=900.0, help="seconds a program may take")
    parser.add_argument("--data", type=Path, default=os.environ.get("ADJOINT_DATA"))
    parser.add_argument("--json", type=Path, help="where to write all figures")
    parser.add_argument("--worker", help=argparse.SUPPRESS)
    return parser.parse_args(arguments)


def main(arguments: list[str] | None = None) -> None:
    """Print the table, a line as soon as a program is done."""
    options = parse(arguments)
    if options.worker:
        options.json.write_text(json.dumps(work(options)))
        return
    wanted = options.peers.split(",")
    for peer in wanted:
        if peer not in PEERS:
            raise SystemExit(f"no peer is named {peer!r}; there are: {', '.join(PEERS)}")
        if package := missing(peer):
            print(f"{peer} is left out: {package} is not installed")
    present = [peer for peer in wanted if not missing(peer)]
    options.peers = ",".join(present)
    table = Table(present, options.clock or ("process" if options.threads == 1 else "wall"))
    print(table.head(options.size, options.threads), flush=True)
    records = []
    for name in names_of(options):
        records.append(measure(name, options))
        print(table.line(records[-1]), flush=True)
        if options.json:
            options.json.write_text(json.dumps(records, indent=1))
    print(table.summary(records))


if __name__ == "__main__":
    main()
