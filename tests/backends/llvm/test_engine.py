"""The engine: texts become functions, in any thread, again after a fork, and are freed."""

import ctypes
import os
import signal
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from adjoint.backends.llvm import engine
from adjoint.errors import AdjointError, CompileError, MissingDependencyError


def scale(factor, name="scale"):
    """A module whose function multiplies n numbers in place."""
    return f"""
define void @{name}(ptr %x, i64 %n) #0 {{
entry:
  %some = icmp sgt i64 %n, 0
  br i1 %some, label %body, label %done
body:
  %i = phi i64 [0, %entry], [%next, %body]
  %at = getelementptr double, ptr %x, i64 %i
  %old = load double, ptr %at
  %new = fmul double %old, {float(factor)!r}
  store double %new, ptr %at
  %next = add nuw nsw i64 %i, 1
  %more = icmp slt i64 %next, %n
  br i1 %more, label %body, label %done
done:
  ret void
}}
attributes #0 = {{ {engine.host().attributes} }}
"""


def run(code, values, name="scale"):
    x = np.array(values, dtype=float)
    code.function(name, None, ctypes.c_void_p, ctypes.c_int64)(x.ctypes.data, x.size)
    return x


def test_a_module_runs():
    x = np.arange(100.0)
    np.testing.assert_array_equal(run(engine.compile_module(scale(3)), x), 3 * x)


@pytest.mark.parametrize("passes", [0, 1, 2, 3])
@pytest.mark.parametrize("codegen", [0, 3])
def test_every_level_gives_the_same(passes, codegen):
    options = engine.Options(passes, codegen, interleave=False)
    x = np.arange(37.0)
    np.testing.assert_array_equal(run(engine.compile_module(scale(0.5), options), x), x / 2)


def test_loops_use_the_widest_vectors_of_the_host():
    width = engine.host().vector_width // 64
    assert f"<{width} x double>" in engine.optimise(scale(3))
    assert "scale" in engine.assembly(scale(3))


def test_objects_are_loaded_again():
    compiled = engine.compile_object(scale(2))
    again = engine.ObjectCode.from_bytes(compiled.to_bytes())
    assert again == compiled and again.exports == ("scale",) and again.externals == ()
    np.testing.assert_array_equal(run(engine.load(again), [1, 2]), [2, 4])


def test_private_functions_are_not_exported():
    text = "define internal i64 @a() {\n ret i64 1\n}\ndefine i64 @b() {\n ret i64 2\n}\n"
    code = engine.compile_module(text)
    assert code.function("b", ctypes.c_int64)() == 2
    with pytest.raises(CompileError, match="no function 'a'"):
        code.address("a")


def test_calls_between_modules_and_into_python_by_added_symbols():
    callback = ctypes.CFUNCTYPE(ctypes.c_int64, ctypes.c_int64)(lambda n: n + 1)
    engine.add_symbols({"test.callback": ctypes.cast(callback, ctypes.c_void_p).value})
    text = (
        "declare i64 @test.callback(i64)\n"
        "define i64 @f(i64 %n) {\n %r = call i64 @test.callback(i64 %n)\n ret i64 %r\n}\n"
    )
    assert engine.compile_module(text).function("f", ctypes.c_int64, ctypes.c_int64)(41) == 42


def test_calls_that_code_generation_makes_are_found():
    text = (
        "define double @f(double %x, ptr %p, i64 %n) {\n"
        " call void @llvm.memset.p0.i64(ptr %p, i8 0, i64 %n, i1 false)\n"
        " %r = frem double %x, 3.0\n ret double %r\n}\n"
        "declare void @llvm.memset.p0.i64(ptr, i8, i64, i1)\n"
    )
    f = engine.compile_module(text).function(
        "f", ctypes.c_double, ctypes.c_double, ctypes.c_void_p, ctypes.c_int64
    )
    x = np.ones(9)
    assert f(7.5, x.ctypes.data, x.nbytes) == 1.5 and not x.any()


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("define foo", "expected type"),
        ("define i64 @f() {\n %a = add i64 %b, 1\n %b = add i64 %a, 1\n ret i64 %b\n}", "dominate"),
        ("define i64 @f() {\n ret i32 1\n}", "i64"),
    ],
)
def test_a_text_that_is_no_module_is_refused(text, said):
    with pytest.raises(CompileError, match=said):
        engine.compile_module(text)


@pytest.mark.parametrize("keep", [True, False])
def test_an_unknown_function_is_named(keep):
    text = (
        "declare i64 @nowhere.to.be()\n"
        "define i64 @f() {\n %r = call i64 @nowhere.to.be()\n ret i64 %r\n}\n"
    )
    for _ in range(2):
        with pytest.raises(CompileError, match=r"'nowhere\.to\.be'"):
            engine.compile_module(text, keep=keep)


def test_an_object_that_is_none_is_refused():
    with pytest.raises(CompileError, match="linked"):
        engine.load(engine.ObjectCode(("f",), (), b"not an object"))


