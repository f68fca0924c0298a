"""``adjoint train CONFIG.toml|FILE.py``: a training run from the command line."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

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
    # Networks are not imported for other commands.
    from adjoint.cli.training.job import train

    return train(options)
