# SPDX-License-Identifier: GPL-2.0-only
"""The IR as expressions of Promela.

All values are ints of 32 bits: a set is a bit mask, a table an array of its cells
in the order of the state. Outside its domain a table reads 0, as in the other
backends; the obligations say that no step relies on it.
"""

from __future__ import annotations

from collections import ChainMap
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from poolproof.checker.backends.cell_number import bit_number, cell_number
from poolproof.checker.backends.foreign import Inexpressible
from poolproof.checker.backends.shared import shared
from poolproof.checker.backends.templates import joined, template
from poolproof.checker.core.fold import Algebra, beyond, fold, unbound
from poolproof.checker.core.ir import (
    BINDERS,
    Domain,
    Expr,
    domain_of,
    sort_of_table,
    subterms,
)

LARGE = 400
"""Upper limit on the nodes of an expression that is written in one piece."""

_REPEATED = frozenset({"min", "max", "div", "mod", "card", "in", "single", "select"})
"""Operators whose text may have an argument twice."""


@dataclass
class PromelaWriter:
    """Expressions as text. ``names`` are those of the variables; what is used more
    than once is put into temporaries, which are no part of a state."""

    names: Mapping[str, str]
    lines: list[str] = field(default_factory=list)
    known: dict[Expr, str] = field(default_factory=dict)

    def text(self, e: Expr) -> str:
        """Return the text of e; what has a name is not read again."""
        return fold((e,), PROMELA, self, ChainMap({}, self.known))[0]

    def share(self, roots: Iterable[Expr]) -> None:
        """Assign temporaries for the parts that have several users."""
        roots = tuple(roots)
        repeated = (e for e in subterms(*roots) if e.op in _REPEATED)
        twice = [a for e in repeated if e not in self.known for a in e.args]
        for e in shared(roots, self.known, twice):
            if e.op not in ("store", "fill"):
                self.name(e)

    def name(self, e: Expr) -> str:
        """Return the temporary of e, assigned if it was not."""
        if e not in self.known:
            text = self.text(e)
            if e.is_const:
                return text
            name = f"temporary[{len(self.known)}]"
            self.lines.append(f"{name} = {text};")
            self.known[e] = name
        return self.known[e]


def position(
    domains: Sequence[Domain], index: Sequence[Expr], texts: Sequence[str]
) -> tuple[str, str]:
    """Return the text of the number of a table's cell, and the condition that there
    is one (empty: always)."""
    text, checks = cell_number(0, domains, index, texts, _within, "false")
    return text, " && ".join(checks)


def _within(text: str, domain: Domain) -> str:
    return f"{text} >= {domain.lo} && {text} <= {domain.hi}"


def _constant(w: PromelaWriter, e: Expr) -> str:
    if abs(e.data) >= 1 << 31:
        raise Inexpressible(f"{e} needs more than 32 bits")
    return f"({e.data})" if e.data < 0 else str(e.data)


def _variable(w: PromelaWriter, e: Expr) -> str:
    name, primed = e.data
    if primed:
        raise ValueError(f"{e}: the state after a step is put in before")
    return w.names[name]


def _select(w: PromelaWriter, e: Expr, table: str, *index: str) -> str:
    sort = sort_of_table(e.args[0])
    at, check = position(sort.index, e.args[1:], index)
    return f"({check} -> {table}[{at}] : 0)" if check else f"{table}[{at}]"


def _domain(e: Expr) -> Domain:
    domain = domain_of(e)
    if len(domain) > 31:
        raise Inexpressible(f"{e} is a set of more than 31 elements")
    return domain


def _member(w: PromelaWriter, e: Expr, element: str, members: str) -> str:
    bit, check = bit_number(e.args[0], element, _domain(e.args[1]), _within)
    read = f"(({members} >> {bit}) & 1)"
    return f"({check} -> {read} : 0)" if check else read


def _single(w: PromelaWriter, e: Expr, element: str) -> str:
    bit, check = bit_number(e.args[0], element, _domain(e), _within)
    return f"({check} -> (1 << {bit}) : 0)" if check else f"(1 << {bit})"


def _card(w: PromelaWriter, e: Expr, members: str) -> str:
    bits = range(len(_domain(e.args[0])))
    return "(" + " + ".join(f"(({members} >> {k}) & 1)" for k in bits) + ")"


def _quotient(w: PromelaWriter, e: Expr, a: str, b: str) -> str:
    """C cuts off towards 0, the IR towards less."""
    lo = e.args[0].interval[0]
    if lo is not None and lo >= 0:
        return f"({a} / {b})"
    return f"({a} >= 0 -> {a} / {b} : (0 - ((({b} - 1) - {a}) / {b})))"


def _remainder(w: PromelaWriter, e: Expr, a: str, b: str) -> str:
    lo = e.args[0].interval[0]
    if lo is not None and lo >= 0:
        return f"({a} % {b})"
    return f"((({a} % {b}) + {b}) % {b})"


PROMELA: Algebra[str] = {
    "const": _constant,
    "param": unbound,
    "var": _variable,
    "local": unbound,
    "not": template("(!{a})"),
    "and": joined("&&"),
    "or": joined("||"),
    "eq": template("({a} == {b})"),
    "lt": template("({a} < {b})"),
    "le": template("({a} <= {b})"),
    "add": joined("+"),
    "sub": template("({a} - {b})"),
    "mul": template("({a} * {b})"),
    "div": _quotient,
    "mod": _remainder,
    "min": template("({a} < {b} -> {a} : {b})"),
    "max": template("({a} > {b} -> {a} : {b})"),
    "ite": template("({a} -> {b} : {c})"),
    "in": _member,
    "union": template("({a} | {b})"),
    "inter": template("({a} & {b})"),
    "diff": template("({a} & (~{b}))"),
    "single": _single,
    "card": _card,
    "select": _select,
    **dict.fromkeys(BINDERS | {"store", "fill", "map"}, beyond),
}
"""The IR as Promela; operands stand in parentheses."""
