# SPDX-License-Identifier: GPL-2.0-only
"""Breadth-first search in compiled C, for bounds that are too large for Python.

Papers: Holzmann, "An improvement in formal verification" (1994) and Laarman,
van de Pol and Weber, "Boosting multi-core reachability performance" (2010)
for the search and its table; Ip and Dill (1996) for symmetry. Soundness: the
C is a fold over the same expressions that `checker.core.evaluate` evaluates,
states are stored whole, and levels are complete, so the first violation is a
shortest one. `evaluate` checks every trace before it is returned.
"""

from __future__ import annotations

import contextlib
import math
import os
import select
import signal
import struct
import subprocess
import tempfile
import time
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from poolproof.checker.backends.c import program as lower
from poolproof.checker.backends.c.build import (
    FAILS,
    FAST,
    NO_COMPILER,
    QUICK,
    Build,
    CompilerFailed,
    compiler,
)
from poolproof.checker.backends.columns import Packed
from poolproof.checker.core import evaluate
from poolproof.checker.core.cache import own_folder, temporary_folder
from poolproof.checker.core.ir import ScalarSort
from poolproof.checker.core.limits import available, doing, left, look, overtime
from poolproof.checker.core.property import Property
from poolproof.checker.core.system import Obligation, State, TransitionSystem
from poolproof.checker.core.verdict import (
    INTERRUPTED,
    MODEL_IS_WRONG,
    Budget,
    Defect,
    Outcome,
    Reporter,
    Silent,
    Statistics,
    Step,
    Trace,
    Unknown,
    Verdict,
    settled,
    shown_by,
    undisturbed,
)
from poolproof.checker.engines.doubts import unfounded
from poolproof.checker.engines.watch import LOOK_BACK, look_back
from poolproof.checker.passes.symmetry import Symmetry, find_symmetry

CANNOT = "the native engine cannot"
"""The beginning of the reason if nothing was searched."""

GROUP = 50_000
"""Upper limit on the permutations of the scalarsets that are not rows."""

THREADS = 256
"""Upper limit on the threads: MAX_THREADS of search.c."""

SMALL = 0.1
"""Seconds. A shorter search is not worth compiling with optimisation."""

DOUBTS = 24
"""Upper limit on the permutations that are checked dynamically."""


def native(
    system: TransitionSystem,
    properties: tuple[Property, ...],
    budget: Budget,
    report: Reporter,
    *,
    until_decided: bool = False,
) -> Outcome:
    """Visit every state of a system without rigid params; see verdict.Engine. With
    ``until_decided``, stop as soon as every property has its violation or witness.
    Raise FileNotFoundError without a compiler."""
    if compiler() is None:
        raise FileNotFoundError(NO_COMPILER)
    begin = time.monotonic()
    watchers = [p for p in properties if p.watches]
    properties = tuple(p for p in properties if not p.watches)
    for doubtful in (True, False):
        try:
            found = Symmetry((), (), ())
            if budget.symmetry:
                found = usable_symmetry(system, properties, doubtful, budget.indices)
            with doing("writing the C program"):
                lowered = lower.lower(system, properties, found)
        except lower.Unsupported as why:
            return _nothing(properties, f"{CANNOT}: {why}", begin)
        starts = _Starts.of(system, lowered)
        run = _Output(lowered, watching=bool(watchers))
        try:
            note = search(run, starts, budget, until_decided, report)
        except CompilerFailed as why:
            return _nothing(properties, f"{CANNOT}: {why}", begin)
        if "asymmetric" not in run.figures:
            break
    notes = (*found.notes, *([note] if note else []))
    with overtime(), doing("writing down the runs"):
        done = _Finished(system, properties, lowered, starts, run)
        outcome = _outcome(done, notes, float(run.figures.get("seconds", 0.0)))
        return _looked_back(outcome, done, watchers)


