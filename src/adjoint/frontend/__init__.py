"""The front end: the user's Python, rewritten so that it reaches us where NumPy's protocols do not.

Most of an unchanged NumPy program needs nothing from this folder.  Operators, indexing, ufuncs and
``np.sum(x)`` find a traced `Array` through NumPy's own protocols.  Three things never do:

* calls that no argument dispatches: ``np.zeros(n)``, ``math.sin(x)``, ``float(x)``, ``map(f, xs)``;
* stores: ``u[t] = x`` into a plain array asks the array, not `x`, and the array cannot hold it;
* the statements ``for``, ``while``, ``if``, the operators ``and``, ``or``, ``not``, and what is
  read from outside (of interest to staging alone).

So the function's source is parsed, hooks are put into those places, and the result is compiled
under the function's own file name and positions.  It shares its globals, its closure cells and its
defaults with the original.  The files, in the order in which a function passes through them:

``source``        the syntax tree of a code object, checked to be what is running
``build``         tree → code object in its own place: class, free variables, names
``rewrite``       function → function; what is remembered, and for how long

and of the eager flavour

``adoption``      which names a function stores into
``transform``     tree → tree with hooks
``values``        what stores and adoption do

of the staged one (`staged_transform` has the table of what is rewritten into what)

``bindings``      which names a piece of a function binds
``exits``         how statements are left, and which must be left to Python
``staged_flow``   ``break``, ``continue`` and ``return`` as flags
``nesting``       how deep blocks may be nested
``making``, ``protocol``, ``staged_expressions``, ``staged_transform``
                  tree → tree with hooks

and of both

``policy``        whose functions are rewritten
``resolver``      what a call reaches: replacements, rewritten functions, decorators
``instances``     making instances of classes
``calls``         the two resolvers, and how replacements are registered
``higher_order``  functions that call the functions they are given
``hooks``         the hooks in one place, and how other layers fill them

Known limits
------------
* A function without source text (made by ``exec`` from a bare string, typed into a plain
  interpreter before Python 3.13, or loaded from bytecode alone) runs as it is; so does one whose
  file was edited after it was imported.  `why_not_rewritten` says which.
* Code that Python calls itself is not rewritten if it was defined outside the rewritten functions:
  properties of classes from another file, other descriptors, operator methods (``__add__``,
  ``__getitem__``, ``__iter__``, ``__enter__``, …), decorators at the moment they decorate,
  ``__init_subclass__``, metaclasses.  They run on traced values through NumPy's protocols; what
  fails in them is item assignment to a plain array and functions that need a replacement.
* `functools.singledispatchmethod` likewise.
* Only the callables listed in `higher_order` have their function arguments rewritten.  A user's
  function given to another library's function runs as it is, unless that is itself Python code
  that is rewritten (it then resolves its own calls).
* A class whose metaclass defines ``__call__`` is called as it is.  A frame of ours stands between
  the call of any other user class and its ``__init__`` (``warnings.warn(stacklevel=2)`` sees it).
  A dataclass with ``__slots__`` runs its ``__post_init__`` as it is.
* `functools.cache` is passed by only if a traced value is among the arguments or in containers of
  them; a value in an attribute of an argument, or captured by the function, is not noticed.
* A plain array is adopted where its name is bound in the function that stores into it: by
  arithmetic, by a NumPy or SciPy call, or by an index that copies.  One that was bound elsewhere
  (a list element, the result of a user's function, an argument) refuses traced values, since
  others may be looking at it.
* ``obj.attribute += value`` on a plain array and ``np.add(a, value, out=a)`` are left to the
  arrays' own check.
* Rewritten functions have code objects of their own: tools that compare ``__code__`` (line
  profilers that register functions) do not recognise them.  Tools that go by file and line do.
* Functions are remembered by their code and their defaults.  Replacing ``__init__`` of a class
  that was already called once without one is not noticed.

Of the staged flavour alone
---------------------------
* Loops and branches around ``yield`` or ``await``, ``return`` inside loops and branches of
  generators and coroutines, and what a ``finally`` block that is left by ``return``, ``break`` or
  ``continue`` takes part in, stay Python's: their conditions must be known.  So must those of
  branches with more than about nine loops and branches around them, of operands with ``:=`` or
  ``await`` in them, of `match` patterns and guards, and whatever the body of a class runs.
* Expressions that become lambdas have frames of their own in tracebacks; what asks for the frame
  by other means than ``locals``, ``vars``, ``dir``, ``eval`` and ``exec`` sees them.
* ``locals()`` has temporaries in it (their names contain a space).
* A loop announces the names that the function's own functions rebind (``nonlocal``), but not what
  else a call changes: globals, variables of functions around it.
"""

from __future__ import annotations

import adjoint.frontend.higher_order  # noqa: F401  (fills the registry)
from adjoint.frontend.hooks import (
    call,
    configure,
    contains_traced,
    never_rewritten,
    register,
    register_higher_order,
    register_type,
    replacements,
    resolve,
    resolve_argument,
    resolve_staged,
    type_replacements,
    unregister,
)
from adjoint.frontend.rewrite import EAGER, Flavour, rewrite, why_not_rewritten
from adjoint.frontend.staged_transform import STAGED

__all__ = [
    # functions
    "rewrite", "resolve", "resolve_staged", "call", "why_not_rewritten",
    # what calls reach
    "register", "register_type", "register_higher_order", "resolve_argument", "unregister",
    "replacements", "type_replacements", "never_rewritten",
    # what stores do
    "configure", "contains_traced",
    # flavours
    "EAGER", "STAGED", "Flavour",
]  # fmt: skip
