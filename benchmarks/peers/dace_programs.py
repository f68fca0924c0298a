"""Programs of the suite in DaCe: functions of arrays that leave Σ ⟨w, result⟩ in ``s``.

Each is made for its extents, which are constants of the code. Numbers that are differentiated are
arrays of one. Names are those of the program's arguments, weights and work arrays apart.
"""

from __future__ import annotations

import numpy as np


def cholesky(n):
    def loss(a, w, s):
        for i in range(n):
            for j in range(i):
                a[i, j] -= a[i, :j] @ a[j, :j]
                a[i, j] /= a[j, j]
            a[i, i] -= a[i, :i] @ a[i, :i]
            a[i, i] = np.sqrt(a[i, i])
        s[0] = np.sum(a * w)

    return loss


def conv2d_bias(h, v, k):
    def loss(x, weights, bias, w, s):
        out = np.zeros_like(w)
        for i in range(h - k + 1):
            for j in range(v - k + 1):
                patch = x[:, i : i + k, j : j + k, :, np.newaxis]
                out[:, i, j, :] = np.sum(patch * weights[np.newaxis, :, :, :], axis=(1, 2, 3))
        out2 = out + bias
        s[0] = np.sum(out2 * w)

    return loss


def deriche(n, m):
    def loss(alpha, image, w, s):
        decay = np.exp(-alpha[0])
        k = (1.0 - decay) * (1.0 - decay) / (1.0 + 2.0 * alpha[0] * decay - decay * decay)
        a2 = k * decay * (alpha[0] - 1.0)
        a3 = k * decay * (alpha[0] + 1.0)
        a4 = -k * decay * decay
        b1 = np.exp(-alpha[0] * np.log(2.0))
        b2 = -decay * decay
        causal = np.zeros_like(image)
        anticausal = np.zeros_like(image)
        rows = np.zeros_like(image)
        causal[:, 0] = k * image[:, 0]
        causal[:, 1] = k * image[:, 1] + a2 * image[:, 0] + b1 * causal[:, 0]
        for j in range(2, m):
            causal[:, j] = (
                k * image[:, j]
                + a2 * image[:, j - 1]
                + b1 * causal[:, j - 1]
                + b2 * causal[:, j - 2]
            )
        anticausal[:, m - 2] = a3 * image[:, m - 1]
        for j in range(m - 3, -1, -1):
            anticausal[:, j] = (
                a3 * image[:, j + 1]
                + a4 * image[:, j + 2]
                + b1 * anticausal[:, j + 1]
                + b2 * anticausal[:, j + 2]
            )
        rows[:] = causal + anticausal
        down = np.zeros_like(image)
        up = np.zeros_like(image)
        down[0, :] = k * rows[0, :]
        down[1, :] = k * rows[1, :] + a2 * rows[0, :] + b1 * down[0, :]
        for i in range(2, n):
            down[i, :] = (
                k * rows[i, :] + a2 * rows[i - 1, :] + b1 * down[i - 1, :] + b2 * down[i - 2, :]
            )
        up[n - 2, :] = a3 * rows[n - 1, :]
        for i in range(n - 3, -1, -1):
            up[i, :] = (
                a3 * rows[i + 1, :] + a4 * rows[i + 2, :] + b1 * up[i + 1, :] + b2 * up[i + 2, :]
            )
        s[0] = np.sum((down + up) * w)

    return loss


def durbin(n):
    def loss(r, w, s):
        y = np.zeros_like(r)
        reversed_y = np.zeros_like(r)
        total = np.zeros((1,))
        alpha = np.zeros((1,))
        beta = np.zeros((1,))
        alpha[0] = -r[0]
        beta[0] = 1.0
        y[0] = -r[0]
        for k in range(1, n):
            beta[0] *= 1.0 - alpha[0] * alpha[0]
            total[0] = r[k]
            for j in range(k):
                total[0] += r[k - 1 - j] * y[j]
                reversed_y[j] = y[k - 1 - j]
            alpha[0] = -total[0] / beta[0]
            y[:k] += alpha[0] * reversed_y[:k]
            y[k] = alpha[0]
        s[0] = np.sum(y * w)

    return loss


def gramschmidt(n):
    def loss(a, w, w_q, w_r, s):
        q = np.zeros_like(a)
        r = np.zeros((n, n))
        for k in range(n):
            norm = a[:, k] @ a[:, k]
            r[k, k] = np.sqrt(norm)
            q[:, k] = a[:, k] / r[k, k]
            for j in range(k + 1, n):
                r[k, j] = q[:, k] @ a[:, j]
                a[:, j] -= q[:, k] * r[k, j]
        s[0] = np.sum(a * w) + np.sum(q * w_q) + np.sum(r * w_r)

    return loss


