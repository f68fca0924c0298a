"""Which updates happen in place, and what is copied where they cannot."""

import numpy as np
import pytest

import adjoint  # noqa: F401  (declares the operations)
from adjoint.backends.interpret import count, run
from adjoint.ir.graph import walk
from adjoint.ir.parse import parse
from adjoint.ops.plain import lookup
from adjoint.transforms.ownership import analyse, copies

HEAD = "function f(%n: int, %x: float64[4], %y: float64[4], %s: float64, %t: stack<float64[4]>) {"


def function(body, *others):
    return parse("\n".join([HEAD, body, "}", *others]), lookup)[0]


def table(f):
    """Return, in order, which updates are in place."""
    found = analyse(f).in_place
    return [found[node] for node in walk(f.block) if node in found]


def where(f):
    return [copy.what for copy in copies(f)]


def agree(f, n=3):
    """Run with and without updates in place; return the counts of the former."""
    from adjoint.ops.control import Stack

    make = lambda: [
        n, np.arange(4.0), np.arange(4.0) + 10, np.float64(2), Stack([np.ones(4), np.ones(4)])
    ]  # fmt: skip
    args, same = make(), make()
    for x, y in zip(run(f, args), run(f, make(), in_place=False), strict=True):
        if not isinstance(x, Stack):
            np.testing.assert_array_equal(x, y)
            assert type(x) is type(y)
            assert not any(np.shares_memory(x, a) for a in args[1:3])
    for x, y in zip(args[:4], same, strict=False):
        np.testing.assert_array_equal(x, y)
    return count(f, make())


ZEROS = "%z: float64[4] = full(shape=(4,), value=0, dtype=float64)"
STORE = 'update({0}, %s, path=(("index", %i),))'


def loop(body, carry="%u: float64[4] = %z", results="%r: float64[4]", gives="%v"):
    return f"""
        {ZEROS}
        {results} = for %i in range(0, %n, 1) carrying ({carry}) {{
            {body}
            yield {gives}
        }}
    """


def test_a_fresh_array_is_filled_in_place():
    f = function(loop(f"%v: float64[4] = {STORE.format('%u')}") + "return %r")
    assert table(f) == [True]
    assert where(f) == []
    assert agree(f).copied == 0


def test_an_argument_is_copied_once_before_the_loop():
    f = function(
        loop(f"%v: float64[4] = {STORE.format('%u')}", "%u: float64[4] = %x") + "return %r"
    )
    assert table(f) == [True]
    assert where(f) == []  # the copy is not in the loop
    assert agree(f).copied == 32


def test_the_copy_is_made_at_the_outermost_loop():
    f = function(f"""
        %r: float64[4] = for %j in range(0, %n, 1) carrying (%u: float64[4] = %x) {{
            %w: float64[4] = for %i in range(0, %n, 1) carrying (%v: float64[4] = %u) {{
                %a: float64[4] = {STORE.format("%v")}
                yield %a
            }}
            %q: float64[4] = for %i in range(0, %n, 1) carrying (%v: float64[4] = %w) {{
                %a: float64[4] = {STORE.format("%v")}
                yield %a
            }}
            yield %q
        }}
        return %r
    """)
    assert where(f) == []
    assert agree(f).copied == 32


def test_an_argument_is_copied_by_the_first_update_outside_of_loops():
    f = function("""
        %a: float64[4] = update(%x, %s, path=(("index", 0),))
        %b: float64[4] = index_add(%a, %s, path=(("index", 1),))
        return %b
    """)
    assert table(f) == [False, True]
    assert agree(f).copied == 32


def test_swapping_costs_nothing():
    f = function(f"""
        {ZEROS}
        %z2: float64[4] = full(shape=(4,), value=1.0, dtype=float64)
        %a: float64[4], %b: float64[4] = for %i in range(0, %n, 1)
                carrying (%u: float64[4] = %z, %v: float64[4] = %z2) {{
            %w: float64[4] = {STORE.format("%u")}
            yield %v, %w
        }}
        return %a, %b
    """)
    assert table(f) == [True]
    assert agree(f).copied == 0


def test_swapping_arguments_copies_each_once():
    f = function(f"""
        %a: float64[4], %b: float64[4] = for %i in range(0, %n, 1)
                carrying (%u: float64[4] = %x, %v: float64[4] = %y) {{
            %w: float64[4] = {STORE.format("%u")}
            yield %v, %w
        }}
        return %a, %b
    """)
    assert table(f) == [True]
    assert where(f) == []
    assert agree(f).copied == 64


