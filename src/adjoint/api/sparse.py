"""Sparse Jacobians and Hessians: patterns, and matrices of scipy.sparse."""

from __future__ import annotations

import functools
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from adjoint import tree
from adjoint.api.derivatives import grad
from adjoint.api.local import Local, same
from adjoint.api.plans import Plan, rows_that_differ
from adjoint.api.sweeps import Sweeps, random_like
from adjoint.api.tracing import name_of
from adjoint.errors import InputError, NoRuleError
from adjoint.transforms.colouring import of_jacobian, of_symmetric
from adjoint.transforms.cut import gathers
from adjoint.transforms.sparsity import Detection

if TYPE_CHECKING:
    import scipy.sparse

__all__ = ["SparseDerivative", "sparse_hessian", "sparse_jacobian", "sparsity"]

_KEPT = 4
"""Plans of one graph that are kept, for as many different index arrays, say."""


@dataclass
class _Known:
    """What is known of the graph of a sweep.

    Attributes
    ----------
    graph :
        Kept, so that no other takes its identity.
    detection : Detection
    local : bool
        Whether it may do no more with arguments than to read parts of them.
    plans : list
        Pairs of what the pattern was found for, and the plan; last used first.
    """

    graph: Any
    detection: Detection
    local: bool
    plans: list[tuple[list[Any], Plan]] = field(default_factory=list)


