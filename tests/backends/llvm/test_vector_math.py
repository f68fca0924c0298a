"""Mathematical functions in compiled loops: at most four units in the last place, and right at
special arguments, at every width that the host has and as plain libm."""

import ctypes
from functools import cache

import mpmath
import numpy as np
import pytest

import adjoint as ad
from adjoint.backends.llvm import engine, symbols, vector_math
from adjoint.errors import CompileError

TYPES = {"double": np.float64, "float": np.float32}
NAMES = sorted(vector_math.ARITY)
LIMIT = 4.0  # units in the last place
LIMITS = {"tgamma": 10.0}  # what glibc's manual says of it
PRECISION = 160

# -------------------------------------------------------------------------------- compiled loops


def loop(f, width):
    """A function that applies f to arrays, `width` elements at a time (1: no vectors)."""
    names = [f"%x{number}" for number in range(f.arity)]
    loads = "\n".join(
        f"  %at{k} = getelementptr {f.type}, ptr {name}, i64 %i\n"
        f"  %v{k} = load {f.type}, ptr %at{k}"
        for k, name in enumerate(names)
    )
    taken = "".join(f", ptr noalias {name}" for name in names)
    return f"""
define void @w{width}(i64 %n, ptr noalias %out{taken}) #0 {{
entry:
  %some = icmp sgt i64 %n, 0
  br i1 %some, label %body, label %done
body:
  %i = phi i64 [0, %entry], [%next, %body]
{loads}
  %y = {f.call(*[f"%v{k}" for k in range(f.arity)])}
  %at = getelementptr {f.type}, ptr %out, i64 %i
  store {f.type} %y, ptr %at
  %next = add nuw nsw i64 %i, 1
  %more = icmp slt i64 %next, %n
  br i1 %more, label %body, label %done, !llvm.loop !{10 * width}
done:
  ret void
}}
!{10 * width} = distinct !{{!{10 * width}, !{10 * width + 1}, !{10 * width + 2}, !2}}
!{10 * width + 1} = !{{!"llvm.loop.vectorize.width", i32 {width}}}
!{10 * width + 2} = !{{!"llvm.loop.vectorize.enable", i1 {str(width > 1).lower()}}}
"""


@cache
def compiled(name, kind, vectors):
    """Loops over one function, by width."""
    f = vector_math.function(name, kind, vectors)
    widths = [1, *(width for width, _ in f.variants)]
    text = vector_math.prelude([f]) + "".join(loop(f, width) for width in widths)
    text += '!2 = !{!"llvm.loop.interleave.count", i32 1}\n'
    text += f"attributes #0 = {{ {engine.host().attributes} }}"
    passed = engine.optimise(text)
    for width, symbol in f.variants:
        assert f"call <{width} x {kind}> @{symbol}(" in passed, "not vectorised"
    code = engine.compile_module(text)
    return {width: caller(code, f"w{width}", f) for width in widths}


def caller(code, name, f):
    call = code.function(name, None, ctypes.c_int64, *[ctypes.c_void_p] * (f.arity + 1))

    def apply(*arrays):
        arrays = [np.ascontiguousarray(array, TYPES[f.type]) for array in arrays]
        out = np.empty_like(arrays[0])
        call(out.size, out.ctypes.data, *[array.ctypes.data for array in arrays])
        return out

    return apply


# -------------------------------------------------------------------------------------- arguments


def arguments(name, kind, count=24):
    """Random arguments over the parts of the domain where a function behaves differently."""
    rng = np.random.default_rng(len(name) + 7 * ord(name[0]))
    double = kind == "double"
    least, most, digits = (-1070, 1000, 52) if double else (-147, 120, 23)
    over = 709.7 if double else 88.7

    def within(low, high):
        return rng.uniform(low, high, count)

    def scales(low, high):
        return np.exp2(rng.uniform(low, high, count)) * rng.choice([-1, 1], count)

    near_one = 1 + scales(-digits, -1)
    tiny, every = scales(least, -20), scales(least, most)
    trigonometric = [within(-7, 7), within(-1e5, 1e5), every]
    inverse = [within(-1, 1), tiny, 1 - np.abs(scales(-digits, -1))]
    exponential = [within(-2, 2), within(-over - 30, over), tiny, within(over - 1, over)]
    logarithmic = [np.abs(every), np.abs(near_one), within(0, 4)]
    unary = {
        **dict.fromkeys(("sin", "cos", "tan"), trigonometric),
        **dict.fromkeys(("asin", "acos", "atanh"), inverse),
        **dict.fromkeys(("sinh", "cosh", "exp", "expm1", "tanh"), exponential),
        **dict.fromkeys(("log", "log2", "log10"), logarithmic),
        **dict.fromkeys(("atan", "asinh", "cbrt"), [within(-3, 3), every]),
        "exp2": [within(-2, 2), within(*((-1074, 1024) if double else (-149, 128))), tiny],
        "log1p": [within(-1, 4), tiny, np.abs(scales(0, most))],
        "acosh": [within(1, 5), np.abs(scales(0, most)), 1 + np.abs(scales(-digits, 0))],
        "erf": [within(-6, 6), tiny],
        "erfc": [within(-6, 26 if double else 9), tiny],
        "lgamma": [within(0, 10), np.abs(every[np.abs(every) < 1e30]), within(-20, 0)],
        "tgamma": [within(0, 30), within(-20, 0)],
    }
    pairs = {
        "pow": [
            (np.abs(scales(-20, 20)), within(-5, 5)),
            (np.abs(near_one), scales(0, digits)),
            (np.abs(every), within(-1, 1)),
            (within(-9, 9), rng.integers(-9, 9, count)),
        ]
    }
    both = [
        (within(-2, 2), within(-2, 2)),
        (every, scales(least, most)),
        (tiny, scales(least, -20)),
    ]
    if vector_math.ARITY[name] == 1:
        return [np.concatenate(unary[name]).astype(TYPES[kind])]
    chosen = pairs.get(name, both)
    return [np.concatenate(part).astype(TYPES[kind]) for part in zip(*chosen)]


