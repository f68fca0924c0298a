"""The verifier: valid graphs pass, and every kind of mistake is found and named."""

from __future__ import annotations

import random

import numpy as np
import pytest

from adjoint.errors import AdjointError, IRError
from adjoint.ir.agreement import accepts, contradicts, same_type
from adjoint.ir.core import Node
from adjoint.ir.dims import Dim
from adjoint.ir.graph import Function, Value, walk
from adjoint.ir.text import text
from adjoint.ir.types import StackType, Type
from adjoint.ir.verify import verify
from adjoint.ops.plain import lookup
from adjoint.ops.text import parse_function
from tests.ir.graphs import BOOL, F64, FLOAT, INT, SCALAR, Body, Graphs, array


def refused(function: Function, message: str, infer=None) -> None:
    with pytest.raises(IRError) as caught:
        verify(function, infer)
    assert message in str(caught.value), str(caught.value)


# -- signatures and types, planted in the text -----------------------------------------------------

HEAD = "function f(%n: int, %m: int, %x: float64[%n], %s: float64, %p: bool, %k: stack<float64>) {"
G = "function g(%n: int, %x: float64[%n]) { %y: float64[?] = sin(%x) return %x, %n, %y }"

VALID = [
    "%0: float64[?] = for %i in range(0, %n, 1) carrying (%u: float64[?] = %x) { yield %u }",
    "%0: float64[%n] = if %p { yield %x } else { yield %x }",
    "%0: float64[?, ?] = map %i in range(3) { yield %x }",
    "%0: float64[3, %n] = map %i in range(3) { yield %x }",
    "%0: float64[%n], %1: int, %2: float64[?] = call g(%n, %x)",
    "for %i: int32 in range(int8(0), uint64(3), 1) { yield }",
    "%0: int, %1: float64[?] = while carrying (%j: int = %n, %u: float64[%j] = %x) { yield True } "
    "do (%j: int, %u: float64[%j]) { %v: float64[3] = sin(%u) yield 3, %v }",
]

