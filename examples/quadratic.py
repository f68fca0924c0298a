"""The quadratic f(x) = x² − 3x − 2, by forward mode, by reverse mode, and to every order.

Run it with ``python examples/quadratic.py``.
"""

import numpy as np

import adjoint as ad


def f(x):
    return x**2 - 3 * x - 2


x = 4.0

# Forward mode carries a tangent ẋ along with every value: one sweep gives the derivative of all
# results in one direction. With ẋ = 1 that is f'(x) = 2x − 3.
value, tangent = ad.jvp(f, (x,), (1.0,))

# Reverse mode runs f first and then pulls a cotangent ȳ back from the result: one sweep gives the
# derivative of one result with respect to all inputs. With ȳ = 1 that is f'(x) again.
_, pullback = ad.vjp(f, x)
(cotangent,) = pullback(1.0)

# Most of the time neither is spelt out.
same_value, gradient = ad.value_and_grad(f)(x)
second = ad.grad(ad.grad(f))(x)

print(f"f({x:g})            {value:6.1f}      x² − 3x − 2")
print(f"f'({x:g}), forward  {tangent:6.1f}      2x − 3")
print(f"f'({x:g}), reverse  {cotangent:6.1f}      2x − 3")
print(f"f''({x:g})          {second:6.1f}      2")

assert value == same_value == 2.0
assert tangent == cotangent == gradient == 5.0
assert second == 2.0

# Of many points at once: the sum's gradient holds f' at each of them.
points = np.linspace(-1.0, 4.0, 6)
slopes = ad.grad(lambda x: np.sum(f(x)))(points)
print("\n   x ", *(f"{p:6.1f}" for p in points))
print("   f'", *(f"{s:6.1f}" for s in slopes))
assert np.array_equal(slopes, 2 * points - 3)

# The minimum is where f' is zero. Newton's method on a quadratic is there after one step.
start = 10.0
minimum = start - ad.grad(f)(start) / ad.grad(ad.grad(f))(start)
print(f"\nsmallest at x = {minimum:g}, where f = {f(minimum):g} and f' = {ad.grad(f)(minimum):g}")
assert minimum == 1.5
