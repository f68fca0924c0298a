"""Thousands of functions that others wrote: all are found, and compile in their own places."""

import importlib
import types

import pytest

from adjoint.frontend import rewrite, why_not_rewritten

MODULES = """
argparse asyncio.base_events asyncio.streams asyncio.tasks configparser contextlib dataclasses
difflib doctest email.message enum fractions functools inspect logging pathlib pickle _pydecimal
random statistics string tarfile textwrap tokenize typing unittest.mock weakref
numpy.lib._function_base_impl numpy.linalg._linalg numpy.polynomial.polynomial
scipy.integrate._ivp.base scipy.optimize._optimize
""".split()


def functions(module):
    for value in list(vars(module).values()):
        members = list(vars(value).values()) if isinstance(value, type) else [value]
        for member in members:
            member = getattr(member, "fget", getattr(member, "__func__", member))
            if isinstance(member, types.FunctionType):
                yield member


def lines(code):
    return {line for *_, line in code.co_lines()}


@pytest.mark.parametrize("name", MODULES)
def test_library_functions_compile_in_place(name):
    found = 0
    for fn in functions(importlib.import_module(name)):
        reason = why_not_rewritten(fn)
        if reason is not None:
            assert "not available" in reason, reason  # namedtuples, frozen modules
            continue
        new, old = rewrite(fn).__code__, fn.__code__
        for attribute in (
            "co_name", "co_qualname", "co_firstlineno", "co_varnames", "co_freevars",
            "co_cellvars", "co_flags", "co_filename",
        ):  # fmt: skip
            assert getattr(new, attribute) == getattr(old, attribute), fn
        assert lines(new) == lines(old), fn
        found += 1
    assert found
