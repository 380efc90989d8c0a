"""Breadth-first search in compiled C, for bounds where Python gives up.

Papers: Holzmann, "An improvement in formal verification" (1994) and Laarman,
van de Pol and Weber, "Boosting multi-core reachability performance" (2010)
for the search and its table; Ip and Dill (1996) for symmetry. Soundness: the
C is a fold over the same expressions that `checker.evaluate` reads, states
are stored whole and levels are complete, so a first find is a shortest one;
every trace is run again through `evaluate` before it is returned.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import shutil
import signal
import struct
import subprocess
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from checker import evaluate
from checker.lower import c as lower
from checker.property import Kind, Property
from checker.symmetry import Symmetry, find_symmetry
from checker.system import State, TransitionSystem
from checker.verdict import (
    Budget,
    Defect,
    Holds,
    Outcome,
    Reporter,
    Statistics,
    Step,
    Trace,
    Unknown,
    Unreachable,
    Verdict,
    Violated,
)

FLAGS = ("-O2", "-march=native", "-fno-strict-aliasing", "-pthread", "-w")
"""How the C is compiled."""

_KINDS = (Kind.INVARIANT, Kind.STEP, Kind.REACHABLE)

GROUP = 50_000
"""Permutations of the scalarsets that are not rows that are tried at most."""


def compiler() -> str | None:
    """The system's C compiler: $CC, or the first of cc, gcc and clang."""
    for name in (os.environ.get("CC"), "cc", "gcc", "clang"):
        path = shutil.which(name) if name else None
        if path:
            return path
    return None


def native(
    system: TransitionSystem,
    properties: tuple[Property, ...],
    budget: Budget,
    report: Reporter,
    *,
    until_decided: bool = False,
    cone: bool = True,
) -> Outcome:
    """Exhaustive search; see verdict.Engine. With ``until_decided`` it ends
    where every property has its violation or witness. Without ``cone`` every
    variable is stored. Needs a compiler: raises FileNotFoundError."""
    begin = time.monotonic()
    mine = tuple(p for p in properties if p.kind in _KINDS)
    try:
        reduced = lower.reduce(system, mine, cone)
        found = _symmetry(reduced) if budget.symmetry else Symmetry((), (), ())
        template = (Path(__file__).parent / "search.c").read_text()
        lowered = lower.lower(reduced, found, template)
    except lower.Unsupported as why:
        return _nothing(properties, f"the native engine cannot: {why}", begin)
    starts = _Starts.of(system, reduced, lowered)
    run = _Run(lowered)
    try:
        program = compiled(lowered.text)
        run.search(program, starts, budget, until_decided, report)
    except KeyboardInterrupt:
        run.stop = "interrupted"
    notes = (*reduced.notes, *found.notes)
    outcome = _outcome(system, reduced, lowered, starts, run, notes, begin)
    others = {
        p.name: Unknown(f"the native engine does not decide '{p.kind.value}'")
        for p in properties
        if p.kind not in _KINDS
    }
    return replace(outcome, verdicts={**outcome.verdicts, **others})


def _symmetry(reduced: lower.Reduced) -> Symmetry:
    found = find_symmetry(reduced.system, reduced.properties)
    size = 1
    for sort in found.enumerated:
        for k in range(2, sort.size + 1):
            size *= k
    if size <= GROUP:
        return found
    names = ", ".join(s.name for s in found.enumerated)
    why = f"{names} are not used as symmetries: {size} permutations"
    return Symmetry(found.rows, found.rows, (*found.notes, why))


def _nothing(properties: Sequence[Property], reason: str, begin: float) -> Outcome:
    return Outcome(
        "native",
        {p.name: Unknown(reason) for p in properties},
        (),
        Statistics(seconds=time.monotonic() - begin, notes=(reason,)),
    )


# --- compiling ---------------------------------------------------------------


def cache_directory() -> Path:
    base = os.environ.get("XDG_CACHE_HOME")
    return (Path(base) if base else Path.home() / ".cache") / "poolproof"


def compiled(text: str) -> Path:
    """The program for the C text, from the cache where it is known."""
    cc = compiler()
    if cc is None:
        raise FileNotFoundError("no C compiler: install gcc or clang, or set CC")
    made = os.stat(cc)
    identity = (text, *FLAGS, os.path.realpath(cc), str(made.st_size),
                str(made.st_mtime_ns), _processor())  # fmt: skip
    name = hashlib.sha256("\0".join(identity).encode()).hexdigest()[:32]
    directory = cache_directory()
    program = directory / name
    if program.exists():
        return program
    directory.mkdir(parents=True, exist_ok=True)
    handle, temporary = tempfile.mkstemp(dir=directory, prefix=".building-")
    os.close(handle)
    try:
        result = subprocess.run(
            [cc, *FLAGS, "-x", "c", "-", "-o", temporary],
            input=text, text=True, capture_output=True,
        )  # fmt: skip
        if result.returncode:
            raise RuntimeError(f"{cc} refused the generated C:\n{result.stderr}")
        os.chmod(temporary, 0o755)
        os.replace(temporary, program)
    finally:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(temporary)
    return program


