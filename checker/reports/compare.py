# SPDX-License-Identifier: GPL-2.0-only
"""Whether user space can tell two designs apart, as text and as JSON."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from poolproof.checker.core.ir import show_raw
from poolproof.checker.core.text import count
from poolproof.checker.driver.compare import Comparison, DesignPair, DifferenceClass
from poolproof.checker.driver.judging import PropertyResult
from poolproof.checker.driver.property_wise import PropertyWise
from poolproof.checker.engines.inclusion import Included
from poolproof.checker.engines.visible import Event, Shown, View
from poolproof.checker.evidence.replay import is_shown, show_argument
from poolproof.checker.reports.json import run_json
from poolproof.checker.reports.text import indented, run, table, wrapped
from poolproof.checker.reports.words import key, short, sizes


def compare_report(comparison: Comparison, verbose: bool = False) -> list[str]:
    """Return the differences, a line for each class, and the runs of the first class;
    with ``verbose``, those of every class."""
    pair = comparison.pair
    lines = wrapped(f"{pair.names[0]} and {pair.names[1]}, {_settings(pair)}", "", "  ")
    if pair.spec is not None:
        lines += indented(f"{pair.spec.file}: {pair.spec.title}")
    lines += ["", *_below(_compared(pair))]
    rows = [_row(pair, c) for c in comparison.classes]
    if rows:
        lines += ["", *table(("call", *pair.names, "after"), rows)]
    lines.append("")
    for text in (*_verdict(comparison), *_searched(comparison)):
        lines += indented(text)
    for c in comparison.classes if verbose else comparison.classes[:1]:
        lines += ["", *_runs(pair, c)]
    return lines


def _settings(pair: DesignPair) -> str:
    bounds = {k: v for c in pair.compiled for k, v in c.bounds.items()}
    given = {k for s in pair.sizes for k in s.bounds}
    having = list(dict.fromkeys(f for s in pair.sizes for f in s.having))
    without = list(dict.fromkeys(f for s in pair.sizes for f in s.without))
    named = {k: v for k, v in bounds.items() if not given or k in given}
    return sizes(named, having, without) or "no bounds"


def _below(texts: Iterator[str]) -> list[str]:
    return [line for text in texts for line in indented(text)]


def _compared(pair: DesignPair) -> Iterator[str]:
    """Yield the calls and values that are compared, and those that are not."""
    interface = pair.interface
    calls = (f"{n}({', '.join(_arguments(pair, n))})" for n in interface.calls)
    yield f"calls: {', '.join(calls)}"
    if interface.views[0].readings:
        yield f"read: {', '.join(interface.views[0].readings)}"
    for name, why in interface.unread.items():
        yield f"not read: {name}, {why}"
    for k, name in enumerate(pair.names):
        view = interface.views[k]
        if view.silent:
            yield f"{name}, silent: {', '.join(_silent(view))}"
        if interface.open[k]:
            yield f"{name}, any value: {', '.join(interface.open[k])}"
        if interface.only[k]:
            yield f"only {name} has: {', '.join(interface.only[k])}"
        if interface.left[k]:
            yield f"{name}, never taken: {', '.join(interface.left[k])}"


def _silent(view: View) -> Iterator[str]:
    """Yield the silent actions, and whether they come before the next call."""
    for form in view.silent:
        fixed = (
            (form.action.parameters[k], raw) for k, raw in sorted(form.fixed.items())
        )
        texts = [f"{p.name}={show_raw(p.local.sort, raw)}" for p, raw in fixed]
        name = form.action.name
        text = name + (f"({', '.join(texts)})" if texts else "")
        yield f"{text} first" if name in view.first else text


def _arguments(pair: DesignPair, name: str) -> Iterator[str]:
    """Yield the arguments of a call that have more than one value."""
    within = pair.interface.views[0].calls[name][0].within
    for argument, some in zip(pair.interface.calls[name], within, strict=True):
        if len(some) > 1:
            yield argument


def _row(pair: DesignPair, c: DifferenceClass) -> tuple[str, str, str, str]:
    one, other = (shown(pair, c.name, some) for some in c.shown)
    calls = [event(pair, e) for e, _ in c.first.seen]
    return c.name, one, other, "; ".join(calls)


def event(pair: DesignPair, e: Event) -> str:
    """Return a call as ``mmap(t0, v0, 2)``; a reading by its name."""
    name, arguments = e
    if arguments is None:
        return name
    form = pair.interface.views[0].calls[name][0]
    parameters = [form.action.parameters[k] for k in form.places]
    texts = (
        show_argument(p, show_raw(p.local.sort, raw))
        for p, raw in zip(parameters, arguments, strict=True)
        if is_shown(p, raw)
    )
    return f"{name}({', '.join(texts)})"


def shown(pair: DesignPair, name: str, some: frozenset[Shown]) -> str:
    """Return the possible results of a call, or values of a reading, as text."""
    if not some:
        return "not possible"
    reading = pair.interface.views[0].readings.get(name)
    texts = (
        value
        if isinstance(value, str) or reading is None
        else show_raw(reading.value.sort, value)
        for value in some
    )
    return " or ".join(sorted(map(str, texts)))


def _verdict(comparison: Comparison) -> Iterator[str]:
    pair = comparison.pair
    number = len(comparison.classes)
    if comparison.same:
        yield "no difference: they are the same transition system"
    elif number:
        more = "" if comparison.complete else "; there may be more"
        yield f"{count(number, 'class')} of differences{more}"
    elif not comparison.complete:
        yield "unknown: no difference found before the search ended"
    elif comparison.assumed:
        yield "unknown: no difference, apart from calls that an `assume` leaves out"
    else:
        yield f"no difference within {_settings(pair)}"


def _searched(comparison: Comparison) -> Iterator[str]:
    """Yield the size of each search, and what limits the answer."""
    pair = comparison.pair
    for name, way in zip(pair.names, comparison.ways, strict=False):
        sets = f"against {count(way.sets, 'set')} of the other's states"
        yield (
            f"{name}: {count(way.states, 'state')} {sets}, {count(way.pairs, 'pair')}, "
            f"{_extent(way)}"
        )
    reached = {n for way in comparison.ways for n, _ in way.both}
    reached |= {c.name for c in comparison.classes}
    never = [n for n in pair.interface.calls if n not in reached]
    if never and comparison.ways:
        yield f"never possible: {', '.join(never)}"
    cut = comparison.assumed
    for why in dict.fromkeys(w for c in pair.compiled for w in c.system.assumptions):
        times = f": {count(cut[why], 'call')} not compared" if why in cut else ""
        yield f"assuming {why}{times}"


def _extent(way: Included) -> str:
    calls = count(way.depth, "call")
    if way.complete:
        return f"at most {calls}; all were visited"
    return f"up to {calls}; ended by {way.stopped}"


def _runs(pair: DesignPair, c: DifferenceClass) -> list[str]:
    """Return the run of a class on the design that leads, and one of the other
    design."""
    lines: list[str] = []
    order = (c.leads, 1 - c.leads)
    what = event(pair, c.first.seen[-1][0])
    for k in order:
        text = shown(pair, c.name, c.shown[k])
        how = "reads" if c.first.reading else "shows"
        says = f"cannot take {what}" if not c.shown[k] else f"{how} {text}"
        by = f"{pair.names[k]} {says}" + (
            f": {what}" if c.shown[k] and k == c.leads else ""
        )
        lines += wrapped(by, "", "  ")
        lines += [*run(pair.compiled[k], c.runs[k]), ""]
    return lines[:-1]


def verdicts_report(found: PropertyWise) -> list[str]:
    """Return the properties whose verdicts differ, and how many agree."""
    one, other = (known.name for known in found.designs)
    lines: list[str] = []
    for unknown in (False, True):
        rows = [
            (
                f"{Path(v.spec.file).stem}.{v.name}",
                f"{_answer(v.one)}; {other}: {_answer(v.other)}",
            )
            for v in found.that(unknown)
        ]
        if rows:
            lines += [*table(("", ""), rows), ""]
    differ, unknown_ = len(found.that(False)), len(found.that(True))
    alike = len(found.verdicts) - differ - unknown_
    specs = count(found.specs, "spec") + (", not all" if found.stopped else "")
    text = f"{differ or 'none'} differ, {alike} agree"
    text += f", {unknown_} unknown" if unknown_ else ""
    return lines + wrapped(
        f"{one} and {other}, by the verdicts of {specs}: {text}", "", "  "
    )


def _answer(answer: PropertyResult) -> str:
    return short(answer.verdict, answer.prop.kind)


def verdicts_json(found: PropertyWise) -> dict[str, Any]:
    """Return all verdicts, those that agree included."""
    return {
        "exit": found.exit_code,
        "designs": [known.reference for known in found.designs],
        "complete": not found.stopped,
        "verdicts": [
            {
                "spec": v.spec.file,
                "property": v.name,
                "verdicts": [key(v.one.verdict), key(v.other.verdict)],
                "differ": None if v.differ is None else v.differ.value,
            }
            for v in found.verdicts
        ],
    }


def compare_json(comparison: Comparison, code: int) -> dict[str, Any]:
    """Return a comparison with all its differences and runs."""
    pair = comparison.pair
    interface = pair.interface
    return {
        "exit": code,
        "designs": [pair.one.reference, pair.other.reference],
        "spec": None if pair.spec is None else pair.spec.file,
        "bounds": [dict(sorted(c.bounds.items())) for c in pair.compiled],
        "with": [list(s.having) for s in pair.sizes],
        "without": [list(s.without) for s in pair.sizes],
        "calls": {n: list(a) for n, a in interface.calls.items()},
        "read": list(interface.views[0].readings),
        "not_read": dict(interface.unread),
        "silent": [list(_silent(v)) for v in interface.views],
        "only": [list(names) for names in interface.only],
        "never_taken": [list(names) for names in interface.left],
        "same_system": comparison.same,
        "complete": comparison.complete,
        "assumed": dict(comparison.assumed),
        "searched": [
            {
                "pairs": w.pairs,
                "states": w.states,
                "sets": w.sets,
                "depth": w.depth,
                "stopped": w.stopped,
            }
            for w in comparison.ways
        ],
        "differences": [
            {
                "call": c.name,
                "shown": [sorted(map(str, some)) for some in c.shown],
                "calls": c.calls,
                "after": [event(pair, e) for e, _ in c.first.seen],
                "by": pair.names[c.leads],
                "traces": [
                    run_json(compiled.system, replayed)
                    for compiled, replayed in zip(pair.compiled, c.runs, strict=True)
                ],
            }
            for c in comparison.classes
        ],
    }
