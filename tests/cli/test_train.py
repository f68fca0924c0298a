"""The command ``adjoint train``: what it trains, prints and writes, and each way to fail."""

import json
import os
import shutil

import numpy as np
import pytest

from adjoint import nn
from adjoint.cli import main

pytest.importorskip("safetensors")

RNG = np.random.default_rng(0)
FEATURES = RNG.normal(size=(60, 3))
SPECIES = np.int64(FEATURES @ [1.0, -2.0, 0.5] > 0) + np.int64(FEATURES[:, 0] > 1)

CONFIG = """\
epochs = 2
batch_size = 16

[data]
path = "flowers.csv"
target = "species"

[model]
hidden = [8]
dropout = 0.1

[optimizer]
lr = 0.02
schedule = {kind = "cosine", warmup_epochs = 1}
"""

PROGRAM = """\
import numpy as np
from adjoint import nn, optim

class Line(nn.Module):
    def __init__(self, rng):
        self.slope = rng.normal(size=3)

    def __call__(self, x):
        return x @ self.slope

def loss(model, x, y, *, rng=None):
    noise = 0.0 if rng is None else 0.01 * rng.standard_normal(len(y))
    return np.mean((model(x) + noise - y) ** 2)

epochs = 2
batch_size = 16

def make(rng):
    x = np.random.default_rng(0).normal(size=(50, 3))
    y = x @ np.array([1.0, -2.0, 0.5])
    return {"model": Line(rng), "loss": loss, "data": (x, y), "optimizer": optim.Adam(lr=0.1)}
"""


def write_csv(path, names=True, features=FEATURES):
    word = ["setosa", "virginica", "versicolor"] if names else ["0", "1", "2"]
    columns = [f"x{k}" for k in range(features.shape[1])]
    lines = [",".join([*columns, "species"])]
    lines += [
        ",".join([*map(repr, map(float, row)), word[k]])
        for row, k in zip(features, SPECIES, strict=True)
    ]
    path.write_text("\n".join(lines) + "\n")


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    write_csv(tmp_path / "flowers.csv")
    (tmp_path / "flowers.toml").write_text(CONFIG)
    (tmp_path / "program.py").write_text(PROGRAM)
    return tmp_path


def train(capsys, *words):
    status = main(["train", *words])
    shown = capsys.readouterr()
    assert "Traceback" not in shown.err
    return status, shown.out, shown.err


def rows_of(out):
    return [json.loads(line) for line in out.splitlines()]


def numbers(rows):
    return [{k: v for k, v in row.items() if "second" not in k} for row in rows]


def test_a_configuration(folder, capsys):
    status, out, err = train(capsys, "flowers.toml")
    assert status == 0
    assert [line.split()[0] for line in out.splitlines()] == ["stopped", "measured", "written"]
    assert "val_accuracy" in out and err.startswith("epoch 1/2")
    written = {"checkpoint.safetensors", "model.safetensors", "history.json", "run.json"}
    assert written <= set(os.listdir("flowers-run"))
    history = json.loads((folder / "flowers-run" / "history.json").read_text())
    assert [row["epoch"] for row in history] == [1, 2]
    about = json.loads((folder / "flowers-run" / "run.json").read_text())
    assert about["data"]["classes"] == ["setosa", "versicolor", "virginica"]
    like = nn.Sequential(nn.Linear(3, 8, rng=0), nn.relu, nn.Dropout(0.1), nn.Linear(8, 3, rng=0))
    model = nn.load("flowers-run/model.safetensors", like)
    x = (FEATURES - about["data"]["mean"]) / about["data"]["deviation"]
    assert model(x.astype(np.float32)).shape == (60, 3)


@pytest.mark.parametrize("name", ["flowers.toml", "program.py"])
def test_resumed_it_gives_the_same_numbers(name, folder, capsys):
    file = folder / name
    file.write_text(file.read_text().replace('{kind = "cosine", warmup_epochs = 1}', '"constant"'))
    _, whole, _ = train(capsys, name, "--json", "--epochs", "4", "--output", "whole")
    train(capsys, name, "--epochs", "2", "--output", "parts", "--seed", "0")
    status, rest, err = train(
        capsys, name, "--resume", "--json", "--epochs", "4", "--output", "parts"
    )
    assert status == 0 and err == ""
    assert numbers(rows_of(rest))[:-1] == numbers(rows_of(whole))[2:-1]
    assert rows_of(rest)[-1] == {"stopped": "epochs", "epoch": 4, "output": "parts"} | {
        "step": rows_of(whole)[-1]["step"]
    }
    both = [(folder / each / "model.safetensors").read_bytes() for each in ("whole", "parts")]
    assert both[0] == both[1]


