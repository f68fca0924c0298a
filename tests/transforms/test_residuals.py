"""The choice is the cheapest there is, enough for the reverse part, and sensible."""

import time
from itertools import combinations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from adjoint.ir.core import Block
from adjoint.ir.dims import Dim
from adjoint.ir.graph import Value, map_values, operands
from adjoint.ir.types import StackType, Type, of_value, python_type
from adjoint.ops import control, creation, indexing, linalg, reduction, structural
from adjoint.ops import elementwise as ew
from adjoint.ops.plain import lookup
from adjoint.transforms.residuals import WORK, choose, keeping_cost, redoing_cost

DOUBLE = Type(np.dtype(float), (), "scalar")
INT = python_type(int)


def array(*shape, dtype=float):
    return Type(np.dtype(dtype), shape)


def parameter(type):
    return Value(None, (), None, type)


class Body:
    """Primal nodes, in order."""

    def __init__(self):
        self.nodes = []

    def __call__(self, op, *inputs, type=DOUBLE, blocks=(), **params):
        self.nodes.append(Value(op, inputs, params, type, blocks))
        return self.nodes[-1]

    def choose(self, needed, free=(), **options):
        choice = choose(self.nodes, needed, free, **options)
        return list(choice.keep), list(choice.redo)


# -- what is chosen --------------------------------------------------------------------------------


def test_elements_are_kept_and_a_chain_of_them_is_redone():
    x, i = parameter(array(None)), parameter(INT)
    do = Body()
    a = do(indexing.getitem, x, index=i)
    j = do(ew.subtract, i, i, type=INT)
    b = do(indexing.read, x, path=(("index", (j,)),))
    z = do(ew.multiply, a, b)
    c = do(ew.cos, z)
    s = do(ew.sin, c)
    y = do(indexing.update, x, s, path=(("index", i),), type=x.type)
    assert do.choose([a, b, z, c, i, j], [i]) == ([a, b], [j, z, c])
    # What has to be there whole is read again.
    assert do.choose([x, a, b, z, c], [i]) == ([x], [a, j, b, z, c])
    assert do.choose([y, a], [i]) == ([a, y], [])


def test_what_is_free_is_never_kept():
    n, i = parameter(INT), parameter(INT)
    x = parameter(array(Dim(0, ((n, 1),))))
    do = Body()
    a = do(indexing.getitem, x, index=(i,))
    b = do(ew.exp, a)
    p = do(linalg.matmul, x, x)
    assert do.choose([x, i, a, b, n], [x, i, n]) == ([], [a, b])
    assert do.choose([p, p], [x, i, n, p]) == ([], [])
    assert do.choose([], [x, i, n]) == ([], [])


def test_with_equal_bytes_less_is_redone():
    x = parameter(DOUBLE)
    do = Body()
    a = do(ew.add, x, x)
    b = do(ew.multiply, a, a)
    c = do(ew.exp, b)
    assert do.choose([c]) == ([c], [])
    assert do.choose([a]) == ([a], [])
    assert do.choose([x, a, b, c]) == ([x], [a, b, c])
    assert do.choose([b, c]) == ([b], [c])


def test_long_chains_are_kept_in_between():
    x = parameter(array(None))
    do = Body()
    for _ in range(6):
        do(ew.tanh, do.nodes[-1] if do.nodes else x, type=x.type)
    assert do.choose([x, do.nodes[-1]]) == ([x, do.nodes[-1]], [])
    assert do.choose([x, do.nodes[1]]) == ([x], do.nodes[:2])


def test_the_small_operand_of_a_broadcast_is_kept():
    x, i = parameter(array(None)), parameter(INT)
    y = parameter(array(None))
    do = Body()
    column = do(structural.reshape, x, shape=(-1, 1), type=array(None, 1))
    total = do(ew.add, column, y, type=array(None, None))
    root = do(ew.sqrt, total, type=array(None, None))
    wide = do(structural.broadcast_to, y, shape=(5, i), type=array(5, None))
    assert do.choose([total, root, wide], [i]) == ([y, column], [total, root, wide])
    assert do.choose([wide], [i]) == ([y], [wide])


@pytest.mark.parametrize("op", [linalg.matmul, linalg.solve, lookup("numpy.argsort")])
def test_dear_results_are_kept(op):
    a, b = parameter(array(None, None)), parameter(array(None, None))
    do = Body()
    p = do(op, a, b, type=array(None))
    q = do(ew.sin, p, type=array(None))
    assert do.choose([q, p], [a, b]) == ([p], [q])


def test_reductions_are_redone_over_a_few_elements_only():
    do = Body()
    for n, expected in ((3, False), (1000, True), (None, True)):
        x = parameter(array(n))
        s = do(structural.reduce_sum, x, axis=None)
        m = do(reduction.reduce_max, s, axis=None)
        assert do.choose([s], [x]) == (([s], []) if expected else ([], [s]))
        assert do.choose([m], [s]) == ([], [m])


