"""Nests of loops as functions of their own, where a function would become too large for LLVM.

The time that LLVM takes grows faster than the length of a function. A program that does the same to
many small arrays has the same nests many times; those that differ in nothing but the registers that
they read share one function.
"""

from __future__ import annotations

import re
from collections import Counter
from typing import Any

from adjoint.backends.llvm.writer import Module, Nest, flatten

__all__ = ["LARGE", "REGISTER", "assembled", "type_of"]

LARGE = 1000
"""Lines up to which a function is left whole."""

HUGE = 5000
"""Lines from which nests leave a function that give it a number: a fold does so in a register."""

SHORT = 6
"""Lines of a nest up to which it stays where it is."""

REGISTER = re.compile(r"%(?:v\d+|p[\w.]+|r\d+|ctx|out)\b")
_LABEL = re.compile(r"%b\d+\b|%start\b|%body\b")
_TARGET = re.compile(r"label %(\w+)")
_METADATA = re.compile(r", !llvm\.[\w.]+ !\d+")
_TYPE = re.compile(r"\b(ptr|double|float|i\d+)\b")


def assembled(module: Module, lines: list[Any]) -> list[str]:
    """Return the text of a function's body; nests become functions of the module if it is long."""
    whole: list[str] = []
    flatten(lines, whole)
    if len(whole) <= LARGE:
        return whole
    return _Outliner(module, whole).lines(lines)


class _Outliner:
    def __init__(self, module: Module, whole: list[str]) -> None:
        self.module = module
        self.results = 1 if len(whole) >= HUGE else 0
        self.uses = Counter(REGISTER.findall("\n".join(whole)))
        self.known: dict[str, str] = {}
        self.renamed: dict[str, str] = {}
        self.block = "body"

    def lines(self, lines: list[Any]) -> list[str]:
        written: list[str] = []
        self._take(lines, written)
        if not self.renamed:
            return written

        def rename(match: re.Match[str]) -> str:
            return self.renamed.get(match[0], match[0])

        return [_LABEL.sub(rename, line) if "phi" in line else line for line in written]

    def _take(self, lines: list[Any], written: list[str]) -> None:
        for line in lines:
            if isinstance(line, Nest):
                self._nest(line, written)
            elif isinstance(line, list):
                self._take(line, written)
            else:
                written.append(line)
                if line.endswith(":"):
                    self.block = line[:-1]

    def _nest(self, nest: Nest, written: list[str]) -> None:
        own: list[str] = []
        flatten(nest, own)
        text = "\n".join(own)
        mentioned = Counter(REGISTER.findall(text))
        defined = {line.split(" ", 1)[0] for line in own if " = " in line}
        kept = [r for r in mentioned if r in defined and self.uses[r] != mentioned[r]]
        results = [_type_of_result(r, own) for r in kept]
        leaves = {t for t in _TARGET.findall(text) if f"{t}:" not in own}
        if len(own) < SHORT or leaves or len(kept) > self.results or "" in results:
            self._take(list(nest), written)
            return
        free = [r for r in dict.fromkeys(REGISTER.findall(text)) if r not in defined]
        types = [type_of(r, own) for r in free]
        names = {r: f"%a{k}" for k, r in enumerate(free)}
        for k, r in enumerate(dict.fromkeys(r for r in mentioned if r in defined)):
            names[r] = f"%d{k}"
        labels = [line[:-1] for line in own if line.endswith(":")]
        for k, label in enumerate(labels):
            names[f"%{label}"] = f"%l{k}"
        before = self.renamed.get(f"%{self.block}", f"%{self.block}")
        canonical = REGISTER.sub(lambda m: names[m[0]], text)
        canonical = _LABEL.sub(lambda m: names.get(m[0], "%start"), canonical)
        for label in labels:
            canonical = canonical.replace(f"\n{label}:", f"\n{names['%' + label][1:]}:")
        result, end = "void", "ret void"
        if kept:
            result = results[0]
            end = f"ret {result} {names[kept[0]]}"
        key = _METADATA.sub("", canonical) + "|" + ",".join(types) + "|" + end
        name = self.known.get(key)
        if name is None:
            name = self.known[key] = self.module.name("@nest")
            parameters = ", ".join(f"{t} %a{k}" for k, t in enumerate(types))
            self.module.define(
                f"define internal {result} {name}({parameters}) noinline #0 {{\n"
                f"start:\n{canonical}\n{end}\n}}"
            )
        given = ", ".join(f"{t} {r}" for t, r in zip(types, free))
        call = f"call {result} {name}({given})"
        written.append(f"{kept[0]} = {call}" if kept else call)
        if labels:
            self.renamed[f"%{labels[-1]}"] = before
            self.block = before[1:]


def _type_of_result(register: str, lines: list[str]) -> str:
    """Return the type of a register from the instruction that defines it; empty if unknown."""
    (line,) = [line for line in lines if line.startswith(f"{register} = ")]
    name = line.split(" ", 3)[2]
    if name == "phi" or name.startswith(("fadd", "fmul", "fsub", "add", "mul", "or", "and")):
        found = _TYPE.search(line)
        return "" if found is None else found[1]
    if name == "select":
        found = _TYPE.search(line.split(",", 1)[1])
        return "" if found is None else found[1]
    return ""


def type_of(register: str, lines: list[str]) -> str:
    """Return the type of a register, from an instruction that uses it."""
    ends = re.compile(rf"([^\s(]+) {re.escape(register)}(?![\w.])")
    for line in lines:
        match = ends.search(line)
        if match is None:
            continue
        if _TYPE.fullmatch(match[1]):
            return match[1]
        found = _TYPE.search(line)
        if found is not None:
            return found[1]
    raise AssertionError(f"no instruction tells the type of {register}")