def test_the_seed(folder, capsys):
    for name in ("flowers.toml", "program.py"):
        outs = [train(capsys, name, "--json", "--overwrite", "--seed", seed)[1] for seed in "001"]
        zero, again, one = (numbers(rows_of(out)) for out in outs)
        assert zero == again != one


def test_numpy_files_and_other_losses(folder, capsys):
    np.savez(folder / "images.npz", x=RNG.normal(size=(40, 8, 8)), y=np.arange(40) % 3)
    y = FEATURES @ [1.0, 2.0, 3.0]
    np.save(folder / "table.npy", np.c_[y, FEATURES])
    np.save(folder / "binary.npy", np.c_[FEATURES, y > 0])
    for name, text in {
        "cnn": 'epochs = 1\n[data]\npath = "images.npz"\ntarget = "y"\n[model]\nkind = "cnn"\n'
        "channels = [2, 3]\nhidden = [4]\n",
        "mlp": 'epochs = 1\n[data]\npath = "images.npz"\ntarget = "y"\n',
        "mse": 'loss = "mse"\nepochs = 9\npatience = 3\nclip_norm = 1.0\ndtype = "float64"\n'
        '[data]\npath = "table.npy"\ntarget = 0\nvalidation = "table.npy"\n'
        '[model]\nkind = "linear"\n[optimizer]\nkind = "sgd"\nmomentum = 0.9\nlr = 0.01\n'
        'schedule = {kind = "step", every_epochs = 2, factor = 0.5}\n',
        "binary": 'loss = "binary_cross_entropy_with_logits"\nepochs = 1\n'
        '[data]\npath = "binary.npy"\nvalidation = 0\nstandardize = false\n'
        '[optimizer]\nkind = "rmsprop"\nschedule = {kind = "exponential", factor = 0.9}\n',
    }.items():
        (folder / f"{name}.toml").write_text(text)
        status, out, err = train(capsys, f"{name}.toml", "--json")
        assert status == 0, err
        first, *_, last = rows_of(out)[:-1] * 2
        assert last["loss"] <= first["loss"]
        assert ("accuracy" in " ".join(first)) == (name != "mse")


def test_a_program_of_names(folder, capsys):
    text = PROGRAM.replace("def make(rng):", "def made(rng):") + (
        "x = np.random.default_rng(0).normal(size=(50, 3))\n"
        "model, data, optimizer = Line(np.random.default_rng(5)), (x, x[:, 0]), optim.SGD()\n"
    )
    (folder / "names.py").write_text(text)
    assert train(capsys, "names.py")[0] == 0


@pytest.mark.skipif(os.name == "nt", reason="Windows cannot send itself SIGINT")
def test_interrupted(folder, capsys):
    whole = rows_of(train(capsys, "program.py", "--json", "--output", "whole")[1])
    (folder / "stops.py").write_text(
        PROGRAM.replace("return {", 'return {"callbacks": [stop], ').replace(
            "def make", "import os, signal\ndef stop(r):\n    os.kill(os.getpid(), signal.SIGINT)\n"
            "def make",
        )
    )  # fmt: skip
    status, out, _ = train(capsys, "stops.py", "--json", "--output", "parts")
    assert status == 130
    assert rows_of(out)[-1]["stopped"] == "interrupted"
    _, out, _ = train(capsys, "program.py", "--json", "--output", "parts", "--resume")
    assert numbers(rows_of(out))[0] == numbers(whole)[1]


def test_not_a_number(folder, capsys):
    text = PROGRAM.replace("model(x) + noise", "np.log(model(x) - 100.0)")
    (folder / "nan.py").write_text(text)
    status, _, err = train(capsys, "nan.py", "--output", "nan")
    line = text[: text.index("100.0")].count("\n") + 1
    assert status == 1 and "the loss is nan at step 1 (epoch 1, batch 1): ln(−" in err
    assert f"nan.py:{line}" in err and "nan/model.safetensors" in err
    assert (folder / "nan" / "model.safetensors").is_file()


