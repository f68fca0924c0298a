"""Value, gradient by both modes, Hessian, differences and timing of one function at one point."""

from __future__ import annotations

import contextlib
import io
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any, TypeVar

import numpy as np

from adjoint import tree
from adjoint.api.derivatives import grad, push_forward, value_and_grad
from adjoint.api.tracing import Trace, record_call
from adjoint.cli.binding import Problem
from adjoint.cli.failure import Failure, from_exception
from adjoint.explain import nonfinite
from adjoint.explain.evaluation import trace

__all__ = ["Answer", "solve"]

T = TypeVar("T")

DIRECTIONS = 512
"""Up to so many numbers, forward mode and differences check every entry of the gradient."""

SECONDS = 10.0
"""What they may take; otherwise they check along random directions."""

FEW = 8
"""How many random directions, at most."""


@dataclass
class Answer:
    """What `solve` found. Gradients are lists with one array a leaf of the arguments.

    Attributes
    ----------
    names, point : list
        The leaves of the differentiated arguments.
    value : float
    reverse, forward, differences : list of array or None
        The gradient by each way; None where it was not computed entry by entry.
    along : int
        So many random directions were compared instead (0: every entry).
    forward_error, difference_error : float or None
        Largest disagreement with the gradient, relative to its largest entry.
    hessian : ndarray or None
        Over all entries of all leaves, in order.
    asymmetry, hessian_error : float or None
        Of the Hessian: from its transpose, and from differences of the gradient.
    seconds : dict
        Of one evaluation: ``"value"``, ``"reverse"``, ``"forward"``.
    """

    names: list[str]
    point: list[Any]
    value: float
    reverse: list[np.ndarray] | None = None
    forward: list[np.ndarray] | None = None
    differences: list[np.ndarray] | None = None
    along: int = 0
    forward_error: float | None = None
    difference_error: float | None = None
    hessian: np.ndarray | None = None
    asymmetry: float | None = None
    hessian_error: float | None = None
    seconds: dict[str, float] = field(default_factory=dict)

    @property
    def gradient(self) -> list[np.ndarray]:
        """The gradient, by whichever mode was asked for."""
        result = self.reverse if self.reverse is not None else self.forward
        assert result is not None
        return result

    @property
    def size(self) -> int:
        """How many numbers the gradient has."""
        return sum(np.size(x) for x in self.point)

    @property
    def single(self) -> bool:
        """Whether anything is in single precision."""
        return any(np.asarray(x).dtype in (np.float32, np.complex64) for x in self.point)

    def entries(self) -> list[tuple[str, int, tuple[int, ...]]]:
        """Return label, leaf and index of every number."""
        result = []
        for k, (name, leaf) in enumerate(zip(self.names, self.point, strict=True)):
            for index in np.ndindex(*np.shape(leaf)):
                at = f"[{', '.join(map(str, index))}]" if index else ""
                result.append((name + at, k, index))
        return result


# ------------------------------------------------------------------------------- calling the user


class _Nowhere(io.TextIOBase):
    def write(self, text: str) -> int:
        return len(text)


@contextlib.contextmanager
def _calling(problem: Problem, output: Any = None) -> Iterator[None]:
    """Around every call of the user's function.

    It prints once only, however often it is called; what floating-point arithmetic warns of is
    found in the results; what it raises becomes one line.
    """
    try:
        with contextlib.redirect_stdout(output or _Nowhere()), np.errstate(all="ignore"):
            yield
    except Failure:
        raise
    except (Exception, SystemExit) as error:
        assumed = problem.hint if isinstance(error, (TypeError, IndexError)) else ""
        raise from_exception(error, assumed) from error


