"""Every ufunc, and the functions of numbers and of Python, on real and complex points."""

import cmath
import math
import operator

import numpy as np

from tests.cases import case

X = np.array([[0.7, -1.2, 0.4], [1.5, 0.3, -0.8]])
Y = np.array([[1.1, 0.6, -0.9], [0.2, -1.4, 0.5]])
D = np.array([1.1, 0.5, -0.9])
V = np.array([0.3, 1.7, -0.6])
P = np.array([0.4, 1.3, 2.6])
S = np.array([-0.8, 0.15, 0.6])
Z = np.array([0.7 + 0.3j, -1.2 + 0.6j, 0.4 - 0.9j])
W = np.array([1.1 - 0.4j, 0.6 + 0.8j, -0.9 + 0.2j])

UNARY = [
    ("positive", np.positive, X), ("negative", np.negative, X), ("absolute", np.absolute, X),
    ("fabs", np.fabs, X), ("reciprocal", np.reciprocal, X), ("square", np.square, X),
    ("exp", np.exp, X), ("exp2", np.exp2, X), ("expm1", np.expm1, X), ("log", np.log, P),
    ("log2", np.log2, P), ("log10", np.log10, P), ("log1p", np.log1p, S), ("sqrt", np.sqrt, P),
    ("cbrt", np.cbrt, X), ("sin", np.sin, X), ("cos", np.cos, X), ("tan", np.tan, X),
    ("arcsin", np.arcsin, S), ("arccos", np.arccos, S), ("arctan", np.arctan, X),
    ("sinh", np.sinh, X), ("cosh", np.cosh, X), ("tanh", np.tanh, X), ("arcsinh", np.arcsinh, X),
    ("arccosh", np.arccosh, P + 1.0), ("arctanh", np.arctanh, S), ("degrees", np.degrees, X),
    ("radians", np.radians, X), ("deg2rad", np.deg2rad, X), ("rad2deg", np.rad2deg, X),
    ("conjugate of a real", np.conjugate, X), ("sinc", np.sinc, X), ("i0", np.i0, X),
]  # fmt: skip

BINARY = [
    ("add", np.add), ("subtract", np.subtract), ("multiply", np.multiply), ("divide", np.divide),
    ("arctan2", np.arctan2), ("hypot", np.hypot), ("logaddexp", np.logaddexp),
    ("logaddexp2", np.logaddexp2), ("maximum", np.maximum), ("minimum", np.minimum),
    ("fmax", np.fmax), ("fmin", np.fmin), ("copysign", np.copysign), ("remainder", np.remainder),
    ("fmod", np.fmod),
]  # fmt: skip

HOLOMORPHIC = [
    np.negative, np.reciprocal, np.square, np.exp, np.exp2, np.expm1, np.log, np.log2, np.log10,
    np.log1p, np.sqrt, np.sin, np.cos, np.tan, np.arcsin, np.arccos, np.arctan, np.sinh, np.cosh,
    np.tanh, np.arcsinh, np.arccosh, np.arctanh, np.sinc,
]  # fmt: skip


def masked(x, y):
    out = np.zeros(3)
    np.multiply(x, y, where=V > 0, out=out)
    np.sin(out, out=out)
    return out


def at_repeated(x, y):
    a = x * 1.0
    np.add.at(a, [0, 2, 0], y)
    np.multiply.at(a, [1, 1, 0], y)
    np.subtract.at(a, ([2, 2],), 2.0)
    np.exp.at(a, [0])
    return a


def copied(x, y):
    a = np.zeros(3)
    np.copyto(a, x)
    np.copyto(a, y, where=V > 0)
    b = x * 2.0
    np.putmask(b, [True, False, True], y[:2])
    c = x * 3.0
    np.place(c, np.array([False, True, True]), y[:1])
    return a * b * c


def every_math(x):
    s, a, b = 0.0, x[0], x[1]
    for name in ("sin", "cos", "tan", "asin", "acos", "atan", "sinh", "cosh", "tanh", "asinh",
                 "atanh", "exp", "exp2", "expm1", "log1p", "log2", "log10", "sqrt", "cbrt", "fabs",
                 "degrees", "radians", "log"):  # fmt: skip
        s = s + getattr(math, name)(a)
    s += math.acosh(b) + math.log(b, 3.0) + math.log(a, b) + math.atan2(a, b) + math.pow(b, a)
    s += math.fmod(b, a) + math.remainder(b, a) + math.copysign(a, -b) + math.hypot(a, b, 1.0)
    s += math.dist([a, b], [1.0, a]) + math.fsum([a, b, a]) + math.prod([a, b], start=a)
    s += math.modf(b)[0] + math.frexp(b)[0] + math.ldexp(a, 3)
    return s


def every_cmath(z):
    s, a = 0.0, z[0]
    for name in ("sin", "cos", "tan", "asin", "acos", "atan", "sinh", "cosh", "tanh", "asinh",
                 "acosh", "atanh", "exp", "log10", "sqrt", "log"):  # fmt: skip
        s = s + getattr(cmath, name)(a)
    r, phi = cmath.polar(z[1])
    return s + cmath.rect(r, 2.0 * phi) * cmath.phase(z[2]) + cmath.log(z[1], 2.0)


def conversions(x):
    a = float(x[0])
    b = x[1].item()
    c = np.float64(x[2])
    z = complex(a, b)
    return a * b + c + z * z, isinstance(a, float) * divmod(b, 0.4)[1], operator.mul(a, b) ** 2