INVALID = {
    # for
    "for %i in range(0, 2.0, 1) { yield }": "the stop 2.0 is no integer, but float",
    "for %i in range(%x, 2, 1) { yield }": "the start %x is no integer, but float64[%n]",
    "for %i in range(0, 2, True) { yield }": "the step True is no integer, but bool",
    "for %i: float in range(0, 2, 1) { yield }": "the index %i is no integer, but float",
    "for(0, 2, 1) (%i: int, %j: int) { yield }": "the body has 2 parameters, not 1",
    "for(0, 2) (%i: int) { yield }": "for takes (lo, hi, step, *inits)",
    "for(0, 2, 1)": "it has 0 blocks, not 1",
    "for %i in range(0, 2, 1) { yield 1 }": "result of the body: 1, but its next turn takes 0",
    "%0: int = for %i in range(0, 2, 1) { yield }": "the body gives 0 results of 1",
    "for %i in range(0, 2, 1) carrying (%a: int = 0) { yield %a }": "the body gives 1 results of 0",
    "%0: int = for %i in range(0, 2, 1) carrying (%a: int = 0.0) { yield %a }": (
        "initial value 0.0: float, but the body takes %a: int"
    ),
    "%0: int = for %i in range(0, 2, 1) carrying (%a: int = 0) { yield %s }": (
        "result of the body %s: float64, but its next turn takes %a: int"
    ),
    "%0: float = for %i in range(0, 2, 1) carrying (%a: int = 0) { yield %a }": (
        "result 0 is float, but the body gives int"
    ),
    "%0: float64[%n + 1] = for %i in range(0, 2, 1) "
    "carrying (%a: float64[%n + 1] = %x) { yield %a }": (
        "initial value %x: float64[%n], but the body takes %a: float64[%n + 1]"
    ),
    "%0: float64[%n] = for %i in range(0, 2, 1) carrying (%a: float64[?] = %x) { yield %a }": (
        "result 0 is float64[%n], but the body gives float64[?]"
    ),
    "%0: float64 = for %i in range(0, 2, 1) carrying (%a: float64 = 0.0) { yield %a }": (
        "initial value 0.0: float, but the body takes %a: float64"
    ),
    "%0: stack<float64> = for %i in range(0, 2, 1) carrying (%a: stack<float64> = %k) "
    "{ %b: stack<float32> = sin(%a) yield %b }": (
        "result of the body %b: stack<float32>, but its next turn takes %a: stack<float64>"
    ),
    # while
    "while { yield } do { yield }": "the condition's result is not one bool",
    "while { yield 1 } do { yield }": "the condition's result is not one bool",
    "while { yield True, True } do { yield }": "the condition's result is not one bool",
    "while() { yield True }": "it has 1 blocks, not 2",
    "%0: int = while carrying (%a: int = 0) { yield True } do { yield 1 }": (
        "the body has 0 parameters, not 1"
    ),
    "%0: int = while carrying (%a: int = 0) { yield True } do (%b: float) { yield 1 }": (
        "initial value 0: int, but the body takes %b: float"
    ),
    "%0: int = while carrying (%a: float = 0) { yield True } do (%b: int) { yield 1 }": (
        "initial value 0: int, but the condition takes %a: float"
    ),
    "%0: int = while carrying (%a: int = 0) { yield True } do (%b: int) { yield 1.0 }": (
        "result of the body 1.0: float, but the condition takes %a: int"
    ),
    "%0: bool = while carrying (%a: int = 0) { yield True } do (%b: int) { yield 1 }": (
        "result 0 is bool, but the condition gives int"
    ),
    # if
    "if %n { yield } else { yield }": "the predicate %n is not one bool, but int",
    "if(%p) { yield }": "it has 1 blocks, not 2",
    "if(%p) (%a: int) { yield } { yield }": "the branch taken has 1 parameters, not 0",
    "if(%p, %p) { yield } { yield }": "if takes (predicate)",
    "%0: int = if %p { yield 1 } else { yield }": "the other branch gives 0 results of 1",
    "%0: int = if %p { yield 1.0 } else { yield 1 }": "result 0 is int, but the branch taken gives",
    "%0: float64[%n] = if %p { yield %x } else { %1: float64[?] = sin(%x) yield %1 }": (
        "result 0 is float64[%n], but the other branch gives float64[?]"
    ),
    # map
    "map %i in range(2.0) { yield }": "the count 2.0 is no integer, but float",
    "%0: float64[%n] = map %i in range(%n) { yield %x }": (
        "result 0 is float64[%n], but the body gives float64[%n, %n]"
    ),
    "%0: float64[4] = map %i in range(3) { yield %s }": "but the body gives float64[3]",
    "%0: float = map %i in range(3) { yield 1.0 }": "but the body gives float64[3]",
    "%0: stack<float64> = map %i in range(3) { yield %k }": (
        "result %k cannot be stacked: stack<float64>"
    ),
    "map(3, 3) (%i: int) { yield }": "map takes (count)",
    # call
    "call g(%n, %x)": "the function gives 3 results of 0",
    "%0: float64[?], %1: int, %2: float64[?] = call g(%n)": "argument: 1, but the function takes 2",
    "%0: float64[%n + 1], %1: int, %2: float64[?] = call g(%n, %x)": (
        "result 0 is float64[%n + 1], but the function gives"
    ),
    "%0: float64[?], %1: int, %2: float64[%n] = call g(%n, %x)": (
        "result 2 is float64[%n], but the function gives float64[?]"
    ),
    "call(%x, function='g')": "its parameter `function` is none",
    # project, constant
    "%0 = (_: int, _: int) = svd(%x) %1: int = project(%0, k=2)": "there is no result 2 of 2",
    "%0 = (_: int, _: int) = svd(%x) %1: int = project(%0, k=-1)": "there is no result -1 of 2",
    "%0 = (_: int, _: int) = svd(%x) %1: float = project(%0, k=1)": "result 1 is int",
    "%0: float64 = project(%x, k=0)": "`project` takes a tuple",
    "%0 = (_: int, _: int) = svd(%x) %1: int = sin(%0)": "operand %0 is a tuple; `project` takes",
    "%0 = (_: int, _: int) = svd(%x) if %p { yield %0 } else { yield }": "result %0 is a tuple",
    "%0 = (_: int, _: int) = svd(%x) %1: int = sin(1, a=[%0])": "parameter a has %0 is a tuple",
    "%0: float = constant(2)": "the value is int",
    "%0: float64 = constant('two')": "'two' is neither a number nor an array",
    "%0: float = constant(x=1.0)": "a constant has a value, and nothing else",
    # ordinary operations and types
    "%0: float64 = sin(%s) { yield }": "only a control operation has blocks",
    "%0: float64 = add(%s)": "add takes (x, y)",
    "%0: float64 = sin(%s, %s)": "sin takes (x)",
    "%0: float64[%s] = sin(%x)": "length %s is no integer, but float64",
    "%0: float64[-1] = sin(%x)": "-1 is not the length of an axis",
    "%0: stack<float64[%s]> = sin(%x)": "length %s is no integer, but float64",
    "%0: float64 = undefined(type: float64[2*%s])": "length %s is no integer, but float64",
}


