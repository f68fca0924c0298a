"""How the entries of each stack of a function lie in memory.

Stacks that may be the same one, or entries of the same one, have entries of one form: arrays of one
size lie one behind the other, arrays whose size differs from entry to entry (or is not known where
it is read) in memory of their own.
"""

from __future__ import annotations

from typing import Any

from adjoint.backends.llvm.lower.values import Word
from adjoint.ir.core import Block
from adjoint.ir.graph import Function, Value
from adjoint.ir.types import StackType
from adjoint.ops import control
from adjoint.ops.structural import project_result
from adjoint.transforms.lifetimes import Key

__all__ = ["word_of", "words_of"]


class _Form:
    """A set of stacks whose entries have the same form."""

    __slots__ = ("entry", "inner", "parent", "ragged", "word")

    def __init__(self, entry: Any) -> None:
        self.parent: _Form | None = None
        self.entry = entry
        self.inner = _Form(entry.entry) if isinstance(entry, StackType) else None
        self.ragged = not isinstance(entry, StackType) and None in entry.shape
        self.word: Word | None = None

    def root(self) -> _Form:
        form = self
        while form.parent is not None:
            form = form.parent
        return form

    def join(self, other: _Form) -> None:
        x, y = self.root(), other.root()
        if x is y:
            return
        y.parent = x
        x.ragged |= y.ragged
        if x.inner is not None and y.inner is not None:
            x.inner.join(y.inner)

    def make_ragged(self) -> None:
        form = self.root()
        form.ragged = True
        if form.inner is not None:
            form.inner.make_ragged()

    def as_word(self) -> Word:
        form = self.root()
        if form.word is None:
            entry = form.entry
            if form.inner is not None:
                form.word = Word("stack", inner=form.inner.as_word())
            elif not entry.shape:
                form.word = Word("number", entry.dtype)
            else:
                kind = "ragged" if form.ragged else "fixed"
                form.word = Word(kind, entry.dtype, len(entry.shape))
        return form.word


class _Forms:
    def __init__(self, function: Function) -> None:
        self.forms: dict[Key, _Form] = {}
        for p in function.block.parameters:
            if isinstance(p.type, StackType):
                self.of(p).make_ragged()
        self.visit(function.block)
        for r in function.block.results:
            if isinstance(r.type, StackType):
                self.of(r).make_ragged()

    def of(self, key: Key) -> _Form:
        form = self.forms.get(key)
        if form is None:
            type = key[0].type[key[1]] if isinstance(key, tuple) else key.type
            form = self.forms[key] = _Form(type.entry)
        return form

    def join(self, x: Key, y: Key) -> None:
        type = x[0].type[x[1]] if isinstance(x, tuple) else x.type
        if isinstance(type, StackType):
            self.of(x).join(self.of(y))

    def visit(self, block: Block) -> None:
        node: Value
        for node in block.nodes:
            op = node.op
            if op is project_result:
                self.join(node, (node.inputs[0], node.params["k"]))
            elif op in (control.push, control.entry_add):
                self.join(node, node.inputs[0])
                self._entry(self.of(node), node.inputs[1], node.inputs[1].type)
            elif op is control.entry:
                self._entry(self.of(node.inputs[0]), node, node.type)
            elif op is control.add_stacks:
                self.join(node, node.inputs[0])
                self.join(node, node.inputs[1])
            elif op in (control.recompute, control.checked):
                self.join(node, node.inputs[0])
            elif op in (control.for_loop, control.while_loop):
                self._loop(node)
            elif op is control.cond:
                for inner in node.blocks:
                    self.visit(inner)
                    for k, r in enumerate(inner.results):
                        self.join((node, k), r)
            elif op is control.call:
                for v in node.inputs:
                    if isinstance(v.type, StackType):
                        self.of(v).make_ragged()
                for k, t in enumerate(node.type):
                    if isinstance(t, StackType):
                        self.of((node, k)).make_ragged()
            else:
                for inner in node.blocks:
                    self.visit(inner)

    def _entry(self, form: _Form, key: Value, type: Any) -> None:
        if isinstance(type, StackType):
            inner = form.root().inner
            assert inner is not None
            inner.join(self.of(key))
        elif None in type.shape:
            form.root().ragged = True

    def _loop(self, node: Value) -> None:
        fixed = 3 if node.op is control.for_loop else 0
        for inner in node.blocks:
            params: list[Value] = inner.parameters[1 if fixed else 0 :]
            for init, p in zip(node.inputs[fixed:], params, strict=True):
                self.join(p, init)
            self.visit(inner)
        for k, r in enumerate(node.blocks[-1].results):
            self.join((node, k), r)
            self.join((node, k), node.inputs[fixed + k])


def word_of(type: StackType) -> Word:
    """Return the form of the entries of a stack that meets no other one."""
    return _Form(type.entry).as_word()


def words_of(function: Function) -> dict[Key, Word]:
    """Return the form of the entries of every stack of a function."""
    forms = _Forms(function).forms
    return {key: form.as_word() for key, form in forms.items()}
