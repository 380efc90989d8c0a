# SPDX-License-Identifier: GPL-2.0-only
"""The properties of specs on the counters that a kernel showed.

The design has followed the calls; what user space can read is put into its state
as the kernel showed it, and each invariant of the shipped specs is asked there. An
invariant counts that is violated so, and is not in the design's own state.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from poolproof.checker.conform.hugetlb import counter_of
from poolproof.checker.conform.sequence import ask, begin, observables
from poolproof.checker.conform.shrink import Found
from poolproof.checker.conform.state import bounds_for
from poolproof.checker.core.compiled import Compiled
from poolproof.checker.core.diagnostic import UserError
from poolproof.checker.core.evaluate import Undefined
from poolproof.checker.core.property import Property
from poolproof.checker.core.system import State
from poolproof.checker.driver.designs import shipped_specs
from poolproof.checker.evidence.replay import decided_by
from poolproof.checker.frontend.design import compile_design
from poolproof.checker.kernel.answer import Counters
from poolproof.checker.spec import parse, resolve
from poolproof.checker.spec.heirs import nearest_named
from poolproof.model.designs.hugetlb.linux_6_12 import Hugetlb
from poolproof.model.language import bind, declared


@dataclass(frozen=True)
class Broken:
    """An invariant of a spec that the kernel's counters violate."""

    spec: str
    prop: Property


def broken(design: type[Hugetlb], found: Found) -> tuple[Broken, ...]:
    """Return the invariants that are violated where the two part, each name
    once."""
    run, at = found.run, found.difference.at
    answers = found.answers[len(run.setup) :]
    if not 0 <= at < len(answers):
        return ()
    machine = begin(design, run.setting, run.setup)
    for row in run.rows[: at + 1]:
        ask(machine, row.command)
    compiled = _compiled(design, found)
    own: State = machine.now.dump()
    seen = _with(compiled, own, answers[at].counters)
    if seen == own:
        return ()
    every = {
        prop.name: Broken(spec, prop)
        for spec, prop in _invariants(design, compiled)
        if _violated(compiled, prop, seen) and not _violated(compiled, prop, own)
    }
    return tuple(every.values())


def _compiled(design: type[Hugetlb], found: Found) -> Compiled:
    setting = found.run.setting
    features, given = declared(design)[1], bounds_for(design, setting)
    on = bind(design, given, (), setting.having).features
    without = tuple(n for n in features if not on[n])
    return compile_design(design, given, without, setting.having)


def _with(compiled: Compiled, state: State, counters: Counters) -> State:
    """The state with the kernel's counters."""
    seen = observables(counters)
    return tuple(
        seen.get(counter_of(cell.variable.name, cell.index), raw)
        for cell, raw in zip(compiled.system.cells, state, strict=True)
    )


def _invariants(
    design: type[Hugetlb], compiled: Compiled
) -> Iterator[tuple[str, Property]]:
    for path in shipped_specs():
        spec = parse(path)
        if nearest_named(design, (w.text for w in spec.designs)) is None:
            continue
        try:
            properties = resolve(spec, compiled).properties
        except UserError:
            continue  # it speaks of a bound or feature that is not there
        yield from ((path, p) for p in properties if p.kind.of_states and p.kind.safety)


def _violated(compiled: Compiled, prop: Property, state: State) -> bool:
    try:
        return decided_by(compiled.system, prop, state)
    except Undefined:
        return False