def _looked_back(
    outcome: Outcome, done: _Finished, watchers: Sequence[Property]
) -> Outcome:
    """Return the outcome with what the properties that only watch saw."""
    if not done.run.states:
        return outcome
    layout = done.lowered.layout
    states = Packed(done.run.states, layout.words, layout.slots)
    seen = look_back(done.system, watchers, states)
    s = outcome.statistics
    true = {**s.true_antecedents, **{n: tuple(came) for n, came in seen.items()}}
    return replace(outcome, statistics=replace(s, true_antecedents=true))


def usable_symmetry(
    system: TransitionSystem,
    properties: tuple[Property, ...],
    doubtful: bool = True,
    indices: bool = True,
) -> Symmetry:
    """Return the scalarsets to use: those whose permutations are not too many, with
    ``doubtful`` also those that the search itself must watch. ``indices``: ints
    that are only indices, too."""
    found = find_symmetry(system, properties, True, indices)
    known = unfounded(system, properties, found.doubts)
    doubts = tuple(d for d in found.doubts if d not in known)
    doubted = {sort for sort, _ in doubts}
    if doubts and (not doubtful or _permutations(doubted) > DOUBTS):
        found = find_symmetry(system, properties, indices=indices, settled=known)
        doubted = set()
    else:
        found = replace(found, doubts=doubts)
    size = _permutations(found.enumerated)
    if size <= GROUP:
        return found
    rows = tuple(s for s in found.rows if s not in doubted)
    names = ", ".join(s.name for s in found.enumerated)
    why = f"{names} are not used as symmetries: {size} permutations"
    return Symmetry(rows, rows, (*found.notes, why), (), found.indices)


def _permutations(sorts: Iterable[ScalarSort]) -> int:
    return math.prod(math.factorial(sort.size) for sort in sorts)


def _nothing(properties: Sequence[Property], reason: str, begin: float) -> Outcome:
    return Outcome(
        "native",
        {p.name: Unknown(reason) for p in properties},
        (),
        Statistics(seconds=time.monotonic() - begin, notes=(reason,)),
    )


# --- running -----------------------------------------------------------------


@dataclass
class _Starts:
    """The initial states: all, those in range, and how they are packed."""

    good: list[State]
    words: list[tuple[int, ...]]
    bad: dict[str, tuple[State, str]]

    @staticmethod
    def of(system: TransitionSystem, lowered: lower.Lowered) -> _Starts:
        good: dict[tuple[int, ...], State] = {}
        bad: dict[str, tuple[State, str]] = {}
        for state in evaluate.initial_states(system):
            outside = evaluate.out_of_range(system, state)
            if outside is None:
                words = lowered.layout.pack(state)
                good.setdefault(words, state)
            else:
                bad.setdefault(outside.split("[")[0], (state, outside))
        return _Starts(list(good.values()), list(good), bad)

    @property
    def packed(self) -> bytes:
        flat = [w for words in self.words for w in words]
        return struct.pack(f"={len(flat) + 1}Q", len(self.words), *flat)


@dataclass
class _Output:
    """The output of the program."""

    lowered: lower.Lowered
    watching: bool = False
    """True if the run also has the states, unless they are too many."""
    file: str = ""
    states: bytes = b""
    figures: dict[str, str] = field(default_factory=dict)
    fired: dict[int, int] = field(default_factory=dict)
    counters: dict[int, int] = field(default_factory=dict)
    antecedents: set[int] = field(default_factory=set)
    depths: dict[int, int] = field(default_factory=dict)
    traces: dict[int, tuple[int, tuple[int, ...]]] = field(default_factory=dict)
    progress: tuple[int, ...] = (0, 0, 0, 0, 0)
    stop: str = ""

    def take(self, line: bytes, begin: float, report: Reporter) -> None:
        """Take one line of the program's output."""
        kind, *rest = line.split()
        match kind:
            case b"progress":
                figures = tuple(map(int, rest))
                self.progress = figures
                seconds = time.monotonic() - begin
                report.progress(
                    states=figures[0],
                    transitions=figures[1],
                    rate=round(figures[0] / seconds) if seconds else 0,
                    depth=figures[2],
                    frontier=figures[3],
                    memory=figures[4],
                    seconds=seconds,
                )
            case b"event":
                self.depths[int(rest[0])] = int(rest[1])
            case b"trace":
                event, start, *steps = map(int, rest)
                self.traces[event] = start, tuple(steps)
            case b"fired":
                self.fired[int(rest[0])] = int(rest[1])
            case b"counter":
                self.counters[int(rest[0])] = int(rest[1])
            case b"antecedent":
                self.antecedents.add(int(rest[0]))
            case _:
                self.figures[kind.decode()] = rest[0].decode()

    def forget(self) -> None:
        """The search begins again."""
        for said in (
            self.figures,
            self.fired,
            self.counters,
            self.antecedents,
            self.depths,
            self.traces,
        ):
            said.clear()

    def figure(self, name: str) -> int:
        return int(self.figures.get(name, 0))