class SparseDerivative:
    """What `sparse_jacobian` and `sparse_hessian` return: called, it gives the matrix.

    ``plan(*args)`` tells how that is done: the pattern, and how many sweeps give its entries.

    Attributes
    ----------
    forward : bool
        Whether forward sweeps can be made; false once one was found not to be.
    """

    def __init__(
        self,
        fun: Callable,
        differentiated: Callable,
        argnums: int | Sequence[int],
        sparsity: Any,
        holomorphic: bool,
        symmetric: bool,
    ) -> None:
        functools.update_wrapper(self, fun, updated=())
        self.fun = fun
        self.symmetric = symmetric
        self.sweeps = Sweeps(differentiated, argnums, holomorphic)
        self.given = None if sparsity is None else _as_pattern(sparsity, symmetric)
        self.forward = True
        self._local = Local(fun, argnums, holomorphic)
        self._reads = False  # whether it was of use
        self._lock = threading.RLock()
        self._known: dict[int, _Known] = {}
        self._of_given: dict[Any, Plan] = {}

    def __get__(self, instance: Any, owner: type | None = None) -> Any:
        return self if instance is None else functools.partial(self, instance)

    def __call__(self, *args: Any, **kwargs: Any) -> scipy.sparse.csr_array:
        leaves = self.sweeps.leaves(args, kwargs)
        plan = self._plan(args, kwargs, leaves)
        try:
            matrix = plan.matrix(args, kwargs, leaves)
        except (ValueError, IndexError):
            if self.given is not None:  # for results of the lengths of another call
                self._fitting_results(args, kwargs, leaves)
            raise
        if not plan.checked:
            # What was found of a Jacobian holds; the rest is what the user says.
            if self.symmetric or self.given is not None:
                self._check(matrix, args, kwargs, leaves)
            plan.checked = True
        return matrix

    def plan(self, *args: Any, **kwargs: Any) -> Plan:
        """Return how the derivative is computed for these arguments."""
        return self._plan(args, kwargs, self.sweeps.leaves(args, kwargs))

    def pattern(self, *args: Any, **kwargs: Any) -> scipy.sparse.csr_array:
        """Return where the derivative may be nonzero, found anew."""
        leaves = self.sweeps.leaves(args, kwargs)
        known, values = self._detection(args, kwargs, leaves)
        return self._detect(known, values)[0]

    # -- plans ---------------------------------------------------------------------------------

    def _plan(self, args: Any, kwargs: Any, leaves: list[Any]) -> Plan:
        with self._lock:
            if self.given is not None:
                return self._plan_of_given(args, kwargs, leaves)
            return self._plan_of_found(args, kwargs, leaves)

    def _plan_of_found(self, args: Any, kwargs: Any, leaves: list[Any]) -> Plan:
        plan = self._plan_of_reads(args, kwargs, leaves) if self._reads else None
        if plan is not None:
            return plan
        known, values = self._detection(args, kwargs, leaves)
        if known.local and not self._reads:
            plan = self._plan_of_reads(args, kwargs, leaves)
            if plan is not None:
                self._reads = True
                return plan
        facts = [np.shape(x) for x in leaves] + known.detection.facts(values)
        for k, (of, plan) in enumerate(known.plans):
            if same(of, facts):
                known.plans.insert(0, known.plans.pop(k))
                return plan
        pattern, results = self._detect(known, values)
        plan = next((p for _, p in known.plans if _same_pattern(p.pattern, pattern)), None)
        if plan is None:
            plan = self._made(None, pattern, args, kwargs, leaves, results)
        kept = [x.copy() if isinstance(x, np.ndarray) else x for x in facts]
        known.plans.insert(0, (kept, plan))
        del known.plans[_KEPT:]
        return plan

    def _plan_of_reads(self, args: Any, kwargs: Any, leaves: list[Any]) -> Plan | None:
        """Return a plan made by what is read of the arguments, if that is all of them."""
        try:
            return self._local.plan(args, kwargs, leaves, self._made)
        except NoRuleError:  # there are no forward sweeps
            return None

    def _detection(self, args: Any, kwargs: Any, leaves: list[Any]) -> tuple[_Known, list[Any]]:
        sweeps, seeds = self.sweeps, leaves
        found = self._pushes(args, kwargs, leaves)
        if found is None:
            seeds = sweeps.values(args, kwargs)
            found = sweeps.graph_of_pulls(args, kwargs, seeds)
        graph, values = found
        known = self._known.get(id(graph))
        if known is None:
            detection = sweeps.detection(graph, args, kwargs, len(seeds))
            parameters = graph.function.block.parameters
            inputs = [parameters[k] for k in (*detection.moved, *detection.tangents)]
            local = self.forward and not self.symmetric and gathers(graph.function.block, inputs)
            known = self._known[id(graph)] = _Known(graph, detection, local)
        return known, values

    def _pushes(self, args: Any, kwargs: Any, leaves: list[Any]) -> Any:
        """Return the graph of a forward sweep, and the values of its parameters, if there is one.

        A function of the user's may have no jvp: its vjp says what depends on what, too.
        """
        if self.forward:
            try:
                return self.sweeps.graph_of_pushes(args, kwargs, leaves)
            except NoRuleError:
                if self.symmetric:
                    raise
                self.forward = False
        return None

    def _detect(self, known: _Known, values: list[Any]) -> tuple[Any, list[tuple[int, ...]]]:
        pattern, results = known.detection(values)
        if not self.forward:
            pattern = _sorted(pattern.T)
            results = [np.shape(values[k]) for k in known.detection.tangents]
        if self.symmetric:
            # Both halves hold all entries that there are.
            pattern = _sorted(pattern.multiply(pattern.T))
        return pattern, results

    def _made(
        self,
        sweeps: Sweeps | None,
        pattern: Any,
        args: Any,
        kwargs: Any,
        inputs: list[Any],
        results: Sequence[Any],
    ) -> Plan:
        """Return the plan for a pattern, of sweeps in the modes that the function has."""
        sweeps = self.sweeps if sweeps is None else sweeps
        if self.symmetric:
            compression = of_symmetric(pattern)
        else:
            compression = of_jacobian(pattern, "both" if self.forward else "reverse")
        if compression.reverse and self.forward:
            cts = [np.zeros(shape) if shape else 0.0 for shape in results]
            try:
                sweeps.graph_of_pulls(args, kwargs, cts)
            except NoRuleError:
                compression = of_jacobian(pattern, "forward")
        return Plan(pattern, compression, [np.shape(x) for x in inputs], results, sweeps)

    def _plan_of_given(self, args: Any, kwargs: Any, leaves: list[Any]) -> Plan:
        key = (tuple([np.shape(x) for x in leaves]), tree.structure((args, kwargs)))
        plan = self._of_given.get(key)
        if plan is not None:
            return plan
        results = self._fitting_results(args, kwargs, leaves)
        self._pushes(args, kwargs, leaves)
        shapes = [np.shape(x) for x in results]
        plan = self._made(None, self.given, args, kwargs, leaves, shapes)
        self._of_given[key] = plan
        return plan

    def _fitting_results(self, args: Any, kwargs: Any, leaves: list[Any]) -> list[Any]:
        """Return the function's results, which the given pattern has to fit."""
        results = self.sweeps.values(args, kwargs)
        pattern: Any = self.given
        shape = tuple([sum([np.size(x) for x in side]) for side in (results, leaves)])
        if pattern.shape != shape:
            raise InputError(
                f"the sparsity that was given has shape {pattern.shape}, but the derivative of "
                f"{name_of(self.fun)} has the shape {shape}: a row an element of the result, a "
                "column an element of the argument"
            )
        return results

    # -- the first matrix ----------------------------------------------------------------------

    def _check(self, matrix: Any, args: Any, kwargs: Any, leaves: list[Any]) -> None:
        """Check the matrix by its product with a random vector."""
        if self.forward:
            products, seeds = self._product(self.sweeps.push, args, kwargs, leaves)
        else:
            results = self.sweeps.values(args, kwargs)
            products, seeds = self._product(self.sweeps.pull, args, kwargs, results)
            matrix = matrix.T
        rows = rows_that_differ(matrix, seeds, products)
        if not len(rows):
            return
        name = name_of(self.fun)
        where = f"row {rows[0]} is the first of {len(rows)} that are wrong"
        if self.given is not None:
            raise InputError(
                f"the sparsity that was given for {name} lacks entries: the derivative has others, "
                f"or others share their sweeps; {where}. ad.sparsity finds the pattern."
            )
        raise InputError(
            f"the Hessian of {name} is not symmetric, {where}: a rule of custom_jvp, custom_vjp or "
            "external is not the derivative of its function. ad.hessian takes it as it is."
        )

    def _product(self, sweep: Callable, args: Any, kwargs: Any, likes: list[Any]) -> Any:
        """Return the derivative, or its transpose, times a random vector, and that vector."""
        rng = np.random.default_rng(0)
        seeds = [random_like(x, rng) for x in likes]
        products = sweep(args, kwargs, seeds)
        return [np.concatenate([np.ravel(x) for x in side]) for side in (products, seeds)]


