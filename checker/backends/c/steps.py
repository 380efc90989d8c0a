# SPDX-License-Identifier: GPL-2.0-only
"""Actions and properties as C.

Small actions are printed once per choice of arguments, with constant masks,
inside a tree of the conditions that they share; large ones as loops over
their parameters.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

from poolproof.checker.backends.c.expressions import (
    CWriter,
    FiniteRanges,
    bounds_of,
    facts_of,
    minus,
    unroll,
    weight,
)
from poolproof.checker.backends.c.instances import Counting, Instance
from poolproof.checker.backends.c.layout import Layout, Unsupported, Widths
from poolproof.checker.backends.c.lowered import Counted, Cut, Event
from poolproof.checker.backends.c.successor import Successor
from poolproof.checker.core.ir import (
    FALSE,
    TRUE,
    Expr,
    and_,
    const,
    not_,
    show_raw,
    substitute_all,
)
from poolproof.checker.core.property import Property
from poolproof.checker.core.system import (
    Action,
    Assumption,
    TransitionSystem,
    conjuncts,
)

SMALL = 40_000
"""Specialise an action for its arguments while the copies have fewer nodes."""


@dataclass
class Steps:
    """Prints the functions that read and make states, and numbers what they
    may report."""

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
        self.bounds = bounds_of(self.widths.ranges)
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

    # -- states

    def check(self) -> str:
        """C: which state properties fail (or are witnessed) in a state."""
        w = CWriter(self.layout, self.bounds)
        bad = [p.deciding for p in self.properties if p.kind.of_states]
        bad = list(self.prepared(*bad, bounds=self.bounds))
        w.share(*bad)
        for k, e in enumerate(bad):
            if e is not FALSE:
                w.line(f"if (UNLIKELY({w.text(e)})) event(T, {k}, s, 0);")
        for k, (name, j) in enumerate(self.antecedents):
            p = next(p for p in self.properties if p.name == name)
            if not p.kind.of_states:
                continue
            (e,) = self.prepared(p.antecedents[j], bounds=self.bounds)
            if e is FALSE:
                continue
            w.open(f"if (UNLIKELY(!T->antecedent[{k}]))")
            w.share(e)
            w.line(f"if ({w.text(e)}) T->antecedent[{k}] = 1;")
            w.close()
        return self.function("void check(Thread *T, const u64 *s)", w)

    def prepared(self, *roots: Expr, bounds: FiniteRanges) -> tuple[Expr, ...]:
        """Small aggregates written out, comparisons decided."""
        return bounds.decide(*(unroll(e) for e in roots))

    def function(self, head: str, w: CWriter, tail: str = "") -> str:
        self.least, self.most = min(self.least, w.least), max(self.most, w.most)
        body = "\n".join([*w.prologue(), *w.lines])
        return f"{head}\n{{\n{body}\n{tail}}}\n"

    # -- steps

    def expand(self, name: str, actions: Sequence[Action], small: set[str]) -> str:
        """C: all steps of some actions from a state."""
        w = CWriter(self.layout, self.bounds)
        w.line("u32 n = o->n;")
        w.line("u32 *const id = o->id;")
        for k in range(self.layout.words):
            w.line(f"u64 *const o{k} = o->w[{k}];")
        special: list[Instance] = []
        counted: list[Counting] = []
        loops: list[Action] = []
        for a in actions:
            if a.name in small:
                special.extend(self.instances(a))
                counted.extend(self.countings(a))
            else:
                loops.append(a)
        for i in special:
            self.early(w, i)
        self.tree(w, [*special, *counted], ())
        for a in loops:
            self.loop(w, a)
            self.count_cuts(w, a)
        return self.function(
            f"void {name}(Thread *T, const u64 *restrict s, Out *restrict o)",
            w,
            "\to->n = n;\n",
        )

    def small(self) -> set[str]:
        """The actions to specialise: the smallest, while there is room."""
        room, chosen = SMALL, set()
        for a in sorted(self.system.actions, key=self.estimate):
            room -= self.estimate(a)
            if room >= 0:
                chosen.add(a.name)
        return chosen

    def estimate(self, a: Action) -> int:
        """Nodes to print when the action is specialised."""
        copies = 1
        for p in a.parameters:
            copies *= len(p.domain)
        roots = [a.guard, *a.updates.values(), *(o.formula for o in a.obligations)]
        return copies * (10 + sum(weight(e) for e in roots))

    def instances(self, a: Action) -> Iterator[Instance]:
        """The action for each choice of arguments that can be enabled."""
        base = unroll(a.guard)
        updates = {n: unroll(u) for n, u in a.updates.items()}
        for raw in a.valuations():
            by = {
                p.local: const(p.local.sort, r)
                for p, r in zip(a.parameters, raw, strict=True)
            }
            memo: dict[Expr, Expr] = {}

            def put(
                e: Expr, by: Mapping[Expr, Expr] = by, memo: dict[Expr, Expr] = memo
            ) -> Expr:
                return substitute_all((e,), by, memo)[0]

            (guard,) = self.bounds.decide(put(base))
            obligations = tuple(
                replace(o, formula=self.prepared(put(o.formula), bounds=self.bounds)[0])
                for o in a.obligations
            )
            if guard is FALSE and all(o.formula is TRUE for o in obligations):
                continue
            number = len(self.steps)
            self.steps.append((a.name, raw))
            result = None if a.result is None else put(unroll(a.result))
            yield Instance(
                a,
                (FALSE,) if guard is FALSE else conjuncts(guard),
                {n: put(u) for n, u in updates.items()},
                result,
                obligations,
                by,
                range(number, number + 1),
                str(number),
            )

    def countings(self, a: Action) -> Iterator[Counting]:
        """Yield the code that counts the steps which the action's assumptions cut, for
        each choice of arguments."""
        for assumed in a.assumptions:
            base = unroll(assumed.cut)
            counter = self.cut_counter(assumed)
            seen: Counter[Expr] = Counter()
            for raw in a.valuations():
                by = {
                    p.local: const(p.local.sort, r)
                    for p, r in zip(a.parameters, raw, strict=True)
                }
                seen.update(self.bounds.decide(*substitute_all((base,), by)))
            for cut, times in seen.items():
                if cut is not FALSE:
                    yield Counting(conjuncts(cut), f"{counter} += {times};")

    def cut_counter(self, assumed: Assumption) -> str:
        """C text of the counter of what an assumption cuts."""
        return f"T->counter[{self.counter([Cut(assumed.why)])}]"

    def early(self, w: CWriter, i: Instance) -> None:
        """Obligations that hold even where the guard is false."""
        for k, o in enumerate(i.obligations):
            if o.early and o.formula is not TRUE:
                before = [p.formula for p in i.obligations[:k]]
                w.open("")
                w.share(o.formula)
                bad = w.text(not_(o.formula))
                w.open(f"if (UNLIKELY({bad}))")
                fine = w.text(and_(*before))
                event = self.obligation(i.action, k)
                w.line(f"if ({fine}) FAIL({event}, {i.number});")
                w.close()
                w.close()

    def obligation(self, a: Action, k: int) -> int:
        """Return the number of the event that the obligation fails, or another one
        of the action that says the same."""
        says = a.obligations[k].says
        first = next(o for o in a.obligations if o.says == says)
        return self.event(Event("obligation", action=a.name, obligation=first))

    def tree(
        self,
        w: CWriter,
        some: Sequence[Instance | Counting],
        known: tuple[Expr, ...],
    ) -> None:
        """Instances under the conditions that they share, each tested once."""
        some = [i for i in some if FALSE not in i.conjuncts]
        while some:
            uses = Counter(c for i in some for c in i.conjuncts)
            best = max(uses, key=lambda c: uses[c], default=None)
            if best is None or uses[best] < 2:
                for i in some:
                    if isinstance(i, Instance):
                        self.leaf(w, i, known)
                    else:
                        test = " && ".join(w.text(c) for c in i.conjuncts)
                        w.line(f"if ({test}) {i.line}" if test else i.line)
                return
            inside = [
                replace(i, conjuncts=tuple(c for c in i.conjuncts if c is not best))
                for i in some
                if best in i.conjuncts
            ]
            w.open(f"if ({w.text(best)})")
            self.tree(w, inside, (*known, best))
            w.close()
            some = [i for i in some if best not in i.conjuncts]

    def leaf(self, w: CWriter, i: Instance, known: tuple[Expr, ...]) -> None:
        """One instance: what is left of its guard, then its effect."""
        facts = (*known, *i.conjuncts)
        given = facts_of(facts)
        memo: dict[Expr, Expr] = {}
        bounds = self.bounds.where(facts)

        def put(e: Expr) -> Expr:
            return bounds.decide(substitute_all((e,), given, memo)[0])[0]

        i = replace(
            i,
            updates={n: put(u) for n, u in i.updates.items()},
            result=None if i.result is None else put(i.result),
            obligations=tuple(
                replace(o, formula=put(o.formula)) for o in i.obligations
            ),
        )
        w.line(f"/* {self.call(i)} */")
        if i.conjuncts:
            self.branch(w, i, bounds, given)
        else:
            w.open("")
            self.effect(w, i, bounds, given)
            w.close()

    def call(self, i: Instance) -> str:
        """The action with its arguments, as a user writes it."""
        _, raw = self.steps[i.numbers.start]
        sorts = (p.local.sort for p in i.action.parameters)
        return f"{i.action.name}({', '.join(map(show_raw, sorts, raw))})"

    def branch(
        self, w: CWriter, i: Instance, bounds: FiniteRanges, given: Mapping[Expr, Expr]
    ) -> None:
        w.open(f"if ({' && '.join(w.text(c) for c in i.conjuncts)})")
        self.effect(w, i, bounds, given)
        w.close()

    def count_cuts(self, w: CWriter, a: Action) -> None:
        """Write the code that counts the steps which the action's assumptions cut, as
        loops over the parameters that they mention."""
        for assumed in a.assumptions:
            (cut,) = self.prepared(assumed.cut, bounds=self.bounds)
            if cut is FALSE:
                continue
            mine = [p.local for p in a.parameters if p.local in cut.free]
            times = math.prod(
                len(p.domain) for p in a.parameters if p.local not in cut.free
            )
            names = {x: w.name("p") for x in mine}
            w.open("")
            _, opened = self.nest(w, conjuncts(cut), names)
            w.line(f"{self.cut_counter(assumed)} += {times};")
            for _ in range(opened + 1):
                w.close()

    def loop(self, w: CWriter, a: Action) -> None:
        """The action as loops over its parameters, conditions outermost."""
        first = len(self.steps)
        self.steps.extend((a.name, raw) for raw in a.valuations())
        guard = self.prepared(a.guard, bounds=self.bounds)[0]
        obligations = tuple(
            replace(o, formula=self.prepared(o.formula, bounds=self.bounds)[0])
            for o in a.obligations
        )
        stride, terms = 1, [str(first)]
        over = ", ".join(
            f"{p.name} in {show_raw(p.local.sort, p.domain.lo)}.."
            f"{show_raw(p.local.sort, p.domain.hi)}"
            for p in a.parameters
        )
        w.open(f"/* {a.name}({over}) */")
        names = {p.local: w.name("p") for p in a.parameters}
        for p in reversed(a.parameters):
            terms.append(f"(u32){minus(names[p.local], p.domain.lo)} * {stride}")
            stride *= len(p.domain)
        number = " + ".join(terms)
        for k, o in enumerate(obligations):
            if o.early and o.formula is not TRUE:
                before = and_(*(p.formula for p in obligations[:k]))
                fail = f"FAIL({self.obligation(a, k)}, {number});"
                self.early_loop(w, o.formula, before, names, fail)
        left = list(conjuncts(guard))
        if FALSE not in left:
            facts, opened = self.nest(w, left, names)
            given = facts_of(facts)
            bounds = self.bounds.where(facts)

            def put(e: Expr) -> Expr:
                return bounds.decide(substitute_all((e,), given)[0])[0]

            i = Instance(
                a,
                (),
                {n: put(unroll(u)) for n, u in a.updates.items()},
                None if a.result is None else put(unroll(a.result)),
                tuple(replace(o, formula=put(o.formula)) for o in obligations),
                {},
                range(first, len(self.steps)),
                number,
            )
            self.effect(w, i, bounds, given)
            for _ in range(opened):
                w.close()
        w.close()

    def nest(
        self, w: CWriter, left: Sequence[Expr], names: Mapping[Expr, str]
    ) -> tuple[tuple[Expr, ...], int]:
        """Open loops over the parameters that have names, and a test of each
        condition as soon as its parameters are bound. Return the conditions in
        the order of the tests, and the number of braces to close."""
        waiting = list(names)
        opened = 0
        ready = [c for c in left if not c.free]
        done: list[Expr] = []
        while True:
            for c in sorted(ready, key=weight):
                w.share(c)
                w.open(f"if ({w.text(c)})")
                opened += 1
                done.append(c)
            left = [c for c in left if c not in done]
            if not waiting:
                return tuple(done), opened
            x = _next(waiting, left)
            waiting.remove(x)
            self.open_loop(w, x, names)
            opened += 1
            ready = [c for c in left if not any(x in c.free for x in waiting)]

    def open_loop(self, w: CWriter, x: Expr, names: Mapping[Expr, str]) -> None:
        k, domain = names[x], x.data[1]
        low, high = w.number(domain.lo), w.number(domain.hi)
        w.open(f"for (V {k} = {low}; {k} <= {high}; {k}++)")
        w.bind(x, k)

    def early_loop(
        self,
        w: CWriter,
        formula: Expr,
        before: Expr,
        names: Mapping[Expr, str],
        fail: str,
    ) -> None:
        """Look for arguments that break an early obligation."""
        mine = [x for x in names if x in formula.free]
        others = [x for x in names if x not in formula.free]
        for x in mine:
            self.open_loop(w, x, names)
        w.share(formula)
        w.open(f"if (UNLIKELY(!{w.text(formula)}))")
        for x in others:
            self.open_loop(w, x, names)
        w.line(f"if ({w.text(before)}) {fail}")
        for _ in (*others, *mine):
            w.close()
        w.close()

    # -- effects

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

    def counter(self, entries: Sequence[Counted]) -> int:
        for k in range(len(self.counters) - len(entries) + 1):
            if self.counters[k : k + len(entries)] == list(entries):
                return k
        self.counters.extend(entries)
        return len(self.counters) - len(entries)

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
                true = put(e)
                if true is FALSE:
                    continue
                j = numbers[p.name, k]
                w.open(f"if (UNLIKELY(!T->antecedent[{j}]))")
                w.share(true)
                w.line(f"if ({w.text(true)}) T->antecedent[{j}] = 1;")
                w.close()


def _next(waiting: Sequence[Expr], left: Sequence[Expr]) -> Expr:
    """The parameter to loop over next."""
    return max(waiting, key=lambda x: _gain(x, waiting, left))


def _gain(
    x: Expr, waiting: Sequence[Expr], conjuncts: Sequence[Expr]
) -> tuple[int, int]:
    """Return a score for looping over x next: the conditions that it makes testable."""
    rest = [y for y in waiting if y is not x]
    ready = sum(x in c.free and not any(y in c.free for y in rest) for c in conjuncts)
    return ready, -len(x.data[1])
