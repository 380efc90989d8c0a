# SPDX-License-Identifier: GPL-2.0-only
"""The next state's words in C, from this state's."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field

from poolproof.checker.backends.c.expressions import CWriter, FiniteRanges, minus
from poolproof.checker.backends.c.instances import Instance
from poolproof.checker.backends.c.layout import Layout, PackedCell, Unsupported, Widths
from poolproof.checker.backends.c.lowered import Event
from poolproof.checker.core import ir
from poolproof.checker.core.ir import FALSE, Expr, and_, const, substitute_all
from poolproof.checker.core.system import Variable, writes


@dataclass
class Successor:
    """The code that makes the next state's words from this state's."""

    layout: Layout
    widths: Widths
    event: Callable[[Event], int]
    """Gives a number to each event that a run may meet."""
    w: CWriter
    instance: Instance
    bounds: FiniteRanges
    given: Mapping[Expr, Expr]
    fixed: list[tuple[Variable, PackedCell, Expr, Expr]] = field(default_factory=list)
    """(of, place, value before, value after) of cells known here."""
    moving: list[tuple[Variable, list[tuple[tuple[Expr, ...], Expr]]]] = field(
        default_factory=list
    )
    """Writes to tables at computed indices, in order."""

    def values(self) -> None:
        roots: list[Expr] = []
        layout = self.layout
        for v in layout.system.variables:
            update = self.instance.updates.get(v.name)
            if update is None:
                continue
            chain = writes(update)
            if any(len(at) != len(v.index) for at, _ in chain):
                raise Unsupported(f"{update}: {v.name} is not stored to cell by cell")
            if all(i.is_const for at, _ in chain for i in at):
                last = {tuple(i.data for i in at): value for at, value in chain}
                for raw, value in last.items():
                    k = layout.system.cell_of.get((v.name, raw))
                    if k is None:
                        continue
                    index = tuple(
                        const(d.sort, r) for d, r in zip(v.index, raw, strict=True)
                    )
                    old = ir.select(v.now, *index) if index else v.now
                    if value is not old:
                        self.fixed.append((v, layout.slots[k], old, value))
                        roots.append(value)
            else:
                self.moving.append((v, chain))
                roots.extend(e for at, value in chain for e in (*at, value))
        self.w.share(*roots)

    def range_checks(self) -> Iterator[str]:
        layout, ranges = self.layout, self.widths.ranges
        tests: dict[str, list[str]] = {}
        for v, _, _, value in self.fixed:
            outside = self.outside(value, ranges[v.name])
            if outside:
                tests.setdefault(v.name, []).append(outside)
        for v, chain in self.moving:
            for k, (at, value) in enumerate(chain):
                outside = self.outside(value, ranges[v.name])
                if not outside:
                    continue
                for later, _ in chain[k + 1 :]:
                    same = self.same(at, later)
                    if same is not FALSE:
                        outside = f"({outside}) && !{self.w.text(same)}"
                inside = self.domain_test(v, at)
                tests.setdefault(v.name, []).append(
                    f"({outside}) && {inside}" if inside else f"({outside})"
                )
        for v in layout.system.variables:
            if v.name in tests:
                event = self.range_event(v)
                test = " || ".join(tests[v.name])
                fail = f"FAIL({event}, {self.instance.number})"
                yield f"if (UNLIKELY({test})) {{ {fail}; break; }}"

    def range_event(self, v: Variable) -> int:
        opened = v.name in self.widths.open
        return self.event(
            Event(
                "open" if opened else "range",
                action=self.instance.action.name,
                variable=v.name,
            )
        )

    def outside(self, value: Expr, within: tuple[int, int]) -> str:
        lo, hi = self.bounds.of(value)
        tests = []
        if lo < within[0]:
            tests.append(f"{self.w.named(value)} < {self.w.number(within[0])}")
        if hi > within[1]:
            tests.append(f"{self.w.named(value)} > {self.w.number(within[1])}")
        return " || ".join(tests)

    def same(self, i: tuple[Expr, ...], j: tuple[Expr, ...]) -> Expr:
        """Return the condition that two indices are equal here."""
        e = and_(*(ir.eq(x, y) for x, y in zip(i, j, strict=True)))
        return self.bounds.decide(substitute_all((e,), self.given)[0])[0]

    def domain_test(self, v: Variable, at: tuple[Expr, ...]) -> str:
        tests = [
            t
            for i, d in zip(at, v.index, strict=True)
            if (t := self.w.inside(i, self.w.named(i), d))
        ]
        return " && ".join(tests)

    def words(self) -> list[str]:
        """C text of each word after the changes to cells known here."""
        n = self.layout.words
        keep = [(1 << 64) - 1] * n
        put = [0] * n
        plus = [0] * n
        more: list[list[str]] = [[] for _ in range(n)]
        for _, slot, old, value in self.fixed:
            k, shift = slot.word, slot.shift
            if not slot.width:
                continue
            before = self.given.get(old)
            if value.is_const and before is not None and before.is_const:
                plus[k] += value.data - before.data << shift
                continue
            change = _difference(value, old)
            if change is not None and change[1].is_const:
                plus[k] += change[0] * change[1].data << shift
            elif change is not None:
                sign = "+" if change[0] > 0 else "-"
                more[k].append(f" {sign} ((u64){self.w.text(change[1])} << {shift})")
            else:
                keep[k] &= ~(slot.mask << shift)
                if value.is_const:
                    put[k] |= (value.data - slot.lo & slot.mask) << shift
                else:
                    text = minus(self.w.text(value), slot.lo)
                    more[k].append(f" + ((u64){text} << {shift})")
        full = (1 << 64) - 1
        out = []
        for k in range(n):
            text = f"w{k}"
            if keep[k] != full:
                text = f"({text} & {keep[k] & full:#x})"
            total = put[k] + plus[k] & full
            if total:
                text += f" + {total:#x}"
            out.append(text + "".join(more[k]))
        return out

    def stores(self) -> Iterator[str]:
        """Lines that change cells found at run time, in order."""
        for v, chain in self.moving:
            distinct = all(
                self.same(at, later) is FALSE
                for k, (at, _) in enumerate(chain)
                for later, _ in chain[k + 1 :]
            )
            for at, value in chain:
                inside = self.domain_test(v, at)
                line = self.store(v, at, value, distinct)
                yield f"if ({inside}) {line}" if inside else line

    def store(
        self, v: Variable, at: tuple[Expr, ...], value: Expr, distinct: bool
    ) -> str:
        layout = self.layout
        slot = layout.slots[layout.first[v.name]]
        if not slot.width:
            return ";"
        where = layout.affine.get(v.name)
        texts = [self.w.named(i) for i in at]
        if where is not None:
            word, shift = f"x[{where.word}]", self.w.shift(v, where, texts)
        else:
            cell = self.w.cell(v, texts)
            word, shift = f"x[cell_word[{cell}]]", f"cell_shift[{cell}]"
        change = _difference(value, ir.select(v.now, *at)) if distinct else None
        if change is not None:
            sign = "+" if change[0] > 0 else "-"
            return f"{word} {sign}= (u64){self.w.text(change[1])} << {shift};"
        raw = f"((u64){minus(self.w.named(value), slot.lo)} & {slot.mask:#x})"
        return (
            f"{word} = ({word} & ~((u64){slot.mask:#x} << {shift})) "
            f"| ({raw} << {shift});"
        )


def _difference(value: Expr, old: Expr) -> tuple[int, Expr] | None:
    """(sign, change) where value is old + change or old - change."""
    if value.op == "add" and old in value.args:
        rest = list(value.args)
        rest.remove(old)
        return 1, ir.add(*rest)
    if value.op == "sub" and value.args[0] is old:
        return -1, value.args[1]
    if value.op == "ite" and value.args[2] is old:
        inner = _difference(value.args[1], old)
        if inner is not None:
            return inner[0], ir.ite(value.args[0], inner[1], ir.num(0))
    return None
