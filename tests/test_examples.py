"""Every example runs, and what it asserts holds."""

import runpy
import sys
import warnings
from pathlib import Path

import numpy as np
import pytest
from scipy import stats

import adjoint as ad

FOLDER = Path(__file__).parent.parent / "examples"
EXAMPLES = sorted(FOLDER.glob("*.py"))
NEEDS = {
    "burgers": ("llvmlite", "matplotlib"),
    "curvature": ("llvmlite", "matplotlib", "sklearn"),
    "digits": ("matplotlib", "sklearn"),
    "language_model": ("matplotlib",),
    "logistic_regression": ("sklearn",),
    "mlp": ("sklearn",),
    "rnn": ("sklearn",),
    "vae": ("llvmlite", "matplotlib", "sklearn"),
}


def run(name, capsys, *arguments):
    """Run an example as a script; return its variables and what it printed."""
    for package in NEEDS.get(name, ()):
        pytest.importorskip(package)
    with warnings.catch_warnings(), pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "argv", [f"{name}.py", *map(str, arguments)])
        warnings.simplefilter("error", RuntimeWarning)
        variables = runpy.run_path(str(FOLDER / f"{name}.py"), run_name="__main__")
    return variables, capsys.readouterr().out


def test_enough_examples():
    assert len(EXAMPLES) >= 9


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda p: p.stem)
def test_is_a_page(path):
    text = path.read_text(encoding="utf-8")
    assert len(text.splitlines()) <= 155
    assert "assert " in text  # it can't silently rot
    assert f"python examples/{path.name}" in text
    imported = [line for line in text.splitlines() if "import" in line and "adjoint" in line]
    assert imported == ["import adjoint as ad"]


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda p: p.stem)
def test_is_in_the_index(path):
    assert f"[{path.stem}]({path.name})" in (FOLDER / "README.md").read_text(encoding="utf-8")


def test_quadratic(capsys):
    found, out = run("quadratic", capsys)
    assert found["tangent"] == found["cotangent"] == 5.0
    assert "f'(4), reverse     5.0" in out


def test_logistic_regression(capsys):
    found, out = run("logistic_regression", capsys)
    assert found["fit"].fun < 0.1
    assert set(found["gradient"]) == {"w", "b"}
    assert "never seen" in out


def test_rnn(capsys):
    found, out = run("rnn", capsys)
    assert found["accuracy"](found["test"]) > 0.93
    assert "epoch" in out


def test_mlp(capsys):
    found, out = run("mlp", capsys)
    assert found["unseen"] > 0.96
    assert "epoch" in out


def test_burgers(capsys, tmp_path):
    found, out = run("burgers", capsys, "--small", "--picture", tmp_path / "burgers.png")
    assert (tmp_path / "burgers.png").stat().st_size > 10_000
    assert "L-BFGS" in out
    # The exact solution obeys the equation: by the derivatives of its own formula.
    x, t, nu = np.array([-0.6, 0.05, 0.4]), np.array([0.2, 0.5, 0.8]), found["nu"]
    one, zero = np.ones(3), np.zeros(3)
    u, (u_x, half) = ad.taylor(lambda x: found["exact"](x, t), (x,), ([one, zero],))
    _, u_t = ad.jvp(lambda t: found["exact"](x, t), (t,), (one,))
    np.testing.assert_allclose(u_t + u * u_x, nu * 2 * half, atol=1e-8)
    edges = np.array([-1.0, 1.0])
    np.testing.assert_allclose(found["exact"](edges, np.array([0.3, 0.9])), 0, atol=1e-12)


def test_vae(capsys, tmp_path):
    found, out = run("vae", capsys, "--small", "--picture", tmp_path / "vae.png")
    assert (tmp_path / "vae.png").stat().st_size > 10_000
    assert found["baseline"] < found["unseen"] < found["limit"]
    assert "three draws" in out
    # The likelihood is SciPy's, and the divergence in closed form is the mean over draws.
    model, x = found["model"], found["test"][:20]
    logits, mean, log_variance = model(x, np.random.default_rng(5))
    reconstruction, kl = found["terms"](model, x, np.random.default_rng(5))
    pixels = stats.binom.logpmf(np.rint(16 * x), 16, ad.nn.sigmoid(logits.astype(float)))
    np.testing.assert_allclose(reconstruction, -pixels.sum(axis=1), rtol=1e-4)
    deviation = np.exp(log_variance / 2)
    z = mean + deviation * np.random.default_rng(6).standard_normal((20_000, *mean.shape))
    ratio = stats.norm.logpdf(z, mean, deviation) - stats.norm.logpdf(z)
    np.testing.assert_allclose(kl, ratio.sum(axis=2).mean(axis=0), rtol=0.02)


