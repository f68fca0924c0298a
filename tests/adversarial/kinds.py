"""Programs about kinds of values: scalars, 0-d arrays, dtypes, integers, complex, constants."""

import numpy as np

from tests.adversarial import Table

program = Table()

V = np.array([0.7, -0.4, 1.3, 0.9])
Z = np.array([0.6 + 0.3j, -0.2 + 1.1j, 0.8 - 0.7j])


@program(V)
def scalar_from_array_is_no_view(x):
    s = x[0]
    s += 1.0
    s *= s
    t = x[1]
    t -= x[2]
    return s * t * x


@program(0.7)
def python_float_augmented(x):
    a = x
    a += 1
    a *= a
    b = x
    b **= 2
    b -= a / x
    return a * b + x


@program(V)
def python_numbers_mix(x):
    return 2 * x + x * True + x / 3 - 1 / (x + 2) + (x + 3) ** 2 - 2**x + x // 1 * 0 + x % 1


@program(V)
def numpy_scalars_mix(x):
    return np.float64(2) * x + x * np.float32(0.5) + np.int64(3) * x - x / np.int8(2)


@program(V)
def lists_and_tuples_as_operands(x):
    return x * [1, 2, 3, 4] + (0.5, 0.25, x[0], 1.0) - [x[1]] * x


@program(V)
def integer_arrays(x):
    n = np.arange(4)
    counts = np.zeros(4, dtype=int)
    for k in range(4):
        if x[k] > 0:
            counts[k] = k + 1
    return x**2 * n + counts * x


@program(V)
def boolean_arrays(x):
    positive = x > 0
    big = positive & (x > 0.8)
    return np.where(big, x**2, x * 3) * positive + np.sum(x[~positive])


@program(V)
def index_from_values(x):
    k = int(x[2])
    j = np.argmax(x)
    return x[k] * x[j] + x[np.argsort(x)][0] * x


@program(V)
def constant_output(x):
    return np.sum(x) * 0 + 3.0, x * 1.0


@program(V)
def constant_beside_traced(x):
    return 3.0, x[0] ** 2, np.array([1.0, 2.0])


@program(V)
def integer_output_beside_traced(x):
    return np.sum(x**2), int(x[2]), x > 0


@program(V)
def double_stored_into_single(x):
    a = np.zeros(4, np.float32)
    a[:2] = [0.5, 0.25]
    b = a * 2
    return x * b


@program(Z)
def complex_arithmetic(z):
    w = z * z + (1 - 2j) * z - z / (z + 3)
    w[0] *= 1j
    return w, z.real * z.imag, np.abs(z) ** 2, np.conj(z) * z[0]


@program(V)
def complex_inside(x):
    z = x[:2] + 1j * x[2:]
    w = np.exp(1j * x) * z[0]
    return (z * np.conj(z)).real + w.imag[:2]


@program(V)
def real_stored_into_complex(x):
    z = np.zeros(4, complex)
    z[:] = x
    z[1] += 1j * x[0]
    z *= z
    return z.real + z.imag


@program(np.array(1.3))
def zero_dimensional_input(x):
    y = x * x
    x += 1.0
    return y * x + x[()] * x[...]


@program(np.zeros((0, 3)) + 1.0, V)
def empty_arrays(x, v):
    y = x * 2.0
    y[...] = 1.0
    z = v[:0]
    v = v * 1.0
    v[3:2] = 5.0
    return np.sum(y) + np.sum(z * z) + v**2


@program(V)
def unused_input_and_unused_work(x):
    a = x * 2
    b = np.exp(a)
    b[0] = a[1]
    c = a * 3
    return c[0]


@program({"w": V, "b": 0.3}["w"], 0.3)
def scalars_and_arrays_together(w, b):
    s = b
    for v in w:
        s = s * v + b
    return s


@program(V)
def zero_times_and_where(x):
    safe = np.where(x > 0, np.sqrt(np.where(x > 0, x, 1.0)), 0.0)
    return safe * x


@program(V)
def piecewise_by_mask(x):
    y = np.zeros_like(x)
    neg = x < 0
    y[neg] = x[neg] ** 2
    y[~neg] = np.exp(x[~neg])
    return y


@program(V)
def like_functions(x):
    a = np.zeros_like(x)
    b = np.ones_like(a)
    c = np.empty_like(x)
    c[:] = x[::-1]
    a[0] = x[1]
    b *= x
    return a + b * c


@program(V)
def shapes_and_methods(x):
    m = x.reshape(2, 2)
    n = m.shape[0] * m.size + x.ndim + len(m)
    return m.T @ m * n + m.sum(axis=0) + x.copy().reshape((2, -1)).astype(float)
