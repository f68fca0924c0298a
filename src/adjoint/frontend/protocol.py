"""What rewritten code says to the objects of loops and branches.

The texts are in `adjoint.frontend.staged_transform`.
"""

from __future__ import annotations

import ast

from adjoint.frontend.bindings import Scope, mangled
from adjoint.frontend.making import Maker

__all__ = ["Protocol"]


class Protocol:
    """The statements of one loop or branch, about its hook's object.

    Parameters
    ----------
    make
        Makes nodes at its place.
    number
        A number that no other one in the function has.
    names
        Those that its body may bind, without targets.
    targets
        Those that the loop's target binds.
    bound
        The names that are surely bound before it.
    scope, class_name
        Where it stands.
    """

    def __init__(
        self,
        make: Maker,
        number: int,
        names: list[str],
        targets: list[str],
        bound: set[str],
        scope: Scope,
        class_name: str | None,
    ) -> None:
        self.make = make
        self.owner = f"adjoint: object {number}"
        self.turn = f"adjoint: turn {number}"
        self.error = f"adjoint: error {number}"
        self.names, self.targets = names, targets
        self.scope, self.class_name = scope, class_name
        # Others may be deleted by anyone.
        self.bound = bound - scope.global_ - scope.nonlocal_ - scope.rebound

    def said(self, names: list[str]) -> ast.expr:
        """Return names as a constant, as they are called in the namespaces."""
        return self.make.constant(tuple(mangled(each, self.class_name) for each in names))

    def namespaces(self) -> list[ast.expr]:
        """Return ``locals()``, and a dictionary of the names' values among the globals."""
        make = self.make
        local = make.call(make.hook("locals"))
        chosen = [each for each in (*self.names, *self.targets) if each in self.scope.global_]
        if not chosen:
            return [local, ast.Dict(keys=[], values=[], **make.where)]
        outer = make.call(make.hook("globals"))
        return [local, make.call(make.hook("declared"), outer, self.said(chosen))]

    def begin(self, hook: str, *arguments: ast.expr) -> ast.stmt:
        """Return ``object = H.hook(*arguments, NAMES, [TARGETS,] locals(), OUTER)``."""
        make = self.make
        said = [self.said(self.names)]
        if hook == "for_loop":
            said.append(self.said(self.targets))
        value = make.call(make.hook(hook), *arguments, *said, *self.namespaces())
        return make.assign(make.target(self.owner), value)

    def leave(self, *more: ast.expr) -> ast.stmt:
        """Return ``object.leave(locals(), OUTER, *more)``."""
        return self.make.expression(
            self.make.method(self.owner, "leave", *self.namespaces(), *more)
        )

    def passes(self, body: list[ast.stmt], target: str | None = None) -> ast.stmt:
        """Return the loop over the object, with what is in it."""
        make = self.make
        going_on = make.method(self.owner, "failed", make.name(self.error))
        refused = make.choice(make.not_(going_on), [make.again()])
        entered = [*self._take("enter", self.names, self.bound), *body]
        attempt = make.attempt(entered, make.hook("BaseException"), self.error, [refused])
        return make.loop(make.target(target or self.turn), make.name(self.owner), [attempt])

    def results(self, deleted: set[str]) -> list[ast.stmt]:
        """Return what takes the names' values over at the end; the body may have deleted some."""
        return self._take("results", [*self.names, *self.targets], self.bound - deleted)

    def _take(self, method: str, names: list[str], bound: set[str]) -> list[ast.stmt]:
        make = self.make
        values = make.method(self.owner, method)
        if not names:
            return [make.expression(values)]
        statements: list[ast.stmt] = [make.assign_all(names, values)]
        for each in names:
            if each not in bound:
                test = ast.Compare(
                    left=make.name(each),
                    ops=[ast.Is()],
                    comparators=[make.hook("UNBOUND")],
                    **make.where,
                )
                statements.append(make.choice(test, [make.delete(each)]))
        return statements
