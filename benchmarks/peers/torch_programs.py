"""Programs of the suite in PyTorch: stores into copies of the arguments, which autograd follows.

Where a loop overwrites what a product has saved, autograd refuses at run time; these programs are
here as they are.
"""

from __future__ import annotations

import torch
from torch.nn.functional import conv2d, max_pool2d, pad


def adi(tsteps, n, u):
    lam, kap = 2.0 * n**2 / tsteps, 1.0 * n**2 / tsteps
    a, b, d, e = -lam / 2.0, 1.0 + lam, -kap / 2.0, 1.0 + kap
    one = torch.ones(n - 2)

    def solved(f, a, b, d):
        """Solve along the first axis of f, whose second has the boundary; return n rows."""
        p, q = [torch.zeros(n - 2)], [one]
        for j in range(1, n - 1):
            pivot = a * p[-1] + b
            right = -d * f[j, :-2] + (1.0 + 2.0 * d) * f[j, 1:-1] - d * f[j, 2:]
            p.append(-a / pivot)
            q.append((right - a * q[-1]) / pivot)
        rows = [one]
        for j in range(n - 2, 0, -1):
            rows.append(p[j] * rows[-1] + q[j])
        return torch.stack([*rows, one][::-1])

    for _ in range(tsteps):
        v = pad(solved(u, a, b, d), (1, 1))
        inside = solved(v.T, d, e, a).T
        u = torch.cat([u[:1], inside, u[-1:]])
    return u


def atax(a, x):
    return (a @ x) @ a


def azimint_naive(data, radius, npt):
    r_max = radius.max()
    result = torch.zeros(npt)
    for i in range(npt):
        ring = (r_max * i / npt <= radius) & (radius < r_max * (i + 1) / npt)
        result[i] = data[ring].mean()
    return result


def cavity_flow(nt, nit, u, v, dt, dx, dy, p, rho, nu):
    def x_slope(f):
        return (f[1:-1, 2:] - f[1:-1, :-2]) / (2.0 * dx)

    def y_slope(f):
        return (f[2:, 1:-1] - f[:-2, 1:-1]) / (2.0 * dy)

    def transported(f, u, v):
        centre = f[1:-1, 1:-1]
        advection = u[1:-1, 1:-1] / dx * (centre - f[1:-1, :-2]) + v[1:-1, 1:-1] / dy * (
            centre - f[:-2, 1:-1]
        )
        diffusion = (f[1:-1, 2:] - 2.0 * centre + f[1:-1, :-2]) / dx**2 + (
            f[2:, 1:-1] - 2.0 * centre + f[:-2, 1:-1]
        ) / dy**2
        return centre - dt * advection + nu * dt * diffusion

    def walled(inside, lid):
        out = torch.zeros_like(u)
        out[1:-1, 1:-1] = inside
        out[-1, :] = lid
        return out

    weight = 2.0 * (dx**2 + dy**2)
    for _ in range(nt):
        u_x, u_y, v_x, v_y = x_slope(u), y_slope(u), x_slope(v), y_slope(v)
        source = rho * ((u_x + v_y) / dt - u_x**2 - 2.0 * u_y * v_x - v_y**2)
        for _ in range(nit):
            inside = (
                (p[1:-1, 2:] + p[1:-1, :-2]) * dy**2 + (p[2:, 1:-1] + p[:-2, 1:-1]) * dx**2
            ) / weight - dx**2 * dy**2 / weight * source
            p = p.clone()
            p[1:-1, 1:-1] = inside
            p[:, -1] = p[:, -2]
            p[0, :] = p[1, :]
            p[:, 0] = p[:, 1]
            p[-1, :] = 0.0
        new_u = transported(u, u, v) - dt / rho * x_slope(p)
        new_v = transported(v, u, v) - dt / rho * y_slope(p)
        u, v = walled(new_u, 1.0), walled(new_v, 0.0)
    return u, v, p


def cholesky(a):
    a = a.clone()
    for i in range(a.shape[0]):
        for j in range(i):
            a[i, j] = (a[i, j] - a[i, :j] @ a[j, :j]) / a[j, j]
        a[i, i] = torch.sqrt(a[i, i] - a[i, :i] @ a[i, :i])
    return a


def conv2d_bias(x, weights, bias):
    images = conv2d(x.permute(0, 3, 1, 2), weights.permute(3, 2, 0, 1))
    return images.permute(0, 2, 3, 1) + bias


def correlation(float_n, data):
    deviation = data.std(0, correction=0)
    deviation = torch.where(deviation <= 0.1, 1.0, deviation)
    data = (data - data.mean(0)) / (torch.sqrt(float_n) * deviation)
    above = torch.triu(data.T @ data, 1)
    return above + above.T + torch.eye(data.shape[1]), data


