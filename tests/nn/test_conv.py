"""Convolutions against PyTorch's, and against the formula written out."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

import adjoint as ad
from adjoint.errors import InputError

BACKENDS = ("interpret", "llvm")

CONVOLUTIONS = {
    "plain": (2, (2, 3, 7, 6), (4, 3, 3, 2), {}),
    "stride and padding": (2, (2, 3, 9, 8), (4, 3, 3, 3), {"stride": 2, "padding": (1, 2)}),
    "dilation": (2, (2, 2, 12, 11), (3, 2, 3, 3), {"dilation": (2, 3), "padding": 1}),
    "groups": (2, (3, 4, 6, 6), (6, 2, 3, 3), {"groups": 2, "padding": 1}),
    "depthwise": (2, (2, 12, 6, 10), (24, 1, 3, 3), {"groups": 12, "stride": (1, 2)}),
    "pointwise": (2, (2, 12, 5, 5), (10, 12, 1, 1), {}),
    "pointwise, stride": (2, (2, 3, 5, 5), (10, 3, 1, 1), {"stride": 2}),
    "same": (2, (2, 3, 9, 6), (4, 3, 4, 3), {"padding": "same", "dilation": (1, 2)}),
    "same, long kernel": (1, (2, 3, 30), (4, 3, 10), {"padding": "same"}),
    "valid": (2, (1, 1, 10, 12), (2, 1, 9, 11), {"padding": "valid"}),
    "one image": (2, (3, 6, 6), (4, 3, 3, 3), {"padding": 1}),
    "many channels": (2, (2, 20, 10, 11), (17, 20, 3, 3), {"padding": 1}),
    "one axis": (1, (3, 2, 20), (4, 2, 5), {"stride": 3, "padding": 2}),
    "three axes": (3, (2, 2, 5, 6, 4), (3, 2, 2, 3, 2),
                   {"padding": (1, 0, 1), "stride": (1, 2, 1)}),
}  # fmt: skip

TRANSPOSED = {
    "plain": (2, (2, 3, 5, 4), (3, 4, 3, 2), {}),
    "stride": (2, (2, 3, 5, 4), (3, 4, 3, 3), {"stride": 2, "padding": 1, "output_padding": 1}),
    "pair": (2, (2, 3, 5, 4), (3, 4, 3, 3), {"stride": (2, 3), "output_padding": (0, 2)}),
    "dilation": (2, (1, 2, 4, 5), (2, 3, 3, 3), {"dilation": (3, 2), "output_padding": (2, 1)}),
    "cut": (2, (1, 2, 4, 5), (2, 3, 3, 3), {"dilation": 3, "output_padding": 2, "padding": 1}),
    "groups": (2, (2, 4, 5, 5), (4, 3, 2, 2), {"groups": 2, "stride": 2}),
    "large": (2, (2, 10, 12, 11), (10, 12, 4, 4), {"stride": 2, "padding": 1}),
    "one axis": (1, (2, 3, 11), (3, 2, 4), {"stride": 2}),
    "three axes": (3, (1, 2, 3, 4, 3), (2, 3, 2, 2, 2), {"stride": (1, 2, 1)}),
    "one image": (2, (3, 5, 4), (3, 4, 3, 2), {}),
}  # fmt: skip


def arrays(x, w, outputs, dtype=np.float64):
    rng = np.random.default_rng(5)
    return [rng.normal(size=s).astype(dtype) for s in (x, w, (outputs,))]


def check_against_torch(name, transposed, backend):
    torch = pytest.importorskip("torch", reason="PyTorch is what it is compared with")
    table = TRANSPOSED if transposed else CONVOLUTIONS
    axes, *shapes, options = table[name]
    function = f"conv{'_transpose' if transposed else ''}{axes}d"
    outputs = shapes[1][1] * options.get("groups", 1) if transposed else shapes[1][0]
    given = arrays(*shapes, outputs)
    theirs = [torch.tensor(a, requires_grad=True) for a in given]
    want = getattr(torch.nn.functional, function)(*theirs, **options)
    ct = np.random.default_rng(6).normal(size=want.shape)
    (want * torch.tensor(ct)).sum().backward()

    def loss(x, w, b):
        y = getattr(ad.nn, function)(x, w, b, **options)
        return np.sum(y * ct), y

    run = ad.value_and_grad(loss, argnums=(0, 1, 2), has_aux=True)
    if backend is not None:
        run = ad.jit(run, backend=backend)
    (_, y), grads = run(*given)
    close(y, want.detach().numpy())
    for have, tensor in zip(grads, theirs, strict=True):
        close(have, tensor.grad.numpy())


def close(have, want):
    assert have.shape == want.shape
    np.testing.assert_allclose(have, want, rtol=1e-10, atol=1e-10 * np.max(np.abs(want)))


@pytest.mark.parametrize("backend", [None, *BACKENDS])
@pytest.mark.parametrize("name", CONVOLUTIONS)
def test_convolution_is_pytorchs(name, backend):
    check_against_torch(name, False, backend)


@pytest.mark.parametrize("backend", [None, *BACKENDS])
@pytest.mark.parametrize("name", TRANSPOSED)
def test_transposed_convolution_is_pytorchs(name, backend):
    check_against_torch(name, True, backend)


def test_convolution_is_its_formula():
    x, w, b = arrays((2, 4, 6, 5), (6, 2, 3, 2), 6)
    y = ad.nn.conv2d(x, w, b, stride=(2, 1), padding=(1, 0), dilation=(1, 2), groups=2)
    padded = np.pad(x, ((0, 0), (0, 0), (1, 1), (0, 0)))
    want = np.zeros((2, 6, 3, 3))
    for n, o, p, q in itertools.product(*map(range, want.shape)):
        first = o // 3 * 2
        part = padded[n, first : first + 2, 2 * p : 2 * p + 3, q : q + 3 : 2]
        want[n, o, p, q] = b[o] + np.sum(part * w[o])
    np.testing.assert_allclose(y, want, rtol=1e-12)


@pytest.mark.parametrize("backend", [None, *BACKENDS])
def test_single_precision_stays(backend):
    x, w, b = arrays((2, 3, 9, 10), (4, 3, 3, 3), 4, np.float32)
    fn = ad.value_and_grad(lambda x, w, b: np.sum(ad.nn.conv2d(x, w, b) ** 2), argnums=(0, 1, 2))
    value, grads = (fn if backend is None else ad.jit(fn, backend=backend))(x, w, b)
    exact, wants = fn(*[a.astype(np.float64) for a in (x, w, b)])
    assert value.dtype == np.float32
    np.testing.assert_allclose(value, exact, rtol=1e-5)
    for have, want in zip(grads, wants, strict=True):
        assert have.dtype == np.float32
        np.testing.assert_allclose(have, want, rtol=1e-4, atol=1e-3)


@pytest.mark.parametrize("groups", [1, 2])
@pytest.mark.parametrize("on", [(0, None), (None, 0), (0, 0)])
def test_batched(on, groups):
    rng = np.random.default_rng(2)
    x, w = rng.normal(size=(2, 4, 6)), rng.normal(size=(4, 4 // groups, 3))
    xs, ws = (
        np.stack([a, 2 * a + 1, a**2]) if k == 0 else a for a, k in zip((x, w), on, strict=True)
    )

    def grads(x, w):
        fn = lambda x, w: np.sum(np.sin(ad.nn.conv1d(x, w, padding=1, groups=groups)))
        return ad.grad(fn, argnums=(0, 1))(x, w)

    for run in (ad.vmap(grads, in_axes=on), ad.jit(ad.vmap(grads, in_axes=on))):
        found = run(xs, ws)
        for k in range(3):
            one = [a[k] if where == 0 else a for a, where in zip((xs, ws), on, strict=True)]
            for have, want in zip(found, grads(*one), strict=True):
                np.testing.assert_allclose(have[k], want, rtol=1e-12, atol=1e-12)


def test_second_order():
    x, w, _ = arrays((2, 3, 6, 6), (2, 3, 3, 3), 2)
    fn = lambda w: np.sum(np.tanh(ad.nn.conv2d(x, w, stride=2, padding=1)))
    v = np.random.default_rng(1).normal(size=w.shape)
    h = 1e-5
    want = (ad.grad(fn)(w + h * v) - ad.grad(fn)(w - h * v)) / (2 * h)
    for run in (lambda w: ad.hvp(fn, (w,), (v,)), ad.jit(lambda w: ad.hvp(fn, (w,), (v,)))):
        np.testing.assert_allclose(run(w), want, rtol=1e-6, atol=1e-8)


@pytest.mark.parametrize(
    "call, words",
    [
        (lambda: ad.nn.conv2d(np.ones((1, 2, 5, 5)), np.ones((3, 3, 2, 2))), "2 channels"),
        (lambda: ad.nn.conv2d(np.ones((2, 5)), np.ones((3, 3, 2, 2))), "N, C, L1, L2"),
        (lambda: ad.nn.conv1d(np.ones((1, 1, 3)), np.ones((1, 1, 4))), "do not fit"),
        (lambda: ad.nn.conv1d(np.ones((1, 1, 3)), np.ones((1, 1, 2)), stride=0), "stride is 0"),
        (lambda: ad.nn.conv1d(np.ones((1, 1, 3)), np.ones((1, 1, 2)), padding="full"), "'same'"),
        (
            lambda: ad.nn.conv1d(np.ones((1, 1, 3)), np.ones((1, 1, 2)), None, 2, "same"),
            "stride 1",
        ),
        (
            lambda: ad.nn.conv_transpose1d(np.ones((1, 1, 3)), np.ones((1, 1, 2)), None, 1, 0, 1),
            "output_padding",
        ),
    ],
)
def test_errors_say_what_is_wrong(call, words):
    with pytest.raises((InputError, ValueError), match=words):
        call()


LAYERS = {
    "Conv1d": ((3, 4, 5), {"stride": 2, "padding": 2}, (2, 3, 12)),
    "Conv2d": ((4, 6, (3, 2)), {"groups": 2, "dilation": 2, "bias": False}, (2, 4, 9, 10)),
    "Conv2d reflect": ((2, 3, 3), {"padding": 2, "padding_mode": "reflect"}, (2, 2, 6, 6)),
    "Conv2d replicate": ((2, 3, 3), {"padding": 1, "padding_mode": "replicate"}, (2, 2, 6, 9)),
    "Conv2d circular": ((2, 3, 3), {"padding": "same", "padding_mode": "circular"}, (2, 2, 6, 6)),
    "Conv3d": ((2, 3, 2), {}, (1, 2, 4, 5, 4)),
    "ConvTranspose1d": ((3, 4, 3), {"stride": 2, "output_padding": 1}, (2, 3, 6)),
    "ConvTranspose2d": ((4, 6, 3), {"groups": 2, "stride": 2, "padding": 1}, (2, 4, 5, 9)),
    "ConvTranspose3d": ((2, 3, 2), {"dilation": 2}, (1, 2, 3, 4, 3)),
}


@pytest.mark.parametrize("backend", [None, *BACKENDS])
@pytest.mark.parametrize("name", LAYERS)
def test_layers_are_pytorchs(name, backend):
    torch = pytest.importorskip("torch", reason="PyTorch is what it is compared with")
    args, options, shape = LAYERS[name]
    cls = name.split()[0]
    layer = getattr(ad.nn, cls)(*args, **options, rng=0, dtype=np.float64)
    theirs = getattr(torch.nn, cls)(*args, **options, dtype=torch.float64)
    names = [n for n, _ in theirs.named_parameters()]
    with torch.no_grad():
        for n, tensor in theirs.named_parameters():
            assert getattr(layer, n).shape == tensor.shape
            # Both draw uniformly between the same bounds.
            bound = tensor.abs().max().item()
            assert 0.5 < np.abs(getattr(layer, n)).max() / bound < 2 or tensor.numel() < 30
            tensor.copy_(torch.tensor(getattr(layer, n)))
    x = np.random.default_rng(1).normal(size=shape)
    y = theirs(torch.tensor(x))
    ct = np.random.default_rng(2).normal(size=y.shape)
    (y * torch.tensor(ct)).sum().backward()
    run = ad.grad(lambda layer, x: np.sum(layer(x) * ct))
    grads = (run if backend is None else ad.jit(run, backend=backend))(layer, x)
    close(layer(x), y.detach().numpy())
    for n in names:
        close(getattr(grads, n), dict(theirs.named_parameters())[n].grad.numpy())


def test_layers_refuse_what_cannot_be():
    with pytest.raises(InputError, match="groups"):
        ad.nn.Conv2d(3, 4, 3, groups=2, rng=0)
    with pytest.raises(InputError, match="padding_mode"):
        ad.nn.Conv2d(3, 4, 3, padding_mode="wrap", rng=0)


@pytest.mark.parametrize("backend", BACKENDS)
def test_lengths_of_the_run_are_checked(backend):
    run = ad.jit(lambda x, w: ad.nn.conv1d(x, w, groups=2), backend=backend)
    assert run(np.ones((10, 20, 30)), np.ones((12, 10, 11))).shape == (10, 12, 20)
    assert run(np.ones((9, 20, 12)), np.ones((10, 10, 12))).shape == (9, 10, 1)
    assert run(np.ones((0, 20, 12)), np.ones((10, 10, 12))).shape == (0, 10, 1)
    with pytest.raises(ValueError, match="do not fit"):
        run(np.ones((10, 20, 10)), np.ones((12, 10, 11)))
    with pytest.raises(ValueError, match="multiple of the groups"):
        run(np.ones((10, 20, 30)), np.ones((13, 10, 11)))
    with pytest.raises(ValueError, match="lengths|channels"):
        run(np.ones((10, 21, 30)), np.ones((12, 10, 11)))


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("name", ["groups", "many channels", "large"])
def test_any_number_of_threads_gives_the_same_bits(name, dtype):
    shapes = {
        "groups": ((40, 24, 14, 15), (32, 12, 3, 3), {"groups": 2, "stride": 2, "padding": 1}),
        "many channels": ((3, 100, 20, 21), (130, 100, 3, 3), {"padding": 1}),
        "large": ((2, 9, 90, 70), (10, 9, 5, 5), {"dilation": 2}),
    }
    x, w, options = shapes[name]
    x, w, b = arrays(x, w, w[0], dtype)
    fn = lambda x, w, b: np.sum(np.square(ad.nn.conv2d(x, w, b, **options)))
    run = ad.jit(ad.value_and_grad(fn, argnums=(0, 1, 2)))
    before = ad.get_threads()
    found = []
    try:
        for threads in (1, 2, 3):
            ad.set_threads(threads)
            value, grads = run(x, w, b)
            found.append([value, *grads])
    finally:
        ad.set_threads(before)
    for other in found[1:]:
        for have, want in zip(other, found[0], strict=True):
            np.testing.assert_array_equal(have, want)
    value, grads = ad.value_and_grad(fn, argnums=(0, 1, 2))(x, w, b)
    rtol = 2e-3 if dtype == np.float32 else 1e-10
    for have, want in zip(found[0], [value, *grads], strict=True):
        np.testing.assert_allclose(have, want, rtol=rtol, atol=rtol * np.max(np.abs(want)) / 10)


@pytest.mark.parametrize("name", ["forward", "derivatives", "pools"])
def test_nothing_is_called_back(name):
    x, w, b = arrays((10, 12, 16, 16), (20, 12, 3, 3), 20)
    conv = lambda x, w, b: np.sum(ad.nn.conv2d(x, w, b, stride=2, padding=1) ** 2)
    fn = {
        "forward": conv,
        "derivatives": ad.grad(conv, argnums=(0, 1, 2)),
        "pools": ad.grad(
            lambda x, w, b: np.sum(ad.nn.max_pool2d(x, 2) * ad.nn.avg_pool2d(x, 3, 2, 1))
        ),
    }[name]
    assert not ad.jit(fn).lower(x, w, b).callbacks


def test_weights_move_to_pytorch_and_back():
    torch = pytest.importorskip("torch", reason="PyTorch is what weights move to")
    nn = ad.nn
    model = nn.Sequential(nn.Conv2d(2, 3, 3, rng=0), nn.relu, nn.ConvTranspose2d(3, 2, 2, rng=1))
    theirs = torch.nn.Sequential(
        torch.nn.Conv2d(2, 3, 3), torch.nn.ReLU(), torch.nn.ConvTranspose2d(3, 2, 2)
    )
    theirs.load_state_dict(nn.to_torch_state_dict(model))
    x = np.random.default_rng(0).normal(size=(2, 2, 6, 6)).astype(np.float32)
    y = theirs(torch.tensor(x)).detach().numpy()
    np.testing.assert_allclose(model(x), y, rtol=1e-5, atol=1e-6)
    again = nn.load_torch_state_dict(model, theirs.state_dict())
    np.testing.assert_array_equal(again.layers[2].weight, model.layers[2].weight)
