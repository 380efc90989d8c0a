# SPDX-License-Identifier: GPL-2.0-only
"""Steps that concern only their own task, taken at once: the verdicts are those of
the full search. The oracle runs the generators under CPython, breadth first."""

from pathlib import Path
from typing import Any

import pytest

from poolproof.checker.core.compiled import Compiled
from poolproof.checker.core.property import Property
from poolproof.checker.core.system import TransitionSystem
from poolproof.checker.core.verdict import Budget, Outcome, Shown, Silent, Unknown
from poolproof.checker.engines.commuting import commuting
from poolproof.checker.engines.explicit import explicit
from poolproof.checker.engines.registry import ask
from poolproof.checker.evidence.replay import confirm, decided_by
from poolproof.checker.frontend.design import compile_design
from poolproof.checker.passes.partial_order import private, take_at_once
from poolproof.checker.spec import parse_text, resolve
from poolproof.model.language import (
    Bool,
    Bound,
    Design,
    Int,
    Maybe,
    Scalarset,
    action,
    assume,
    require,
    table,
    var,
)
from tests.agreement.test_yields import load
from tests.common.random_tasks import explored, task_text

TASKS = Scalarset("TASKS", Bound("T", 2), prefix="t")
VMAS = Scalarset("VMAS", 2, prefix="v")
PAGES = Int(0, 2)
IN_ORDER = Budget(partial_order=True, symmetry=False)


def properties_of(compiled: Compiled, text: str) -> tuple[Property, ...]:
    spec = f'spec "tasks"\nfor {compiled.source.__name__}\n{text}'
    return resolve(parse_text(spec, "tasks.spec"), compiled).properties


def at_once(
    system: TransitionSystem, properties: tuple[Property, ...]
) -> tuple[TransitionSystem, tuple[str, ...]]:
    """The system with private steps first, as far as the names of variables show."""
    return take_at_once(system, private(system, properties))


def first_of(design: type[Design], text: str) -> tuple[str, ...]:
    """The names of the actions whose steps are taken at once."""
    compiled = compile_design(design)
    return at_once(compiled.system, properties_of(compiled, text))[1]


def search(
    compiled: Compiled, properties: tuple[Property, ...], budget: Budget = IN_ORDER
) -> Outcome:
    return ask("explicit", compiled.system, properties, budget, Silent(), compiled)


# --- where nearly all steps are private ------------------------------------------


class Fill(Design):
    """Each task fills pages of its own and counts them at the end."""

    filled = table(TASKS, PAGES, Bool())
    total = var(Int(0, 9))

    @action
    def fill(self, t: TASKS):
        """Three pages, one by one."""
        require(not self.filled[t, 0] and self.total == 0)
        for p in PAGES:
            yield "next page"
            self.filled[t, p] = True
        yield "counts"
        self.total += 3


FEW = "invariant few: total <= 6"


def test_what_concerns_nobody_else_is_not_interleaved() -> None:
    compiled = compile_design(Fill, bounds={"T": 3})
    properties = properties_of(compiled, "invariant few: total <= 3")
    small = search(compiled, properties)
    whole = explicit(compiled.system, properties, Budget(symmetry=False), Silent())
    for outcome in small, whole:
        verdict = outcome.verdicts["few"]
        assert isinstance(verdict, Shown)
        confirm(compiled, properties[0], verdict.trace, shortest=False)
        assert verdict.shortest is (outcome is whole)
    assert "taken at once" in " ".join(small.statistics.notes)
    assert small.statistics.states * 3 < whole.statistics.states


def test_symmetry_comes_on_top() -> None:
    compiled = compile_design(Fill, bounds={"T": 3})
    properties = properties_of(compiled, FEW.replace("6", "5"))
    system, first = at_once(compiled.system, properties)
    assert first
    plain, folded = (
        explicit(system, properties, Budget(symmetry=s), Silent())
        for s in (False, True)
    )
    assert folded.statistics.states * 3 < plain.statistics.states


# --- traps -----------------------------------------------------------------------


def test_a_property_that_can_tell() -> None:
    """What is filled, where a task is filling, any step, a step of this kind."""
    assert first_of(Fill, FEW)
    asked = "invariant early: all(t in TASKS: filled[t, 2] implies total > 0)"
    assert not first_of(Fill, asked)
    assert not first_of(Fill, "step any_step: total' >= total")
    before = set(first_of(Fill, FEW))
    for name in before:
        places = f"invariant some: any(t in TASKS: place[t] != {name})"
        assert name not in first_of(Fill, places)
        assert name not in first_of(Fill, f"step one on {name}: total' == total")


