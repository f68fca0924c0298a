"""L-BFGS: iteration by iteration against PyTorch's and SciPy's, and as one graph."""

import dataclasses

import numpy as np
import pytest
import scipy.optimize

import adjoint as ad
from adjoint import optim, tree
from adjoint.errors import InputError
from tests.optim.names import name_of

OPTIONS = [
    {"lr": 1e-3, "max_iter": 25},
    {"lr": 1e-2, "max_iter": 3},
    {"lr": 0.5, "max_iter": 4, "history_size": 3},
    {"lr": 1e-3, "max_iter": 30, "max_eval": 7},
    {"lr": lambda step: 1e-3 / (1.0 + step), "max_iter": 4},
    {"line_search_fn": "strong_wolfe"},
    {"line_search_fn": "strong_wolfe", "history_size": 3},
    {"line_search_fn": "strong_wolfe", "lr": 0.3, "max_iter": 1},
    {"line_search_fn": "strong_wolfe", "lr": 4.0, "max_iter": 3, "max_eval": 5},
    {"line_search_fn": "strong_wolfe", "tolerance_grad": 1.0},
    {"line_search_fn": "strong_wolfe", "tolerance_change": 1e-2},
]


def rosenbrock(x):
    return np.sum(10 * (x[1:] - x[:-1] ** 2) ** 2 + (1 - x[:-1]) ** 2)


@pytest.mark.parametrize("options", OPTIONS, ids=name_of)
def test_torch(options):
    torch = pytest.importorskip("torch", reason="PyTorch's L-BFGS is compared with")
    x = np.linspace(-1, 1, 6)
    p = torch.tensor(x, requires_grad=True)
    rate = options.get("lr", 1.0)
    schedule = rate if callable(rate) else lambda step: rate
    peer = torch.optim.LBFGS([p], **{**options, "lr": schedule(0)})

    def closure():
        peer.zero_grad()
        loss = rosenbrock_of_torch(torch, p)
        loss.backward()
        return loss

    optimizer, fun = optim.LBFGS(**options), ad.value_and_grad(rosenbrock)
    state = optimizer.init(x)
    for step in range(20):
        peer.param_groups[0]["lr"] = schedule(step)
        peer.step(closure)
        x, state = optimizer.update(fun, state, x)
        theirs = peer.state[p]
        # Rounding grows from step to step: the method divides by differences of gradients.
        np.testing.assert_allclose(x, p.detach().numpy(), rtol=1e-8, atol=1e-9)
        if theirs["n_iter"] < 25:
            np.testing.assert_allclose(x, p.detach().numpy(), rtol=1e-11, atol=1e-12)
        if not np.abs(state.d * state.t).max() < 1e-9:  # ours and theirs end on rounding errors
            assert (state.n_iter, state.func_evals) == (theirs["n_iter"], theirs["func_evals"])
    assert state.step == 20


def rosenbrock_of_torch(torch, x):
    return torch.sum(10 * (x[1:] - x[:-1] ** 2) ** 2 + (1 - x[:-1]) ** 2)


@pytest.mark.parametrize("search", [None, "strong_wolfe"])
def test_trees_of_float32_against_torch(search):
    torch = pytest.importorskip("torch", reason="PyTorch's L-BFGS is compared with")
    x, y = np.random.default_rng(0).normal(size=(2, 30, 4)).astype(np.float32)
    y = y[:, :2]
    params = {"w": np.zeros((4, 2), np.float32), "b": np.zeros(2, np.float32)}
    optimizer = optim.LBFGS(lr=0.5, max_iter=2, history_size=5, line_search_fn=search)
    peers = {k: torch.tensor(p, requires_grad=True) for k, p in params.items()}
    peer = torch.optim.LBFGS(
        [peers["b"], peers["w"]], lr=0.5, max_iter=2, history_size=5, line_search_fn=search
    )

    def closure():
        peer.zero_grad()
        z = torch.tensor(x) @ peers["w"] + peers["b"]
        loss = torch.mean(torch.log1p(torch.exp(-z * torch.tensor(y)))) + 0.05 * torch.sum(z**2)
        loss.backward()
        return loss

    def loss(params):
        z = x @ params["w"] + params["b"]
        return np.mean(np.log1p(np.exp(-z * y))) + np.float32(0.05) * np.sum(z**2)

    state = optimizer.init(params)
    for _ in range(4):  # further on, single precision decides where a search ends
        peer.step(closure)
        params, state = optimizer.update(ad.value_and_grad(loss), state, params)
        for k, p in params.items():
            assert p.dtype == np.float32 and p.shape == tuple(peers[k].shape)
            np.testing.assert_allclose(p, peers[k].detach().numpy(), rtol=1e-4, atol=1e-5)
    assert state.old_dirs.dtype == np.float32


def test_formula_without_a_line_search():
    """Two-loop recursion, written out, against the BFGS update of the inverse Hessian."""
    a = np.random.default_rng(0).normal(size=(5, 5))
    a, b = a @ a.T + np.eye(5), np.ones(5)
    optimizer = optim.LBFGS(lr=0.05, max_iter=1, tolerance_change=0.0)
    fun = ad.value_and_grad(lambda x: 0.5 * x @ a @ x - b @ x)
    x = np.zeros(5)
    state, ours = optimizer.init(x), x
    steps, changes = [], []
    g = a @ x - b
    for k in range(12):
        if k == 0:
            move = -g * min(1.0, 1.0 / np.abs(g).sum()) * 0.05
        else:
            s, y = steps[-1], changes[-1]
            h = np.eye(5) * (s @ y) / (y @ y)
            for s, y in zip(steps, changes):
                v = np.eye(5) - np.outer(y, s) / (s @ y)
                h = v.T @ h @ v + np.outer(s, s) / (s @ y)
            move = -0.05 * h @ g
        x, g_old = x + move, g
        g = a @ x - b
        steps.append(move)
        changes.append(g - g_old)
        ours, state = optimizer.update(fun, state, ours)
        np.testing.assert_allclose(ours, x, rtol=1e-10)


