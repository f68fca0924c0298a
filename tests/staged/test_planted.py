"""Planted mistakes: each is one that staging, a transform or a backend could have; the check sees it.

A mistake is an expression of the source that says something else, and the check one of some small
programs (`small_programs`), with their derivatives, and of a few random ones. That the expression
stands there, once, is part of the test: a mistake that has lost its place has to be planted anew.
"""

# ruff: noqa: E501 (a row of a table is a line)

from __future__ import annotations

import ast
import inspect
import textwrap
from collections.abc import Callable
from functools import reduce
from importlib import import_module
from random import Random
from typing import Any

import numpy as np
import pytest

from adjoint.errors import AdjointError
from adjoint.ops import elementwise as ew
from adjoint.rules.derive import elementwise
from tests.staged.program_checks import arguments, loaded
from tests.staged.random_source import write
from tests.staged.small_programs import SAMPLES, Sample, check, expected

pytestmark = pytest.mark.filterwarnings("ignore")

SEEN = (AssertionError, AdjointError, ValueError, IndexError, TypeError, ZeroDivisionError)
"""What a mistake leads to: wrong numbers, a graph that is not valid, one that does not run."""

Plant = Callable[[pytest.MonkeyPatch], None]


def found(path: str) -> tuple[Any, str]:
    """Return the module or class, and the name in it, of ``module:name``."""
    module, name = path.split(":")
    *outer, last = name.split(".")
    return reduce(getattr, outer, import_module(f"adjoint.{module}")), last


def says(path: str, text: str, instead: str) -> Plant:
    """Plant a function in which one expression is another; text is as `ast.unparse` writes it."""

    def plant(patch: pytest.MonkeyPatch) -> None:
        fn = getattr(*found(path))
        (definition,) = ast.parse(textwrap.dedent(inspect.getsource(fn))).body
        assert isinstance(definition, ast.FunctionDef)
        definition.decorator_list = []
        source = ast.unparse(definition)
        assert source.count(text) == 1, f"{path} does not say {text!r} (once)"
        flags = annotations.compiler_flag
        code = compile(source.replace(text, instead), inspect.getfile(fn), "exec", flags)
        space: dict[str, Any] = {}
        exec(code, fn.__globals__, space)
        # Whoever has the function has the mistake.
        patch.setattr(fn, "__code__", space[fn.__name__].__code__)

    return plant


def holds(path: str, value: Any) -> Plant:
    return lambda patch: patch.setattr(*found(path), value)


def row(op: Any, *maps: Any) -> Plant:
    """Plant another row for an elementwise operation."""

    def plant(patch: pytest.MonkeyPatch) -> None:
        patch.setattr(op, "rule", None)
        elementwise(op, *maps)

    return plant