class Work(Design):
    """Each task begins, uses what is its own, drops it and tells of it. The second
    and the third step are private."""

    at = table(TASKS, Int(0, 3))
    own = table(TASKS, Int(0, 1))
    total = var(Int(0, 1))
    gift = table(TASKS, Int(0, 1))
    entries = table(Int(0, 0), Int(0, 1))

    @action
    def begin(self, t: TASKS):
        """Not private: it reads a gift, which anybody may give."""
        require(self.at[t] == 0 and self.gift[t] == 0)
        self.at[t] = 1

    @action
    def use(self, t: TASKS):
        """Private."""
        require(self.at[t] == 1)
        self.own[t] = 1
        self.at[t] = 2

    @action
    def drop(self, t: TASKS):
        """Private."""
        require(self.at[t] == 2)
        self.own[t] = 0
        self.at[t] = 3

    @action
    def tell(self, t: TASKS):
        """All can see it."""
        require(self.at[t] == 3)
        self.at[t] = 0
        self.total = max(self.total, self.own[t])

    @action
    def give(self, who: TASKS):
        """A step of nobody."""
        self.gift[who] = 1


class ReadsNeighbour(Work):
    """A task looks at what others use."""

    saw = table(TASKS, Bool())

    @action
    def drop(self, t: TASKS):
        """Reads the rows of others, and writes its own."""
        require(self.at[t] == 2)
        self.saw[t] = any(self.own[u] == 1 for u in TASKS if u != t)
        self.at[t] = 3


class WritesNeighbour(Work):
    """Two tasks drop what they have together."""

    drop: Any = None

    @action
    def drop_both(self, t: TASKS, u: TASKS):
        """Writes the rows of both."""
        require(t != u and self.at[t] == 2 and self.at[u] == 2)
        self.own[t] = 0
        self.own[u] = 0
        self.at[t] = 3
        self.at[u] = 3


class ReadsGift(Work):
    """Others write a row of the task while it drops."""

    @action
    def drop(self, t: TASKS):
        """Reads its own row, and others write it."""
        require(self.at[t] == 2)
        self.own[t] = self.gift[t]
        self.at[t] = 3


class Mixed(Work):
    """From the place where `drop` is private another step is possible."""

    @action
    def keep(self, t: TASKS):
        """All can see it."""
        require(self.at[t] == 2)
        self.total = 1
        self.at[t] = 3


class Looked(Work):
    """Somebody looks, wherever the tasks stand."""

    @action
    def look(self, who: TASKS):
        """Reads a row whose task may stand anywhere."""
        require(self.own[who] == 1)
        self.total = 1


class Watched(Work):
    """Somebody looks at everybody."""

    @action
    def look(self):
        """Reads all rows."""
        require(any(self.own[u] == 1 for u in TASKS))
        self.total = 1


class Doubted(Work):
    """What an `assume` cuts is counted wherever the task stands."""

    @action
    def look(self, who: TASKS):
        """The place is asked about too late."""
        assume(self.own[who] == 0, "nobody uses anything")
        require(self.at[who] == 0)
        self.total = 1


class Claimed(Work):
    """An assert reads a row whose task may stand anywhere."""

    @action
    def look(self, who: TASKS):
        """Wrong as soon as somebody has got a gift."""
        require(self.gift[who] == 1)
        assert self.own[who] == 0


class Indexed(Work):
    """An index that is wrong before any guard."""

    @action
    def look(self, who: TASKS):
        """The place is asked about too late."""
        entry = self.entries[self.own[who]]
        require(self.at[who] == 0 and entry == 1)
        self.total = 1


class Circle(Work):
    """Private steps that lead back to their place."""

    @action
    def drop(self, t: TASKS):
        """Back to `use`."""
        require(self.at[t] == 2)
        self.own[t] = 0
        self.at[t] = 1


class Somewhere(Work):
    """It is not known to which place a private step leads."""

    @action
    def drop(self, t: TASKS):
        """One of two, by arithmetic."""
        require(self.at[t] == 2)
        self.at[t] = 3 - 2 * self.own[t]
        self.own[t] = 0


class Waits(Work):
    """Something yields, so that deadlock may be asked."""

    @action
    def wait(self, t: TASKS):
        """For a gift."""
        require(self.at[t] == 0)
        yield "waits"
        require(self.at[t] == 0 and self.gift[t] == 1)


NEVER = "invariant never: total == 0"


@pytest.mark.parametrize(
    ("design", "text", "first"),
    [
        (Work, NEVER, "use drop"),
        (ReadsNeighbour, NEVER, ""),
        (WritesNeighbour, NEVER, "use"),
        (ReadsGift, NEVER, "use"),
        (Mixed, NEVER, "use"),
        (Looked, NEVER, ""),
        (Watched, NEVER, ""),
        (Doubted, NEVER, ""),
        (Claimed, NEVER, ""),
        (Indexed, NEVER, ""),
        (Circle, NEVER, ""),
        (Somewhere, NEVER, "use"),
        (Work, "invariant never: not any(t in TASKS: at[t] == 3)", "use"),
        (Work, "invariant never: not any(t in TASKS: at[t] >= 3)", ""),
        (Work, "invariant never: all(t in TASKS: own[t] == 0)", ""),
        (Work, "step never on use: total == 1", "drop"),
        (Work, "step never: total == 1", ""),
    ],
)
def test_each_condition(design: type[Design], text: str, first: str) -> None:
    compiled = compile_design(design)
    properties = properties_of(compiled, text)
    assert at_once(compiled.system, properties)[1] == tuple(first.split())
    agree(compiled, properties)


