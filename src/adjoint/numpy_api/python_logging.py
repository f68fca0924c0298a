"""`logging` shows values: traced ones are shown as the numbers that they stand for."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any

from adjoint.dispatch import plain
from adjoint.frontend import hooks


def _shown(fn: Callable[..., Any]) -> None:
    def call(*args: Any, **kwargs: Any) -> Any:
        kwargs["stacklevel"] = kwargs.get("stacklevel", 1) + 1  # the line is the caller's, not ours
        return fn(*(plain(a) for a in args), **kwargs)

    hooks.register(fn, call)


for _name in ("debug", "info", "warning", "error", "critical", "exception", "log"):
    _shown(getattr(logging, _name))
    _shown(getattr(logging.Logger, _name))
