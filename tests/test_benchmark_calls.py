"""The benchmark of calls: every system returns what it has to, and the table shows the medians."""

from itertools import islice
from types import SimpleNamespace

import numpy as np
import pytest

import adjoint as ad
from benchmarks import calls
from benchmarks.peers import calls as cases
from benchmarks.peers import load, missing
from benchmarks.peers.task import disagreement

INSTALLED = [peer for peer in calls.PEERS if not missing(peer)]


@pytest.mark.parametrize("table", calls.TITLES)
def test_every_system_returns_what_it_has_to(table):
    for peer in INSTALLED:
        load(peer).setup(1)
    for case in islice(cases.TABLES[table](INSTALLED), 3):
        assert case.runs.keys() <= set(INSTALLED)
        for run in case.runs.values():
            assert disagreement(run.flat(run.call()), case.expected) < 1e-10


def test_the_loops_reference_is_its_derivative():
    u, p, n = np.array([1.0, 2.0, 3.0]), np.array([10.0, 28.0, 8.0 / 3.0]), 40
    dots = np.array([0.5, -1.0, 2.0]), np.array([1.0, 0.0, -3.0])
    expected = ad.jvp(lambda u, p: cases.euler(u, p, 0.01, n), (u, p), dots)
    assert cases.along(u, p, dots, 0.01, n) == pytest.approx(expected, rel=1e-12)


def test_what_disagrees_or_fails_is_not_timed(monkeypatch):
    def failing():
        raise ValueError("no such thing")

    def table(peers):
        runs = {
            "adjoint": cases.Run(lambda: 1.0, cases.leaves),
            "numpy": cases.Run(lambda: 1.5, cases.leaves),
            "torch": cases.Run(failing, cases.leaves),
        }
        yield cases.Case("one", runs, cases.leaves(1.0))

    monkeypatch.setitem(cases.TABLES, "large", table)
    monkeypatch.setattr(
        "benchmarks.peers.load", lambda peer: SimpleNamespace(setup=lambda threads: None)
    )
    options = SimpleNamespace(
        worker="large", peers="adjoint,numpy,torch", threads=1, clock="wall", seconds=0.005
    )
    (found,) = calls.work(options).values()
    assert found["adjoint"]["over adjoint"] == 1.0
    assert found["numpy"] == {"error": "disagrees by 5.0e-01"}
    assert found["torch"] == {"error": "ValueError: no such thing"}


def test_tables_show_medians():
    line = lambda later, ratio: {
        "adjoint": {"first": 0.05, "later": 2e-6, "over adjoint": 1.0},
        "jax": {"first": 0.1, "later": later, "over adjoint": ratio},
        "torch": {"error": "ValueError: no"},
    }
    merged = calls._medians([line(3e-6, 1.5), line(9e-3, 9.0), line(4e-6, 2.0)])
    text = calls.markdown("loop", {"a call": merged}, ["adjoint", "jax", "torch"])
    assert "| a call | 2.00 µs | 4.00 µs | – | 2 | 50.0 ms, 100 ms |" in text
    assert "torch, a call: ValueError: no" in text


def test_durations():
    texts = [calls.duration(t) for t in (None, 4e-7, 1.234e-3, 0.1, 2.5)]
    assert texts == ["–", "0.400 µs", "1.23 ms", "100 ms", "2.50 s"]
