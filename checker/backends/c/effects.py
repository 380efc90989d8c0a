# SPDX-License-Identifier: GPL-2.0-only
"""The effect of a step in C: what it must not break, the next state, and what it is
counted as."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from poolproof.checker.backends.c.expressions import (
    CWriter,
    FiniteRanges,
    unroll,
)
from poolproof.checker.backends.c.instances import Instance
from poolproof.checker.backends.c.layout import Layout, Unsupported, Widths
from poolproof.checker.backends.c.lowered import Counted, Cut, Event
from poolproof.checker.backends.c.successor import Successor
from poolproof.checker.core.ir import (
    FALSE,
    TRUE,
    Expr,
    not_,
    substitute_all,
)
from poolproof.checker.core.property import Property
from poolproof.checker.core.system import (
    Action,
    Assumption,
    TransitionSystem,
)


@dataclass
class EffectWriter:
    """Prints what follows once a guard holds, and numbers what a program may
    report."""

    system: TransitionSystem
    properties: tuple[Property, ...]
    widths: Widths
    layout: Layout
    events: list[Event] = field(default_factory=list)
    steps: list[tuple[str, tuple[int, ...]]] = field(default_factory=list)
    results: dict[int, int] = field(default_factory=dict)
    counters: list[Counted] = field(default_factory=list)
    antecedents: list[tuple[str, int]] = field(default_factory=list)
    least: int = 0
    most: int = 0

    def __post_init__(self) -> None:
        self.bounds = FiniteRanges(self.widths.ranges, outside=(0, 0))
        for p in self.properties:
            if p.kind.of_states:
                self.event(Event("state", prop=p.name))
        self.event(Event("deadlock"))
        self.antecedents = [
            (p.name, k) for p in self.properties for k in range(len(p.antecedents))
        ]

    def event(self, e: Event) -> int:
        if e not in self.events:
            self.events.append(e)
        return self.events.index(e)

    def prepared(self, *roots: Expr) -> tuple[Expr, ...]:
        """Small aggregates written out, comparisons decided."""
        return self.bounds.decide(*map(unroll, roots))

    def function(self, head: str, w: CWriter, tail: str = "") -> str:
        self.least, self.most = min(self.least, w.least), max(self.most, w.most)
        body = "\n".join([*w.prologue(), *w.lines])
        return f"{head}\n{{\n{body}\n{tail}}}\n"

    def obligation(self, a: Action, k: int) -> int:
        """Return the number of the event that the obligation fails, or another one
        of the action that says the same."""
        says = a.obligations[k].says
        first = next(o for o in a.obligations if o.says == says)
        return self.event(Event("obligation", action=a.name, obligation=first))

    def cut_counter(self, assumed: Assumption) -> str:
        """C text of the counter of what an assumption cuts."""
        return f"T->counter[{self.counter([Cut(assumed.why)])}]"

    def counter(self, entries: Sequence[Counted]) -> int:
        for k in range(len(self.counters) - len(entries) + 1):
            if self.counters[k : k + len(entries)] == list(entries):
                return k
        self.counters.extend(entries)
        return len(self.counters) - len(entries)

    def effect(
        self, w: CWriter, i: Instance, bounds: FiniteRanges, given: Mapping[Expr, Expr]
    ) -> None:
        """The guard holds: obligations, ranges, the next state."""
        outer, w.bounds = w.bounds, bounds
        w.line("do {")
        for k, o in enumerate(i.obligations):
            if o.formula is TRUE:
                continue
            w.share(o.formula)
            bad = w.text(not_(o.formula))
            if o.early:
                w.line(f"if (UNLIKELY({bad})) break;")
            else:
                event = self.obligation(i.action, k)
                w.line(f"if (UNLIKELY({bad})) {{ FAIL({event}, {i.number}); break; }}")
        if not any(o.formula is FALSE for o in i.obligations):
            self.successor(w, i, bounds, given)
        w.line("} while (0);")
        w.bounds = outer

    def successor(
        self, w: CWriter, i: Instance, bounds: FiniteRanges, given: Mapping[Expr, Expr]
    ) -> None:
        plan = Successor(self.layout, self.widths, self.event, w, i, bounds, given)
        plan.values()
        for line in plan.range_checks():
            w.line(line)
        words = self.layout.words
        w.line(f"u64 x[{words}] = {{{', '.join(plan.words())}}};")
        for line in plan.stores():
            w.line(line)
        self.step_properties(w, i, bounds, given)
        self.count(w, i, bounds)
        puts = " ".join(f"o{k}[n] = x[{k}];" for k in range(words))
        w.line(f"id[n] = {i.number}; {puts} n++;")

    def count(self, w: CWriter, i: Instance, bounds: FiniteRanges) -> None:
        if i.result is None:
            return
        lo, hi = bounds.of(i.result)
        if i.result.is_const:
            self.results.update(dict.fromkeys(i.numbers, i.result.data))
            return
        if hi - lo > 4096:
            raise Unsupported(f"{i.action.name} returns too many different values")
        entries = [(i.action.name, r) for r in range(lo, hi + 1)]
        start = self.counter(entries)
        w.line(f"T->counter[{w.text(i.result)} + {start - lo}]++;")

    def step_properties(
        self, w: CWriter, i: Instance, bounds: FiniteRanges, given: Mapping[Expr, Expr]
    ) -> None:
        by: dict[Expr, Expr] = dict(i.by)
        for v in self.system.variables:
            if v.name not in i.updates or i.updates[v.name] is v.now:
                by[v.next] = v.now
        if i.result is not None:
            by[i.action.returned] = i.result
        numbers = {x: k for k, x in enumerate(self.antecedents)}
        for p in self.properties:
            if not p.about(i.action):
                continue

            def put(e: Expr) -> Expr:
                e = substitute_all((substitute_all((unroll(e),), by)[0],), given)[0]
                return bounds.decide(e)[0]

            bad = put(p.deciding)
            if bad is not FALSE:
                w.share(bad)
                event = self.event(Event("step", prop=p.name))
                test = w.text(bad)
                w.line(f"if (UNLIKELY({test})) event(T, {event}, s, {i.number});")
            for k, e in enumerate(p.antecedents):
                self.note_antecedent(w, numbers[p.name, k], put(e))

    def note_antecedent(self, w: CWriter, number: int, true: Expr) -> None:
        """Note that an antecedent comes true, if it does for the first time."""
        if true is not FALSE:
            w.open(f"if (UNLIKELY(!T->antecedent[{number}]))")
            w.share(true)
            w.line(f"if ({w.text(true)}) T->antecedent[{number}] = 1;")
            w.close()
