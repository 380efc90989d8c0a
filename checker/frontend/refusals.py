# SPDX-License-Identifier: GPL-2.0-only
"""What a method cannot say, and what to write instead."""

from __future__ import annotations

import ast

CALLED = (
    "require",
    "assume",
    "bug_on",
    "warn_on",
    "sum",
    "any",
    "all",
    "min",
    "max",
    "len",
    "range",
    "set",
    "frozenset",
    "super",
)
"""The functions that a method may call."""

_INSTEAD = {
    "print": "run it under pdb instead",
    "abs": "write max(x, -x)",
    "sorted": "loop over the domain",
    "reversed": "loop over the domain",
    "enumerate": "loop over the domain",
    "zip": "loop over the domain",
    "list": "use a table over a domain, or a set",
    "dict": "use a table over a domain",
    "tuple": "use a table over a domain",
    "int": "write 1 if condition else 0",
    "bool": "compare it (x > 0)",
    "range": "only a `for` runs over it",
    "isinstance": "a field's domain says what it is",
}
_SET_METHODS = {
    "add": "| {x}",
    "discard": "- {x}",
    "remove": "- {x}",
    "update": "|",
    "union": "|",
    "intersection": "&",
    "difference": "-",
}


def instead_of_call(name: str) -> str:
    """Return what to add to "cannot be called"."""
    advice = _INSTEAD.get(name)
    return f": {advice}" if advice else ": only methods, " + ", ".join(CALLED)


def instead_of_method(name: str) -> str:
    """Return what to add to "has no method", of a set or a number."""
    if name not in _SET_METHODS:
        return ""
    return f": sets have |, & and -, write {_SET_METHODS[name]}"


def no_constant(value: object) -> str:
    """Return why a constant cannot be used."""
    if isinstance(value, str):
        return _NO_STRING
    if isinstance(value, float | complex):
        return f"{value!r} is not an integer: count pages"
    return f"{value!r}: only numbers, True, False, None"


def no_value(value: object) -> str:
    """Return why an object that a module names cannot be used."""
    if isinstance(value, str | float | complex):
        return no_constant(value)
    return (
        f"{value!r} cannot be used in an action: name a domain, a bound, "
        "a feature, an Enum or a number"
    )


ONE_TARGET = "assign to one target at a time"
OTHERWISE = (
    "not accepted in an action: use assignments, if, for over a domain, "
    "return, require, assume, assert and method calls"
)
_NO_LIST = "no list: use a table over a domain, a set, or sum, any, all"
_NO_DICT = "no dict: use a table over a domain"
_NO_STRING = "no strings: name an Enum's member"
_NO_IMPORT = "import at the top of the file"
_NO_GLOBAL = "an action changes fields only: declare one with var()"
_NO_YIELD = (
    "`yield` is a statement of its own, or the right side of an assignment: to keep "
    "an old value, give it a name before"
)
NO_YIELD_HERE = "`yield` has its place in actions, and in methods that they yield from"
YIELD_LABEL = 'a `yield` gives its place a name: write `yield "lock dropped"`'
RECEIVE = "say what the next step may bring: write `name: DOMAIN = yield`"
DELEGATE = "write `yield from self.method(...)`"
REFUSED: dict[type[ast.AST], str] = {
    ast.While: "`while` has no bound: use `for x in DOMAIN`",
    ast.For: "write `for name in DOMAIN:` (one name, no else)",
    ast.Break: "no `break`: put the loop into a helper method and return",
    ast.Continue: "no `continue`: put the rest of the body under an `if`",
    ast.Try: "no `try`: return an errno",
    ast.TryStar: "no `try`: return an errno",
    ast.With: "no `with`: an action is one critical section already",
    ast.Raise: "no `raise`: return an errno, or assert",
    ast.Lambda: "no lambda: write a helper method",
    ast.FunctionDef: "no nested function: write a helper method",
    ast.AsyncFunctionDef: "no nested function: write a helper method",
    ast.ClassDef: "no nested class: write a Block",
    ast.Delete: "no `del`: assign None, False or the empty set",
    ast.Global: _NO_GLOBAL,
    ast.Nonlocal: _NO_GLOBAL,
    ast.Import: _NO_IMPORT,
    ast.ImportFrom: _NO_IMPORT,
    ast.Match: "no `match`: use if/elif/else",
    ast.Expr: "this expression has no effect: assign it, or require() it",
    ast.List: _NO_LIST,
    ast.ListComp: _NO_LIST,
    ast.Dict: _NO_DICT,
    ast.DictComp: _NO_DICT,
    ast.JoinedStr: _NO_STRING,
    ast.NamedExpr: "assign in a statement of its own",
    ast.GeneratorExp: "only inside sum(), any() or all()",
    ast.Subscript: "only tables have an index: self.table[i] or self.table[i, j]",
    ast.Slice: "no slice: loop over the index domain",
    ast.Yield: _NO_YIELD,
    ast.YieldFrom: _NO_YIELD,
    ast.Starred: "no *: name each value",
}
"""By kind of syntax; tests try each row."""


def refused(node: ast.AST) -> str:
    """Return why this syntax is not accepted."""
    return REFUSED.get(type(node), OTHERWISE)