def test_finds_what_scipy_finds():
    x = np.array([-1.2, 1.0, 0.5, -0.5])
    optimizer = optim.LBFGS(max_iter=100, tolerance_change=1e-15, line_search_fn="strong_wolfe")
    found, state = optimizer.update(ad.value_and_grad(rosenbrock), optimizer.init(x), x)
    expected = scipy.optimize.minimize(rosenbrock, x, jac=ad.grad(rosenbrock), tol=1e-10)
    np.testing.assert_allclose(found, expected.x, rtol=1e-6)
    assert state.loss < 1e-9 and state.func_evals < 100


@dataclasses.dataclass(frozen=True)
class Line:
    slope: object
    offset: object
    degree: int = 1


@pytest.mark.parametrize("backend", ["interpret", "llvm"])
@pytest.mark.parametrize("search", [None, "strong_wolfe"])
def test_jit(search, backend):
    """All iterations, and the line search, are loops of one graph."""
    x = np.linspace(0, 1, 9)

    def fun(line):
        def loss(slope, offset):
            return np.mean((np.tanh(slope * x + offset) - 0.1 * x) ** 2)

        value, (a, b) = ad.value_and_grad(loss, argnums=(0, 1))(line.slope, line.offset)
        return value, Line(a, b, None)

    optimizer = optim.LBFGS(lr=0.8, max_iter=6, history_size=4, line_search_fn=search)
    start = Line(np.linspace(1, 2, 9), np.array(0.5))

    def step(params, state):
        return optimizer.update(fun, state, params)

    jitted = ad.jit(step, backend=backend)
    one = two = start, optimizer.init(start)
    for _ in range(4):
        one, two = step(*one), jitted(*two)
        for (name, a), (_, b) in zip(*map(tree.leaves_with_names, (one, two))):
            assert type(a) is type(b), name
            np.testing.assert_allclose(a, b, rtol=1e-7, atol=1e-9, err_msg=name)
    assert two[1].n_iter > 12 and two[0].degree == 1
    report = ad.report(jitted)
    assert ": 1 graph\n" in report and "callback" not in report and "unrolled" not in report


def test_state_is_not_changed_in_place():
    optimizer = optim.LBFGS(lr=1e-3, max_iter=3)
    x = np.linspace(-1, 1, 4)
    fun = ad.value_and_grad(rosenbrock)
    x, state = optimizer.update(fun, optimizer.init(x), x)
    before = [np.copy(leaf) for leaf in tree.flatten((x, state))[0]]
    first = optimizer.update(fun, state, x)
    for kept, leaf in zip(before, tree.flatten((x, state))[0]):
        np.testing.assert_array_equal(kept, leaf)
    again = optimizer.update(fun, state, x)  # from the same state to the same numbers
    for a, b in zip(tree.flatten(first)[0], tree.flatten(again)[0]):
        np.testing.assert_array_equal(a, b)


def test_at_the_minimum():
    optimizer = optim.LBFGS()
    new, state = optimizer.update(
        ad.value_and_grad(rosenbrock), optimizer.init(np.ones(4)), np.ones(4)
    )
    np.testing.assert_array_equal(new, 1.0)
    assert state.n_iter == 0 and state.func_evals == 1 and state.loss == 0.0


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: optim.LBFGS(lr=-1.0), "lr is -1.0"),
        (lambda: optim.LBFGS(max_iter=0), "max_iter is 0"),
        (lambda: optim.LBFGS(max_eval=0), "max_eval is 0"),
        (lambda: optim.LBFGS(history_size=0), "history_size is 0"),
        (lambda: optim.LBFGS(tolerance_grad=-1.0), "tolerance_grad is -1.0"),
        (lambda: optim.LBFGS(line_search_fn="armijo"), '"strong_wolfe" or None'),
        (lambda: optim.LBFGS().init({"n": 3}), "nothing to train"),
        (lambda: optim.LBFGS().init(np.ones(2, complex)), "complex128"),
    ],
)
def test_settings(make, message):
    with pytest.raises(InputError, match=message):
        make()


def test_what_update_takes():
    optimizer = optim.LBFGS()
    state = optimizer.init(np.ones(4))
    with pytest.raises(InputError, match="params holds 3 numbers, but the state is of 4"):
        optimizer.update(ad.value_and_grad(rosenbrock), state, np.ones(3))
    with pytest.raises(InputError, match="update takes the function that gives value and grad"):
        optimizer.update(np.ones(4), state, np.ones(4))
    with pytest.raises(InputError, match=r"value_and_grad returned .* a pair"):
        optimizer.update(ad.grad(rosenbrock), state, np.ones(4))
    with pytest.raises(InputError, match=r"grads has shape \(2,\), but params is an array"):
        optimizer.update(lambda x: (1.0, np.ones(2)), state, np.ones(4))
