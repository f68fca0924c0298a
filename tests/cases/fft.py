"""Fourier transforms."""

import numpy as np
import scipy.fft

from tests.cases import case

RNG = np.random.default_rng(3)
X = RNG.normal(size=(3, 5))
Y = RNG.normal(size=(4, 3, 5))
Z = X + 1j * RNG.normal(size=(3, 5))
NORMS = (None, "backward", "ortho", "forward")


def all_norms(fn, *args, **options):
    return lambda x: [fn(x, *args, norm=norm, **options) for norm in NORMS]


CASES = [
    *[
        case(f"{name}{' of real numbers' if x is X else ''}", all_norms(getattr(np.fft, name)), x)
        for name in ("fft", "ifft", "irfft", "hfft", "rfft", "ihfft")
        for x in ((X,) if name in ("rfft", "ihfft") else (X, Z))
    ],
    *[
        case(f"{name} n={n}", lambda x, f=getattr(np.fft, name), n=n: f(x, n, axis=0), x)
        for name, x in [
            ("fft", Z),
            ("ifft", X),
            ("rfft", X),
            ("irfft", Z),
            ("hfft", Z),
            ("ihfft", X),
        ]
        for n in (2, 4, 5)
    ],
    *[
        case(
            f"{name}",
            lambda x, f=getattr(np.fft, name): (
                f(x),
                f(x, norm="ortho"),
                f(x, (2, 6), axes=(1, 0)),
            ),
            x,
        )
        for name, x in [
            ("fft2", Z),
            ("ifft2", Z),
            ("rfft2", X),
            ("irfft2", Z),
            ("fftn", X),
            ("ifftn", Z),
            ("rfftn", X),
            ("irfftn", Z),
        ]
    ],
    case(
        "fftn of three axes",
        lambda x: (
            np.fft.fftn(x),
            np.fft.rfftn(x, axes=(0, 1, 2)),
            np.fft.irfftn(x, s=(3, 4), axes=(0, 2)),
        ),
        Y,
    ),
    case(
        "fftshift",
        lambda x: (
            np.fft.fftshift(x) * x,
            np.fft.ifftshift(x) * x,
            np.fft.fftshift(x, axes=1) ** 2,
            np.fft.ifftshift(x, (0,)) ** 2,
        ),
        X,
    ),
    case(
        "fftfreq",
        lambda x, d: np.fft.rfft(x) * np.fft.rfftfreq(5, d) * np.fft.fftfreq(3, d)[:, None],
        X,
        0.4,
        float32=False,
    ),
    case("power spectrum", lambda x: np.abs(np.fft.rfft(x)) ** 2, X),
    case(
        "spectral derivative", lambda x: np.fft.irfft(1j * np.arange(3) * np.fft.rfft(x), 5) ** 2, X
    ),
    case(
        "scipy fft",
        lambda x, z: (
            scipy.fft.fft(z),
            scipy.fft.ifft(x, 4, norm="ortho"),
            scipy.fft.rfft(x, workers=1),
            scipy.fft.irfft(z, 7),
            scipy.fft.hfft(z),
            scipy.fft.ihfft(x),
        ),
        X,
        Z,
    ),
    case(
        "scipy fftn",
        lambda x, z: (
            scipy.fft.fft2(z),
            scipy.fft.ifftn(x),
            scipy.fft.rfftn(x),
            scipy.fft.irfft2(z, norm="forward"),
            scipy.fft.fftshift(x),
        ),
        X,
        Z,
    ),
]