def test_the_programs_own_errors(folder, capsys):
    (folder / "wrong.py").write_text(PROGRAM.replace("x @ self.slope", "x @ self.slop"))
    status, _, err = train(capsys, "wrong.py")
    assert status == 1 and "has no attribute 'slop'" in err and "wrong.py:9" in err
    (folder / "broken.py").write_text(PROGRAM.replace("rng.normal", "1 / 0 + rng.normal"))
    status, _, err = train(capsys, "broken.py")
    assert status == 1 and "broken.py:6: ZeroDivisionError" in err


def refused(capsys, *words):
    status, out, err = train(capsys, *words)
    assert status == 2 and out == "" and err.count("\n") == 1 and err.startswith("adjoint: ")
    return err


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("epochs", "epoch", "there is no key epoch; did you mean epochs?"),
        ("hidden", "hiden", "there is no key model.hiden; did you mean hidden?"),
        ("lr =", "lrr =", "there is no key optimizer.lrr; did you mean lr?"),
        (
            "warmup_epochs",
            "warmup",
            "no key optimizer.schedule.warmup; did you mean warmup_epochs?",
        ),
        ('"cosine"', '"cosin"', "optimizer.schedule.kind is 'cosin', which is not known; did you"),
        ("warmup_epochs = 1", 'end = "x"', "optimizer.schedule.end is 'x': not a number"),
        ("[optimizer]", '[optimizer]\nkind = "adamm"', "optimizer.kind is 'adamm'"),
        ("lr = 0.02", "lr = -1", "[optimizer]: lr is -1"),
        ("lr = 0.02", 'lr = "fast"', "[optimizer]: "),
        ("epochs = 2", "epochs = 2.5", "epochs is 2.5: it has to be a whole number"),
        ("epochs = 2", "epochs = -2", "epochs is -2: it has to be 0 or more"),
        ("epochs = 2", 'loss = "mze"', "loss is 'mze': it is one of cross_entropy, "),
        ("[8]", "8", "model.hidden is 8: it has to be a list of whole numbers"),
        ("[8]", "[0]", "model.hidden is [0]: each has to be 1 or more"),
        ("[8]", '[8]\nactivation = "rellu"', "model.activation is 'rellu'"),
        ("dropout = 0.1", "dropout = 1.0", "model.dropout is 1.0: it has to be below 1"),
        ("[data]", "[date]", "there is no key date; did you mean data?"),
        ('path = "flowers.csv"', "", "data.path is missing"),
        ('"flowers.csv"', '"flower.csv"', "there is no file flower.csv"),
        ('"flowers.csv"', '"flowers.txt"', "the file must end in .csv, .npz or .npy"),
        ('"species"', '"spezies"', "has no column 'spezies'; did you mean species?"),
        ('"species"', "9", "has 4 columns: there is no column 9"),
        (
            "[data]",
            '[data]\nfeatures = ["x7"]',
            "has no column 'x7'; there are species, x0, x1, x2",
        ),
        ("[data]", '[data]\nfeatures = ["species"]', "is the target, and among the features"),
        ("[data]", '[data]\nvalidation = "nothing.csv"', "there is no file nothing.csv"),
        ("hidden = [8]", 'kind = "cnn"', "model.image has to say what image each is"),
        ("hidden = [8]", 'kind = "cnn"\nimage = [4, 4]', "[4, 4], which is 16 numbers, but"),
        ("epochs = 2", 'loss = "mse"', "the target is '"),
        ("epochs = 2", "epochs = [", "flowers.toml is not TOML"),
        (CONFIG, "data = 3", "data is 3: it has to be a table"),
    ],
)
def test_a_wrong_configuration(old, new, message, folder, capsys):
    assert old in CONFIG
    (folder / "flowers.toml").write_text(CONFIG.replace(old, new, 1))
    assert message in refused(capsys, "flowers.toml")


def change_cell(folder, row, column, text):
    lines = (folder / "flowers.csv").read_text().splitlines()
    cells = lines[row].split(",")
    cells[column] = text
    lines[row] = ",".join(cells)
    (folder / "flowers.csv").write_text("\n".join(lines))