@pytest.mark.parametrize("line", VALID)
def test_valid(line):
    verify(parse_function(f"{HEAD} {line} return }} {G}"))


@pytest.mark.parametrize("line", INVALID)
def test_mistakes_in_signatures_and_types(line):
    refused(parse_function(f"{HEAD} {line} return }} {G}"), INVALID[line])


# -- definitions and uses, planted in the graph ----------------------------------------------------


def example() -> Function:
    return parse_function(
        """
        function f(%n: int, %x: float64[%n], %p: bool) {
          %0: float64[%n] = sin(%x)
          %1: float64[%n] = cos(%0)
          %2: float64[%n] = for %i in range(0, %n, 1) carrying (%u: float64[%n] = %1) {
            %3: float64[%n] = add(%u, %0)
            %4: float64[%n] = if %p { %5: float64[%n] = exp(%3) yield %5 } else { yield %3 }
            yield %4
          }
          return %2
        }
        """
    )


def find(f: Function, name: str) -> Value:
    return next(n for n in walk(f.block) if n.op.name == name)


def test_used_before_it_is_defined():
    f = example()
    nodes = f.block.nodes
    i, j = nodes.index(find(f, "sin")), nodes.index(find(f, "cos"))
    nodes[i], nodes[j] = nodes[j], nodes[i]
    refused(f, "operand %1 is used before it is defined\n    %0: float64[%n] = cos(%1)")


def test_used_in_itself():
    f = example()
    find(f, "cos").inputs = (find(f, "cos"),)
    refused(f, "operand %1 is used before it is defined")


def test_a_loop_used_in_its_body():
    f = example()
    find(f, "exp").params["x"] = f.block.results[0]
    refused(f, "parameter x has %2 is used before it is defined")


def test_used_outside_of_its_block():
    for name in ("exp", "add"):
        f = example()
        f.block.results = [find(f, name)]
        refused(f, "is defined in a block that is not around this use")
    f = example()
    f.block.results = [find(f, "for").blocks[0].parameters[0]]
    refused(f, "result %i is defined in a block that is not around this use")


def test_used_in_the_other_branch():
    f = example()
    branches = find(f, "if").blocks
    branches[1].results = branches[0].results
    refused(f, "is defined in a block that is not around this use")


def test_defined_nowhere():
    gone = Body().parameter(INT, "gone")
    dim = Dim(3, ((gone, 2),))
    plants = (
        lambda node: setattr(node, "inputs", (gone,)),
        lambda node: node.params.update(index=(0, [gone])),
        lambda node: node.params.update(index={"k": slice(None, dim)}),
        lambda node: node.params.update(type=StackType(array(dim))),
        lambda node: setattr(node, "type", array(dim)),
        lambda node: setattr(node, "type", StackType(array(3, dim))),
    )
    for plant in plants:
        for name in ("cos", "exp"):
            f = example()
            plant(find(f, name))
            refused(f, "%gone is defined nowhere in the function")
    f = example()
    f.block.results = [gone]
    refused(f, "the graph of f is not valid: result %gone is defined nowhere in the function")
    f = example()
    f.block.parameters[1].type = array(dim)
    refused(f, "length %gone is defined nowhere")
    f = example()
    find(f, "for").type = (array(dim),)
    refused(f, "length %gone is defined nowhere")


def test_defined_twice():
    f = example()
    f.block.nodes.append(find(f, "exp"))
    refused(f, "it is defined twice\n    %5: float64[%n] = exp(%3)")
    f = example()
    f.block.parameters.append(f.block.parameters[0])
    refused(f, "it is defined twice\n    %n: int")
    f = example()
    branch = find(f, "if").blocks[0]
    find(f, "if").blocks = (branch, branch)
    refused(f, "it is defined twice")


def test_defined_in_two_functions():
    shared, body = Body(), Body()
    shared.emit("empty_stack", type=StackType(FLOAT))
    for name in ("f", "g"):
        body.emit("call", type=(), function=shared.function(name))
    refused(body.function("h"), "the graph of g is not valid: it is defined twice")