def test_two_carried_values_that_begin_as_one_array():
    f = function(f"""
        {ZEROS}
        %a: float64[4], %b: float64[4] = for %i in range(0, %n, 1)
                carrying (%u: float64[4] = %z, %v: float64[4] = %z) {{
            %w: float64[4] = {STORE.format("%u")}
            yield %v, %w
        }}
        return %a, %b
    """)
    assert table(f) == [True]
    assert where(f) == []
    assert agree(f).copied in (32, 64)


def test_the_same_array_for_two_carried_values():
    f = function(f"""
        {ZEROS}
        %z2: float64[4] = full(shape=(4,), value=1.0, dtype=float64)
        %a: float64[4], %b: float64[4] = for %i in range(0, %n, 1)
                carrying (%u: float64[4] = %z, %v: float64[4] = %z2) {{
            %w: float64[4] = {STORE.format("%u")}
            %q: float64[4] = add(%w, %v)
            yield %q, %q
        }}
        return %a, %b
    """)
    assert table(f) == [True]
    assert where(f) == ["back edge"]
    agree(f)


def test_the_last_two_versions():
    # What is carried as the previous array is the one that would be changed.
    f = function(f"""
        {ZEROS}
        %z2: float64[4] = full(shape=(4,), value=1.0, dtype=float64)
        %a: float64[4], %b: float64[4] = for %i in range(0, %n, 1)
                carrying (%u: float64[4] = %z, %v: float64[4] = %z2) {{
            %w: float64[4] = {STORE.format("%u")}
            yield %w, %u
        }}
        return %a, %b
    """)
    assert table(f) == [False]
    assert where(f) == ["update"]
    agree(f)


def test_a_captured_array_that_becomes_the_carried_value():
    f = function(loop(f"%v: float64[4] = {STORE.format('%u')}", gives="%y") + "return %r")
    assert table(f) == [True]
    assert where(f) == ["back edge"]
    agree(f)


def test_an_array_that_is_read_after_the_loop():
    f = function(
        loop(f"%v: float64[4] = {STORE.format('%u')}") + "%q: float64[4] = add(%r, %z)\n return %q"
    )
    assert table(f) == [True]
    assert agree(f).copied == 32


def test_an_array_that_the_loop_reads():
    body = f"""
        %v0: float64[4] = {STORE.format("%u")}
        %e: float64 = getitem(%z, index=%i)
        %v: float64[4] = update(%v0, %e, path=(("index", 0),))
    """
    f = function(loop(body) + "return %r")
    assert table(f) == [True, True]
    assert agree(f).copied == 32


def test_a_captured_array_is_changed_in_every_iteration_anew():
    f = function(
        "%y2: float64[4] = add(%y, %y)"
        + loop(f"%v: float64[4] = {STORE.format('%y2')}")
        + "return %r"
    )
    assert table(f) == [False]
    assert where(f) == ["update"]
    agree(f)


def test_an_array_that_is_read_later():
    f = function(f"""
        {ZEROS}
        %a: float64[4] = update(%z, %s, path=(("index", 0),))
        %b: float64[4] = add(%a, %z)
        return %b
    """)
    assert table(f) == [False]
    agree(f)


def test_a_view_that_is_read_later_is_copied_when_it_is_made():
    f = function(f"""
        {ZEROS}
        %view: float64[2] = getitem(%z, index=:2)
        %a: float64[4] = update(%z, %s, path=(("index", 0),))
        %b: float64[2] = cumsum(%view, axis=0)
        return %a, %b
    """)
    assert table(f) == [True]
    assert len(analyse(f).detached) == 1
    assert agree(f).allocated == 32 + 16 + 16


def test_a_view_that_comes_out_of_a_branch_and_is_kept():
    f = function(f"""
        {ZEROS}
        %k: stack<float64[2]> = empty_stack()
        %r: float64[4], %q: stack<float64[2]> = for %i in range(0, %n, 1)
                carrying (%u: float64[4] = %z, %h: stack<float64[2]> = %k) {{
            %p: bool = greater(%i, 0)
            %w: float64[2] = if %p {{
                %w: float64[2] = getitem(%u, index=:2)
                yield %w
            }} else {{
                %w: float64[2] = full(shape=(2,), value=1.0, dtype=float64)
                yield %w
            }}
            %v: float64[4] = {STORE.format("%u")}
            %g: stack<float64[2]> = push(%h, %w, index=%i)
            yield %v, %g
        }}
        %e: float64[2] = entry(%q, index=1, type: float64[2])
        return %e, %r
    """)
    assert table(f) == [True, True]
    assert where(f) == []
    assert agree(f).allocated == 32 + 3 * (16 + 8)