def hdiff(ni, nj):
    def loss(field, coeff, w, s):
        laplacian = 4.0 * field[1:-1, 1:-1, :] - (
            field[2:, 1:-1, :] + field[:-2, 1:-1, :] + field[1:-1, 2:, :] + field[1:-1, :-2, :]
        )
        step_x = laplacian[1:, 1:-1, :] - laplacian[:-1, 1:-1, :]
        flux_x = np.where(step_x * (field[2:-1, 2:-2, :] - field[1:-2, 2:-2, :]) > 0.0, 0.0, step_x)
        step_y = laplacian[1:-1, 1:, :] - laplacian[1:-1, :-1, :]
        flux_y = np.where(step_y * (field[2:-2, 2:-1, :] - field[2:-2, 1:-2, :]) > 0.0, 0.0, step_y)
        out = field[2:-2, 2:-2, :] - coeff * (
            flux_x[1:, :, :] - flux_x[:-1, :, :] + flux_y[:, 1:, :] - flux_y[:, :-1, :]
        )
        s[0] = np.sum(out * w)

    return loss


def heat_3d(tsteps):
    def loss(a, b, w, w_b, s):
        for _ in range(1, tsteps):
            b[1:-1, 1:-1, 1:-1] = (
                0.125 * (a[2:, 1:-1, 1:-1] - 2.0 * a[1:-1, 1:-1, 1:-1] + a[:-2, 1:-1, 1:-1])
                + 0.125 * (a[1:-1, 2:, 1:-1] - 2.0 * a[1:-1, 1:-1, 1:-1] + a[1:-1, :-2, 1:-1])
                + 0.125 * (a[1:-1, 1:-1, 2:] - 2.0 * a[1:-1, 1:-1, 1:-1] + a[1:-1, 1:-1, :-2])
                + a[1:-1, 1:-1, 1:-1]
            )
            a[1:-1, 1:-1, 1:-1] = (
                0.125 * (b[2:, 1:-1, 1:-1] - 2.0 * b[1:-1, 1:-1, 1:-1] + b[:-2, 1:-1, 1:-1])
                + 0.125 * (b[1:-1, 2:, 1:-1] - 2.0 * b[1:-1, 1:-1, 1:-1] + b[1:-1, :-2, 1:-1])
                + 0.125 * (b[1:-1, 1:-1, 2:] - 2.0 * b[1:-1, 1:-1, 1:-1] + b[1:-1, 1:-1, :-2])
                + b[1:-1, 1:-1, 1:-1]
            )
        s[0] = np.sum(a * w) + np.sum(b * w_b)

    return loss


def jacobi_1d(tsteps):
    def loss(a, b, w, w_b, s):
        for _ in range(1, tsteps):
            b[1:-1] = 0.33333 * (a[:-2] + a[1:-1] + a[2:])
            a[1:-1] = 0.33333 * (b[:-2] + b[1:-1] + b[2:])
        s[0] = np.sum(a * w) + np.sum(b * w_b)

    return loss


def jacobi_2d(tsteps):
    def loss(a, b, w, w_b, s):
        for _ in range(1, tsteps):
            b[1:-1, 1:-1] = 0.2 * (
                a[1:-1, 1:-1] + a[1:-1, :-2] + a[1:-1, 2:] + a[2:, 1:-1] + a[:-2, 1:-1]
            )
            a[1:-1, 1:-1] = 0.2 * (
                b[1:-1, 1:-1] + b[1:-1, :-2] + b[1:-1, 2:] + b[2:, 1:-1] + b[:-2, 1:-1]
            )
        s[0] = np.sum(a * w) + np.sum(b * w_b)

    return loss


def lu(n):
    def loss(a, w, s):
        for i in range(n):
            for j in range(i):
                a[i, j] -= a[i, :j] @ a[:j, j]
                a[i, j] /= a[j, j]
            for j in range(i, n):
                a[i, j] -= a[i, :i] @ a[:i, j]
        s[0] = np.sum(a * w)

    return loss


def seidel_2d(tsteps, n):
    def loss(a, w, s):
        for _ in range(tsteps - 1):
            for i in range(1, n - 1):
                a[i, 1:-1] += (
                    a[i - 1, :-2]
                    + a[i - 1, 1:-1]
                    + a[i - 1, 2:]
                    + a[i, 2:]
                    + a[i + 1, :-2]
                    + a[i + 1, 1:-1]
                    + a[i + 1, 2:]
                )
                for j in range(1, n - 1):
                    a[i, j] += a[i, j - 1]
                    a[i, j] /= 9.0
        s[0] = np.sum(a * w)

    return loss


