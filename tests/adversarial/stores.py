"""Programs about memory: item assignment, views, aliases, in-place arithmetic."""

import numpy as np

from tests.adversarial import Table

program = Table()

V = np.array([0.7, -0.4, 1.3, 0.9])
W = np.array([0.2, 1.1, -0.8, 0.5])
A = np.array([[0.7, -1.2, 0.4], [1.5, 0.3, -0.8], [0.1, 0.9, 1.1]])
Z = np.array([0.6 + 0.3j, -0.2 + 1.1j, 0.8 - 0.7j])


@program(V)
def fill_zeros(x):
    u = np.zeros(7)
    u[0] = x[0]
    for t in range(1, 7):
        u[t] = np.sin(u[t - 1]) * x[t % 4] + x[1]
    return np.sum(u**2)


@program(V)
def fill_empty_two_dimensional(x):
    table = np.empty((4, 4))
    for i in range(4):
        for j in range(4):
            table[i, j] = x[i] * x[j] if i <= j else table[j, i] + 1.0
    return np.sum(table @ table)


@program(V)
def fill_ones_and_full(x):
    a = np.ones(4)
    b = np.full(4, 2.0)
    a[1:3] *= x[1:3]
    b[::2] = a[::2] * x[0]
    return a * b


@program(V)
def overwritten_before_use(x):
    a = x * x
    a[1] = 5.0
    a[1] = a[2] * a[0]
    a[2] = 1.0
    return a


@program(V)
def used_before_overwritten(x):
    a = x * 2.0
    s = a * a  # the tape needs the old contents of a
    t = np.exp(a)
    a[:] = 0.0
    a[0] = s[1]
    return s * t + a


@program(V)
def power_then_overwritten(x):
    a = x * x + 1.0
    y = a**3
    a[1:] = y[:-1]
    z = a**2
    a[...] = 7.0
    return y * z


@program(V)
def view_of_view(x):
    a = np.zeros((2, 4))
    a[0] = x
    row = a[1]
    half = row[::2]
    last = half[-1:]
    last[0] = x[0] * x[1]
    half += x[2]
    row[1] = half[0] * x[3]
    return a


@program(V)
def view_sees_base(x):
    a = x * 1.0
    v = a[1:3]
    a[1] = x[0] ** 2
    a *= x[3]
    return np.sum(v * v) + a[0]


@program(A)
def view_through_reshape_and_transpose(m):
    a = m * 1.0
    flat = a.reshape(-1)
    flat[4] = m[0, 0] * m[1, 1]
    turned = a.T
    turned[0, 1] = flat[4] ** 2
    a.T[2] += turned[0]
    return a * flat[3]


@program(A)
def reshape_that_copies(m):
    a = m * 1.0
    flat = a.T.reshape(-1)  # a copy: NumPy cannot view this
    flat[0] = 100.0 * m[1, 2]
    a[0, 1] = m[2, 2]
    return np.sum(a * a) + np.sum(flat * flat) * 1e-3


@program(A)
def ravel_view_flatten_copy(m):
    a = m * 1.0
    r = a.ravel()
    f = a.flatten()
    r[1] = m[2, 0] * m[2, 1]
    f[2] = m[0, 0] * 3.0
    return a * f[2] + f.sum()


@program(V)
def negative_strides(x):
    a = x * x
    b = a[::-1]
    b[0] = x[0] * x[3]
    b[-1] += x[1]
    c = b[::-2]
    c *= x[2]
    return a


@program(A)
def diagonal_by_stride(m):
    a = m * m
    d = a.reshape(-1)[::4]
    d += m[:, 0]
    return a @ m


@program(V)
def overlapping_shift(x):
    a = x * 1.0
    a[1:] = a[:-1] * x[0]
    a[:-1] += a[1:]
    return a


@program(V)
def overlapping_plain_shift(x):
    a = x * x
    a[1:] = a[:-1]
    a[::-1] = a
    return a * x


@program(V, W)
def swap_names(x, y):
    u, v = x * 1.0, y * 1.0
    for t in range(5):
        v[1:] = u[:-1] * 0.5 + x[0] * v[1:]
        u, v = v, u
    return u * v


@program(V)
def swap_elements(x):
    a = x * x
    a[0], a[3] = a[3], a[0]
    a[[1, 2]] = a[[2, 1]]
    return a * x


@program(V)
def alias(x):
    a = x * 1.0
    b = a
    b[0] = x[1] * x[2]
    b += x
    return a


@program(V)
def copy_is_no_alias(x):
    a = x * 1.0
    b = a.copy()
    c = np.copy(a) if False else a + 0
    b[0] = 3.0 * x[1]
    c[1] = x[0]
    return a * b * c


@program(V)
def list_holds_arrays(x):
    layers = [x * 1.0, x * x]
    first = layers[0]
    layers[0][1] = x[2] * x[3]
    layers.append(first)
    layers[2] *= 2.0
    return sum(np.sum(layer**2) for layer in layers)


@program(V)
def dictionary_holds_arrays(x):
    state = {"u": x * 1.0, "n": 0}
    state["v"] = state["u"][1:]
    for k in range(3):
        state["v"][k] = state["u"][k] * x[0]
        state["n"] += 1
    state["u"] += state["n"]
    return state["u"]


