"""The table: a line a program, then means and what is missing and why."""

from __future__ import annotations

import importlib.metadata
import math
import platform
import statistics
from typing import Any

from benchmarks.peers import missing

__all__ = ["Table"]

Record = dict[str, Any]
EXPERT = "jax-expert"
FORWARD_ONLY = ("numpy", "numba")
UNCOMPILED = ("torch", "autograd")
BUSY = 1.2
"""Process time over wall time from which on more than one thread is said to work."""


def milliseconds(seconds: float | None) -> str:
    """Return three digits of a time in milliseconds."""
    if seconds is None:
        return "–"
    value = seconds * 1e3
    digits = max(0, min(4, 2 - math.floor(math.log10(value)))) if value > 0 else 4
    return f"{value:.{digits}f}"


def times(ratio: float | None) -> str:
    """Return how many times faster."""
    return "–" if ratio is None else f"{ratio:.2f}" if ratio < 10 else f"{ratio:.0f}"


class Table:
    """The layout for the peers of a run and the clock that counts."""

    def __init__(self, peers: list[str], clock: str) -> None:
        self.clock = clock
        self.peers = peers
        self.rivals = [p for p in peers if p not in ("adjoint", *FORWARD_ONLY)]
        self.forward = [p for p in ("adjoint", *FORWARD_ONLY) if p in peers]

    def figure(self, record: Record, peer: str, kind: str, what: str) -> float | None:
        """Return a figure of a peer, None where it has none."""
        return record["peers"].get(peer, {}).get(kind, {}).get(what)

    def ratio(self, record: Record, peer: str, kind: str) -> float | None:
        """Return the peer's time over ours, paired."""
        return self.figure(record, peer, kind, f"{self.clock} over adjoint")

    def fastest(self, record: Record) -> str | None:
        """Return the fastest peer as a user would write it."""
        found = {
            p: t
            for p in self.rivals
            if p != EXPERT and (t := self.figure(record, p, "derivative", self.clock)) is not None
        }
        return min(found, key=lambda p: found[p]) if found else None

    def head(self, size: str, threads: int) -> str:
        """Return what was run, and the names of the columns."""
        variants = ("adjoint", "numpy", EXPERT, "torch-compile")
        packages = ["numpy", *(p for p in self.peers if p not in variants)]
        if not missing("adjoint"):
            packages.append("llvmlite")
        versions = ", ".join(f"{p} {importlib.metadata.version(p)}" for p in packages)
        lines = [
            f"Python {platform.python_version()}, {versions}",
            f"size {size}, {threads} thread{'s' if threads > 1 else ''}, milliseconds of "
            f"{self.clock} time; times: the peer's over ours (more than 1: ours is faster)",
        ]
        rivals = "".join(f"{p:>{_width(p)}}" for p in self.rivals)
        groups = f"{'':26}|{'derivative':^{9 + len(rivals) + 22}}|{'compile':^{9 + len(rivals)}}"
        groups += f"|{'forward':^{9 * len(self.forward)}}"
        columns = f"{'':26}|{'adjoint':>9}{rivals}{'fastest':>15}{'times':>6} |{'adjoint':>9}"
        columns += rivals + "|" + "".join(f"{p:>9}" for p in self.forward)
        return "\n".join([*lines, "", groups, columns, "-" * len(columns)])

    def line(self, record: Record) -> str:
        """Return the line of a program."""
        name = record["name"]
        name = f"{name if len(name) <= 26 else name[:25] + '…':26}|"
        if "error" in record:
            return f"{name} {record['error']}"
        cells = [
            f"{milliseconds(self.figure(record, p, 'derivative', self.clock)):>{_width(p)}}"
            for p in ("adjoint", *self.rivals)
        ]
        best = self.fastest(record)
        ratio = None if best is None else self.ratio(record, best, "derivative")
        cells.append(f"{best or '–':>15}{times(ratio):>6} |")
        compiling = f"{self.clock} to compile"
        cells += [
            f"{milliseconds(self.figure(record, p, 'derivative', compiling)):>{_width(p)}}"
            for p in ("adjoint", *self.rivals)
        ]
        cells.append("|")
        cells += [
            f"{milliseconds(self.figure(record, p, 'forward', self.clock)):>9}"
            for p in self.forward
        ]
        return name + "".join(cells)

    def summary(self, records: list[Record]) -> str:
        """Return geometric means, medians and worst cases, and why figures are missing."""
        done = [r for r in records if "error" not in r]
        loops = [r for r in done if r["loop"]]
        lines = ["", f"Over {len(loops)} programs with loops, value and gradient:"]
        for peer in self.rivals:
            ratios = {r["name"]: self.ratio(r, peer, "derivative") for r in loops}
            lines.append(_spread(f"{peer} / adjoint", ratios))
        fastest = {
            r["name"]: self.ratio(r, p, "derivative") for r in loops if (p := self.fastest(r))
        }
        lines.append(_spread("fastest as written / adjoint", fastest))
        lines.append(f"Over all {len(done)}, forward:")
        for peer in self.forward[1:]:
            ratios = {r["name"]: self.ratio(r, peer, "forward") for r in done}
            lines.append(_spread(f"{peer} / adjoint", ratios))
        lines.append(f"Over all {len(done)}, compile time of value and gradient:")
        what = f"{self.clock} to compile"
        for peer in (p for p in self.rivals if p not in UNCOMPILED):
            ratios = {}
            for r in done:
                ours = self.figure(r, "adjoint", "derivative", what)
                theirs = self.figure(r, peer, "derivative", what)
                ratios[r["name"]] = theirs / ours if ours and theirs else None
            lines.append(_spread(f"{peer} / adjoint", ratios))
        if self.clock == "wall":
            lines.append("Threads at work on value and gradient (process over wall time):")
            lines += [self._busy(peer, done) for peer in ("adjoint", *self.rivals)]
        return "\n".join([*lines, "", *_missing(records)])

    def _busy(self, peer: str, records: list[Record]) -> str:
        """Return the line of the programs on which more than one of a peer's threads work."""
        busy = {
            r["name"]: self.figure(r, peer, "derivative", "process") / wall  # type: ignore[operator]
            for r in records
            if (wall := self.figure(r, peer, "derivative", "wall"))
        }
        found = [f"{name} {ratio:.1f}" for name, ratio in busy.items() if ratio > BUSY]
        return f"  {peer:30} {', '.join(found) or '–'}"


