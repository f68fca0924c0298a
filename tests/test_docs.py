"""Every snippet of the documentation runs: README, docs, docstrings.

The ``python`` blocks of a page run in order in one namespace. Blocks that start with ``>>>`` are
doctests; a block whose first line is ``# output`` is not run.
"""

import doctest
import importlib
import re
from pathlib import Path

import numpy as np
import pytest

import adjoint

ROOT = Path(__file__).parent.parent
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("**/*.md"))]
FLAGS = doctest.NORMALIZE_WHITESPACE | doctest.ELLIPSIS

WANTED = {"README.md", "index.md", "guide.md", "limits.md", "design.md"}


def blocks(text):
    """Return the python blocks of a page: (line of the first line, source)."""
    found, start, fence = [], None, ""
    for number, line in enumerate(text.splitlines(), start=1):
        opening = re.match(r"\s*(`{3,})\s*(\w*)", line)
        if not fence and opening:
            fence = opening[1]
            start = number + 1 if opening[2] in ("python", "py", "pycon") else None
            lines = []
        elif fence and line.strip() == fence:
            if start is not None:
                found.append((start, "\n".join(lines) + "\n"))
            fence = ""
        elif fence:
            lines.append(line)
    return found


def run_doctest(source, names, title, filename, line):
    test = doctest.DocTestParser().get_doctest(source, names, title, filename, line - 1)
    test.globs = names  # not a copy: later blocks see what this one defines
    report = []
    runner = doctest.DocTestRunner(optionflags=FLAGS, verbose=False)
    runner.run(test, out=report.append, clear_globs=False)
    assert not runner.failures, "".join(report)


def run_page(path, folder):
    """Run the blocks of a page, each as a file of its own, as a notebook runs its cells."""
    found = blocks(path.read_text(encoding="utf-8"))
    names = {"__name__": "__main__"}
    for start, source in found:
        if source.lstrip().startswith("# output"):
            continue
        if source.lstrip().startswith(">>>"):
            run_doctest(source, names, path.name, str(path), start)
            continue
        # The source of a function is read from the file that its code names, so there is one. Line
        # numbers are the page's.
        copy = folder / f"{path.stem}_{start}.py"
        copy.write_text("\n" * (start - 1) + source, encoding="utf-8")
        exec(compile(copy.read_text(encoding="utf-8"), str(copy), "exec"), names)
    return names


@pytest.mark.parametrize("path", PAGES, ids=lambda p: str(p.relative_to(ROOT)))
def test_page(path, tmp_path):
    names = run_page(path, tmp_path)
    if path.name == "README.md":
        # The promise of the first screen, against differences.
        simulate, theta, h = names["simulate"], names["theta"], 1e-6
        gradient = adjoint.grad(simulate)(theta, 1000)
        for k, e in enumerate(h * np.eye(2)):
            difference = (simulate(theta + e, 1000) - simulate(theta - e, 1000)) / (2 * h)
            np.testing.assert_allclose(gradient[k], difference, rtol=1e-6)


def test_pages_are_there():
    assert {p.name for p in PAGES} >= WANTED
    assert len(blocks((ROOT / "docs" / "guide.md").read_text(encoding="utf-8"))) > 30


def test_blocks():
    page = "a\n```python\nx = 1\n```\n```bash\nls\n```\n```python\n>>> x\n1\n```\n"
    assert blocks(page) == [(3, "x = 1\n"), (9, ">>> x\n1\n")]


def test_a_wrong_output_is_noticed(tmp_path):
    page = tmp_path / "page.md"
    page.write_text("```python\nx = 1\n```\n\n```python\n>>> x\n2\n```\n")
    with pytest.raises(AssertionError, match="Expected"):
        run_page(page, tmp_path)


@pytest.mark.parametrize("path", PAGES, ids=lambda p: str(p.relative_to(ROOT)))
def test_links(path):
    """Links to files of the project lead somewhere, and so do those to headings."""
    text = path.read_text(encoding="utf-8")
    prose = re.sub(r"```.*?```", "", text, flags=re.S)
    for target in re.findall(r"\]\(([^)\s]+)\)", prose):
        if "://" in target:
            continue
        file, _, heading = target.partition("#")
        other = path.parent / file if file else path
        assert other.exists(), f"{path.name} links to {target}, which does not exist"
        if heading:
            titles = re.findall(r"^#+ (.*)$", other.read_text(encoding="utf-8"), flags=re.M)
            anchors = {re.sub(r"[^\w\- ]", "", t.lower()).replace(" ", "-") for t in titles}
            assert heading in anchors, f"{path.name} links to {target}, which has no such heading"


def modules():
    """Return the modules that have examples; the others are not imported for the tests' sake."""
    source = ROOT / "src"
    found = []
    for path in sorted((source / "adjoint").rglob("*.py")):
        if ">>>" in path.read_text(encoding="utf-8"):
            parts = path.relative_to(source).with_suffix("").parts
            found.append(".".join(parts[:-1] if parts[-1] == "__init__" else parts))
    return found


@pytest.mark.parametrize("name", modules())
def test_docstrings(name):
    module = importlib.import_module(name)
    runner = doctest.DocTestRunner(optionflags=FLAGS, verbose=False)
    report = []
    for test in doctest.DocTestFinder(exclude_empty=True).find(module):
        runner.run(test, out=report.append)
    assert not runner.failures, "".join(report)
