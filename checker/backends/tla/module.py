# SPDX-License-Identifier: GPL-2.0-only
"""A transition system as a module of TLA+, and TLC's configuration for it.

A variable is a TLA+ variable, an action an operator over its parameters. A property of
states is an invariant. A property of steps is an assertion at the end of the action,
because it may mention the result, which is not part of a state. The ranges of the
variables are an invariant, too.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from textwrap import wrap

from poolproof.checker.backends.foreign import (
    comment,
    distinct,
    identifier,
    starts,
)
from poolproof.checker.backends.tla.expressions import (
    GIVEN,
    HELPERS,
    TlaWriter,
    constant,
    index_of,
    number,
    tuple_of,
    values,
)
from poolproof.checker.core.ir import BOOL, Expr, SetSort, TableSort
from poolproof.checker.core.property import Property
from poolproof.checker.core.ranges import declared
from poolproof.checker.core.system import (
    Action,
    Obligation,
    State,
    TransitionSystem,
    Variable,
    conjuncts,
)
from poolproof.checker.core.text import WIDTH

_RESERVED = """
ACTION ASSUME ASSUMPTION AXIOM BY CASE CHOOSE CONSTANT CONSTANTS COROLLARY DEF
DEFINE DEFS DOMAIN ELSE ENABLED EXCEPT EXTENDS HAVE HIDE IF IN INSTANCE LAMBDA
LEMMA LET LOCAL MODULE NEW OBVIOUS OMITTED OTHER PICK PROOF PROPOSITION PROVE
QED RECURSIVE SF_ STATE SUBSET SUFFICES TAKE TEMPORAL THEN THEOREM UNCHANGED
UNION USE VARIABLE VARIABLES WF_ WITH WITNESS TRUE FALSE BOOLEAN STRING Nat Int
Seq Len Head Tail Append SubSeq SelectSeq Cardinality IsFiniteSet Print PrintT
Assert JavaTime TLCGet TLCSet Permutations SortSeq RandomElement Any ToString
TLCEval Init Next vars Ranges Least Greatest Read Write TotalOver Total one f i
S x a b any otherwise result
"""

WORDS = frozenset(_RESERVED.split())


def module(
    name: str,
    system: TransitionSystem,
    properties: Sequence[Property],
    head: Iterable[str] = (),
) -> str:
    """Return the system, which must have no rigid params, as a module, with ``head`` as
    a comment. Raise Inexpressible if TLA+ for TLC cannot express it."""
    made = _Module(system, properties)
    dashes = "-" * max(4, (WIDTH - len(name) - 9) // 2)
    return "\n".join(
        [
            f"{dashes} MODULE {name} {dashes}",
            *(f"\\* {line}".rstrip() for line in comment(head, WIDTH - 3)),
            "EXTENDS Integers, FiniteSets, TLC",
            "",
            *wrap(f"VARIABLES {', '.join(made.variables)}", WIDTH),
            *wrap(f"vars == <<{', '.join(made.variables)}>>", WIDTH),
            "",
            HELPERS,
            "",
            *made.ranges(),
            "",
            *made.initial(),
            "",
            *made.claims(),
            *(line for a in system.actions for line in [*made.action(a), ""]),
            *made.next(),
            "",
            "=" * WIDTH,
            "",
        ]
    )


def configuration(
    system: TransitionSystem, properties: Sequence[Property], head: Iterable[str] = ()
) -> str:
    """Return what TLC is asked of the module: all that must hold of states."""
    made = _Module(system, properties)
    lines = [f"\\* {line}".rstrip() for line in comment(head, WIDTH - 3)]
    lines += ["INIT Init", "NEXT Next", "CHECK_DEADLOCK FALSE", "INVARIANT Ranges"]
    for p in properties:
        if p.kind.of_states:
            witness = "\\* " if p.kind.wants_witness else ""
            lines.append(f"{witness}INVARIANT {made.titles[p.name]}")
    return "\n".join([*lines, ""])


class _Module:
    """The parts of the module. Every name in it is given once: TLA+ has no other
    scopes for those that are defined."""

    def __init__(
        self, system: TransitionSystem, properties: Sequence[Property]
    ) -> None:
        self.system, self.properties = system, properties
        self.taken: set[str] = set()
        self.names = {v.name: self.name(v.name) for v in system.variables}
        self.actions = {a.name: self.name(a.name) for a in system.actions}
        self.titles = {
            p.name: self.name(("never_" if p.kind.wants_witness else "") + p.name)
            for p in properties
        }
        self.writer = TlaWriter(self.names)

    @property
    def variables(self) -> list[str]:
        return list(self.names.values())

    def name(self, wanted: str) -> str:
        plain = identifier(wanted, WORDS)
        plain += "_" * bool(re.fullmatch(GIVEN, plain))
        found = distinct(plain, self.taken)
        self.taken.add(found)
        return found

    def ranges(self) -> Iterator[str]:
        """Yield the invariant that every variable is in its range."""
        yield "Ranges =="
        for v in self.system.variables:
            of = _values(v)
            if isinstance(v.sort, TableSort):
                of = f"[{index_of(v.sort)} -> {of}]"
            yield f"  /\\ {self.names[v.name]} \\in {of}"
        if not self.system.variables:
            yield "  TRUE"

    def initial(self) -> Iterator[str]:
        yield "Init =="
        for state in starts(self.system):
            yield "  \\/ " + (self.start(state) or "TRUE")

    def start(self, state: State) -> str:
        """The conjunction that is true of one state only."""
        cells: dict[str, dict[tuple[int, ...], int]] = {}
        for cell, raw in zip(self.system.cells, state, strict=True):
            cells.setdefault(cell.variable.name, {})[cell.index] = raw
        parts = []
        for v in self.system.variables:
            of = cells[v.name]
            value = _table(v, of) if v.index else constant(v.element, of[()])
            parts.append(f"/\\ {self.names[v.name]} = {value}")
        return "\n     ".join(parts)

    def claims(self) -> Iterator[str]:
        """Yield the invariants; a witness is asked for by the claim that there is
        none."""
        for p in self.properties:
            name = self.titles[p.name]
            if p.kind.of_states:
                text = self.writer.text(p.formula)
                no = "~" if p.kind.wants_witness else ""
                yield from (f"{name} == {no}{text}", "")
            elif not p.kind.of_steps:
                yield from (f"\\* {name} is not exported: {p.kind.value}", "")

    def action(self, a: Action) -> Iterator[str]:
        """Yield the operator of an action: obligations, guard, updates, promises."""
        w = self.writer
        names = self.parameters(a)
        w.locals = {p.local: n for p, n in zip(a.parameters, names, strict=True)}
        yield self.actions[a.name] + (f"({', '.join(names)}) ==" if names else " ==")
        updates = {n: u for n, u in a.updates.items() if u is not self.now(n)}
        due = [o.formula for o in a.obligations]
        shared = w.share([*due, a.guard, *updates.values()])
        for k, line in enumerate(shared):
            yield f"  {'   ' if k else 'LET'} {line}"
        if shared:
            yield "  IN"
        for line in self.conjunction(a, updates):
            yield f"  /\\ {line}"
        w.locals, w.known = {}, {}

    def conjunction(self, a: Action, updates: Mapping[str, Expr]) -> Iterator[str]:
        w = self.writer
        yield from (due(w, o) for o in a.obligations if o.early)
        yield from (w.text(c) for c in conjuncts(a.guard))
        yield from (due(w, o) for o in a.obligations if not o.early)
        yield from (f"{self.names[n]}' = {w.text(u)}" for n, u in updates.items())
        same = [n for v, n in self.names.items() if v not in updates]
        if same or not updates:
            yield f"UNCHANGED <<{', '.join(same)}>>"
        yield from self.promises(a)

    def now(self, name: str) -> Expr:
        return self.system.by_name[name].now

    def parameters(self, a: Action) -> list[str]:
        """Return the names of the parameters, which no other name hides."""
        names: list[str] = []
        for p in a.parameters:
            plain = identifier(p.name, WORDS)
            names.append(distinct(plain, {*self.taken, *names}))
        return names

    def promises(self, a: Action) -> Iterator[str]:
        """Yield what step properties say of the step."""
        w = self.writer
        if a.result is not None:
            w.locals[a.returned] = w.text(a.result)
        for p in self.properties:
            if p.about(a):
                yield f"Assert({w.text(p.formula)}, {_quoted(p.name)})"

    def next(self) -> Iterator[str]:
        """Yield the disjunction of all actions, each with all arguments."""
        yield "Next =="
        for a in self.system.actions:
            names = self.parameters(a)
            call = self.actions[a.name] + (f"({', '.join(names)})" if names else "")
            some = ", ".join(
                f"{name} \\in {values(p.domain)}"
                for name, p in zip(names, a.parameters, strict=True)
            )
            yield f"  \\/ \\E {some} : {call}" if some else f"  \\/ {call}"
        if not self.system.actions:
            yield "  FALSE /\\ UNCHANGED vars"


def due(w: TlaWriter, o: Obligation) -> str:
    """Return what an obligation says, as a condition of the step."""
    return f"Assert({w.text(o.formula)}, {_quoted(o.message)})"


def _quoted(text: str) -> str:
    plain = "".join(c if c.isascii() and c.isprintable() else "?" for c in text)
    return '"' + plain.replace("\\", "\\\\").replace('"', '\\"') + '"'


def _values(v: Variable) -> str:
    """The set of the values of a cell."""
    if isinstance(v.element, SetSort):
        return f"SUBSET {values(v.element.domain)}"
    if v.element is BOOL:
        return "BOOLEAN"
    lo, hi = declared(v)
    if lo is None or hi is None:
        return "Int"
    return f"({number(lo)} .. {number(hi)})"


def _table(v: Variable, cells: dict[tuple[int, ...], int]) -> str:
    """A table of constants: the value that most cells have, and the others."""
    assert isinstance(v.sort, TableSort)
    raws = list(cells.values())
    most = max(sorted(set(raws)), key=raws.count)
    text = f"[any \\in {index_of(v.sort)} |-> {constant(v.element, most)}]"
    others = [
        f"![{_place(v, index)}] = {constant(v.element, raw)}"
        for index, raw in cells.items()
        if raw != most
    ]
    return f"[{text} EXCEPT {', '.join(others)}]" if others else text


def _place(v: Variable, index: tuple[int, ...]) -> str:
    parts = [constant(d.sort, i) for d, i in zip(v.index, index, strict=True)]
    return tuple_of(parts)
