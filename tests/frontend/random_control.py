"""Random functions made of nothing but control flow, and of all of it that Python has."""

from __future__ import annotations

import traceback


class Writer:
    """Writes the text of one function.

    Its globals are to be `log` (records its arguments), `tick` (returns a true value, but not too
    often), `context` (a context manager that records, and may swallow exceptions), `Failure`,
    `shared` and `box`.

    Parameters
    ----------
    random
        A random generator.
    kind
        ``"function"``, ``"generator"``, or ``"pure"``: a function that counts in a local variable,
        so that nothing outside it decides what it does.
    """

    def __init__(self, random, kind="function"):
        self.random = random
        self.kind = kind
        self.tick = "tick()" if kind != "pure" else "(fuel > 0)"
        self.lines = []
        self.size = 0
        self.functions = 0

    def text(self):
        self.lines.append("def f(a, b):")
        if self.random.random() < 0.5:
            self.line(1, "global shared")
        else:
            self.line(1, "shared = 0")
        if self.kind == "generator":
            self.line(1, "yield a")
        if self.kind == "pure":
            self.line(1, "fuel = 15")
        self.block(1, loop=False, depth=4)
        if self.random.random() < 0.5:
            self.line(1, f"return {self.tuple()}")
        return "\n".join(self.lines) + "\n"

    def line(self, indent, text):
        self.lines.append("    " * indent + text)

    def pick(self, *choices):
        return choices[self.random.randrange(len(choices))]

    # ------------------------------------------------------------------------------- expressions

    def name(self):
        return self.pick("a", "a", "b", "b", "c", "d", "shared")

    def tuple(self):
        return "(" + ", ".join(self.name() for _ in range(self.random.randrange(1, 4))) + ",)"

    def expression(self, depth=2):
        if depth == 0:
            return self.pick(self.name(), self.name(), str(self.random.randrange(4)))
        e = lambda: self.expression(depth - 1)
        kind = self.random.randrange(13)
        if kind < 3:
            return self.expression(0)
        if kind < 5:
            return f"{e()} {self.pick('+', '-', '*')} {self.expression(0)}"
        if kind < 7:
            return f"({e()} {self.pick('<', '<=', '==', '!=', '>')} {e()})"
        if kind == 7:
            return f"({e()} < {e()} <= {e()})"
        if kind == 8:
            return f"({e()} {self.pick('and', 'or')} {e()} {self.pick('and', 'or')} {e()})"
        if kind == 9:
            return f"({e()} if {e()} else {e()})"
        if kind == 10:
            return f"log({e()}, {self.random.randrange(100)})"
        if kind == 11:
            return f"(not {e()})"
        return self.pick(
            f"({self.name()} := {self.expression(0)})",
            f"sum(i * {self.expression(0)} for i in range(3) if i != {self.expression(0)})",
            f"len([(i, {self.expression(0)}) for i, j in ((1, 2), (3, 4)) if i if j])",
            f"sum([i for i in range(4) if (c := i) > {self.expression(0)}])",
        )

    # -------------------------------------------------------------------------------- statements

    def block(self, indent, loop, depth):
        for _ in range(self.random.randrange(1, 4)):
            self.statement(indent, loop, depth)

    def statement(self, indent, loop, depth):
        self.size += 1
        kind = self.random.randrange(30)
        inner = dict(indent=indent + 1, loop=loop, depth=depth - 1)
        if depth == 0 or self.size > 60 or kind < 5:
            return self.simple(indent, loop)
        if kind < 11:
            self.line(indent, f"if {self.expression()}:")
            self.block(**inner)
            while self.random.random() < 0.3:
                self.line(indent, f"elif {self.expression()}:")
                self.block(**inner)
            self.orelse(indent, inner)
        elif kind < 17:
            if self.random.random() < 0.6:
                target, over = self.pick(
                    ("c", "range(3)"), ("a", "[1, 2]"), ("(c, d)", "[(1, 2), (3, 4), (5, 0)]"),
                    ("box[0]", "range(2)"), ("_", "range(log(2))"), ("(c, *d)", "['ab', '', 'c']"),
                    ("shared", "(k for k in range(3))"),
                )  # fmt: skip
                self.line(indent, f"for {target} in {over}:")
            else:
                self.line(
                    indent,
                    self.pick(
                        f"while {self.tick} and {self.expression()}:",
                        f"while {self.tick}:",
                        "while True:",
                        f"while {self.tick} and (d := {self.expression(0)}) < 3:",
                    ),
                )
                self.line(indent + 1, "fuel -= 1" if self.kind == "pure" else "tick()")
                if self.kind == "pure":
                    self.line(indent + 1, "if fuel < -9: break")
            self.block(**{**inner, "loop": True})
            self.orelse(indent, inner)
        elif kind < 20:
            self.line(indent, "try:")
            self.block(**inner)
            handled = self.random.random() < 0.7
            if handled:
                self.line(indent, self.pick("except Failure as error:", "except NameError as d:"))
                self.block(**inner)
                self.orelse(indent, inner)
            if not handled or self.random.random() < 0.4:
                self.line(indent, "finally:")
                self.block(**inner)
        elif kind < 22:
            self.line(indent, f"with {self.contexts()}:")
            self.block(**inner)
        elif kind == 22:
            self.line(indent, f"match {self.expression(1)}:")
            for pattern in self.pick(("0", "1 | 2", "c"), ("int()", "_"), ("0", "(d, *_)")):
                guard = "" if pattern in "c_" else self.pick("", f" if {self.expression(1)}")
                self.line(indent + 1, f"case {pattern}{guard}:")
                self.block(**{**inner, "indent": indent + 2})
        elif kind == 23:
            self.functions += 1
            self.line(indent, f"def inner_{self.functions}():")
            self.line(indent + 1, f"nonlocal {self.pick('a', 'b', 'c')}")
            self.line(indent + 1, f"{self.pick('a', 'b', 'c')} = {self.expression(0)}")
            self.line(indent, f"inner_{self.functions}()")
            self.line(indent, "c = 1")
        else:
            self.simple(indent, loop)

    def orelse(self, indent, inner):
        if self.random.random() < 0.4:
            self.line(indent, "else:")
            self.block(**inner)

    def contexts(self):
        count = self.random.randrange(1, 3)
        return ", ".join(f"context({self.random.randrange(6)})" for _ in range(count))

    def simple(self, indent, loop):
        kind = self.random.randrange(16)
        if loop and kind < 5:
            text = self.pick("break", "continue")
        elif kind < 7:
            text = self.pick("return", f"return {self.expression()}", f"return {self.tuple()}")
            if self.kind == "generator" and self.random.random() < 0.7:
                text = f"yield {self.expression()}"
        elif kind < 10:
            text = f"{self.name()} = {self.expression()}"
        elif kind < 12:
            text = f"{self.name()} += {self.expression()}"
        elif kind == 12:
            text = f"del {self.name()}"
        elif kind == 13:
            text = self.pick("raise Failure", "raise Failure(a)", f"assert {self.expression()}, a")
        else:
            text = f"log({self.expression()})"
        self.line(indent, text)


