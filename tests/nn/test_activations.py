"""Activations: exact in value and derivative at all sizes, PyTorch's choices at kinks."""

from __future__ import annotations

import mpmath
import numpy as np
import pytest

import adjoint as ad
from adjoint import nn
from adjoint.errors import InputError

POINTS = np.array(
    [-1e4, -300.0, -60.0, -9.0, -2.5, -1.0, -0.3, -1e-9, 1e-9, 0.5, 1.0, 3.5, 7.0, 21.0, 100.0, 1e4]
)
EXTREME = np.array([-1e20, -1e4, 1e4, 1e20])

SMOOTH = {
    "celu": lambda x: x if x > 0 else mpmath.expm1(x),
    "elu": lambda x: x if x > 0 else mpmath.expm1(x),
    "gelu": lambda x: x * mpmath.ncdf(x),
    "hardsigmoid": lambda x: min(max(x / 6 + mpmath.mpf(1) / 2, 0), 1),
    "hardswish": lambda x: x * min(max(x / 6 + mpmath.mpf(1) / 2, 0), 1),
    "hardtanh": lambda x: min(max(x, -1), 1),
    "leaky_relu": lambda x: x if x > 0 else x * mpmath.mpf(0.01),
    "log_sigmoid": lambda x: -mpmath.log1p(mpmath.exp(-x)),
    "mish": lambda x: x * mpmath.tanh(mpmath.log1p(mpmath.exp(x))),
    "relu": lambda x: max(x, 0),
    "relu6": lambda x: min(max(x, 0), 6),
    "selu": lambda x: mpmath.mpf(1.0507009873554805) * (
        x if x > 0 else mpmath.mpf(1.6732632423543772) * mpmath.expm1(x)
    ),
    "sigmoid": lambda x: 1 / (1 + mpmath.exp(-x)),
    "silu": lambda x: x / (1 + mpmath.exp(-x)),
    "softplus": lambda x: mpmath.log1p(mpmath.exp(x)),
    "softsign": lambda x: x / (1 + abs(x)),
    "tanh": mpmath.tanh,
}  # fmt: skip
KINKS = {
    "celu": [0.0], "elu": [0.0], "hardsigmoid": [-3.0, 3.0], "hardswish": [-3.0, 3.0],
    "hardtanh": [-1.0, 1.0], "leaky_relu": [0.0], "relu": [0.0], "relu6": [0.0, 6.0],
    "selu": [0.0], "softsign": [0.0],
}  # fmt: skip


STEP = mpmath.mpf(10) ** -30


def gradient(f, x):
    return ad.grad(lambda x: np.sum(f(x)))(x)


def slope(f, x):
    return (f(x + STEP) - f(x - STEP)) / (2 * STEP)


@pytest.mark.parametrize("name", SMOOTH)
def test_exact(name):
    f, exact = getattr(nn, name), SMOOTH[name]
    points = POINTS[~np.isin(POINTS, KINKS.get(name, []))]
    with mpmath.workdps(400):
        values = [float(exact(mpmath.mpf(x))) for x in points]
        slopes = [float(slope(exact, mpmath.mpf(x))) for x in points]
    # The condition of erfc(x) is 2 x².
    rtol = 1e-13 if name == "gelu" else 4e-15
    np.testing.assert_allclose(f(points), values, rtol=rtol, atol=1e-300)
    np.testing.assert_allclose(gradient(f, points), slopes, rtol=rtol, atol=1e-300)
    single = points.astype(np.float32)
    assert f(single).dtype == gradient(f, single).dtype == np.float32
    np.testing.assert_allclose(f(single), values, rtol=3e-5, atol=1e-37)
    np.testing.assert_allclose(gradient(f, single), slopes, rtol=3e-5, atol=1e-37)


OPTIONS = {
    "leaky_relu": lambda x: nn.leaky_relu(x, 0.2),
    "elu": lambda x: nn.elu(x, 1.5),
    "celu": lambda x: nn.celu(x, 0.5),
    "gelu": lambda x: nn.gelu(x, "tanh"),
    "hardtanh": lambda x: nn.hardtanh(x, -0.5, 2.0),
    "softplus": lambda x: nn.softplus(x, 2.0),
}
FUNCTIONS = {name: getattr(nn, name) for name in SMOOTH} | {
    f"{name}, with an option": f for name, f in OPTIONS.items()
}