def _evaluate(problem: Problem, output: Any) -> float:
    with _calling(problem, output):
        value = problem.plain(problem.selected)
    name = problem.name
    if value is None:
        raise Failure(f"{name} returned None; did it forget to return its result?")
    leaves = tree.flatten(value)[0]
    if len(leaves) != 1 or leaves[0] is not value:
        raise Failure(f"{name} returned {_described(value)}; a gradient is that of one number")
    if not isinstance(value, (int, float, complex, np.ndarray, np.generic)):
        raise Failure(f"{name} returned {_described(value)}, not a number")
    array = np.asarray(value)
    if array.dtype.kind not in "iufcb":
        raise Failure(f"{name} returned {_described(value)}, not a number")
    if array.shape != ():
        raise Failure(
            f"{name} returned an array of shape {array.shape}; a gradient is that of one number "
            "(sum it, or take one entry)"
        )
    if array.dtype.kind == "c":
        raise Failure(f"{name} returned a complex number; return a real one, its real part say")
    return array[()].item()


def _described(value: Any) -> str:
    if isinstance(value, (tuple, list, dict)):
        return f"a {type(value).__name__} of {len(value)}"
    text = repr(value)
    return f"{type(value).__name__} {text if len(text) <= 40 else text[:37] + '...'}"


# ------------------------------------------------------------------------------------- the answer


def solve(
    problem: Problem,
    mode: str = "both",
    order: int = 1,
    check: bool = True,
    output: Any = None,
) -> Answer:
    """Compute what ``adjoint grad`` shows.

    Parameters
    ----------
    problem : Problem
    mode : {"both", "reverse", "forward"}
    order : {1, 2}
        2 for the Hessian as well.
    check : bool
        Whether to compare with differences.
    output : file, optional
        Where the first call of the function prints to.

    Raises
    ------
    Failure
        If something is not finite, not a scalar, raises, or does not agree.
    """
    value = _evaluate(problem, output or sys.stderr)
    named = problem.leaves()
    answer = Answer([name for name, _ in named], [leaf for _, leaf in named], value)
    if not np.isfinite(value):
        raise _not_finite(problem, f"the value of {problem.name} is {value}")
    if mode != "forward":
        _reverse(problem, answer)
    _forward(problem, answer, wanted=mode == "forward", compare=mode == "both")
    if check:
        _differences(problem, answer)
    if order == 2:
        _hessian(problem, answer, check)
    return answer


def _reverse(problem: Problem, answer: Answer) -> None:
    both = value_and_grad(problem.traced)

    def run() -> Any:
        return both(problem.selected, problem.constants)

    with _calling(problem):
        traced_value, gradient = run()
    _same_value(problem, answer, traced_value)
    answer.reverse = [np.asarray(g) for g in tree.flatten(gradient)[0]]
    _finite_gradient(problem, answer.reverse, nonfinite.first_in_adjoints)
    with _calling(problem):
        answer.seconds["value"] = _timed(lambda: problem.plain(problem.selected))
        answer.seconds["reverse"] = _timed(run)


def _same_value(problem: Problem, answer: Answer, traced: Any) -> None:
    tolerance = 1e-4 if answer.single else 1e-9
    if np.allclose(traced, answer.value, rtol=tolerance, atol=0):
        return
    with _calling(problem):
        again = problem.plain(problem.selected)
    if again != answer.value:
        raise Failure(
            f"{problem.name} gave {answer.value} and then {again} for the same arguments: its "
            "result depends on something else (random numbers, a counter, the time)"
        )
    raise Failure(
        f"{problem.name} gives {answer.value}, but {float(traced)} when it is differentiated: "
        "please report this"
    )


def _finite_gradient(problem: Problem, gradient: list[np.ndarray], find: Callable) -> None:
    if all(np.all(np.isfinite(g)) for g in gradient):
        return
    with _calling(problem):
        found = find(_explained(problem))
    text = "the gradient is not finite" + (f": {found[0]}" if found else "")
    raise Failure(text, place=found[1] if found else None)


def _explained(problem: Problem) -> Any:
    def traced(selected: Any) -> Any:
        return problem.traced(selected, problem.constants)

    return trace(traced)(problem.selected)