def test_of_a_tuple_its_parts_are_kept():
    x = parameter(array(3, 3))
    do = Body()
    qr = do(linalg.qr, x, type=(array(3, 3), array(3, 3)))
    r = do(structural.project_result, qr, k=1, type=array(3, 3))
    s = do(ew.sin, r, type=r.type)
    assert do.choose([s, r], [x]) == ([r], [s])
    with pytest.raises(ValueError, match="read its projections"):
        do.choose([qr], [x])


def test_control_is_not_run_again():
    n = parameter(INT)
    do = Body()
    loop = do(control.for_loop, n, n, n, type=(DOUBLE, StackType(DOUBLE)), blocks=(Block(),))
    total = do(structural.project_result, loop, k=0)
    stack = do(structural.project_result, loop, k=1, type=StackType(DOUBLE))
    last = do(control.entry, stack, index=n, type=DOUBLE)
    assert do.choose([total, last], [n]) == ([total, last], [])
    assert do.choose([total, stack, last], [n]) == ([total, stack], [last])


def test_what_is_barred_is_not_redone():
    x = parameter(DOUBLE)
    do = Body()
    a = do(ew.add, x, x)
    b = do(ew.add, a, a)
    assert do.choose([b], [x]) == ([], [a, b])
    assert do.choose([b], [x], barred=[a]) == ([b], [])
    assert do.choose([a, b], [x], barred=[a]) == ([a], [b])


def test_an_array_of_the_bodys_own_is_made_again_and_one_from_around_it_is_not_copied():
    u, i = parameter(array(None)), parameter(INT)
    do = Body()
    made = do(creation.full, shape=(i,), value=0, dtype=float, type=u.type)
    inner = do(indexing.getitem, u, index=slice(1, None), type=u.type)
    filled = do(indexing.update, made, inner, path=(("index", slice(1, None)),), type=u.type)
    edge = do(indexing.update, filled, i, path=(("index", 0),), type=u.type)
    assert do.choose([u, edge], [i]) == ([u], [made, inner, filled, edge])

    do = Body()
    part = do(indexing.update, u, i, path=(("index", 0),), type=u.type)
    read = do(indexing.getitem, part, index=1)
    whole = do(indexing.update, u, u, path=(("index", slice(None)),), type=u.type)
    reads = [do(indexing.getitem, part, index=k) for k in range(50)]
    assert do.choose([read], [u, i]) == ([read], [])
    assert do.choose(reads, [u, i]) == (reads, [])
    assert do.choose([whole], [u, i]) == ([], [whole])


def test_constants_cost_nothing():
    do = Body()
    c = do(control.constant, value=np.ones(10**6), type=array(10**6))
    d = do(ew.exp, c, type=c.type)
    assert do.choose([c, d]) == ([], [c, d])


def test_gathers_are_told_from_views():
    x, k = parameter(array(None)), parameter(array(None, dtype=int))
    basic = Value(indexing.getitem, (x,), {"index": (slice(0, None, 2), None)}, x.type)
    gather = Value(indexing.getitem, (x,), {"index": (k,)}, x.type)
    path = (("permute", (0,)), ("index", k))
    assert redoing_cost(basic) < redoing_cost(gather) < keeping_cost(gather)
    assert redoing_cost(Value(indexing.read, (x,), {"path": path}, x.type)) == redoing_cost(gather)


def test_unknown_extents_count_as_large():
    n = parameter(INT)
    assert keeping_cost(parameter(array(None, 3))) == keeping_cost(parameter(array(1000, 3)))
    assert keeping_cost(parameter(array(Dim(-1, ((n, 2),))))) == keeping_cost(
        parameter(array(1000))
    )
    assert keeping_cost(parameter(StackType(DOUBLE))) == keeping_cost(parameter(array(1000)))
    huge, small = parameter(array(10**6, 10**6)), parameter(DOUBLE)
    do = Body()
    both = do(ew.add, huge, small, type=huge.type)
    assert do.choose([both, small]) == ([small, both], [])


def test_every_price_is_of_an_operation():
    for name in WORK:
        assert lookup(name).name == name


def test_a_thousand_operations_take_milliseconds():
    rng = np.random.default_rng(0)
    do = Body()
    values = [parameter(DOUBLE) for _ in range(4)]
    for _ in range(1000):
        op = (ew.add, ew.multiply, ew.exp, ew.divide)[rng.integers(4)]
        values.append(do(op, *(values[-rng.integers(1, 5)] for _ in op.operands)))
    start = time.perf_counter()
    do.choose([v for node in do.nodes if node.op is not ew.add for v in node.inputs])
    assert time.perf_counter() - start < 0.2  # 5 ms where nothing else runs