def _width(peer: str) -> int:
    """Return the width of a peer's column."""
    return max(9, len(peer) + 1)


def _missing(records: list[Record]) -> list[str]:
    """Return lines of what has no figure: who, why, and of which programs."""
    reasons: dict[tuple[str, str], list[str]] = {}
    for record in records:
        if "error" in record:
            reasons.setdefault(("all", record["error"]), []).append(record["name"])
        for peer, found in record["peers"].items():
            reason = found.get("error") or found.get("absent")
            if reason and not (peer == EXPERT and "absent" in found):
                reasons.setdefault((peer, reason), []).append(record["name"])
    lines = [f"  {peer}: {why}: {', '.join(names)}" for (peer, why), names in reasons.items()]
    return ["Missing:", *sorted(lines)] if lines else []


def _spread(title: str, ratios: dict[str, float | None]) -> str:
    found = {name: r for name, r in ratios.items() if r}
    if not found:
        return f"  {title:30} –"
    worst = min(found, key=lambda name: found[name])
    mean = math.exp(statistics.fmean(math.log(r) for r in found.values()))
    return (
        f"  {title:30} geometric mean {times(mean)}, median "
        f"{times(statistics.median(found.values()))}, worst {times(found[worst])} ({worst}), "
        f"of {len(found)}"
    )