def special(kind):
    """Numbers at which functions change their minds."""
    about = np.finfo(TYPES[kind])
    some = [0, 1, 2, 0.5, 3, 2.5, about.max, about.tiny, about.tiny / 4, about.smallest_subnormal]
    some += [about.eps, 1 + about.eps, 1 - about.epsneg, 1e5, 1e30, 88, 89, 104, 709.5, 711, 746]
    some += [1022, 1024, 1075, 1080, 127, 128, 149, 151, 1e-10, 2.0**53, 2.0**24, np.pi / 2, np.inf]
    positive = np.array(some, TYPES[kind])
    return np.concatenate([positive, -positive, [np.nan]]).astype(TYPES[kind])


# -------------------------------------------------------------------------------------- reference

MEANING = {
    "exp2": lambda x: mpmath.power(2, x),
    "log2": lambda x: mpmath.log(x, 2),
    "cbrt": lambda x: mpmath.sign(x) * mpmath.cbrt(abs(x)),
    "lgamma": lambda x: mpmath.log(abs(mpmath.gamma(x))),
    "tgamma": mpmath.gamma,
    "pow": mpmath.power,
    "fmod": lambda x, y: x - y * mpmath.sign(x / y) * mpmath.floor(abs(x / y)),
    "remainder": lambda x, y: x - y * mpmath.nint(x / y),
}


def exact(name, *operands):
    """The value by mpmath; None where it is not a finite real number."""
    meaning = MEANING.get(name) or getattr(mpmath, name)
    # The remainder of numbers far apart needs all of the quotient's digits.
    with mpmath.workprec(2400 if name in ("fmod", "remainder") else PRECISION):
        try:
            value = meaning(*map(mpmath.mpf, operands))
        except (ValueError, ZeroDivisionError, OverflowError):
            return None
        return value if isinstance(value, mpmath.mpf) and mpmath.isfinite(value) else None


def units(got, value, kind):
    """The error in units in the last place."""
    digits, least, most = {"double": (53, -1074, 1024), "float": (24, -149, 128)}[kind]
    with mpmath.workprec(PRECISION):
        exponent = mpmath.frexp(value)[1] if value else 0
        unit = mpmath.mpf(2) ** max(exponent - digits, least)
        if np.isinf(got):
            over = abs(value) >= mpmath.mpf(2) ** most - unit
            return 0.0 if over and (value > 0) == (got > 0) else np.inf
        return np.inf if np.isnan(got) else float(abs(mpmath.mpf(float(got)) - value) / unit)


# What C's Annex F says where nothing finite does, by libraries that are not this one.
def annex_f(name, *operands):
    """NumPy's longer type; ``None`` for what NumPy has not."""
    renamed = {"pow": "power", "atan2": "arctan2"}
    renamed |= {f"a{x}": f"arc{x}" for x in ("sin", "cos", "tan", "sinh", "cosh", "tanh")}
    f = getattr(np, renamed.get(name, name), None)
    if f is None or name == "remainder":
        return None
    with np.errstate(all="ignore"):
        return f(*(x.astype(np.longdouble) for x in operands)).astype(operands[0].dtype)


CASES = [(name, kind) for name in NAMES for kind in TYPES]


@pytest.mark.parametrize("vectors", [True, False], ids=["vectors", "libm"])
@pytest.mark.parametrize(("name", "kind"), CASES)
def test_within_four_units_in_the_last_place(name, kind, vectors):
    operands = arguments(name, kind)
    values = [exact(name, *map(float, at)) for at in zip(*operands)]
    assert sum(value is not None for value in values) > len(values) / 3
    for width, apply in compiled(name, kind, vectors).items():
        for at, got, value in zip(zip(*operands), apply(*operands), values):
            if value is not None:
                error = units(got, value, kind)
                assert error <= LIMITS.get(name, LIMIT), (
                    f"{name}{at} = {got}, {error} units off at width {width}"
                )