@pytest.mark.parametrize("name", FUNCTIONS)
def test_compiled_and_extreme(name):
    f = FUNCTIONS[name]
    for dtype in (np.float64, np.float32):
        x = np.concatenate([POINTS, EXTREME, KINKS.get(name.partition(",")[0], [])]).astype(dtype)
        with np.errstate(over="ignore"):
            value, slopes = f(x), gradient(f, x)
            assert np.isfinite(value).all() and np.isfinite(slopes).all()
            for backend in ("interpret", "llvm"):
                run = ad.jit(ad.value_and_grad(lambda x: np.sum(f(x))), backend=backend)
                total, got = run(x)
                assert total.dtype == got.dtype == dtype
                np.testing.assert_allclose(got, slopes, rtol=1e-5 if dtype == np.float32 else 1e-13)
                assert "callback" not in ad.report(run)
    assert np.isnan(f(np.array([np.nan]))).all()


@pytest.mark.parametrize("name", FUNCTIONS)
def test_like_torch(name):
    torch = pytest.importorskip("torch", reason="compares with PyTorch's functions")
    base, _, option = name.partition(",")
    torch_name = {"log_sigmoid": "logsigmoid"}.get(base, base)
    arguments = {"leaky_relu": (0.2,), "elu": (1.5,), "gelu": ("tanh",), "hardtanh": (-0.5, 2.0),
                 "softplus": (2.0,), "celu": (0.5,)}[base] if option else ()  # fmt: skip
    named = {"approximate": arguments[0]} if base == "gelu" and option else {}
    # hardsigmoid's and celu's constants are single in PyTorch.
    rtol = 1e-6 if base in ("hardsigmoid", "celu") else 1e-10
    x = np.concatenate([np.linspace(-5, 5, 41) + 0.01, KINKS.get(base, [])])
    t = torch.tensor(x, requires_grad=True)
    y = getattr(torch.nn.functional, torch_name)(t, *(() if named else arguments), **named)
    y.sum().backward()
    np.testing.assert_allclose(FUNCTIONS[name](x), y.detach().numpy(), rtol, 1e-15)
    np.testing.assert_allclose(gradient(FUNCTIONS[name], x), t.grad.numpy(), rtol, 1e-15)


def test_softmax():
    x = np.array([[1.0, 2.0, 4.0], [1e4, -1e4, 0.0], [-1e4, -1e4, -1e4]])
    e = np.exp(x - x.max(axis=1, keepdims=True))
    want = e / e.sum(axis=1, keepdims=True)
    np.testing.assert_allclose(nn.softmax(x), want, rtol=1e-15)
    np.testing.assert_allclose(nn.softmax(x.T, axis=0), want.T, rtol=1e-15)
    np.testing.assert_allclose(
        nn.log_softmax(x)[1:], [[0, -2e4, -1e4], [-np.log(3)] * 3], rtol=1e-15
    )
    np.testing.assert_allclose(np.exp(nn.log_softmax(x)), want, rtol=1e-14)
    for row in range(3):
        p = want[row]
        jacobian = np.diag(p) - np.outer(p, p)
        np.testing.assert_allclose(ad.jacobian(nn.softmax)(x[row]), jacobian, atol=1e-15)
        np.testing.assert_allclose(ad.jacobian(nn.log_softmax)(x[row]), np.eye(3) - p, atol=1e-15)
    assert nn.softmax(x.astype(np.float32)).dtype == np.float32


def test_second_derivatives_and_batches():
    x = np.linspace(-2.0, 2.0, 8).reshape(2, 4) + 0.05
    for f in (*FUNCTIONS.values(), nn.softmax, nn.log_softmax, nn.glu):
        ad.check_grads(f, (x,), order=2)
        np.testing.assert_allclose(ad.vmap(f)(x), np.stack([f(row) for row in x]), rtol=1e-14)


def test_glu():
    x = np.arange(12.0).reshape(3, 4)
    np.testing.assert_allclose(nn.glu(x), x[:, :2] / (1 + np.exp(-x[:, 2:])), rtol=1e-14)
    np.testing.assert_allclose(nn.glu(x.T, axis=0), nn.glu(x).T, rtol=1e-14)
    with pytest.raises(InputError, match=r"axis 0 of an array of shape \(3, 4\)"):
        nn.glu(x, axis=0)


def test_prelu():
    x = np.array([[[-1.0, 2.0], [-3.0, 4.0]]])
    layer = nn.PReLU(2, 0.5, dtype=np.float64)
    np.testing.assert_array_equal(layer(x), [[[-0.5, 2.0], [-1.5, 4.0]]])
    g = ad.grad(lambda layer: np.sum(layer(x)))(layer)
    np.testing.assert_array_equal(g.weight, [-1.0, -3.0])
    np.testing.assert_array_equal(nn.PReLU()(np.float32([-4.0, 1.0])), np.float32([-1.0, 1.0]))
    assert nn.PReLU().weight.dtype == np.float32


def test_errors():
    with pytest.raises(InputError, match="approximate is 'erf'"):
        nn.gelu(np.ones(2), "erf")
