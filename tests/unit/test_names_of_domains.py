# SPDX-License-Identifier: GPL-2.0-only
"""Two designs with domains of the same values: each keeps its own names, whichever
is compiled first."""

import pytest

from poolproof.checker.core import ir
from poolproof.checker.core.compiled import Compiled
from poolproof.checker.core.diagnostic import UserError
from poolproof.checker.frontend.design import compile_design
from poolproof.checker.spec import parse_text, resolve
from poolproof.model.language import Bool, Design, Int, SetOf, action, table, var

SLOTS = Int(0, 2)
PLACES = Int(0, 2)


class Slots(Design):
    used = table(SLOTS, Bool())
    kept = var(SetOf(SLOTS))
    last = var(Int(0, 5))

    @action(kernel="mm/slots.c:use")
    def use(self, at: SLOTS):
        if all(self.used[s] for s in SLOTS):
            self.kept = {s for s in SLOTS if self.used[s]}
        self.used[at] = True


class Places(Design):
    used = table(PLACES, Bool())
    kept = var(SetOf(PLACES))
    last = var(Int(0, 5))

    @action(kernel="mm/places.c:use")
    def use(self, at: PLACES):
        if all(self.used[s] for s in PLACES):
            self.kept = {s for s in PLACES if self.used[s]}
        self.used[at] = True


def text(compiled: Compiled) -> str:
    """Return all names of domains that the compiled design shows."""
    system = compiled.system
    name = "SLOTS" if compiled.source is Slots else "PLACES"
    spec = parse_text(f'spec "S"\ninvariant whole: all(x in {name}: used[x])')
    shown = [ir.show(f.expr) for f in system.formulas()]
    shown += [str(p.domain) for a in system.actions for p in a.parameters]
    for v in system.variables:
        shown += [str(v.sort), *map(str, v.index)]
    shown += [
        ir.show(e) for p in resolve(spec, compiled).properties for e in p.formulas()
    ]
    return "\n".join(shown)


def out_of(compiled: Compiled) -> str:
    """Return the message for an index that is not in the table's domain."""
    with pytest.raises(UserError) as refused:
        resolve(parse_text('spec "S"\ninvariant wrong: used[3]'), compiled)
    return refused.value.message


def test_a_design_has_its_own_names_whatever_was_compiled_before() -> None:
    first, second = text(compile_design(Slots)), text(compile_design(Places))
    assert "all(s in SLOTS: used[s])" in first
    assert "PLACES" not in first
    assert second == first.replace("SLOTS", "PLACES")
    assert "PLACES" in out_of(compile_design(Places))
    assert "SLOTS" in out_of(compile_design(Slots))


def test_expressions_with_other_names_are_others() -> None:
    one, other = (ir.Domain(ir.INT, 0, 2, name) for name in ("ONE", "OTHER"))
    x, y = ir.local("x", one), ir.local("x", other)
    assert one == other
    assert x is not y
    assert ir.local("x", one) is x
    assert ir.aggregate("sum", x, x) is not ir.aggregate("sum", y, y)


def test_sorts_of_the_same_values_are_one() -> None:
    one, other = (ir.Domain(ir.INT, 0, 2, name) for name in ("ONE", "OTHER"))
    assert ir.set_sort(one) is ir.set_sort(other)
    assert ir.set_sort(one).name == "set of 0..2"
    assert ir.table_sort((one,), ir.BOOL) is ir.table_sort((other,), ir.BOOL)
