"""CasADi: ADBench's BA, HAND and LSTM as symbolic expressions, differentiated, written as C code.

Needs a C compiler. The model and the measured points are constants of the expressions, as they are
in a program that builds expressions; what is differentiated (and for BA and LSTM all data) is
passed at the call, through CasADi's buffers.
"""

from __future__ import annotations

import shutil
from typing import Any

import casadi as ca
import numpy as np

from benchmarks.peers.task import Flat, NotWritten, Prepared, Run, Task

PACKAGE = "casadi"
COMPILED = {
    "jit": True,
    "compiler": "shell",
    "jit_options": {"flags": ["-O3", "-march=native"], "compiler": "gcc"},
}
MOST_POINTS = 200


def setup(threads: int) -> None:
    """Do nothing: it runs on one thread."""


def caller(function: Any, inputs: list[np.ndarray]) -> Any:
    """Return a call without arguments: from the arrays of inputs to the arrays of results.

    CasADi's arrays go column by column: a result of shape (m, n) comes as (n, m).
    """
    buffer, trigger = function.buffer()
    outputs, views = [], []
    for k, x in enumerate(inputs):
        if x.size != function.nnz_in(k) or not x.flags.c_contiguous:
            raise ValueError(f"input {k} has {x.size} elements, not {function.nnz_in(k)}")
        views.append(memoryview(x.reshape(-1)))  # type: ignore[arg-type]
        buffer.set_arg(k, views[-1])
    for k in range(function.n_out()):
        outputs.append(np.zeros((function.size2_out(k), function.size1_out(k))))
        views.append(memoryview(outputs[-1].reshape(-1)))
        buffer.set_res(k, views[-1])
    alive = (outputs, views, buffer, function)  # CasADi holds addresses alone

    def call() -> list[np.ndarray]:
        trigger()
        return alive[0]

    return call


# ------------------------------------------------------------------------------------------- HAND


def about(axis: int, angle: Any) -> Any:
    """The 4 × 4 rotation about an axis."""
    matrix = ca.SX.eye(4)
    i, j = (1, 2) if axis == 0 else (0, 1)
    matrix[i, i], matrix[i, j] = ca.cos(angle), -ca.sin(angle)
    matrix[j, i], matrix[j, j] = ca.sin(angle), ca.cos(angle)
    return matrix


def posed(theta: Any, model: tuple[Any, ...]) -> Any:
    """Return a function from a vertex's number to where it is, a column of three."""
    parents, relatives, inverses, rest, weights = model
    about_x, about_z = [ca.SX(0)] * len(parents), [ca.SX(0)] * len(parents)
    for finger in range(5):
        first, number = 2 + 4 * finger, 6 + 4 * finger
        about_x[first], about_z[first] = theta[number], theta[number + 1]
        about_x[first + 1], about_x[first + 2] = theta[number + 2], theta[number + 3]
    absolutes: list[Any] = []
    for i, parent in enumerate(parents):
        own = ca.DM(relatives[i]) @ about(2, about_z[i]) @ about(0, about_x[i])
        absolutes.append(own if parent < 0 else absolutes[parent] @ own)
    transforms = [a @ ca.DM(inverse) for a, inverse in zip(absolutes, inverses, strict=True)]
    angle = ca.sqrt(ca.sumsqr(theta[:3]))
    cross = ca.skew(theta[:3] / angle)
    turned = ca.SX.eye(3) + ca.sin(angle) * cross + (1 - ca.cos(angle)) * (cross @ cross)

    def vertex(number: int) -> Any:
        at = ca.DM(np.append(rest[number], 1.0))
        skinned = ca.SX.zeros(3)
        for bone in np.flatnonzero(weights[number]):
            skinned += weights[number, bone] * (transforms[bone][:3, :] @ at)
        return turned @ skinned + theta[3:6]

    return vertex


def hand(task: Task) -> Run:
    """Return the Jacobian of HAND: an expression for every entry."""
    theta = ca.SX.sym("theta", 26)
    if task.problem == "hand_simple":
        _, *model, correspondences, points = task.args
        vertex = posed(theta, tuple(model))
        residual = [ca.DM(p) - vertex(v) for p, v in zip(points, correspondences, strict=True)]
        jacobian = ca.jacobian(ca.vertcat(*residual), theta)
        inputs, symbols = [task.args[0]], [theta]
    else:
        _, u_value, *model, triangles, correspondences, points = task.args
        vertex = posed(theta, tuple(model))
        u, shift = ca.SX.sym("u", 2, len(points)), ca.SX.sym("shift", 2)
        residual = []
        for k, triangle in enumerate(triangles[correspondences]):
            a, b, c = (vertex(v) for v in triangle)
            first, second = u[0, k] + shift[0], u[1, k] + shift[1]
            residual.append(ca.DM(points[k]) - (first * a + second * b + (1 - first - second) * c))
        whole = ca.jacobian(ca.vertcat(*residual), ca.vertcat(shift, theta))
        jacobian = ca.substitute(whole, shift, ca.DM.zeros(2))
        inputs, symbols = [task.args[0], np.ascontiguousarray(u_value)], [theta, u]
    function = ca.Function("jacobian", symbols, [ca.densify(jacobian)], COMPILED)
    return Run(caller(function, inputs), lambda found: [found[0].T])