@np.vectorize
def smooth_step(x, y):
    if x > 0.5:
        return x * y
    return math.sin(x) + y


def local_frompyfunc(x, y):
    return np.frompyfunc(lambda a, b: a * math.exp(b), 2, 1)(x, y).astype(float)


CASES = [
    *(case(f"ufunc {name}", fn, at) for name, fn, at in UNARY),
    *(case(f"ufunc {name}", fn, X, D) for name, fn in BINARY),
    *(case(f"complex {fn.__name__}", fn, Z) for fn in HOLOMORPHIC),
    case("complex arithmetic", lambda z, w, x: (z + x) * w / z - z * 2, Z, W, V),
    case("complex power", lambda z, w: z**w, Z, W),
    case("complex absolute, sign and angle", lambda z: (abs(z), np.sign(z), np.angle(z)), Z),
    case("complex parts", lambda z: np.real(z) * np.imag(z) + np.angle(z, deg=True), Z),
    case("conjugate", lambda z: np.conj(z) * z**2, Z),
    case("divide and remainder", lambda x, y: np.divmod(x, y)[1] * (x % y), X, D),
    case("power", lambda x, y: x**y, P, V),
    case("power with constants", lambda x: (x**2, x**3, x**0, x**-1, x**1.5, 2.0**x), P),
    case("power of negative numbers", lambda x: (x ** np.array([2, 0, 3]), x**-2, x**3.0), V),
    case("float_power", lambda x, y: np.float_power(x, y), P, V),
    case("modf frexp ldexp", lambda x: (np.modf(x)[0], np.frexp(x)[0], np.ldexp(x, [1, 2, -3])), V),
    case("heaviside", lambda x, h: np.heaviside(x, h) * x, V, Y[0]),
    case("nextafter spacing", lambda x: np.nextafter(x, 9.0) * x + np.spacing(x), V, float32=False),
    case("constants", lambda x: x * np.round(x, 1) + np.floor(x) * x - np.fix(x) - np.rint(x), V),
    case("ufunc with where and out", masked, V, P),
    case("ufunc with dtype", lambda x: np.exp(x, dtype=np.float64) * 2, V, float32=False),
    case("ufunc with where, two results", lambda x: np.where(
        V > 0, np.modf(x, where=V > 0, out=(np.zeros(3), np.zeros(3)))[0], 0.0), V),
    case("outer", lambda x, y: np.multiply.outer(x, y) + np.hypot.outer(x, y), V, P),
    case("at", at_repeated, V, P),
    case("where", lambda x, y: np.where(V > 0, x, 2.0) * np.where([[True], [False]], y, x), V, P),
    case("where of lists", lambda x: np.where(V > 0, [x[0], x[1], 1.0], 0.0), V),
    case("select", lambda x: np.select([x > 1.0, x > 0.0], [x**2, [x[0], 2.0, x[1]]], x**3), V),
    case("piecewise", lambda x: np.piecewise(x, [x < 0, x > 1], [np.exp, lambda v: v**2, 0.5]), V),
    case("piecewise scalar", lambda x: np.piecewise(x, [x < 0, x >= 0], [0.0, np.exp]), 0.3,
         float32=False),
    case("choose", lambda x, y: np.choose([0, 1, 1], [x, y]) * np.choose([4, 2, 1], [x, y, 2.0],
         mode="wrap"), V, P),
    case("clip", lambda x, lo, hi: np.clip(x, lo, hi), X, np.array([-0.5, -2.0, -3.0]), 1.0),
    case("clip one side", lambda x: np.clip(x, 0.5, None) * x.clip(max=1) + np.clip(x, min=-1), X),
    case("copyto putmask place", copied, V, P),
    case("nan_to_num", lambda x: np.nan_to_num(np.where(V < 1, x, [0, np.inf, 0])), V),
    case("nan_to_num complex", lambda z: np.nan_to_num(z) ** 2, Z),
    case("unwrap", lambda x: np.unwrap(x) * x, np.array([0.1, 3.0, 6.9, -3.1])),
    case("unwrap period", lambda x, p: np.unwrap(x, axis=0, period=p), 5 * X, 1.7),
    case("real_if_close", lambda x: np.real_if_close(x + 0j) * x, V, float32=False),
    case("emath", lambda x: np.emath.sqrt(x) + np.emath.log(x) * np.emath.power(x, 2), V),
    case("emath inverses", lambda x: np.emath.arcsin(2 * x) + np.emath.logn(2, x), V),
    case("math", every_math, np.array([0.37, 1.62])),
    case("math special", lambda x: math.erf(x) + math.erfc(x) ** 2 + math.gamma(x) * math.lgamma(x),
         0.7, float32=False),
    case("cmath", every_cmath, Z),
    case("conversions", conversions, P, float32=False),
    case("vectorize", lambda x, y: smooth_step(x, y), X, 0.6, float32=False),
    case("frompyfunc", local_frompyfunc, X, V, float32=False),
    case("apply_along_axis", lambda x: np.apply_along_axis(lambda v: np.outer(v, v)[:2], 1, x), X),
    case("apply_along_axis 0", lambda x: np.apply_along_axis(lambda v: v[0] * v[1], 0, x), X),
    case("apply_over_axes", lambda x: np.apply_over_axes(np.sum, x * x, [0, -1]), X),
    case("fromfunction", lambda x: np.fromfunction(lambda i, j: x * i + np.sin(x * j), (2, 3)), V),
    case("ndenumerate", lambda x: sum(i[0] * v**2 for i, v in np.ndenumerate(x)), X),
]  # fmt: skip
