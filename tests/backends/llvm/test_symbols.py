"""Functions outside: BLAS, LAPACK and memory, called from machine code, agree with NumPy."""

import ctypes
import re

import numpy as np
import pytest

from adjoint.backends.llvm import engine, symbols
from adjoint.errors import CompileError

LETTERS = {"s": np.float32, "d": np.float64, "c": np.complex64, "z": np.complex128}
USED = (
    "gemm gemv dotu dotc ger geru gerc syrk herk trsm trmm trsv axpy scal nrm2 potrf getrf getrs "
    "gesv syevd heevd gesdd trtrs geqrf orgqr ungqr geev gelsd potrs getri"
).split()
REAL_ONLY = {"ger", "syevd", "orgqr"}
COMPLEX_ONLY = {"dotu", "dotc", "geru", "gerc", "herk", "heevd", "ungqr"}
PASSED = {"char": "S1", "i32": "i4", "float": "f4", "double": "f8"}
PASSED |= {"complex64": "c8", "complex128": "c16"}
PREFIXED = {("nrm2", "c"): "scnrm2", ("nrm2", "z"): "dznrm2"}


def through(name):
    """A routine called from a compiled module that passes pointers on."""
    routine = symbols.routine(name)
    passed = ", ".join(f"ptr %a{number}" for number in range(len(routine.parameters)))
    back = "ret void" if routine.result == "void" else f"ret {routine.result} %r"
    target = "" if routine.result == "void" else "%r = "
    text = f"""{routine.declaration}
define {routine.result} @f({passed}) #0 {{
  {target}call {routine.result} @{routine.symbol}({passed})
  {back}
}}
attributes #0 = {{ {engine.host().attributes} }}
"""
    result = {"void": None, "i32": ctypes.c_int32, "float": ctypes.c_float}
    result["double"] = ctypes.c_double
    f = engine.compile_module(text).function(
        "f", result[routine.result], *[ctypes.c_void_p] * len(routine.parameters)
    )

    def call(*args):
        kept, pointers = [], []
        assert len(args) == len(routine.parameters)
        for kind, arg in zip(routine.parameters, args):
            if isinstance(arg, np.ndarray):
                pointers.append(arg.ctypes.data)
            else:
                scalar = np.array(arg, PASSED[kind])
                kept.append(scalar)
                pointers.append(scalar.ctypes.data)
        return f(*pointers)

    return call


def random(dtype, *shape, seed=0):
    rng = np.random.default_rng(seed)
    x = rng.standard_normal(shape)
    if np.issubdtype(dtype, np.complexfloating):
        x = x + 1j * rng.standard_normal(shape)
    return np.asfortranarray(x.astype(dtype))


def close(got, expected):
    np.testing.assert_allclose(got, expected, rtol=0, atol=2e3 * np.finfo(got.dtype).eps)


@pytest.mark.parametrize(
    ("base", "letter"),
    [
        (base, letter)
        for base in USED
        for letter in LETTERS
        if base not in (REAL_ONLY if letter in "cz" else COMPLEX_ONLY)
    ],
)
def test_routines_are_declared(base, letter):
    routine = symbols.routine(PREFIXED.get((base, letter), letter + base))
    assert routine.address
    engine.compile_object(routine.declaration)
    kinds = {"s": "float", "d": "double", "c": "complex64", "z": "complex128"}
    assert kinds[letter] in routine.parameters and "i32" in routine.parameters


@pytest.mark.parametrize("letter", "sd")
def test_dot_and_nrm2_return_numbers(letter):
    x, y = random(LETTERS[letter], 50), random(LETTERS[letter], 50, seed=1)
    close(np.array(through(letter + "dot")(50, x, 1, y, 1), x.dtype), x @ y)
    close(np.array(through(letter + "nrm2")(50, x, 1), x.dtype), np.linalg.norm(x))


@pytest.mark.parametrize("letter", LETTERS)
def test_products(letter):
    dtype = LETTERS[letter]
    a, b, c = random(dtype, 4, 5), random(dtype, 5, 3, seed=1), random(dtype, 4, 3, seed=2)
    expected = 2 * a @ b + 3 * c
    through(letter + "gemm")(b"N", b"N", 4, 3, 5, 2, a, 4, b, 5, 3, c, 4)
    close(c, expected)
    x, y = random(dtype, 5), random(dtype, 4)
    through(letter + "gemv")(b"N", 4, 5, 1, a, 4, x, 1, 0, y, 1)
    close(y, a @ x)
    through(letter + "axpy")(4, 2, y, 1, c, 1)
    close(c[:, 0], expected[:, 0] + 2 * y)
    through(letter + "scal")(4, 3, y, 1)
    close(y, 3 * (a @ x))