def _not_finite(problem: Problem, message: str) -> Failure:
    """Say where a value first became NaN or infinite."""
    with _calling(problem):
        found = nonfinite.first_in_values(_explained(problem))
    text = f"{message}: {found[0]}" if found else message
    return Failure(text, place=found[1] if found else None)


def _timed(run: Callable[[], Any], most: float = 0.25) -> float:
    """Return the shortest time of several runs."""
    best, spent, count = float("inf"), 0.0, 0
    while count < 3 or (spent < most and count < 1000):
        start = time.perf_counter()
        run()
        took = time.perf_counter() - start
        best, spent, count = min(best, took), spent + took, count + 1
        if spent > 4 * most:
            break
    return best


# ----------------------------------------------------------------------- along directions


def _units(answer: Answer) -> list[tuple[int, tuple[int, ...], complex]]:
    """Return the entries one after another; of complex ones also the imaginary direction."""
    units = []
    for _, k, index in answer.entries():
        units.append((k, index, 1))
        if np.asarray(answer.point[k]).dtype.kind == "c":
            units.append((k, index, 1j))
    return units


def _unit_tangent(answer: Answer, unit: tuple[int, tuple[int, ...], complex]) -> list[Any]:
    k, index, one = unit
    tangents = [np.zeros(np.shape(x), np.asarray(x).dtype) for x in answer.point]
    tangents[k][index] = one
    return [t[()] for t in tangents]


def _random_tangents(answer: Answer) -> list[list[Any]]:
    rng = np.random.default_rng(0)
    result = []
    for _ in range(FEW):
        tangents = []
        for x in answer.point:
            dtype = np.asarray(x).dtype
            t = rng.standard_normal(np.shape(x))
            if dtype.kind == "c":
                t = t + 1j * rng.standard_normal(np.shape(x))
            tangents.append(np.asarray(t, dtype)[()])
        result.append(tangents)
    return result


def _gathered(answer: Answer, slopes: list[float]) -> list[np.ndarray]:
    """Return the gradient whose slopes along the unit tangents these are (∂/∂x − i ∂/∂y)."""
    result = [np.zeros(np.shape(x), np.asarray(x).dtype) for x in answer.point]
    for (k, index, one), slope in zip(_units(answer), slopes, strict=True):
        result[k][index] += slope if one == 1 else -1j * slope
    return result


def _slope(gradient: list[np.ndarray], tangents: list[Any]) -> float:
    return sum(float(np.sum(g * t).real) for g, t in zip(gradient, tangents, strict=True))


def _disagreement(a: list[np.ndarray], b: list[np.ndarray]) -> float:
    """Return the largest difference relative to the largest entry."""
    largest = max(float(np.max(np.abs(x), initial=0)) for x in a)
    worst = max(float(np.max(np.abs(x - y), initial=0)) for x, y in zip(a, b, strict=True))
    return worst / largest if largest else worst


