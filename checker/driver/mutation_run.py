# SPDX-License-Identifier: GPL-2.0-only
"""The mutants of a design, all or a sample of them: which of them its specs kill.

A mutant that lives with the first bounds of each spec is then checked with the other
ones. Mutants are jobs, for the cores of this machine or for others. A mutant is a
change of syntax trees, which only the process that has parsed the design can name, so
a job has the mutants' numbers. Each worker finds the mutants and visits the original's
states by itself, once for all jobs of a run. A result can be kept in the cache
(driver/kept.py), so that a run that was interrupted goes on from there.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Generator, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext, suppress
from dataclasses import dataclass, field, replace
from uuid import uuid4

from poolproof.checker.core.diagnostic import UserError
from poolproof.checker.core.limits import Spent, doing, left, limited, look, memory_left
from poolproof.checker.core.verdict import Budget, Reporter, Silent
from poolproof.checker.driver import kept, mutate
from poolproof.checker.driver.equivalents import equivalents, key
from poolproof.checker.driver.jobs import Lost, Spread, in_turn
from poolproof.checker.driver.mutants import Mutant, base_designs, mutants
from poolproof.checker.driver.mutate import MutantResult, MutantStatus, Original
from poolproof.checker.driver.scored_text import text_line
from poolproof.checker.driver.sources import digest
from poolproof.checker.driver.task import Request, Task, prepare
from poolproof.checker.spec import Spec

_TOGETHER = 8
"""Mutants in a job."""


@dataclass(frozen=True)
class Workers:
    """Who tries the mutants. Each of the ``processes`` of this machine is given a share
    of the memory; ``budget`` is that of each worker if they are on other machines."""

    spread: Spread
    processes: int = 1
    budget: Budget | None = None


ALONE = Workers(in_turn(lambda: False))
"""This process, until Ctrl-C."""


@dataclass
class MutationRun:
    """The mutants of a design that were tried. ``total`` counts all mutants,
    ``chosen`` those that were to be tried; ``stopped`` says why it ended early.
    ``bases`` are the base designs whose inherited text is not changed here."""

    design: str
    specs: tuple[str, ...]
    total: int
    chosen: int
    seed: int
    states: int
    text: str = ""
    bases: tuple[str, ...] = ()
    reasons: Mapping[str, str] = field(default_factory=dict)
    incomplete: tuple[str, ...] = ()
    results: list[MutantResult] = field(default_factory=list)
    stopped: str = ""

    def note(self, place: int, result: MutantResult) -> None:
        """Record the result of the mutant that was tried as number ``place``, from 0.
        A mutant that is listed as equivalent counts as that unless a spec kills it."""
        why = self.reasons.get(key(result.mutant))
        if why is not None and result.fate is not MutantStatus.KILLED:
            result = MutantResult(result.mutant, MutantStatus.EQUIVALENT, why)
        self.results[place : place + 1] = [result]

    @property
    def refuted(self) -> list[MutantResult]:
        """Return the mutants that are listed as equivalent but were killed."""
        killed = self.of(MutantStatus.KILLED)
        return [r for r in killed if key(r.mutant) in self.reasons]

    def of(self, fate: MutantStatus) -> list[MutantResult]:
        found = [r for r in self.results if r.fate is fate]
        return sorted(found, key=lambda r: (_place(r.mutant), r.mutant.what))

    @property
    def score(self) -> float | None:
        """Return killed / `counted`, from 0 to 1; None if nothing counts."""
        return (
            len(self.of(MutantStatus.KILLED)) / self.counted if self.counted else None
        )

    @property
    def counted(self) -> int:
        """Return the number of mutants that are neither the same nor equivalent.
        Undecided ones, and those that no spec uses, count as not killed."""
        left_out = (MutantStatus.SAME, MutantStatus.EQUIVALENT)
        return sum(r.fate not in left_out for r in self.results)


def _place(mutant: Mutant) -> tuple[str, int, int]:
    return mutant.span.file, mutant.span.line, mutant.span.column


@dataclass(frozen=True)
class MutationPlan:
    """What decides the mutants, their order and what they are checked with: the specs
    at their first bounds, or ``labels`` for all others. ``key`` is a digest of what
    decides a mutant's result; '' if none is kept. ``run`` names the run, so that
    nothing is left of an earlier one on a worker."""

    specs: tuple[Spec, ...]
    request: Request
    seed: int
    states: int
    inherited: bool
    labels: bool = False
    key: str = ""
    run: str = field(default_factory=lambda: uuid4().hex)

    def tasks(self) -> list[tuple[Task, str]]:
        """Return the specs on the design, each with the label of its bounds."""
        if not self.labels:
            return [(t, "") for spec in self.specs for t in prepare(spec, self.request)]
        return [
            (task, bounds.label)
            for spec in self.specs
            for bounds in spec.bounds[1:]
            for task in prepare(spec, replace(self.request, label=bounds.label))
        ]

    def mutants(self, tasks: Sequence[tuple[Task, str]]) -> list[Mutant]:
        """Return all mutants of the tasks' design, in the order of the seed."""
        if not tasks:
            return []
        found = list(mutants(tasks[0][0].compiled.source, self.inherited))
        random.Random(self.seed).shuffle(found)
        return found


