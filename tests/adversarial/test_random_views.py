"""Random programs of views, copies and stores: who shares memory with whom must be as in NumPy."""

import importlib.util
import random
import re

import numpy as np
import pytest

import adjoint as ad

VIEWS = """
y.T; y[::-1]; y[1:]; y.reshape(-1); y.reshape(-1, 2); np.swapaxes(y, 0, -1); y.ravel()
y[..., ::2]; y[0]; np.flip(y); y[None]; np.squeeze(y); np.atleast_2d(y); y[..., None]
np.moveaxis(y, 0, -1); np.ravel(y, "K"); np.ravel(y, "F"); np.reshape(y, (2, -1), order="F")
np.rot90(y); y * 1.0; y.copy(); np.array_split(y, 2)[0]; np.split(y, 2)[1]; np.asarray(y)
np.einsum("...->...", y); y.real; y + y.T; np.asfortranarray(y); np.diagonal(y)
np.broadcast_to(y, (2,) + y.shape); np.take(y, [0, 1], 0); y[[0, 1]]; np.delete(y, 0, -1)
np.roll(y, 1, -1); np.pad(y, 1); np.insert(y, 1, x[0], axis=0); np.concatenate([y, y], -1)
np.stack([y, y], 1); np.tile(y, 2); np.tril(y); np.copy(y); np.array(y); np.array([y, y])
np.full_like(y, x[0]); np.resize(y, (3, 3)); y.mean(0); np.unstack(y)[0]
""".replace("\n", ";")

STORES = """
v[...] *= x[0]; v[0] = x[1] * np.cos(u.mean()); v[-1] += x[2]; v += x[3]; v.flat[1] = x[0] * x[2]
v[..., 0] = np.sin(v[..., 0]); np.put(v, [0, 2], x[:2]); v[:] = v[::-1].copy(); v[..., -1] = 2.5
v[...] = u.mean() * x[3]
""".replace("\n", ";")

STARTS = [
    "np.outer(x, x) + 1",
    "np.zeros((4, 4))",
    "(x.reshape(2, 2) * np.ones((2, 2, 2))).T",
]


def program(seed):
    rng = random.Random(seed)
    views = [e.strip() for e in VIEWS.split(";") if e.strip()]
    stores = [e.strip() for e in STORES.split(";") if e.strip()]
    lines, names = [f"y0 = {rng.choice(STARTS)}"], ["y0"]
    for _ in range(rng.randint(4, 9)):
        if rng.random() < 0.55:
            name = f"y{len(names)}"
            lines.append(f"{name} = " + re.sub(r"\by\b", rng.choice(names), rng.choice(views)))
            names.append(name)
        else:
            line = re.sub(r"\bv\b", rng.choice(names), rng.choice(stores))
            lines.append(re.sub(r"\bu\b", rng.choice(names), line))
    flat = ", ".join(f"np.ravel({name})" for name in names)
    return f"def f{seed}(x):\n    " + "\n    ".join([*lines, f"return np.concatenate([{flat}])"])


@pytest.mark.filterwarnings("ignore")
def test_random_views(tmp_path):
    seeds = range(500)
    path = tmp_path / "random_views.py"
    path.write_text("import numpy as np\n\n\n" + "\n\n\n".join(map(program, seeds)) + "\n")
    spec = importlib.util.spec_from_file_location("random_views", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    x, h, ran = np.array([0.7, 1.3, -0.4, 1.1]), 1e-5, 0
    for seed in seeds:
        fn = getattr(module, f"f{seed}")
        try:
            want = fn(x)
        except (ValueError, IndexError, np.exceptions.AxisError):
            continue  # a program that NumPy refuses
        if not np.isfinite(want).all():
            continue  # the mean of nothing
        ran += 1
        numeric = np.stack([(fn(x + h * e) - fn(x - h * e)) / (2 * h) for e in np.eye(4)], -1)
        value, pull = ad.vjp(fn, x)
        np.testing.assert_allclose(value, want, rtol=1e-12, err_msg=program(seed))
        jacobian = ad.jacfwd(fn)(x)
        np.testing.assert_allclose(jacobian, numeric, rtol=1e-5, atol=1e-6, err_msg=program(seed))
        w = np.cos(np.arange(len(value)))
        np.testing.assert_allclose(pull(w)[0], w @ jacobian, atol=1e-9, err_msg=program(seed))
    assert ran > 200
