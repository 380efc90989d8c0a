# SPDX-License-Identifier: GPL-2.0-only
"""The IR as text, in the spec language's own syntax."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from poolproof.checker.core.fold import Algebra, Node, fold
from poolproof.checker.core.operators import OPERATORS
from poolproof.checker.core.sorts import show_raw

LONGEST = 2_000
"""Characters of an operand; a longer one is shown as an ellipsis. A node that
is shared n levels deep would else be written 2^n times."""


def show(e: Node) -> str:
    """Return the expression as a user would write it.

    An operand of more than `LONGEST` characters becomes ``...``.
    """
    return fold((e,), TEXT)[0].text


@dataclass(frozen=True, slots=True)
class Text:
    """``binding``: how tightly its outermost operator binds (see
    `Operator`). ``opposite`` is an equality's negation."""

    text: str
    binding: int = 9
    opposite: str = ""

    def within(self, binding: int) -> str:
        """Return the text as the operand of an operator: in parentheses if it binds
        less."""
        return f"({self.text})" if self.binding < binding else self.text


def _list(parts: tuple[Text, ...]) -> str:
    return ", ".join(p.text for p in parts)


def _infix(_: None, e: Node, *args: Text) -> Text:
    row = OPERATORS[e.op]
    first, *rest = args
    return Text(
        f" {row.symbol} ".join(
            (first.within(row.binding), *(a.within(row.binding + 1) for a in rest))
        ),
        row.binding,
    )


def _comparison(_: None, e: Node, *args: Text) -> Text:
    """A chain of comparisons is a conjunction, so neither side is one."""
    row = OPERATORS[e.op]
    left, right = (a.within(row.binding + 1) for a in args[:: -1 if e.turned else 1])
    opposite = f"{left} != {right}" if e.op == "eq" else ""
    return Text(f"{left} {symbol(e)} {right}", row.binding, opposite)


def symbol(e: Node) -> str:
    """Return the operator's symbol; that of a comparison as it was written."""
    found = OPERATORS[e.op].symbol
    return found.replace("<", ">") if e.turned else found


def _not(_: None, e: Node, a: Text) -> Text:
    if a.opposite:
        return Text(a.opposite, a.binding)
    binding = OPERATORS["not"].binding
    return Text(f"not {a.within(binding)}", binding)


def _call(_: None, e: Node, *args: Text) -> Text:
    return Text(f"{OPERATORS[e.op].symbol}({_list(args)})")


def _ite(_: None, e: Node, c: Text, a: Text, b: Text) -> Text:
    return Text(f"{a.within(1)} if {c.within(1)} else {b.within(1)}", 0)


def _select(_: None, e: Node, table: Text, *index: Text) -> Text:
    return Text(f"{table.within(9)}[{_list(index)}]")


def _store(_: None, e: Node, table: Text, *rest: Text) -> Text:
    return Text(f"{table.within(9)}[{_list(rest[:-1])} := {rest[-1].text}]")


def _binder(_: None, e: Node, body: Text) -> Text:
    name, domain = e.data
    return Text(f"{e.op}({_plain(name)} in {domain}: {body.text})")


def _plain(name: str) -> str:
    """A local's name without what makes it unique."""
    return name.split("#")[0]


def _leaf(text: Callable[[Node], str]) -> Callable[[None, Node], Text]:
    return lambda _, e: Text(text(e))


_READINGS: Algebra[Text] = {
    "const": _leaf(lambda e: show_raw(e.sort, e.data)),
    "param": _leaf(lambda e: str(e.data)),
    "var": _leaf(lambda e: e.data[0] + ("'" if e.data[1] else "")),
    "local": _leaf(lambda e: _plain(e.data[0])),
    "not": _not,
    "and": _infix,
    "or": _infix,
    "eq": _comparison,
    "lt": _comparison,
    "le": _comparison,
    "in": _comparison,
    "add": _infix,
    "sub": _infix,
    "mul": _infix,
    "div": _infix,
    "mod": _infix,
    "min": _call,
    "max": _call,
    "ite": _ite,
    "union": _infix,
    "inter": _infix,
    "diff": _infix,
    "single": lambda _, e, a: Text("{" + a.text + "}"),
    "card": _call,
    "select": _select,
    "store": _store,
    "fill": _call,
    "map": _call,
    "sum": _binder,
    "all": _binder,
    "any": _binder,
    "setof": _binder,
    "first": _binder,
}


def _bounded(read: Callable[..., Text]) -> Callable[..., Text]:
    """The reading, of operands that are not too long."""
    return lambda given, e, *args: read(
        given, e, *(a if len(a.text) <= LONGEST else _ELLIPSIS for a in args)
    )


_ELLIPSIS = Text("...")

TEXT: Algebra[Text] = {op: _bounded(read) for op, read in _READINGS.items()}