@pytest.mark.parametrize(
    ("row", "column", "text", "message"),
    [
        (7, 1, "nan", "flowers.csv:8: column 'x1' is nan"),
        (7, 2, "inf", "flowers.csv:8: column 'x2' is inf"),
        (7, 0, "", "flowers.csv:8: column 'x0' holds nothing, which is no number"),
        (7, 0, "red", "flowers.csv:8: column 'x0' holds 'red', which is no number"),
        (7, 3, "", "flowers.csv:8: column 'species' (the target) is empty"),
        (7, 0, "1,2", "flowers.csv:8: 5 cells where 4 are expected"),
        (0, 0, "x1", "has two columns named 'x1'"),
    ],
)
def test_wrong_cells(row, column, text, message, folder, capsys):
    change_cell(folder, row, column, text)
    assert message in refused(capsys, "flowers.toml")


@pytest.mark.parametrize(
    ("label", "message"),
    [
        ("7", "flowers.csv:8: the label is 7, out of range: there are 3 classes, 0 to 2"),
        ("-1", "flowers.csv:8: the label is -1, which is negative"),
        ("1.5", "flowers.csv:8: the label is 1.5, which is no whole number"),
        ("nan", "flowers.csv:8: the target is nan"),
    ],
)
def test_labels_out_of_range(label, message, folder, capsys):
    write_csv(folder / "flowers.csv", names=False)
    change_cell(folder, 7, 3, label)
    (folder / "flowers.toml").write_text(CONFIG.replace("[model]", "[model]\nclasses = 3"))
    assert message in refused(capsys, "flowers.toml")


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("a.csv", b"", "a.csv is empty"),
        ("a.csv", b"\n\n", "a.csv is empty"),
        ("a.csv", b"x,species\n", "a.csv is empty: it has no rows"),
        ("a.csv", b"species\n1\n", "one column, the target: there are no features"),
        ("a.csv", b"x,species\n1,0\n", "a.csv has 1 row: none is left to train on"),
        ("a.csv", b"\xff\xfe\x00", "not a text file in UTF-8"),
        ("a.npz", b"text", "is not an .npz file"),
        ("a.npy", b"text", "is not an .npy file"),
    ],
)
def test_wrong_files(name, content, message, folder, capsys):
    (folder / name).write_bytes(content)
    (folder / "a.toml").write_text(f'[data]\npath = "{name}"\ntarget = "species"\n')
    assert message in refused(capsys, "a.toml")


@pytest.mark.parametrize(
    ("arrays", "more", "message"),
    [
        ({"x": np.ones((4, 2)), "y": np.ones(3)}, "", "the target has 3 rows, the features have 4"),
        ({"x": np.ones(4), "y": np.ones(4)}, "", "x has shape (4,): it has to have one row an"),
        ({"x": np.ones((4, 2)), "y": np.ones((4, 2))}, "", "it has to have one number an example"),
        ({"x": np.ones((4, 2)), "z": np.ones(4)}, "", "has no array 'y'"),
        ({"x": np.ones((4, 2)), "z": np.ones(4), "y": np.ones(4)}, "", "features has to name one"),
        ({"x": np.array([["a"]] * 4), "y": np.ones(4)}, "", "the features are <U1, not numbers"),
        ({"x": np.ones((0, 2)), "y": np.ones(0)}, "", "is empty: it has no rows"),
        ({"x": [[0.0, np.nan]] * 4, "y": np.ones(4)}, "", "a.npz, row 0: column 1 is nan"),
        ({"x": np.ones((4, 2)), "y": np.arange(4)}, 'loss = "binary_cross_entropy_with_logits"\n',
         "a.npz, row 2: the label is 2, not 0 or 1"),
    ],
)  # fmt: skip
def test_wrong_arrays(arrays, more, message, folder, capsys):
    np.savez(folder / "a.npz", **arrays)
    (folder / "a.toml").write_text(f'{more}[data]\npath = "a.npz"\ntarget = "y"\n')
    assert message in refused(capsys, "a.toml")


