# SPDX-License-Identifier: GPL-2.0-only
"""Random runs of the design's own class, shrunk: hypothesis' state machines.

Groce et al., "Swarm testing" (2012), which hypothesis does with the rules;
Zeller and Hildebrandt, "Simplifying and isolating failure-inducing input"
(2002), for the shrinking.
Sound: a violation is a run of the Python class itself, and is replayed against
the IR before it is returned. Incomplete: if nothing is found, the verdict is
unknown. It enumerates nothing, so it works at bounds that no exhaustive engine
reaches. Deterministic for a given seed.
"""

from __future__ import annotations

import time
import warnings
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from functools import cached_property
from itertools import count
from math import prod
from tempfile import TemporaryDirectory
from typing import Any
from unittest.mock import patch

from hypothesis import HealthCheck, Phase, Verbosity, assume, seed, settings
from hypothesis import strategies as st
from hypothesis.configuration import set_hypothesis_home_dir
from hypothesis.errors import (
    HypothesisException,
    HypothesisWarning,
    Unsatisfiable,
)
from hypothesis.internal.conjecture.providers import HypothesisProvider
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    precondition,
    rule,
    run_state_machine_as_test,
)

from poolproof.checker.backends import python as lower
from poolproof.checker.backends.python import Transition
from poolproof.checker.core.compiled import Compiled
from poolproof.checker.core.evaluate import Valuation, broken, initial_states
from poolproof.checker.core.limits import Spent, look, overtime, tick
from poolproof.checker.core.property import Property
from poolproof.checker.core.system import Action, State, TransitionSystem
from poolproof.checker.core.verdict import (
    INTERRUPTED,
    Budget,
    Defect,
    Engine,
    Outcome,
    Reporter,
    Statistics,
    Step,
    Trace,
    Unknown,
    Verdict,
    shown_by,
)
from poolproof.checker.engines.watch import OfStep, Watch
from poolproof.checker.evidence.runner import MODEL_IS_WRONG, Runner
from poolproof.model.language import Disabled

DEPTH = 40
"""Steps of one run without a depth budget."""

RUNS = 400
"""Runs of one hunt without a time budget."""

_WORK = 100
"""Least cost of a step, see checker.core.limits."""

_LISTED = 5_000
"""The enabled argument lists of an action are listed if it has at most so many
argument lists."""


class _Stop(BaseException):
    """The time is up; no Exception, so that hypothesis lets it through."""


@dataclass
class _Hunt:
    """What all runs share. ``best`` has the shortest trace so far of each
    property that a run decided, and of each defect (by `_defect_key`)."""

    compiled: Compiled
    properties: tuple[Property, ...]
    depth: int
    over: Callable[[], bool]
    report: Reporter
    runner: Runner
    possible: dict[str, _Possible]
    watch: Watch
    best: dict[str, Trace] = field(default_factory=dict)
    defects: dict[str, Defect] = field(default_factory=dict)
    fired: Counter[str] = field(default_factory=Counter)
    results: Counter[tuple[str, int]] = field(default_factory=Counter)
    runs: int = 0
    stopped: str = ""
    begin: float = field(default_factory=time.monotonic)

    @cached_property
    def of_steps(self) -> Mapping[str, OfStep | None]:
        return {a.name: self.watch.of_step(a) for a in self.system.actions}

    def violated(
        self, before: State, step: Step, result: int | None, after: State
    ) -> Sequence[str]:
        """Return the names of the step properties that the step violates."""
        violated = self.of_steps[step.action]
        if violated is None:
            return ()
        return violated(before, Transition(step.arguments, after, result))

    @property
    def system(self) -> TransitionSystem:
        return self.compiled.system

    def found(self, key: str, trace: Trace) -> bool:
        """Keeps the trace if it is the shortest so far."""
        known = self.best.get(key)
        if known is not None and _size(known) <= _size(trace):
            return False
        self.best[key] = trace
        return True


def _size(trace: Trace) -> tuple[Any, ...]:
    steps = tuple((s.action, s.arguments) for s in trace.steps)
    return len(trace), trace.initial, steps


