# SPDX-License-Identifier: GPL-2.0-only
"""Large actions in C: loops over their parameters."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace

from poolproof.checker.backends.c.effects import EffectWriter
from poolproof.checker.backends.c.expressions import (
    CWriter,
    facts_of,
    minus,
    unroll,
    weight,
)
from poolproof.checker.backends.c.instances import Instance
from poolproof.checker.core.ir import (
    FALSE,
    TRUE,
    Expr,
    and_,
    show_raw,
    substitute_all,
)
from poolproof.checker.core.system import (
    Action,
    conjuncts,
)


class LoopWriter(EffectWriter):
    """Prints actions as loops."""

    def loop(self, w: CWriter, a: Action) -> None:
        """The action as loops over its parameters, conditions outermost."""
        first = len(self.steps)
        self.steps.extend((a.name, raw) for raw in a.valuations())
        guard = self.prepared(a.guard)[0]
        obligations = tuple(
            replace(o, formula=self.prepared(o.formula)[0]) for o in a.obligations
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

    def count_cuts(self, w: CWriter, a: Action) -> None:
        """Write the code that counts the steps which the action's assumptions cut, as
        loops over the parameters that they mention."""
        for assumed in a.assumptions:
            (cut,) = self.prepared(assumed.cut)
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