@program(V)
def same_array_twice(x):
    a = x * 1.0

    def f(p, q):
        p[0] = x[1] ** 2
        return p * q

    return f(a, a)


@program(V)
def masked_store(x):
    a = x * x
    a[x > 0.8] = x[1] * 2.0
    a[a < 0.3] *= x[0]
    mask = np.array([True, False, False, True])
    a[mask] += x[mask] ** 2
    return a


@program(A)
def fancy_store(m):
    a = m * 1.0
    a[[0, 2], [1, 1]] = m[1, :2] ** 2
    a[:, [0, 2]] *= m[0, 0]
    a[[True, False, True]] += 1.0
    return a


@program(V)
def fancy_store_repeated(x):
    a = x * 1.0
    a[[0, 1, 0, 1]] = x * x  # the last writer stays
    a[[2, 2]] += x[:2]  # one addition, as in NumPy
    return a


@program(V)
def add_at(x):
    a = np.zeros(3)
    np.add.at(a, [0, 1, 1, 2], x * x)
    np.add.at(a, 0, x[3])
    return a * a


@program(V)
def out_argument(x):
    a = x * 1.0
    buffer = np.empty(4)
    np.multiply(x, x, out=buffer)
    np.sin(buffer, out=a)
    np.add(a, buffer, out=buffer)
    return a * buffer


@program(V)
def broadcasting_store(x):
    a = np.zeros((3, 4))
    a[:] = x
    a[1] = x[2]
    a[:, 0] = x[:3]
    a[2:] = (x * x)[None]
    a[..., 1] = [1.0, x[0], 2.0]
    return a


@program(A)
def triangle_loop(m):
    a = m @ m.T + 2.0 * np.eye(3)
    total = 0.0
    for i in range(3):
        for j in range(i + 1):
            a[i, :j] = a[i, :j] * a[j, j] + a[j, :j] @ a[i, :j]
            total += a[i, j]
    return total * a


@program(V)
def input_mutated(x):
    x[0] = x[1] * x[2]
    x *= 2.0
    return x * x


@program(V)
def input_view_mutated(x):
    v = x[1:]
    v[0] = x[3] ** 2
    v += x[:3]
    return np.sum(x**3)


@program(V)
def input_unchanged(x):
    return x


@program(V)
def input_view_returned(x):
    return x[::-1], x.reshape(2, 2), x[2]


@program(V)
def output_mutated_after_it_was_kept(x):
    a = x * 1.0
    snapshot = a * 1
    kept = [a.copy()]
    a[1] = x[0] * 4.0
    return snapshot, kept[0], a


@program(V)
def inplace_broadcast_operand(x):
    a = np.zeros((2, 4))
    a += x
    a[1] -= x[0]
    a /= x[2] + 2.0
    a **= 2
    return a


@program(V)
def inplace_with_itself(x):
    a = x * 1.0
    a += a
    a *= a
    a[1:] -= a[:-1]
    a -= a[::-1]
    return a


@program(Z)
def complex_parts_stored(z):
    a = z * 1.0
    a.real = z.imag * 2.0
    a.imag[1] = z.real[0] ** 2
    a[2] *= 1j
    return a * z


@program(V)
def newaxis_and_ellipsis_store(x):
    a = np.zeros((2, 1, 4))
    a[0, ..., :] = x
    a[1][None, 0, 1:3] = x[:2] * x[2]
    a[..., -1] *= x[0]
    return a


@program(V)
def constant_then_traced_then_constant(x):
    a = np.zeros(4)
    b = a[1:3]
    a[0] = 2.0
    b[0] = x[0]
    a[2] = x[1] * a[1]
    c = b * b
    b[:] = 1.0
    return np.sum(c) * a


@program(V)
def view_made_before_first_traced_store(x):
    a = np.zeros((2, 2))
    flat, turned = a.reshape(4), a.T
    for k in range(4):
        flat[k] = x[k] * x[0]
    turned[0, 1] += x[2]
    return a @ turned + flat[1]


@program(V)
def store_of_own_view(x):
    a = x * x
    v = a[:2]
    a[2:] = v
    a[:2] = v
    v[...] = a[2:] * x[0]
    return a


@program(V)
def view_survives_rebinding(x):
    a = x * 1.0
    v = a[:2]
    a = a * 2.0  # another array; v still looks at the old one
    v[0] = x[3]
    a[1] = v[0] * v[1]
    return a


@program(V)
def inplace_keeps_views_of_the_array(x):
    a = x * 1.0
    v = a[:2]
    a += x
    a *= a
    v *= x[0]
    a -= v[1]
    return a


@program(V)
def fill_and_put(x):
    a = x * 1.0
    b = np.zeros(3)
    b.fill(x[0])
    b[1] *= x[1]
    a[2:].fill(x[1] * x[2])
    return np.sum(a**2) * b


@program(A)
def stencil(u):
    u = u * 1.0
    for _ in range(3):
        new = u.copy()
        new[1:-1, 1:-1] = (u[:-2, 1:-1] + u[2:, 1:-1] + u[1:-1, :-2] + u[1:-1, 2:]) * 0.25 * u[0, 0]
        u = new
    return u


@program(V)
def zero_dimensional_array(x):
    a = np.zeros(())
    a[...] = x[0] * x[1]
    b = a
    b += x[2]
    c = a[()]
    c += 100.0 * x[3]  # a scalar: a stays
    return a * c
