"""Transformers against PyTorch's, with their own weights: values and all gradients."""

import numpy as np
import pytest

import adjoint as ad
from adjoint import nn

torch = pytest.importorskip("torch", reason="PyTorch's layers are what these are compared with")

BATCH, LENGTH, KEYS, WIDTH, HEADS, BETWEEN = 3, 5, 4, 8, 2, 12
RNG = np.random.default_rng(0)
ALLOWED = np.tril(np.ones((LENGTH, LENGTH), bool))
PRESENT = np.arange(LENGTH) < np.array([5, 2, 3])[:, None]
MEMORY_PRESENT = np.arange(KEYS) < np.array([4, 4, 1])[:, None]
OPTIONS = [
    {},
    {"norm_first": True},
    {"activation": "gelu"},
    {"bias": False, "layer_norm_eps": 1e-3},
]


def close(ours, theirs):
    theirs = theirs.detach().numpy()
    assert ours.shape == theirs.shape
    np.testing.assert_allclose(ours, theirs, rtol=1e-10, atol=1e-12)


def randomised(theirs):
    """Give every weight numbers: PyTorch begins with zeros and ones in many."""
    theirs = theirs.double().train()
    with torch.no_grad():
        for p in theirs.parameters():
            p.add_(torch.from_numpy(0.3 * RNG.normal(size=tuple(p.shape))))
    return theirs


def compare(ours, theirs, call, call_theirs, *args):
    ours = nn.load_torch_state_dict(ours, theirs.state_dict())
    for name, p in nn.to_torch_state_dict(ours).items():
        assert torch.equal(p, theirs.state_dict()[name])
    w = RNG.normal(size=(BATCH, LENGTH, WIDTH))

    def loss(model, *args):
        y = call(model, *args)
        return np.sum(w * y), y

    argnums = tuple(range(1 + len(args)))
    (_, y), grads = ad.value_and_grad(loss, argnums=argnums, has_aux=True)(ours, *args)
    args_ = [torch.tensor(x, requires_grad=True) for x in args]
    y_ = call_theirs(theirs, *args_)
    (torch.tensor(w) * y_).sum().backward()
    close(y, y_)
    for a, b in zip(grads[1:], args_, strict=True):
        close(a, b.grad)
    ours_ = nn.to_torch_state_dict(grads[0])
    for name, p in theirs.named_parameters():
        close(ours_.pop(name).numpy(), p.grad)
    assert not ours_


def encode(model, x):
    return model(x, causal=True, key_mask=PRESENT)


def encode_theirs(model, x):
    options = {"src_key_padding_mask": torch.tensor(~PRESENT)}
    name = "mask" if isinstance(model, torch.nn.TransformerEncoder) else "src_mask"
    return model(x, **{name: torch.tensor(~ALLOWED)}, **options)


def decode(model, x, memory):
    return model(x, memory, mask=ALLOWED, key_mask=PRESENT, memory_key_mask=MEMORY_PRESENT)


def decode_theirs(model, x, memory):
    return model(
        x,
        memory,
        tgt_mask=torch.tensor(~ALLOWED),
        tgt_key_padding_mask=torch.tensor(~PRESENT),
        memory_key_padding_mask=torch.tensor(~MEMORY_PRESENT),
    )


def layers(kind, options):
    args = (WIDTH, HEADS, BETWEEN, 0.0)
    ours = getattr(nn, kind)(*args, rng=0, dtype=np.float64, **options)
    return ours, getattr(torch.nn, kind)(*args, batch_first=True, **options)


@pytest.mark.parametrize("options", OPTIONS, ids=str)
def test_encoder_layer(options):
    ours, theirs = layers("TransformerEncoderLayer", options)
    x = RNG.normal(size=(BATCH, LENGTH, WIDTH))
    compare(ours, randomised(theirs), encode, encode_theirs, x)


@pytest.mark.parametrize("options", OPTIONS, ids=str)
def test_decoder_layer(options):
    ours, theirs = layers("TransformerDecoderLayer", options)
    x, memory = RNG.normal(size=(BATCH, LENGTH, WIDTH)), RNG.normal(size=(BATCH, KEYS, WIDTH))
    compare(ours, randomised(theirs), decode, decode_theirs, x, memory)


@pytest.mark.parametrize("normed", [False, True])
def test_encoder(normed):
    one, theirs = layers("TransformerEncoderLayer", {"norm_first": True})
    norm = nn.LayerNorm(WIDTH, dtype=np.float64) if normed else None
    ours = nn.TransformerEncoder([one] * 3, norm)
    peer = torch.nn.LayerNorm(WIDTH) if normed else None
    theirs = torch.nn.TransformerEncoder(theirs, 3, peer, enable_nested_tensor=False)
    compare(
        ours, randomised(theirs), encode, encode_theirs, RNG.normal(size=(BATCH, LENGTH, WIDTH))
    )


def test_decoder():
    one, theirs = layers("TransformerDecoderLayer", {})
    ours = nn.TransformerDecoder([one] * 2, nn.LayerNorm(WIDTH, dtype=np.float64))
    theirs = torch.nn.TransformerDecoder(theirs, 2, torch.nn.LayerNorm(WIDTH))
    x, memory = RNG.normal(size=(BATCH, LENGTH, WIDTH)), RNG.normal(size=(BATCH, KEYS, WIDTH))
    compare(ours, randomised(theirs), decode, decode_theirs, x, memory)
