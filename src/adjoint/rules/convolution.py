"""Derivatives of convolutions: the transposes of each of the three are the other two.

A form that is linear in images x, filters w and results y has three partial derivatives.
"""

from __future__ import annotations

from typing import Any

from adjoint.ops.convolution import convolution, convolution_input, convolution_weight
from adjoint.rules.derive import multilinear


def _settings(node: Any) -> dict[str, Any]:
    return {k: v for k, v in node.params.items() if k != "lengths"}


def _x_of(y: Any, w: Any, x_type: Any, node: Any) -> Any:
    return convolution_input(y, w, lengths=x_type.shape[2:], **_settings(node))


def _w_of(x: Any, y: Any, w_type: Any, node: Any) -> Any:
    return convolution_weight(x, y, lengths=w_type.shape[2:], **_settings(node))


def _y_of(x: Any, w: Any, node: Any) -> Any:
    return convolution(x, w, **_settings(node))


multilinear(
    convolution,
    lambda ct, w, x_type, node: _x_of(ct, w, x_type, node),
    lambda ct, x, w_type, node: _w_of(x, ct, w_type, node),
)
multilinear(
    convolution_input,
    lambda ct, w, node: _y_of(ct, w, node),
    lambda ct, y, w_type, node: _w_of(ct, y, w_type, node),
)
multilinear(
    convolution_weight,
    lambda ct, y, x_type, node: _x_of(y, ct, x_type, node),
    lambda ct, x, node: _y_of(x, ct, node),
)
