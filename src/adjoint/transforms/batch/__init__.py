"""The batch walk: a staged block of one example recorded again as a block of many.

Every value either is the same for all examples, or lies along a first axis, one example after the
other. An operation on such values is one operation again wherever the table has a rule for it; the
others, and those whose lengths differ from example to example, run in a ``map`` over the examples,
which is an operation too. So does control flow that the examples decide: no example runs a branch
or a pass that is not its own.
"""

from adjoint.transforms.batch import (  # noqa: F401  (the rules)
    convolution,
    elementwise,
    functions,
    indexing,
    linalg,
    products,
    reduction,
    stacks,
    structural,
)
from adjoint.transforms.batch.table import RULES, OneByOne, rule_of
from adjoint.transforms.batch.walk import Batch, batch

__all__ = ["RULES", "Batch", "OneByOne", "batch", "rule_of"]