# --------------------------------------------------------------------------------------------- BA


def bundle_adjustment(task: Task) -> Run:
    """Return BA's blocks: the Jacobian of one observation, mapped over all."""
    camera, point = ca.SX.sym("camera", 11), ca.SX.sym("point", 3)
    weight, feature = ca.SX.sym("weight"), ca.SX.sym("feature", 2)
    rotation, vector = camera[:3], point - camera[3:6]
    squared = ca.sumsqr(rotation)
    angle = ca.sqrt(ca.if_else(squared > 0, squared, 1.0))
    axis = rotation / angle
    turned = ca.cos(angle) * vector + ca.sin(angle) * ca.cross(axis, vector)
    turned += (1 - ca.cos(angle)) * ca.dot(axis, vector) * axis
    seen = ca.if_else(squared > 0, turned, vector + ca.cross(rotation, vector))
    plane = seen[:2] / seen[2]
    r = ca.sumsqr(plane)
    projected = plane * (1 + camera[9] * r + camera[10] * r**2) * camera[6] + camera[7:9]
    errors = weight * (projected - feature)
    block = ca.densify(ca.jacobian(errors, ca.vertcat(camera, point, weight)))
    slope = ca.jacobian(1 - weight**2, weight)
    # Row by row in memory: the transposed block.
    one = ca.Function("one", [camera, point, weight, feature], [block.T, slope])
    cameras, points, weights, features, camera_of, point_of = task.args
    p = len(weights)
    arguments = [ca.MX.sym("x", x.size1(), p) for x in (camera, point, weight, feature)]
    every = ca.Function("every", arguments, one.map(p, "serial").call(arguments), COMPILED)
    gathered = [np.empty((p, 11)), np.empty((p, 3)), weights, features]
    run = caller(every, gathered)

    def call() -> Flat:
        np.take(cameras, camera_of, 0, gathered[0])
        np.take(points, point_of, 0, gathered[1])
        return run()

    return Run(call, lambda found: [found[0].reshape(p, 2, 15), found[1].reshape(p)])


# ------------------------------------------------------------------------------------------- LSTM


def lstm(task: Task) -> Run:
    """Return LSTM's gradient: one step, accumulated over time."""
    main, extra, state, sequence = task.args
    layers, b, steps = len(main) // 2, main.shape[1] // 4, len(sequence) - 1
    parameters = ca.SX.sym("parameters", main.size + extra.size)
    carried, characters = ca.SX.sym("carried", state.size), ca.SX.sym("characters", 2 * b)
    last = parameters[main.size :]
    x, after = characters[:b] * last[:b], []
    for i in range(layers):
        w = parameters[8 * b * i : 8 * b * i + 4 * b]
        bias = parameters[8 * b * i + 4 * b : 8 * b * (i + 1)]
        h, cell = carried[2 * b * i : 2 * b * i + b], carried[2 * b * i + b : 2 * b * (i + 1)]
        sigmoid = lambda v: 1 / (1 + ca.exp(-v))
        forget = sigmoid(x * w[:b] + bias[:b])
        ingate = sigmoid(h * w[b : 2 * b] + bias[b : 2 * b])
        outgate = sigmoid(x * w[2 * b : 3 * b] + bias[2 * b : 3 * b])
        cell = cell * forget + ingate * ca.tanh(h * w[3 * b :] + bias[3 * b :])
        x = outgate * ca.tanh(cell)
        after += [x, cell]
    y = x * last[b : 2 * b] + last[2 * b :]
    term = ca.dot(characters[b:], y - ca.log(2 + ca.sum1(ca.exp(y))))
    step = ca.Function("step", [carried, characters, parameters], [ca.vertcat(*after), term])
    theta, start = ca.MX.sym("theta", parameters.numel()), ca.MX.sym("start", state.size)
    text = ca.MX.sym("text", 2 * b, steps)
    _, terms = step.mapaccum("steps", steps)(start, text, ca.repmat(theta, 1, steps))
    loss = -ca.sum2(terms) / (b * steps)
    gradient = ca.Function("gradient", [theta, start, text], [ca.gradient(loss, theta)], COMPILED)
    pairs = np.hstack([sequence[:-1], sequence[1:]])
    both = np.concatenate([main.ravel(), extra.ravel()])
    run = caller(gradient, [both, np.ascontiguousarray(state), pairs])
    return Run(run, lambda found: list(np.split(found[0].ravel(), [main.size])))


def prepare(task: Task) -> Prepared:
    """Return the derivative of one of ADBench's problems."""
    if task.weights:
        raise NotWritten("arrays that loops fill are not expressions")
    make = {"ba": bundle_adjustment, "lstm": lstm}.get(task.problem)
    if make is None and not task.problem.startswith("hand"):
        raise NotWritten("not written for CasADi")
    if shutil.which("gcc") is None:
        raise NotWritten("no C compiler")
    if make is None and len(task.args[-1]) > MOST_POINTS:
        raise NotWritten("an expression for every entry: C code too long to compile")
    built: list[Run] = []

    def call() -> Any:
        if not built:
            built.append((make or hand)(task))
        return built[0].call()

    return Prepared(None, Run(call, lambda found: built[0].flat(found)))
