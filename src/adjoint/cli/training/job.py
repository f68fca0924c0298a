"""One run: what is trained, on what, where it is kept, what is printed."""

from __future__ import annotations

import argparse
import dataclasses
import json
from pathlib import Path
from typing import Any

from adjoint import nn
from adjoint.cli.failure import Failure, from_exception
from adjoint.cli.training import networks, program
from adjoint.cli.training.config import read_config
from adjoint.cli.training.folder import Folder
from adjoint.errors import AdjointError, CheckpointError, InputError, NonFiniteError

__all__ = ["train"]


def train(options: argparse.Namespace) -> int:
    """Do what the command line says."""
    path = options.file
    if options.resume and options.overwrite:
        raise Failure("--resume and --overwrite: it is one or the other", 2)
    if path.suffix.lower() not in (".toml", ".py"):
        raise Failure(f"{path} is neither a .toml file nor a .py file", 2)
    if not path.is_file():
        what = "a folder" if path.is_dir() else None
        raise Failure(f"{path} is {what}" if what else f"there is no file {path}", 2)
    given, folder, resume = _prepared(options, path)
    if options.json:
        given["callbacks"] = (*given.get("callbacks", ()), _print_row)
    try:
        result = nn.fit(
            **given, checkpoint=folder.checkpoint, resume=resume, progress=not options.json
        )
    except (InputError, CheckpointError) as error:
        raise Failure(str(error), 2) from error
    except NonFiniteError as error:
        folder.finish(error.result)
        raise Failure(str(error).replace("error.result.model", str(folder.model))) from error
    except Exception as error:
        during = "" if isinstance(error, AdjointError) else "during training"
        raise from_exception(error, during) from error
    files = folder.finish(result)
    last = result.history[-1] if len(result.history) else {}
    if options.json:
        final = {"stopped": result.stopped, "epoch": result.epoch, "step": result.step}
        print(json.dumps(final | {"output": str(folder.path)}), flush=True)
    else:
        measured = "  ".join(
            f"{k} {v:.5g}" for k, v in last.items() if "loss" in k or "accuracy" in k
        )
        print(f"stopped    {result.stopped.replace('_', ' ')}, after {result.epoch} epochs")
        print(f"measured   {measured}")
        print(f"written    {', '.join(str(file) for file in (folder.checkpoint, *files))}")
    return 130 if result.stopped == "interrupted" else 0


def _prepared(options: argparse.Namespace, path: Path) -> tuple[dict[str, Any], Folder, bool]:
    """Return the arguments of `nn.fit`, the folder of the run, and whether it is gone on with."""
    config = read_config(path) if path.suffix.lower() == ".toml" else None
    output = options.output
    if output is None:
        named = Path(config.output) if config is not None and config.output else None
        output = path.parent / (named or f"{path.stem}-run")
    folder = Folder(output)
    known = folder.begin(options.resume, options.overwrite)
    seed = options.seed
    if known is not None:
        if seed not in (None, known["seed"]):
            raise Failure(f"--seed {seed}: the run was begun with {known['seed']}", 2)
        seed = known["seed"]
    elif seed is None:
        seed = config.seed if config is not None else 0
    facts = None
    if config is not None:
        changes = {} if options.epochs is None else {"epochs": options.epochs}
        config = dataclasses.replace(config, seed=seed, **changes)
        given, facts = networks.arguments(config, path, known and known["data"])
    else:
        given = program.arguments(path, seed)
        if options.epochs is not None:
            given["epochs"] = options.epochs
        if "epochs" not in given:
            raise Failure(f"{path} defines no epochs, and there is no --epochs", 2)
    folder.note({"file": path.name, "seed": seed, "data": facts})
    return given | {"rng": seed}, folder, known is not None


def _print_row(result: Any) -> None:
    (row,) = json.loads(nn.History((result.history[-1],)).to_json())
    print(json.dumps(row), flush=True)
