"""Finding the text of a function, in every place where functions come from."""

import doctest
import functools
import linecache
import sys
import textwrap
import types

import pytest

from adjoint import frontend
from adjoint.frontend import rewrite, why_not_rewritten


def runs_rewritten(fn):
    return why_not_rewritten(fn) is None


def test_lambdas_on_one_line():
    fs = [lambda x: x + 1, lambda x: x + 2, lambda x, y=3: x + y, lambda x: lambda y: x * y]
    assert [rewrite(f)(10) for f in fs[:3]] == [11, 12, 13]
    assert rewrite(fs[3])(2)(3) == 6
    assert all(map(runs_rewritten, fs)) and runs_rewritten(fs[3](2))
    assert rewrite(fs[3](2))(5) == 10


def test_equal_lambdas_are_told_apart_by_column():
    f, g = (lambda x: [x][1]), (lambda x: [x][1])
    for fn in (f, g):
        with pytest.raises(IndexError) as one:
            fn(0)
        with pytest.raises(IndexError) as other:
            rewrite(fn)(0)
        columns = [list(e.tb.tb_next.tb_frame.f_code.co_positions()) for e in (one, other)]
        assert columns[0][2] == columns[1][2]


def test_lambda_over_lines_and_in_arguments():
    f = functools.partial(
        lambda a, b: (
            a
            + b
        ),
        1,
    )  # fmt: skip
    assert runs_rewritten(f.func) and frontend.call(f, 2) == 3


def test_decorators_are_not_applied_again():
    calls = []

    def note(fn):
        calls.append(fn.__name__)
        return fn

    @note
    @(lambda fn: fn)
    @note
    def decorated(x):
        return [x]

    assert rewrite(decorated)(1) == [1] and runs_rewritten(decorated)
    assert calls == ["decorated", "decorated"]
    assert rewrite(decorated).__code__.co_firstlineno == decorated.__code__.co_firstlineno


def test_wrapper_is_rewritten_not_what_it_wraps():
    def twice(fn):
        @functools.wraps(fn)
        def wrapper(*args):
            return 2 * fn(*args)

        return wrapper

    @twice
    @twice
    def f(x):
        return x

    assert rewrite(f)(1) == 4
    assert rewrite(f).__wrapped__ is f.__wrapped__


def test_notebook_cell():
    text = "def cell(a):\n    b = [0]\n    b[0] = a\n    return b\n"
    linecache.cache["<ipython-input-1-abc>"] = (len(text), None, text.splitlines(True), "x")
    space = {"__name__": "__main__"}
    exec(compile(text, "<ipython-input-1-abc>", "exec"), space)
    assert rewrite(space["cell"])(3) == [3] and runs_rewritten(space["cell"])


def documented():
    """
    >>> from adjoint.frontend import rewrite, why_not_rewritten
    >>> def inside(a):
    ...     b = {}
    ...     b["k"] = a
    ...     return b
    >>> why_not_rewritten(inside)
    >>> rewrite(inside)(1)
    {'k': 1}
    """


def test_doctest():
    finder = doctest.DocTestFinder()
    runner = doctest.DocTestRunner()
    for test in finder.find(documented, "documented", globs={"__name__": "__main__"}):
        runner.run(test)
    assert runner.failures == 0 and runner.tries == 4


def test_no_source():
    space = {}
    exec("def f(x):\n    return x", space)
    f = space["f"]
    assert rewrite(f) is f and frontend.resolve(f) is f
    assert "not available" in why_not_rewritten(f)
    assert "not a Python function" in why_not_rewritten(len)
    assert rewrite(len) is len
    assert why_not_rewritten(print) == (
        "print is not a Python function (it is a builtin_function_or_method)"
    )


def test_edited_file_is_noticed(tmp_path, monkeypatch):
    path = tmp_path / "adjoint_edited_module.py"
    path.write_text("def f(x):\n    return x + 1\n\ndef g(x):\n    return x * 2\n")
    monkeypatch.syspath_prepend(tmp_path)
    import adjoint_edited_module as module

    path.write_text("def f(x):\n    return x - 1\n\ndef g(x):\n    return x * 2\n")
    linecache.checkcache()
    assert rewrite(module.f) is module.f
    assert "edited" in why_not_rewritten(module.f)
    assert rewrite(module.g)(2) == 4 and runs_rewritten(module.g)
    sys.modules.pop("adjoint_edited_module")


def test_stale_line_cache_is_read_again(tmp_path, monkeypatch):
    path = tmp_path / "adjoint_stale_module.py"
    path.write_text("old = 1\n")
    linecache.getlines(str(path))
    path.write_text("def f(x):\n    return x + 1  # longer than before\n")
    monkeypatch.syspath_prepend(tmp_path)
    import adjoint_stale_module as module

    assert runs_rewritten(module.f) and rewrite(module.f)(1) == 2
    sys.modules.pop("adjoint_stale_module")


def test_text_that_no_longer_parses(define):
    module = define("def f(x):\n    return x\n", filename="<broken>")
    text = "def f(x:\n"
    linecache.cache["<broken>"] = (len(text), None, [text], "<broken>")
    assert rewrite(module.f) is module.f
    assert "cannot be parsed" in why_not_rewritten(module.f)


def test_functions_with_asserts_under_pytest():
    def f(x):
        a = [0]
        assert x > 0, "must be positive"
        a[0] = x
        return [v for v in a if v]

    assert runs_rewritten(f) and rewrite(f)(3) == [3]
    with pytest.raises(AssertionError, match="positive"):
        rewrite(f)(-1)


def test_future_annotations(define):
    module = define(
        "from __future__ import annotations\n"
        "def f(x: no_such_name = 1) -> also_none:\n"
        "    def g(y: neither[x.fn()]): return y\n"
        "    return g(x), g.__annotations__\n"
    )
    assert runs_rewritten(module.f)
    assert rewrite(module.f)() == module.f() == (1, {"y": "neither[x.fn()]"})
    assert rewrite(module.f).__annotations__ == module.f.__annotations__


def test_warnings_are_not_repeated(define, recwarn):
    module = define("def f(x):\n    return x is x, '\\d', eval\n")
    recwarn.clear()
    assert runs_rewritten(module.f)
    assert not recwarn.list


@pytest.mark.skipif(sys.version_info < (3, 12), reason="syntax of Python 3.12")
def test_type_parameters(define):
    module = define(
        textwrap.dedent("""
        def f[T](x: T) -> tuple:
            type Alias = list[T]
            def inner[U](y: U, z=f): return [y, U.__name__, T.__name__]
            class K[V]:
                def m(self): return V.__name__
            return inner(x), K().m(), Alias.__name__, f"{x!r:>{len("abc")}}"
        """)
    )
    assert runs_rewritten(module.f)
    assert rewrite(module.f)(1) == module.f(1)
    assert rewrite(module.f).__type_params__ == module.f.__type_params__


def test_many_files_are_not_kept(define):
    from adjoint.frontend import source

    for i in range(20):
        module = define(f"def f(x):\n    return x + {i}\n", name=f"adjoint_many_{i}")
        assert rewrite(module.f)(1) == 1 + i
    assert len(source._files) <= source._FILES_KEPT


def test_same_name_and_line_again(define):
    module = define(
        "def make(flag):\n    if flag: f = lambda x: -x\n    else: f = lambda x: +x\n    return f\n"
    )
    assert rewrite(module.make(True))(1) == -1 and rewrite(module.make(False))(1) == 1


def test_module_object_is_a_function_type():
    assert isinstance(rewrite(test_doctest), types.FunctionType)
