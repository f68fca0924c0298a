"""Nodes and blocks: the graph's grammar.

::

    block  ::=  parameters, then nodes in the order in which they were recorded
    node   ::=  value = operation(input, ..., name=parameter, ...)
    input  ::=  an earlier node, or None where the operand was a constant

A graph is in static single assignment form: a node is one operation and, at the same time, the one
value that it defines. An operation with several results defines a tuple; ``project`` nodes take it
apart. A node never changes what it means: an item assignment is an ``update`` node, a new value.

A node does not hold its value. It holds what the derivative rules asked for (``saved``), so that
everything else is freed as soon as the user's program lets go of it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

__all__ = ["Block", "Node", "Op", "Traced"]


class Traced:
    """Base class of the values that record what is done to them."""

    __slots__ = ()

    # What rules and walks use of a traced value, beside Python's operators and NumPy's functions.
    shape: Any
    dtype: Any
    ndim: Any
    real: Any
    copy: Any

    def _record(self, op: Op, args: tuple[Any, ...], params: dict[str, Any]) -> Any:
        """Return the traced result of ``op(*args, **params)``."""
        raise NotImplementedError

    def _constant(self, value: np.ndarray) -> Any:
        """Return ``value`` as an array that traced values can be stored into."""
        raise NotImplementedError

    def _apart(self) -> Any:
        """Return an array of the same value that can be stored to without changing this one."""
        return self.copy()

    def _add_at(self, path: Any, value: Any) -> None:
        """Add ``value`` to the part at ``path`` in place."""
        raise NotImplementedError


class Op:
    """A primitive operation.

    It is called like the NumPy function that gives its meaning. On ordinary numbers and arrays it
    *is* that function; when an operand is traced, the operand's class records the call instead.
    Rules and NumPy's compositions are written with these calls, and so serve every mode and tier.

    Attributes
    ----------
    name : str
    fn : callable
        Its meaning on NumPy values: ``fn(*operands, **parameters)``.
    operands : tuple of str
        Names of the operands, which derivative rules refer to. ``("*xs",)`` when their number
        varies.
    results : bool
        Whether it returns a tuple of arrays.
    views : bool
        Whether its NumPy meaning may return a view of its first operand.
    rule :
        The derivative, derived from its row by `adjoint.rules.derive`; None until it has one.
    """

    __slots__ = ("fn", "name", "operands", "results", "rule", "variadic", "views")

    def __init__(
        self,
        name: str,
        fn: Callable,
        operands: tuple[str, ...],
        results: bool = False,
        views: bool = False,
    ) -> None:
        self.name = name
        self.fn = fn
        self.operands = operands
        self.variadic = bool(operands) and operands[0].startswith("*")
        self.results = results
        self.views = views
        self.rule: Any = None

    def __call__(self, *args: Any, **params: Any) -> Any:
        for arg in args:
            if isinstance(arg, Traced):
                return arg._record(self, args, params)
        return self.fn(*args, **params)

    def __repr__(self) -> str:
        return f"<operation {self.name}>"


class Node:
    """One operation and the value that it defines.

    Attributes
    ----------
    op : Op or None
        The operation; None for a parameter of the block.
    inputs : tuple of Node or None
        One entry an operand; None for an operand that is constant in this graph.
    params : dict or None
        What is fixed: an axis, an index, a shape.
    saved : list, tuple or None
        The operands' values and, in the last place, the result's value; None where no rule needs
        the value.
    shape, dtype :
        Of the value; tuples of them for an operation with several results.
    """

    __slots__ = ("dtype", "inputs", "op", "params", "saved", "shape")

    def __init__(
        self,
        op: Any,
        inputs: tuple[Any, ...],
        params: Any,
        saved: Any,
        shape: Any,
        dtype: Any,
    ) -> None:
        self.op = op
        self.inputs = inputs
        self.params = params
        self.saved = saved
        self.shape = shape
        self.dtype = dtype

    def __repr__(self) -> str:
        name = self.op.name if self.op is not None else "parameter"
        return f"<{name}: {self.dtype}{list(self.shape)}>"


class Block:
    """Nodes in the order in which they were recorded.

    Attributes
    ----------
    nodes : list of Node
        Parameters included; each node comes after its inputs.
    stores : bool
        Whether any node overwrites a part of an earlier value (``update``, ``index_add``).
    parameters, results : list of Node
        Of a block of a staged graph (`adjoint.ir.graph`); the parameters are not among ``nodes``
        there.
    """

    __slots__ = ("nodes", "parameters", "results", "stores")

    def __init__(self) -> None:
        # Of `Node`; in a staged graph, of `adjoint.ir.graph.Value`.
        self.nodes: list[Any] = []
        self.stores = False
        self.parameters: list[Any] = []
        self.results: list[Any] = []

    def text(self) -> str:
        """Return the block as text, one line a node."""
        names: dict[Node, str] = {}
        lines = []
        for k, node in enumerate(self.nodes):
            names[node] = f"%{k}"
            operands = ["const" if i is None else names[i] for i in node.inputs]
            operands += [f"{key}={value!r}" for key, value in (node.params or {}).items()]
            name = node.op.name if node.op is not None else "parameter"
            lines.append(f"%{k}: {node.dtype}{list(node.shape)} = {name}({', '.join(operands)})")
        return "\n".join(lines)