def test_a_view_that_is_not_read_again():
    f = function(f"""
        {ZEROS}
        %view: float64[4] = getitem(%z, index=::-1)
        %e: float64 = getitem(%view, index=0)
        %a: float64[4] = update(%z, %e, path=(("index", 0),))
        return %a
    """)
    assert table(f) == [True]
    assert not analyse(f).detached
    agree(f)


def test_a_store_of_a_view_of_the_same_array():
    f = function(f"""
        {ZEROS}
        %a: float64[4] = update(%z, %s, path=(("index", 0),))
        %view: float64[4] = getitem(%a, index=::-1)
        %b: float64[4] = update(%a, %view, path=(("index", :),))
        return %b
    """)
    assert table(f) == [True, True]
    assert agree(f).copied == 0


def test_a_store_through_a_mask_of_a_view_of_the_same_array():
    # NumPy copies what overlaps, save here.
    f = function("""
        %z: float64[4] = add(%x, %y)
        %m: bool[4] = less(%x, %y)
        %view: float64[4] = getitem(%z, index=::-1)
        %b: float64[4] = update(%z, %view, path=(("index", %m),))
        return %b
    """)
    assert table(f) == [True]
    assert len(analyse(f).apart) == 1
    agree(f)


def test_read_only_views_are_copied():
    f = function("""
        %w: float64[4] = broadcast_to(%s, shape=(4,))
        %a: float64[4] = update(%w, %s, path=(("index", 0),))
        return %a
    """)
    assert table(f) == [False]
    agree(f)


def test_branches():
    f = function(
        loop(f"""
            %e: float64 = getitem(%x, index=%i)
            %p: bool_ = greater(%e, 1.0)
            %v: float64[4] = if %p {{
                %w: float64[4] = {STORE.format("%u")}
                yield %w
            }} else {{
                yield %u
            }}
        """)
        + "return %r"
    )
    assert table(f) == [True]
    assert where(f) == []
    assert agree(f).copied == 0


def test_an_array_that_is_read_after_the_branch():
    f = function(f"""
        {ZEROS}
        %p: bool_ = greater(%s, 1.0)
        %v: float64[4] = if %p {{
            %w: float64[4] = update(%z, %s, path=(("index", 0),))
            yield %w
        }} else {{
            yield %z
        }}
        %q: float64[4] = add(%v, %z)
        return %q
    """)
    assert table(f) == [False]
    agree(f)


def test_while():
    f = function(f"""
        {ZEROS}
        %k: int, %r: float64[4] = while carrying (%i: int = 0, %u: float64[4] = %z) {{
            %e: float64 = getitem(%u, index=0)
            %c: bool_ = less(%e, 5.0)
            yield %c
        }} do (%i: int, %u: float64[4]) {{
            %w: float64[4] = index_add(%u, %s, path=(("index", 0),))
            %j: int = add(%i, 1)
            yield %j, %w
        }}
        return %r
    """)
    assert table(f) == [True]
    assert agree(f).copied == 0


KEEP = """
    {zeros}
    %k: stack<float64[{m}]> = empty_stack()
    %r: float64[4], %q: stack<float64[{m}]> = for %i in range(0, %n, 1)
            carrying (%u: float64[4] = %z, %h: stack<float64[{m}]> = %k) {{
        {body}
        yield %v, %g
    }}
    %e: float64[{m}] = entry(%q, index=1, type: float64[{m}])
    %b: float64[{m}] = add(%e, %e)
    return %b, %r
"""


@pytest.mark.parametrize("early", [True, False])
def test_every_version_that_a_stack_keeps_is_copied(early):
    lines = [
        f"%g: stack<float64[4]> = push(%h, {'%u' if early else '%v'}, index=%i)",
        f"%v: float64[4] = {STORE.format('%u')}",
    ]
    f = function(KEEP.format(zeros=ZEROS, m=4, body="\n".join(lines if early else lines[::-1])))
    assert table(f) == [True, True]
    assert where(f) == ["keep"]
    c = agree(f)
    assert c.copied == 0 and c.allocated == 32 + 3 * (32 + 8)


