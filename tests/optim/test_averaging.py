"""Averages of parameters: PyTorch's, and Adam's correction of the bias."""

import numpy as np
import pytest

import adjoint as ad
from adjoint import optim
from adjoint.errors import InputError

VALUES = np.random.default_rng(0).normal(size=(20, 4))


@pytest.mark.parametrize("decay", [0.0, 0.9, 0.999])
def test_torch(decay):
    torch = pytest.importorskip("torch", reason="PyTorch's averages are compared with")
    model = torch.nn.Linear(4, 1, bias=False).double()
    averaged = torch.optim.swa_utils.AveragedModel(
        model, multi_avg_fn=torch.optim.swa_utils.get_ema_multi_avg_fn(decay)
    )
    ema, state = optim.EMA(decay), None
    for value in VALUES:
        with torch.no_grad():
            model.weight.copy_(torch.tensor(value))
        averaged.update_parameters(model)  # the first time, it takes the parameters as they are
        state = ema.update({"w": value}, state) if state else ema.init({"w": value})
        np.testing.assert_allclose(
            state.average["w"], averaged.module.weight.detach().numpy()[0], rtol=1e-12
        )


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_debiased(dtype):
    ema, total = optim.EMA(0.9, debias=True), 0.0
    state = ema.init(np.full(4, 100.0, dtype))
    np.testing.assert_array_equal(state.average, 100.0)
    for t, value in enumerate(VALUES.astype(dtype), 1):
        state = ema.update(value, state)
        total = 0.9 * total + 0.1 * value.astype(float)
        assert state.average.dtype == dtype
        tolerance = 1e-12 if dtype == np.float64 else 2e-6
        np.testing.assert_allclose(state.average, total / (1 - 0.9**t), tolerance, tolerance)


@pytest.mark.parametrize("debias", [False, True])
def test_jit(debias):
    ema = optim.EMA(0.9, debias)
    update = ad.jit(ema.update)
    params = {"w": VALUES[0], "s": np.array(1.0, np.float32), "n": 3}
    one = two = ema.init(params)
    for value in VALUES[:5]:
        params = {**params, "w": value}
        one, two = ema.update(params, one), update(params, two)
    np.testing.assert_allclose(one.average["w"], two.average["w"], rtol=1e-13)
    assert one.step == two.step == 5 and two.average["n"] == 3
    assert two.average["s"].dtype == np.float32 and isinstance(two.average["s"], np.ndarray)
    report = ad.report(update)
    assert ": 1 graph\n" in report and "callback" not in report


def test_init_copies():
    params = np.zeros(3)
    state = optim.EMA().init(params)
    params[0] = 1.0
    assert state.average[0] == 0.0


def test_errors():
    with pytest.raises(InputError, match="decay is 1.0: it has to be 0 or more, and below 1"):
        optim.EMA(1.0)
    ema = optim.EMA()
    with pytest.raises(InputError, match=r"average does not have the structure of params"):
        ema.update({"w": np.ones(3)}, ema.init({"v": np.ones(3)}))
