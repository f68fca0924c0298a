"""A line search for the strong Wolfe conditions.

The staged front end rewrites this module like a user's: how many steps are tried is known at run
time only.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from adjoint.optim.leaves import cast

__all__ = ["strong_wolfe"]

SUFFICIENT, CURVATURE = 1e-4, 0.9
"""c₁ and c₂ of the conditions."""


def strong_wolfe(
    evaluate: Callable[[Any], tuple[Any, Any]],
    x: Any,
    d: Any,
    t: Any,
    f: Any,
    g: Any,
    slope: Any,
    tolerance_change: Any,
    most: Any,
) -> tuple[Any, Any, Any, Any]:
    """Return a step t along d with f(t) ≤ f + c₁ t f′ and |f′(t)| ≤ c₂ |f′|.

    A bracket is found by going further and further, then made smaller by cubic interpolation. It is
    the search of `torch.optim.LBFGS`, point by point.

    Parameters
    ----------
    evaluate : callable
        ``x -> (value, gradient)``.
    x, d : array
        Where to start, and the direction.
    t : float64
        The step to try first.
    f, slope : float64
        The value at x, and the derivative along d.
    g : array
        The gradient at x.
    tolerance_change : float
        A bracket that moves no parameter by more is good enough.
    most : int
        How many steps are tried at most, after the first one.

    Returns
    -------
    f : float64
    g : array
    t : float64
        The best step; value and gradient there come first.
    count : int64
        How often the function was evaluated.

    References
    ----------
    J. Nocedal, S. Wright: Numerical optimization, algorithms 3.5 and 3.6.
    """
    f_new, g_new = evaluate(x + d * cast(t, d))
    slope_new = dot(g_new, d)
    count, tried = np.int64(1), np.int64(0)
    # Two ends of a bracket: where the search came from, and where it is.
    t_old, f_old, g_old, slope_old = np.float64(0.0), f, g, slope
    done, bracketed = False, False
    while not bracketed and tried < most:
        if f_new > f + SUFFICIENT * t * slope or (tried > 1 and f_new >= f_old):
            bracketed = True
        elif np.abs(slope_new) <= -CURVATURE * slope:
            bracketed = done = True
        elif slope_new >= 0:
            bracketed = True
        else:
            low, high = t + 0.01 * (t - t_old), t * 10.0
            further = cubic(t_old, f_old, slope_old, t, f_new, slope_new, low, high)
            t_old, f_old, g_old, slope_old = t, f_new, g_new, slope_new
            t = further
            f_new, g_new = evaluate(x + d * cast(t, d))
            slope_new = dot(g_new, d)
            count, tried = count + 1, tried + 1
    if tried >= most:
        t_old, f_old, g_old, slope_old = np.float64(0.0), f, g, slope
    if done:
        return f_new, g_new, t, count
    # The lower end of the bracket (t_low) and the other; equal ones go by which was first.
    low_first = f_old <= f_new
    t_low, f_low, g_low, slope_low = t_old, f_old, g_old, slope_old
    t_high, f_high, g_high, slope_high = t, f_new, g_new, slope_new
    if not low_first:
        t_low, f_low, g_low, slope_low = t, f_new, g_new, slope_new
        t_high, f_high, g_high, slope_high = t_old, f_old, g_old, slope_old
    longest = np.float64(np.max(np.abs(d)))
    slow = False
    while not done and tried < most and np.abs(t_high - t_low) * longest >= tolerance_change:
        left, right = np.minimum(t_low, t_high), np.maximum(t_low, t_high)
        t = cubic(t_low, f_low, slope_low, t_high, f_high, slope_high, left, right)
        # Near an end for the second time, or at it: a tenth of the bracket away from it.
        margin = 0.1 * (right - left)
        near = np.minimum(right - t, t - left) < margin
        if near and (slow or t >= right or t <= left):
            if np.abs(right - t) < np.abs(t - left):
                t = right - margin
            else:
                t = left + margin
            slow = False
        else:
            slow = near
        f_new, g_new = evaluate(x + d * cast(t, d))
        slope_new = dot(g_new, d)
        count, tried = count + 1, tried + 1
        if f_new > f + SUFFICIENT * t * slope or f_new >= f_low:
            t_high, f_high, g_high, slope_high = t, f_new, g_new, slope_new
            if f_high < f_low or (f_high == f_low and not low_first):
                t_low, t_high = t_high, t_low
                f_low, f_high = f_high, f_low
                g_low, g_high = g_high, g_low
                slope_low, slope_high = slope_high, slope_low
                low_first = not low_first
        else:
            if np.abs(slope_new) <= -CURVATURE * slope:
                done = True
            elif slope_new * (t_high - t_low) >= 0:
                t_high, f_high, g_high, slope_high = t_low, f_low, g_low, slope_low
            t_low, f_low, g_low, slope_low = t, f_new, g_new, slope_new
    return f_low, g_low, t_low, count


def dot(x: Any, y: Any) -> Any:
    """Return x · y as a float64."""
    return np.float64(np.dot(x, y))


def cubic(x1: Any, f1: Any, slope1: Any, x2: Any, f2: Any, slope2: Any, low: Any, high: Any) -> Any:
    """Return where the cubic through two points with two slopes is least, from low to high."""
    d1 = slope1 + slope2 - 3.0 * (f1 - f2) / (x1 - x2)
    square = d1 * d1 - slope1 * slope2
    if not square >= 0:
        return (low + high) / 2.0
    d2 = np.sqrt(square)
    if x1 <= x2:
        least = x2 - (x2 - x1) * ((slope2 + d2 - d1) / (slope2 - slope1 + 2.0 * d2))
    else:
        least = x1 - (x1 - x2) * ((slope1 + d2 - d1) / (slope1 - slope2 + 2.0 * d2))
    return np.minimum(np.maximum(least, low), high)