# -- random bodies ---------------------------------------------------------------------------------


@st.composite
def bodies(draw):
    """Return nodes, their values, what is needed and what is free."""
    numbers = {}
    i = parameter(INT)
    numbers[i] = 1
    shapes = draw(st.lists(st.sampled_from([(), (2,), (3, 2), (40,)]), min_size=1, max_size=3))
    for k, shape in enumerate(shapes):
        x = np.linspace(0.1 + k, 1.0, int(np.prod(shape))).reshape(shape)
        numbers[parameter(of_value(x))] = x
    parameters = list(numbers)
    nodes = []
    for _ in range(draw(st.integers(1, 7))):
        x, y = (draw(st.sampled_from(list(numbers))) for _ in "xy")
        kind = draw(st.sampled_from("binary unary read sum wide store dear pair constant".split()))
        op, inputs, params = ew.tanh, (x,), {}
        if isinstance(numbers[x], tuple) or isinstance(numbers[y], tuple):
            x = x if isinstance(numbers[x], tuple) else y
            op, inputs, params = structural.project_result, (x,), {"k": draw(st.integers(0, 1))}
        elif kind == "binary":
            op, inputs = draw(st.sampled_from([ew.add, ew.multiply, ew.hypot])), (x, y)
        elif kind == "read" and np.ndim(numbers[x]):
            op, index = indexing.getitem, draw(st.sampled_from([i, (i,), slice(0, 2), 0, [1, 0]]))
            params = {"index": index}
        elif kind == "sum":
            op, params = structural.reduce_sum, {"axis": None}
        elif kind == "wide":
            op, params = structural.broadcast_to, {"shape": (4, *np.shape(numbers[x]))}
        elif kind == "store" and np.ndim(numbers[x]) and np.ndim(numbers[y]) == 0:
            op, inputs, params = indexing.update, (x, y), {"path": (("index", i),)}
        elif kind == "dear":
            op, params = reduction.variance, {}
        elif kind == "pair":
            op, inputs, params = linalg.slogdet, (), {}
            x = Value(control.constant, (), {"value": np.eye(2)}, array(2, 2))
            numbers[x] = np.eye(2)
            nodes.append(x)
            inputs = (x,)
        elif kind == "constant":
            op, inputs, params = control.constant, (), {"value": 0.25}
        try:
            result = evaluate(op, inputs, params, numbers)
        except ValueError:  # shapes that do not broadcast
            continue
        type = tuple(map(of_value, result)) if isinstance(result, tuple) else of_value(result)
        nodes.append(Value(op, inputs, params, type))
        numbers[nodes[-1]] = result
    readable = [v for v in numbers if not isinstance(v.type, tuple)]
    needed = draw(st.lists(st.sampled_from(readable), max_size=5))
    free = draw(st.sets(st.sampled_from([*parameters, *nodes[:2]]), max_size=3))
    return nodes, numbers, needed, free


def evaluate(op, inputs, params, numbers):
    params = map_values(params, numbers.__getitem__, None)
    return op.fn(*(numbers[v] for v in inputs), **params)


def price(nodes, keep, needed, free):
    """Return what it costs to keep just ``keep``; infinity if that is not enough."""
    total, done = sum(map(keeping_cost, keep)), {*keep, *free}
    todo = list(needed)
    while todo:
        v = todo.pop()
        if v in done:
            continue
        done.add(v)
        work = redoing_cost(v, frozenset(free)) if v in nodes else None
        if work is None:
            return np.inf
        total += work
        todo += operands(v)
    return total


@settings(max_examples=300)
@given(bodies())
def test_random_bodies(body):
    nodes, numbers, needed, free = body
    choice = choose(nodes, needed, free)

    # It is enough, in this order.
    found = {v: numbers[v] for v in (*choice.keep, *free)}
    for v in choice.redo:
        found[v] = evaluate(v.op, v.inputs, v.params, found)
    for v in needed:
        np.testing.assert_array_equal(found[v], numbers[v])

    # Nothing in it is idle, and no other choice is cheaper.
    assert not {*choice.keep} & {*free, *choice.redo}
    assert all(v in needed or any(v in operands(w) for w in choice.redo) for v in choice.keep)
    total = sum(map(keeping_cost, choice.keep))
    total += sum(redoing_cost(v, frozenset(free)) for v in choice.redo)
    assert total == price(nodes, choice.keep, needed, free)
    candidates = [v for v in numbers if v not in free and keeping_cost(v) is not None]
    assert total == min(
        price(nodes, keep, needed, free)
        for size in range(len(candidates) + 1)
        for keep in combinations(candidates, size)
    )
