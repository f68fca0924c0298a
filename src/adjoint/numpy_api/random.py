"""Functions of ``numpy.random`` that write into an array. Importing that package takes a while."""

from __future__ import annotations

import numpy as np

from adjoint.frontend import hooks
from adjoint.frontend.values import writes_into_first

hooks.register(np.random.shuffle, writes_into_first(np.random.shuffle))
