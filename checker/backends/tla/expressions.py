# SPDX-License-Identifier: GPL-2.0-only
"""The IR as expressions of TLA+.

Numbers are numbers, bools are TRUE and FALSE, elements and labels their position; a
set is a set, and a table a function. Outside its domain a table reads as 0, FALSE or
{}, as in the other backends; the obligations say that no step relies on it.
"""

from __future__ import annotations

from collections import ChainMap
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from poolproof.checker.backends.foreign import Inexpressible
from poolproof.checker.backends.shared import shared
from poolproof.checker.backends.templates import joined, template
from poolproof.checker.core.fold import Algebra, beyond, fold, unbound
from poolproof.checker.core.interval import inside
from poolproof.checker.core.ir import (
    BINDERS,
    BOOL,
    Domain,
    Expr,
    SetSort,
    Sort,
    TableSort,
    binder_of,
    domain_of,
    sort_of_table,
)

LARGEST = (1 << 31) - 1
"""Upper limit on the absolute value of TLC's numbers."""


@dataclass
class TlaWriter:
    """Writes expressions as text. ``names`` has the names of variables, ``locals``
    those of parameters and binders. A term that is used more than once gets a name by
    LET."""

    names: Mapping[str, str]
    locals: dict[Expr, str] = field(default_factory=dict)
    known: dict[Expr, str] = field(default_factory=dict)
    given: int = 0

    def text(self, e: Expr) -> str:
        """Return the text of e, with a LET before it for what only it shares."""
        known: ChainMap[Expr, str] = ChainMap({}, self.known)
        lines = self._definitions((e,), known)
        text = self._fold(e, known)
        return f"(LET {'  '.join(lines)} IN {text})" if lines else text

    def share(self, roots: Iterable[Expr]) -> list[str]:
        """Return definitions for what the roots share, which `text` uses from now
        on, where the same locals have names."""
        known: ChainMap[Expr, str] = ChainMap(self.known)
        return self._definitions(tuple(roots), known)

    def _definitions(
        self, roots: Sequence[Expr], known: ChainMap[Expr, str]
    ) -> list[str]:
        """Name what is used more than once, and has no local of an inner scope."""
        lines = []
        for e in shared(roots, known):
            if self._may(e):
                text = self._fold(e, known)
                self.given += 1
                known[e] = f"let_{self.given}"
                lines.append(f"{known[e]} == {text}")
        return lines

    def _may(self, e: Expr) -> bool:
        """Return whether e is a value wherever the named locals are."""
        return e.free <= self.locals.keys() and e.op not in ("store", "fill")

    def _fold(self, e: Expr, known: ChainMap[Expr, str]) -> str:
        at = _At(self, known)
        return fold((e,), TLA, at, ChainMap({}, known), closed=BINDERS)[0]

    def bound(self, e: Expr, known: ChainMap[Expr, str]) -> tuple[str, str, str]:
        """Return the variable of a binder, its domain and its body."""
        binder = binder_of(e)
        self.given += 1
        name = f"each_{self.given}"
        self.locals[binder] = name
        inner: ChainMap[Expr, str] = ChainMap({}, known)
        lines = self._definitions(e.args, inner)
        body = self._fold(e.args[0], inner)
        del self.locals[binder]
        if lines:
            body = f"(LET {'  '.join(lines)} IN {body})"
        return name, values(binder.data[1]), body


@dataclass(frozen=True)
class _At:
    """A place in the text: who writes, and what has a name here."""

    writer: TlaWriter
    known: ChainMap[Expr, str]


def values(domain: Domain) -> str:
    """Return the set of the domain's values."""
    if domain.sort is BOOL or isinstance(domain.sort, SetSort):
        return "{" + ", ".join(constant(domain.sort, raw) for raw in domain) + "}"
    return f"({number(domain.lo)} .. {number(domain.hi)})"


def number(n: int) -> str:
    """Return a number. Raise Inexpressible if TLC has none so large."""
    if abs(n) > LARGEST:
        raise Inexpressible(f"{n} needs more than 32 bits")
    return f"({n})" if n < 0 else str(n)


def constant(sort: Sort, raw: int) -> str:
    """Return a raw value of the sort."""
    if isinstance(sort, SetSort):
        of = sort.domain
        members = (constant(of.sort, v) for k, v in enumerate(of) if raw >> k & 1)
        return "{" + ", ".join(members) + "}"
    if sort is BOOL:
        return "TRUE" if raw else "FALSE"
    return number(raw)