def fuzz_engine(compiled: Compiled) -> Engine:
    """Return the engine for this design, since it runs the design's class."""

    def fuzz(
        system: TransitionSystem,
        properties: tuple[Property, ...],
        budget: Budget,
        report: Reporter,
    ) -> Outcome:
        if system is not compiled.system:
            raise ValueError("fuzz_engine was made for another system")
        return _fuzz(compiled, properties, budget, report)

    return fuzz


def _fuzz(
    compiled: Compiled,
    properties: tuple[Property, ...],
    budget: Budget,
    report: Reporter,
) -> Outcome:
    depth = DEPTH if budget.depth is None else budget.depth
    runner = Runner(compiled)
    possible = {a.name: _Possible(compiled.system, a) for a in compiled.system.actions}
    watch = Watch(compiled.system, properties)
    hunt = _Hunt(
        compiled, properties, depth, budget.clock(), report, runner, possible, watch
    )
    try:
        with _elsewhere(), _no_constants():
            _hunt(hunt, budget)
    except KeyboardInterrupt:
        hunt.stopped = INTERRUPTED
    except _Stop:
        hunt.stopped = f"the time budget of {budget.seconds:g} s"
    except Spent as spent:
        hunt.stopped = str(spent)
    with suppress(Spent), overtime():
        for key in sorted(hunt.best):
            _shrink(hunt, key)
    return _outcome(hunt, properties, budget)


@contextmanager
def _elsewhere() -> Iterator[None]:
    """Within, hypothesis keeps its files outside the user's working directory."""
    with TemporaryDirectory() as home:
        set_hypothesis_home_dir(home)
        try:
            yield
        finally:
            set_hypothesis_home_dir(None)


@contextmanager
def _no_constants() -> Iterator[None]:
    """Within, hypothesis does not prefer numbers from the text of loaded modules: a
    seed would then mean other runs after any change anywhere."""
    name = "_maybe_draw_constant"
    with patch.object(HypothesisProvider, name, lambda *_, **__: None):
        yield


def _hunt(hunt: _Hunt, budget: Budget) -> None:
    """Make RUNS runs; with a time budget, as many as there is time for."""
    for more in count():
        machine = seed(budget.seed + more)(_machine(hunt))
        config = settings(
            max_examples=RUNS,
            stateful_step_count=max(1, hunt.depth),
            database=None,
            deadline=None,
            derandomize=False,
            verbosity=Verbosity.quiet,
            phases=(Phase.generate,),
            suppress_health_check=tuple(HealthCheck),
            print_blob=False,
        )
        try:
            with warnings.catch_warnings(), suppress(Unsatisfiable):
                warnings.simplefilter("ignore", HypothesisWarning)
                run_state_machine_as_test(machine, settings=config)
        except HypothesisException:  # a run that stops early looks flaky to it
            look()
            if hunt.over():
                raise _Stop from None
            raise
        if budget.seconds is None or not hunt.runs:
            return


def _shrink(hunt: _Hunt, key: str) -> None:
    """Leave out steps of the trace and lower arguments, as long as it ends in the
    same way. (hypothesis' own shrinker works on its choices, cannot see that two
    steps undo each other, and takes a hundred times as long.)"""
    best, before = hunt.best[key], None
    while best != before:
        before = best
        best = _fewer_steps(hunt, key, best)
        best = _lower_arguments(hunt, key, best)
        hunt.best[key] = best
        if key in hunt.defects:
            hunt.defects[key] = replace(hunt.defects[key], trace=best)


