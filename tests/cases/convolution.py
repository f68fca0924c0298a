"""Convolutions: the three operations, over one to three axes, in all their parameters."""

import numpy as np
import scipy.signal
from numpy.lib.stride_tricks import sliding_window_view

from adjoint.ops.convolution import convolution, convolution_input, convolution_weight
from tests.cases import case

RNG = np.random.default_rng(7)

SETTINGS = {
    "one axis": ((2, 2, 7), (3, 2, 3), (1,), ((0, 0),), (1,), 1),
    "stride, padding, dilation": ((2, 4, 9), (2, 2, 3), (2,), ((2, 1),), (2,), 2),
    "two axes": ((2, 2, 5, 6), (3, 2, 2, 3), (1, 1), ((0, 0), (1, 1)), (1, 1), 1),
    "two axes, groups": ((1, 4, 6, 5), (6, 2, 3, 2), (3, 2), ((1, 0), (0, 2)), (1, 2), 2),
    "one by one": ((2, 3, 2, 2), (2, 3, 1, 1), (1, 1), ((0, 0), (0, 0)), (1, 1), 1),
    "three axes": ((1, 2, 3, 4, 3), (2, 1, 2, 2, 2), (1, 2, 1), ((0, 0), (1, 0), (1, 1)),
                   (1, 1, 1), 2),
}  # fmt: skip


def all_three(x, w, y, **settings):
    return (
        convolution(x, w, **settings),
        convolution_input(y, w, lengths=x.shape[2:], **settings),
        convolution_weight(x, y, lengths=w.shape[2:], **settings),
    )


def made(name, x, w, stride, padding, dilation, groups):
    settings = {"stride": stride, "padding": padding, "dilation": dilation, "groups": groups}
    x, w = RNG.normal(size=x), RNG.normal(size=w)
    y = RNG.normal(size=convolution(x, w, **settings).shape)
    return case(name, lambda x, w, y: all_three(x, w, y, **settings), x, w, y)


A, B, C, D = (RNG.normal(size=s) for s in ((7,), (4,), (4, 6), (3, 2)))
Z = A + 1j * RNG.normal(size=7)


def in_all_modes(fn, **options):
    # Of lengths that show when a program runs, the second is to be the shorter one for "valid".
    return lambda x, y: [
        *[fn(x, y, mode, **options) for mode in ("full", "same", "valid")],
        *[fn(y, x, mode, **options) for mode in ("full", "same")],
    ]


CASES = [
    *[made(name, *given) for name, given in SETTINGS.items()],
    *[
        case(f"signal.{fn.__name__}, {axes}, {method}", in_all_modes(fn, method=method), x, y)
        for fn in (scipy.signal.convolve, scipy.signal.correlate)
        for axes, x, y in (("one axis", A, B), ("two axes", C, D), ("complex", Z, B))
        for method in ("direct", "fft")
    ],
    case("signal.fftconvolve", in_all_modes(scipy.signal.fftconvolve), C, D),
    case("signal.convolve of few", lambda x, y: scipy.signal.convolve(x, y), A, B),
    case(
        "sliding windows",
        lambda x, y: (
            sliding_window_view(x, 3) ** 2,
            sliding_window_view(y, (2, 4)),
            sliding_window_view(y, 3, axis=-1) * 2,
            sliding_window_view(y, (2, 3, 2), (1, 0, 1)),
            np.einsum("ijkl,kl->ij", sliding_window_view(y, (2, 2)), y[:2, :2]),
        ),
        A,
        C,
    ),
]
