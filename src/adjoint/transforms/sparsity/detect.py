"""From the graph of a function's tangents to the pattern of its Jacobian."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

# What records loops and branches, and the rules:
import adjoint.transforms.sparsity.branches
import adjoint.transforms.sparsity.control
import adjoint.transforms.sparsity.elements
import adjoint.transforms.sparsity.products  # noqa: F401
from adjoint.backends.interpret import run
from adjoint.ir import Block
from adjoint.ir.build import building
from adjoint.ir.edit import substitute
from adjoint.ir.graph import Function, Value, operands, values_in
from adjoint.ir.types import Type
from adjoint.ops import control
from adjoint.ops.plain import ufunc_op
from adjoint.transforms.simplify import simplify
from adjoint.transforms.sparsity.closure import rows
from adjoint.transforms.sparsity.operations import sets_type
from adjoint.transforms.sparsity.sets import ID, IndexSets, forming
from adjoint.transforms.sparsity.varying import varying
from adjoint.transforms.sparsity.walk import Dependence

__all__ = ["Detection", "parameters_read"]


class Detection:
    """Finds what results depend on.

    Parameters
    ----------
    function : Function
        Of values and tangents, simplified.
    moved : sequence of int
        The parameters that the derivative is by.
    tangents : sequence of int
        The parameters that are their tangents: the inputs, one after the other.
    results : sequence of int or tuple
        The results that are tangents; a shape stands for one that is zero whatever the inputs are.

    Attributes
    ----------
    function : Function
        Of the same parameters, and the sets of the inputs behind them: gives those of the results.
    reads : tuple of int
        The parameters on whose values the answer depends.
    """

    def __init__(
        self,
        function: Function,
        moved: Sequence[int],
        tangents: Sequence[int],
        results: Sequence[int | tuple[int, ...]],
    ) -> None:
        self.moved = tuple(moved)
        self.tangents = tuple(tangents)
        self.results = tuple(results)
        numbers = [k for k in results if isinstance(k, int)]
        self.function = _recorded(function, moved, tangents, numbers)
        simplify(self.function)
        used = set(_used(self.function.block))
        parameters = self.function.block.parameters[: len(function.block.parameters)]
        self.reads = tuple(
            [k for k, p in enumerate(parameters) if p in used and k not in self.tangents]
        )
        self._zeros = tuple([k for k in self.reads if _for_its_zeros(self.function.block, k)])

    def facts(self, values: Sequence[Any]) -> list[Any]:
        """Return what the answer depends on, given the values of the parameters."""
        return [np.not_equal(values[k], 0) if k in self._zeros else values[k] for k in self.reads]

    def __call__(self, values: Sequence[Any]) -> tuple[Any, list[tuple[int, ...]]]:
        """Find the pattern.

        Parameters
        ----------
        values : sequence
            Of the parameters; of tangents, anything of their shape.

        Returns
        -------
        pattern : scipy.sparse.csr_array
            Of booleans: a row an element of the results, a column an element of the inputs.
        shapes : list of tuple
            Of the results.
        """
        given = list(values)
        for k, fact in zip(self.reads, self.facts(values), strict=True):
            given[k] = fact
        count = 0
        for k in self.tangents:
            shape = np.shape(values[k])
            size = int(np.prod(shape))
            numbers = np.arange(count + 1, count + size + 1, dtype=ID).reshape(shape)
            is_array = isinstance(values[k], np.ndarray)
            given.append(numbers if is_array else numbers[()])
            count += size
        sets = IndexSets(count)
        with forming(sets):
            found = iter(run(self.function, given))
        of_results = [next(found) if isinstance(k, int) else np.zeros(k, ID) for k in self.results]
        wanted = np.concatenate([np.zeros(0, ID), *map(np.ravel, of_results)])
        return rows(sets, wanted), [np.shape(x) for x in of_results]


def _recorded(
    function: Function, moved: Sequence[int], tangents: Sequence[int], results: Sequence[int]
) -> Function:
    """Return the function of the sets of the inputs that gives those of some results."""
    block = function.block
    parameters: list[Any] = block.parameters
    floats = {p for p in parameters if p.dtype.kind in "fc"}
    data = varying(block, floats)
    walk = Dependence(data, varying(block, {parameters[k] for k in moved}))
    with building(None) as builder:
        for p in parameters:
            new = builder.parameter(walk.type(p.type))
            new.bounds, new.name = walk.bounds(p.bounds), p.name
            walk.table[p] = new
        for k in tangents:
            p = parameters[k]
            walk.sets[p] = (builder.parameter(sets_type(walk.value(p).type)),)
        walk.run(block)
        builder.block.results = [walk.whole(block.results[k]) for k in results]
    return Function(f"{function.name}_sets", builder.block)


def parameters_read(function: Function) -> tuple[int, ...]:
    """Return the parameters that a simplified function's results depend on."""
    used = set(_used(function.block))
    return tuple([k for k, p in enumerate(function.block.parameters) if p in used])


def _used(block: Block) -> Iterator[Value]:
    """Yield what a block and those in it refer to, as often as they do."""
    for node in block.nodes:
        yield from operands(node)
        yield from values_in(node.type)
        for inner in node.blocks:
            yield from _used(inner)
    yield from block.results


def _for_its_zeros(block: Block, k: int) -> bool:
    """Make a parameter that is compared to 0, and nothing else, the result of that comparison."""
    p = block.parameters[k]
    if p.dtype.kind not in "fc" or not p.shape:
        return False
    compared = [
        node
        for node in block.nodes
        if node.op is ufunc_op(np.not_equal)
        and node.inputs[0] is p
        and node.inputs[1].op is control.constant
        and node.inputs[1].params["value"] == 0
    ]
    if len(compared) != sum(v is p for v in _used(block)):
        return False
    new: Any = Value(None, (), None, Type(np.dtype(bool), p.type.shape))
    new.name = p.name
    block.parameters[k] = new
    for node in compared:
        substitute(block, {node: new})
    block.nodes = [node for node in block.nodes if node not in compared]
    return True
