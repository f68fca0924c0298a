"""Convolutions: the three operations, over one to three axes, in all their parameters."""

import numpy as np

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


CASES = [made(name, *given) for name, given in SETTINGS.items()]
