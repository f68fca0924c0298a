"""What tests of layers have in common: compiled like eager, like PyTorch, float32 as float32."""

from __future__ import annotations

import numpy as np
import pytest

import adjoint as ad
from adjoint import nn, tree


def leaves(x):
    return [np.asarray(leaf) for leaf in tree.flatten(x)[0]]


def weighted(y):
    """Return a number that all entries of a result have a part in, each another one."""
    return np.sum(y * np.cos(np.arange(y.size, dtype=y.dtype)).reshape(y.shape))


def value_and_grads(layer, *inputs):
    """Return the result and the gradients of a layer, with respect to weights and inputs."""
    where = (0, *[k + 1 for k, x in enumerate(inputs) if x.dtype.kind == "f"])
    loss = lambda layer, *inputs: weighted(layer(*inputs))
    return layer(*inputs), ad.grad(loss, argnums=where)(layer, *inputs)


def check(layer, *inputs, backends=("interpret", "llvm")):
    """Check derivatives by differences, and all tiers against each other."""
    loss = lambda layer, *inputs: weighted(layer(*inputs))
    floating = [k for k, x in enumerate(inputs) if x.dtype.kind == "f"]

    def of_arrays(given):
        whole = list(inputs)
        for k, x in zip(floating, given[1], strict=True):
            whole[k] = x
        return loss(given[0], *whole)

    ad.check_grads(of_arrays, ((layer, tuple(inputs[k] for k in floating)),), order=2)
    want = leaves(value_and_grads(layer, *inputs))
    for backend in backends:
        run = ad.jit(lambda layer, *inputs: value_and_grads(layer, *inputs), backend=backend)
        for a, b in zip(leaves(run(layer, *inputs)), want, strict=True):
            np.testing.assert_allclose(a, b, rtol=1e-10, atol=1e-13)
        assert "callback" not in ad.report(run)
    if floating:
        single = tree.map_leaves(lambda x: x.astype(np.float32), layer)
        inputs = [x.astype(np.float32) if x.dtype.kind == "f" else x for x in inputs]
        assert {x.dtype for x in leaves(value_and_grads(single, *inputs))} == {np.dtype("f4")}
        run = ad.jit(lambda layer, *inputs: value_and_grads(layer, *inputs))
        assert {x.dtype for x in leaves(run(single, *inputs))} == {np.dtype("f4")}
        # Over a batch of one more axis.
        stacked = [np.stack([x, x]) for x in inputs]
        batched = ad.vmap(lambda *xs: single(*xs))(*stacked)
        np.testing.assert_allclose(batched[1], single(*inputs), rtol=1e-5, atol=1e-5)


def check_torch(layer, theirs, *inputs, rtol=1e-10):
    """Check a layer, its result and all gradients against PyTorch's with the same weights."""
    torch = pytest.importorskip("torch", reason="compares with PyTorch's layers")
    theirs = theirs(torch).double()
    layer = nn.load_torch_state_dict(layer, theirs.state_dict())
    y, grads = value_and_grads(layer, *inputs)
    given = [torch.tensor(x, requires_grad=x.dtype.kind == "f") for x in inputs]
    result = theirs(*given)
    factors = np.cos(np.arange(y.size)).reshape(y.shape)
    torch.sum(result * torch.tensor(factors)).backward()
    scale = np.abs(y).max()
    np.testing.assert_allclose(y, result.detach().numpy(), rtol=rtol, atol=rtol * scale)
    found = nn.to_torch_state_dict(grads[0])
    for name, parameter in theirs.named_parameters():
        want = parameter.grad.numpy()
        np.testing.assert_allclose(
            found[name].numpy(), want, rtol=rtol, atol=rtol * np.abs(want).max(), err_msg=name
        )
    wanted = [x.grad.numpy() for x in given if x.requires_grad]
    for a, b in zip(grads[1:], wanted, strict=True):
        np.testing.assert_allclose(a, b, rtol=rtol, atol=rtol * np.abs(b).max())