def _text(tasks: Sequence[tuple[Task, str]]) -> str:
    if not tasks:
        return ""
    specs = {t.spec.file: t.spec for t, _ in tasks}
    return text_line(tasks[0][0].compiled.source, specs.values())


def campaign(
    specs: Sequence[Spec],
    request: Request,
    *,
    sample: int | None,
    seed: int,
    states: int,
    report: Reporter,
    workers: Workers = ALONE,
    inherited: bool = False,
    keep: bool = False,
) -> MutationRun:
    """Try the mutants of one design's own text (or with ``inherited``, of all of
    it) in an order that ``seed`` decides: what the limits in force let through is
    a sample. They, and Ctrl-C, end it with what is known. With ``keep``, results are
    taken from the cache and kept there. Raise Spent if the limits end it before the
    designs are compiled."""
    key = _decides(specs, request, states) if keep else ""
    plan = MutationPlan(tuple(specs), request, seed, states, inherited, key=key)
    tasks = plan.tasks()
    everything = plan.mutants(tasks)
    chosen = everything if sample is None else everything[:sample]
    known = tasks[0][0].known if tasks else None
    done = MutationRun(
        known.name if known else "",
        tuple({t.spec.file: t for t, _ in tasks}),
        len(everything),
        len(chosen),
        seed,
        states,
        _text(tasks),
        () if known is None or inherited else _names_of_bases(tasks[0][0]),
        equivalents(known) if known else {},
    )
    go = _Spreading(done, everything, workers, report)
    go.try_out(plan, tasks, dict(enumerate(MutantResult(m) for m in chosen)))
    if request.as_written and not done.stopped:
        lives = {
            n: r
            for n, r in enumerate(done.results)
            if r.fate is not MutantStatus.KILLED
        }
        if lives:
            plan = replace(plan, labels=True)
            go.try_out(plan, plan.tasks(), lives)
    return done


def _decides(specs: Sequence[Spec], request: Request, states: int) -> str:
    """Return a digest of what decides a mutant's result; '' if that is not known."""
    keys = [kept.key_of(spec, request) for spec in specs]
    return digest([*keys, str(states)]) if all(keys) else ""


def _names_of_bases(task: Task) -> tuple[str, ...]:
    return tuple(c.__name__ for c in base_designs(task.compiled.source))


# --- on each worker -----------------------------------------------------------


@dataclass(frozen=True)
class _Prepared:
    """The mutants and the originals of a plan, in a process that judges."""

    plan: MutationPlan
    mutants: Sequence[Mutant]
    originals: Sequence[Original]

    def judge(self, number: int, fate: MutantStatus) -> tuple[MutantStatus, str]:
        """Return the status of a mutant and what killed it. ``fate`` is its status so
        far."""
        mutant, plan = self.mutants[number], self.plan
        asked = [plan.key, str(plan.labels), str(mutant), fate.value]
        key = plan.key and digest(asked)
        found: tuple[str, str] | None = kept.read(key)
        if found is not None:
            return MutantStatus(found[0]), found[1]
        result = mutate.judge(mutant, self.originals, fate)
        if key:
            kept.write(key, (result.fate.value, result.by))
        return result.fate, result.by


_prepared: _Prepared | None = None
"""The last one: processes that are forks of this one have it already."""


class _Late(Exception):
    """A limit was reached before the originals' states were visited."""


def _originals(tasks: Sequence[tuple[Task, str]], states: int) -> list[Original]:
    """Visit the states of the unchanged design. Return the specs in an order that
    soon finds most mutants. Raise _Late if the limits in force end it."""
    found: list[Original] = []
    try:
        with doing("visiting the original's states"):
            for task, label in tasks:
                look()
                found.append(mutate.look(task, states, label))
    except Spent as spent:
        late = dict.fromkeys(t.spec.file for t, _ in tasks[len(found) :])
        raise _Late(f"{spent}, before {', '.join(late)}") from spent
    # a spec of few designs detects most, and a small one is soon through
    found.sort(key=lambda o: (len(o.task.spec.designs), o.profile.explored.transitions))
    return found


