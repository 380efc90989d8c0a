"""Mutation: is there a property for every line of a design?

Each mutant of checker.driver.mutants is checked against specs. It is *killed* when
some property comes out otherwise, at another depth included, or the model
itself breaks. A mutant whose every step agrees with the original's in every
state that the original reaches is the same within these bounds, by induction
over runs: it is set apart, and said so.

A mutant's runs are the original's up to the first state, by distance, where a
step differs; the search goes on from there and ends at the first difference
that a property tells. Budgets are in states: the same call gives the same
answer.
"""

from __future__ import annotations

import multiprocessing
import random
import signal
import time
from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass, field, replace
from enum import Enum
from functools import cached_property
from typing import Any

from poolproof.checker.backends import python as lower
from poolproof.checker.core.diagnostic import UserError
from poolproof.checker.core.evaluate import initial_states
from poolproof.checker.core.ir import not_
from poolproof.checker.core.property import Kind, Property
from poolproof.checker.core.source import altered
from poolproof.checker.core.system import Action, State, TransitionSystem
from poolproof.checker.core.text import count
from poolproof.checker.core.verdict import Budget, Reporter
from poolproof.checker.driver.check import Request, Task, prepare
from poolproof.checker.driver.mutants import KINDS, Mutant, mutants
from poolproof.checker.driver.scores import text_line
from poolproof.checker.frontend.design import compile_design
from poolproof.checker.passes.symmetry import Symmetry, canonical_under, find_symmetry
from poolproof.checker.reports.text import table, wrapped
from poolproof.checker.spec import Spec

# --- the search -----------------------------------------------------------


@dataclass
class Search:
    """A breadth-first search that ends at the first property that does not
    come out as ``expected``, where something is expected; or at the first
    range, index or assert that breaks.

    ``levels`` are the states by distance, one of each orbit; ``found`` says
    after how many steps a property was violated, or reached."""

    system: TransitionSystem
    asked: tuple[Property, ...]
    symmetry: Symmetry
    expected: Search | None = None
    levels: list[list[State]] = field(default_factory=list)
    found: dict[str, int] = field(default_factory=dict)
    visited: set[State] = field(default_factory=set)
    transitions: int = 0
    complete: bool = False
    breaks: str = ""
    killer: str = ""
    steps: dict[str, lower.Successors] = field(default_factory=dict)

    @cached_property
    def canonical(self) -> Callable[[State], State]:
        return canonical_under(self.system, self.symmetry)

    def successors(self, action: Action) -> lower.Successors:
        if action.name not in self.steps:
            self.steps[action.name] = lower.successors(self.system, action)
        return self.steps[action.name]

    def begin(self) -> None:
        """From the initial states."""
        for state in initial_states(self.system):
            if self.outside(state):
                return
            self.visited.add(self.canonical(state))
        self.levels.append(list(self.visited))
        self.note(self.levels[0], 0)

    def go_on(self, other: Search, level: int) -> None:
        """From what another search found up to a level, that included."""
        self.levels = other.levels[: level + 1]
        self.visited = {s for states in self.levels for s in states}
        self.found = {n: d for n, d in other.found.items() if d <= level}

    def run(self, states: int | None) -> None:
        """To the end, or until so many states are there."""
        truths = self.state_truths
        checks = [self._step_check(a) for a in self.system.actions]
        while self.levels and self.levels[-1] and not self.over:
            depth = len(self.levels)
            if self.expected is not None and depth > self.expected.covered:
                return
            if states is not None and len(self.visited) >= states:
                return
            level: list[State] = []
            for state in self.levels[-1]:
                for action, (names, holds) in zip(
                    self.system.actions, checks, strict=True
                ):
                    for arguments, after, result, broken in self.successors(action)(
                        state
                    ):
                        if broken is not None:
                            self.breaks = action.obligations[broken].message
                            return
                        if self.outside(after):
                            return
                        self.transitions += 1
                        if names:
                            told = holds(state, after, arguments, result)
                            for name, good in zip(names, told, strict=True):
                                if not good and self.tell(name, depth):
                                    return
                        form = self.canonical(after)
                        if form not in self.visited:
                            self.visited.add(form)
                            level.append(form)
            self.levels.append(level)
            if self.note(level, depth, truths) or self.lacks(depth):
                return
        self.complete = not self.over

    @property
    def over(self) -> bool:
        return bool(self.breaks or self.killer)

    @property
    def covered(self) -> float:
        """All runs of so many steps were looked at."""
        return float("inf") if self.complete else len(self.levels) - 1

    @cached_property
    def state_properties(self) -> list[Property]:
        return [p for p in self.asked if p.kind is not Kind.STEP]

    @cached_property
    def state_truths(self) -> Callable[[State], tuple[bool, ...]]:
        return lower.predicates(
            self.system,
            [
                p.formula if p.kind is Kind.REACHABLE else not_(p.formula)
                for p in self.state_properties
            ],
        )

    @cached_property
    def _outside(self) -> Callable[[State], int | None]:
        return lower.in_range(self.system)

    def outside(self, state: State) -> bool:
        cell = self._outside(state)
        if cell is not None:
            name = self.system.cells[cell].name
            self.breaks = f"{name} becomes {state[cell]}, outside its range"
        return cell is not None

    def note(
        self,
        level: list[State],
        depth: int,
        truths: Callable[[State], tuple[bool, ...]] | None = None,
    ) -> bool:
        """What new states show; whether the search is over."""
        truths = truths or self.state_truths
        open_ = [
            (k, p)
            for k, p in enumerate(self.state_properties)
            if p.name not in self.found
        ]
        for state in level if open_ else ():
            hits = truths(state)
            for k, p in open_:
                if hits[k] and p.name not in self.found and self.tell(p.name, depth):
                    return True
        return False

    def tell(self, name: str, depth: int) -> bool:
        """A property is violated, or reached; whether the search is over."""
        if name in self.found:
            return False
        self.found[name] = depth
        if self.expected is not None and depth < self.expected.found.get(
            name, float("inf")
        ):
            self.killer = name
        return self.over

    def lacks(self, depth: int) -> bool:
        """Whether something expected at this distance has not come."""
        if self.expected is not None:
            for name, wanted in self.expected.found.items():
                if wanted <= depth and name not in self.found:
                    self.killer = name
                    return True
        return False

    def _step_check(self, action: Action) -> tuple[list[str], lower.StepPredicates]:
        mine = lower.step_properties(
            [p for p in self.asked if p.kind is Kind.STEP], action
        )
        holds = lower.step_predicates(self.system, action, [p.formula for p in mine])
        return [p.name for p in mine], holds