def tuple_of(parts: Sequence[str]) -> str:
    """Return the index of a table: a value, or a tuple of them."""
    return parts[0] if len(parts) == 1 else f"<<{', '.join(parts)}>>"


def outside(domains: Sequence[Domain], index: Iterable[Expr]) -> bool:
    """Return whether an index may be outside the table's domain."""
    return not all(inside(i.interval, d) for d, i in zip(domains, index, strict=True))


def _variable(at: _At, e: Expr) -> str:
    name, primed = e.data
    return f"{at.writer.names[name]}'" if primed else at.writer.names[name]


def _local(at: _At, e: Expr) -> str:
    return at.writer.locals[e]


def _single(at: _At, e: Expr, element: str) -> str:
    if inside(e.args[0].interval, domain_of(e)):
        return f"{{{element}}}"
    return f"({{{element}}} \\cap {values(domain_of(e))})"


def _select(at: _At, e: Expr, table: str, *index: str) -> str:
    sort = sort_of_table(e.args[0])
    place = tuple_of(index)
    if outside(sort.index, e.args[1:]):
        return f"Read({table}, {place}, {constant(sort.element, 0)})"
    return f"{table}[{place}]"


def _store(at: _At, e: Expr, table: str, *more: str) -> str:
    sort = sort_of_table(e)
    place, value = tuple_of(more[:-1]), more[-1]
    if outside(sort.index, e.args[1:-1]):
        return f"Write({table}, {place}, {value})"
    return f"[{table} EXCEPT ![{place}] = {value}]"


def index_of(sort: TableSort) -> str:
    """Return the domain of a table."""
    return " \\X ".join(values(d) for d in sort.index)


def _fill(at: _At, e: Expr, value: str) -> str:
    assert isinstance(e.sort, TableSort)
    return f"[any \\in {index_of(e.sort)} |-> {value}]"


def _binder(text: str) -> Callable[..., str]:
    """Text over the binder's name, its domain and its body."""

    def write(at: _At, e: Expr) -> str:
        name, domain, body = at.writer.bound(e, at.known)
        return text.format(name=name, domain=domain, body=body)

    return write


TLA: Algebra[str] = {
    "const": lambda at, e: constant(e.sort, e.data),
    "param": unbound,
    "var": _variable,
    "local": _local,
    "not": template("(~{a})"),
    "and": joined("/\\"),
    "or": joined("\\/"),
    "eq": template("({a} = {b})"),
    "lt": template("({a} < {b})"),
    "le": template("({a} <= {b})"),
    "add": joined("+"),
    "sub": template("({a} - {b})"),
    "mul": template("({a} * {b})"),
    "div": template("({a} \\div {b})"),
    "mod": template("({a} % {b})"),
    "min": template("Least({a}, {b})"),
    "max": template("Greatest({a}, {b})"),
    "ite": template("(IF {a} THEN {b} ELSE {c})"),
    "in": template("({a} \\in {b})"),
    "union": template("({a} \\union {b})"),
    "inter": template("({a} \\cap {b})"),
    "diff": template("({a} \\ {b})"),
    "single": _single,
    "card": template("Cardinality({a})"),
    "select": _select,
    "store": _store,
    "fill": _fill,
    "map": beyond,
    "first": beyond,
    "sum": _binder("Total([{name} \\in {domain} |-> {body}])"),
    "all": _binder("(\\A {name} \\in {domain} : {body})"),
    "any": _binder("(\\E {name} \\in {domain} : {body})"),
    "setof": _binder("{{{name} \\in {domain} : {body}}}"),
}
"""The IR as TLA+; operands stand in parentheses."""

GIVEN = r"(let|each)_\d+"
"""Names that a writer gives."""

HELPERS = r"""
Least(a, b) == IF a < b THEN a ELSE b
Greatest(a, b) == IF a > b THEN a ELSE b
Read(f, i, otherwise) == IF i \in DOMAIN f THEN f[i] ELSE otherwise
Write(f, i, x) == IF i \in DOMAIN f THEN [f EXCEPT ![i] = x] ELSE f
RECURSIVE TotalOver(_, _)
TotalOver(f, S) == IF S = {} THEN 0
                   ELSE LET one == CHOOSE x \in S : TRUE
                        IN f[one] + TotalOver(f, S \ {one})
Total(f) == TotalOver(f, DOMAIN f)
""".strip()
"""What the expressions use."""