class Stuck(Design):
    """Each task waits for the other's lock, after some work of its own."""

    lock = table(TASKS, Bool())
    own = table(TASKS, Int(0, 1))

    @action
    def take(self, t: TASKS, u: TASKS):
        """One's own lock and then another's."""
        require(t != u and not self.lock[t])
        self.lock[t] = True
        yield "works"
        self.own[t] = 1
        yield "waits"
        require(not self.lock[u])
        self.lock[t] = False
        self.own[t] = 0


class Late(Design):
    """A task that has begun waits for the other, which may never begin."""

    begun = table(TASKS, Bool())
    count = var(Int(0, 2))

    @action
    def meet(self, t: TASKS):
        """To begin is private, but not where deadlock is asked."""
        require(not self.begun[t])
        self.begun[t] = True
        yield "counts"
        self.count += 1
        yield "waits"
        require(self.count == 2)


@pytest.mark.parametrize(
    ("design", "text"),
    [
        (Late, "invariant fine: true"),
        (Stuck, "invariant fine: true"),
        (Fill, "invariant never: not any(t in TASKS: place[t] == fill.counts)"),
        (Fill, "invariant never: not any(t in TASKS: place[t] == fill.next_page_2)"),
        (Fill, "invariant never: all(t in TASKS: filled[t, 2] implies total > 0)"),
        (Fill, "step never on fill.next_page_2: total < 3"),
        (Fill, "step never: total' == total implies total != 3"),
    ],
)
def test_what_a_careless_reduction_would_miss(design: type[Design], text: str) -> None:
    """Some state of each run is one that only another order comes to."""
    compiled = compile_design(design)
    properties = properties_of(compiled, text)
    whole = agree(compiled, properties)
    assert any(isinstance(v, Shown) for v in whole.verdicts.values())


def agree(compiled: Compiled, properties: tuple[Property, ...]) -> Outcome:
    """Return the outcome of the full search, with which that in order agrees."""
    whole = search(compiled, properties, Budget(symmetry=False))
    small = search(compiled, properties)
    assert kinds(small) == kinds(whole)
    assert {d.message for d in small.defects} == {d.message for d in whole.defects}
    assert cut(small) == cut(whole)
    return whole


def cut(outcome: Outcome) -> set[str]:
    return {why for why, steps in outcome.statistics.assumed.items() if steps}


def kinds(outcome: Outcome) -> dict[str, type]:
    return {name: type(v) for name, v in outcome.verdicts.items()}


def test_a_search_that_ends_early_says_nothing_of_lengths() -> None:
    compiled = compile_design(Fill)
    properties = properties_of(compiled, FEW)
    budget = Budget(partial_order=True, states=5)
    outcome = ask("explicit", compiled.system, properties, budget, Silent(), compiled)
    verdict = outcome.verdicts["few"]
    assert isinstance(verdict, Unknown)
    assert verdict.depth == 0


def test_where_deadlock_is_asked_only_inner_places_are_private() -> None:
    compiled = compile_design(Waits)
    properties = properties_of(compiled, NEVER)
    asked = [p for p in properties if not p.assertion]
    assert at_once(compiled.system, asked)[1]
    assert not at_once(compiled.system, properties)[1]
    assert "deadlock" in kinds(agree(compiled, properties))


# --- what z3 proves to commute ------------------------------------------------------


class Owners(Design):
    """Who has taken a VMA changes its pages; nobody else does."""

    owner = table(VMAS, Maybe(TASKS))
    pages = table(VMAS, Int(0, 2))
    total = var(Int(0, 4))

    @action
    def use(self, t: TASKS, vma: VMAS):
        """Take it, fill it, give it back."""
        require(self.may_take(vma) and self.total < 2)
        self.owner[vma] = t
        yield "fills"
        self.pages[vma] += 1
        yield "fills more"
        self.pages[vma] += 1
        yield "gives it back"
        self.total += self.pages[vma]
        self.pages[vma] = 0
        self.owner[vma] = None

    def may_take(self, vma):
        """Only what nobody has."""
        return self.owner[vma] is None


class Thieves(Owners):
    """Whoever has it."""

    pages = table(VMAS, Int(0, 4))
    total = var(Int(0, 8))

    def may_take(self, vma):
        return self.pages[vma] < 3