def _processor() -> str:
    """What -march=native depends on."""
    with contextlib.suppress(OSError), open("/proc/cpuinfo") as lines:
        for line in lines:
            if line.startswith(("flags", "Features")):
                return line
    return ""


# --- running -----------------------------------------------------------------


@dataclass
class _Starts:
    """The initial states: all, those in range, and how they are packed."""

    good: list[State]
    words: list[tuple[int, ...]]
    bad: dict[str, tuple[State, str]]

    @staticmethod
    def of(
        system: TransitionSystem, reduced: lower.Reduced, lowered: lower.Lowered
    ) -> _Starts:
        whole = lower.close(system, ())[0]
        good: dict[tuple[int, ...], State] = {}
        bad: dict[str, tuple[State, str]] = {}
        kept = {v.name for v in reduced.system.variables}
        cells = [k for k, c in enumerate(whole.cells) if c.variable.name in kept]
        for state in evaluate.initial_states(whole):
            outside = evaluate.out_of_range(whole, state)
            if outside is None:
                words = lowered.layout.pack([state[k] for k in cells])
                good.setdefault(words, state)
            else:
                bad.setdefault(outside.split("[")[0], (state, outside))
        return _Starts(list(good.values()), list(good), bad)


@dataclass
class _Run:
    """What the program said."""

    lowered: lower.Lowered
    figures: dict[str, str] = field(default_factory=dict)
    fired: dict[int, int] = field(default_factory=dict)
    counters: dict[int, int] = field(default_factory=dict)
    antecedents: set[int] = field(default_factory=set)
    depths: dict[int, int] = field(default_factory=dict)
    traces: dict[int, tuple[int, tuple[int, ...]]] = field(default_factory=dict)
    progress: tuple[int, ...] = (0, 0, 0, 0, 0)
    stop: str = ""

    def search(
        self,
        program: Path,
        starts: _Starts,
        budget: Budget,
        until_decided: bool,
        report: Reporter,
    ) -> None:
        arguments = (
            budget.threads or len(os.sched_getaffinity(0)),
            memory_limit() if budget.memory is None else budget.memory,
            1e18 if budget.seconds is None else budget.seconds,
            (1 << 62) if budget.states is None else budget.states,
            (1 << 30) if budget.depth is None else budget.depth,
            int(until_decided),
        )
        begin = time.monotonic()
        child = subprocess.Popen(
            [program, *map(str, arguments)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            start_new_session=True,
        )
        asked = 0
        lines = self._lines(child, starts)
        while True:
            try:
                for line in lines:
                    self.take(line, begin, report)
                break
            except KeyboardInterrupt:
                asked += 1
                if asked > 1:
                    child.kill()
                    self.stop = "interrupted"
                    break
                child.send_signal(signal.SIGINT)
                lines = self._rest(child)
        code = child.wait()
        if asked:
            self.stop = "interrupted"
        elif code:
            assert child.stderr is not None
            said = child.stderr.read().decode(errors="replace").strip()
            self.stop = f"the search died ({code}{': ' + said if said else ''})"

    @staticmethod
    def _lines(child: subprocess.Popen[bytes], starts: _Starts) -> Iterator[bytes]:
        assert child.stdin is not None
        with contextlib.suppress(BrokenPipeError):
            child.stdin.write(struct.pack("=Q", len(starts.words)))
            flat = [w for words in starts.words for w in words]
            child.stdin.write(struct.pack(f"={len(flat)}Q", *flat))
            child.stdin.close()
        return _Run._rest(child)

    @staticmethod
    def _rest(child: subprocess.Popen[bytes]) -> Iterator[bytes]:
        assert child.stdout is not None
        return iter(child.stdout.readline, b"")

    def take(self, line: bytes, begin: float, report: Reporter) -> None:
        """One line of the program's output."""
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

    def figure(self, name: str) -> int:
        return int(self.figures.get(name, 0))


def memory_limit() -> int:
    """Nine tenths of the memory that is free for this process."""
    free = 1 << 62
    with contextlib.suppress(OSError), open("/proc/meminfo") as lines:
        for line in lines:
            if line.startswith("MemAvailable:"):
                free = int(line.split()[1]) * 1024
    with contextlib.suppress(OSError, ValueError):
        group = Path("/sys/fs/cgroup")
        most = int((group / "memory.max").read_text())
        free = min(free, most - int((group / "memory.current").read_text()))
    if free == 1 << 62:
        free = 4 << 30
    return free // 10 * 9


# --- the outcome -------------------------------------------------------------


_STOPS = {
    "memory": "the memory budget is spent",
    "seconds": "the time budget is spent",
    "states": "the budget of states is spent",
    "depth": "the depth budget is spent",
    "interrupted": "interrupted",
    "decided": "stopped where every property was decided",
}


def _outcome(
    system: TransitionSystem,
    reduced: lower.Reduced,
    lowered: lower.Lowered,
    starts: _Starts,
    run: _Run,
    notes: tuple[str, ...],
    begin: float,
) -> Outcome:
    whole = lower.close(system, ())[0]
    stop = run.figures.get("stop", "interrupted")
    reason = run.stop or _STOPS.get(stop, "")
    checked = int(run.figures.get("checked", -1))
    if "states" not in run.figures:
        states, transitions, depth = run.progress[0], run.progress[1], run.progress[2]
        checked = depth - 1
    else:
        states, transitions, depth = map(run.figure, ("states", "transitions", "depth"))
    traces = {
        e: Trace(
            starts.good[start],
            tuple(Step(*lowered.steps[number]) for number in steps),
        )
        for e, (start, steps) in run.traces.items()
    }
    defects: list[Defect] = []
    for state, cell in starts.bad.values():
        defects.append(Defect(f"{cell} starts outside its range", Trace(state, ())))
    found: dict[str, Trace] = {}
    deadlock = None
    for e, trace in sorted(traces.items(), key=lambda x: (run.depths[x[0]], x[0])):
        event = lowered.events[e]
        checked_trace = _Checked(whole, event, reduced, trace)
        if event.kind in ("state", "step"):
            found[event.asked] = trace
        elif event.kind == "deadlock":
            deadlock = trace
        elif event.kind == "open":
            reason = (
                f"{event.variable} has no range, and leaves the "
                f"{lower.OPEN_BITS} bits it is given in {event.action}"
            )
        else:
            defects.append(Defect(checked_trace.message, trace, event.obligation))
    complete = not reason and not defects
    if defects and not reason:
        reason = "the model itself is wrong (see the defects)"
    verdicts: dict[str, Verdict] = {}
    for p in reduced.properties:
        if p.name in found:
            verdicts[p.name] = Violated(found[p.name])
        elif not complete:
            verdicts[p.name] = Unknown(reason, max(checked, 0))
        elif p.kind is Kind.REACHABLE:
            verdicts[p.name] = Unreachable(states, depth)
        else:
            verdicts[p.name] = Holds(True, states, depth)
    fired = {a.name: 0 for a in system.actions}
    results: dict[tuple[str, int], int] = {}
    for number, count in run.fired.items():
        action = lowered.steps[number][0]
        fired[action] += count
        if number in lowered.results:
            key = action, lowered.results[number]
            results[key] = results.get(key, 0) + count
    for number, count in run.counters.items():
        key = lowered.counters[number]
        results[key] = results.get(key, 0) + count
    seen = {p.name: [False] * len(p.antecedents) for p in reduced.properties}
    for number in run.antecedents:
        name, k = lowered.antecedents[number]
        seen[name][k] = True
    return Outcome(
        "native",
        verdicts,
        tuple(defects),
        Statistics(
            states=states,
            transitions=transitions,
            depth=depth,
            seconds=time.monotonic() - begin,
            complete=complete,
            fired=fired,
            results=results,
            deadlocks=run.figure("deadlocks"),
            deadlock=deadlock,
            true_antecedents={n: tuple(v) for n, v in seen.items()},
            notes=notes,
            memory=run.figure("memory"),
        ),
    )


class _Checked:
    """A trace that `evaluate` agrees with, and what it ends in."""

    def __init__(
        self,
        system: TransitionSystem,
        event: lower.Event,
        reduced: lower.Reduced,
        trace: Trace,
    ) -> None:
        self.message = ""
        state, after, step = trace.initial, trace.initial, None
        for k, step in enumerate(trace.steps):
            state = after
            action = system.action_by_name[step.action]
            broken = evaluate.broken(system, action, state, step.arguments)
            last = k == len(trace.steps) - 1
            if event.kind == "obligation" and last:
                self.expect(broken is event.obligation, event, trace)
                assert broken is not None
                self.message = broken.message
                return
            self.expect(broken is None, event, trace)
            taken = evaluate.successor(system, action, state, step.arguments)
            self.expect(taken is not None, event, trace)
            assert taken is not None
            after = taken[0]
            outside = evaluate.out_of_range(system, after)
            if event.kind == "range" and last:
                self.expect(outside is not None, event, trace)
                assert outside is not None
                raw = after[[c.name for c in system.cells].index(outside)]
                self.message = f"{outside} becomes {raw}, outside its range"
                return
            self.expect(outside is None or event.kind == "open", event, trace)
        if event.kind == "state":
            p = next(p for p in reduced.properties if p.name == event.asked)
            value = evaluate.Valuation(system, after).true(p.formula)
            self.expect(value is (p.kind is Kind.REACHABLE), event, trace)

    @staticmethod
    def expect(fine: bool, event: lower.Event, trace: Trace) -> None:
        if not fine:
            raise AssertionError(f"the trace for {event} does not replay: {trace}")
