# SPDX-License-Identifier: GPL-2.0-only
"""Verdicts, evidence, budgets: what engines take and return."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from typing import Protocol

from poolproof.checker.core.limits import Limits, Spent, available, limited
from poolproof.checker.core.property import Property
from poolproof.checker.core.system import Obligation, State, TransitionSystem


@dataclass(frozen=True)
class Step:
    """One action with its raw arguments (in the order of its parameters)."""

    action: str
    arguments: tuple[int, ...]


@dataclass(frozen=True)
class Trace:
    """A concrete run: an initial state and the steps from it. The states in
    between are what a replay computes. ``loop`` is the index of the state
    that the last step returns to (a lasso), or None."""

    initial: State
    steps: tuple[Step, ...]
    loop: int | None = None

    def __len__(self) -> int:
        return len(self.steps)


@dataclass(frozen=True)
class Holds:
    """No violation. ``exhaustive``: every reachable state within the bounds
    was visited. Otherwise ``certificate`` is an inductive invariant that
    holds for any value of the bounds in ``params``."""

    exhaustive: bool
    states: int = 0
    depth: int = 0
    certificate: Certificate | None = None


@dataclass(frozen=True)
class Violated:
    """A shortest (unless ``shortest`` is false) run to a violation."""

    trace: Trace
    shortest: bool = True


@dataclass(frozen=True)
class Reached:
    """A shortest (unless ``shortest`` is false) run to a witness of a
    reachable property: good news."""

    trace: Trace
    shortest: bool = True


@dataclass(frozen=True)
class Unknown:
    """Neither violated nor proved. ``reason`` says why; there is no violation
    within ``depth`` steps."""

    reason: str
    depth: int = 0


@dataclass(frozen=True)
class Unreachable:
    """A reachable property without a witness: every state within the bounds was
    visited."""

    states: int = 0
    depth: int = 0


@dataclass(frozen=True)
class Vacuous:
    """No violation (or no witness, see ``of``), but the property is about
    something that never happens: ``reason`` says what. See checker.core.vacuity."""

    reason: str
    of: Holds | Unreachable


Verdict = Holds | Violated | Reached | Unknown | Unreachable | Vacuous

INTERRUPTED = "interrupted"
"""The reason of Unknown after Ctrl-C."""


class Ending:
    """Within, work that Ctrl-C or a spent limit ends raises nothing: ``why`` is the
    reason of Unknown then, and empty if the work went on to its end."""

    why = ""

    def __enter__(self) -> Ending:
        return self

    def __exit__(self, kind: object, error: object, trace: object) -> bool:
        if isinstance(error, KeyboardInterrupt):
            self.why = INTERRUPTED
        elif isinstance(error, Spent):
            self.why = str(error)
        return bool(self.why)


MODEL_IS_WRONG = "the model itself is wrong (see the defects)"
"""The reason of Unknown where there are defects."""

Shown = Violated | Reached
"""The verdicts that come with a run."""


def shown_by(p: Property, trace: Trace, shortest: bool = True) -> Shown:
    """Return the verdict that a run to a deciding state or step gives."""
    kind = Reached if p.kind.wants_witness else Violated
    return kind(trace, shortest)


def settled(p: Property, states: int, depth: int) -> Holds | Unreachable:
    """Return the verdict if all states were visited and none decided the property."""
    if p.kind.wants_witness:
        return Unreachable(states, depth)
    return Holds(True, states, depth)


@dataclass(frozen=True)
class Certificate:
    """An inductive invariant: SMT-LIB 2 text of each conjunct over the
    system's variables. The first ``base`` are kept by every action; with
    ``k`` 2 the rest are kept where they held in two states in a row.
    ``params`` are the bounds that stayed open.

    Where domains are open, the lemmas are text for readers, and ``questions`` the
    SMT-LIB 2 scripts of all that was shown; ``relations`` of the open bounds were
    assumed."""

    lemmas: tuple[str, ...]
    k: int
    params: tuple[str, ...]
    base: int = 0
    questions: tuple[str, ...] = ()
    relations: tuple[str, ...] = ()


@dataclass(frozen=True)
class Defect:
    """An error of the model itself: an obligation (assert, index, range) that
    some reachable state violates. ``action`` is the action that breaks it
    when taken after ``trace`` with the last of ``trace.steps``."""

    message: str
    trace: Trace
    obligation: Obligation | None = None


def undisturbed(depth: int, defects: Iterable[Defect]) -> int:
    """Return the number of steps within which nothing was left out: ``depth`` if all
    steps up to there were visited, or fewer if an erroneous step comes earlier,
    because no run continues after it."""
    return max(min((depth, *(len(d.trace.steps) - 1 for d in defects))), 0)


@dataclass(frozen=True)
class Statistics:
    """The coverage of an exploration. ``seconds`` are those of the search, without
    compiling a program for it. ``fired`` counts, per action, the
    transitions taken; ``results`` the transitions per (action, raw result);
    ``deadlock`` a shortest run to a state without successor;
    ``true_antecedents`` says for each property which of its antecedents came
    true, or may come true as far as is known. ``no_start``: there is certainly
    no initial state. ``impossible`` are actions that certainly never fire, even
    if ``fired`` does not cover all states. ``assumed`` counts, per assumption, the
    steps that it cut in the states visited (with symmetry, one state of each
    orbit); an engine that does not count leaves it empty, and says in
    ``unneeded`` which assumptions certainly cut nothing. ``unobserved`` are
    variables that no state was stored with, because nothing observes them.
    ``branches`` says for each action which of its branches (Compiled.branches) some
    step took; None if that was not followed. ``loop``: an assumption of a loop's closed
    form that was not proved; nothing is proved then."""

    states: int = 0
    transitions: int = 0
    depth: int = 0
    seconds: float = 0.0
    complete: bool = False
    fired: Mapping[str, int] = field(default_factory=dict)
    results: Mapping[tuple[str, int], int] = field(default_factory=dict)
    assumed: Mapping[str, int] = field(default_factory=dict)
    unneeded: frozenset[str] = frozenset()
    deadlocks: int = 0
    deadlock: Trace | None = None
    true_antecedents: Mapping[str, tuple[bool, ...]] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    memory: int = 0
    no_start: bool = False
    impossible: frozenset[str] = frozenset()
    unobserved: tuple[str, ...] = ()
    branches: Mapping[str, tuple[bool | None, ...]] = field(default_factory=dict)
    loop: Obligation | None = None


@dataclass(frozen=True)
class Outcome:
    """The answer of one run of one engine, keyed by the property's name."""

    engine: str
    verdicts: Mapping[str, Verdict]
    defects: tuple[Defect, ...] = ()
    statistics: Statistics = field(default_factory=Statistics)


