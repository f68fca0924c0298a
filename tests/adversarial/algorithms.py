"""Programs as a scientist writes them: factorisations, solvers, integrators, filters."""

import numpy as np

from tests.adversarial import Table

program = Table()

V = np.array([0.7, -0.4, 1.3, 0.9])
A = np.array([[0.7, -1.2, 0.4], [1.5, 0.3, -0.8], [0.1, 0.9, 1.1]])
B = np.array([0.3, -0.6, 1.2])


@program(A)
def cholesky_element_by_element(m):
    a = m @ m.T + 3.0 * np.eye(3)
    n = len(a)
    low = np.zeros((n, n))
    for i in range(n):
        for j in range(i + 1):
            s = a[i, j]
            for k in range(j):
                s -= low[i, k] * low[j, k]
            if i == j:
                low[i, i] = np.sqrt(s)
            else:
                low[i, j] = s / low[j, j]
    return low


@program(A)
def cholesky_in_place_by_columns(m):
    a = m @ m.T + 3.0 * np.eye(3)
    for j in range(3):
        a[j, j] = np.sqrt(a[j, j] - a[j, :j] @ a[j, :j])
        a[j + 1 :, j] = (a[j + 1 :, j] - a[j + 1 :, :j] @ a[j, :j]) / a[j, j]
        a[j, j + 1 :] = 0.0
    return a


@program(A, B)
def solve_by_pivoted_elimination(m, b):
    a = m + 2.0 * np.eye(3)
    b = b.copy()
    n = len(b)
    for k in range(n):
        p = k + np.argmax(abs(a[k:, k]))
        if p != k:
            a[[k, p]] = a[[p, k]]
            b[k], b[p] = b[p], b[k]
        for i in range(k + 1, n):
            f = a[i, k] / a[k, k]
            a[i, k:] -= f * a[k, k:]
            b[i] -= f * b[k]
    x = np.zeros(n)
    for i in reversed(range(n)):
        x[i] = (b[i] - a[i, i + 1 :] @ x[i + 1 :]) / a[i, i]
    return x


@program(V, V * 0.3)
def thomas(d, rhs):
    n = len(d)
    diag = d + 4.0
    c = np.zeros(n)
    y = np.zeros(n)
    c[0] = -1.0 / diag[0]
    y[0] = rhs[0] / diag[0]
    for i in range(1, n):
        w = diag[i] + c[i - 1]
        c[i] = -1.0 / w
        y[i] = (rhs[i] + y[i - 1]) / w
    for i in range(n - 2, -1, -1):
        y[i] -= c[i] * y[i + 1]
    return y


@program(A, B)
def jacobi(m, b):
    a = m + 5.0 * np.eye(3)
    x = np.zeros(3)
    for _ in range(12):
        new = np.zeros(3)
        for i in range(3):
            s = b[i]
            for j in range(3):
                if i != j:
                    s = s - a[i, j] * x[j]
            new[i] = s / a[i, i]
        x = new
    return x


@program(A, B)
def gauss_seidel(m, b):
    a = m + 5.0 * np.eye(3)
    x = np.zeros_like(b)
    error, sweeps = 1.0, 0
    while error > 1e-3 and sweeps < 20:
        error = 0.0
        for i in range(3):
            old = x[i]
            x[i] = (b[i] - a[i, :i] @ x[:i] - a[i, i + 1 :] @ x[i + 1 :]) / a[i, i]
            error = max(error, abs(x[i] - old))
        sweeps += 1
    return x


@program(A, B)
def conjugate_gradients(m, b):
    a = m @ m.T + np.eye(3)
    x = np.zeros(3)
    r = b - a @ x
    p = r.copy()
    rs = r @ r
    for _ in range(3):
        ap = a @ p
        alpha = rs / (p @ ap)
        x += alpha * p
        r -= alpha * ap
        new = r @ r
        p *= new / rs
        p += r
        rs = new
    return x