def deriche(alpha, image):
    decay = torch.exp(-alpha)
    k = (1.0 - decay) ** 2 / (1.0 + 2.0 * alpha * decay - decay**2)
    a1, a2, a3, a4 = k, k * decay * (alpha - 1.0), k * decay * (alpha + 1.0), -k * decay**2
    b1, b2 = 2.0**-alpha, -(decay**2)

    def smooth_rows(x):
        columns = x.unbind(1)
        n = len(columns)
        causal = [a1 * columns[0]]
        causal.append(a1 * columns[1] + a2 * columns[0] + b1 * causal[0])
        for j in range(2, n):
            new = a1 * columns[j] + a2 * columns[j - 1] + b1 * causal[-1] + b2 * causal[-2]
            causal.append(new)
        anticausal = [torch.zeros_like(columns[0]), a3 * columns[-1]]
        for j in range(n - 3, -1, -1):
            new = a3 * columns[j + 1] + a4 * columns[j + 2]
            anticausal.append(new + b1 * anticausal[-1] + b2 * anticausal[-2])
        return torch.stack(causal, 1) + torch.stack(anticausal[::-1], 1)

    return smooth_rows(smooth_rows(image).T).T


def doitgen(a, c4):
    return a @ c4


def durbin(r):
    y = torch.empty_like(r)
    alpha, beta = -r[0], 1.0
    y[0] = alpha
    for k in range(1, r.shape[0]):
        beta = beta * (1.0 - alpha * alpha)
        alpha = -(r[k] + r[:k].flip(0) @ y[:k]) / beta
        y[:k] += alpha * y[:k].flip(0)
        y[k] = alpha
    return y


def gemm(alpha, beta, c, a, b):
    return alpha * (a @ b) + beta * c


def gemver(alpha, beta, a, u1, v1, u2, v2, w, x, y, z):
    a = a + torch.outer(u1, v1) + torch.outer(u2, v2)
    x = x + beta * y @ a + z
    return a, x, w + alpha * a @ x


def go_fast(a):
    return a + torch.tanh(torch.diagonal(a)).sum()


def gramschmidt(a):
    a = a.clone()
    n = a.shape[1]
    q, r = torch.zeros_like(a), torch.zeros(n, n)
    for k in range(n):
        r[k, k] = torch.sqrt(a[:, k] @ a[:, k])
        q[:, k] = a[:, k] / r[k, k]
        for j in range(k + 1, n):
            r[k, j] = q[:, k] @ a[:, j]
            a[:, j] -= q[:, k] * r[k, j]
    return a, q, r


def hdiff(field, out, coeff):
    laplacian = 4.0 * field[1:-1, 1:-1] - (
        field[2:, 1:-1] + field[:-2, 1:-1] + field[1:-1, 2:] + field[1:-1, :-2]
    )
    step = laplacian[1:, 1:-1] - laplacian[:-1, 1:-1]
    flux_x = torch.where(step * (field[2:-1, 2:-2] - field[1:-2, 2:-2]) > 0.0, 0.0, step)
    step = laplacian[1:-1, 1:] - laplacian[1:-1, :-1]
    flux_y = torch.where(step * (field[2:-2, 2:-1] - field[2:-2, 1:-2]) > 0.0, 0.0, step)
    divergence = flux_x[1:] - flux_x[:-1] + flux_y[:, 1:] - flux_y[:, :-1]
    return field[2:-2, 2:-2] - coeff * divergence


def heat_3d(tsteps, a, b):
    def stepped(u):
        centre = u[1:-1, 1:-1, 1:-1]
        return (
            0.125 * (u[2:, 1:-1, 1:-1] - 2.0 * centre + u[:-2, 1:-1, 1:-1])
            + 0.125 * (u[1:-1, 2:, 1:-1] - 2.0 * centre + u[1:-1, :-2, 1:-1])
            + 0.125 * (u[1:-1, 1:-1, 2:] - 2.0 * centre + u[1:-1, 1:-1, :-2])
            + centre
        )

    a, b = a.clone(), b.clone()
    for _ in range(1, tsteps):
        b[1:-1, 1:-1, 1:-1] = stepped(a)
        a[1:-1, 1:-1, 1:-1] = stepped(b)
    return a, b


def jacobi_1d(tsteps, a, b):
    a, b = a.clone(), b.clone()
    for _ in range(1, tsteps):
        b[1:-1] = 0.33333 * (a[:-2] + a[1:-1] + a[2:])
        a[1:-1] = 0.33333 * (b[:-2] + b[1:-1] + b[2:])
    return a, b


def jacobi_2d(tsteps, a, b):
    def average(u):
        return 0.2 * (u[1:-1, 1:-1] + u[1:-1, :-2] + u[1:-1, 2:] + u[2:, 1:-1] + u[:-2, 1:-1])

    a, b = a.clone(), b.clone()
    for _ in range(1, tsteps):
        b[1:-1, 1:-1] = average(a)
        a[1:-1, 1:-1] = average(b)
    return a, b


