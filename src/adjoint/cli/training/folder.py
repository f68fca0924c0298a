"""Where a run keeps what it makes, and how it is gone on with."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from adjoint import nn
from adjoint.cli.failure import Failure
from adjoint.cli.files import check_writable, written_whole
from adjoint.errors import MissingDependencyError

__all__ = ["Folder"]


@dataclass(frozen=True)
class Folder:
    """A folder of one run.

    Attributes
    ----------
    path : Path
    """

    path: Path

    @property
    def checkpoint(self) -> Path:
        return self.path / "checkpoint.safetensors"

    @property
    def model(self) -> Path:
        return self.path / "model.safetensors"

    @property
    def history(self) -> Path:
        return self.path / "history.json"

    @property
    def picture(self) -> Path:
        return self.path / "history.png"

    def begin(self, resume: bool, overwrite: bool) -> dict[str, Any] | None:
        """Make the folder, or return what is known of the run that is gone on with."""
        if resume:
            for file in (self._about, self.checkpoint):
                if not file.is_file():
                    raise Failure(f"--resume: there is no run in {self.path} (no {file.name})", 2)
            try:
                return json.loads(self._about.read_text(encoding="utf-8"))
            except (ValueError, OSError) as error:
                raise Failure(f"{self._about} is damaged: {error}", 2) from None
        if self.checkpoint.exists() and not overwrite:
            raise Failure(
                f"{self.path} holds a run: --resume goes on with it, --overwrite begins anew, "
                "--output names another folder",
                2,
            )
        try:
            self.path.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise Failure(f"cannot make the folder {self.path}: {error.strerror}", 2) from error
        check_writable(self.checkpoint)
        return None

    def note(self, about: dict[str, Any]) -> None:
        """Write what is to be known when the run is gone on with."""
        self._write(self._about, json.dumps(about, indent=2))

    def finish(self, result: Any) -> list[Path]:
        """Write the model and the history; return the files."""
        kept = result.model if result.average is None else result.average
        nn.save(self.model, kept)
        self._write(self.history, result.history.to_json())
        made = [self.model, self.history]
        if len(result.history):
            try:
                result.history.plot(self.picture)
                made.append(self.picture)
            except MissingDependencyError:
                pass
        return made

    @property
    def _about(self) -> Path:
        return self.path / "run.json"

    def _write(self, path: Path, text: str) -> None:
        with written_whole(path) as file:
            file.write(text.encode() + b"\n")