@program(np.array([0.4, 0.1]), 0.8)
def runge_kutta(y, mu):
    def f(t, s):
        out = np.empty(2)
        out[0] = s[1]
        out[1] = mu * (1 - s[0] ** 2) * s[1] - s[0] + np.sin(t)
        return out

    path = np.empty((9, 2))
    path[0] = y
    h = 0.25
    for k in range(8):
        s, t = path[k], k * h
        k1 = f(t, s)
        k2 = f(t + h / 2, s + h / 2 * k1)
        k3 = f(t + h / 2, s + h / 2 * k2)
        k4 = f(t + h, s + h * k3)
        path[k + 1] = s + h / 6 * (k1 + 2 * k2 + 2 * k3 + k4)
    return path[-1], np.sum(path**2)


@program(np.array([1.0, 0.2, 0.0, 0.9]))
def leapfrog_two_body(state):
    q, p = state[:2] * 1.0, state[2:] * 1.0
    for _ in range(6):
        p -= 0.05 * q / np.sum(q * q) ** 1.5
        q += 0.1 * p
        p -= 0.05 * q / np.sum(q * q) ** 1.5
    return q, p


@program(3.7)
def newton_square_root(a):
    x = a
    while abs(x * x - a) > 1e-12:
        x = 0.5 * (x + a / x)
    return x


@program(2.3, order=1)
def bisection_then_newton(a):
    lo, hi = 0.0, 3.0
    for _ in range(20):
        mid = 0.5 * (lo + hi)
        if mid**3 - 2 * mid - a > 0:
            hi = mid
        else:
            lo = mid
    x = 0.5 * (lo + hi)
    for _ in range(4):  # the bracket is a constant; these steps carry the derivative
        x = x - (x**3 - 2 * x - a) / (3 * x**2 - 2)
    return x


@program(np.array([0.5, 0.8, 0.3]), np.array([1.0, 1.4, 1.1, 1.9, 2.2]))
def kalman_filter(params, ys):
    q, r = params[0] ** 2, params[1] ** 2
    F = np.array([[1.0, params[2]], [0.0, 1.0]])
    H = np.array([[1.0, 0.0]])
    Q = q * np.eye(2)
    m, P = np.zeros(2), np.eye(2)
    loglik = 0.0
    for y in ys:
        m = F @ m
        P = F @ P @ F.T + Q
        v = y - H @ m
        S = H @ P @ H.T + r
        K = P @ H.T / S
        m = m + K @ v
        P = P - K @ H @ P
        loglik -= 0.5 * (np.log(S[0, 0]) + v[0] ** 2 / S[0, 0])
    return loglik


@program(A, B)
def hidden_markov_forward(logits, start):
    T = np.exp(logits)
    T /= np.sum(T, axis=1).reshape(3, 1)
    alpha = np.exp(start)
    alpha /= np.sum(alpha)
    observed = [0, 2, 1, 1, 0]
    emission = np.array([[0.6, 0.3, 0.1], [0.2, 0.5, 0.3], [0.1, 0.2, 0.7]])
    loglik = 0.0
    for o in observed:
        new = np.zeros(3)
        for j in range(3):
            for i in range(3):
                new[j] += alpha[i] * T[i, j]
            new[j] *= emission[j, o]
        c = np.sum(new)
        loglik += np.log(c)
        alpha = new / c
    return loglik


@program(np.array([0.31, 1.2, 0.77, 0.15]), np.array([0.52, 1.01, 0.23]))
def dynamic_time_warping(a, b):
    n, m = len(a), len(b)
    d = np.full((n + 1, m + 1), 1e6)
    d[0, 0] = 0.0
    for i in range(1, n + 1):
        for j in range(1, m + 1):
            cost = (a[i - 1] - b[j - 1]) ** 2
            d[i, j] = cost + min(d[i - 1, j], d[i, j - 1], d[i - 1, j - 1])
    return d[n, m]


@program(np.array([[0.3, 1.2, 0.4], [0.9, 0.1, 0.7]]))
def soft_dynamic_programming(costs):
    n, m = costs.shape
    best = np.zeros((n, m))
    for i in range(n):
        for j in range(m):
            ways = []
            if i:
                ways.append(best[i - 1, j])
            if j:
                ways.append(best[i, j - 1])
            soft = -np.log(sum(np.exp(-w) for w in ways)) if ways else 0.0
            best[i, j] = costs[i, j] + soft
    return best


