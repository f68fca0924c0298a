"""The benchmark of training: peers make the same steps, and what fails or disagrees is said."""

import importlib

import pytest

from benchmarks import training
from benchmarks.networks import NETWORKS
from benchmarks.peers import missing
from benchmarks.peers.trainer import MODULES

pytestmark = pytest.mark.skipif(bool(missing("adjoint")), reason="llvmlite is not installed")

PEERS = [
    "adjoint",
    *(
        pytest.param(peer, marks=pytest.mark.skipif(bool(package), reason=f"needs {package}"))
        for peer in ("torch", "jax")
        for package in (missing(peer),)
    ),
]


def losses_of(peer, name, steps=6):
    """Return the first losses of a network, by a peer in this process."""
    network = NETWORKS[name]
    sizes = network.sizes["tiny"]
    run = prepared(peer, network, network.make(sizes), network.data(sizes))
    return [float(run()) for _ in range(steps)]


def prepared(peer, network, model, data, **options):
    module = importlib.import_module(f"benchmarks.peers.{MODULES[peer]}")
    return module.prepare(network, "tiny", model, data, **options)


def eager(name, steps=6):
    network = NETWORKS[name]
    sizes = network.sizes["tiny"]
    run = prepared("adjoint", network, network.make(sizes), network.data(sizes), compiled=False)
    return {"losses": [float(run()) for _ in range(steps)]}


@pytest.mark.parametrize("peer", PEERS)
@pytest.mark.parametrize("name", ["mlp", "digits_cnn", "lstm", "transformer"])
def test_peers_make_the_same_steps(peer, name):
    found = training.compared(losses_of(peer, name), eager(name), draws=False)
    assert "error" not in found and found["disagreement"] < 1e-5


@pytest.mark.parametrize("peer", PEERS)
def test_peers_draw_anew_at_each_step(peer):
    found = losses_of(peer, "mlp_dropout")
    assert len(set(found)) == len(found)


def test_ten_million_parameters():
    network = NETWORKS["ten_million"]
    s = network.sizes["full"]
    lengths = s["inputs"], s["hidden"], s["hidden"], s["classes"]
    assert sum(m * n + n for m, n in zip(lengths, lengths[1:])) >= 10_000_000
    found = losses_of("adjoint", "ten_million", 3)
    assert found == sorted(found, reverse=True)


def test_what_disagrees_is_an_error():
    reference = {"losses": [2.0, 1.9, 1.8, 1.7, 1.6, 1.5]}
    same = training.compared(reference["losses"], reference, draws=False)
    assert same == {"disagreement": 0.0}
    other = [*reference["losses"][:5], 1.51]
    assert "losses disagree by 5.0e-03" in training.compared(other, reference, False)["error"]
    assert "error" not in training.compared(other, reference, draws=True)
    nan = [float("nan")] * 6
    assert "disagree" in training.compared(nan, reference, draws=False)["error"]
    constant = [1.5] * 6
    error = training.compared(constant, {"losses": constant}, draws=True)["error"]
    assert "anew" in error
    assert "does not fall" in training.compared(constant, {"losses": constant}, False)["error"]
    assert "no memory" in training.compared([], {"error": "no memory"}, False)["error"]


def test_products_are_those_of_the_step():
    from benchmarks.peers.products_training import products_of

    network = NETWORKS["mlp"]
    sizes = network.sizes["tiny"]
    found = products_of(network, network.make(sizes), network.data(sizes))
    shapes = [(x[0], y[0]) for x, y in found]
    n, m, h, c = (sizes[k] for k in ("batch", "inputs", "hidden", "classes"))
    forward = [((n, m), (m, h)), ((n, h), (h, h)), ((n, h), (h, c))]
    backward = [
        ((n, c), (c, h)), ((c, n), (n, h)), ((n, h), (h, h)), ((h, n), (n, h)), ((h, n), (n, m)),
    ]  # fmt: skip
    assert sorted(shapes) == sorted(forward + backward)


def test_convolutions_are_products():
    from benchmarks.peers.products_training import products_of

    network = NETWORKS["digits_cnn"]
    sizes = network.sizes["tiny"]
    found = products_of(network, network.make(sizes), network.data(sizes))
    n, c = sizes["batch"], sizes["channels"]
    assert (((2 * c, 9 * c), False), ((9 * c, 16 * n), False)) in found
    assert (((9 * c, 2 * c), True), ((2 * c, 16 * n), False)) in found


def test_processes_take_turns_and_the_table_tells(capsys, monkeypatch, tmp_path):
    monkeypatch.setattr(training, "ROUND", 0.001)
    out = tmp_path / "figures.json"
    training.main(
        ["--size", "tiny", "--programs", "mlp", "--peers", "adjoint,torch,jax", "--seconds", "0",
         "--blas-share", "--json", str(out)]
    )  # fmt: skip
    text = capsys.readouterr().out
    lines = {line[20:34].strip(): line for line in text.splitlines()}
    assert "failed" not in lines["adjoint"] and "of ours: " in lines["products"]
    for peer in ("torch", "jax"):
        package = missing(peer)
        assert (
            (f"{package} is not installed" in lines[peer])
            if package
            else ("failed" not in lines[peer])
        )
    assert out.exists()


def test_a_process_that_dies_is_told():
    options = training.parse(["--size", "tiny", "--timeout", "60"])
    trainer = training.Trainer("adjoint", "no such network", options, 1)
    answer = trainer.ask("check", 6)
    trainer.end()
    assert "ended with status 1: there is no" in answer["error"]


def test_unknown_names_are_refused():
    for arguments in (["--programs", "resnet"], ["--peers", "theano"]):
        with pytest.raises(SystemExit, match="there is no"):
            training.parse(arguments)