def test_curvature(capsys, tmp_path):
    found, out = run("curvature", capsys, "--small", "--picture", tmp_path / "curvature.png")
    assert (tmp_path / "curvature.png").stat().st_size > 10_000
    assert found["norms"].shape == (1437,)
    np.testing.assert_allclose(np.sort(found["top"]), found["expected"], rtol=1e-8)
    assert "by vmap" in out


def test_newton_solver(capsys):
    found, out = run("newton_solver", capsys)
    np.testing.assert_allclose(found["through_the_loop"], found["implicit"], atol=1e-9)
    assert "implicit function theorem" in out


def test_heat_equation(capsys):
    found, out = run("heat_equation", capsys)
    np.testing.assert_allclose(found["found"], found["truth"], rtol=1e-4)
    assert "found" in out


def test_ode_fit(capsys):
    found, out = run("ode_fit", capsys)
    # The solver's error is far below the data's: twice the steps give the same solution.
    coarse, fine = (found["solve"](found["fit"].x, steps=n) for n in (4, 8))
    np.testing.assert_allclose(coarse, fine, rtol=2e-2)
    assert "Stan" in out


def test_black_scholes(capsys):
    found, out = run("black_scholes", capsys)
    # Put-call parity's other half, and the equation itself: theta + rS delta + σ²S² gamma/2 = rV.
    greeks = {name.split()[0]: derivative for name, (derivative, _) in found["greeks"].items()}
    S, r, sigma = found["S"], found["r"], found["sigma"]
    left = greeks["theta"] + r * S * greeks["delta"] + sigma**2 * S**2 * greeks["gamma"] / 2
    np.testing.assert_allclose(left, r * found["value"], rtol=1e-10)
    assert "vanna" in out


def test_nonlinear_least_squares(capsys):
    found, out = run("nonlinear_least_squares", capsys)
    np.testing.assert_allclose(found["fit"].x, found["CERTIFIED"], rtol=1e-8)
    np.testing.assert_allclose(found["errors"], found["CERTIFIED_ERRORS"], rtol=1e-8)
    assert "Misra1a" in out


def test_newton_cg(capsys):
    found, out = run("newton_cg", capsys)
    assert len(found["METHODS"]) == 11
    assert all(method in out for method in found["METHODS"])


def test_uncertainty(capsys):
    found, out = run("uncertainty", capsys)
    np.testing.assert_allclose(found["deviation"][0], found["draws"][:, 0].std(), rtol=0.02)
    assert "Monte Carlo" in out


def test_digits(capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    found, out = run("digits", capsys, "--small")
    assert found["confusion"].sum() == len(found["test_labels"]) == 360
    assert "CNN" in out and (tmp_path / "digits.png").stat().st_size > 10_000
    # Validation and test are no part of what is learnt from, and nothing of the test is looked at.
    counted = sum(len(found[name]) for name in ("images", "val_images", "test_images"))
    assert counted == 1797
    moved = found["moved"](found["images"], np.random.default_rng(0))
    assert moved.shape == found["images"].shape and moved.sum() > 0.8 * found["images"].sum()


def test_language_model(capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    found, out = run("language_model", capsys, "--small")
    assert found["double"] < found["single"] < np.log2(len(found["characters"]))
    assert "temperature" in out and (tmp_path / "language_model.png").stat().st_size > 10_000
    # With the cache, character by character, the transformer says what it says of the whole text.
    model, text = found["model"], found["unseen"][None, :12]
    whole, cache = model(text)[0], model.start(12)
    for t in range(12):
        step, cache = found["following"](model, text[:, t : t + 1], cache)
        np.testing.assert_allclose(step[:, 0], whole[:, t], atol=1e-4)


def test_tagging(capsys):
    found, out = run("tagging", capsys, "--small")
    assert found["right"]["GRU"].mean() > found["right"]["by character"].mean() + 0.1
    lines = [bytes(c.astype("u1")) for part in ("train", "test") for c, _ in found[part]]
    assert len(set(lines)) > 0.99 * len(lines)  # all of ASCII's are different ones
    assert "keyword" in out