def _same_pattern(x: Any, y: Any) -> bool:
    return (
        x.shape == y.shape
        and np.array_equal(x.indptr, y.indptr)
        and np.array_equal(x.indices, y.indices)
    )


def _sorted(pattern: Any) -> Any:
    from scipy.sparse import csr_array

    pattern = csr_array(pattern)
    pattern.sort_indices()
    return pattern


def _as_pattern(sparsity: Any, symmetric: bool) -> Any:
    """Return a pattern that the user gives as a CSR matrix of booleans."""
    from scipy.sparse import coo_array, issparse

    if issparse(sparsity):
        entries: Any = coo_array(sparsity)
        row, column = entries.coords
    else:
        entries = np.asarray(sparsity)
        if entries.ndim != 2 or entries.dtype.kind not in "biuf":
            raise InputError(
                "sparsity is a matrix, of scipy.sparse (its stored entries count) or of NumPy "
                f"(what is not zero counts), but not {sparsity!r}"
            )
        row, column = np.nonzero(entries)
    pattern: Any = coo_array((np.ones(len(row), bool), (row, column)), shape=entries.shape).tocsr()
    pattern.sum_duplicates()
    if symmetric and not (
        pattern.shape[0] == pattern.shape[1] and _same_pattern(pattern, _sorted(pattern.T))
    ):
        raise InputError("the sparsity of a Hessian is a symmetric matrix; the one given is not")
    return pattern


def sparsity(
    fun: Callable, argnums: int | Sequence[int] = 0, holomorphic: bool = False
) -> Callable[..., scipy.sparse.csr_array]:
    """Return a function that finds where the Jacobian may be nonzero.

    No derivative is computed. The function is staged, and its graph says what depends on what: it
    is run with the set of the inputs that each element depends on in place of the element.

    Parameters
    ----------
    fun, argnums, holomorphic :
        See `sparse_jacobian`.

    Returns
    -------
    callable
        From arguments to a ``scipy.sparse.csr_array`` of booleans, with the rows and columns of
        `sparse_jacobian`'s.

    Notes
    -----
    What the answer holds for:

    - It is *structural*: true for all values of the floating-point arguments, as long as the
      function's path does not depend on them. Entries that are zero at a point only, or because
      terms cancel, count as nonzero.
    - Lengths, integers and arrays of integers or booleans (indices, masks, numbers of passes) are
      taken as they are in the call; so are the zeros of matrices that the argument is multiplied
      with and that do not depend on it.
    - An ``if`` that depends on floating-point numbers counts as both of its sides, if neither can
      fail or has loops that end by such numbers. Otherwise, and for ``while`` loops and indices
      (``x[np.argmax(x)]``, ``np.sort``) that depend on them, the answer is that for the numbers at
      hand. `sparse_jacobian` looks again when they change.

    Examples
    --------
    >>> import numpy as np, adjoint as ad
    >>> def second_difference(u):
    ...     return u[:-2] - 2 * u[1:-1] + u[2:]
    >>> ad.sparsity(second_difference)(np.zeros(5)).toarray().astype(int)
    array([[1, 1, 1, 0, 0],
           [0, 1, 1, 1, 0],
           [0, 0, 1, 1, 1]])
    """
    return SparseDerivative(fun, fun, argnums, None, holomorphic, False).pattern