# What is wrong: the program that sees it first, and how it is planted.
MISTAKES: dict[str, tuple[str, Plant]] = {
    # -- reverse mode
    "the cotangent after a loop replaces that of its initial value": ("triangle", says("transforms.loop_reverse:_Loop._hand_on", "add_cotangent(bars, owned, tape, Handed(ct))", "bars[tape] = ct")),
    "accumulators begin a loop with zero": ("triangle", says("transforms.loop_reverse:_Loop._starts", "if held is None", "if True")),
    "what the loop carries has no cotangent at its end": ("triangle", says("transforms.loop_reverse:_joint", "if result is not None", "if False")),
    "the passes are reversed first to last": ("triangle", says("transforms.loop_reverse:_backwards", "hi - 1, lo - 1, -1", "lo, hi, 1")),
    "the last pass of a range with a stride is missed": ("backwards", says("transforms.loop_reverse:_backwards", "span + (abs(step) - 1)", "span + (abs(step) - 2)")),
    "passes of a range backwards are numbered forwards": ("backwards", says("transforms.loop_reverse:_number", "first - index if step == -1", "index - first if step == -1")),
    "stacks are read in the wrong order": ("triangle", says("transforms.loop_reverse:replay_for", "lambda i: _number(i, first, size)", "lambda i: _integer(hi) - 1 - i")),
    "a while has one pass more than it had": ("until", says("transforms.loop_reverse:replay_while", "number + 1", "number + 2")),
    "the first pass of a while is not reversed": ("until", says("transforms.loop_reverse:replay_while", "-1, -1), lambda", "0, -1), lambda")),
    "activity is not followed around a loop": ("delayed", says("transforms.replay:active_results", "more <= on", "True")),
    "the other side of a branch is reversed": ("branches", says("transforms.branch_reverse:replay_if", "zip(sides, kept, strict=True)", "zip(sides[::-1], kept[::-1], strict=True)")),
    "the cotangent of what a branch changes is not added": ("branches", says("transforms.branch_reverse:replay_if", "add_cotangent(bars, owned, tape, Handed(acc))", "bars[tape] = acc")),
    "a branch begins with accumulators of zero": ("branches", says("transforms.branch_reverse:replay_if", "if held is not None", "if False")),
    "a residual is not kept": ("triangle", says("transforms.residuals:choose", "[v for v in used if v not in redone]", "[v for v in used if v not in redone][1:]")),
    "what is computed again is not what it needs": ("overwritten", says("transforms.residuals:_redone", "network.edge(outer[u], inner[v], _INFINITE)", "None")),
    "carried values are taken to be there in the reverse sweep": ("triangle", says("transforms.joint:part", "*outer - shared.keys()", "*block.parameters, *outer - shared.keys()")),
    "an update's cotangent is not cleared": ("overwritten", says("rules.indexing:_update_vjp", "ix.overwrite(ct, path, 0)", "None")),
    "an update's value has no cotangent": ("overwritten", says("rules.indexing:_update_vjp", "value_bar = _part(ct, path)", "pass")),
    "an entry of a stack has the cotangent of another": ("backwards", says("transforms.stacks:_pull_push", "entry_of(ct, _index(node)", "entry_of(ct, 0")),
    "a slot that is used again keeps its cotangent": ("looped", says("transforms.stacks:_pull_push", "node.params.get('replaces')", "False")),
    "a recursive call has the cotangent of a result only": ("recursive", says("transforms.calls:replay_call", "Handed(ct)", "Handed(0.5 * ct)")),
    "a function's pullback for some arguments is taken for others": ("recursive", says("transforms.calls:pulled", "known.get(('pull', active))", "next(iter(known.values()), None)")),
    "the items of a comprehension have each other's cotangents": ("listed", says("transforms.map_reverse:entry_of_map", "Dim(0, ((index, 1),))", "Dim(1, ((index, -1),))")),
    "a comprehension begins with accumulators of zero": ("listed", says("transforms.map_reverse:replay_map", "if held is not None", "if False")),
    # -- forward mode, rules
    "tangents begin a loop with zero": ("triangle", says("transforms.push:_starts", "push.dots.get(inits[k])", "None")),
    "a partial off by a sign": ("triangle", row(ew.cos, lambda t, x: t * np.sin(x))),
    "a store of a constant leaves the tangent that was there": ("stores", says("rules.indexing:_update_jvp", "ix.overwrite(x_dot, path, 0 if value_dot is None else value_dot)", "value_dot is None or ix.overwrite(x_dot, path, value_dot)")),
    "the sides of a branch give each other's tangents": ("branches", says("transforms.push:_push_if", "tuple(blocks)", "tuple(blocks[::-1])")),
    # -- few states kept of a loop
    "the schedule is one step short": ("looped", says("transforms.plans:_begin_stretch", "max(trips, 0) + 1", "max(trips, 0)")),
    "a stretch begins one step late": ("looped", says("transforms.plans:_divide_stretch", "start + ahead, steps", "start + ahead + 1, steps")),
    "a state is kept in the wrong slot": ("looped", says("transforms.plans:_continue_sweep", "slot = kept[place, 2]", "slot = kept[0, 2]")),
    # -- vmap
    "a scan runs along the axis of examples": ("examples", says("transforms.batch.reduction:_axis", "o.rank(k) + 1", "o.rank(k)")),
    "a reduction is one of the wrong axis": ("examples", says("transforms.batch.reduction:_reduction", "a + 1 for a", "a for a")),
    "a check of all examples is one of any": ("refused", says("transforms.batch.elementwise:_everywhere", "np.all", "np.any")),
    # -- simplification
    "what is left out has an effect": ("speaking", says("transforms.simplify.dead:Liveness._survey", "op in STAYS", "False")),
    "what a loop carries for a result is left out": ("delayed", says("transforms.simplify.dead:Liveness._mark_part", "blocks[0].results[k]))", "blocks[0].parameters[1 + k]))")),
    "what depends on the pass is moved out of the loop": ("triangle", says("transforms.simplify.invariant:_Motion.may_leave", "for v in node.inputs", "for v in ()")),
    "what may fail is moved out of the loop": ("short", says("transforms.simplify.invariant:_Motion.may_leave", "is_total(node, self.integers)", "True")),
    "rows are read where all are needed": ("few", says("transforms.simplify.gathers:_Moving.refused", "asked is None", "False")),
    "a set of rows is taken for another": ("few", says("transforms.simplify.gathers:_Moving.rewrite", "part_of.get((x, rows))", "next((v for (y, _), v in part_of.items() if y is x), None)")),
    "a number of a tuple is the one before": ("few", says("staging.chosen:chosen", "array[index]", "array[index - 1]")),
    "a store of the same pass is forgotten": ("rows", says("transforms.simplify.rereading:_Nest._lasts", "store is version or after < before", "True")),
    "a store of a later pass is forgotten": ("rows", says("transforms.simplify.rereading:_Nest._lasts", "range(len(loops))", "range(0)")),
    "later passes of inner loops alone are looked at": ("rows", says("transforms.simplify.rereading:_Nest._lasts", "range(len(loops))", "range(len(loops) - 1, len(loops))")),
    "a pass is taken for the one before": ("rows", says("transforms.simplify.rereading:_Nest._solved", "self.integers.of(taken)", "difference(self.integers.of(taken), 1)")),
    "touching slices are taken for apart": ("rows", says("transforms.simplify.places:_interval", "add(integers.of(x), 1)", "x")),
    "a store in between is not looked at": ("stores", says("transforms.simplify.forwarding:_load", "not apart(walk.integers, index, other)", "same(walk.integers, index, other)")),
    "the first index is taken for another than the last": ("stores", says("transforms.simplify.places:apart", "(x < 0) == (y < 0)", "True")),
    "x - y and y - x are the same": ("stores", holds("transforms.simplify.common:_COMMUTATIVE", frozenset({ew.add, ew.multiply, ew.subtract}))),
    "two draws are the same": ("speaking", holds("transforms.simplify.common:APART", frozenset())),
    "what is known in one block is known after it": ("branches", says("transforms.simplify.rewriting:Rewriter.block", "del self.known[key]", "pass")),
    "carried values that begin alike are the same": ("delayed", says("transforms.simplify.carried:_twins", "len(parted) == len(classes)", "True")),
    "what begins as zero stays zero": ("delayed", says("transforms.simplify.zeros:_zero_results", "left == found", "True")),
    "zero times infinity is zero": ("infinite", says("transforms.simplify.zeros:_vanishes", "zero(y) and is_finite(x)", "zero(y)")),
    "x - (-y) is x - y": ("stores", says("transforms.simplify.algebra:_subtract", "walk.emit(ew.add, (x, y.inputs[0])", "walk.emit(ew.subtract, (x, y.inputs[0])")),
    "two passes are one": ("short", says("transforms.simplify.constants:_for", "trips > 1 or", "trips > 2 or")),
    "a loop has two passes if it has one": ("short", says("transforms.simplify.integers:Integers.note_passes", "else span, -1)", "else span, -2)")),
    # -- memory
    "every update is in place": ("results", says("transforms.sharing:Sharing.in_use", "return frozenset(used)", "return frozenset()")),
    "carried values share nothing": ("results", says("transforms.carried:Carried.pair", "return len(self.pairs) > before", "self.pairs.clear()")),
    "results are written over operands that are needed": ("overwritten", says("transforms.ownership:_Analysis._reuse", "not self.sharing.in_use(memory.own, scope)", "True")),
    "a called function changes what the caller needs": ("recursive", says("transforms.ownership:_Analysis._call", "not sharing.in_use(memories[k], scope)", "True")),
    "results share memory": ("results", says("transforms.ownership:_Analysis._shared", "shared.add(k)", "pass")),
    "what the next pass reads is dead": ("overwritten", says("transforms.lifetimes:Lifetimes._visit", "home.get(whole(key)) is not block", "False")),
    "values are moved one after the other": ("swapped", says("backends.prepare:Preparation._moves", "[f[i] for i in sources]", "(f[i] for i in sources)")),
    # -- staging
    "an integer that becomes a float stays one": ("short", says("staging.state:join", "kinds.index(a.dtype.kind) >= kinds.index(b.dtype.kind)", "True")),
    "the index of a loop does not reach the end": ("branches", says("staging.loops:ForLoop._bound_index", "items.hi - 1", "items.hi - 2")),
    "what an object holds is not carried": ("held", says("staging.carry:Carry._settle", "self.places[location.key] = Place(None, location)", "continue")),
    "the sides of a branch bind each other's values": ("branches", says("staging.merging:Merger._result", "self.columns[k].append(value)", "self.columns[1 - k].append(value)")),
    "globals are constants": ("held", says("staging.outside:captured", "kind is float or", "")),
}  # fmt: skip

