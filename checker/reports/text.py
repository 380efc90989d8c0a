# SPDX-License-Identifier: GPL-2.0-only
"""Plain text for people: runs, memory, reasons, verdicts, tables.

At most 75 columns, so that it survives being quoted in a mail, and the same
for the same input. Nothing here knows what a page or a pool is: a table over
two domains whose cells have a letter each is drawn as strips.
"""

from __future__ import annotations

import textwrap
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from string import ascii_uppercase

from poolproof.checker.core.compiled import Compiled
from poolproof.checker.core.evaluate import Valuation
from poolproof.checker.core.ir import (
    BOOL,
    TRUE,
    EnumSort,
    ScalarSort,
    Sort,
    show,
    show_raw,
)
from poolproof.checker.core.property import Kind, Property
from poolproof.checker.core.system import (
    Obligation,
    State,
    System,
    TransitionSystem,
    Variable,
)
from poolproof.checker.core.text import WIDTH, count
from poolproof.checker.core.vacuity import NO_START, NO_STEP, never_possible
from poolproof.checker.core.verdict import (
    Holds,
    Outcome,
    Statistics,
    Step,
    Unknown,
    Vacuous,
)
from poolproof.checker.evidence.explain import reasons
from poolproof.checker.evidence.replay import Replay, at_step, show_step
from poolproof.checker.reports.lanes import Lanes
from poolproof.checker.reports.words import sentence, unobserved


def wrapped(text: str, first: str = "", rest: str = "") -> list[str]:
    """Return the text in lines of at most 75 columns; a longer word is broken."""
    return textwrap.wrap(
        text,
        WIDTH,
        initial_indent=first,
        subsequent_indent=rest,
        break_on_hyphens=False,
    ) or [first.rstrip()]


def indented(text: str) -> list[str]:
    """Return the text in lines, as what is below a heading."""
    return wrapped(text, "  ", "    ")


# --- strips ---------------------------------------------------------------


def letters(sort: Sort) -> dict[int, str] | None:
    """Return one letter for each raw value of the sort; None if it has too many values,
    or values without letters."""
    match sort:
        case EnumSort(labels=labels) if len(labels) <= 27:
            return {0: ".", **dict(enumerate(ascii_uppercase[: len(labels) - 1], 1))}
        case ScalarSort(size=size) if size <= 26:
            return {**dict(enumerate(ascii_uppercase[:size])), size: "."}
        case _ if sort is BOOL:
            return {0: ".", 1: "*"}
        case _:
            return None


def is_strips(variable: Variable) -> bool:
    """Return whether the variable is drawn: two indices, a letter for each cell."""
    return len(variable.index) == 2 and letters(variable.element) is not None


def strip(system: TransitionSystem, variable: Variable, row: int, state: State) -> str:
    """Return one row of a drawn table: ``AA.B``."""
    letter = letters(variable.element)
    assert letter is not None
    at = (state[system.cell_of[variable.name, (row, k)]] for k in variable.index[1])
    return "".join(letter.get(raw, "?") for raw in at)


def memory(system: TransitionSystem, state: State) -> list[str]:
    """Return every drawn table, its rows side by side, and what the letters mean."""
    drawn = [v for v in system.variables if is_strips(v)]
    wide = max((len(v.name) for v in drawn), default=0)
    lines: list[str] = []
    for v in drawn:
        rows = "   ".join(
            f"{show_raw(v.index[0].sort, r)}\0{strip(system, v, r, state)}"
            for r in v.index[0]
        )
        lines += [
            line.replace("\0", " ")
            for line in wrapped(rows, f"  {v.name:<{wide}}  ", " " * (wide + 4))
        ]
    keys = dict.fromkeys(_key(v.element) for v in drawn)
    for key in keys:
        lines += wrapped(key, f"  {'':<{wide}}  ", " " * (wide + 4))
    return lines


def _key(sort: Sort) -> str:
    letter = letters(sort) or {}
    return ", ".join(f"{a} = {show_raw(sort, raw)}" for raw, a in letter.items())


# --- runs -----------------------------------------------------------------


@dataclass(frozen=True)
class _Change:
    what: str
    before: str
    after: str


def _changes(
    system: TransitionSystem,
    before: State,
    after: State,
    hidden: Collection[str] = (),
) -> list[_Change]:
    """Return the changes of a step, without ``hidden`` variables; a drawn table row by
    row."""
    found: list[_Change] = []
    for v in system.variables:
        if v.name in hidden:
            continue
        if is_strips(v):
            for row in v.index[0]:
                a, b = (strip(system, v, row, s) for s in (before, after))
                if a != b:
                    name = f"{v.name}[{show_raw(v.index[0].sort, row)}]"
                    found.append(_Change(name, a, b))
            continue
        for k, cell in enumerate(system.cells):
            if cell.variable is v and before[k] != after[k]:
                a, b = (show_raw(v.element, s[k]) for s in (before, after))
                found.append(_Change(cell.name, a, b))
    return found