def _fewer_steps(hunt: _Hunt, key: str, best: Trace) -> Trace:
    size = max(1, len(best) // 2)
    while size:
        k = 0
        while k < len(best):
            steps = best.steps[:k] + best.steps[k + size :]
            for move in (False, True):
                shorter = _again(hunt, key, Trace(best.initial, steps), move)
                if shorter is not None and len(shorter) < len(best):
                    best = shorter
                    break
            else:
                k += 1
        size //= 2
    return best


def _lower_arguments(hunt: _Hunt, key: str, best: Trace) -> Trace:
    for k in range(len(best)):
        if k >= len(best):
            break
        action = hunt.system.action_by_name[best.steps[k].action]
        for j, parameter in enumerate(action.parameters):
            for raw in parameter.domain:
                step = best.steps[k]
                if raw >= step.arguments[j]:
                    break
                arguments = (*step.arguments[:j], raw, *step.arguments[j + 1 :])
                steps = (
                    *best.steps[:k],
                    Step(step.action, arguments),
                    *best.steps[k + 1 :],
                )
                other = _again(hunt, key, Trace(best.initial, steps), True)
                if other is not None and _size(other) < _size(best):
                    best = other
                    break
            if k >= len(best):
                break
    return best


def _again(hunt: _Hunt, key: str, trace: Trace, move: bool) -> Trace | None:
    """Return the run of those steps that are possible (with ``move``, also with the
    next possible arguments), up to where it shows the same again; None if it never
    does."""
    runner, watch = hunt.runner, hunt.watch
    tick(_WORK * (1 + len(trace)))
    runner.load(trace.initial)
    taken: list[Step] = []
    if key in watch.state(trace.initial):
        return Trace(trace.initial, ())
    for wanted in trace.steps:
        before = runner.state
        try:
            step, result = _take(hunt, wanted, move)
        except Disabled:
            continue
        except _Broken as e:
            same = _defect_key(e.error, e.step) == key
            return Trace(trace.initial, (*taken, e.step)) if same else None
        taken.append(step)
        after = runner.state
        names = hunt.violated(before, step, result, after)
        if key in names or key in watch.state(after):
            return Trace(trace.initial, tuple(taken))
    return None


class _Broken(Exception):
    """A step that breaks the model."""

    def __init__(self, step: Step, error: Exception) -> None:
        super().__init__(str(error))
        self.step, self.error = step, error


def _take(hunt: _Hunt, step: Step, move: bool) -> tuple[Step, int | None]:
    """Take the step under CPython. With ``move``, replace refused arguments by the
    next ones that are accepted. Raise Disabled or _Broken."""
    try:
        return step, hunt.runner.take(step)
    except Disabled:
        other = hunt.possible[step.action].after(hunt.runner.state, step.arguments)
        if not move or other is None:
            raise
        return _take(hunt, Step(step.action, other), False)
    except MODEL_IS_WRONG as e:
        raise _Broken(step, e) from e


def _defect_key(error: Exception, step: Step) -> str:
    return f"{type(error).__name__} in {step.action}"


class _Runs(RuleBasedStateMachine):
    """Runs of the design under hypothesis. `_machine` makes a subclass for each
    hunt, with a rule for each action."""

    hunt: _Hunt
    only_start: State | None
    """The initial state, if all fields have an initial value."""

    def __init__(self) -> None:
        super().__init__()
        hunt = self.hunt
        if hunt.over():
            raise _Stop
        hunt.runs += 1
        if hunt.runs % 16 == 0:
            hunt.report.progress(
                runs=hunt.runs,
                steps=sum(hunt.fired.values()),
                found=len(hunt.best),
                seconds=time.monotonic() - hunt.begin,
            )
        self.steps: list[Step] = []
        if self.only_start is not None:
            self.begin(self.only_start)

    @rule()
    def rest(self) -> None:
        """Always enabled, so that a deadlock is no error of hypothesis."""

    def begin(self, state: State) -> None:
        self.initial = self.now = state
        self.look()

    def trace(self, *more: Step) -> Trace:
        return Trace(self.initial, (*self.steps, *more))

    def look(self) -> None:
        for name in self.hunt.watch.state(self.now):
            self.hunt.found(name, self.trace())

    def take(self, wanted: Step) -> None:
        hunt, before = self.hunt, self.now
        tick(_WORK)
        hunt.runner.load(before)
        try:
            step, result = _take(hunt, wanted, True)
        except Disabled:
            return
        except _Broken as e:
            self.defect(e.step, e.error)
            return
        self.steps.append(step)
        self.now = hunt.runner.state
        hunt.fired[step.action] += 1
        if result is not None:
            hunt.results[step.action, result] += 1
        for name in hunt.violated(before, step, result, self.now):
            hunt.found(name, self.trace())
        self.look()

    def defect(self, step: Step, error: Exception) -> None:
        key, trace = _defect_key(error, step), self.trace(step)
        if self.hunt.found(key, trace):
            system = self.hunt.system
            action = system.action_by_name[step.action]
            due = broken(system, action, self.now, step.arguments)
            message = due.message if due is not None else str(error)
            self.hunt.defects[key] = Defect(message, trace, due)


def _machine(hunt: _Hunt) -> type[_Runs]:
    """Return a state machine with one rule for each action."""
    system = hunt.system
    free = [c for c in system.cells if c.variable.init is None]
    start = None if free else next(iter(initial_states(system)), None)
    machine = type("Machine", (_Runs,), {"hunt": hunt, "only_start": start})
    if start is None:
        _add_start(machine, system)
    for action in system.actions:
        _add_rule(machine, action, hunt.possible[action.name])
    return machine


@dataclass
class _Possible:
    """The arguments of an action that the IR's guard accepts in a state. At large
    bounds a `require` refuses most of them; a refused call is moved to the next
    accepted one. CPython has the last word."""

    system: TransitionSystem
    action: Action

    def __post_init__(self) -> None:
        size = prod(len(p.domain) for p in self.action.parameters)
        self.successors: lower.Successors | None = None
        if size <= _LISTED:
            self.successors = lower.successors(self.system, self.action)
        self.seen: tuple[State, list[tuple[int, ...]]] | None = None

    def accepted(self, state: State) -> list[tuple[int, ...]] | None:
        """Return all of them, in order; None if there are too many to list."""
        if self.successors is None:
            return None
        if self.seen is None or self.seen[0] != state:
            self.seen = state, [found for found, *_ in self.successors(state)]
        return self.seen[1]

    def after(self, state: State, refused: tuple[int, ...]) -> tuple[int, ...] | None:
        accepted = self.accepted(state)
        if not accepted:
            return None
        return next((a for a in accepted if a > refused), accepted[0])


def _add_rule(machine: type[Any], action: Action, possible: _Possible) -> None:
    def call(self: Any, **raw: int) -> None:
        arguments = tuple(raw[f"a{k}"] for k in range(len(action.parameters)))
        self.take(Step(action.name, arguments))

    def is_possible(self: Any) -> bool:
        return possible.accepted(self.now) != []

    called = action.name.replace(".", "_")
    call.__name__ = call.__qualname__ = called
    strategies: dict[str, Any] = {
        f"a{k}": st.sampled_from(list(p.domain))
        for k, p in enumerate(action.parameters)
    }
    as_rule: Any = rule(**strategies)
    where_possible: Any = precondition(is_possible)
    setattr(machine, f"rule_{called}", where_possible(as_rule(call)))


def _add_start(machine: type[Any], system: TransitionSystem) -> None:
    """A rule that chooses among the initial states."""
    at = Valuation(system, ())
    drawn: list[int | st.SearchStrategy[int]] = []
    for cell in system.cells:
        v = cell.variable
        if v.init is None:
            assert v.lo is not None
            assert v.hi is not None
            drawn.append(st.integers(at.raw(v.lo), at.raw(v.hi)))
        else:
            value = at.value(v.init)
            drawn.append(value if isinstance(value, int) else value[cell.index])
    strategies = [x if isinstance(x, st.SearchStrategy) else st.just(x) for x in drawn]

    def begin_anywhere(self: Any, state: State) -> None:
        assume(Valuation(system, state).true(system.initial))
        self.begin(state)

    initially: Any = initialize(state=st.tuples(*strategies))
    machine.start = initially(begin_anywhere)


def _outcome(hunt: _Hunt, properties: tuple[Property, ...], budget: Budget) -> Outcome:
    said = f"{hunt.runs:,} random runs of up to {hunt.depth} steps, seed {budget.seed}"
    if hunt.stopped:
        said += f" ({hunt.stopped})"
    verdicts: dict[str, Verdict] = {
        p.name: (
            shown_by(p, hunt.best[p.name], not hunt.best[p.name].steps)
            if p.name in hunt.best
            else Unknown(said)
        )
        for p in properties
    }
    statistics = Statistics(
        transitions=sum(hunt.fired.values()),
        depth=hunt.depth,
        seconds=time.monotonic() - hunt.begin,
        fired={a.name: hunt.fired[a.name] for a in hunt.system.actions},
        results=dict(hunt.results),
        true_antecedents={n: tuple(v) for n, v in hunt.watch.seen.items()},
        notes=(said,),
    )
    return Outcome("fuzz", verdicts, tuple(hunt.defects.values()), statistics)