class Summed(Owners):
    """Somebody looks at all pages."""

    seen = var(Bool())

    @action
    def look(self):
        """A sum that tells the orders apart."""
        self.seen = sum(self.pages[v] for v in VMAS) == 3


class Asked(Owners):
    """Somebody asks, and changes nothing."""

    @action
    def look(self, vma: VMAS):
        """The answer tells the orders apart."""
        return self.pages[vma] == 1


class Baton(Design):
    """A step that hands its place to another task, so that it never comes to an
    end."""

    place = table(TASKS, Int(0, 2), init=2)
    total = var(Int(0, 1))

    @action
    def begin(self, t: TASKS):
        """Only one has the baton."""
        require(all(self.place[u] == 2 for u in TASKS))
        self.place[t] = 1

    @action
    def hand_over(self, t: TASKS, u: TASKS):
        """To a task that waits."""
        require(self.place[t] == 1 and self.place[u] == 2)
        self.place[u] = self.place[t]
        self.place[t] = 2

    @action
    def count(self):
        """A step of nobody."""
        require(self.total == 0)
        self.total = 1


class Beginners(Design):
    """Tasks start where whoever comes there holds the lock, and hold nothing."""

    place = table(TASKS, Int(0, 2), init=1)
    holder = table(Int(0, 0), Maybe(TASKS))
    count = var(Int(0, 2))
    seen = var(Bool())

    @action
    def change(self, t: TASKS):
        """Alone, for whoever holds the lock."""
        require(self.place[t] == 1)
        if self.holder[0] != t:
            self.count = 1 - self.count
        self.place[t] = 2

    @action
    def look(self):
        """Whoever comes first decides."""
        self.seen = self.count == 1


SOME = "invariant some: total < 4"


@pytest.mark.parametrize(
    ("design", "text", "first"),
    [
        (Owners, SOME, "use.fills use.fills_more"),
        (Owners, "invariant some: all(v in VMAS: pages[v] < 2)", ""),
        (Thieves, SOME, ""),
        (Summed, SOME, ""),
        (Asked, SOME, "use.fills use.fills_more"),
        (Asked, "step some on look: not result", ""),
        (Asked, "step some on look: result implies total' == total", ""),
        (Asked, "step some on look(vma): pages[vma] == 1 implies total' == total", ""),
        (Baton, "invariant some: total == 0", ""),
        (Beginners, "invariant some: not seen", ""),
    ],
)
def test_what_a_task_holds_is_its_own(
    design: type[Design], text: str, first: str
) -> None:
    compiled = compile_design(design)
    properties = properties_of(compiled, text)
    (asked,) = (p for p in properties if p.name == "some")
    names = tuple(a.name for a in commuting(compiled.system, [asked]))
    assert names == tuple(first.split())
    assert not private(compiled.system, properties)
    whole = agree(compiled, properties)
    if first:
        small = search(compiled, properties)
        assert small.statistics.states < whole.statistics.states


# --- random tasks ----------------------------------------------------------------

SEEN = "\n".join(
    f"reachable at_{x}_{y}: x == {x} and y == {y}" for x in range(3) for y in range(3)
)
SPEC = f"""{SEEN}
invariant low: x + y <= 3
reachable rest: x == 0 and all(t in TASKS: place[t] == idle)
invariant alone: holder[0] != holder[1] or holder[0] == none
step end on one: result implies x == y
"""


def check(seed: int, tmp_path: Path) -> tuple[int, int]:
    """Return the states of the full search, and of that with private steps first."""
    path = tmp_path / f"own{seed}.py"
    path.write_text(task_text(seed, own=True), encoding="utf-8")
    compiled = compile_design(load(path, f"own{seed}").Tasks)
    properties = properties_of(compiled, SPEC)
    found = explored(compiled)
    small = search(compiled, properties)
    for p in properties:
        verdict = small.verdicts[p.name]
        if not p.kind.of_steps:
            decided = any(decided_by(compiled.system, p, state) for state in found)
            assert isinstance(verdict, Shown) == decided, (seed, p.name)
        if isinstance(verdict, Shown):
            confirm(compiled, p, verdict.trace, shortest=False)
    whole = search(compiled, properties, Budget(symmetry=False))
    assert kinds(whole) == kinds(small), seed
    assert whole.statistics.fired.keys() == small.statistics.fired.keys()
    return len(found), small.statistics.states


def test_random_tasks(tmp_path: Path) -> None:
    sizes = [check(seed, tmp_path) for seed in range(3)]
    assert sum(small for _, small in sizes) < sum(whole for whole, _ in sizes)


@pytest.mark.slow
def test_many_random_tasks(tmp_path: Path) -> None:
    sizes = [check(seed, tmp_path) for seed in range(3, 50)]
    smaller = sum(small < whole for whole, small in sizes)
    assert smaller > len(sizes) // 3