def run(compiled: Compiled, replayed: Replay) -> list[str]:
    """Return the run step by step, with only what changed at each step, and the memory
    at its end."""
    system, lanes = compiled.system, Lanes(compiled)
    lines: list[str] = lanes.head()
    free = [
        f"{cell.name} = {show_raw(cell.variable.element, raw)}"
        for cell, raw in zip(system.cells, replayed.trace.initial, strict=True)
        if cell.variable.init is None
    ]
    if free:
        lines += wrapped(", ".join(free), "  start  ", "         ")
    before = replayed.trace.initial
    loop, last = replayed.trace.loop, len(replayed.taken)
    for number, taken in enumerate(replayed.taken, 1):
        if number - 1 == loop:
            lines.append(f"  and from step {number} on, for ever:")
        lines += _call(system, lanes, number, taken.step, taken.result)
        note = lanes.note(taken.step, taken.state)
        if note:
            margin = " " * (lanes.indent(taken.step, "") + 2)
            lines += wrapped(note, margin, margin + "  ")
        lines += _aligned(_changes(system, before, taken.state, lanes.hidden))
        before = taken.state
    if replayed.failing is not None:
        lines += _call(system, lanes, len(replayed.taken) + 1, replayed.failing, None)
    if loop is not None:
        lines += wrapped(
            f"  and from here on as after step {loop}"
            if loop == last
            else f"  and step {loop + 1} comes next, again"
        )
    if any(is_strips(v) for v in system.variables):
        lines += ["", "  at the end", *memory(system, before)]
    return lines


def _call(
    system: TransitionSystem,
    lanes: Lanes,
    number: int,
    step: Step,
    result: int | None,
) -> list[str]:
    """The step's line, with the kernel function at the right where it fits."""
    call = show_step(system, step, result)
    line = f"  {number}. "
    line += " " * (lanes.indent(step, call) - len(line)) if lanes.names else ""
    function = system.action_by_name[step.action].kernel.rpartition(":")[2]
    if function and len(line) + len(call) + len(function) + 3 <= WIDTH:
        return [f"{line}{call}{function:>{WIDTH - len(line) - len(call)}}"]
    return wrapped(call, line, " " * len(line) if lanes.names else "       ")


def _aligned(changed: Sequence[_Change]) -> list[str]:
    wide = max((len(c.what) for c in changed), default=0)
    lines: list[str] = []
    for c in changed:
        lines += wrapped(f"{c.what:<{wide}}  {c.before} -> {c.after}", " " * 7, " " * 9)
    return lines


def why(system: TransitionSystem, prop: Property, replayed: Replay) -> list[str]:
    """Return the part of the property that is false at the run's end (nothing for a
    reachable one), with its values."""
    if prop.kind.wants_witness:
        return []
    *_, end = replayed.states
    if prop.kind.of_runs:
        return _never(prop, replayed)
    if prop.kind.of_steps:
        last = replayed.taken[-1]
        before = replayed.states[-2]
        at = at_step(system, before, last.step, last.result, end)
    else:
        at = Valuation(system, end)
    lines = [f"  {prop.name} is false:"]
    for depth, text in reasons(at, prop.as_written.formula):
        pad = "    " + "  " * depth
        lines += wrapped(text, pad, pad + "    ")
    return lines


def _never(prop: Property, replayed: Replay) -> list[str]:
    lines = []
    prop = prop.as_written
    if prop.goal is not None:
        after = "" if prop.formula is TRUE else f"after {show(prop.formula)}, "
        lines += indented(f"{after}this is never true: {show(prop.goal)}")
    if replayed.trace.loop == len(replayed.taken):
        lines += indented("no fairness assumption makes the run go on")
    words = [
        f"{'strongly' if f.strong else 'weakly'} for {f.action}" for f in prop.fair
    ]
    if words:
        lines += indented("the run is fair, " + ", ".join(words))
    return lines


def broken_by(
    replayed: Replay, message: str, obligation: Obligation | None
) -> list[str]:
    """Return the obligation that fails, its message and its place."""
    if obligation is None:
        return indented(replayed.failure or message)
    kind = {"assert": "an assert fails", "index": "an index is out of its domain"}
    where = f" ({obligation.span})" if obligation.span else ""
    words = f"{kind.get(obligation.kind, obligation.kind)}: {message}{where}"
    return indented(words)


# --- what verdicts rest on -----------------------------------------------