def _forward(problem: Problem, answer: Answer, wanted: bool, compare: bool) -> None:
    """Push tangents forward: every entry's, or if that takes too long random ones."""
    if not (wanted or compare):
        return

    def record() -> Trace:
        return record_call(problem.traced, (problem.selected, problem.constants), {}, (0,))

    units = _units(answer)
    with _calling(problem):
        recorded = record()
        if wanted:
            _same_value(problem, answer, recorded.output())
        start = time.perf_counter()
        first = push_forward(recorded, _unit_tangent(answer, units[0]))[0]
        one = time.perf_counter() - start
        if wanted or (len(units) <= DIRECTIONS and one * len(units) < SECONDS):
            slopes = [float(first)]
            for unit in units[1:]:
                slopes.append(float(push_forward(recorded, _unit_tangent(answer, unit))[0]))
            answer.forward = _gathered(answer, slopes)
        else:
            answer.along = FEW
            for tangents in _random_tangents(answer):
                slope = float(push_forward(recorded, tangents)[0])
                _compare_slope(answer, "forward_error", slope, tangents)
    if answer.forward is not None:
        _finite_gradient(
            problem,
            answer.forward,
            lambda explained: nonfinite.first_in_tangents(
                explained, [np.ones(np.shape(x), np.asarray(x).dtype)[()] for x in answer.point]
            ),
        )
        if answer.reverse is not None:
            answer.forward_error = _disagreement(answer.reverse, answer.forward)
    tangents = _unit_tangent(answer, units[0])
    with _calling(problem):
        if "value" not in answer.seconds:
            answer.seconds["value"] = _timed(lambda: problem.plain(problem.selected))
        answer.seconds["forward"] = _timed(lambda: push_forward(record(), tangents))
    if answer.forward_error is not None and not answer.forward_error < _tolerance(answer, 1e-8):
        raise Failure(
            f"forward and reverse mode disagree by {answer.forward_error:.1e}: please report this"
        )


def _compare_slope(answer: Answer, which: str, slope: float, tangents: list[Any]) -> None:
    expected = _slope(answer.gradient, tangents)
    size = sum(float(np.sum(np.abs(g * t))) for g, t in zip(answer.gradient, tangents, strict=True))
    error = abs(slope - expected) / size if size else abs(slope)
    setattr(answer, which, max(getattr(answer, which) or 0.0, error))


def _tolerance(answer: Answer, tight: float) -> float:
    return max(tight, 1e-3) if answer.single else tight


# ------------------------------------------------------------------------------------ differences

_STEPS = (1e-3, 1e-5, 1e-7)


def _differences(problem: Problem, answer: Answer) -> None:
    """Compare with central differences, extrapolated once; smaller steps if need be.

    They are taken in double precision whatever the arguments are in.
    """
    tangents = [_unit_tangent(answer, unit) for unit in _units(answer)]
    cost = 4 * answer.seconds["value"] * len(tangents)
    every = len(tangents) <= DIRECTIONS and cost < SECONDS
    if not every:
        tangents, answer.along = _random_tangents(answer), FEW
    slopes = []
    with _calling(problem):
        for direction in tangents:
            slopes.append(_difference(problem, answer, direction))
    known = [k for k, slope in enumerate(slopes) if slope is not None]
    if not known:
        return  # the function is not finite, or raises, beside this point
    if every and len(known) == len(slopes):
        answer.differences = _gathered(answer, slopes)
        answer.difference_error = _disagreement(answer.gradient, answer.differences)
    else:
        for k in known:
            _compare_slope(answer, "difference_error", slopes[k], tangents[k])
    assert answer.difference_error is not None
    if not answer.difference_error < _tolerance(answer, 1e-4):
        raise Failure(_disagreeing(problem, answer))


def _disagreeing(problem: Problem, answer: Answer) -> str:
    message = f"the gradient of {problem.name} and differences disagree"
    if answer.differences is not None:
        gaps = [
            (abs(answer.gradient[k][index] - answer.differences[k][index]), label, k, index)
            for label, k, index in answer.entries()
        ]
        _, label, k, index = max(gaps, key=lambda gap: gap[0])
        message += (
            f" at {label}: {answer.gradient[k][index]:.6g} against "
            f"{answer.differences[k][index]:.6g}"
        )
    else:
        message += f" by {answer.difference_error:.1e}"
    return f"{message} (a kink or a jump beside this point? --no-check leaves differences out)"


def _difference(problem: Problem, answer: Answer, tangents: list[Any]) -> float | None:
    expected = _slope(answer.gradient, tangents)
    size = max(float(np.max(np.abs(g), initial=0)) for g in answer.gradient)
    best = None
    for step in _STEPS:
        slope = _extrapolated(problem, answer, tangents, step)
        if slope is None or not np.isfinite(slope):
            continue
        if best is None or abs(slope - expected) < abs(best - expected):
            best = slope
        if abs(best - expected) <= 1e-7 * max(size, abs(expected)):
            break
    return best