@pytest.mark.parametrize("vectors", [True, False], ids=["vectors", "libm"])
@pytest.mark.parametrize(("name", "kind"), CASES)
def test_special_arguments(name, kind, vectors):
    operands = [special(kind)]
    if vector_math.ARITY[name] == 2:
        operands = [side.ravel() for side in np.meshgrid(operands[0], operands[0])]
    by_libm = compiled(name, kind, False)[1](*operands)
    expected = annex_f(name, *operands)
    if expected is None:
        expected = by_libm
    for width, apply in compiled(name, kind, vectors).items():
        # Alone among ordinary numbers, among one another, and each filling a vector.
        for times in (1, 16):
            spread = [np.repeat(operand, times) for operand in operands]
            same_as(apply(*spread), np.repeat(expected, times), spread, f"{name} at width {width}")


def same_as(got, expected, operands, what):
    """The same zeros, infinities, NaNs and signs; near it where it is finite."""
    nan = np.isnan(expected)
    wrong = np.isnan(got) != nan
    wrong |= ~nan & (np.signbit(got) != np.signbit(expected))
    wrong |= np.isinf(got) != np.isinf(expected)
    with np.errstate(all="ignore"):
        distance = np.abs(got.astype(np.longdouble) - expected)
        limit = 2 * LIMIT * np.spacing(np.abs(expected)).astype(np.longdouble)
        wrong |= np.isfinite(expected) & (distance > limit)
    first = np.flatnonzero(wrong)[:3]
    shown = [(*(float(x[i]) for x in operands), float(got[i]), float(expected[i])) for i in first]
    assert not wrong.any(), f"{what}: arguments, result and what was expected: {shown}"


# --------------------------------------------------------------------------------------- the text


def test_the_environment_switches_vectors_off(monkeypatch):
    assert vector_math.vectorised()
    monkeypatch.setenv("ADJOINT_VECTOR_MATH", "0")
    assert not vector_math.vectorised()
    f = vector_math.function("exp")
    assert f.variants == () and len(f.declarations) == 1
    assert "compiler.used" not in vector_math.prelude([f])


def test_functions_that_are_not_there_are_named():
    for name, kind in (("besselj", "double"), ("sqrt", "float")):
        with pytest.raises(CompileError, match=f"'{name}' of {kind}"):
            vector_math.function(name, kind)


def test_a_prelude_declares_each_function_once():
    functions = [vector_math.function(name) for name in ("exp", "log", "exp")]
    text = vector_math.prelude(functions)
    assert text.count("double @libm.exp(double)") == 1 and text.count("llvm.compiler.used") <= 1
    engine.compile_object(text)


needs_libmvec = pytest.mark.skipif(
    symbols.resolve("_ZGVbN2v_exp") is None, reason="this machine has no libmvec"
)


@needs_libmvec
def test_the_host_has_vector_versions_of_most_functions():
    have = [name for name in NAMES if vector_math.function(name, vectors=True).variants]
    assert {"sin", "cos", "exp", "log", "pow"} <= set(have)


@needs_libmvec
def test_calls_under_a_condition_and_of_positive_arguments_are_vectorised():
    log, power = (vector_math.function(name, vectors=True) for name in ("log", "pow"))
    text = (
        vector_math.prelude([log, power])
        + f"""
define void @f(i64 %n, ptr noalias %out, ptr noalias %x) #0 {{
entry:
  br label %body
body:
  %i = phi i64 [0, %entry], [%next, %join]
  %at = getelementptr double, ptr %x, i64 %i
  %v = load double, ptr %at
  %some = fcmp ogt double %v, 0.0
  br i1 %some, label %yes, label %join
yes:
  %a = {log.call("%v")}
  %b = {power.call("2.0", "%a")}
  br label %join
join:
  %y = phi double [%b, %yes], [0.0, %body]
  %to = getelementptr double, ptr %out, i64 %i
  store double %y, ptr %to
  %next = add nuw nsw i64 %i, 1
  %more = icmp slt i64 %next, %n
  br i1 %more, label %body, label %done
done:
  ret void
}}
attributes #0 = {{ {engine.host().attributes} }}
"""
    )
    passed = engine.optimise(text)
    widest = log.variants[0][0]
    assert f"call <{widest} x double> @{log.variants[0][1]}" in passed
    assert f"call <{widest} x double> @{power.variants[0][1]}" in passed


def test_an_element_that_is_read_is_the_one_of_the_array():
    """Computed again, with one number instead of several at a time, it differs in the last bit."""

    def least_below(y, n):
        v = np.sin(y) * 1.0
        return np.sum((v > -2.0) & (v < v[n % len(v)])), np.sum(v)

    rows = np.random.default_rng(1).uniform(-1.2, 1.2, (20, 13))
    found = ad.jit(least_below, backend="llvm")
    for row in rows:
        for n in range(13):
            assert found(row, n)[0] == least_below(row, n)[0]
