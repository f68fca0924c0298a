"""ADBench's four problems: derivatives on made inputs, and on its files against its references.

The files are read when the environment variable ADJOINT_DATA names the folder that holds
``adbench``.
"""

import os
from pathlib import Path

import numpy as np
import pytest
from scipy.spatial.transform import Rotation
from scipy.special import expit, gammaln

import adjoint as ad
from benchmarks.adbench import (
    ba_derivative,
    ba_derivative_forward,
    gmm_derivative,
    hand_complicated_derivative,
    hand_simple_derivative,
    instances,
    lstm_derivative,
    worst_disagreement,
)
from benchmarks.programs.adbench_data import disagreement
from benchmarks.programs.ba import PROGRAM as BA
from benchmarks.programs.ba import ba, project
from benchmarks.programs.gmm import PROGRAM as GMM
from benchmarks.programs.gmm import gmm
from benchmarks.programs.hand import PROGRAMS as HANDS
from benchmarks.programs.hand import hand_complicated, hand_simple, posed_vertices
from benchmarks.programs.lstm import PROGRAM as LSTM
from benchmarks.programs.lstm import lstm

DATA = os.environ.get("ADJOINT_DATA")
HAND_SIMPLE, HAND_COMPLICATED = HANDS
PROGRAMS = [GMM, BA, HAND_SIMPLE, HAND_COMPLICATED, LSTM]


def differentiated_part(program, args):
    """The program as a function of its differentiated arguments, and those."""
    n = len(program.differentiated)
    assert program.differentiated == tuple(range(n))
    return (lambda *first: program.function(*first, *args[n:])), args[:n]


# ------------------------------------------------------------------------------------- inputs made