@dataclass(frozen=True)
class Original:
    """A spec on the design as it is, and what came out."""

    task: Task
    search: Search


def look(task: Task, states: int) -> Original:
    """The original's verdicts and states, within ``states`` of them. Raises
    UserError where the original breaks."""
    everything = (*task.resolved.properties, *task.resolved.obligations)
    asked = tuple(p for p in everything if p.kind is not Kind.LEADS_TO)
    system = task.compiled.system
    search = Search(system, asked, find_symmetry(system, asked))
    search.begin()
    search.run(states)
    if search.breaks:
        raise UserError(
            None,
            f"{task.spec.file}: the model itself is wrong ({search.breaks}): "
            "poolproof check says where",
        )
    return Original(task, search)


# --- one mutant -----------------------------------------------------------


class MutantStatus(Enum):
    """What became of a mutant."""

    KILLED = "killed"
    SURVIVED = "survived"
    UNDECIDED = "undecided"
    SAME = "same"
    """No step differs in any state that was visited."""
    UNUSED = "unused"
    """No spec's features lead to it."""


@dataclass(frozen=True)
class Result:
    """A mutant's fate; ``by`` is the spec and the property that killed it."""

    mutant: Mutant
    fate: MutantStatus
    by: str = ""


def judge(mutant: Mutant, originals: Sequence[Original]) -> Result:
    """Every spec in turn, until one kills the mutant."""
    fate = MutantStatus.UNUSED
    for original in originals:
        was, compiled = original.search, original.task.compiled
        try:
            with altered(mutant.tree, mutant.other):
                system = compile_design(
                    compiled.source,
                    compiled.bounds,
                    compiled.without,
                    compiled.having,
                ).system
        except UserError:
            return Result(mutant, MutantStatus.KILLED, "it is no design")
        changed = [
            (a, b)
            for a, b in zip(was.system.actions, system.actions, strict=True)
            if not _alike(a, b)
        ]
        if not changed:
            continue
        # what did not change stays the same object, and its parts with it
        system = replace(
            was.system,
            actions=tuple(
                b if any(b is c for _, c in changed) else a
                for a, b in zip(was.system.actions, system.actions, strict=True)
            ),
        )
        symmetry = find_symmetry(system, was.asked)
        search = Search(system, was.asked, symmetry, was)
        for a in was.system.actions:
            if all(a is not old for old, _ in changed):
                search.steps[a.name] = was.successors(a)
        if symmetry == was.symmetry:
            level = _first_difference(was, search, [b for _, b in changed])
            if level is None:
                fate = MutantStatus.SAME if fate is MutantStatus.UNUSED else fate
                continue
            search.go_on(was, level)
        else:
            search.begin()
        search.run(3 * len(was.visited) + 1000)
        if search.over:
            by = search.killer or f"the model breaks: {search.breaks}"
            return Result(
                mutant, MutantStatus.KILLED, f"{original.task.spec.file}: {by}"
            )
        if was.complete and not search.complete:
            fate = MutantStatus.UNDECIDED
        elif fate is not MutantStatus.UNDECIDED:
            fate = MutantStatus.SURVIVED
    return Result(mutant, fate)


