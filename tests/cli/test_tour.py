"""The command ``adjoint tour``: the main job, in its quick form."""

import ast
import importlib.util
import re
import sys
from html.parser import HTMLParser

import pytest

from adjoint.cli import main
from adjoint.cli.tour import PROGRAMS

OPTIONAL = ("rich", "matplotlib", "sklearn")
needs_extras = pytest.mark.skipif(
    any(importlib.util.find_spec(name) is None for name in OPTIONAL), reason="extra `report`"
)


class Balanced(HTMLParser):
    """Checks that what is opened is closed, and collects what is referred to."""

    def __init__(self):
        super().__init__()
        self.open, self.sources, self.text = [], [], ""

    def handle_starttag(self, tag, attrs):
        if tag not in ("meta", "img", "br"):
            self.open.append(tag)
        attributes = dict(attrs)
        self.sources += [attributes[key] for key in ("src", "href") if key in attributes]
        if tag == "img":
            assert attributes["alt"]

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.text += data


@needs_extras
def test_the_quick_tour(tmp_path, capsys):
    report = tmp_path / "report.html"
    argv = ["tour", "--quick", "--no-open", "--seed", "3", "--output", str(report)]
    assert main(argv) == 0
    out, err = capsys.readouterr()
    assert err == ""
    assert "v₄  v₃ − 2          2            5            1" in out
    accuracy = float(re.search(r"Test accuracy ([\d.]+)%", out)[1])
    assert accuracy > 85
    assert float(re.search(r"They agree to (\S+)", out)[1]) < 1e-7
    page = Balanced()
    page.feed(report.read_text(encoding="utf-8"))
    assert page.open == []
    assert len(page.sources) >= 4
    assert all(source.startswith("data:image/svg+xml;base64,") for source in page.sources)
    assert f"{accuracy:.1f}%" in page.text and "def populations(theta" in page.text
    assert [p.name for p in tmp_path.iterdir()] == ["report.html"]


@needs_extras
def test_the_same_seed_learns_the_same(capsys, tmp_path):
    from rich.console import Console

    from adjoint.cli.tour import _classifier

    console = Console(quiet=True)
    runs = [_classifier(console, seed, quick=True) for seed in (1, 1, 2)]
    assert runs[0].losses == runs[1].losses != runs[2].losses


def test_the_programs_are_plain_numpy():
    for file in PROGRAMS.glob("*.py"):
        tree = ast.parse(file.read_text(encoding="utf-8"))
        imported = [
            alias.name
            for node in ast.walk(tree)
            if isinstance(node, (ast.Import, ast.ImportFrom))
            for alias in node.names
        ]
        assert imported == ["numpy"], file


@pytest.mark.parametrize(
    "missing, named",
    [(("rich",), "rich"), (("matplotlib", "sklearn"), "matplotlib and scikit-learn")],
)
def test_without_the_optional_packages(tmp_path, capsys, monkeypatch, missing, named):
    for name in list(sys.modules):
        if name.split(".")[0] in missing:
            monkeypatch.delitem(sys.modules, name)
    for name in missing:
        monkeypatch.setitem(sys.modules, name, None)
    output = tmp_path / "report.html"
    assert main(["tour", "--quick", "--output", str(output)]) == 1
    out, err = capsys.readouterr()
    assert out == "" and not output.exists()
    assert err == f'adjoint: adjoint tour needs {named}: run pip install "adjoint[report]"\n'


@needs_extras
def test_a_place_that_cannot_be_written_to(tmp_path, capsys):
    output = tmp_path / "no" / "report.html"
    assert main(["tour", "--output", str(output)]) == 2
    out, err = capsys.readouterr()
    assert out == "" and err.count("\n") == 1 and "there is no folder" in err
    assert main(["tour", "--seed", "-1"]) == 2
    assert "invalid" in capsys.readouterr().err


@needs_extras
def test_nothing_is_left_of_a_tour_that_was_interrupted(tmp_path, capsys, monkeypatch):
    from adjoint.cli import report

    def interrupted(findings, seconds):
        raise KeyboardInterrupt

    monkeypatch.setattr(report, "page", interrupted)
    argv = ["tour", "--quick", "--no-open", "--output", str(tmp_path / "report.html")]
    assert main(argv) == 130
    assert list(tmp_path.iterdir()) == []