def softmax():
    def loss(x, w, s):
        largest = np.max(x, axis=-1)
        shifted = np.exp(x - largest[:, :, :, np.newaxis])
        total = np.sum(shifted, axis=-1)
        out = shifted / total[:, :, :, np.newaxis]
        s[0] = np.sum(out * w)

    return loss


def syrk(n, m):
    def loss(alpha, beta, c, a, w, s):
        for i in range(n):
            c[i, : i + 1] *= beta[0]
            for k in range(m):
                c[i, : i + 1] += alpha[0] * a[i, k] * a[: i + 1, k]
        s[0] = np.sum(c * w)

    return loss


def trisolv(n):
    def loss(l, x, b, w, s):
        for i in range(n):
            x[i] = (b[i] - l[i, :i] @ x[:i]) / l[i, i]
        s[0] = np.sum(x * w)

    return loss


def trmm(m, n):
    def loss(alpha, a, b, w, s):
        for i in range(m):
            for j in range(n):
                b[i, j] += a[i + 1 :, i] @ b[i + 1 :, j]
        b *= alpha[0]
        s[0] = np.sum(b * w)

    return loss


def vadv(levels):
    def loss(utens_stage, u_stage, wcon, u_pos, utens, dtr_stage, w, s):
        upper = np.zeros_like(u_stage)
        right = np.zeros_like(u_stage)
        above0 = 0.125 * (wcon[1:, :, 1] + wcon[:-1, :, 1])
        diagonal0 = dtr_stage[0] - above0
        upper[:, :, 0] = above0 / diagonal0
        right[:, :, 0] = (
            dtr_stage[0] * u_pos[:, :, 0]
            + utens[:, :, 0]
            + utens_stage[:, :, 0]
            - above0 * (u_stage[:, :, 1] - u_stage[:, :, 0])
        ) / diagonal0
        for k in range(1, levels - 1):
            below = -0.125 * (wcon[1:, :, k] + wcon[:-1, :, k])
            above = 0.125 * (wcon[1:, :, k + 1] + wcon[:-1, :, k + 1])
            diagonal = dtr_stage[0] - below - above - below * upper[:, :, k - 1]
            upper[:, :, k] = above / diagonal
            right[:, :, k] = (
                dtr_stage[0] * u_pos[:, :, k]
                + utens[:, :, k]
                + utens_stage[:, :, k]
                - below * (u_stage[:, :, k - 1] - u_stage[:, :, k])
                - above * (u_stage[:, :, k + 1] - u_stage[:, :, k])
                - below * right[:, :, k - 1]
            ) / diagonal
        below1 = -0.125 * (wcon[1:, :, levels - 1] + wcon[:-1, :, levels - 1])
        right[:, :, levels - 1] = (
            dtr_stage[0] * u_pos[:, :, levels - 1]
            + utens[:, :, levels - 1]
            + utens_stage[:, :, levels - 1]
            - below1 * (u_stage[:, :, levels - 2] - u_stage[:, :, levels - 1])
            - below1 * right[:, :, levels - 2]
        ) / (dtr_stage[0] - below1 - below1 * upper[:, :, levels - 2])
        for k in range(levels - 2, -1, -1):
            right[:, :, k] -= upper[:, :, k] * right[:, :, k + 1]
        s[0] = np.sum(dtr_stage[0] * (right - u_pos) * w)

    return loss


PROGRAMS = {
    "cholesky": lambda a: cholesky(len(a)),
    "conv2d_bias": lambda x, weights, bias: conv2d_bias(*x.shape[1:3], len(weights)),
    "deriche": lambda alpha, image: deriche(*image.shape),
    "durbin": lambda r: durbin(len(r)),
    "gramschmidt": lambda a: gramschmidt(a.shape[1]),
    "hdiff": lambda field, out, coeff: hdiff(*coeff.shape[:2]),
    "heat_3d": lambda tsteps, a, b: heat_3d(tsteps),
    "jacobi_1d": lambda tsteps, a, b: jacobi_1d(tsteps),
    "jacobi_2d": lambda tsteps, a, b: jacobi_2d(tsteps),
    "lu": lambda a: lu(len(a)),
    "seidel_2d": lambda tsteps, a: seidel_2d(tsteps, len(a)),
    "softmax": lambda x: softmax(),
    "syrk": lambda alpha, beta, c, a: syrk(*a.shape),
    "trisolv": lambda l, x, b: trisolv(len(b)),
    "trmm": lambda alpha, a, b: trmm(*b.shape),
    "vadv": lambda *args: vadv(args[1].shape[2]),
}
"""By name, what makes the function from the program's arguments."""