def search(
    run: _Output,
    starts: _Starts,
    budget: Budget,
    until_decided: bool,
    report: Reporter,
) -> str:
    """Compiles and runs the program. Where the cache cannot be used it is
    compiled in a temporary folder; the note then says why. Raises Refused
    where there is no program in either."""
    note = why = ""
    for folder in (own_folder, temporary_folder):
        run.forget()
        try:
            with _written_states(run):
                _search(run, starts, budget, until_decided, report, folder())
            return note
        except OSError as e:
            name = e.filename.decode() if isinstance(e.filename, bytes) else e.filename
            why = f"{name}: {e.strerror}" if name and e.strerror else str(e)
        except CompilerFailed as e:
            why = f"{FAILS}: {e}"
        note = f"compiled in a temporary folder: {why}"
    raise CompilerFailed(why)


@contextlib.contextmanager
def _written_states(run: _Output) -> Iterator[None]:
    """Within, the program may write its states to a file; then the run has them."""
    if not run.watching:
        yield
        return
    with tempfile.NamedTemporaryFile(prefix="poolproof-states-") as file:
        run.file = file.name
        yield
        if "written" in run.figures:
            run.states = Path(file.name).read_bytes()


def _search(
    run: _Output,
    starts: _Starts,
    budget: Budget,
    until_decided: bool,
    report: Reporter,
    folder: Path,
) -> None:
    """Run the program. First it is compiled without optimisation, which takes a tenth
    of a second. If that run does not end within `SMALL`, one compiled with
    optimisation takes its place."""
    begin = time.monotonic()
    text, words = run.lowered.text, run.lowered.layout.words
    fast = Build(text, words, FAST, folder)
    child: _Child | None = None
    try:
        if not fast.done:
            quick = Build(text, words, QUICK, folder)
            if not quick.done:
                try:
                    quick.start()
                    quick.finish()
                finally:
                    quick.cancel()
            child = _Child(
                quick.program, starts, budget, until_decided, begin, run.file
            )
            with overtime():
                small = time.monotonic() + SMALL
                while time.monotonic() < small:
                    look()
                    if child.lines(run, report, 0.02):
                        return
                fast.start()
                while not fast.ready:
                    look()
                    if child.lines(run, report, 0.02):
                        return
            child.kill()
            child = None
            run.forget()
            fast.finish()
        child = _Child(fast.program, starts, budget, until_decided, begin, run.file)
        with overtime(), doing("writing down the runs"):
            while not child.lines(run, report, 0.5):
                look()
    except KeyboardInterrupt:
        run.stop = INTERRUPTED
        if child is not None:
            child.interrupt(run)
    finally:
        fast.cancel()
        if child is not None:
            child.kill()


