"""The eager tier: values that compute now and record what they did.

`Recorded` holds a value and its node on a `Tape`; `storage` gives it NumPy's views and item
assignment. `adjoint.array.Array` adds NumPy's protocols on top.
"""

from adjoint.eager.recorded import Recorded
from adjoint.eager.tape import Tape

__all__ = ["Recorded", "Tape"]
