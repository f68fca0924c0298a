"""FILE.py: a model, a loss and data in Python."""

from __future__ import annotations

import inspect
from pathlib import Path
from typing import Any

import numpy as np

from adjoint.cli.failure import Failure, from_exception
from adjoint.cli.loading import load_module
from adjoint.cli.training.config import suggestion
from adjoint.nn import fit

__all__ = ["arguments"]

_OURS = ("checkpoint", "progress", "resume", "rng")
"""Arguments of `nn.fit` that the command line gives."""

KNOWN = tuple(name for name in inspect.signature(fit).parameters if name not in _OURS)
_NEEDED = ("model", "loss", "data", "optimizer")


def arguments(path: Path, seed: int) -> dict[str, Any]:
    """Return the arguments of `nn.fit` that a program defines.

    They are its global names that are parameters of `fit`, and what its function ``make(rng)``
    returns, if it has one: a dictionary of more.
    """
    module = load_module(path)
    found = {name: getattr(module, name) for name in KNOWN if hasattr(module, name)}
    make = getattr(module, "make", None)
    if make is not None:
        try:
            made = make(np.random.default_rng(seed))
        except (Exception, SystemExit) as error:
            raise from_exception(error, f"in make of {path.name}") from error
        if not isinstance(made, dict):
            raise Failure(
                f"make in {path} returned {type(made).__name__}: it has to return a dictionary of "
                "arguments of nn.fit, such as model, loss, data and optimizer",
                2,
            )
        for name in made:
            if name not in KNOWN:
                raise Failure(
                    f"make in {path} returned {name!r}, which nn.fit does not take"
                    f"{suggestion(str(name), KNOWN)}",
                    2,
                )
        found |= made
    missing = [name for name in _NEEDED if name not in found]
    if missing:
        raise Failure(
            f"{path} defines no {', no '.join(missing)}: model, loss, data and optimizer are names "
            "in it, or in the dictionary that its function make(rng) returns",
            2,
        )
    return found
