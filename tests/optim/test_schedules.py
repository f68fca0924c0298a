"""Schedules against PyTorch's, and against what is staged of them."""

import numpy as np
import pytest

import adjoint as ad
from adjoint import optim
from adjoint.errors import InputError
from tests.optim.names import name_of

BASE = 0.1
ROWS = [
    ("ConstantLR", {}),
    ("ConstantLR", {"factor": 0.25, "total_iters": 7}),
    ("StepLR", {"step_size": 3}),
    ("StepLR", {"step_size": 5, "gamma": 0.7}),
    ("ExponentialLR", {"gamma": 0.9}),
    ("LinearLR", {}),
    ("LinearLR", {"start_factor": 0.1, "end_factor": 0.8, "total_iters": 11}),
    ("CosineAnnealingLR", {"T_max": 30}),
    ("CosineAnnealingLR", {"T_max": 7, "eta_min": 0.01}),
    ("CosineAnnealingWarmRestarts", {"T_0": 6}),
    ("CosineAnnealingWarmRestarts", {"T_0": 3, "T_mult": 2, "eta_min": 0.001}),
    ("CosineAnnealingWarmRestarts", {"T_0": 1, "T_mult": 3}),
    ("OneCycleLR", {"total_steps": 40}),
    ("OneCycleLR", {"total_steps": 41, "pct_start": 0.25, "anneal_strategy": "linear"}),
    ("OneCycleLR", {"total_steps": 50, "pct_start": 0.2, "three_phase": True}),
    ("OneCycleLR", {"total_steps": 40, "div_factor": 10.0, "final_div_factor": 100.0}),
    ("OneCycleLR", {"total_steps": 40, "pct_start": 0.0}),
]


def ours(name, options):
    return getattr(optim, name)(BASE, **options)


@pytest.mark.filterwarnings("ignore::UserWarning")
@pytest.mark.parametrize(("name", "options"), ROWS, ids=name_of)
def test_torch(name, options):
    torch = pytest.importorskip("torch", reason="PyTorch's schedulers are compared with")
    peer = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=BASE)
    more = {"max_lr": BASE, "cycle_momentum": False} if name == "OneCycleLR" else {}
    scheduler = getattr(torch.optim.lr_scheduler, name)(peer, **options, **more)
    schedule = ours(name, options)
    for step in range(40):
        np.testing.assert_allclose(
            schedule(step), scheduler.get_last_lr()[0], rtol=1e-11, atol=1e-15, err_msg=str(step)
        )
        peer.step()
        scheduler.step()


@pytest.mark.filterwarnings("ignore::UserWarning")
def test_sequences_against_torch():
    torch = pytest.importorskip("torch", reason="PyTorch's schedulers are compared with")
    schedulers = torch.optim.lr_scheduler
    peer = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=BASE)
    linear = schedulers.LinearLR(peer, start_factor=0.01, total_iters=5)
    cosine = schedulers.CosineAnnealingLR(peer, T_max=25, eta_min=0.001)
    theirs = schedulers.SequentialLR(peer, [linear, cosine], milestones=[5])
    one = optim.WarmupCosineLR(BASE, 5, 30, start_factor=0.01, eta_min=0.001)
    two = optim.SequentialLR(
        [optim.LinearLR(BASE, 0.01, total_iters=5), optim.CosineAnnealingLR(BASE, 25, 0.001)], [5]
    )
    for step in range(31):
        np.testing.assert_allclose(one(step), theirs.get_last_lr()[0], rtol=1e-12)
        np.testing.assert_allclose(two(step), theirs.get_last_lr()[0], rtol=1e-12)
        peer.step()
        theirs.step()
    assert one(31) == one(1000) == 0.001


def formula(name, t, options):
    """Return the rate by the formula."""
    if name == "StepLR":
        return BASE * options.get("gamma", 0.1) ** (t // options["step_size"])
    if name == "ExponentialLR":
        return BASE * options["gamma"] ** t
    low = options.get("eta_min", 0.0)
    if name == "CosineAnnealingLR":
        return low + (BASE - low) * (1 + np.cos(np.pi * t / options["T_max"])) / 2
    begin, length = 0, options["T_0"]
    while t >= begin + length:
        begin, length = begin + length, length * options.get("T_mult", 1)
    return low + (BASE - low) * (1 + np.cos(np.pi * (t - begin) / length)) / 2


@pytest.mark.parametrize(
    ("name", "options"), [row for row in ROWS if row[0][:3] in ("Ste", "Exp", "Cos")], ids=name_of
)
def test_formula(name, options):
    schedule = ours(name, options)
    for t in [*range(300), 10**4]:
        np.testing.assert_allclose(
            schedule(t), formula(name, t, options), rtol=1e-9, atol=1e-12, err_msg=str(t)
        )


@pytest.mark.parametrize(
    "schedule",
    [ours(*row) for row in ROWS]
    + [
        optim.WarmupCosineLR(BASE, 5, 30),
        optim.SequentialLR([optim.LinearLR(BASE), lambda t: BASE / (1 + t)], [5]),
    ],
    ids=lambda s: type(s).__name__,
)
def test_staged(schedule):
    """A step count that is known at run time only: one graph, the same rates."""
    staged = ad.jit(lambda step: schedule(step), backend="interpret")
    for kind in (np.int64, int):
        for step in range(0, 45, 4):
            np.testing.assert_allclose(staged(kind(step)), schedule(step), rtol=1e-13, atol=1e-16)
            assert np.asarray(schedule(kind(step))).dtype == np.float64
    assert ": 2 graphs\n" in ad.report(staged)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: optim.StepLR(-0.1, 3), "lr is -0.1"),
        (lambda: optim.StepLR(0.1, 0), "step_size is 0: it has to be a whole number from 1 on"),
        (lambda: optim.StepLR(0.1, 2.5), "step_size is 2.5"),
        (lambda: optim.ExponentialLR(0.1, -1.0), "gamma is -1.0"),
        (lambda: optim.CosineAnnealingLR(0.1, 0), "T_max is 0"),
        (lambda: optim.CosineAnnealingWarmRestarts(0.1, 3, 0), "T_mult is 0"),
        (lambda: optim.WarmupCosineLR(0.1, 5, 5), "total_steps is 5: .* from 6 on"),
        (lambda: optim.OneCycleLR(0.1, 10, pct_start=1.5), "pct_start is 1.5"),
        (lambda: optim.OneCycleLR(0.1, 10, anneal_strategy="exp"), 'it is "cos" or "linear"'),
        (lambda: optim.OneCycleLR(0.1, 10, div_factor=0.0), "div_factor is 0.0"),
        (lambda: optim.SequentialLR([optim.LinearLR(0.1)], [3]), "1 milestones for 1 schedulers"),
        (
            lambda: optim.SequentialLR([optim.LinearLR(0.1)] * 3, [3, 2]),
            "they have to increase",
        ),
    ],
)
def test_settings(make, message):
    with pytest.raises(InputError, match=message):
        make()
