"""The command ``adjoint grad``: what it prints and writes, and each way to fail."""

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from adjoint._version import __version__
from adjoint.cli import main

PROGRAM = """\
import math
import sys
import numpy as np
from neighbour import offset

CONSTANT = 3.0

def loss(x):
    return np.sum(x ** 2 - 3 * x - 2)

def simulate(theta, n):
    u = np.zeros(n)
    u[0] = theta[0]
    for t in range(1, n):
        u[t] = u[t - 1] + np.sin(theta[1] * u[t - 1]) / n
        if u[t] > 2.0:
            u[t] *= 0.5
    return np.sum(u ** 2)

def two(x1, x2):
    return np.log(x1) + x1 * x2 - np.sin(x2)

def tree(params, k=2):
    return np.sum(params["w"] @ params["b"]) ** k

def fit(w, X, y, *, scale=1.0):
    r = X @ w - y
    return scale * np.sum(r * r)

def table(data):
    return np.sum(data[:, 0] * data[:, 1])

def into(x, out):
    out[0] = x[0] * x[1]
    return out[0] + offset

def talks(x):
    print("evaluated")
    return x * x

def not_a_number(x):
    y = x * 2
    return np.log(y - 5)

def steep(x):
    return np.sqrt(x) + x

def vector(x):
    return x * 2

def nothing(x):
    x * 2

def pair(x):
    return x, x

def word(x):
    return "abc"

def imaginary(x):
    return x * 1j

def shapes(x):
    y = x * 2
    return np.sum(y + np.ones(7))

def leaves(x):
    sys.exit(3)

def random(x):
    return x * np.random.rand()

def jumps(x):
    return x * 1.0 if x < 1.0 else x + 5.0

def counts(n):
    return sum(range(n))

def modulus(z):
    return (z * z.conjugate()).real

class Model:
    @staticmethod
    def cost(x):
        return x ** 3

def generator(x):
    yield x
"""


@pytest.fixture
def folder(tmp_path, monkeypatch):
    (tmp_path / "program.py").write_text(PROGRAM)
    (tmp_path / "neighbour.py").write_text("offset = 1.0\n")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))
    modules = dict(sys.modules)
    yield tmp_path
    for name in set(sys.modules) - set(modules):
        if not name.startswith(("adjoint", "numpy", "scipy")):
            del sys.modules[name]


def line_of(text):
    """The number of the program's line that contains ``text``."""
    return next(k for k, line in enumerate(PROGRAM.splitlines(), 1) if text in line)


@pytest.fixture
def succeeds(folder, capsys):
    def run(*argv):
        status = main(["grad", *argv])
        out, err = capsys.readouterr()
        assert status == 0, err
        return out

    return run


@pytest.fixture
def fails(folder, capsys):
    def run(*argv, status):
        got = main(["grad", *argv])
        out, err = capsys.readouterr()
        assert got == status, err
        assert out == ""
        assert err.startswith("adjoint: ") and err.endswith("\n") and err.count("\n") == 1, err
        return err.removeprefix("adjoint: ").rstrip("\n")

    return run


# ------------------------------------------------------------------------------ what it prints


def test_value_gradient_checks_and_timing(succeeds):
    out = succeeds("program.py:loss", "--at", '{"x": [1.0, 2.0]}')
    lines = out.splitlines()
    assert lines[0] == f"loss at program.py:{line_of('def loss')}, by x"
    assert "value        -8.0" in lines
    head = next(k for k, line in enumerate(lines) if line.startswith("gradient"))
    assert lines[head].split() == "gradient at reverse mode forward mode differences".split()
    label, at, *slopes = lines[head + 1].split()
    assert (label, at) == ("x[0]", "1")
    np.testing.assert_allclose([float(s) for s in slopes], -1, rtol=1e-9)
    assert "forward = reverse to" in out and "differences agree to" in out
    assert "function" in out and "reverse mode" in out and "×)" in out


@pytest.mark.parametrize("mode", ["reverse", "forward"])
def test_one_mode(succeeds, mode):
    out = succeeds("program.py:loss", "--at", "[1.0, 2.0]", "--mode", mode)
    other = {"reverse": "forward", "forward": "reverse"}[mode]
    assert f"{mode} mode" in out and f"{other} mode" not in out and "differences agree" in out