class Failure(Exception):
    """Raised by the programs."""


class Stop(BaseException):
    """Ends programs that would not end."""


def lines_of(error, filename):
    """The lines of a file that an error went through (expressions may have become lambdas)."""
    found = []
    for frame, line in traceback.walk_tb(error.__traceback__):
        if frame.f_code.co_filename == filename and found[-1:] != [line]:
            found.append(line)
    return found


def run(define, rewrite, text, arguments, generator=False):
    """Run a program; return all that can be seen of it."""
    log = []
    ticks = iter(range(120))

    def record(value=None, *rest):
        log.append((repr(value), *rest))
        return value

    def tick():
        k = next(ticks, None)
        if k is None:
            raise Stop
        return k % 7 != 6

    class Context:
        def __init__(self, k):
            self.k = k

        def __enter__(self):
            log.append(("enter", self.k))

        def __exit__(self, kind, *rest):
            log.append(("exit", self.k, kind))
            if self.k == 4:
                raise Failure("on the way out")
            return self.k == 5 and kind is not None and issubclass(kind, Failure)

    module = define(text)
    vars(module).update(log=record, tick=tick, context=Context, Failure=Failure, shared=1, box=[0])
    fn = rewrite(module.f)
    try:
        result = fn(*arguments)
        if generator:
            result = list(result)
        result = repr(result)
    except (Failure, Stop, NameError, TypeError, AssertionError, ValueError) as error:
        result = type(error), str(error), lines_of(error, fn.__code__.co_filename)
    return result, log, repr(vars(module).get("shared")), repr(module.box), next(ticks, None)