def _alike(a: Action, b: Action) -> bool:
    formulas = [tuple((o.formula, o.early) for o in x.obligations) for x in (a, b)]
    return (
        a.guard is b.guard
        and a.result is b.result
        and dict(a.updates) == dict(b.updates)
        and formulas[0] == formulas[1]
    )


def _first_difference(
    was: Search, search: Search, changed: Sequence[Action]
) -> int | None:
    """The first level with a state from which some step differs."""
    pairs = [
        (was.successors(was.system.action_by_name[a.name]), search.successors(a))
        for a in changed
    ]
    for number, level in enumerate(was.levels):
        for state in level:
            for before, after in pairs:
                if before(state) != after(state):
                    return number
    return None


# --- the campaign ---------------------------------------------------------


@dataclass
class Campaign:
    """All that was tried. ``total`` counts the mutants there are, ``chosen``
    those that were to be tried; ``stopped`` says why it ended early."""

    design: str
    specs: tuple[str, ...]
    total: int
    chosen: int
    seed: int
    states: int
    text: str = ""
    incomplete: tuple[str, ...] = ()
    results: list[Result] = field(default_factory=list)
    stopped: str = ""

    def of(self, fate: MutantStatus) -> list[Result]:
        found = [r for r in self.results if r.fate is fate]
        return sorted(found, key=lambda r: (_place(r.mutant), r.mutant.what))

    @property
    def score(self) -> float | None:
        """Killed among those that are not the same; undecided ones, and those
        that no spec uses, count as not killed."""
        counted = len(self.results) - len(self.of(MutantStatus.SAME))
        return len(self.of(MutantStatus.KILLED)) / counted if counted else None


def _place(mutant: Mutant) -> tuple[str, int, int]:
    return mutant.span.file, mutant.span.line, mutant.span.column


def campaign(
    specs: Sequence[Spec],
    request: Request,
    *,
    sample: int | None,
    seed: int,
    states: int,
    seconds: float | None,
    report: Reporter,
    threads: int = 1,
) -> Campaign:
    """Tries the mutants of one design in an order that ``seed`` decides: what
    a budget lets through is a sample. Ctrl-C ends it with what is known."""
    over = Budget(seconds=seconds).clock()
    tasks = [t for s in specs for t in prepare(s, request)]
    originals: list[Original] = []
    late: list[str] = []
    for task in tasks:
        if over():
            late.append(task.spec.file)
        else:
            originals.append(look(task, states))
    originals.sort(key=lambda o: o.search.transitions)
    everything = list(mutants(tasks[0].compiled.source)) if tasks else []
    random.Random(seed).shuffle(everything)
    chosen = everything if sample is None else everything[:sample]
    files = tuple(dict.fromkeys(t.spec.file for t in tasks))
    done = Campaign(
        tasks[0].known.name if tasks else "",
        files,
        len(everything),
        len(chosen),
        seed,
        states,
        text_line(tasks[0].compiled.source, files) if tasks else "",
        tuple(
            dict.fromkeys(o.task.spec.file for o in originals if not o.search.complete)
        ),
    )
    if late:
        done.stopped = f"the time budget of {seconds:g} s, before {', '.join(late)}"
        return done
    begin = time.monotonic()
    results = _judged(chosen, originals, threads)
    try:
        for number, result in enumerate(results):
            done.results.append(result)
            report.progress(
                mutants=number + 1,
                of=len(chosen),
                killed=sum(r.fate is MutantStatus.KILLED for r in done.results),
                seconds=time.monotonic() - begin,
            )
            if over() and number + 1 < len(chosen):
                done.stopped = f"the time budget of {seconds:g} s"
                break
    except KeyboardInterrupt:
        done.stopped = "interrupted"
    finally:
        results.close()
    return done