def test_json_holds_the_numbers(succeeds):
    found = json.loads(
        succeeds("program.py:two", "--at", '{"x1": 2, "x2": 5}', "--order", "2", "--json")
    )
    assert found["value"] == pytest.approx(11.652071455223084)
    for key in ("gradient", "reverse", "forward", "differences"):
        assert found[key] == pytest.approx({"x1": 5.5, "x2": 1.7163378145367738}, rel=1e-9)
    assert found["hessian"]["x1"] == pytest.approx({"x1": -0.25, "x2": 1.0})
    assert found["hessian"]["x2"] == pytest.approx({"x1": 1.0, "x2": np.sin(5.0)})
    assert found["check"]["forward_reverse"] < 1e-14 and found["check"]["hessian"] < 1e-6
    assert set(found["seconds"]) == {"value", "reverse", "forward", "hessian"}


def test_what_the_function_prints_is_not_in_the_json(folder, capsys):
    assert main(["grad", "program.py:talks", "--at", "3.0", "--json"]) == 0
    out, err = capsys.readouterr()
    assert json.loads(out)["gradient"] == {"x": 6.0}
    assert err == "evaluated\n"


def test_what_the_function_prints_is_shown_once(succeeds):
    assert succeeds("program.py:talks", "--at", "3.0").count("evaluated") == 1


def test_hessian_as_text(succeeds):
    out = succeeds("program.py:two", "--at", '{"x1": 2, "x2": 5}', "--order", "2")
    assert "Hessian" in out and "-0.25" in out and "symmetric to the last bit" in out


def test_no_check(succeeds):
    out = succeeds("program.py:jumps", "--at", "1.0", "--no-check")
    assert "differences" not in out


def test_long_gradients_are_shown_in_part(succeeds):
    out = succeeds("program.py:loss", "--at", json.dumps([0.5] * 100))
    assert "x[0]" in out and "x[99]" in out and "... 77 more" in out and "x[50]" not in out


def test_very_long_gradients_are_checked_along_random_directions(succeeds):
    found = json.loads(succeeds("program.py:loss", "--at", json.dumps([0.5] * 1000), "--json"))
    assert found["forward"] is None and found["check"]["random_directions"] == 8
    assert found["check"]["forward_reverse"] < 1e-12 and found["check"]["differences"] < 1e-8
    assert found["gradient"]["x"] == [-2.0] * 1000


# ------------------------------------------------------------------------------ arguments


def gradient(out):
    return json.loads(out)["gradient"]


def test_an_integer_beside_floats_is_constant(succeeds):
    at = '{"theta": [0.5, 1.5], "n": 40}'
    assert set(gradient(succeeds("program.py:simulate", "--at", at, "--json"))) == {"theta"}
    assert "n held constant" in succeeds("program.py:simulate", "--at", at)


def test_selection_by_name(succeeds):
    at = '{"x1": 2.0, "x2": 5.0}'
    assert set(gradient(succeeds("program.py:two", "--at", at, "--wrt", "x2", "--json"))) == {"x2"}
    both = succeeds("program.py:two", "--at", at, "--wrt", "x2,x1", "--json")
    assert set(gradient(both)) == {"x1", "x2"}


def test_nested_arguments(succeeds):
    at = '{"params": {"w": [[1, 2], [3, 4]], "b": [1, 2.0]}}'
    found = gradient(succeeds("program.py:tree", "--at", at, "--json"))
    assert found["params['b']"] == [128.0, 192.0]
    assert found["params['w']"] == [[32.0, 64.0], [32.0, 64.0]]


def test_a_function_that_writes_into_an_argument(succeeds):
    at = '{"x": [1.5, 2.0], "out": [0.0]}'
    found = gradient(succeeds("program.py:into", "--at", at, "--wrt", "x", "--json"))
    assert found == {"x": [2.0, 1.5]}


def test_a_method(succeeds):
    assert gradient(succeeds("program.py:Model.cost", "--at", "2.0", "--json")) == {"x": 12.0}


def test_npz_data(succeeds, folder):
    rng = np.random.default_rng(0)
    X, y, w = rng.normal(size=(5, 2)), rng.normal(size=5), np.array([0.5, -1.0])
    expected = 2 * X.T @ (X @ w - y)
    np.savez(folder / "all.npz", w=w, X=X, y=y)
    out = succeeds("program.py:fit", "--data", "all.npz", "--json")
    np.testing.assert_allclose(gradient(out)["w"], expected)
    np.savez(folder / "data.npz", X=X, y=y, extra=y)
    argv = ("program.py:fit", "--data", "data.npz", "--at", '{"w": [0.5, -1], "scale": 2}')
    np.testing.assert_allclose(gradient(succeeds(*argv, "--wrt", "w", "--json"))["w"], 2 * expected)
    assert "not used     extra" in succeeds(*argv, "--wrt", "w")


