"""A physics-informed network: Burgers' equation, solved without a grid.

    u_t + u u_x = ν u_xx    on −1 < x < 1, 0 < t < 1,    u(x, 0) = −sin πx,  u(±1, t) = 0

The solution steepens into a shock of width ν = 0.01/π at x = 0. A network stands for it; what is
made small is the equation's residual at scattered points, in which the network is differentiated
twice by x and once by t. Its gradient in the weights is taken over these derivatives, and all of it
is one compiled function. Adam begins, with other points at each step; L-BFGS ends, in rounds,
before each of which points are drawn anew, more of them where the residual is large.

M. Raissi, P. Perdikaris, G. Karniadakis: Physics-informed neural networks, J. Comput. Phys. 378,
2019; C. Wu et al., Comput. Methods Appl. Mech. Eng. 403, 2023 (points). The exact solution is E.
Hopf's (1950) and J. Cole's (1951).

Run it with ``python examples/burgers.py`` or, faster, with ``--small``. In one run: 93 s, a
relative error of 6.6e-3.
"""

import argparse
import time

import numpy as np
from matplotlib.figure import Figure

import adjoint as ad

parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
parser.add_argument("--small", action="store_true", help="a tenth of the shock's steepness, fast")
parser.add_argument("--picture", default="burgers.png", help="the file that is drawn")
options = parser.parse_args()

nn = ad.nn
small = options.small
nu = (0.1 if small else 0.01) / np.pi
depth, width, points, adam_steps, rounds, updates = (
    (1, 16, 400, 300, 2, 6) if small else (3, 32, 3000, 2100, 5, 16)
)
rng = np.random.default_rng(0)


def exact(x, t, nodes=100):
    """Cole and Hopf's integral over a Gaussian, by Gauss and Hermite's rule."""
    z, weights = np.polynomial.hermite.hermgauss(nodes)
    y = x[..., None] - np.sqrt(4 * nu * t[..., None]) * z
    # The large common factor of both integrals cancels.
    exponent = -np.cos(np.pi * y) / (2 * np.pi * nu)
    f = weights * np.exp(exponent - exponent.max(axis=-1, keepdims=True))
    return -np.sum(np.sin(np.pi * y) * f, axis=-1) / np.sum(f, axis=-1)


def dense(inputs, outputs):
    weight = nn.init.xavier_normal((outputs, inputs), rng=rng, dtype=np.float64)
    layer = nn.Linear(inputs, outputs, rng=rng, dtype=np.float64)
    return layer.replace(weight=weight, bias=np.zeros(outputs))


hidden = [f for _ in range(depth) for f in (dense(width, width), np.tanh)]
model = nn.Sequential(dense(2, width), np.tanh, *hidden, dense(width, 1))


def solution(model, x, t):
    """The network; its factor makes the initial and boundary values exact."""
    correction = model(np.stack([x, 2 * t - 1], axis=-1))[..., 0]
    return -np.sin(np.pi * x) + t * (1 - x**2) * correction


def residual(model, x, t):
    one, zero = np.ones_like(x), np.zeros_like(x)
    # Along x + s: u + u_x s + (u_xx / 2) s² + …
    u, (u_x, half_u_xx) = ad.taylor(lambda x: solution(model, x, t), (x,), ([one, zero],))
    _, u_t = ad.jvp(lambda t: solution(model, x, t), (t,), (one,))
    return u_t + u * u_x - nu * 2 * half_u_xx


def loss(model, x, t):
    return np.mean(residual(model, x, t) ** 2)


grid_x, grid_t = np.meshgrid(np.linspace(-1, 1, 257), np.linspace(0.01, 1, 100))
truth = exact(grid_x, grid_t)


def error(model):
    """The relative L2 error over the grid."""
    found = solution(model, grid_x, grid_t)
    return np.linalg.norm(found - truth) / np.linalg.norm(truth)


begin = time.perf_counter()


def tell(what, value):
    print(f"{what:16} {value:9.2e}  {error(model):9.2e}  {time.perf_counter() - begin:7.1f} s")


print(f"{nn.parameter_count(model)} weights\n{'':16} residual²      error")

adam = ad.optim.Adam(lr=ad.optim.CosineAnnealingLR(3e-3, T_max=adam_steps))


@ad.jit
def adam_step(model, state, x, t):
    value, gradient = ad.value_and_grad(loss)(model, x, t)
    model, state = adam.update(gradient, state, model)
    return model, state, value


state = adam.init(model)
for k in range(adam_steps):
    x, t = rng.uniform(-1, 1, points), rng.uniform(0, 1, points)
    model, state, value = adam_step(model, state, x, t)
    if (k + 1) % (adam_steps // 3) == 0:
        tell(f"Adam {k + 1}", value)

lbfgs = ad.optim.LBFGS(line_search_fn="strong_wolfe", history_size=50)


@ad.jit
def lbfgs_update(model, state, x, t):
    """Twenty iterations with their line searches: one call of machine code."""
    return lbfgs.update(ad.value_and_grad(lambda model: loss(model, x, t)), state, model)


iterations = 0
for _ in range(rounds):
    x, t = rng.uniform(-1, 1, 10 * points), rng.uniform(0, 1, 10 * points)
    size = np.abs(residual(model, x, t))
    weight = size + size.mean()
    chosen = rng.choice(len(x), points, replace=False, p=weight / weight.sum())
    state = lbfgs.init(model)
    for _ in range(updates):
        model, state = lbfgs_update(model, state, x[chosen], t[chosen])
    iterations += state.n_iter
    tell(f"L-BFGS {iterations}", state.loss)

figure = Figure(figsize=(10, 3.5), layout="constrained")
(left, right) = figure.subplots(1, 2)
image = left.pcolormesh(grid_t, grid_x, solution(model, grid_x, grid_t), cmap="RdBu")
figure.colorbar(image, ax=left)
left.set(xlabel="t", ylabel="x", title="the network's u(x, t)")
for row in (24, 49, 74, 99):
    (line,) = right.plot(grid_x[row], truth[row], label=f"t = {grid_t[row, 0]:.2f}")
    u = solution(model, grid_x[row], grid_t[row])
    right.plot(grid_x[row], u, "k--", lw=1)
right.set(xlabel="x", ylabel="u", title="exact (coloured) and found (dashed)")
right.legend()
figure.savefig(options.picture, dpi=120)

assert error(model) < (5e-2 if small else 1e-2)
