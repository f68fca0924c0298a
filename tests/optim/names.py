"""Names of test cases."""

import re
from typing import Any

__all__ = ["name_of"]


def name_of(case: Any) -> str:
    """Return a name that is the same in every process: without addresses."""
    if callable(case) and hasattr(case, "__name__"):
        return case.__name__
    return re.sub(r" at 0x[0-9a-f]+", "", str(case))