def trust(
    system: System,
    properties: Sequence[Property],
    outcome: Outcome,
    bounds: Mapping[str, int],
    least: Mapping[str, int | None] | None = None,
    covered: bool = True,
) -> list[str]:
    """Return what the verdicts of an engine rest on: how much was ``covered``, what
    never happened, why something is not known."""
    texts = [
        *(_visited(outcome.statistics) if covered else ()),
        *_never_happens(system, outcome.statistics),
        *_says_little(properties, outcome),
        *_deadlocks(outcome.statistics),
        *_searched(outcome.statistics),
        *_certified(outcome, bounds, least),
        *_unknown(properties, outcome),
    ]
    return [line for text in texts for line in wrapped(text, "    ", "      ")]


def _visited(s: Statistics) -> Iterator[str]:
    if s.states or s.transitions:
        whole = "all reachable states" if s.complete else "not all reachable states"
        parts = [
            count(n, noun)
            for n, noun in ((s.states, "state"), (s.transitions, "transition"))
            if n
        ]
        yield f"{', '.join(parts)}, depth {s.depth}; {whole} visited"


def _never_happens(system: System, s: Statistics) -> Iterator[str]:
    if s.no_start:
        yield NO_START
    elif never_possible(system, s) == system.signatures.keys():
        yield NO_STEP
    if not any(s.fired.values()):
        return
    idle = [name for name in system.signatures if not s.fired.get(name)]
    if idle:
        yield "never possible: " + ", ".join(idle)
    unseen = [
        f"{a.name} -> {show_raw(a.returns, raw)}"
        for a in system.signatures.values()
        if a.returns is not None and a.name not in idle
        for raw in a.results
        if not s.results.get((a.name, raw))
    ]
    if unseen and s.results:
        yield "results never seen: " + ", ".join(unseen)


def _says_little(properties: Sequence[Property], outcome: Outcome) -> Iterator[str]:
    """Yield the properties that rest on nothing, or on less than their author
    thinks."""
    for p in properties:
        verdict = outcome.verdicts.get(p.name)
        if isinstance(verdict, Vacuous):
            if verdict.reason not in (NO_START, NO_STEP):
                yield f"{p.name} is vacuous, {verdict.reason}"
            continue
        seen = outcome.statistics.true_antecedents.get(p.name)
        if seen is not None and p.antecedents and not all(seen):
            never = "; ".join(
                str(a) for a, true in zip(p.antecedents, seen, strict=True) if not true
            )
            yield f"{p.name} says little: this is never true: {never}"


def _deadlocks(s: Statistics) -> Iterator[str]:
    if s.deadlocks:
        first = ""
        if s.deadlock is not None:
            first = f", the first after {count(len(s.deadlock), 'step')}"
        yield f"{count(s.deadlocks, 'state')} without any possible action{first}"


def _searched(s: Statistics) -> Iterator[str]:
    """Yield the ways in which the search was made smaller, or why it could not be."""
    if s.unobserved:
        yield unobserved(s.unobserved)
    yield from s.notes


def _certified(
    outcome: Outcome,
    bounds: Mapping[str, int],
    least: Mapping[str, int | None] | None,
) -> Iterator[str]:
    """Each kind of certificate once."""
    certified = (
        sentence(v, Kind.INVARIANT, bounds, least)
        for v in outcome.verdicts.values()
        if isinstance(v, Holds) and v.certificate is not None
    )
    yield from dict.fromkeys(certified)


def _unknown(properties: Sequence[Property], outcome: Outcome) -> Iterator[str]:
    """Each reason, and the properties that are unknown for it."""
    names = {p.name for p in properties}
    unknown: dict[str, list[str]] = {}
    for name, verdict in outcome.verdicts.items():
        if isinstance(verdict, Unknown) and name in names:
            unknown.setdefault(verdict.reason, []).append(name)
    for reason, some in unknown.items():
        few = len(some) < len(outcome.verdicts) and len(some) < 4
        which = ", ".join(some) if few else f"{len(some)} of {len(names)}"
        yield f"{which} unknown: {reason}"


# --- tables ---------------------------------------------------------------


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> list[str]:
    """Return columns as wide as they must be; the last one takes the rest of the line,
    and is wrapped."""
    body = [list(row) for row in rows]
    everything = [list(head), *body] if any(head) else body
    if not everything:
        return []
    last = len(everything[0]) - 1
    wide = [max(len(row[k]) for row in everything) for k in range(last)]
    room = WIDTH - 2 - sum(w + 2 for w in wide)
    lines: list[str] = []
    for row in everything:
        cells = (f"{t:<{w}}  " for t, w in zip(row, wide, strict=False))
        left = "  " + "".join(cells)
        longest = max((len(word) for word in row[last].split()), default=0)
        if room >= max(16, longest):
            lines += wrapped(row[last], left, " " * len(left))
        else:
            lines += [*wrapped(left.rstrip()), *wrapped(row[last], " " * 6, " " * 6)]
    return [line.rstrip() for line in lines]
