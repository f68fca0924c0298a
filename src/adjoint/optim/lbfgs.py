"""L-BFGS: a quasi-Newton method for functions of all the data.

The staged front end rewrites this module like a user's: how many iterations there are is known at
run time only.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any, Literal

import numpy as np

from adjoint.errors import InputError
from adjoint.optim.flat import check_function, flattened, pair_of, restored, start
from adjoint.optim.leaves import cast
from adjoint.optim.line_search import dot, strong_wolfe
from adjoint.optim.settings import (
    Rate,
    check_not_negative,
    check_rate,
    check_whole,
    rate_at,
)

__all__ = ["LBFGS", "LBFGSState"]


@dataclasses.dataclass(frozen=True)
class LBFGSState:
    """What `LBFGS` keeps, of all parameters as one vector of length n.

    Attributes
    ----------
    step, n_iter, func_evals : int64
        How many updates, iterations and evaluations there were.
    loss : float64
        The last value that was computed; NaN before there is one.
    d : array (n,)
        The last direction.
    t : float64
        The last step along it.
    prev_flat_grad : array (n,)
        The gradient before that step.
    old_dirs, old_stps : array (history_size, n)
        Changes of the gradient, and of the parameters, in a ring.
    ro : array (history_size,)
        One over their products.
    count, begin : int64
        How many of them there are, and where in the ring the oldest one is.
    H_diag : float64
        The scale of the first guess of the inverse Hessian.
    """

    step: Any
    n_iter: Any
    func_evals: Any
    loss: Any
    d: Any
    t: Any
    prev_flat_grad: Any
    old_dirs: Any
    old_stps: Any
    ro: Any
    count: Any
    begin: Any
    H_diag: Any


@dataclasses.dataclass(frozen=True)
class LBFGS:
    """L-BFGS, as `torch.optim.LBFGS` has it.

    It needs values and gradients at points that it chooses itself, so that `update` takes the
    function that gives them in place of gradients: ``update(value_and_grad, state, params)``. One
    update makes up to ``max_iter`` iterations. The function has to be the same at all of them: of
    all the data, without random numbers.

    Memory for the whole history, twice ``history_size`` times the number of parameters, is taken
    at the beginning: a state keeps its shapes.

    Parameters
    ----------
    lr : float or callable
        The step, or with a line search the first one that is tried: a number, or a schedule, a
        function of the number of updates before.
    max_iter : int
        How many iterations an update makes at most.
    max_eval : int, optional
        How many evaluations; ``max_iter * 5 // 4`` if it is not given.
    tolerance_grad : float
        An update ends where no element of the gradient is larger.
    tolerance_change : float
        And where no parameter, or the value, changes by more.
    history_size : int
        How many steps the guess of the Hessian is made from.
    line_search_fn : {None, "strong_wolfe"}
        None for steps of fixed length.

    References
    ----------
    D. Liu, J. Nocedal: On the limited memory BFGS method for large scale optimization.
    Mathematical Programming 45, 1989.

    Examples
    --------
    >>> import numpy as np, adjoint as ad
    >>> def rosenbrock(x):
    ...     return np.sum(100 * (x[1:] - x[:-1] ** 2) ** 2 + (1 - x[:-1]) ** 2)
    >>> optimizer = ad.optim.LBFGS(line_search_fn="strong_wolfe", history_size=10)
    >>> params = np.zeros(4)
    >>> state = optimizer.init(params)
    >>> for _ in range(3):
    ...     params, state = optimizer.update(ad.value_and_grad(rosenbrock), state, params)
    >>> params.round(4)
    array([1., 1., 1., 1.])
    """

    lr: Rate = 1.0
    max_iter: int = 20
    max_eval: int | None = None
    tolerance_grad: float = 1e-7
    tolerance_change: float = 1e-9
    history_size: int = 100
    line_search_fn: Literal["strong_wolfe"] | None = None

    def __post_init__(self) -> None:
        check_rate(self.lr)
        check_whole(1, max_iter=self.max_iter, history_size=self.history_size)
        if self.max_eval is not None:
            check_whole(1, max_eval=self.max_eval)
        check_not_negative(
            tolerance_grad=self.tolerance_grad, tolerance_change=self.tolerance_change
        )
        if self.line_search_fn not in (None, "strong_wolfe"):
            raise InputError(
                f'line_search_fn is {self.line_search_fn!r}: it is "strong_wolfe" or None'
            )

    def init(self, params: Any) -> LBFGSState:
        """Return the state before the first update."""
        x, size = start(params), self.history_size
        zero, none = np.float64(0.0), np.int64(0)
        history = np.zeros((size, len(x)), x.dtype)
        return LBFGSState(
            step=none,
            n_iter=none,
            func_evals=none,
            loss=np.float64(np.nan),
            d=np.zeros_like(x),
            t=zero,
            prev_flat_grad=np.zeros_like(x),
            old_dirs=history,
            old_stps=history.copy(),
            ro=np.zeros(size, x.dtype),
            count=none,
            begin=none,
            H_diag=np.float64(1.0),
        )

    def update(
        self, value_and_grad: Callable[[Any], tuple[Any, Any]], state: LBFGSState, params: Any
    ) -> tuple[Any, LBFGSState]:
        """Return the parameters and the state after up to ``max_iter`` iterations.

        Parameters
        ----------
        value_and_grad : callable
            ``params -> (value, grads)``: what `adjoint.value_and_grad` returns for the function.
        state : LBFGSState
        params : pytree
        """

        check_function(value_and_grad)

        def evaluate(x: Any) -> tuple[Any, Any]:
            value, grads = pair_of(value_and_grad(restored(params, x)))
            return np.float64(value), flattened(params, grads, x)

        lr = np.float64(rate_at(self.lr, state.step))
        most = self.max_iter * 5 // 4 if self.max_eval is None else self.max_eval
        search = self.line_search_fn is not None
        x = start(params, state.d)
        size = len(state.ro)
        n_iter, count, begin = state.n_iter, state.count, state.begin
        d, t, h_diag, g_old = state.d, state.t, state.H_diag, state.prev_flat_grad
        old_dirs, old_stps = state.old_dirs.copy(), state.old_stps.copy()
        ro = state.ro.copy()

        loss, g = evaluate(x)
        evals = np.int64(1)
        k = np.int64(0)
        going = np.max(np.abs(g)) > self.tolerance_grad
        while going and k < self.max_iter:
            k, n_iter = k + 1, n_iter + 1
            first = n_iter == 1
            if first:
                d = -g
            else:
                y, s = g - g_old, d * cast(t, d)
                ys = dot(y, s)
                if ys > 1e-10:
                    slot = (begin + count) % size
                    if count == size:
                        begin = (begin + 1) % size
                    else:
                        count = count + 1
                    old_dirs[slot], old_stps[slot] = y, s
                    ro[slot] = 1.0 / ys
                    h_diag = ys / dot(y, y)
                d = direction(g, old_dirs, old_stps, ro, count, begin, h_diag)
            g_old, loss_old = g, loss
            t = lr
            if first:
                t = lr * np.minimum(1.0, 1.0 / np.float64(np.sum(np.abs(g))))
            slope = dot(g, d)
            if slope > -self.tolerance_change:
                going = False
            else:
                if search:
                    budget = most - evals
                    loss, g, t, more = strong_wolfe(
                        evaluate, x, d, t, loss, g, slope, self.tolerance_change, budget
                    )
                    evals = evals + more
                x = x + d * cast(t, d)
                if not search and k != self.max_iter:
                    loss, g = evaluate(x)
                    evals = evals + 1
                going = (
                    evals < most
                    and np.max(np.abs(g)) > self.tolerance_grad
                    and np.max(np.abs(d * cast(t, d))) > self.tolerance_change
                    and np.abs(loss - loss_old) >= self.tolerance_change
                )
        state = LBFGSState(
            step=state.step + 1,
            n_iter=n_iter,
            func_evals=state.func_evals + evals,
            loss=loss,
            d=d,
            t=t,
            prev_flat_grad=g_old,
            old_dirs=old_dirs,
            old_stps=old_stps,
            ro=ro,
            count=count,
            begin=begin,
            H_diag=h_diag,
        )
        return restored(params, x), state


def direction(
    g: Any, old_dirs: Any, old_stps: Any, ro: Any, count: Any, begin: Any, h_diag: Any
) -> Any:
    """Return −H g, with the inverse Hessian H that the history tells (the two-loop recursion)."""
    size = len(ro)
    al = np.zeros_like(ro)
    q = -g
    for i in range(count - 1, -1, -1):
        j = (begin + i) % size
        al[i] = np.dot(old_stps[j], q) * ro[j]
        q = q - al[i] * old_dirs[j]
    r = q * cast(h_diag, q)
    for i in range(count):
        j = (begin + i) % size
        r = r + old_stps[j] * (al[i] - np.dot(old_dirs[j], r) * ro[j])
    return r
