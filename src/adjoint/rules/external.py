"""The derivative of a function of the user's that is called with numbers: what the user says it is.

The parameter ``call`` has it, as ``push(tangents, xs)`` and ``pull(cts, xs)``.
"""

from __future__ import annotations

from adjoint.ops.control import external
from adjoint.rules.derive import general

general(
    external,
    jvp=lambda tangents, xs, call: call.push(tangents, xs),
    vjp=lambda cts, xs, call: call.pull(cts, xs),
)