@pytest.mark.parametrize("letter", LETTERS)
def test_factorisations(letter):
    dtype = LETTERS[letter]
    m = random(dtype, 4, 4)
    spd = np.asfortranarray(m @ m.conj().T + 4 * np.eye(4, dtype=dtype))
    low, info = spd.copy("F"), np.ones(1, np.int32)
    through(letter + "potrf")(b"L", 4, low, 4, info)
    assert info[0] == 0
    close(np.tril(low), np.linalg.cholesky(spd))
    b, lu, pivots = random(dtype, 4, 2, seed=1), m.copy("F"), np.zeros(4, np.int32)
    x = b.copy("F")
    through(letter + "getrf")(4, 4, lu, 4, pivots, info)
    through(letter + "getrs")(b"N", 4, 2, lu, 4, pivots, x, 4, info)
    close(m @ x, b)
    through(letter + "trsm")(b"L", b"L", b"N", b"N", 4, 2, 1, low, 4, b, 4)
    close(np.tril(low) @ b, random(dtype, 4, 2, seed=1))
    through(letter + "potrf")(b"L", 4, -low, 4, info)
    assert info[0] == 1


def test_eigenvalues_and_singular_values():
    m = random(float, 5, 5)
    sym, w, info = np.asfortranarray(m + m.T), np.zeros(5), np.ones(1, np.int32)
    work, iwork = np.zeros(200), np.zeros(100, np.int32)
    v = sym.copy("F")
    through("dsyevd")(b"V", b"L", 5, v, 5, w, work, 200, iwork, 100, info)
    assert info[0] == 0
    close(v * w @ v.T, sym)
    s, u, vt, a = np.zeros(5), np.zeros((5, 5), order="F"), np.zeros((5, 5), order="F"), m.copy("F")
    work = np.zeros(1000)
    through("dgesdd")(b"A", 5, 5, a, 5, s, u, 5, vt, 5, work, 1000, iwork, info)
    assert info[0] == 0
    close(u * s @ vt, m)


def test_unknown_routines_are_named():
    with pytest.raises(CompileError, match="'dgemmm'"):
        symbols.routine("dgemmm")


def test_routines_that_take_functions_are_refused():
    with pytest.raises(CompileError, match="dgees.*cannot call"):
        symbols.routine("dgees")


def test_wide_integers_are_refused(monkeypatch):
    true = symbols._capsule_name
    monkeypatch.setattr(
        symbols, "_capsule_name", lambda capsule: true(capsule).replace(b"int *", b"int64_t *")
    )
    with pytest.raises(CompileError, match="C's int"):
        symbols.routine.__wrapped__("dgemm")
    assert symbols.LARGEST == np.iinfo(np.int32).max


def test_memory_functions():
    text = (
        "\n".join(symbols.RUNTIME.values())
        + """
define i64 @f(ptr %from, i64 %n) {
  %a = call ptr @malloc(i64 %n)
  call ptr @memcpy(ptr %a, ptr %from, i64 %n)
  %b = call ptr @realloc(ptr %a, i64 4096)
  %c = call ptr @calloc(i64 %n, i64 2)
  %at = getelementptr i8, ptr %c, i64 8
  call ptr @memmove(ptr %at, ptr %b, i64 %n)
  call ptr @memset(ptr %c, i32 0, i64 8)
  %second = getelementptr i64, ptr %c, i64 1
  %x = load i64, ptr %second
  call void @free(ptr %b)
  call void @free(ptr %c)
  ret i64 %x
}
"""
    )
    values = np.array([42, 43], np.int64)
    f = engine.compile_module(text).function("f", ctypes.c_int64, ctypes.c_void_p, ctypes.c_int64)
    assert f(values.ctypes.data, values.nbytes) == 42


def test_every_declared_name_is_found():
    names = re.findall(r"@([\w.]+)\(", "\n".join(symbols.RUNTIME.values()))
    assert names == list(symbols.RUNTIME)
    assert symbols.resolve("libm.exp") and symbols.resolve("blas.dgemm")
    assert symbols.resolve("libm.nothing") is None and symbols.resolve("malloc") is None
