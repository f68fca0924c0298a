"""Planted mistakes: each is one that a rule, a walk or the storage could have; the checks see it.

A check that passes with the mistake planted would pass with a real one.
"""

# ruff: noqa: E501 (a row of a table is a line)

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import adjoint.eager.recorded as recorded
import adjoint.eager.storage as storage
import adjoint.eager.stores as stores
import adjoint.ops.structural as structural
import adjoint.transforms.reverse as reverse
from adjoint.errors import AdjointError
from adjoint.ops import elementwise as ew
from adjoint.ops import indexing as ix
from adjoint.ops import linalg as la
from adjoint.rules.derive import elementwise, linear, multilinear, store
from tests import harness
from tests.cases import Case, case

A = np.array([[0.7, -1.2, 0.4], [1.5, 0.3, -0.8]])
V = np.array([0.3, 1.7, -0.6])


def rule(op: Any, give: Callable[[], None]) -> Callable[[pytest.MonkeyPatch], None]:
    """Plant another row for an operation."""

    def plant(patch: pytest.MonkeyPatch) -> None:
        patch.setattr(op, "rule", None)
        give()

    return plant


def replaced(module: Any, name: str, value: Any) -> Callable[[pytest.MonkeyPatch], None]:
    return lambda patch: patch.setattr(module, name, value)


def used_then_overwritten(x):
    a = x * 2.0
    a[0] = x[1]
    y = a * a
    a[:] = x[0]
    return y


def views(x):
    a = x * 1.0
    v = a[:2]
    v[0] = x[2] ** 2
    return a * x


def stale_view(x):
    a = x * 1.0
    v = a[:2]
    a[0] = x[2] ** 2
    return v * x[:2]


def repeated_store(x):
    a = x * 1.0
    a[[0, 0]] = x[1:]
    return a


def overwritten(x):
    a = x * x
    b = a * 3.0
    a[1] = x[0]
    return a + b


def _lost_accumulation(bars, owned, operand, g, node):
    if type(g) in (reverse.At, reverse.Part, reverse.Handed):
        return _add(bars, owned, operand, g, node)
    bars.pop(operand, None)  # the last use of a value is the only one that counts
    return _add(bars, owned, operand, g, node)


_add = reverse._add
_update_rule = ix.update.rule


def _keeps_overwritten(ct, node):
    value_bar = ix.follow(ct, node.params["path"]).copy()
    return reverse.Handed(ct), value_bar


def _every_writer(ct, node):
    value_bar = np.array(ix.follow(ct, node.params["path"]))
    ix.overwrite(ct, node.params["path"], 0)
    return reverse.Handed(ct), value_bar


MISTAKES: dict[str, tuple[Callable[[pytest.MonkeyPatch], None], Case]] = {
    "sign of a partial": (
        rule(ew.cos, lambda: elementwise(ew.cos, lambda t, x: t * np.sin(x))),
        case("cos", np.cos, V),
    ),
    "factor of a partial": (
        rule(ew.square, lambda: elementwise(ew.square, lambda t, x: t * x)),
        case("square", np.square, V),
    ),
    "second operand without a share": (
        rule(ew.multiply, lambda: elementwise(ew.multiply, lambda t, y: t * y, None)),
        case("product", lambda x, y: x * y, V, V + 1),
    ),
    "right first derivative, wrong second": (
        rule(ew.exp, lambda: elementwise(ew.exp, lambda t, x: t * np.exp(np.array(plain(x))))),
        case("exp", np.exp, V),
    ),
    "transpose that is not one": (
        rule(structural.permute, lambda: linear(structural.permute, lambda ct, axes: structural.permute(ct, axes=axes))),
        case("permute", lambda x: x.transpose(1, 2, 0) * 1.0, np.arange(24.0).reshape(2, 3, 4) / 7, order=1),
    ),
    "product transposed in the wrong operand": (
        rule(la.matmul, lambda: multilinear(la.matmul, lambda ct, y: ct @ y, lambda ct, x: x.T @ ct)),
        case("matmul", lambda x, y: x @ y, A[:, :2], A[:, 1:]),
    ),
    "conjugate without its conjugate": (
        rule(ew.conjugate, lambda: linear(ew.conjugate, lambda ct: ct)),
        case("conjugate", lambda z: np.conjugate(z) * z, V + 1j),
    ),
    "no unbroadcast": (
        replaced(reverse, "unbroadcast", lambda g, shape: g[(0,) * (g.ndim - len(shape))]),
        case("broadcast", lambda x, y: x + y, A, V),
    ),
    "lost accumulation": (
        replaced(reverse, "_add", _lost_accumulation),
        case("fan out", lambda x: np.sin(x) * x + np.exp(x) * x[0], V),
    ),
    "residual not protected": (
        lambda patch: [patch.setattr(m, "release", lambda root, part: None) for m in (storage, stores)],
        case("overwritten residual", used_then_overwritten, V),
    ),
    "pins not kept": (
        lambda patch: patch.setattr(recorded, "keep", lambda saved, k, x: None),
        case("overwritten residual", used_then_overwritten, V),
    ),
    "view not linked": (
        replaced(recorded, "_note_view", lambda *args: None),
        case("store through a view", views, V),
    ),
    "view not read again": (
        replaced(recorded, "is_stale", lambda view: False),
        case("stale view", stale_view, V),
    ),
    "overwritten part keeps its cotangent": (
        rule(ix.update, lambda: store(ix.update, _update_rule.push, _keeps_overwritten)),
        case("overwritten", overwritten, V),
    ),
    "every writer gets a cotangent": (
        rule(ix.update, lambda: store(ix.update, _update_rule.push, _every_writer)),
        case("repeated index", repeated_store, V),
    ),
    "gathered twice, added once": (
        replaced(reverse, "add_at", lambda x, path, value: ix.overwrite(x, path, ix.follow(x, path) + value)),
        case("gather", lambda x: x[[0, 1, 1, 0]] ** 2, V),
    ),
    "wrong dtype": (
        replaced(reverse, "project", lambda x, dtype: x),
        case("complex by real", lambda x: (x * 1j) * (x * (1 + 2j)), V),
    ),
}  # fmt: skip


def plain(x):
    while hasattr(x, "_value"):
        x = x._value
    return x


def check(c: Case) -> None:
    harness.check_first_order(c)
    if c.order >= 2:
        harness.check_second_order(c)
    if c.float32:
        harness.check_float32(c)


@pytest.mark.parametrize("name", MISTAKES)
def test_case_is_right_without_the_mistake(name):
    check(MISTAKES[name][1])


@pytest.mark.parametrize("name", MISTAKES)
@pytest.mark.filterwarnings("ignore")
def test_mistake_is_seen(name, monkeypatch):
    plant, c = MISTAKES[name]
    plant(monkeypatch)
    with pytest.raises((AssertionError, AdjointError, ValueError, IndexError, TypeError)):
        check(c)
