# SPDX-License-Identifier: GPL-2.0-only
"""Interchangeable indices: the quotient has the answers of the plain search."""

from __future__ import annotations

from enum import Enum
from pathlib import Path

import pytest

from poolproof.checker.backends.c.build import compiler
from poolproof.checker.core.property import Property
from poolproof.checker.core.system import TransitionSystem
from poolproof.checker.core.verdict import Budget, Silent
from poolproof.checker.driver.designs import designs_named
from poolproof.checker.driver.size import SizeTask, size_question
from poolproof.checker.engines.explicit import explicit
from poolproof.checker.engines.native import native
from poolproof.checker.engines.space import NO_SYMMETRY, StateSpace, explore
from poolproof.checker.frontend.design import compile_design
from poolproof.checker.passes.symmetry import canonical_under, find_symmetry
from poolproof.checker.spec import parse
from poolproof.model.language import Bool, Design, Int, action, require, table
from tests.common.index_systems import index_system, unlike

ROOT = Path(__file__).parents[2]
EIGHT = "specs/scenarios/hot_upgrade_8.scenario"


def compared(
    system: TransitionSystem, properties: tuple[Property, ...], most: int
) -> tuple[int, int] | None:
    """Return the numbers of states without and with symmetry, after a comparison of
    all states that have one canonical form; None if there are too many."""
    found = find_symmetry(system, properties)
    plain = explore(StateSpace(system, NO_SYMMETRY), (), Budget(states=most))
    if plain.stopped:
        return None
    canonical = canonical_under(system, found)
    why = unlike(system, properties, plain.parents, canonical)
    assert why == "", why
    small = explore(StateSpace(system, found), (), Budget())
    assert set(map(canonical, plain.parents)) == set(small.parents)
    return len(plain.parents), len(small.parents)


def random_run(seeds: range) -> tuple[int, int, int]:
    """Return of how many systems the quotient is smaller, how many of them have
    one permutation for all rows, and how many have indices that wait."""
    smaller = joint = waiting = 0
    for seed in seeds:
        system, properties = index_system(seed)
        found = find_symmetry(system, properties).indices
        states = compared(system, properties, 1500) if found else None
        if states is None or states[0] == states[1]:
            continue
        smaller += 1
        joint += any(one.joint for one in found)
        rows = [row for one in found for row in one.rows]
        waiting += any(h for row in rows for c in row.classes for _, h in c)
    return smaller, joint, waiting


def test_random_systems() -> None:
    smaller, joint, _ = random_run(range(4, 20))
    assert smaller >= 4
    assert joint >= 2


@pytest.mark.slow
def test_many_random_systems() -> None:
    smaller, joint, waiting = random_run(range(250))
    assert smaller >= 25
    assert joint >= 5
    assert waiting >= 5


PAGES = Int(0, 2)


class Level(Enum):
    """A table of these is no sum of numbers."""

    LOW = 0
    HIGH = 1


class InOrder(Design):
    """The first page that has some gives it: the pages are in an order."""

    gives = table(PAGES, Int(0, 2), init=0)
    got = table(Bool(), Int(0, 6), init=0)
    level = table(Bool(), Level, init=Level.LOW)
    where = table(PAGES, Bool(), init=True)

    @action
    def prepare(self, page: PAGES, some: Int(0, 2)) -> None:
        self.gives[page] = some

    @action
    def take(self) -> None:
        require(self.got[True] == 0)
        for page in PAGES:
            to = self.where[page]
            self.got[to] += self.gives[page] if self.got[to] <= 0 else 0
            self.level[to] = Level.HIGH if self.gives[page] > 0 else self.level[to]


class Together(Design):
    """All pages give what they have."""

    gives = table(PAGES, Int(0, 2), init=0)
    got = table(Bool(), Int(0, 6), init=0)
    where = table(PAGES, Bool(), init=True)

    @action
    def prepare(self, page: PAGES, some: Int(0, 2)) -> None:
        self.gives[page] = some

    @action
    def take(self) -> None:
        require(self.got[True] == 0)
        for page in PAGES:
            self.got[self.where[page]] += self.gives[page]


@pytest.mark.parametrize(("design", "smaller"), [(InOrder, False), (Together, True)])
def test_what_is_added_under_a_condition_is_in_order(
    design: type[Design], smaller: bool
) -> None:
    states = compared(compile_design(design).system, (), 1500)
    assert states is not None
    assert (states[1] < states[0]) == smaller


SCENARIOS = {
    ("cold6", "ReservedThpPlanned", 10): {"P": 5, "slots": 3},
    ("touched", "ReservedThpPlanned", 7): {"P": 4, "slots": 3},
    ("pinned", "ReservedThpPlanned", 7): {"P": 4, "slots": 2},
    ("again", "ReservedThp", 9): {"P": 4},
    ("hugetlb_again", "Hugetlb", 9): {"P": 4},
    ("swap_posted", "ReservedThp", 8): {"P": 4, "slots": 3},
    ("cma_lent", "HugetlbCma", 6): {"P": 3},
    ("files", "GuestMemfd", 6): {"P": 3},
    ("pool_files", "GlobalPool", 6): {"P": 3},
    ("shmem", "Shmem1g", 6): {"P": 3},
}


@pytest.mark.slow
@pytest.mark.parametrize(("scenario", "design", "size"), SCENARIOS)
def test_scenarios(scenario: str, design: str, size: int) -> None:
    spec = parse(ROOT / EIGHT)
    (mine,) = (s for s in spec.scenarios if s.name.text == scenario)
    (known,) = designs_named(design)
    given = SCENARIOS[scenario, design, size]
    what = size_question(SizeTask(mine, spec, known, given)).at(size)
    system, asked = what.product.system, what.queries
    states = compared(system, asked, 20_000)
    assert states is not None
    plain = explicit(system, asked, Budget(symmetry=False), Silent())
    small = explicit(system, asked, Budget(indices=True), Silent())
    assert (plain.statistics.states, small.statistics.states) == states
    for name, verdict in plain.verdicts.items():
        assert type(verdict) is type(small.verdicts[name])
        trace = getattr(verdict, "trace", None)
        if trace is not None:
            assert len(trace) == len(small.verdicts[name].trace)  # type: ignore[union-attr]
    if compiler() is not None:
        fast = native(system, asked, Budget(indices=True), Silent())
        assert fast.statistics.states == small.statistics.states
        assert fast.statistics.transitions == small.statistics.transitions
        assert {n: type(v) for n, v in fast.verdicts.items()} == {
            n: type(v) for n, v in small.verdicts.items()
        }
