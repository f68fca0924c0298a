"""Objects on disk: found again, in another process too; damage, other versions, full disks."""

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from adjoint.backends.llvm import cache as disk
from adjoint.backends.llvm import engine

KEYS = [disk.digest(str(number)) for number in range(200)]


def module(number):
    return f"define i64 @f() {{\n ret i64 {number}\n}}\n"


def call(text):
    import ctypes

    return engine.compile_module(text).function("f", ctypes.c_int64)()


def files(folder):
    return sorted(folder.glob("*" + disk.SUFFIX)) if folder.exists() else []


@pytest.fixture
def compiled(monkeypatch):
    """The texts that were compiled, not found."""
    texts = []
    true = engine.compile_object

    def compile_object(text, options=None):
        texts.append(text)
        return true(text, options)

    monkeypatch.setattr(engine, "compile_object", compile_object)
    return texts


# --------------------------------------------------------------------------------- what is stored


def test_what_is_kept_is_found(tmp_path):
    kept = disk.Cache(tmp_path / "a" / "b", 10**6)
    assert kept.get(KEYS[0]) is None
    assert kept.put(KEYS[0], b"content")
    assert kept.get(KEYS[0]) == b"content"
    assert disk.Cache(kept.folder, 10**6).get(KEYS[0]) == b"content"
    assert kept.get(KEYS[1]) is None
    assert kept.put(KEYS[0], b"") and kept.get(KEYS[0]) == b""


def test_parts_of_a_key_do_not_run_into_each_other():
    assert disk.digest("ab", "c") != disk.digest("a", "bc") != disk.digest("abc")


DAMAGE = {
    "truncated": lambda data: data[:-1],
    "cut to its head": lambda data: data[: len(disk.MAGIC)],
    "empty": lambda data: b"",
    "a bit turned": lambda data: data[:-3] + bytes([data[-3] ^ 4]) + data[-2:],
    "longer": lambda data: data + b"x",
    "foreign": lambda data: b"\x7fELF" + b"0" * 300,
    "of another version": lambda data: data.replace(b"object 1", b"object 0"),
}


@pytest.mark.parametrize("how", DAMAGE)
def test_a_damaged_file_is_taken_as_absent_and_deleted(tmp_path, how):
    kept = disk.Cache(tmp_path, 10**6)
    kept.put(KEYS[0], b"content" * 20)
    (path,) = files(tmp_path)
    path.write_bytes(DAMAGE[how](path.read_bytes()))
    assert kept.get(KEYS[0]) is None
    assert not path.exists()


def test_a_file_under_another_key_is_taken_as_absent(tmp_path):
    kept = disk.Cache(tmp_path, 10**6)
    kept.put(KEYS[0], b"content")
    (path,) = files(tmp_path)
    path.rename(tmp_path / (KEYS[1] + disk.SUFFIX))
    assert kept.get(KEYS[1]) is None


def test_the_least_recently_used_go_first(tmp_path):
    kept = disk.Cache(tmp_path, 10_000)
    for number in range(8):
        kept.put(KEYS[number], bytes(1000))
        os.utime(tmp_path / (KEYS[number] + disk.SUFFIX), (number, number))
    assert kept.get(KEYS[0]) is not None  # which makes it the most recent
    for number in range(8, 12):
        kept.put(KEYS[number], bytes(1000))
    left = {path.stem for path in files(tmp_path)}
    assert sum(path.stat().st_size for path in files(tmp_path)) <= 10_000
    assert KEYS[0] in left and KEYS[11] in left and KEYS[1] not in left


def test_the_size_stays_bounded_over_many_objects(tmp_path):
    kept = disk.Cache(tmp_path, 50_000)
    for key in KEYS:
        kept.put(key, bytes(1000))
        assert sum(path.stat().st_size for path in files(tmp_path)) < 55_000
    assert len(files(tmp_path)) > 20


def test_what_was_left_unfinished_is_swept(tmp_path):
    kept = disk.Cache(tmp_path, 10**6)
    old, new = tmp_path / ("a" + disk.UNFINISHED), tmp_path / ("b" + disk.UNFINISHED)
    for path in (old, new):
        path.write_bytes(b"x")
    past = time.time() - 2 * disk.ABANDONED
    os.utime(old, (past, past))
    kept.put(KEYS[0], b"content")
    assert not old.exists() and new.exists()


def test_other_files_of_the_folder_are_left_alone(tmp_path):
    other = tmp_path / "notes.txt"
    other.write_bytes(bytes(10**5))
    kept = disk.Cache(tmp_path, 1000)
    kept.put(KEYS[0], bytes(2000))
    kept.sweep()
    assert other.exists()


def test_a_failed_write_leaves_nothing(tmp_path, monkeypatch):
    def replace(source, target):
        raise OSError("no space left on device")

    monkeypatch.setattr(os, "replace", replace)
    assert not disk.Cache(tmp_path, 10**6).put(KEYS[0], b"content")
    assert list(tmp_path.iterdir()) == []


# ---------------------------------------------------------------------------------- where it is


