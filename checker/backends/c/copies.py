# SPDX-License-Identifier: GPL-2.0-only
"""Small actions in C: a copy for each choice of arguments, with constant masks,
inside a tree of the conditions that the copies share."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

from poolproof.checker.backends.c.effects import EffectWriter
from poolproof.checker.backends.c.expressions import (
    CWriter,
    facts_of,
    unroll,
    weight,
)
from poolproof.checker.backends.c.instances import Counting, Instance
from poolproof.checker.core.ir import (
    FALSE,
    TRUE,
    Expr,
    and_,
    not_,
    substitute_all,
)
from poolproof.checker.core.system import (
    Action,
    conjuncts,
)

SMALL = 40_000
"""Specialise an action for its arguments while the copies have fewer nodes."""


class CopyWriter(EffectWriter):
    """Prints actions with their arguments put in."""

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
        copies = math.prod(len(p.domain) for p in a.parameters)
        roots = [a.guard, *a.updates.values(), *(o.formula for o in a.obligations)]
        return copies * (10 + sum(weight(e) for e in roots))

    def instances(self, a: Action) -> Iterator[Instance]:
        """The action for each choice of arguments that can be enabled."""
        base = unroll(a.guard)
        updates = {n: unroll(u) for n, u in a.updates.items()}
        for raw in a.valuations():
            by = a.constants(raw)
            memo: dict[Expr, Expr] = {}

            def put(
                e: Expr, by: Mapping[Expr, Expr] = by, memo: dict[Expr, Expr] = memo
            ) -> Expr:
                return substitute_all((e,), by, memo)[0]

            (guard,) = self.bounds.decide(put(base))
            obligations = tuple(
                replace(o, formula=self.prepared(put(o.formula))[0])
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
                with_arguments = substitute_all((base,), a.constants(raw))
                seen.update(self.bounds.decide(*with_arguments))
            for cut, times in seen.items():
                if cut is not FALSE:
                    yield Counting(conjuncts(cut), f"{counter} += {times};")

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
        _, raw = self.steps[i.numbers.start]
        w.line(f"/* {i.action.call(raw)} */")
        test = " && ".join(w.text(c) for c in i.conjuncts)
        w.open(f"if ({test})" if test else "")
        self.effect(w, i, bounds, given)
        w.close()
