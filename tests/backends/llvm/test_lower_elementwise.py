"""Every row of the table of elements, as NumPy (or SciPy) computes it."""

import importlib

import numpy as np
import pytest

import adjoint.backends.llvm.lower.table  # noqa: F401  (fills the table of elements)
from adjoint.backends.llvm.lower.scalar import TABLE
from adjoint.ir.build import Builder
from adjoint.ir.graph import Function
from adjoint.ir.types import Type
from adjoint.ops.inference import infer
from adjoint.ops.plain import lookup
from tests.backends.llvm.lowering import agree, callbacks, evaluate

importlib.import_module("adjoint.numpy_api.special")

DTYPES = {
    "f": ["float64", "float32"], "i": ["int64", "int16"], "u": ["uint64", "uint8"], "b": ["bool"],
    "c": ["complex128", "complex64"],
}  # fmt: skip
PARAMS = {"sinc": {"order": 0}}
BOUNDED = {"gammaln", "erf", "erfc"}
"""SciPy's own algorithms, which differ from libm's in the last digits."""


def operands(name, dtype, count):
    """Return vectors of ordinary and of special numbers."""
    rng = np.random.default_rng(len(name))
    dtype = np.dtype(dtype)
    if dtype.kind == "b":
        base = np.array([True, False] * 18 + [True])
    elif dtype.kind in "iu":
        info = np.iinfo(dtype)
        base = np.concatenate([
            rng.integers(max(info.min, -9), 10, 33), [info.max, info.min, 0, 1]
        ]).astype(dtype)  # fmt: skip
    elif dtype.kind == "f":
        base = np.concatenate([
            rng.normal(size=25), rng.uniform(0, 1, 6), [0.0, -0.0, np.inf, -np.inf, np.nan, 4.0]
        ]).astype(dtype)  # fmt: skip
    else:
        base = (rng.normal(size=37) + 1j * rng.normal(size=37)).astype(dtype)
    given = [base, rng.permutation(base), rng.permutation(base)][:count]
    if name in ("left_shift", "right_shift"):
        given[1] = np.abs(given[1].astype(np.int64) % 11).astype(dtype)
    return given


def cases():
    return [(name, dtype) for name, kind in sorted(TABLE) for dtype in DTYPES[kind]]


@pytest.mark.parametrize("name, dtype", cases())
def test_elements(name, dtype):
    op = lookup(name)
    params = PARAMS.get(name, {})
    if name == "where":
        given = [operands("c", "bool", 1)[0], *operands(name, "float64", 2)]
    else:
        given = operands(name, dtype, len(op.operands))
        if name == "ldexp":
            given[1] = given[1].astype(np.int64)
        if name == "power" and np.dtype(dtype).kind in "iu":
            given[1] = np.abs(given[1]) % 5
    scalars = [x[3] for x in given]
    for operand_set in (scalars,) if name == "python_number" else (given, scalars):
        builder = Builder(None)
        kinds = ["array" if isinstance(x, np.ndarray) else "scalar" for x in operand_set]
        values = [
            builder.parameter(Type(x.dtype, np.shape(x), kind))
            for x, kind in zip(operand_set, kinds, strict=True)
        ]
        with np.errstate(all="ignore"):
            try:
                type = infer(op, tuple(v.type for v in values), params)
            except TypeError:
                pytest.skip("NumPy has no such operation")
        builder.block.results = [builder.emit(op, tuple(values), params, type)]
        f = Function("f", builder.block)
        single = np.dtype(dtype) in (np.float32, np.complex64)
        rtol = 3e-6 if single else 1e-11 if name in BOUNDED else 3e-14
        evaluate(f, *operand_set, rtol=rtol)
        # Of small integers NumPy makes half precision, which machine code does not compute with.
        if not (name == "rint" and dtype in ("bool", "uint8")):
            assert callbacks(f) == []


def test_strong_products_ignore_what_is_not_finite():
    results = evaluate(
        """
        function f(%x: float64[4], %y: float64[4]) {
            %a: float64[4] = strong_multiply(%x, %y)
            %b: float64[4] = strong_divide(%x, %y)
            return %a, %b
        }""",
        np.array([0.0, -0.0, 2.0, 3.0]), np.array([np.inf, np.nan, np.inf, 0.0]),
    )  # fmt: skip
    agree(np.abs(results[0]), np.array([0.0, 0.0, np.inf, 0.0]))


def test_several_readers_share_what_costs_something():
    x = np.linspace(0, 1, 100)
    evaluate(
        """
        function f(%n: int, %x: float64[%n]) {
            %e: float64[%n] = exp(%x)
            %s: float64 = reduce_sum(%e, axis=(0,))
            %d: float64[%n] = divide(%e, %s)
            %r: float64[%n] = getitem(%e, index=::-1)
            %z: float64[%n] = add(%d, %r)
            return %z, %s, %e
        }""",
        100, x,
    )  # fmt: skip
