"""The evaluation trace: values, tangents and adjoints of every step."""

import numpy as np
import pytest

from adjoint.errors import InputError
from adjoint.explain import trace
from adjoint.explain.nonfinite import first_in_adjoints, first_in_tangents, first_in_values


def baydin(x1, x2):
    return np.log(x1) + x1 * x2 - np.sin(x2)


def quadratic(x):
    return x**2 - 3 * x - 2


def fill(theta):
    u = np.zeros(3)
    u[0] = theta[0]
    for t in range(1, 3):
        u[t] = u[t - 1] * theta[1]
    return np.sum(u)


def test_the_example_of_baydin_and_others():
    # Baydin, Pearlmutter, Radul, Siskind: Automatic differentiation in machine learning: a survey,
    # JMLR 18 (2018), tables 2 and 3.
    table = trace(baydin)(2.0, 5.0)
    steps = [row for row in table.rows if row.kind == "step"]
    assert [row.expression for row in steps] == [
        "ln v₋₁",
        "v₋₁ × v₀",
        "v₁ + v₂",
        "sin v₀",
        "v₃ − v₄",
    ]
    np.testing.assert_allclose(
        [row.value for row in steps], [0.693, 10, 10.693, -0.959, 11.652], atol=5e-4
    )
    np.testing.assert_allclose(
        [row.tangents[0] or 0 for row in steps], [0.5, 5, 5.5, 0, 5.5], atol=5e-4
    )
    np.testing.assert_allclose([row.adjoint for row in steps], [1, 1, 1, -1, 1])
    x1, x2 = table.rows[:2]
    np.testing.assert_allclose([x1.adjoint, x2.adjoint], [5.5, 1.716], atol=5e-4)
    y = table.rows[-1]
    assert y.kind == "output"
    np.testing.assert_allclose(y.tangents, [5.5, 1.716], atol=5e-4)
    np.testing.assert_allclose(table.value, 11.652, atol=5e-4)


def test_text_of_the_quadratic():
    assert trace(quadratic)(4.0).table() == (
        "v   expression  value  tangent v̇ ↓  adjoint v̄ ↑\n"
        "───────────────────────────────────────────────\n"
        "v₀  x               4            1            5\n"
        "───────────────────────────────────────────────\n"
        "v₁  v₀²            16            8            1\n"
        "v₂  3 × v₀         12            3           −1\n"
        "v₃  v₁ − v₂         4            5            1\n"
        "v₄  v₃ − 2          2            5            1\n"
        "───────────────────────────────────────────────\n"
        "y   v₄              2            5            1"
    )


def test_integers_are_taken_for_numbers_where_there_is_nothing_else():
    assert trace(quadratic)(4).table() == trace(quadratic)(4.0).table()


@pytest.mark.parametrize(
    "mode, forward, reverse",
    [("forward", True, False), ("reverse", False, True), ("both", True, True)],
)
@pytest.mark.parametrize("format", ["text", "markdown", "html"])
def test_columns(mode, forward, reverse, format):
    text = trace(quadratic)(4.0).table(mode, format)
    assert ("tangent" in text) is forward
    assert ("adjoint v̄" in text) is reverse


def test_markdown_and_html_escape():
    markdown = trace(lambda x: abs(x) * 2)(-3.0).table(format="markdown")
    assert r"\|v₀\|" in markdown
    assert {line.count("|") - line.count(r"\|") for line in markdown.splitlines()} == {6}
    html = trace(lambda x: {"a<b": x * 1})(1.0)._repr_html_()
    assert "a&lt;b" in html and "a<b" not in html
    assert html.count("<tr>") == html.count("</tr>") == 4


def test_a_loop_that_stores_keeps_each_version():
    table = trace(fill)(np.array([2.0, 3.0]))
    stores = [row for row in table.rows if " with " in row.expression]
    np.testing.assert_array_equal(
        np.stack([row.value for row in stores]), [[2, 0, 0], [2, 6, 0], [2, 6, 18]]
    )
    # ∂u/∂theta[1] after each store: later stores must not have changed the older tangents.
    np.testing.assert_array_equal(
        np.stack([np.asarray(row.tangents[0]) for row in stores]), [[1, 0, 0], [1, 3, 0], [1, 3, 9]]
    )
    np.testing.assert_array_equal(
        np.stack([row.adjoint for row in stores]), [[13, 0, 0], [1, 4, 0], [1, 1, 1]]
    )
    np.testing.assert_array_equal(table.rows[0].adjoint, [13, 14])
    assert "(array of 3) with [0] = v₁" in str(table)


