"""What is refused, and how that is said."""

import numpy as np
import pytest

import adjoint as ad
from adjoint.errors import InputError

SETTINGS = [
    (lambda: ad.optim.SGD(lr=-0.1), r"lr is -0.1: it has to be 0 or more"),
    (lambda: ad.optim.SGD(lr=float("nan")), r"lr is nan"),
    (lambda: ad.optim.SGD(momentum=-1.0), r"momentum is -1.0"),
    (lambda: ad.optim.SGD(weight_decay=-1.0), r"weight_decay is -1.0"),
    (lambda: ad.optim.SGD(nesterov=True), r"nesterov looks ahead by the momentum"),
    (lambda: ad.optim.SGD(nesterov=True, momentum=0.9, dampening=0.1), r"dampening 0.1"),
    (lambda: ad.optim.Adam(lr=-1), r"lr is -1"),
    (lambda: ad.optim.Adam(betas=(0.9, 1.0)), r"betas\[1\] is 1.0: .* below 1"),
    (lambda: ad.optim.Adam(betas=(-0.1, 0.9)), r"betas\[0\] is -0.1"),
    (lambda: ad.optim.Adam(betas=0.9), r"betas is 0.9: it has to be a pair"),
    (lambda: ad.optim.AdamW(eps=-1e-8), r"eps is -1e-08"),
    (lambda: ad.optim.RMSprop(alpha=1.5), r"alpha is 1.5: it has to be 1 or less"),
    (lambda: ad.optim.RMSprop(alpha=-0.5), r"alpha is -0.5"),
    (lambda: ad.optim.Adagrad(lr_decay=-1.0), r"lr_decay is -1.0"),
    (lambda: ad.optim.Adagrad(initial_accumulator_value=-1.0), r"initial_accumulator_value is -1"),
    (lambda: ad.optim.Lion(betas=(0.9, 2.0)), r"betas\[1\] is 2.0"),
]


@pytest.mark.parametrize(("make", "message"), SETTINGS)
def test_settings(make, message):
    with pytest.raises(InputError, match=message):
        make()


PARAMS = {"w": np.ones((2, 3)), "b": [np.ones(3), np.ones(1)]}


@pytest.mark.parametrize(
    ("grads", "message"),
    [
        ({"w": np.ones((2, 3))}, r"nothing stands at grads\['b'\]\[0\]"),
        ({**PARAMS, "c": np.ones(1)}, r"params has nothing at grads\['c'\]"),
        ({**PARAMS, "b": [np.ones(3)]}, r"nothing stands at grads\['b'\]\[1\]"),
        ({**PARAMS, "b": (np.ones(3), np.ones(1))}, r"grads does not have the structure of"),
        ({**PARAMS, "w": np.ones((3, 2))}, r"grads\['w'\] has shape \(3, 2\), but params\['w'\]"),
        ({**PARAMS, "w": [np.ones(2)]}, r"grads\['w'\] is \[.*\], but params\['w'\] is an array"),
    ],
)
def test_structure(grads, message):
    optimizer = ad.optim.Adam()
    with pytest.raises(InputError, match=message):
        optimizer.update(grads, optimizer.init(PARAMS), PARAMS)


def test_staged_shapes():
    """A length that is known at run time only is not 1, and says so when it does not fit."""
    update, params = ad.jit(ad.optim.SGD().update, backend="interpret"), np.ones(20)
    state = ad.optim.SGD().init(params)
    with pytest.raises(InputError, match=r"grads has shape \(1,\), but"):
        update(np.ones(1), state, params)
    with pytest.raises(ValueError, match="broadcast|shape"):
        update(np.ones(21), state, params)


def test_state_of_other_parameters():
    optimizer = ad.optim.Adam()
    state = optimizer.init({"w": np.ones((2, 3))})
    with pytest.raises(InputError, match=r"exp_avg does not have the structure of params: nothing"):
        optimizer.update(PARAMS, state, PARAMS)
    state = optimizer.init({**PARAMS, "w": np.ones(2)})
    with pytest.raises(InputError, match=r"exp_avg\['w'\] has shape \(2,\), but"):
        optimizer.update(PARAMS, state, PARAMS)


def test_mask():
    optimizer = ad.optim.AdamW(weight_decay_mask={"w": True})
    with pytest.raises(InputError, match=r"a mask is a tree of flags"):
        optimizer.update(PARAMS, optimizer.init(PARAMS), PARAMS)
    branch = ad.optim.AdamW(weight_decay_mask={"w": True, "b": False}, lr=1.0, weight_decay=0.5)
    zero = {"w": np.zeros((2, 3)), "b": [np.zeros(3), np.zeros(1)]}
    new, _ = branch.update(zero, branch.init(PARAMS), PARAMS)
    assert np.all(new["w"] == 0.5) and np.all(new["b"][0] == 1) and np.all(new["b"][1] == 1)


def test_complex_parameters():
    with pytest.raises(InputError, match=r"params\['z'\] is complex128: optimisers train real"):
        ad.optim.SGD().init({"z": np.ones(2, complex)})


def test_frozen():
    with pytest.raises(AttributeError):
        ad.optim.SGD().lr = 0.1
