"""The benchmark beside the peers: nothing is timed that disagrees, and what fails is said."""

from types import SimpleNamespace

import numpy as np
import pytest

from benchmarks import compiled
from benchmarks.peers import PEERS, measure, missing
from benchmarks.peers.adbench_tasks import instance_task
from benchmarks.peers.table import Table
from benchmarks.peers.task import NotWritten, Prepared, Run, disagreement, program_task
from benchmarks.programs import PROGRAMS

OPTIONS = ["--size", "tiny", "--seconds", "0.005"]


def peer(forward=1.0, derivative=1.0):
    """A peer whose results are the reference's times a factor."""

    def prepare(task):
        values, gradient = task.reference()
        runs = [
            Run(lambda: factor, lambda found, expected=expected: [found * y for y in expected])
            for factor, expected in ((forward, values), (derivative, gradient))
        ]
        return Prepared(Run(lambda: forward, runs[0].flat), Run(lambda: derivative, runs[1].flat))

    return SimpleNamespace(setup=lambda threads: None, prepare=prepare)


def refusing(error):
    def prepare(task):
        raise error

    return SimpleNamespace(setup=lambda threads: None, prepare=prepare)


def test_what_disagrees_fails_or_is_absent_is_not_timed(monkeypatch):
    peers = {
        "adjoint": peer(),
        "jax": peer(derivative=1 + 1e-6),
        "torch": refusing(NotWritten("stores into arrays")),
        "casadi": refusing(ValueError("no such operation\nand more")),
        "autograd": peer(derivative=float("nan")),
    }
    monkeypatch.setattr("benchmarks.peers.load", peers.get)
    options = compiled.parse([*OPTIONS, "--peers", ",".join(peers), "--worker", "lu"])
    record = compiled.work(options)
    found = record["peers"]
    assert found["adjoint"]["derivative"]["process over adjoint"] == 1.0
    assert found["adjoint"]["derivative"]["rounds"] >= 2
    assert "wall" not in found["jax"]["derivative"]
    assert "disagrees with the eager tier by 1.0e-06" in found["jax"]["error"]
    assert "wall" not in found["autograd"]["derivative"] and "nan" in found["autograd"]["error"]
    assert found["torch"]["absent"] == "stores into arrays"
    assert found["casadi"]["error"] == "ValueError: no such operation"
    table = Table(list(peers), "process")
    record["loop"] = True
    assert table.line(record).startswith("lu ")
    summary = table.summary([record, {"name": "adi", "peers": {}, "error": "it ended", "loop": 1}])
    for line in (
        "jax: derivative: disagrees with the eager tier by 1.0e-06: lu",
        "torch: stores into arrays: lu",
        "all: it ended: adi",
    ):
        assert line in summary


def test_peers_that_are_installed_agree():
    installed = [name for name in PEERS if not missing(name)]
    assert "numpy" in installed
    options = compiled.parse([*OPTIONS, "--peers", ",".join(installed)])
    record = compiled.measure("syrk", options)
    assert "error" not in record and record["loop"]
    for name in installed:
        found = record["peers"][name]
        assert "error" not in found
        if name in ("adjoint", "jax", "jax-expert", "torch"):
            assert found["derivative"]["disagreement"] < 1e-12
            assert found["derivative"]["wall"] > 0 and found["derivative"]["wall to compile"] >= 0
        if name in ("adjoint", "numpy", "numba"):
            assert found["forward"]["process"] >= 0
    assert "geometric mean" in Table(installed, "process").summary([record]) or len(installed) == 1


def test_peers_versions_are_of_programs():
    pytest.importorskip("jax")
    from benchmarks.peers import jax_peer

    written = jax_peer.programs(*jax_peer.MODULES)
    assert set(written) == set(PROGRAMS) - set(compiled.ADBENCH)
    assert set(jax_peer.programs("jax_experts")) <= set(written)


def test_arguments_are_copied_where_a_program_changes_them():
    assert program_task(PROGRAMS["lu"], "tiny").copies() is not None
    assert program_task(PROGRAMS["softmax"], "tiny").copies() is None


def test_loops_are_seen():
    assert compiled.has_loop("deriche") and compiled.has_loop("lenet") and compiled.has_loop("lstm")
    assert not compiled.has_loop("gemm") and not compiled.has_loop("mlp")


def test_an_instance_has_a_reference_for_what_is_compared():
    task = instance_task("hand/simple_small/hand1_t26_c100", None)
    _, (jacobian,) = task.reference()
    assert task.problem == "hand_simple" and jacobian.shape == (300, 26)


def test_disagreement():
    x = np.array([1.0, -4.0])
    assert disagreement([x, x], [x, x]) == 0.0
    assert disagreement([x + [0.0, 0.4]], [x]) == pytest.approx(0.1)
    assert not disagreement([x * np.nan], [x]) <= 1e300
    for other in ([x[:1]], [x, x]):
        with pytest.raises(ValueError):
            disagreement(other, [x])


def test_ratios_are_of_rounds_that_both_took_part_in():
    a, b = measure.Times({0: 2.0, 1: 6.0}, {}), measure.Times({1: 2.0, 2: 9.0}, {})
    assert measure.paired_ratio(a, b, "wall") == 3.0


def test_a_slow_run_leaves_the_rounds():
    import time

    runs = {
        name: Run(lambda pause=pause: time.sleep(pause), lambda found: [])
        for name, pause in (("slow", 0.03), ("quick", 0.001))
    }
    times = measure.interleaved(runs, 0.02)
    assert len(times["slow"].wall) == 1 < len(times["quick"].wall)


def test_a_loop_is_not_for_torch_compile():
    pytest.importorskip("torch")
    from benchmarks.peers import torch_compile_peer

    task = SimpleNamespace(problem="jacobi_2d", weights=(1.0,))
    with pytest.raises(NotWritten, match="loop"):
        torch_compile_peer.prepare(task)


def test_dace_agrees():
    pytest.importorskip("dace")
    record = compiled.measure("syrk", compiled.parse([*OPTIONS, "--peers", "dace"]))
    assert record["peers"]["dace"]["derivative"]["disagreement"] < 1e-12


def test_programs_on_which_threads_work_are_named():
    times = lambda wall, process: {"derivative": {"wall": wall, "process": process}}
    records = [
        {"name": "atax", "loop": 0, "peers": {"adjoint": times(1, 1.9), "jax": times(2, 2)}},
        {"name": "lu", "loop": 1, "peers": {"adjoint": times(1, 1), "jax": times(2, 3)}},
    ]
    summary = Table(["adjoint", "jax"], "wall").summary(records)
    assert f"  {'adjoint':30} atax 1.9\n  {'jax':30} lu 1.5" in summary
