"""Which entries of a derivative can be nonzero.

The derivative is a graph: that of the tangents of a function. Its values are run with sets of
inputs in place of tangents: ``walk`` makes the graph that does so, with the rules in ``table`` (of
``elements`` and ``products``), ``control`` and ``branches``; ``varying`` tells it what depends on
the numbers at hand. ``operations`` are what that graph consists of, and form the sets of ``sets``;
``closure`` says what they are. ``detect`` puts the parts together.
"""

from adjoint.transforms.sparsity.detect import Detection, parameters_read

__all__ = ["Detection", "parameters_read"]