def test_the_environment_says_where(tmp_path, monkeypatch):
    monkeypatch.setenv("ADJOINT_CACHE_DIR", str(tmp_path / "here"))
    assert disk.current() == disk.Cache(tmp_path / "here", disk.DEFAULT_SIZE * 2**20)
    assert disk.current() is disk.current()
    monkeypatch.setenv("ADJOINT_CACHE_SIZE", "0.5")
    assert disk.current().limit == 2**19
    monkeypatch.setenv("ADJOINT_CACHE_SIZE", "a lot")
    assert disk.current().limit == disk.DEFAULT_SIZE * 2**20


@pytest.mark.skipif(os.name == "nt", reason="XDG")
def test_without_a_folder_named_it_is_that_of_xdg(tmp_path, monkeypatch):
    monkeypatch.delenv("ADJOINT_CACHE_DIR")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert disk.current().folder == tmp_path / "adjoint"
    monkeypatch.setenv("XDG_CACHE_HOME", "relative")
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    assert disk.current().folder == tmp_path / "home" / ".cache" / "adjoint"
    monkeypatch.setattr(os.path, "expanduser", lambda path: path)
    assert disk.current() is None
    assert call(module(3)) == 3


def test_it_can_be_switched_off(cache_folder, monkeypatch, compiled):
    monkeypatch.setenv("ADJOINT_CACHE", "0")
    assert disk.current() is None
    assert [call(module(4)) for _ in range(2)] == [4, 4]
    assert len(compiled) == 2 and not cache_folder.exists()


# ------------------------------------------------------------------------------------- compiling


def test_a_module_is_compiled_once(cache_folder, compiled):
    assert [call(module(5)) for _ in range(3)] == [5] * 3
    assert len(compiled) == 1 and len(files(cache_folder)) == 1


def test_another_text_option_processor_or_version_is_another_object(monkeypatch):
    keys = {engine._key("a", engine.Options()), engine._key("b", engine.Options())}
    keys.add(engine._key("a", engine.Options(interleave=False)))
    here = engine.host()
    for change in ({"cpu": "other"}, {"features": "+other"}, {"triple": "other"}):
        monkeypatch.setattr(engine, "host", lambda change=change: replaced(here, **change))
        keys.add(engine._key("a", engine.Options()))
    monkeypatch.setattr(engine, "host", lambda: here)
    for position in range(4):
        versions = list(engine._versions.__wrapped__())
        versions[position] += "x"
        monkeypatch.setattr(engine, "_versions", lambda versions=versions: tuple(versions))
        keys.add(engine._key("a", engine.Options()))
        monkeypatch.undo()
    assert len(keys) == 10


def replaced(host, **change):
    import dataclasses

    return dataclasses.replace(host, **change)


@pytest.mark.parametrize("how", DAMAGE)
def test_a_damaged_object_is_compiled_again(cache_folder, compiled, how):
    assert call(module(6)) == 6
    (path,) = files(cache_folder)
    whole = path.read_bytes()
    path.write_bytes(DAMAGE[how](whole))
    assert call(module(6)) == 6
    assert len(compiled) == 2 and path.read_bytes() == whole


def test_a_read_only_folder_is_read_and_not_written(cache_folder, compiled, monkeypatch):
    assert call(module(7)) == 7
    (path,) = files(cache_folder)

    def refuse(*args, **kwargs):
        raise PermissionError("read-only")

    # As a superuser writes where the mode forbids it, the calls that write are made to fail.
    for owner, name in ((disk.tempfile, "mkstemp"), (os, "utime"), (os, "replace")):
        monkeypatch.setattr(owner, name, refuse)
    assert call(module(7)) == 7 and call(module(8)) == 8
    assert len(compiled) == 2 and files(cache_folder) == [path]


def test_a_folder_that_cannot_be_made_is_done_without(tmp_path, monkeypatch):
    (tmp_path / "file").write_text("in the way")
    monkeypatch.setenv("ADJOINT_CACHE_DIR", str(tmp_path / "file" / "objects"))
    assert call(module(9)) == 9


SCRIPT = """
import ctypes, sys
from adjoint.backends.llvm import engine

compiled = 0
true = engine.compile_object

def compile_object(text, options=None):
    global compiled
    compiled += 1
    return true(text, options)

engine.compile_object = compile_object
for number in range(int(sys.argv[1])):
    text = "define i64 @f() {\\n ret i64 %d\\n}" % number
    assert engine.compile_module(text).function("f", ctypes.c_int64)() == number
print(compiled)
"""


def start(number, **environment):
    source = os.pathsep.join(path for path in sys.path if path)
    return subprocess.Popen(
        [sys.executable, "-c", SCRIPT, str(number)],
        env={**os.environ, "PYTHONPATH": source, **environment},
        stdout=subprocess.PIPE,
        text=True,
    )


def test_a_second_process_starts_warm(cache_folder):
    for expected in ("5", "0"):
        process = start(5)
        assert process.communicate()[0].strip() == expected and process.returncode == 0
    assert len(files(cache_folder)) == 5


def test_many_processes_write_and_evict_at_once(cache_folder):
    # Room for a few objects only: they delete what others read.
    processes = [start(40, ADJOINT_CACHE_SIZE="0.005") for _ in range(4)]
    for process in processes:
        process.communicate()
        assert process.returncode == 0
    assert not list(Path(cache_folder).glob("*" + disk.UNFINISHED))