def sparse_jacobian(
    fun: Callable,
    argnums: int | Sequence[int] = 0,
    sparsity: Any = None,
    holomorphic: bool = False,
) -> SparseDerivative:
    """Return a function that computes the Jacobian as a matrix of scipy.sparse.

    Columns that have no row in common are computed together, in one forward sweep; rows without a
    common column in one reverse sweep. The mode, or a mixture, that needs the fewest sweeps is
    chosen. All sweeps are one staged call, whatever their number. The pattern and the choice are
    kept: a second call with the same index arrays and lengths computes values alone.

    Where arguments are only read by arrays of indices (``points[point_of]``), the sweeps are those
    of the function of what is read, if they are fewer. Other indices need no others.

    Parameters
    ----------
    fun : callable
        Must be one that can be staged (`stage`). Its result is an array or a pytree of arrays.
    argnums : int or sequence of int
        Which positional arguments to differentiate with respect to; arrays, or pytrees of arrays.
    sparsity : scipy.sparse matrix or array of bool, optional
        Where the Jacobian may be nonzero: the entries that a sparse matrix stores, or that are true
        in an array. By default it is found (`sparsity`), also anew when what it depends on changes.
    holomorphic : bool
        Whether ``fun`` is a holomorphic function of complex arguments.

    Returns
    -------
    SparseDerivative
        From arguments to a ``scipy.sparse.csr_array`` with a row for each element of the result and
        a column for each of the arguments: arrays are taken row by row, and the leaves of pytrees
        (and several arguments) one after the other. Its method ``plan`` tells how it is computed.

    Raises
    ------
    InputError
        If the given pattern is not of the right shape, or lacks an entry: the first matrix is
        compared with a product with a random vector. Inside of functions that are staged or
        differentiated themselves.
    TracingError
        If the function cannot be staged, draws random numbers, or changes what it reads again.
    NonDifferentiableError
        If an argument or the result is not of real floating-point numbers (complex ones only with
        ``holomorphic``).

    Examples
    --------
    >>> import numpy as np, adjoint as ad
    >>> def residuals(u):
    ...     return np.diff(u**3)
    >>> jacobian = ad.sparse_jacobian(residuals)
    >>> jacobian(np.array([1.0, 2.0, 3.0])).toarray()
    array([[ -3.,  12.,   0.],
           [  0., -12.,  27.]])
    >>> jacobian.plan(np.ones(1000))
    <plan: 999 × 1000, 1998 entries by 2 forward sweeps>
    """
    return SparseDerivative(fun, fun, argnums, sparsity, holomorphic, False)


def sparse_hessian(
    fun: Callable, argnums: int | Sequence[int] = 0, sparsity: Any = None
) -> SparseDerivative:
    """Return a function that computes the Hessian of a scalar function as a matrix of scipy.sparse.

    The sweeps are products with the Hessian, forward over reverse. They make use of its symmetry:
    of two entries that mirror each other one has to stand alone (a star colouring).

    Parameters
    ----------
    fun : callable
        Returns a real scalar. Must be one that can be staged (`stage`).
    argnums : int or sequence of int
        See `sparse_jacobian`; rows are as columns.
    sparsity : scipy.sparse matrix or array of bool, optional
        See `sparse_jacobian`; symmetric.

    Returns
    -------
    SparseDerivative
        From arguments to a ``scipy.sparse.csr_array``.

    Raises
    ------
    InputError
        As `sparse_jacobian`; also if the first matrix is not that of a product with a random
        vector, since with a rule of the user's own a Hessian may lack its symmetry.

    Examples
    --------
    >>> import numpy as np, adjoint as ad
    >>> def energy(x):
    ...     return np.sum(x[0] * x[1:] ** 2)
    >>> hessian = ad.sparse_hessian(energy)
    >>> hessian(np.array([1.0, 2.0, 3.0])).toarray()
    array([[0., 4., 6.],
           [4., 2., 0.],
           [6., 0., 2.]])
    >>> hessian.plan(np.ones(1000))
    <plan: 1000 × 1000, 2997 entries by 2 forward sweeps>
    """
    several = argnums if isinstance(argnums, Sequence) else (argnums,)
    gradient = grad(fun, several)
    return SparseDerivative(fun, gradient, argnums, sparsity, False, True)