def test_parameters_and_operations_in_each_others_place():
    f = example()
    f.block.nodes.insert(0, Value(None, (), None, INT))
    refused(f, "a parameter of a block stands among its operations")
    f = example()
    f.block.parameters.append(Value(lookup("empty_stack"), (), None, INT))
    refused(f, "a parameter of a block is an operation")
    f = example()
    f.block.nodes.insert(0, Node(lookup("sin"), (), {}, None, (), F64))
    refused(f, "<sin: float64[]> in f is not of a staged graph")
    f = example()
    find(f, "cos").inputs = (None,)
    refused(f, "operand None is not a value\n    %1: float64[%n] = cos(None)")


def test_types_that_are_none():
    for wrong, message in (
        (Type(F64, (3,), "scalar"), "a number has the shape of an array: 1 axes"),
        (Type(np.dtype(np.float32), (), "python"), "no number of Python's has the dtype float32"),
        (array(np.int64(3)), "np.int64(3) is not the length of an axis"),
        (INT, "the type of a control operation is a tuple"),
    ):
        f = example()
        find(f, "for").type = wrong if wrong is INT else (wrong,)
        refused(f, message)
    f = example()
    find(f, "cos").type = "float"
    refused(f, "'float' is not a type")
    f = example()
    f.block.parameters[1].type = (INT, INT)
    refused(f, "a parameter of a block is a tuple")
    body = Body()
    refused(body.results(body.emit("svd", 1.0, type=FLOAT)).function(), "its type is no tuple")


def test_mistakes_in_called_functions_are_found():
    f = example()
    find(f, "exp").inputs = (Body().parameter(FLOAT),)
    body = Body()
    x = [body.parameter(INT, "n")]
    x += [body.parameter(array(Dim(0, ((x[0], 1),)))), body.parameter(BOOL)]
    value = body.emit("call", *x, type=(array(None),), function=f)
    refused(body.results(*body.parts(value)).function("g"), "the graph of f is not valid: operand")


def test_the_message_names_the_line_of_the_program():
    f = example()
    find(f, "cos").place = ("program.py", 12)
    find(f, "cos").inputs = ()
    refused(f, "cos takes (x)\n    %1: float64[%n] = cos() (program.py, line 12)")
    assert issubclass(IRError, AdjointError) and issubclass(IRError, RuntimeError)


# -- types from outside ----------------------------------------------------------------------------


def test_types_are_checked_against_a_rule():
    def infer(node: Value):
        return node.inputs[0].type if node.op.name == "cos" else None

    verify(example(), infer)
    n = example().block.parameters[0]
    for wrong in (array(None, dtype=np.float32), SCALAR, array(3, 3)):
        f = example()
        find(f, "cos").type = wrong
        refused(f, "its type should be float64[%n]\n    %1", infer)
    f = example()
    n = f.block.parameters[0]
    find(f, "cos").type = array(Dim(1, ((n, 1),)))
    refused(f, "its type should be float64[%n]\n    %1: float64[%n + 1]", infer)


def test_rules_for_types():
    n, m = (Body().parameter(INT) for _ in range(2))
    three = Body().constant(3)
    n_, m_, n_1, const = (Dim(c, ((v, 1),)) for c, v in ((0, n), (0, m), (1, n), (-1, three)))
    assert same_type(array(n_), array(Dim(0, ((n, 1),))))
    assert same_type(array(const, None), array(2, None))
    assert not same_type(array(n_), array(None)) and not same_type(array(n_), array(m_))
    assert accepts(array(None), array(n_)) and not accepts(array(n_), array(None))
    assert accepts(array(n_), array(m_), {n: m}.get)
    assert accepts(array(n_1), array(4), {n: three}.get)
    assert accepts(array(None), array(3), of_given=lambda v: None)
    assert not accepts(array(n_), array(n_), of_given=lambda v: None)
    assert not accepts(StackType(FLOAT), FLOAT) and not accepts(FLOAT, SCALAR)
    assert contradicts(array(3), array(4)) and contradicts(array(n_), array(n_1))
    for other in (m_, None, 3):
        assert not contradicts(array(n_), array(other))


# -- random graphs ---------------------------------------------------------------------------------


@pytest.mark.parametrize("seed", range(40))
def test_what_a_random_graph_loses_is_missed(seed):
    rng = random.Random(seed)
    f = Graphs(rng).function(depth=3)
    verify(f)
    used = {v for node in walk(f.block) for v in node.inputs if v.op is not None}
    blocks = [f.block, *(b for node in walk(f.block) for b in node.blocks)]
    places = [(b, node) for b in blocks for node in b.nodes if node in used]
    if not places:
        return
    block, node = rng.choice(places)
    block.nodes.remove(node)
    with pytest.raises(IRError, match="defined nowhere"):
        verify(f)
    text(f)