@program(V)
def prefix_products_in_place(x):
    a = x + 2.0
    for k in range(1, len(a)):
        a[k] *= a[k - 1]
    return a


@program(np.array([0.2, 0.5, -0.3, 0.8, 0.1, -0.6, 0.4, 0.9]))
def heat_equation_two_buffers(u0):
    u = u0.copy()
    new = np.zeros_like(u)
    for _ in range(6):
        new[1:-1] = u[1:-1] + 0.2 * (u[2:] - 2 * u[1:-1] + u[:-2])
        new[0], new[-1] = u[0], u[-1]
        u, new = new, u
    return u


@program(np.array([0.2, 0.5, -0.3, 0.8]))
def burgers_with_upwinding(u):
    u = u * 1.0
    for _ in range(4):
        flux = 0.5 * u**2
        for i in range(1, 3):
            if u[i] > 0:
                u[i] -= 0.1 * (flux[i] - flux[i - 1])
            else:
                u[i] -= 0.1 * (flux[i + 1] - flux[i])
    return u


@program(np.array([1.3, 0.4, -0.7]))
def horner_and_its_derivative(c):
    p, dp = 0.0, 0.0
    for a in c[::-1]:
        dp = dp * 0.6 + p
        p = p * 0.6 + a
    return p * dp


@program(A)
def power_iteration(m):
    a = m @ m.T
    v = np.ones(3)
    for _ in range(30):
        v = a @ v
        v /= np.sqrt(np.sum(v * v))
    return v @ a @ v


@program(A)
def gram_schmidt_in_place(m):
    q = m.copy()
    for j in range(3):
        for i in range(j):
            q[:, j] -= (q[:, i] @ q[:, j]) * q[:, i]
        q[:, j] /= np.sqrt(q[:, j] @ q[:, j])
    return q


@program(A, B)
def recurrent_network(w, x):
    h = np.zeros(3)
    states = []
    for t in range(4):
        h = np.tanh(w @ h + x * 0.1 * (t + 1))
        states.append(h)
    return np.sum(np.array(states) ** 2)


@program(np.array([100.0, 0.25, 1.1]) / np.array([100.0, 1.0, 1.0]))
def binomial_option(p):
    s, sigma, strike = p[0], p[1], p[2]
    n = 6
    up = np.exp(sigma * np.sqrt(1.0 / n))
    q = (1.002 - 1 / up) / (up - 1 / up)
    value = np.zeros(n + 1)
    for j in range(n + 1):
        gain = strike - s * up ** (2 * j - n)
        value[j] = gain if gain > 0 else 0.0
    for step in range(n, 0, -1):
        for j in range(step):
            value[j] = (q * value[j + 1] + (1 - q) * value[j]) / 1.002
    return value[0]


@program(V)
def fixed_point_until_converged(x):
    y = x * 0.0
    for count in range(200):
        new = 0.3 * np.cos(y) + 0.2 * x
        if np.max(np.abs(new - y)) < 1e-13:
            break
        y = new
    return new


@program(V)
def running_statistics(x):
    mean, m2 = 0.0, 0.0
    for n, v in enumerate(x, 1):
        delta = v - mean
        mean += delta / n
        m2 += delta * (v - mean)
    return mean, m2 / len(x)


@program(np.array([0.6, 0.3, -0.2, 0.8]))
def fast_fourier_transform_by_recursion(x):
    def fft(a):
        n = len(a)
        if n == 1:
            return a
        even, odd = fft(a[::2]), fft(a[1::2])
        out = np.zeros(n, complex)
        for k in range(n // 2):
            t = np.exp(-2j * np.pi * k / n) * odd[k]
            out[k] = even[k] + t
            out[k + n // 2] = even[k] - t
        return out

    y = fft(x + 0j)
    return np.abs(y) ** 2