def test_single_precision_data(succeeds, folder):
    np.savez(folder / "data.npz", x=np.array([1.0, 2.0], np.float32))
    assert gradient(succeeds("program.py:loss", "--data", "data.npz", "--json")) == {"x": [-1, 1]}


def test_complex_data(succeeds, folder):
    np.savez(folder / "data.npz", z=np.array(3 + 4j))
    found = json.loads(succeeds("program.py:modulus", "--data", "data.npz", "--json"))
    for key in ("gradient", "forward"):  # ∂/∂x − i ∂/∂y
        assert found[key] == {"z": {"real": 6.0, "imag": -8.0}}


def test_json_data(succeeds, folder):
    (folder / "data.json").write_text('{"x1": 2.0, "x2": 5.0}')
    assert gradient(succeeds("program.py:two", "--data", "data.json", "--json")) == {"x1": 5.5}


def test_csv_columns_by_name_and_as_one_table(succeeds, folder):
    (folder / "columns.csv").write_text("x1,x2\n2.0,5.0\n")
    (folder / "table.csv").write_text("a,b\n1,2\n3,4\n\n")
    (folder / "bare.csv").write_text("1,2\n3,4\n")
    for name in ("table.csv", "bare.csv"):
        out = succeeds("program.py:table", "--data", name, "--json")
        assert gradient(out) == {"data": [[2, 1], [4, 3]]}
    (folder / "loss.csv").write_text("x\n1\n2\n")
    assert gradient(succeeds("program.py:loss", "--data", "loss.csv", "--json")) == {"x": [-1, 1]}


# ------------------------------------------------------------------------------ files


def test_output_npz(succeeds, folder):
    argv = ("--at", '{"x1": 2.0, "x2": 5.0}', "--order", "2", "--output", "result.npz")
    assert "result.npz" in succeeds("program.py:two", *argv)
    with np.load(folder / "result.npz") as found:
        assert found["value"] == pytest.approx(11.652071455223084)
        assert found["gradient.x1"] == 5.5 and found["at.x2"] == 5.0
        assert found["hessian.x1.x2"] == 1.0
    assert sorted(p.suffix for p in folder.iterdir() if p.is_file()) == [".npz", ".py", ".py"]


def test_output_json(succeeds, folder):
    succeeds("program.py:loss", "--at", "[1.0, 2.0]", "--output", "result.json")
    assert json.loads((folder / "result.json").read_text())["gradient"] == {"x": [-1.0, 1.0]}


def test_nothing_is_written_when_something_fails(fails, folder):
    (folder / "result.npz").write_bytes(b"older")
    before = sorted(folder.iterdir())
    fails("program.py:not_a_number", "--at", "2.0", "--output", "result.npz", status=1)
    fails("program.py:jumps", "--at", "1.0", "--output", "result.npz", status=1)
    assert (folder / "result.npz").read_bytes() == b"older"
    assert [p for p in sorted(folder.iterdir()) if p.name != "__pycache__"] == before


def test_a_write_that_fails_leaves_nothing(fails, folder, monkeypatch):
    def full(file, **arrays):
        file.write(b"half")
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(np, "savez", full)
    message = fails("program.py:loss", "--at", "[1.0]", "--output", "result.npz", status=1)
    assert message == "cannot write result.npz: No space left on device"
    assert not list(folder.glob("*result*")) and not list(folder.glob(".*"))


# ------------------------------------------------------------------------------ what goes wrong