def _extrapolated(
    problem: Problem, answer: Answer, tangents: list[Any], step: float
) -> float | None:
    """Return (4 D(h/2) − D(h)) / 3 with D(h) = (f(x + h t) − f(x − h t)) / 2h."""
    scale = max(
        1.0,
        *(float(np.max(np.abs(x), initial=0, where=t != 0)) for x, t in _pairs(answer, tangents)),
    )
    h = step * scale
    try:
        values = [
            float(problem.plain(_moved(problem, answer, tangents, s * h)))
            for s in (1, -1, 0.5, -0.5)
        ]
    except (ArithmeticError, ValueError, IndexError, np.linalg.LinAlgError):
        return None  # outside the function's domain
    wide, narrow = (values[0] - values[1]) / (2 * h), (values[2] - values[3]) / h
    return (4 * narrow - wide) / 3


def _pairs(answer: Answer, tangents: list[Any]) -> list[tuple[np.ndarray, np.ndarray]]:
    return [(np.asarray(x), np.asarray(t)) for x, t in zip(answer.point, tangents, strict=True)]


def _moved(problem: Problem, answer: Answer, tangents: list[Any], h: float) -> Any:
    spec = tree.structure(problem.selected)
    moved = []
    for x, t in _pairs(answer, tangents):
        double = np.result_type(x.dtype, np.float64)
        moved.append((x.astype(double) + h * t)[()])
    return tree.unflatten(spec, moved)


# ---------------------------------------------------------------------------------- second order


def _hessian(problem: Problem, answer: Answer, check: bool) -> None:
    """Push every unit tangent through the recorded gradient: forward over reverse."""
    if any(np.asarray(x).dtype.kind == "c" for x in answer.point):
        raise Failure("--order 2 takes real arguments only", status=2)
    gradient = grad(problem.traced)

    def flat(parts: list[Any]) -> np.ndarray:
        return np.concatenate([np.ravel(part) for part in parts])

    units = _units(answer)
    with _calling(problem):
        start = time.perf_counter()
        recorded = record_call(gradient, (problem.selected, problem.constants), {}, (0,))
        columns = [flat(push_forward(recorded, _unit_tangent(answer, unit))) for unit in units]
        answer.seconds["hessian"] = time.perf_counter() - start
    hessian = answer.hessian = np.stack(columns, axis=1)
    if not np.all(np.isfinite(hessian)):
        raise Failure(f"the Hessian of {problem.name} is not finite")
    answer.asymmetry = _disagreement([hessian], [hessian.T])
    if answer.asymmetry > _tolerance(answer, 1e-8):
        raise Failure(
            f"the Hessian is not symmetric (by {answer.asymmetry:.1e}): please report this"
        )
    if not check:
        return

    def gradient_at(tangents: list[Any], h: float) -> np.ndarray:
        return flat(
            tree.flatten(gradient(_moved(problem, answer, tangents, h), problem.constants))[0]
        )

    rng = np.random.default_rng(0)
    direction = [np.asarray(rng.standard_normal(np.shape(x)))[()] for x in answer.point]
    expected = hessian @ flat(direction)
    worst = None
    with _calling(problem):
        for h in (1e-4, 1e-6):
            slope = (gradient_at(direction, h) - gradient_at(direction, -h)) / (2 * h)
            if np.all(np.isfinite(slope)):
                error = _disagreement([expected], [slope])
                worst = error if worst is None else min(worst, error)
    answer.hessian_error = worst
    if worst is not None and not worst < _tolerance(answer, 1e-3):
        raise Failure(
            f"the Hessian of {problem.name} and differences of its gradient disagree by "
            f"{worst:.1e} (a kink beside this point? --no-check leaves differences out)"
        )
