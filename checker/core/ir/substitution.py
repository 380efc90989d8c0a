# SPDX-License-Identifier: GPL-2.0-only
"""A node with other arguments, and an expression with other leaves."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping

from poolproof.checker.core.ir.nodes import Expr
from poolproof.checker.core.limits import tick


def _leaf(_: None, e: Expr) -> Expr:
    return e


BUILD: dict[str, Callable[..., Expr]] = {
    "const": _leaf,
    "param": _leaf,
    "var": _leaf,
    "local": _leaf,
}
"""The algebra that reads an expression as itself: each node by its constructor.
The module of a constructor puts it here."""


def builder(build: Callable[..., Expr]) -> Callable[..., Expr]:
    """Return the constructor as a function of an algebra."""
    return lambda _, e, *args: build(*args)


def rebuild(e: Expr, args: tuple[Expr, ...]) -> Expr:
    """The node with other arguments, simplified again."""
    return e if args == e.args else BUILD[e.op](None, e, *args)


def substitute(e: Expr, by: Mapping[Expr, Expr]) -> Expr:
    """e with every node that is a key of ``by`` replaced, then simplified.
    Replacements must not mention binders of e (names are unique, so closed
    terms and other systems' locals are safe)."""
    return substitute_all((e,), by)[0]


def substitute_all(
    roots: Iterable[Expr], by: Mapping[Expr, Expr], memo: dict[Expr, Expr] | None = None
) -> tuple[Expr, ...]:
    """`substitute` over several roots with one memo table."""
    roots = tuple(roots)
    done: dict[Expr, Expr] = memo if memo is not None else {}
    of_locals = all(e.op == "local" for e in by)
    path: list[Expr] = []
    stack: list[Expr | None] = [*roots]  # None: the path's end is next
    while stack:
        node = stack.pop()
        if node is None:
            node = path.pop()
            done[node] = rebuild(node, tuple([done[a] for a in node.args]))
            tick()
        elif node in done:
            continue
        elif (hit := by.get(node)) is not None:
            done[node] = hit
        elif not node.args or (of_locals and node.free.isdisjoint(by)):
            done[node] = node
        else:
            path.append(node)
            stack.append(None)
            stack.extend(node.args)
    return tuple(done[r] for r in roots)
