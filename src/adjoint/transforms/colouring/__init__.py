"""How few sweeps give all entries of a sparse derivative.

Columns that meet in no row can share one forward sweep: the sum of them holds every entry of each,
in its place. Which columns share is a colouring of a graph (``distance1``); rows and reverse sweeps
likewise; of a symmetric matrix an entry may be read from its mirror image, which asks for less
(``star``). ``compression`` chooses, and says where each entry is found.

The notation and most of the theory: A. Gebremedhin, F. Manne, A. Pothen, *What color is your
Jacobian? Graph coloring for computing derivatives*, SIAM Review 47 (2005).
"""

from adjoint.transforms.colouring.compression import (
    Compression,
    fewest_sweeps,
    of_jacobian,
    of_symmetric,
)

__all__ = ["Compression", "fewest_sweeps", "of_jacobian", "of_symmetric"]
