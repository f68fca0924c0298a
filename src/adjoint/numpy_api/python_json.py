"""`json` writes numbers as text, through which no derivative goes: traced ones are refused."""

from __future__ import annotations

import json
from typing import Any

from adjoint.errors import TracingError
from adjoint.frontend import hooks


def _refusing(fn: Any) -> None:
    def call(*args: Any, **kwargs: Any) -> Any:
        if hooks.contains_traced(args):
            raise TracingError(
                f"json.{fn.__name__} would drop the derivative of a traced value. Pass "
                "ad.stop_gradient(x) if the text is for people or files, or return the value from "
                "the function (has_aux=True gives plain values)."
            )
        return fn(*args, **kwargs)

    hooks.register(fn, call)


_refusing(json.dumps)
_refusing(json.dump)