POINT = ("--at", "2.0")
BAD_INPUT = {
    "no colon": (["program.py", *POINT], "does not have the form FILE.py:FUNCTION"),
    "no name": (["program.py:", *POINT], "does not have the form"),
    "no file": (["missing.py:loss", *POINT], "there is no file missing.py"),
    "folder": ([".:loss", *POINT], "is a folder"),
    "not Python": (["notes.txt:loss", *POINT], "notes.txt is not a Python file"),
    "no function": (["program.py:los", *POINT], "no function 'los'; did you mean loss?"),
    "not close": (["program.py:zzz", *POINT], "no function 'zzz'; it defines loss, simulate"),
    "constant": (["program.py:CONSTANT", *POINT], "not a function (it is a float)"),
    "class": (["program.py:Model", *POINT], "is a class"),
    "generator": (["program.py:generator", *POINT], "is a generator"),
    "no argument": (["program.py:loss"], "loss(x) needs 'x', which was not given"),
    "one missing": (["program.py:two", "--at", '{"x1": 1.0}'], "needs 'x2'"),
    "unknown name": (["program.py:two", "--at", '{"x3": 1.0}'], "no parameter 'x3'"),
    "unnamed": (["program.py:two", *POINT], "--at gives one value, but two(x1, x2) takes x1, x2"),
    "not JSON": (["program.py:loss", "--at", "{x: 1}"], "--at is not JSON"),
    "ragged": (["program.py:loss", "--at", "[[1, 2], [3]]"], "not a rectangular array: [[1, 2]"),
    "words": (["program.py:loss", "--at", '"abc"'], "no number to differentiate by"),
    "word by name": (
        ["program.py:loss", "--at", '{"x": "abc"}', "--wrt", "x"],
        "x holds 'abc', which cannot be differentiated by",
    ),
    "empty": (["program.py:loss", "--at", "[]"], "holds no number"),
    "NaN in": (["program.py:loss", "--at", "[1.0, NaN]"], "x[1] is nan"),
    "wrong wrt": (["program.py:loss", "--at", "[1.0]", "--wrt", "y"], "--wrt y: the arguments"),
    "no data": (["program.py:loss", "--data", "no.npz"], "there is no file no.npz"),
    "data type": (["program.py:loss", "--data", "notes.txt"], "must end in .npz, .json or .csv"),
    "not npz": (["program.py:loss", "--data", "broken.npz"], "not an .npz file of numeric arrays"),
    "not json": (["program.py:loss", "--data", "broken.json"], "broken.json:2: not JSON"),
    "not csv": (["program.py:loss", "--data", "broken.csv"], "broken.csv:3: 'abc' is not a number"),
    "short csv": (["program.py:loss", "--data", "short.csv"], "short.csv:3: 1 cells where 2"),
    "empty csv": (["program.py:loss", "--data", "empty.csv"], "empty.csv is empty"),
    "other names": (["program.py:two", "--data", "other.npz"], "none of which is a parameter"),
    "two tables": (["program.py:two", "--data", "other.csv"], "holds one unnamed table"),
    "output type": (["program.py:loss", *POINT, "--output", "a.txt"], "end in .npz or .json"),
    "output place": (["program.py:loss", *POINT, "--output", "no/a.npz"], "there is no folder no"),
    "option": (["program.py:loss", "--frobnicate"], "unrecognized arguments: --frobnicate"),
    "choice": (["program.py:loss", *POINT, "--order", "3"], "invalid choice: 3"),
    "nothing": ([], "the following arguments are required: FILE.py:FUNCTION"),
}


@pytest.mark.parametrize("argv, expected", BAD_INPUT.values(), ids=BAD_INPUT)
def test_bad_input(fails, folder, argv, expected):
    (folder / "notes.txt").write_text("text")
    (folder / "broken.npz").write_bytes(b"PK not a zip")
    (folder / "broken.json").write_text('{"x":\n oops}')
    (folder / "broken.csv").write_text("x\n1\nabc\n")
    (folder / "short.csv").write_text("x,y\n1,2\n1\n")
    (folder / "empty.csv").write_text("\n")
    (folder / "other.csv").write_text("a,b\n1,2\n")
    np.savez(folder / "other.npz", a=1.0)
    assert expected in fails(*argv, status=2)


BAD_FUNCTIONS = {
    "NaN on the way": ("not_a_number", "2.0", "np.log(y - 5)", "is nan: ln(−1) is nan"),
    "NaN on the way back": (
        "steep",
        "0.0",
        "np.sqrt(x) + x",
        "the gradient is not finite: the derivative of √(0)",
    ),
    "wrong shapes": ("shapes", "[1.0, 2.0]", "np.ones(7)", "ValueError: operands could not be"),
    "exit": ("leaves", "1.0", "sys.exit(3)", "the program ended itself with sys.exit(3)"),
    "integers": ("counts", "3", "range(n)", "n made floating-point: choose with --wrt"),
    "vector": ("vector", "[1.0, 2.0]", None, "vector returned an array of shape (2,)"),
    "None": ("nothing", "1.0", None, "nothing returned None; did it forget to return"),
    "pair": ("pair", "1.0", None, "pair returned a tuple of 2"),
    "word": ("word", "1.0", None, "word returned str 'abc', not a number"),
    "complex": ("imaginary", "1.0", None, "imaginary returned a complex number"),
    "random": ("random", "1.0", None, "for the same arguments: its result depends on"),
    "jump": (
        "jumps",
        "1.0",
        None,
        "the gradient of jumps and differences disagree at x: 1 against",
    ),
}


