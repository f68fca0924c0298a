"""The shape-and-dtype rule of every primitive operation, by family.

Staging types a graph with `infer`, which never computes with the program's numbers. Dtype and kind
come from running the operation's NumPy meaning on tiny dummies, so that NumPy's own promotion
decides; lengths, which may be values of the graph, come from one rule a family.
"""

from adjoint.ops.inference import (
    control,
    convolution,
    creation,
    elementwise,
    functions,
    indexing,
    linalg,
    products,
    reduction,
    scan,
    structural,
)
from adjoint.ops.inference.call import infer

__all__ = [
    "control",
    "convolution",
    "creation",
    "elementwise",
    "functions",
    "indexing",
    "infer",
    "linalg",
    "products",
    "reduction",
    "scan",
    "structural",
]
