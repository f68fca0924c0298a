"""What training shows while it runs: a bar in a terminal, lines elsewhere."""

from __future__ import annotations

import sys
import time
from typing import Any

__all__ = ["Bar", "Lines", "Silent", "reporter"]

_NOT_SHOWN = ("epoch", "step", "seconds", "examples_per_second")
SECONDS = 30.0
"""After so long without a line, one is written in the middle of an epoch."""


class Silent:
    """Shows nothing."""

    def begin(self, epoch: int, epochs: int, batches: int | None, done: int) -> None:
        """Hear that an epoch begins, of which some batches may be done already."""

    def advance(self, loss: float, examples_per_second: float) -> None:
        """Hear that a step is done."""

    def end(self, row: dict[str, Any]) -> None:
        """Hear what an epoch has brought."""

    def close(self) -> None:
        """Hear that nothing more comes."""


class Lines(Silent):
    """Writes a line an epoch, and some in between if epochs are long."""

    def __init__(self) -> None:
        self._epochs = self._epoch = self._batch = 0
        self._batches: int | None = None
        self._last = time.monotonic()

    def begin(self, epoch: int, epochs: int, batches: int | None, done: int) -> None:
        self._epoch, self._epochs, self._batches, self._batch = epoch, epochs, batches, done

    def advance(self, loss: float, examples_per_second: float) -> None:
        self._batch += 1
        if time.monotonic() - self._last > SECONDS:
            of = f"/{self._batches}" if self._batches is not None else ""
            self._write(f"batch {self._batch}{of}  loss {loss:.4g}  {rate(examples_per_second)}")

    def end(self, row: dict[str, Any]) -> None:
        left = (self._epochs - self._epoch) * row["seconds"]
        self._write(f"{measured(row)}  {rate(row['examples_per_second'])}  {duration(left)} left")

    def _write(self, text: str) -> None:
        self._last = time.monotonic()
        sys.stderr.write(f"epoch {self._epoch}/{self._epochs}  {text}\n")
        sys.stderr.flush()


class Bar(Silent):
    """A bar for the epoch that runs, above it a line for each that is done."""

    def __init__(self, progress: Any) -> None:
        self._progress = progress
        self._task: Any = None
        self._epoch = self._epochs = 0

    def begin(self, epoch: int, epochs: int, batches: int | None, done: int) -> None:
        self._epoch, self._epochs = epoch, epochs
        if self._task is not None:
            self._progress.remove_task(self._task)
        title = f"epoch {epoch}/{epochs}"
        self._task = self._progress.add_task(title, total=batches, completed=done, measured="")
        self._progress.start()

    def advance(self, loss: float, examples_per_second: float) -> None:
        text = f"loss {loss:.4g}  {rate(examples_per_second)}"
        self._progress.update(self._task, advance=1, measured=text)

    def end(self, row: dict[str, Any]) -> None:
        left = (self._epochs - self._epoch) * row["seconds"]
        self._progress.console.print(
            f"epoch {self._epoch}/{self._epochs}  {measured(row)}  "
            f"{rate(row['examples_per_second'])}  {duration(left)} left",
            highlight=False,
            markup=False,
        )

    def close(self) -> None:
        if self._task is not None:
            self._progress.remove_task(self._task)
        self._progress.stop()


def reporter(progress: bool) -> Silent:
    """Return what shows the progress: a bar if there is a terminal and `rich`, else lines."""
    if not progress:
        return Silent()
    if not sys.stderr.isatty():
        return Lines()
    try:
        from rich.console import Console
        from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn
    except ImportError:
        return Lines()
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        TextColumn("{task.fields[measured]}"),
        TimeRemainingColumn(),
    )
    return Bar(Progress(*columns, console=Console(stderr=True), transient=True))


def measured(row: dict[str, Any]) -> str:
    """Write what an epoch has brought."""
    return "  ".join(f"{k} {v:.4g}" for k, v in row.items() if k not in _NOT_SHOWN)


def rate(examples_per_second: float) -> str:
    """Write how fast it goes."""
    for unit, scale in (("M", 1e6), ("k", 1e3)):
        if examples_per_second >= scale:
            return f"{examples_per_second / scale:.3g}{unit} examples/s"
    return f"{examples_per_second:.3g} examples/s"


def duration(seconds: float) -> str:
    """Write a time as hours, minutes and seconds."""
    whole = round(seconds)
    minutes, seconds = divmod(whole, 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{seconds:02}" if hours else f"{minutes}:{seconds:02}"