@pytest.mark.parametrize("name, at, line, expected", BAD_FUNCTIONS.values(), ids=BAD_FUNCTIONS)
def test_functions_that_fail(fails, name, at, line, expected):
    message = fails(f"program.py:{name}", "--at", at, status=1)
    assert expected in message
    if line is not None:
        assert message.startswith(f"program.py:{line_of(line)}: ")


@pytest.mark.parametrize("mode", ["forward", "reverse"])
def test_a_derivative_that_is_not_finite_in_each_mode(fails, mode):
    message = fails("program.py:steep", "--at", "0.0", "--mode", mode, status=1)
    assert message.startswith(f"program.py:{line_of('np.sqrt(x) + x')}: the gradient is not finite")


LOADING = {
    "syntax": ("def f(x:\n    pass\n", "1: SyntaxError"),
    "import": ("\nimport no_such_module\n", "2: ModuleNotFoundError: No module named"),
    "raises": ("x = 1\ny = x / 0\n", "2: ZeroDivisionError"),
    "exits": ("raise SystemExit('bye')\n", "1: the program ended itself with sys.exit('bye')"),
}


@pytest.mark.parametrize("text, expected", LOADING.values(), ids=LOADING)
def test_files_that_do_not_load(fails, folder, text, expected):
    (folder / "broken.py").write_text(text)
    message = fails("broken.py:f", "--at", "1.0", status=1)
    assert message.startswith(f"broken.py:{expected}")


@pytest.mark.parametrize("name", ["jax", "queue", "numpy", "adjoint"])
def test_a_file_may_be_called_like_a_library(succeeds, folder, name):
    program = (
        "import numpy as np\ndef f(x):\n    u = np.zeros(2)\n    u[0] = x\n    return u[0] ** 2\n"
    )
    (folder / "sub").mkdir()
    (folder / "sub" / f"{name}.py").write_text(program)
    out = succeeds(f"sub/{name}.py:f", "--at", "3.0", "--json")
    assert gradient(out) == {"x": 6.0}


# ------------------------------------------------------------------------------ the command


def command(*argv, cwd):
    root = Path(__file__).resolve().parents[2]
    return subprocess.run(
        [sys.executable, "-m", "adjoint", *argv],
        cwd=cwd,
        env={**os.environ, "PYTHONPATH": str(root / "src"), "PYTHONUTF8": "1"},
        capture_output=True,
        text=True,
        encoding="utf-8",
    )


def test_as_a_process(folder):
    done = command("grad", "program.py:loss", "--at", "[1.0, 2.0]", "--json", cwd=folder)
    assert (done.returncode, done.stderr) == (0, "")
    assert json.loads(done.stdout)["gradient"] == {"x": [-1.0, 1.0]}
    done = command("grad", "program.py:not_a_number", "--at", "2.0", cwd=folder)
    assert (done.returncode, done.stdout, done.stderr.count("\n")) == (1, "", 1)


def test_version_and_help(folder, capsys):
    assert main(["--version"]) == 0
    assert capsys.readouterr().out == f"adjoint {__version__}\n"
    for argv in (["--help"], ["grad", "--help"], ["tour", "--help"]):
        assert main(argv) == 0
        out, err = capsys.readouterr()
        assert "examples:" in out and "  adjoint " in out and err == ""
    assert main([]) == 2
    assert capsys.readouterr().err.count("\n") == 1


def test_an_error_of_ours_is_one_line_without_the_code_that_it_shows():
    from adjoint.cli.failure import from_exception, line_about
    from adjoint.dispatch import no_rule

    try:
        no_rule(np.savetxt)
    except NotImplementedError as error:
        place = f"{os.path.relpath(__file__)}:{error.__traceback__.tb_lineno}"
        line = line_about(from_exception(error))
    assert line == f"adjoint: {place}: numpy.savetxt has no derivative rule"


def test_interrupted(folder, capsys):
    (folder / "slow.py").write_text("def f(x):\n    raise KeyboardInterrupt\n")
    assert main(["grad", "slow.py:f", "--at", "1.0"]) == 130
    assert capsys.readouterr().err == "adjoint: interrupted\n"
