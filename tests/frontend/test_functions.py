"""What a rewritten function shares with the original, and what it may not change."""

import gc
import itertools
import pickle
import sys
import threading
import traceback
import types
import weakref

import pytest

from adjoint import frontend
from adjoint.frontend import EAGER, rewrite, why_not_rewritten

LEVEL = 1


def sample(a, /, b: int = 2, *rest, key: str = "k", **more) -> dict:
    """Doc of sample."""
    return {"a": a, "b": b, "rest": rest, "key": key, **more}


def test_metadata():
    sample.note = "n"
    new = rewrite(sample)
    assert new is not sample
    for name in (
        "__name__", "__qualname__", "__module__", "__doc__", "__annotations__", "__defaults__",
        "__kwdefaults__",
    ):  # fmt: skip
        assert getattr(new, name) == getattr(sample, name)
    assert new.__globals__ is sample.__globals__
    assert new.__dict__ is sample.__dict__
    assert not hasattr(new, "__wrapped__")
    code, old = new.__code__, sample.__code__
    for name in ("co_filename", "co_firstlineno", "co_name", "co_qualname", "co_varnames",
                 "co_freevars", "co_argcount", "co_kwonlyargcount", "co_posonlyargcount",
                 "co_flags"):  # fmt: skip
        assert getattr(code, name) == getattr(old, name)
    assert new(1, 3, 4, key=5, z=6) == sample(1, 3, 4, key=5, z=6)


def test_rewriting_twice_is_rewriting_once():
    new = rewrite(sample)
    assert rewrite(new) is new and why_not_rewritten(new) is None
    assert frontend.resolve(new) is new


def test_nested_functions_are_not_rewritten_twice():
    def outer():
        def inner(x):
            return [x]

        return inner, lambda: len([]), [g for g in (lambda: 1,)][0]

    for fn in rewrite(outer)():
        assert rewrite(fn) is fn and frontend.resolve(fn) is fn


def test_cells_are_shared():
    count = 0

    def bump():
        nonlocal count
        count += len("x")
        return count

    new = rewrite(bump)
    assert new.__closure__ == bump.__closure__
    assert [new(), bump(), new()] == [1, 2, 3] and count == 3


def test_empty_cell():
    def f():
        return later(1)

    with pytest.raises(NameError, match="later"):
        rewrite(f)()

    def later(x):
        return x

    assert rewrite(f)() == 1


def test_globals_are_shared():
    global LEVEL

    def f():
        global LEVEL
        LEVEL += 1
        return LEVEL

    LEVEL = 1
    assert rewrite(f)() == 2 and LEVEL == 2
    LEVEL = 10
    assert rewrite(f)() == 11
    names = set(globals())
    rewrite(f)()
    assert set(globals()) == names


def test_bound_and_class_and_static_methods():
    class C:
        def __init__(self, x):
            self.x = x

        def get(self, y):
            return [self.x, y]

        @classmethod
        def name(cls):
            return [cls.__name__]

        @staticmethod
        def triple(x):
            return [x] * 3

    c = C(1)
    bound = rewrite(c.get)
    assert type(bound) is types.MethodType and bound.__self__ is c and bound(2) == [1, 2]
    assert bound.__func__ is not C.get
    assert rewrite(C.name)() == ["C"] and rewrite(C.triple)(1) == [1, 1, 1]
    for name in ("name", "triple"):
        descriptor = vars(C)[name]
        new = rewrite(descriptor)
        assert type(new) is type(descriptor) and new is not descriptor
        assert new.__get__(c, C)(*([1] if name == "triple" else []))


def test_kinds_of_functions_stay():
    import inspect

    def generator():
        yield 1

    async def coroutine():
        return 1

    async def asynchronous():
        yield 1

    assert inspect.isgeneratorfunction(rewrite(generator))
    assert inspect.iscoroutinefunction(rewrite(coroutine))
    assert inspect.isasyncgenfunction(rewrite(asynchronous))
    assert inspect.signature(rewrite(sample)) == inspect.signature(sample)


def test_locals_hold_only_the_user_s_names():
    def f(x):
        c = [0]
        c[0] = x
        c += [x]
        return locals()

    assert set(rewrite(f)(1)) == {"x", "c"}


def test_no_frames_of_ours():
    def f(x):
        return deeper(x)

    def deeper(x):
        a = [0]
        a[0] = "".join(traceback.extract_stack()[-2].name)
        a[0] += traceback.extract_stack(sys._getframe())[-1].name
        return a[0], sys._getframe(1).f_code.co_name

    assert frontend.resolve(f)(1) == ("fdeeper", "f")