_work: tuple[Sequence[Mutant], Sequence[Original]] = ((), ())
"""What a worker works on: it is a copy of the process that knows."""


def _judge_number(number: int) -> tuple[MutantStatus, str]:
    chosen, originals = _work
    result = judge(chosen[number], originals)
    return result.fate, result.by


def _quiet() -> None:
    """Ctrl-C is for the process that waits."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)


def _judged(
    chosen: Sequence[Mutant], originals: Sequence[Original], threads: int
) -> Generator[Result, None, None]:
    """The results in order, by so many processes."""
    global _work
    if threads < 2:
        yield from (judge(m, originals) for m in chosen)
        return
    _work = chosen, originals
    with multiprocessing.get_context("fork").Pool(threads, _quiet) as pool:
        told = pool.imap(_judge_number, range(len(chosen)))
        for mutant, (fate, by) in zip(chosen, told, strict=True):
            yield Result(mutant, fate, by)


# --- what it says ---------------------------------------------------------


def mutation_report(done: Campaign) -> list[str]:
    """The score and the survivors, each with its place."""
    told = f"{done.design}: {count(done.total, 'mutant')}"
    if done.chosen < done.total or done.stopped:
        told += f", of which {len(done.results)} were tried (seed {done.seed})"
    lines = wrapped(told, "", "    ")
    if done.stopped:
        lines += wrapped(f"ended by: {done.stopped}", "  ", "    ")
    lines += wrapped(f"specs: {', '.join(done.specs)}", "  ", "    ")
    if done.incomplete:
        lines += wrapped(
            f"not all states (the first {done.states:,}) of: "
            + ", ".join(done.incomplete),
            "  ",
            "    ",
        )
    rows = []
    for kind, text in KINDS.items():
        mine = [r.fate for r in done.results if r.mutant.kind == kind]
        rows.append((text, *(str(mine.count(f)) for f in MutantStatus)))
    fates = [r.fate for r in done.results]
    rows.append(("all", *(str(fates.count(f)) for f in MutantStatus)))
    lines += ["", *table(("", *(f.value for f in MutantStatus)), rows), ""]
    lines += wrapped(
        "same: no step differs in any state visited. unused: no spec's features "
        "lead there. undecided: the mutant's states are more than three times "
        "the original's.",
        "  ",
        "  ",
    )
    score = done.score
    if score is None:
        return [*lines, "", "no score: no mutant changes a step"]
    killed, counted = (
        len(done.of(MutantStatus.KILLED)),
        len(fates) - fates.count(MutantStatus.SAME),
    )
    lines += [
        "",
        f"score: {killed} of {counted} killed, {100 * score:.0f} %",
        f"text: {done.text}",
    ]
    for fate in (MutantStatus.SURVIVED, MutantStatus.UNDECIDED, MutantStatus.UNUSED):
        found = done.of(fate)
        if found:
            lines += ["", f"{fate.value}:"]
        for r in found:
            m = r.mutant
            where = f"{m.span.file}:{m.span.line}: {m.method}"
            lines += wrapped(where, "  ", "    ")
            lines += wrapped(_shortened(m.what), "      ", "        ")
    return lines


def _shortened(text: str) -> str:
    return text if len(text) <= 180 else f"{text[:140]} ... {text[-35:]}"


def mutation_json(done: Campaign) -> dict[str, Any]:
    """The same for programs; texts in full."""
    fates = [r.fate for r in done.results]
    return {
        "design": done.design,
        "specs": list(done.specs),
        "incomplete": list(done.incomplete),
        "mutants": done.total,
        "tried": len(done.results),
        "seed": done.seed,
        "text": done.text,
        "states": done.states,
        "stopped": done.stopped,
        "score": None if done.score is None else round(done.score, 4),
        **{f.value: fates.count(f) for f in MutantStatus},
        "results": [
            {
                "file": r.mutant.span.file,
                "line": r.mutant.span.line,
                "method": r.mutant.method,
                "kind": r.mutant.kind,
                "what": r.mutant.what,
                "fate": f.value,
                "by": r.by,
            }
            for f in MutantStatus
            for r in done.of(f)
        ],
    }
