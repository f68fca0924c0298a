"""Attention against PyTorch's, with the same weights: values and all gradients."""

import numpy as np
import pytest

import adjoint as ad
from adjoint import nn

torch = pytest.importorskip("torch", reason="PyTorch's layers are what these are compared with")

BATCH, QUERIES, KEYS, WIDTH, HEADS = 3, 4, 5, 8, 2
RNG = np.random.default_rng(0)
ALLOWED = RNG.random((QUERIES, KEYS)) < 0.6
ALLOWED[:, 0] = True
PRESENT = np.arange(KEYS) < np.array([5, 2, 3])[:, None]
NUMBERS = RNG.normal(size=(QUERIES, KEYS))


def close(ours, theirs):
    theirs = theirs.detach().numpy()
    assert ours.shape == theirs.shape
    np.testing.assert_allclose(ours, theirs, rtol=1e-10, atol=1e-12)


def variable(x):
    return torch.tensor(x, requires_grad=True)


MASKS = {
    "none": {},
    "bool": {"mask": ALLOWED},
    "numbers": {"mask": NUMBERS},
    "infinite": {"mask": np.where(ALLOWED, NUMBERS, -np.inf)},
    "causal": {"causal": True},
    "scale": {"scale": 0.3},
}


@pytest.mark.parametrize("options", MASKS.values(), ids=MASKS)
def test_scaled_dot_product_attention(options):
    q, k, v, w = [
        RNG.normal(size=(2, BATCH, n, WIDTH + (n == 7))) for n in (QUERIES, KEYS, KEYS, QUERIES)
    ]
    v, w = v[..., :6], w[..., :6]

    def loss(q, k, v):
        y = nn.scaled_dot_product_attention(q, k, v, **options)
        return np.sum(w * y), y

    (_, y), grads = ad.value_and_grad(loss, argnums=(0, 1, 2), has_aux=True)(q, k, v)
    given = {
        "attn_mask": torch.tensor(options["mask"]) if "mask" in options else None,
        "is_causal": options.get("causal", False),
        "scale": options.get("scale"),
    }
    args = [variable(x) for x in (q, k, v)]
    y_ = torch.nn.functional.scaled_dot_product_attention(*args, **given)
    (torch.tensor(w) * y_).sum().backward()
    close(y, y_)
    for a, b in zip(grads, args, strict=True):
        close(a, b.grad)


def copied(ours, theirs):
    theirs = theirs.double()
    with torch.no_grad():
        for name, p in theirs.named_parameters():
            p.copy_(torch.from_numpy(attribute(ours, name)))
    return theirs


def attribute(module, name):
    for part in name.split("."):
        module = getattr(module, part)
    return module


@pytest.mark.parametrize("masked", ["none", "bool", "numbers", "present", "both"])
@pytest.mark.parametrize(
    ("operands", "options"),
    [
        ("self", {}),
        ("self", {"bias": False}),
        ("keys", {}),
        ("keys", {"bias": False}),
        ("keys and values", {}),
        ("keys and values", {"kdim": 6, "vdim": 7}),
        ("keys and values", {"kdim": 6, "vdim": 7, "bias": False}),
    ],
    ids=str,
)
def test_multi_head_attention(options, operands, masked):
    rng = np.random.default_rng(1)
    ours = nn.MultiHeadAttention(WIDTH, HEADS, rng=rng, dtype=np.float64, **options)
    if ours.in_proj_bias is not None:
        bias, out = rng.normal(size=3 * WIDTH), rng.normal(size=WIDTH)
        ours = ours.replace(in_proj_bias=bias, out_proj=ours.out_proj.replace(bias=out))
    theirs = torch.nn.MultiheadAttention(WIDTH, HEADS, batch_first=True, **options)
    theirs = copied(ours, theirs)
    assert {n: tuple(p.shape) for n, p in theirs.named_parameters()} == {
        n[1:]: p.shape for n, p in nn.named_parameters(ours)
    }
    queries = KEYS if operands == "self" else QUERIES
    args = [rng.normal(size=(BATCH, queries, WIDTH))]
    if operands != "self":
        args.append(rng.normal(size=(BATCH, KEYS, options.get("kdim", WIDTH))))
    if operands == "keys and values":
        args.append(rng.normal(size=(BATCH, KEYS, options.get("vdim", WIDTH))))
    allowed = np.vstack([ALLOWED, ALLOWED[:1]])[:queries]
    mask = {"bool": allowed, "both": allowed, "numbers": rng.normal(size=allowed.shape)}.get(masked)
    present = PRESENT if masked in ("present", "both") else None
    w = rng.normal(size=(BATCH, queries, WIDTH))

    def loss(model, *args):
        y = model(*args, mask=mask, key_mask=present)
        return np.sum(w * y), y

    argnums = tuple(range(1 + len(args)))
    (_, y), grads = ad.value_and_grad(loss, argnums=argnums, has_aux=True)(ours, *args)

    # PyTorch's boolean masks of this layer say what is left out.
    opposite = {
        "attn_mask": None if mask is None else torch.tensor(~mask if mask.dtype == bool else mask),
        "key_padding_mask": None if present is None else torch.tensor(~present),
    }
    args_ = [variable(x) for x in args]
    padded = args_ + [args_[-1]] * (3 - len(args_))
    y_, _ = theirs(*padded, need_weights=False, **opposite)
    (torch.tensor(w) * y_).sum().backward()
    close(y, y_)
    for a, b in zip(grads[1:], args_, strict=True):
        close(a, b.grad)
    for name, p in theirs.named_parameters():
        close(attribute(grads[0], name), p.grad)
