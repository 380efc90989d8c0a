# SPDX-License-Identifier: GPL-2.0-only
"""A transition system as one process of Promela.

The process chooses an initial state, then for ever one of the steps: each action
with each choice of arguments is an alternative of a loop, and a d_step. So SPIN
stores our states and one more, in which no initial state is chosen yet. What must
hold of states is an alternative that is never enabled; of steps, an assertion.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence

from poolproof.checker.backends.foreign import (
    Inexpressible,
    comment,
    distinct,
    identifier,
    starts,
)
from poolproof.checker.backends.promela.expressions import (
    LARGE,
    PromelaWriter,
    position,
)
from poolproof.checker.backends.shared import size
from poolproof.checker.core.ir import (
    FALSE,
    TRUE,
    Expr,
    SetSort,
    const,
    expand_all,
    not_,
    substitute_all,
)
from poolproof.checker.core.limits import tick
from poolproof.checker.core.property import Property
from poolproof.checker.core.ranges import declared
from poolproof.checker.core.system import Action, TransitionSystem, Variable, writes
from poolproof.checker.core.text import WIDTH

_RESERVED = """active assert atomic bit bool break byte c_code c_decl c_expr c_state
c_track chan d_step do else empty enabled end eval false fi for full get_priority goto
hidden if in init inline int len local ltl mtype nempty never nfull notrace np_ od of
pc_value pid print printf priority proctype provided return run select set_priority
short show skip temporary timeout trace true typedef unless unsigned xr xs"""

_WORDS = frozenset(_RESERVED.split())


def promela(
    system: TransitionSystem, properties: Sequence[Property], head: Iterable[str] = ()
) -> str:
    """Return the system, which has no rigid params, as a model for SPIN, with
    ``head`` in a comment. Raise Inexpressible."""
    made = _PromelaProgram(system, properties)
    steps = [*made.alternatives(), "  :: false"]  # there may be no step at all
    body = [*made.starts(), "end:", "  do", *steps, "  od"]
    return "\n".join(
        [
            "/*",
            *(f" * {line}".rstrip() for line in comment(head, WIDTH - 3)),
            " */",
            *(made.declaration(v) for v in system.variables),
            f"hidden int temporary[{max(1, made.temporaries)}];",
            "",
            f"active proctype {identifier(system.name, _WORDS)}()",
            "{",
            *body,
            "}",
            "",
        ]
    )


def _names(system: TransitionSystem) -> dict[str, str]:
    names: dict[str, str] = {}
    for v in system.variables:
        names[v.name] = distinct(identifier(v.name, _WORDS), names.values())
    return names


class _PromelaProgram:
    """The parts of the model."""

    def __init__(
        self, system: TransitionSystem, properties: Sequence[Property]
    ) -> None:
        self.system, self.properties = system, properties
        self.names = _names(system)
        self.temporaries = 0

    def declaration(self, v: Variable) -> str:
        """Return the variable, in the least type that holds its range."""
        lo, hi = declared(v)
        if isinstance(v.element, SetSort):
            lo, hi = 0, (1 << len(v.element.domain)) - 1
        if lo is None or hi is None or lo < -(1 << 15) or hi >= 1 << 15:
            kind = "int"
        else:
            kind = "byte" if lo >= 0 and hi < 1 << 8 else "short"
        if max(-(lo or 0) - 1, hi or 0) >= 1 << 31:
            raise Inexpressible(f"{v.name} needs more than 32 bits")
        cells = math.prod(map(len, v.index))
        return f"{kind} {self.names[v.name]}{f'[{cells}]' if v.index else ''};"

    def starts(self) -> Iterator[str]:
        """Yield the choice of an initial state."""
        yield "  if"
        for state in starts(self.system):
            sets = []
            for cell, raw in zip(self.system.cells, state, strict=True):
                if raw:
                    index = tuple(
                        const(d.sort, i)
                        for d, i in zip(cell.variable.index, cell.index, strict=True)
                    )
                    sets.append(f"{self.place(cell.variable, index)[0]} = {raw};")
            yield f"  :: d_step {{ {' '.join(sets) or 'skip;'} }}"
        yield "  fi;"

    def place(self, v: Variable, index: Sequence[Expr]) -> tuple[str, str]:
        """Return a cell, and the condition that there is one (empty: always)."""
        name = self.names[v.name]
        if not v.index:
            return name, ""
        texts = [PromelaWriter(self.names).text(i) for i in index]
        at, check = position(v.index, index, texts)
        return f"{name}[{at}]", check

    def alternatives(self) -> Iterator[str]:
        """Yield what is checked in each state, and then every step."""
        for p in self.properties:
            if p.kind.of_states:
                yield from self.claim(p)
            elif not p.kind.of_steps:
                yield f"  /* {p.name} is not exported: {p.kind.value} */"
        for a in self.system.actions:
            for raw in a.valuations():
                yield from self.instance(a, raw)

    def claim(self, p: Property) -> Iterator[str]:
        """A witness is asked for by -DREACH_NAME, a violation always."""
        name = re.sub(r"\W", "_", p.name)
        witness = p.kind.wants_witness
        yield f"  /* {p.name}: {p.kind.value} */"
        if witness:
            yield f"#ifdef REACH_{name}"
        yield from self.never(expand_all((p.deciding,))[0])
        if witness:
            yield "#endif"

    def never(self, bad: Expr) -> Iterator[str]:
        """An alternative that is taken only where something is wrong."""
        if bad is not FALSE:
            yield from self.alternative(bad, ["assert(false);"])

    def alternative(self, guard: Expr, then: Sequence[str]) -> Iterator[str]:
        """``then`` where the guard holds. A large guard needs temporaries, and is
        asked in a step that is always enabled and changes nothing otherwise."""
        if size(guard) <= LARGE:
            text = PromelaWriter(self.names).text(guard)
            yield f"  :: d_step {{ {text} ->"
            yield from (f"       {line}" for line in then)
            yield "     }"
        else:
            asked = PromelaWriter(self.names)
            asked.share((guard,))
            text = asked.text(guard)
            self.temporaries = max(self.temporaries, len(asked.known))
            yield "  :: d_step {"
            yield from (f"       {line}" for line in asked.lines)
            yield "       if"
            yield f"       :: {text} ->"
            yield from (f"          {line}" for line in then)
            yield "       :: else"
            yield "       fi"
            yield "     }"

    def instance(self, a: Action, raw: tuple[int, ...]) -> Iterator[str]:
        """Yield the action with these arguments."""
        by = a.constants(raw)
        memo: dict[Expr, Expr] = {}

        def put(e: Expr) -> Expr:
            tick(10)
            return expand_all(substitute_all((e,), by, memo))[0]

        yield f"  /* {a.call(raw)} */"
        for o in a.obligations:
            if o.early:
                yield from self.never(not_(put(o.formula)))
        guard = put(a.guard)
        if guard is FALSE:
            return
        w = PromelaWriter(self.names)
        due = [f for o in a.obligations if (f := put(o.formula)) is not TRUE]
        updates = {name: put(update) for name, update in a.updates.items()}
        due += self.promises(
            a, by, updates, None if a.result is None else put(a.result)
        )
        lines = self.effect(w, due, updates)
        yield from self.alternative(guard, lines)

    def promises(
        self,
        a: Action,
        by: Mapping[Expr, Expr],
        updates: Mapping[str, Expr],
        result: Expr | None,
    ) -> Iterator[Expr]:
        """Yield what step properties say of the step, over the state before."""
        known = dict(by)
        for v in self.system.variables:
            known[v.next] = updates.get(v.name, v.now)
        if result is not None:
            known[a.returned] = result
        for p in self.properties:
            if p.about(a):
                good = substitute_all((expand_all((p.formula,))[0],), known)[0]
                if good is not TRUE:
                    yield expand_all((good,))[0]

    def effect(
        self, w: PromelaWriter, due: Sequence[Expr], updates: Mapping[str, Expr]
    ) -> list[str]:
        """Return the step: assertions, values over the state before, writes."""
        changes = [
            (self.system.by_name[name], at, value)
            for name, update in updates.items()
            for at, value in writes(update)
            if value is not self.system.by_name[name].now
        ]
        w.share([*due, *(e for _, at, value in changes for e in (*at, value))])
        puts: list[str] = []
        for v, at, value in changes:
            for i in at:
                w.name(i)
            new = w.name(value)
            texts = [w.text(i) for i in at]
            where, check = position(v.index, at, texts) if v.index else ("", "")
            cell = f"{self.names[v.name]}[{where}]" if v.index else self.names[v.name]
            put = [*self.in_range(v, value, new), f"{cell} = {new};"]
            if check:
                put = ["if", f":: {check} -> {' '.join(put)}", ":: else", "fi;"]
            puts += put
        asserts = [f"assert({w.text(e)});" for e in due]
        self.temporaries = max(self.temporaries, len(w.known))
        return [*w.lines, *asserts, *puts] or ["skip;"]

    def in_range(self, v: Variable, value: Expr, text: str) -> Iterator[str]:
        """Yield the assertion that a new value is in the declared range."""
        lo, hi = declared(v)
        within = value.interval
        tests = []
        if lo is not None and (within[0] is None or within[0] < lo):
            tests.append(f"{text} >= {lo}")
        if hi is not None and (within[1] is None or within[1] > hi):
            tests.append(f"{text} <= {hi}")
        if tests:
            yield f"assert({' && '.join(tests)});"