@dataclass(frozen=True)
class MutantsJob:
    """Some mutants, by their numbers in the plan's order, with the status that each has
    so far. Its result has the status of each and what killed it; or fewer of them, and
    the limit that was reached. On another machine it has a ``budget``, to the time
    ``until`` (seconds since the epoch)."""

    plan: MutationPlan
    text: str
    todo: tuple[tuple[int, MutantStatus], ...]
    budget: Budget | None = None
    until: float | None = None

    @property
    def title(self) -> str:
        return f"mutants {self.todo[0][0]} to {self.todo[-1][0]}"

    def run(
        self, report: Reporter, interrupted: Callable[[], bool]
    ) -> list[tuple[MutantStatus, str] | str]:
        done: list[tuple[MutantStatus, str] | str] = []
        try:
            with self._limits(), doing("trying the mutants"):
                look()
                prepared = self._prepare()
                for number, fate in self.todo:
                    look()
                    done.append(prepared.judge(number, fate))
                    report.progress(mutants=len(done), of=len(self.todo))
        except (Spent, _Late) as reason:
            done.append(str(reason))
        return done

    def _limits(self) -> AbstractContextManager[object]:
        if self.budget is None:
            return nullcontext()
        seconds = None if self.until is None else max(0.0, self.until - time.time())
        return replace(self.budget, seconds=seconds).limited()

    def _prepare(self) -> _Prepared:
        """Raise UserError if the design's text is another one here."""
        global _prepared
        if _prepared is None or _prepared.plan != self.plan:
            first = replace(self.plan, labels=False).tasks()
            if _text(first) != self.text:
                raise UserError(
                    None,
                    "a worker has another text of the design, or of a spec: start "
                    "the workers anew",
                )
            found = _originals(self.plan.tasks(), self.plan.states)
            _prepared = _Prepared(self.plan, self.plan.mutants(first), found)
        return _prepared


# --- on the machine that asks -----------------------------------------------------


@dataclass(frozen=True)
class _Spreading:
    """A run's mutants as jobs."""

    done: MutationRun
    mutants: Sequence[Mutant]
    workers: Workers
    report: Reporter

    def try_out(
        self,
        plan: MutationPlan,
        tasks: Sequence[tuple[Task, str]],
        todo: Mapping[int, MutantResult],
    ) -> None:
        """Judge the mutants, by their places in the results, until the limits in force,
        or Ctrl-C, end it."""
        global _prepared
        done = self.done
        try:
            originals = _originals(tasks, plan.states)
        except _Late as reason:
            done.stopped = str(reason)
            return
        partly = (o.name for o in originals if not o.profile.complete)
        done.incomplete += tuple(dict.fromkeys(partly))
        if not todo or not originals:
            return
        _prepared = _Prepared(plan, self.mutants, originals)
        begin = time.monotonic()
        with doing("trying the mutants"):
            results = self._results(self._jobs(plan, todo))
            with suppress(StopIteration):
                self._note(todo, results, begin)
            results.close()

    def _jobs(
        self, plan: MutationPlan, todo: Mapping[int, MutantResult]
    ) -> list[MutantsJob]:
        budget = self.workers.budget
        seconds = left() if budget else None
        until = None if seconds is None else time.time() + seconds
        pairs = [(place, result.fate) for place, result in todo.items()]
        return [
            MutantsJob(
                *(plan, self.done.text, tuple(pairs[k : k + _TOGETHER])),
                *(budget, until),
            )
            for k in range(0, len(pairs), _TOGETHER)
        ]

    def _note(
        self,
        todo: Mapping[int, MutantResult],
        results: Generator[tuple[MutantStatus, str], None, None],
        begin: float,
    ) -> None:
        done = self.done
        try:
            for number, (place, before) in enumerate(todo.items()):
                fate, by = next(results)
                done.note(place, MutantResult(before.mutant, fate, by))
                self.report.progress(
                    mutants=number + 1,
                    of=len(todo),
                    killed=sum(r.fate is MutantStatus.KILLED for r in done.results),
                    seconds=time.monotonic() - begin,
                )
        except KeyboardInterrupt:
            done.stopped = "interrupted"

    def _results(
        self, jobs: Sequence[MutantsJob]
    ) -> Generator[tuple[MutantStatus, str], None, None]:
        """Yield the results of the mutants in order, to the first limit that was
        reached; say which in ``stopped``."""
        number = self.workers.processes
        memory = memory_left() if number > 1 else None
        with limited(None, None if memory is None else memory // number):
            answers = self.workers.spread(jobs, Silent())
            try:
                for some in answers:
                    if isinstance(some, Lost):
                        self.done.stopped = some.why
                        return
                    yield from (r for r in some if not isinstance(r, str))
                    look()  # its reason is the whole budget, not a worker's
                    if isinstance(some[-1], str):
                        self.done.stopped = some[-1]
                        return
            except Spent as spent:
                self.done.stopped = str(spent)
            finally:
                if isinstance(answers, Generator):
                    answers.close()