class _Child:
    """The running program."""

    def __init__(
        self,
        program: Path,
        starts: _Starts,
        budget: Budget,
        until_decided: bool,
        begin: float,
        file: str,
    ) -> None:
        self.begin = begin
        seconds = left()
        arguments = (
            min(THREADS, budget.threads or len(os.sched_getaffinity(0))),
            available() if budget.memory is None else budget.memory,
            1e18 if seconds is None else seconds,
            (1 << 62) if budget.states is None else budget.states,
            (1 << 30) if budget.depth is None else budget.depth,
            int(until_decided),
            file,
            LOOK_BACK,
        )
        with contextlib.suppress(OSError):
            os.utime(program)  # see `prune`
        self.process = subprocess.Popen(
            [program, *map(str, arguments)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            start_new_session=True,
        )
        self.partial = b""
        assert self.process.stdin is not None
        with contextlib.suppress(BrokenPipeError):
            self.process.stdin.write(starts.packed)
            self.process.stdin.close()

    def lines(self, run: _Output, report: Reporter, wait: float | None) -> bool:
        """Take the program's output, and wait so long for it. Return whether the
        program has ended."""
        assert self.process.stdout is not None
        out = self.process.stdout.fileno()
        if wait is not None and not select.select([out], [], [], wait)[0]:
            return False
        got = os.read(out, 1 << 16)
        *whole, self.partial = (self.partial + got).split(b"\n")
        for line in whole:
            run.take(line, self.begin, report)
        if got:
            return False
        code = self.process.wait()
        if code and not run.stop:
            assert self.process.stderr is not None
            said = self.process.stderr.read().decode(errors="replace").strip()
            run.stop = f"the search died ({code}{': ' + said if said else ''})"
        return True

    def interrupt(self, run: _Output) -> None:
        """Ask the program to end; at a second Ctrl-C, kill it."""
        with contextlib.suppress(KeyboardInterrupt):
            self.process.send_signal(signal.SIGINT)
            while not self.lines(run, Silent(), None):
                pass

    def kill(self) -> None:
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        for pipe in (self.process.stdout, self.process.stderr):
            if pipe is not None:
                pipe.close()


# --- the outcome -------------------------------------------------------------


_STOPS = {
    "memory": "the memory budget is spent",
    "seconds": "the time budget is spent",
    "states": "the budget of states is spent",
    "depth": "the depth budget is spent",
    "interrupted": INTERRUPTED,
    "decided": "stopped where every property was decided",
}


@dataclass(frozen=True)
class _Finished:
    """One finished run of the program, and what it was about."""

    system: TransitionSystem
    properties: tuple[Property, ...]
    lowered: lower.Lowered
    starts: _Starts
    run: _Output

    def traces(self) -> Iterator[tuple[lower.Event, Trace]]:
        """Yield what was found, shortest first, with the run to it."""
        depths = self.run.depths
        for e in sorted(self.run.traces, key=lambda e: (depths[e], e)):
            start, steps = self.run.traces[e]
            taken = tuple(Step(*self.lowered.steps[number]) for number in steps)
            yield self.lowered.events[e], Trace(self.starts.good[start], taken)

    def size(self) -> tuple[int, int, int, int]:
        """Return the numbers of states and transitions, the depth, and the depth
        that was checked; of the last report if the program did not end."""
        if "states" not in self.run.figures:
            states, transitions, depth, *_ = self.run.progress
            return states, transitions, depth, depth - 1
        figures = map(self.run.figure, ("states", "transitions", "depth"))
        states, transitions, depth = figures
        return states, transitions, depth, int(self.run.figures.get("checked", -1))

    def fired(self) -> dict[str, int]:
        """Return the number of steps of each action."""
        fired = {a.name: 0 for a in self.system.actions}
        for number, times in self.run.fired.items():
            fired[self.lowered.steps[number][0]] += times
        return fired

    def results(self) -> dict[tuple[str, int], int]:
        """Return the number of steps by action and raw result."""
        found: Counter[tuple[str, int]] = Counter()
        for number, times in self.run.fired.items():
            if number in self.lowered.results:
                action = self.lowered.steps[number][0]
                found[action, self.lowered.results[number]] += times
        for number, times in self.run.counters.items():
            counted = self.lowered.counters[number]
            if not isinstance(counted, lower.Cut):
                found[counted] += times
        return dict(found)

    def assumed(self) -> dict[str, int]:
        """Return how often each assumption cut a step."""
        found = dict.fromkeys(self.system.cutting, 0)
        for number, times in self.run.counters.items():
            counted = self.lowered.counters[number]
            if isinstance(counted, lower.Cut):
                found[counted.why] += times
        return found

    def true_antecedents(self) -> dict[str, tuple[bool, ...]]:
        true = {self.lowered.antecedents[number] for number in self.run.antecedents}
        return {
            p.name: tuple((p.name, k) in true for k in range(len(p.antecedents)))
            for p in self.properties
        }


def _outcome(done: _Finished, notes: tuple[str, ...], seconds: float) -> Outcome:
    run = done.run
    reason = run.stop or _STOPS.get(run.figures.get("stop", INTERRUPTED), "")
    states, transitions, depth, checked = done.size()
    defects = [
        Defect(f"{cell} starts outside its range", Trace(state, ()))
        for state, cell in done.starts.bad.values()
    ]
    found: dict[str, Trace] = {}
    deadlock = None
    for event, trace in done.traces():
        message, failed = _checked(done.system, event, done.properties, trace)
        if event.kind in ("state", "step"):
            found[event.prop] = trace
        elif event.kind == "deadlock":
            deadlock = trace
        elif event.kind == "open":
            reason = (
                f"{event.variable} has no range, and exceeds the "
                f"{lower.OPEN_BITS} bits that it has in {event.action}"
            )
        else:
            defects.append(Defect(message, trace, failed))
    complete = not reason and not defects
    if defects and not reason:
        reason = MODEL_IS_WRONG
    verdicts: dict[str, Verdict] = {}
    for p in done.properties:
        if p.name in found:
            verdicts[p.name] = shown_by(p, found[p.name])
        elif not complete:
            verdicts[p.name] = Unknown(reason, undisturbed(checked, defects))
        else:
            verdicts[p.name] = settled(p, states, depth)
    statistics = Statistics(
        states=states,
        transitions=transitions,
        depth=depth,
        seconds=seconds,
        complete=complete,
        fired=done.fired(),
        results=done.results(),
        assumed=done.assumed(),
        deadlocks=run.figure("deadlocks"),
        deadlock=deadlock,
        true_antecedents=done.true_antecedents(),
        notes=notes,
        memory=run.figure("memory"),
        no_start=complete and not states,
    )
    return Outcome("native", verdicts, tuple(defects), statistics)


def _checked(
    system: TransitionSystem,
    event: lower.Event,
    properties: tuple[Property, ...],
    trace: Trace,
) -> tuple[str, Obligation | None]:
    """Return the error of the model that a trace ends in, if that is the event. Raise
    AssertionError if `evaluate` does not agree with the trace."""

    def expect(fine: bool) -> None:
        if not fine:
            raise AssertionError(f"the trace for {event} does not replay: {trace}")

    state = trace.initial
    for k, step in enumerate(trace.steps):
        action = system.action_by_name[step.action]
        broken = evaluate.broken(system, action, state, step.arguments)
        last = k == len(trace.steps) - 1
        if event.kind == "obligation" and last:
            due = event.obligation
            assert due is not None
            expect(broken is not None and broken.says == due.says)
            return due.message, broken
        expect(broken is None)
        taken = evaluate.successor(system, action, state, step.arguments)
        expect(taken is not None)
        assert taken is not None
        state = taken[0]
        outside = evaluate.out_of_range(system, state)
        if event.kind == "range" and last:
            expect(outside is not None)
            assert outside is not None
            raw = state[[c.name for c in system.cells].index(outside)]
            return f"{outside} becomes {raw}, outside its range", None
        expect(outside is None or event.kind == "open")
    if event.kind == "state":
        p = next(p for p in properties if p.name == event.prop)
        value = evaluate.Valuation(system, state).true(p.formula)
        expect(value is p.kind.wants_witness)
    return "", None