def k3mm(a, b, c, d):
    return (a @ b) @ (c @ d)


def lenet(x, conv1, bias1, conv2, bias2, w1, b1, w2, b2, w3, b3):
    x = x.permute(0, 3, 1, 2)
    for weights, bias in ((conv1, bias1), (conv2, bias2)):
        x = max_pool2d(torch.relu(conv2d(x, weights.permute(3, 2, 0, 1), bias)), 2)
    x = x.permute(0, 2, 3, 1).flatten(1)
    return torch.relu(torch.relu(x @ w1 + b1) @ w2 + b2) @ w3 + b3


def lu(a):
    a = a.clone()
    n = a.shape[0]
    for i in range(n):
        for j in range(i):
            a[i, j] = (a[i, j] - a[i, :j] @ a[:j, j]) / a[j, j]
        for j in range(i, n):
            a[i, j] -= a[i, :i] @ a[:i, j]
    return a


def mlp(x, w1, b1, w2, b2, w3, b3):
    return torch.softmax(torch.relu(torch.relu(x @ w1 + b1) @ w2 + b2) @ w3 + b3, -1)


def seidel_2d(tsteps, a):
    a = a.clone()
    n = a.shape[0]
    for _ in range(tsteps - 1):
        for i in range(1, n - 1):
            above = a[i - 1, :-2] + a[i - 1, 1:-1] + a[i - 1, 2:]
            below = a[i + 1, :-2] + a[i + 1, 1:-1] + a[i + 1, 2:]
            known = above + a[i, 1:-1] + a[i, 2:] + below
            for j in range(1, n - 1):
                a[i, j] = (known[j - 1] + a[i, j - 1]) / 9.0
    return a


def softmax(x):
    return torch.softmax(x, -1)


def spmv(row, col, val, x):
    row_of = torch.repeat_interleave(torch.arange(row.numel() - 1), row.diff())
    return torch.zeros(row.numel() - 1).index_add(0, row_of, val * x[col])


def symm(alpha, beta, c, a, b):
    c = c * beta
    m, n = c.shape
    for i in range(m):
        for j in range(n):
            c[:i, j] += alpha * b[i, j] * a[i, :i]
            c[i, j] += alpha * (b[i, j] * a[i, i] + b[:i, j] @ a[i, :i])
    return c


def syrk(alpha, beta, c, a):
    c = c.clone()
    n, m = a.shape
    for i in range(n):
        c[i, : i + 1] *= beta
        for k in range(m):
            c[i, : i + 1] += alpha * a[i, k] * a[: i + 1, k]
    return c


def trisolv(l, x, b):
    x = x.clone()
    for i in range(b.shape[0]):
        x[i] = (b[i] - l[i, :i] @ x[:i]) / l[i, i]
    return x


def trmm(alpha, a, b):
    b = b.clone()
    m, n = b.shape
    for i in range(m):
        for j in range(n):
            b[i, j] += a[i + 1 :, i] @ b[i + 1 :, j]
    return alpha * b


def vadv(utens_stage, u_stage, wcon, u_pos, utens, dtr_stage):
    levels = u_stage.shape[2]
    upper, right = [], []
    for k in range(levels):
        diagonal = dtr_stage
        rhs = dtr_stage * u_pos[:, :, k] + utens[:, :, k] + utens_stage[:, :, k]
        if k > 0:
            below = -0.125 * (wcon[1:, :, k] + wcon[:-1, :, k])
            diagonal = diagonal - below
            rhs = rhs - below * (u_stage[:, :, k - 1] - u_stage[:, :, k])
        if k < levels - 1:
            above = 0.125 * (wcon[1:, :, k + 1] + wcon[:-1, :, k + 1])
            diagonal = diagonal - above
            rhs = rhs - above * (u_stage[:, :, k + 1] - u_stage[:, :, k])
        if k > 0:
            diagonal = diagonal - below * upper[-1]
            rhs = rhs - below * right[-1]
        if k < levels - 1:
            upper.append(above / diagonal)
        right.append(rhs / diagonal)
    x = [right[-1]]
    for k in range(levels - 2, -1, -1):
        x.append(right[k] - upper[k] * x[-1])
    return dtr_stage * (torch.stack(x[::-1], 2) - u_pos)


PROGRAMS = {
    f.__name__: f
    for f in (
        adi, atax, azimint_naive, cavity_flow, cholesky, conv2d_bias, correlation, deriche,
        doitgen, durbin, gemm, gemver, go_fast, gramschmidt, hdiff, heat_3d, jacobi_1d, jacobi_2d,
        k3mm, lenet, lu, mlp, seidel_2d, softmax, spmv, symm, syrk, trisolv, trmm, vadv,
    )
}  # fmt: skip
PROGRAMS |= {"cholesky_elements": cholesky, "seidel_2d_elements": seidel_2d}