def test_tracing_sees_the_same_lines():
    def work(n):
        total = 0
        for i in range(n):
            if i % 2:
                total += abs(
                    i
                )  # fmt: skip
                total += (
                    i
                    .bit_length()
                    .__abs__(
                    )
                )  # fmt: skip
            else:
                a = [i]
                a[0] = i
        return total

    def lines(fn):
        seen = []

        def trace(frame, event, arg):
            if frame.f_code.co_name == "work" and event == "line":
                seen.append(frame.f_lineno)
            return trace if frame.f_code.co_name == "work" else None

        former = sys.gettrace()
        sys.settrace(trace)
        try:
            fn(4)
        finally:
            sys.settrace(former)
        return seen

    # Python enters the lines of a chain in its own order; no other line is entered.
    expected = lines(work)
    chain = range(work.__code__.co_firstlineno + 8, work.__code__.co_firstlineno + 12)
    assert len(set(expected) & set(chain)) == 3

    def without_chain(seen):
        return [line for line in seen if line not in chain]

    new = lines(rewrite(work))
    assert set(new) == set(expected)
    assert [k for k, _ in itertools.groupby(without_chain(new))] == [
        k for k, _ in itertools.groupby(without_chain(expected))
    ]


def test_closures_are_not_kept_alive():
    class Big:
        pass

    def make(held):
        def closure(x):
            return held and closure and [x]

        return closure

    first = make(Big())
    frontend.resolve(first)
    gc.collect()
    size = len(EAGER.codes)
    refs = []
    for _ in range(50):
        held = Big()
        refs.append(weakref.ref(held))
        closure = make(held)
        assert frontend.call(closure, 1) == [1] and rewrite(closure)(2) == [2]
        del held, closure
    gc.collect()
    assert not any(ref() is not None for ref in refs)
    assert len(EAGER.codes) == size


def test_modules_functions_and_classes_are_let_go(define):
    from adjoint.frontend import calls

    gc.collect()
    sizes = len(calls.eager.known), len(calls.eager.guards), len(EAGER.codes)
    refs = []
    for _ in range(3):
        module = define(
            "class K:\n"
            "    def __init__(self, x):\n        self.x = x\n"
            "class Plain:\n    pass\n"
            "def helper(x):\n    return K(x).x, Plain()\n"
            "def f(x):\n    return helper(x)\n"
        )
        assert frontend.call(module.f, 3)[0] == 3
        refs += [weakref.ref(v) for v in (module.f, module.helper, module.K, module.Plain)]
        sys.modules.pop(module.__name__)
        space = vars(module)
        del module
        space.clear()
        gc.collect()
    del space
    gc.collect()
    assert [ref() for ref in refs] == [None] * len(refs)
    assert (len(calls.eager.known), len(calls.eager.guards), len(EAGER.codes)) == sizes


def test_exchanged_code_is_noticed(define):
    module = define("def f(x):\n    return [x]\ndef g(x, y=1):\n    return [x, y]\n")
    assert frontend.call(module.f, 1) == [1]
    module.f.__code__ = module.g.__code__
    module.f.__defaults__ = (7,)
    assert frontend.call(module.f, 1) == [1, 7]


def test_threads(define):
    text = "\n".join(
        f"def f{i}(x):\n    a = [0]\n    a[0] = x + {i}\n    return a[0]\n" for i in range(60)
    )
    module = define(text)
    results, errors = {}, []
    barrier = threading.Barrier(8)

    def work(k):
        barrier.wait()
        try:
            results[k] = [frontend.call(getattr(module, f"f{i}"), k) for i in range(60)]
        except Exception as error:
            errors.append(error)

    threads = [threading.Thread(target=work, args=(k,)) for k in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not errors
    assert results == {k: [k + i for i in range(60)] for k in range(8)}
    codes = {id(rewrite(module.f0).__code__) for _ in range(5)}
    assert len(codes) == 1


def test_deep_recursion_costs_no_more_stack():
    def down(n):
        return 0 if n == 0 else 1 + down(n - 1)

    depth = sys.getrecursionlimit() - 200
    assert down(depth) == depth
    assert frontend.resolve(down)(depth) == depth


def test_classes_made_in_rewritten_functions_pickle_by_name():
    assert pickle.loads(pickle.dumps(rewrite(sample).__qualname__)) == "sample"


@pytest.mark.parametrize("terms", [50, 700, 1000])
def test_long_expressions(define, terms):
    module = define("def f(x):\n    return " + " + ".join(["abs(x)"] * terms) + "\n")
    limit = sys.getrecursionlimit()
    assert rewrite(module.f)(-1) == terms
    assert why_not_rewritten(module.f) is None
    assert sys.getrecursionlimit() == limit
