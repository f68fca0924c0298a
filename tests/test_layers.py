"""What a machine can say about the source: imports point one way, style, types.

Each check is the tool's own command, run on the checkout with the settings in `pyproject.toml`;
a failure shows what the tool said and the command that repeats it.
"""

import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent


def check(shown: str, *command: str) -> None:
    """Run `command` on the checkout; fail with what it said and `shown`, its short form."""
    source = os.pathsep.join(filter(None, [str(ROOT / "src"), os.environ.get("PYTHONPATH")]))
    done = subprocess.run(
        [sys.executable, *command],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": source, "PYTHONUTF8": "1", "NO_COLOR": "1"},
        capture_output=True,
        text=True,
        encoding="utf-8",
    )
    if done.returncode:
        message = f"{done.stdout}\n{done.stderr}".strip()
        raise AssertionError(f"`{shown}` ended with status {done.returncode}:\n\n{message}")


def test_imports_point_one_way():
    run = "import sys, importlinter.cli as c; sys.exit(c.lint_imports(no_cache=True, no_logo=True))"
    check("lint-imports", "-c", run)


def test_source_passes_the_linter():
    check("ruff check", "-m", "ruff", "check", "--no-cache", "--output-format=concise", ".")


def test_source_is_formatted():
    check("ruff format", "-m", "ruff", "format", "--check", "--no-cache", ".")


def test_types():
    check("pyright", "-m", "pyright", "--pythonpath", sys.executable, "--level", "error")