def test_what_has_changed_at_resume(folder, capsys):
    assert train(capsys, "flowers.toml")[0] == 0
    resume = ("flowers.toml", "--resume", "--epochs", "4")
    assert "--seed 5: the run was begun with 0" in refused(capsys, *resume, "--seed", "5")
    (folder / "flowers.toml").write_text(CONFIG.replace("[8]", "[9]"))
    assert "layers[0].weight as float32[8, 3], where the tree has float32[9, 3]" in refused(
        capsys, *resume
    )
    (folder / "flowers.toml").write_text(CONFIG)
    write_csv(folder / "flowers.csv", features=np.c_[FEATURES, FEATURES[:, 0]])
    assert "flowers.csv has 4 features, the model is for 3" in refused(capsys, *resume)
    write_csv(folder / "flowers.csv", names=False)
    assert "the label is '" in refused(capsys, *resume)
    write_csv(folder / "flowers.csv")
    change_cell(folder, 7, 3, "rose")
    assert "flowers.csv:8: the label is 'rose'; the classes are" in refused(capsys, *resume)
    write_csv(folder / "flowers.csv")
    change_cell(folder, 0, 1, "width")
    assert "has the feature 'width' where the model is for 'x1'" in refused(capsys, *resume)
    write_csv(folder / "flowers.csv")
    whole = (folder / "flowers-run" / "checkpoint.safetensors").read_bytes()
    (folder / "flowers-run" / "checkpoint.safetensors").write_bytes(whole[:-9])
    assert "is damaged, cut short" in refused(capsys, *resume)
    shutil.rmtree(folder / "flowers-run")
    assert "there is no run in" in refused(capsys, *resume)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["nothing.toml"], "there is no file nothing.toml"),
        (["flowers.csv"], "flowers.csv is neither a .toml file nor a .py file"),
        (["flowers.toml", "--resume", "--overwrite"], "it is one or the other"),
        (["flowers.toml", "--epochs", "-1"], "invalid"),
        (["flowers.toml", "--output", "flowers.csv/run"], "cannot make the folder"),
        (["empty.toml"], "empty.toml is empty"),
        (["empty.py"], "empty.py defines no model, no loss, no data, no optimizer"),
        (["list.py"], "make in list.py returned list: it has to return a dictionary"),
        (["other.py"], "returned 'optimiser', which nn.fit does not take; did you mean optimizer?"),
        (["shape.py"], "data[1] has 49 rows, but data[0] has 50"),
        (["endless.py"], "endless.py defines no epochs, and there is no --epochs"),
    ],
)
def test_wrong_words(words, message, folder, capsys):
    (folder / "empty.toml").write_text("")
    (folder / "empty.py").write_text("")
    (folder / "list.py").write_text("def make(rng):\n    return []\n")
    (folder / "other.py").write_text(PROGRAM.replace('"optimizer":', '"optimiser":'))
    (folder / "shape.py").write_text(PROGRAM.replace("(x, y)", "(x, y[1:])"))
    (folder / "endless.py").write_text(PROGRAM.replace("epochs = 2", ""))
    assert message in refused(capsys, *words)


def test_a_run_is_not_overwritten(folder, capsys):
    assert train(capsys, "flowers.toml")[0] == 0
    assert "holds a run: --resume goes on with it" in refused(capsys, "flowers.toml")
    assert train(capsys, "flowers.toml", "--overwrite")[0] == 0


def test_the_example_of_the_help_is_what_it_says(folder, capsys):
    """Its keys are there, and its values are the defaults."""
    import tomllib

    from adjoint.cli.train import _EXAMPLES
    from adjoint.cli.training.config import Config, DataTable, ModelTable

    text = _EXAMPLES.split("other defaults):\n")[1].split("\na program defines")[0]
    table = tomllib.loads(text)
    for cls, part in ((DataTable, table["data"]), (ModelTable, table["model"])):
        default = cls(path="") if cls is DataTable else cls()
        for key, value in part.items():
            if (cls, key) not in {
                (DataTable, "path"),
                (DataTable, "target"),
                (ModelTable, "image"),
            }:
                assert getattr(default, key) == value
        assert set(part) == set(vars(default))
    default = Config(DataTable(""))
    for key, value in table.items():
        if key not in ("data", "model", "optimizer", "output"):
            assert getattr(default, key) == value
    assert set(table) == set(vars(default))