NOT_COMPILED = {
    "carried values share nothing",
    "results are written over operands that are needed",
    "a called function changes what the caller needs",
    "results share memory",
}
"""Mistakes about what shares memory that only the interpreter can make of these programs: compiled code
keeps the small arrays of theirs in registers, and results in memory of their own. What it makes of ownership
itself has planted mistakes of its own (`tests/backends/llvm/test_lower_planted.py`)."""


def random_sample(seed: int) -> Sample:
    program = write(Random(seed))
    calls = tuple(tuple(arguments(program, seed + more)) for more in (0, 5))
    return Sample(loaded(program)[0], calls)


RANDOM = (22, 32, 63, 77, 83)
PROGRAMS = SAMPLES | {f"random {seed}": random_sample(seed) for seed in RANDOM}


@pytest.fixture(scope="module")
def wanted() -> dict[str, Any]:
    """What the programs are to give, found out before any mistake is planted."""
    return {name: expected(sample) for name, sample in PROGRAMS.items()}


@pytest.mark.parametrize("name", PROGRAMS)
def test_programs_are_right_without_a_mistake(name, wanted):
    check(PROGRAMS[name], wanted[name])


@pytest.mark.parametrize("name", MISTAKES)
def test_mistake_is_seen(name, wanted, monkeypatch, compiling):
    if compiling and name in NOT_COMPILED:
        pytest.skip("compiled code does not share this memory: see NOT_COMPILED")
    first, plant = MISTAKES[name]
    plant(monkeypatch)
    with pytest.raises(SEEN):
        for program in (first, *[other for other in PROGRAMS if other != first]):
            check(PROGRAMS[program], wanted[program])
