"""Every kind of statement and expression of Python: staged, run when staging, or refused.

``staged``  becomes operations of the graph where values are known at run time only
``python``  runs as Python when the function is staged; its values may be staged
``refused`` raises, with the text given here
"""

from __future__ import annotations

import ast
import inspect
import textwrap

import numpy as np
import pytest

import adjoint as ad
from adjoint.errors import TracingError
from tests.staged.sources import load

X = np.linspace(0.2, 1.4, 12)

# kind of syntax -> how it is handled, source of ``f(x, s, n)`` (an array of run-time length, a
# float, an int), and the error's text where it is refused
TABLE = {
    # -- statements
    "FunctionDef": ("python", """
        def f(x, s, n):
            def g(y, scale=s):
                return y * scale
            return g(x).sum()
        """),
    "AsyncFunctionDef": ("python", """
        def f(x, s, n):
            async def g():
                return s
            return s * 2
        """),
    "ClassDef": ("python", """
        def f(x, s, n):
            class Scaled:
                def __init__(self, y):
                    self.y = y
                def total(self):
                    return self.y.sum() * s
            return Scaled(x).total()
        """),
    "Return": ("staged", """
        def f(x, s, n):
            if s > 1.0:
                return s * 2
            for i in range(n):
                if x[i] > 0.5:
                    return x[i]
            return s
        """),
    "Delete": ("python", """
        def f(x, s, n):
            y = x * 2
            d = {"a": y, "b": s}
            del d["a"]
            del y
            return d["b"] * len(d)
        """),
    "Assign": ("staged", """
        def f(x, s, n):
            u = np.zeros(n)
            u[0], (a, *b) = s, (s, 2.0, 3.0)
            for i in range(1, n):
                u[i] = u[i - 1] * a + x[i]
            return u.sum() + b[0]
        """),
    "AugAssign": ("staged", """
        def f(x, s, n):
            u = x.copy()
            for i in range(n):
                u[i] *= s
                u += 0.1
                s -= 0.01
            return u.sum() * s
        """),
    "AnnAssign": ("staged", """
        def f(x, s, n):
            total: float = 0.0
            for i in range(n):
                total: float = total + x[i]
            return total * s
        """),
    "For": ("staged", """
        def f(x, s, n):
            for k, (a, b) in enumerate(zip(x, reversed(x))):
                if a * b > 5.0:
                    break
                s = s + k * a * b
            else:
                s = s * 2
            return s
        """),
    "AsyncFor": ("refused", """
        def f(x, s, n):
            async def g():
                async for y in x:
                    pass
            import asyncio
            asyncio.run(g())
            return s
        """, "async for"),
    "While": ("staged", """
        def f(x, s, n):
            k = 0
            while s < 40.0 and k < n:
                k += 1
                if x[k - 1] > 1.0:
                    continue
                s = s * 1.5 + x[k - 1]
            return s * k
        """),
    "If": ("staged", """
        def f(x, s, n):
            if s > 2.0:
                t = s
            elif x[0] > 0.1:
                t = x[0] * s
            else:
                t = 0
            return t
        """),
    "With": ("python", """
        def f(x, s, n):
            with np.errstate(all="ignore"):
                for i in range(n):
                    s = s + np.log(x[i])
            return s
        """),
    "AsyncWith": ("refused", """
        def f(x, s, n):
            async def g():
                async with x:
                    pass
            import asyncio
            asyncio.run(g())
            return s
        """, "async"),
    "Match": ("python", """
        def f(x, s, n):
            for mode in ("double", "sum", ("scale", 3.0), {"by": 2.0}, None):
                match mode:
                    case "double":
                        s = s * 2
                    case ("scale", factor):
                        s = s * factor
                    case {"by": b}:
                        s = s + b
                    case None:
                        s = s + 1
                    case str() as name if name != "":
                        s = s + x.sum()
            return s
        """),
    "Match of a staged value": ("refused", """
        def f(x, s, n):
            match s:
                case 1.0:
                    return s
                case _:
                    return s * 2
        """, "Python needs a truth value"),
    "Raise": ("staged", """
        def f(x, s, n):
            if s < 0.0:
                raise ValueError("negative")
            return np.sqrt(s)
        """),
    "Try": ("python", """
        def f(x, s, n):
            try:
                y = {"a": s}["b"]
            except KeyError:
                y = s * 2
            finally:
                s = s + 1
            return y * s
        """),
    "TryStar": ("python", """
        def f(x, s, n):
            try:
                raise ExceptionGroup("group", [KeyError("a")])
            except* KeyError:
                s = s * 3
            return s
        """),
    "Assert": ("staged", """
        def f(x, s, n):
            assert s > 0.0, "s is to be positive"
            assert len(x) == n
            return s * 2
        """),
    "Import": ("python", """
        def f(x, s, n):
            import math
            return math.sin(s)
        """),
    "ImportFrom": ("python", """
        def f(x, s, n):
            from math import cos
            return cos(s)
        """),
    "Global": ("staged", """
        FACTOR = 3.0
        def f(x, s, n):
            global COUNT
            COUNT = n
            return s * FACTOR * COUNT
        """),
    "Nonlocal": ("staged", """
        def f(x, s, n):
            total = 0.0
            def add(y):
                nonlocal total
                total = total + y
            for i in range(n):
                add(x[i])
            return total * s
        """),
    "Expr": ("staged", """
        def f(x, s, n):
            u = np.zeros(n)
            u.fill(s)
            np.add(u, x, out=u)
            return u.sum()
        """),
    "Pass": ("python", """
        def f(x, s, n):
            for i in range(n):
                pass
            return s
        """),
    "Break": ("staged", """
        def f(x, s, n):
            for i in range(n):
                for j in range(i):
                    if x[j] > 1.0:
                        break
                    s = s + x[j]
                if s > 30.0:
                    break
            return s
        """),
    "Continue": ("staged", """
        def f(x, s, n):
            for i in range(n):
                if x[i] < 0.7:
                    continue
                s = s + x[i]
            return s
        """),
    "TypeAlias": ("python", """
        def f(x, s, n):
            type Number = float
            return s * 2
        """),
    # -- expressions
    "BoolOp": ("staged", """
        def f(x, s, n):
            for i in range(n):
                if x[i] > 0.5 and (s < 3.0 or i < 2) and not x[i] > 1.2:
                    s = s + x[i]
            return s
        """),
    "NamedExpr": ("staged", """
        def f(x, s, n):
            if (y := s * 2) > 1.0:
                s = s + y
            return s + y
        """),
    "NamedExpr under a staged condition": ("refused", """
        def f(x, s, n):
            return y if s > 1.0 and (y := s) > 2.0 else s
        """, "known at run time only"),
    "BinOp": ("staged", """
        def f(x, s, n):
            return (s + 2 - n * s / 3 % 2) ** 2 + (x @ x) // 1 + (n & 5 | 2 ^ 1) + (n << 2 >> 1)
        """),
    "UnaryOp": ("staged", """
        def f(x, s, n):
            return -s + +x.sum() + ~n * (not s > 1)
        """),
    "Lambda": ("python", """
        def f(x, s, n):
            g = lambda y, k=2: y ** k if y > 0.5 else y
            return g(s) + g(x[0])
        """),
    "IfExp": ("staged", """
        def f(x, s, n):
            return s * 2 if x[1] > 0.3 else s
        """),
    "Dict": ("python", """
        def f(x, s, n):
            state = {"u": x, **{"v": s}}
            for i in range(n):
                state["v"] = state["v"] + state["u"][i]
            return state["v"]
        """),
    "Set": ("python", """
        def f(x, s, n):
            return s * len({1, 2, 2})
        """),
    "ListComp": ("staged", """
        def f(x, s, n):
            rows = [s * k for k in range(3)]
            return sum(rows) + np.sum([x[i] * 2 for i in range(n)])
        """),
    "SetComp": ("python", """
        def f(x, s, n):
            return s * len({k % 2 for k in range(5)})
        """),
    "DictComp": ("python", """
        def f(x, s, n):
            return {k: s * k for k in range(4)}[3]
        """),
    "GeneratorExp": ("python", """
        def f(x, s, n):
            return sum(s * k for k in range(4) if k != 2)
        """),
    "Await": ("refused", """
        def f(x, s, n):
            async def g():
                return s
            async def h():
                return await g() if s > 1.0 else s
            import asyncio
            return asyncio.run(h())
        """, "known at run time only"),
    "Yield": ("python", """
        def f(x, s, n):
            def g():
                for k in range(3):
                    yield s * k
            return sum(g())
        """),
    "Yield in a staged loop": ("refused", """
        def f(x, s, n):
            def g():
                for k in range(int(s)):
                    yield x[k]
            return sum(g())
        """, "Python needs the items one by one"),
    "YieldFrom": ("python", """
        def f(x, s, n):
            def g():
                yield from [s, 2 * s]
            return sum(g())
        """),
    "Compare": ("staged", """
        def f(x, s, n):
            inside = 0.1 < s <= 5.0 != n
            return s * 2 if inside and n in (3, 12) and s is not None else s
        """),
    "Call": ("staged", """
        def scaled(y, *, by=2.0, **rest):
            return y * by
        def f(x, s, n):
            for i in range(n):
                s = scaled(s, by=x[i]) + scaled(*[s], **{"by": 0.5})
            return s
        """),
    "FormattedValue": ("refused", """
        def f(x, s, n):
            return s * len(f"{s:.2f}")
        """, "Python needs text"),
    "JoinedStr": ("python", """
        def f(x, s, n):
            return {f"k{2}": s}["k2"]
        """),
    "Constant": ("staged", """
        def f(x, s, n):
            return s + 1 + 2.0 + (1j).imag + True
        """),
    "Attribute": ("staged", """
        class State:
            pass
        def f(x, s, n):
            state = State()
            state.u, state.k = s, 0
            for i in range(x.size):
                state.u = state.u + x.T[i]
                state.k += 1
            return state.u * state.k
        """),
    "Subscript": ("staged", """
        def f(x, s, n):
            a = np.outer(x, x)
            for i in range(1, n):
                row = a[i]
                row[i] = row[i - 1] * 2
                s = s + a[i, :i] @ a[i - 1, :i] + x[-1] + x[::2].sum() + x[x > 0.6].sum()
            return s
        """),
    "Starred": ("python", """
        def f(x, s, n):
            first, *rest = (s, 2 * s, 3 * s)
            return sum([*rest, first])
        """),
    "Name": ("staged", """
        SCALE = np.array([1.0, 2.0])
        def f(x, s, n):
            return s * SCALE[1]
        """),
    "List": ("python", """
        def f(x, s, n):
            parts = []
            for k in range(3):
                parts.append(x * k)
            return sum(parts).sum() * s
        """),
    "List that grows in a staged loop": ("refused", """
        def f(x, s, n):
            parts = []
            for k in range(int(s)):
                parts.append(x[k])
            return sum(parts)
        """, "its structure must stay the same"),
    "List of a length that is an argument": ("python", """
        def f(x, s, n):
            parts = []
            for k in range(n):
                parts.append(x[k] * s)
            return sum(parts)
        """),
    "Tuple": ("staged", """
        def f(x, s, n):
            u, v = s, x[0]
            for i in range(n):
                u, v = v, u + v * 0.5
            return u - v
        """),
    "Slice": ("staged", """
        def f(x, s, n):
            for i in range(n):
                s = s + x[:i].sum() - x[i:].sum() * 0.1
            return s
        """),
    "TemplateStr": ("python", """
        def f(x, s, n):
            t"{s}"
            return s
        """),
    "Interpolation": ("python", """
        def f(x, s, n):
            t"{s}"
            return s
        """),
}  # fmt: skip

