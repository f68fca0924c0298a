"""``adjoint train CONFIG.toml|FILE.py``: a training run from the command line."""

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

__all__ = ["add_parser", "run"]

_DESCRIPTION = """\
Train a network: one that a configuration describes, or one that a Python program defines.

Writes a folder: checkpoint.safetensors (all that is needed to go on, to the same numbers as if
training had never stopped), model.safetensors, history.json, history.png, run.json.
Ctrl-C ends training after the step that is running; --resume goes on.
"""

_EXAMPLES = """\
a configuration (only data.path is needed; these are the other defaults):
  loss = "cross_entropy"    # binary_cross_entropy_with_logits, mse, l1, huber
  epochs = 20
  batch_size = 32
  seed = 0
  clip_norm = 0.0           # of the gradients; 0: they are not clipped
  patience = 0              # epochs without a better validation loss; 0: go on to the end
  dtype = "float32"
  output = "iris-run"       # the configuration's name and "-run", where it is

  [data]
  path = "iris.csv"         # .csv, .npz (arrays by name) or .npy; as seen from this file
  target = "species"        # a column (its name or number; the last one), or an array of an .npz
  features = []             # columns, or an array; [] for all others
  validation = 0.2          # a part of the rows, or another file
  standardize = true        # features to mean 0 and deviation 1

  [model]
  kind = "mlp"              # linear, cnn
  hidden = [64]
  activation = "relu"
  dropout = 0.0
  classes = 0               # 0: as the labels show
  image = [1, 28, 28]       # cnn: what a row is
  channels = [16, 32]       # cnn: convolutions, with a pooling by 2 after each
  kernel_size = 3

  [optimizer]
  kind = "adamw"            # sgd, adam, rmsprop, adagrad, lion; and their settings, by name
  lr = 1e-3
  schedule = {kind = "cosine", warmup_epochs = 0, end = 0.0}
                            # constant; step (every_epochs, factor); exponential (factor)

a program defines names that nn.fit takes, or a function that returns them:
  def make(rng):
      model = nn.Sequential(nn.Linear(2, 16, rng=rng), np.tanh, nn.Linear(16, 1, rng=rng))
      return {"model": model, "loss": loss, "data": (x, y), "optimizer": optim.Adam(), "epochs": 9}

examples:
  adjoint train iris.toml
  adjoint train iris.toml --resume --epochs 40
  adjoint train program.py --seed 7 --output runs/7 --json | jq .val_loss

exit status:
  0    done
  1    the program failed, or its numbers became NaN or infinite: one line says where
  2    the command line, the configuration or the data are not what they should be
  130  interrupted; the checkpoint is written
"""


def add_parser(commands: Any) -> None:
    """Add the sub-command to the parser."""
    parser = commands.add_parser(
        "train",
        help="train a network that a configuration or a program describes",
        description=_DESCRIPTION,
        epilog=_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    parser.add_argument(
        "file", metavar="CONFIG.toml|FILE.py", type=Path, help="what to train, and on what"
    )
    parser.add_argument("--resume", action="store_true", help="go on with the run in the folder")
    parser.add_argument("--overwrite", action="store_true", help="begin anew in a folder in use")
    parser.add_argument("--seed", type=_whole, metavar="N", help="of all random numbers (0)")
    parser.add_argument("--epochs", type=_whole, metavar="N", help="how many, from the beginning")
    parser.add_argument("--output", metavar="FOLDER", type=Path, help="where the run is kept")
    parser.add_argument(
        "--json", action="store_true", help="print a line of JSON an epoch, and one at the end"
    )
    parser.set_defaults(run=run)


def _whole(text: str) -> int:
    value = int(text)
    if value < 0:
        raise ValueError
    return value


def run(options: argparse.Namespace) -> int:
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
    print(json.dumps(result.history[-1]), flush=True)