def test_lines_of_the_program():
    table = trace(fill)(np.array([2.0, 3.0]))
    first = fill.__code__.co_firstlineno
    places = {row.place for row in table.rows if row.kind == "step"}
    assert {line - first for _, line in places} == {2, 4, 5}
    assert all(file == __file__ for file, _ in places)
    assert f"test_evaluation.py:{first + 4}" in table.table()
    assert "test_evaluation.py" not in table.table(places=False)


def test_a_direction_of_ones_own():
    table = trace(baydin)(2.0, 5.0).table("forward", tangents=(1.0, 2.0))
    assert table.splitlines()[-1].split()[-1] == f"{5.5 + 2 * 1.7163378145:.6g}"
    with pytest.raises(InputError, match="structure"):
        trace(baydin)(2.0, 5.0).table(tangents=(1.0,))


def test_pytrees_constants_and_large_arrays():
    def loss(layers, x, power):
        return np.sum((x @ layers["w"] + layers["b"]) ** power)

    layers = {"w": np.ones((2, 3)), "b": np.zeros(3)}
    table = trace(loss)(layers, np.ones((50, 2)), 2)
    names = [row.expression for row in table.rows if row.kind == "input"]
    assert names == ["layers['b']", "layers['w']", "x"]
    text = table.table()
    assert "50×3 array" in text and "v̇, all ẋ = 1" in text
    assert max(map(len, text.splitlines())) < 120


def test_long_traces_are_shortened():
    def total(x):
        for _ in range(100):
            x = x * 1.01
        return x

    text = trace(total)(1.0).table(max_rows=10)
    assert "(92 more steps)" in text and len(text.splitlines()) < 20


def test_a_result_that_depends_on_nothing():
    row = trace(lambda x: 3.0)(1.0).rows[-1]
    assert (row.expression, row.value, row.tangents, row.adjoint) == ("3", 3.0, (None,), None)


def test_errors_say_what_to_do():
    with pytest.raises(InputError, match="no floating-point argument"):
        trace(lambda x: x)("a")
    with pytest.raises(InputError, match="choose 'both'"):
        trace(quadratic)(1.0).table("backward")
    with pytest.raises(InputError, match="choose 'text'"):
        trace(quadratic)(1.0).table(format="latex")


def test_where_a_value_stops_being_finite():
    def program(x):
        y = x - 3
        z = np.log(y)
        return np.sum(z)

    with np.errstate(all="ignore"):
        text, place = first_in_values(trace(program)(np.array([4.0, 2.0])))
    assert text == "ln(−1) is nan at [1]"
    assert place == (__file__, program.__code__.co_firstlineno + 2)
    assert first_in_values(trace(program)(np.array([4.0, 5.0]))) is None


def test_where_a_derivative_stops_being_finite():
    def program(x):
        y = np.sqrt(x)
        return y + x

    with np.errstate(all="ignore"):
        table = trace(program)(0.0)
        text, place = first_in_adjoints(table)
        assert first_in_tangents(table, [np.float64(1.0)]) == (text, place)
    assert text == "the derivative of √(0) is not finite"
    assert place == (__file__, program.__code__.co_firstlineno + 1)
    assert first_in_adjoints(trace(program)(1.0)) is None


def test_ordinary_derivatives_are_not_observed():
    import adjoint as ad

    assert float(ad.grad(quadratic)(4.0)) == 5.0
    table = trace(lambda x: x * ad.grad(quadratic)(x))(4.0)
    assert table.value == 20.0 and table.rows[0].adjoint == 13.0


def test_values_of_every_kind_of_step_are_seen():
    import math

    import adjoint as ad

    @ad.custom_vjp
    def cube(x):
        return x**3

    cube.defvjp(lambda x: (cube(x), x), lambda x, ct: (3 * x**2 * ct,))

    def program(x):
        u = np.zeros(2)
        u[0] = math.sin(x[0])
        v = u[:1]
        u[0] += 1.0
        return cube(v[0]) * float(x[1]) + np.log(x[1])

    table = trace(program)(np.array([0.5, 2.0]))
    assert all(row.value is not None and row.place is not None for row in table.rows[1:-1])
    np.testing.assert_allclose(table.value, (math.sin(0.5) + 1) ** 3 * 2 + math.log(2))
    s = math.sin(0.5) + 1
    np.testing.assert_allclose(table.rows[0].adjoint, [6 * s**2 * math.cos(0.5), s**3 + 0.5])