class Reporter(Protocol):
    """The receiver of progress. Engines never print."""

    def progress(self, **figures: int | float | str) -> None:
        """Figures of the moment: states, depth, frontier, seconds ..."""


class Silent:
    """A reporter that drops everything."""

    def progress(self, **figures: int | float | str) -> None:
        return None


@dataclass(frozen=True)
class Budget:
    """Limits of one run; None is no limit. ``seconds`` of wall time,
    ``states`` visited, ``depth`` in steps, ``memory`` in bytes. ``symmetry``
    turns on canonical forms where the scalarsets allow them, and ``indices`` with
    it those of ints that are only indices. ``partial_order`` takes steps that
    concern one task alone at once. ``branches``: say which branches of the
    design's text some step took. ``threads`` is the number of workers
    (0: as many as cores). ``seed`` is for engines that sample."""

    seconds: float | None = None
    states: int | None = None
    depth: int | None = None
    memory: int | None = None
    symmetry: bool = True
    indices: bool = False
    partial_order: bool = False
    branches: bool = False
    threads: int = 0
    seed: int = 0

    @property
    def depth_spent(self) -> str:
        """Say that a search ended at ``depth``."""
        return f"the depth budget of {self.depth} step{'s' * (self.depth != 1)}"

    def clock(self) -> Callable[[], bool]:
        """Return a function that returns whether the time, from now on, is up."""
        end = None if self.seconds is None else time.monotonic() + self.seconds
        return lambda: end is not None and time.monotonic() > end

    def limited(self) -> AbstractContextManager[Limits]:
        """Hold all work within to this time and memory, from now on; see
        checker.core.limits. Without a limit, memory is what is free now."""
        memory = available() if self.memory is None else self.memory
        return limited(self.seconds, memory)


class Engine(Protocol):
    """A function whose one run answers every property. At KeyboardInterrupt it
    returns what is known so far (Unknown for the rest) and raises nothing."""

    def __call__(
        self,
        system: TransitionSystem,
        properties: tuple[Property, ...],
        budget: Budget,
        report: Reporter,
    ) -> Outcome: ...
