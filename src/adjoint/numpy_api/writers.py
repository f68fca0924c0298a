"""Functions that write into their first argument, in rewritten code.

If that is a plain array, what a tape has saved of its memory is copied first
(`adjoint.eager.borrowed`). Imported last: it goes around what the other modules have registered.
"""

from __future__ import annotations

import numpy as np

from adjoint.frontend import hooks
from adjoint.frontend.values import writes_into_first

for _fn in (np.copyto, np.put, np.place, np.putmask, np.put_along_axis, np.fill_diagonal):
    hooks.register(_fn, writes_into_first(hooks.replacements.get(_fn, _fn)))