# Kinds that appear only inside of others, or in no program.
PARTS = {"FunctionType", "Suite", "Index", "ExtSlice"}


def compiled(source: str):
    return load(textwrap.dedent(source))[0]["f"]


def parses(source: str) -> bool:
    try:
        ast.parse(textwrap.dedent(source))
    except SyntaxError:
        return False
    return True


def test_every_kind_is_in_the_table():
    kinds = {
        name
        for name, cls in inspect.getmembers(ast, inspect.isclass)
        if issubclass(cls, (ast.stmt, ast.expr)) and cls not in (ast.stmt, ast.expr)
    }
    deprecated = {"Num", "Str", "Bytes", "NameConstant", "Ellipsis"}
    assert kinds - PARTS - deprecated <= set(TABLE)


@pytest.mark.parametrize("kind", [k for k, row in TABLE.items() if row[0] != "refused"])
@pytest.mark.parametrize("s", [0.8, 3.5])
def test_staged_or_python(kind, s):
    source = TABLE[kind][1]
    if not parses(source):
        pytest.skip("syntax of a later Python")
    f = compiled(source)
    n = len(X)
    want = f(X.copy(), s, n)
    graph = ad.stage(f)(X.copy(), s, n)
    np.testing.assert_allclose(graph(X.copy(), s, n), want, rtol=1e-13)
    if TABLE[kind][0] == "staged":
        assert not graph.unrolled
    if isinstance(want, float | np.floating):
        got = ad.jit(ad.grad(f, (0, 1)))(X.copy(), s, n)
        expected = ad.grad(f, (0, 1))(X.copy(), s, n)
        for g, w in zip(got, expected, strict=True):
            np.testing.assert_allclose(g, w, rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize("kind", [k for k, row in TABLE.items() if row[0] == "refused"])
def test_refused(kind):
    _, source, text = TABLE[kind]
    f = compiled(source)
    with pytest.raises((TracingError, TypeError), match=text):
        ad.stage(f)(X.copy(), 3.5, len(X))


def test_a_raise_on_one_side_of_a_branch_happens_at_run_time():
    f = compiled(TABLE["Raise"][1])
    graph = ad.stage(f)(X, 2.0, 3)
    assert graph(X, 4.0, 3) == 2.0
    with pytest.raises(ValueError, match="negative"):
        graph(X, -1.0, 3)


def test_an_assertion_fails_at_run_time():
    graph = ad.stage(compiled(TABLE["Assert"][1]))(X, 2.0, len(X))
    with pytest.raises(AssertionError, match="s is to be positive"):
        graph(X, -1.0, len(X))