def test_code_lives_as_long_as_its_functions():
    f = engine.compile_module(scale(2)).function("scale", None, ctypes.c_void_p, ctypes.c_int64)
    for _ in range(20):
        engine.compile_module(scale(5))
    x = np.ones(5)
    f(x.ctypes.data, 5)
    assert (x == 2).all()


def test_freed_code_says_so():
    code = engine.compile_module(scale(2))
    code.close()
    code.close()
    with pytest.raises(CompileError, match="freed"):
        code.address("scale")


def resident():
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * os.sysconf("SC_PAGESIZE")


@pytest.mark.skipif(not os.path.exists("/proc/self/statm"), reason="needs /proc")
def test_compiling_and_loading_do_not_leak():
    text = scale(2)
    compiled = engine.compile_object(text)

    def work():
        for _ in range(2 * engine._GENERATION):
            engine.load(compiled)
        for _ in range(40):
            engine.compile_object(text)

    work()
    before = resident()
    work()
    # A linker's generation is 2 MB; a pipeline that is not freed would be 3 MB here.
    assert resident() - before < 1_500_000


def test_threads_compile_load_call_and_free_at_once():
    def work(number):
        for k in range(4):
            factor = 10 * number + k
            x = run(engine.compile_module(scale(factor), keep=bool(k % 2)), np.ones(33))
            assert (x == factor).all()
        return True

    with ThreadPoolExecutor(8) as pool:
        assert all(pool.map(work, range(16)))


def test_the_gil_is_released():
    # The callee waits for a byte that only another Python thread can set.
    text = """
define i64 @wait(ptr %flag) {
entry:
  br label %again
again:
  %seen = load atomic volatile i8, ptr %flag monotonic, align 1
  %set = icmp ne i8 %seen, 0
  br i1 %set, label %done, label %again
done:
  ret i64 7
}
"""
    f = engine.compile_module(text).function("wait", ctypes.c_int64, ctypes.c_void_p)
    flag = np.zeros(1, np.int8)
    timer = threading.Timer(0.05, lambda: flag.fill(1))
    timer.start()
    assert f(flag.ctypes.data) == 7
    timer.join()


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
@pytest.mark.filterwarnings("ignore:.*multi-threaded.*:DeprecationWarning")
def test_a_child_can_compile_although_its_parent_was_compiling():
    kept = engine.compile_module(scale(3))
    stop = threading.Event()

    def busy():
        number = 0
        while not stop.is_set():
            number += 1
            engine.compile_module(scale(number), keep=False)

    threads = [threading.Thread(target=busy) for _ in range(2)]
    for thread in threads:
        thread.start()
    try:
        for number in range(6):
            child = os.fork()
            if child == 0:
                status = 1
                try:
                    fresh = run(engine.compile_module(scale(number + 0.5)), np.ones(9))
                    if (fresh == number + 0.5).all() and (run(kept, np.ones(9)) == 3).all():
                        status = 0
                finally:
                    os._exit(status)
            assert wait_for(child) == 0
    finally:
        stop.set()
        for thread in threads:
            thread.join()


def wait_for(child, seconds=60):
    """The exit status of a child process, which is ended if it hangs."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        done, status = os.waitpid(child, os.WNOHANG)
        if done:
            return os.waitstatus_to_exitcode(status)
        time.sleep(0.01)
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    raise AssertionError("the child hangs")


def test_without_llvmlite_the_error_says_how_to_get_it(monkeypatch):
    monkeypatch.setitem(sys.modules, "llvmlite", None)
    with pytest.raises(MissingDependencyError, match=r'pip install "adjoint\[jit\]"') as raised:
        engine.binding.__wrapped__()
    assert isinstance(raised.value, ImportError) and isinstance(raised.value, AdjointError)


def test_an_old_llvmlite_is_refused(monkeypatch):
    import llvmlite

    monkeypatch.setattr(llvmlite, "__version__", "0.44.0")
    with pytest.raises(MissingDependencyError, match=r"0\.45.*0\.44\.0.*--upgrade"):
        engine.binding.__wrapped__()


def test_importing_the_engine_does_not_import_llvmlite():
    code = (
        "import sys, adjoint, adjoint.backends.llvm.engine, adjoint.backends.llvm.vector_math\n"
        "assert 'llvmlite' not in sys.modules and 'scipy' not in sys.modules"
    )
    source = os.pathsep.join(path for path in sys.path if path)
    subprocess.run(
        [sys.executable, "-c", code], check=True, env={**os.environ, "PYTHONPATH": source}
    )


def test_code_that_lives_to_the_end_of_the_process_is_no_trouble():
    code = (
        "from adjoint.backends.llvm import engine\n"
        "kept = engine.compile_module('define void @f() {\\n ret void\\n}')\n"
        "engine.kept, cycle = kept, [kept]\ncycle.append(cycle)"
    )
    source = os.pathsep.join(path for path in sys.path if path)
    done = subprocess.run(
        [sys.executable, "-c", code],
        env={**os.environ, "PYTHONPATH": source},
        capture_output=True,
        text=True,
    )
    assert (done.returncode, done.stderr) == (0, "")