@pytest.mark.parametrize("program", PROGRAMS, ids=lambda p: p.name)
def test_derivatives_agree_with_differences(program):
    f, point = differentiated_part(program, program.inputs("tiny", 3))
    ad.check_grads(f, point, order=1, rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("program", [GMM, BA, HAND_COMPLICATED, LSTM], ids=lambda p: p.name)
def test_second_derivatives_agree_with_differences(program):
    loss = program.loss(program.weights("tiny", 3))
    args = program.inputs("tiny", 3)
    n = len(program.differentiated)
    gradient = ad.grad(lambda *first: loss(*first, *args[n:]), tuple(range(n)))
    # Scaled: ADBench's features make the errors of BA hundreds.
    size = max(1.0, max(np.max(np.abs(g)) for g in gradient(*args[:n])))
    ad.check_grads(lambda *p: [g / size for g in gradient(*p)], args[:n], order=1)


@pytest.mark.parametrize("program", PROGRAMS, ids=lambda p: p.name)
def test_forward_and_reverse_agree(program):
    f, point = differentiated_part(program, program.inputs("tiny", 5))
    argnums = tuple(range(len(point)))
    forward = ad.jacfwd(f, argnums)(*point)
    reverse = ad.jacrev(f, argnums)(*point)
    if program is not BA:
        forward, reverse = [forward], [reverse]
    for a, b in zip(forward, reverse, strict=True):
        for x, y in zip(a, b, strict=True):
            assert disagreement(x, y) < 1e-12


def test_gmm_is_its_definition():
    alphas, means, icf, x, gamma, m = *GMM.inputs("tiny", 1)[:4], 1.3, 2
    (n, d), k = x.shape, len(alphas)
    total = -n * d / 2 * np.log(2 * np.pi) - n * np.log(np.sum(np.exp(alphas)))
    roots = []
    for c in range(k):
        q, rest = icf[c, :d], iter(icf[c, d:])
        root = np.diag(np.exp(q))
        for column in range(d):
            for row in range(column + 1, d):
                root[row, column] = next(rest)
        roots.append(root)
        total += 0.5 * gamma**2 * np.sum(root**2) - m * np.sum(q)
    for i in range(n):
        parts = [
            np.exp(
                alphas[c] + np.sum(icf[c, :d]) - 0.5 * np.sum((roots[c] @ (x[i] - means[c])) ** 2)
            )
            for c in range(k)
        ]
        total += np.log(sum(parts))
    count = d + m + 1
    log_gamma = d * (d - 1) / 4 * np.log(np.pi)
    log_gamma += sum(gammaln(count / 2 - j / 2) for j in range(d))
    total -= k * (count * d * (np.log(gamma) - 0.5 * np.log(2)) - log_gamma)
    assert gmm(alphas, means, icf, x, gamma, m) == pytest.approx(total, rel=1e-12)


def test_ba_projects_as_defined():
    cameras, points = BA.inputs("tiny", 1)[:2]
    for camera in cameras:
        xc = Rotation.from_rotvec(camera[:3]).apply(points[0] - camera[3:6])
        p = xc[:2] / xc[2]
        r = p @ p
        expected = p * (1 + camera[9] * r + camera[10] * r * r) * camera[6] + camera[7:9]
        np.testing.assert_allclose(project(camera[None], points[:1])[0], expected, rtol=1e-12)


def test_ba_compressed_jacobians_are_the_blocks_of_the_whole():
    args = BA.inputs("tiny", 2)
    camera_of, point_of = args[4:]
    by_row, by_column = ba_derivative(args), ba_derivative_forward(args)
    for key, value in by_row.items():
        assert disagreement(value, by_column[key]) < 1e-12
    errors, weights = ad.jacrev(lambda *p: ba(*p, *args[3:]), (0, 1, 2))(*args[:3])
    for i in range(len(camera_of)):
        expected = [errors[0][i, :, camera_of[i]], errors[1][i, :, point_of[i]]]
        expected.append(errors[2][i, :, i, None])
        assert disagreement(by_row["block"][i], np.hstack(expected)) < 1e-12
    assert disagreement(np.diag(by_row["weight_derivative"]), weights[2]) < 1e-15


def test_ba_at_a_camera_that_is_not_turned():
    args = list(BA.inputs("tiny", 2))
    args[0] = args[0].copy()
    args[0][1, :3] = 0
    assert all(np.all(np.isfinite(value)) for value in ba_derivative(tuple(args)).values())
    f, point = differentiated_part(BA, tuple(args))
    by_camera = ad.jacrev(lambda c: f(c, *point[1:])[0])(point[0])
    for k in range(3):
        h = np.zeros_like(point[0])
        h[1, k] = 1e-5
        slope = (f(point[0] + h, *point[1:])[0] - f(point[0] - h, *point[1:])[0]) / 2e-5
        np.testing.assert_allclose(by_camera[:, :, 1, k], slope, rtol=1e-5, atol=1e-5)


def test_hand_at_rest_is_the_model():
    theta, *model = HAND_SIMPLE.inputs("tiny", 1)[:6]
    rest = model[3]
    np.testing.assert_allclose(posed_vertices(np.zeros_like(theta), *model), rest, atol=1e-14)
    theta = np.concatenate([theta[:6], np.zeros(20)])
    expected = Rotation.from_rotvec(theta[:3]).apply(rest) + theta[3:6]
    np.testing.assert_allclose(posed_vertices(theta, *model), expected, atol=1e-14)


def test_hand_jacobians():
    args = HAND_SIMPLE.inputs("tiny", 4)
    whole = ad.jacrev(hand_simple)(*args)
    found = hand_simple_derivative(args)["jacobian"]
    assert disagreement(found, whole.reshape(-1, 26)) < 1e-12
    args = HAND_COMPLICATED.inputs("tiny", 4)
    by_theta, by_u = ad.jacrev(hand_complicated, (0, 1))(*args)
    found = hand_complicated_derivative(args)["jacobian"]
    own = np.stack([by_u[j, :, j] for j in range(len(by_u))]).reshape(-1, 2)
    assert disagreement(found, np.hstack([own, by_theta.reshape(-1, 26)])) < 1e-12


def test_lstm_is_its_definition():
    main, extra, state, sequence = LSTM.inputs("tiny", 1)
    layers, b = len(main) // 2, sequence.shape[1]
    w, bias = main[0::2].reshape(layers, 4, b), main[1::2].reshape(layers, 4, b)
    h, c = [*state[0::2]], [*state[1::2]]
    total = 0.0
    for t in range(len(sequence) - 1):
        x = sequence[t] * extra[0]
        for k in range(layers):
            f, o = (expit(x * w[k, g] + bias[k, g]) for g in (0, 2))
            i, g = expit(h[k] * w[k, 1] + bias[k, 1]), np.tanh(h[k] * w[k, 3] + bias[k, 3])
            c[k] = c[k] * f + i * g
            x = h[k] = o * np.tanh(c[k])
        y = x * extra[1] + extra[2]
        total += sum(sequence[t + 1, j] * (y[j] - np.log(2 + np.exp(y).sum())) for j in range(b))
    expected = -total / (b * (len(sequence) - 1))
    found = lstm_derivative((main, extra, state, sequence))
    assert found["objective"] == pytest.approx(expected, rel=1e-13)
    assert found["objective"] == lstm(main, extra, state, sequence)
    assert found["main"].shape == (main.size,) and found["extra"].shape == (extra.size,)


def test_gmm_derivative_has_the_shapes_of_its_arguments():
    args = GMM.inputs("tiny", 1)
    found = gmm_derivative(args)
    assert found["objective"] == pytest.approx(gmm(*args), rel=1e-14)
    for key, value in zip(("alphas", "means", "icf"), args):
        assert found[key].shape == value.shape


def test_made_inputs_follow_the_seed():
    for program in PROGRAMS:
        once, again, other = (program.inputs("tiny", seed) for seed in (7, 7, 8))
        for a, b in zip(once, again, strict=True):
            np.testing.assert_array_equal(a, b)
        assert any(not np.array_equal(a, b) for a, b in zip(once, other, strict=True))


# --------------------------------------------------------------------------------- ADBench's files


@pytest.mark.skipif(DATA is None, reason="ADJOINT_DATA does not name the folder of ADBench's data")
@pytest.mark.parametrize("instance", list(instances()), ids=lambda i: i.name)
def test_files_agree_with_the_references(instance):
    data = Path(DATA)
    args = instance.arguments(data)
    assert worst_disagreement(instance.derivative(args), instance.reference(data)) < 1e-8


@pytest.mark.skipif(DATA is None, reason="ADJOINT_DATA does not name the folder of ADBench's data")
@pytest.mark.parametrize("instance", list(instances()), ids=lambda i: i.name)
def test_files_agree_with_the_references_staged(instance):
    data = Path(DATA)
    args = instance.arguments(data)
    found = ad.jit(instance.derivative)(args)
    assert worst_disagreement(found, instance.reference(data)) < 1e-8


@pytest.mark.skipif(DATA is None, reason="ADJOINT_DATA does not name the folder of ADBench's data")
def test_files_of_ba_agree_in_forward_mode():
    instance = next(i for i in instances() if i.name.startswith("ba/ba1"))
    found = ba_derivative_forward(instance.arguments(Path(DATA)))
    assert worst_disagreement(found, instance.reference(Path(DATA))) < 1e-8