def test_of_an_array_that_changes_a_stack_keeps_copies_of_parts():
    body = f"""
        %w: float64[2] = getitem(%u, index=:2)
        %g: stack<float64[2]> = push(%h, %w, index=%i)
        %v: float64[4] = {STORE.format("%u")}
    """
    f = function(KEEP.format(zeros=ZEROS, m=2, body=body))
    assert table(f) == [True, True]
    assert where(f) == []
    assert agree(f).allocated == 32 + 3 * (16 + 8)


def test_a_stack_does_not_keep_an_array_alive_for_a_part_of_it():
    body = """
        %v: float64[4] = cumsum(%u, axis=0)
        %w: float64[1] = getitem(%v, index=:1)
        %g: stack<float64[1]> = push(%h, %w, index=%i)
    """
    f = function(KEEP.format(zeros=ZEROS, m=1, body=body))
    assert (
        count(f, [100, np.arange(4.0), np.arange(4.0), np.float64(2), None]).peak < 100 * 16 + 150
    )


def test_what_does_not_change_is_kept_without_a_copy():
    body = """
        %v: float64[4] = cumsum(%u, axis=0)
        %g: stack<float64[4]> = push(%h, %v, index=%i)
    """
    f = function(KEEP.format(zeros=ZEROS, m=4, body=body))
    assert not analyse(f).kept
    agree(f)


def test_entries_share_memory_with_their_stack():
    f = function(f"""
        {ZEROS}
        %k: stack<float64[4]> = empty_stack()
        %g: stack<float64[4]> = push(%k, %z, index=0)
        %a: float64[4] = entry(%g, index=0, type: float64[4])
        %b: float64[4] = update(%a, %s, path=(("index", 0),))
        %c: float64[4] = entry(%g, index=0, type: float64[4])
        %d: float64[4] = update(%c, %s, path=(("index", 1),))
        %q: float64[4] = add(%b, %d)
        return %q
    """)
    assert table(f) == [True, False, True]
    agree(f)


def test_accumulators_are_added_to_in_place():
    f = function(loop("%v: float64[4] = add(%u, %x)") + "return %r")
    (node,) = analyse(f).reused
    assert node.op.name == "add"
    assert agree(f, 50).allocated == 32


def test_an_accumulator_that_is_an_argument_is_not():
    f = function(loop("%v: float64[4] = add(%u, %x)", "%u: float64[4] = %y") + "return %r")
    assert not analyse(f).reused
    agree(f)


def test_independent_iterations():
    f = function(f"""
        {ZEROS}
        %r: float64[?,4] = map %i in range(%n) {{
            %w: float64[4] = {STORE.format("%z")}
            %v: float64[4] = {STORE.format("%w")}
            yield %v
        }}
        return %r
    """)
    assert table(f) == [False, True]
    assert where(f) == ["update"]
    agree(f)


def test_a_called_function_changes_what_it_is_handed():
    callee = """
        function g(%u: float64[4], %v: float64[4]) {
            %a: float64[4] = update(%u, 1.0, path=(("index", 0),))
            return %a
        }
    """
    f = function(
        f"""
        {ZEROS}
        %r: float64[4] = call g(%z, %x)
        %q: float64[4] = call g(%x, %r)
        %k: float64[4] = call g(%r, %r)
        %h: float64[4] = add(%q, %k)
        return %h
        """,
        callee,
    )
    found = analyse(f).handed
    handed = [found[node] for node in walk(f.block) if node in found]
    assert handed == [{0}, frozenset(), frozenset()]
    assert agree(f).copied == 64


def test_copies_in_called_functions_count_where_they_are_called_in_a_loop():
    callee = """
        function g(%u: float64[4]) {
            %a: float64[4] = update(%u, 1.0, path=(("index", 0),))
            return %a
        }
    """
    f = function(loop("%v: float64[4] = call g(%x)") + "return %r", callee)
    assert where(f) == ["update"]
    f = function(loop("%v: float64[4] = call g(%u)") + "return %r", callee)
    assert where(f) == []


def test_results_share_no_memory():
    f = function(f"""
        {ZEROS}
        %view: float64[4] = getitem(%z, index=::-1)
        return %z, %z, %view, %x, %t
    """)
    assert analyse(f).results == {1, 2, 3, 4}
    agree(f)


def test_copies_are_described():
    f = function(loop(f"%v: float64[4] = {STORE.format('%y')}") + "return %r")
    (copy,) = copies(f)
    assert str(copy) == "update: update"
    copy.value.place = ("model.py", 12)
    assert str(copy) == "update: update at model.py:12"
