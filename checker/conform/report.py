# SPDX-License-Identifier: GPL-2.0-only
"""What a campaign found, and a disagreement with both columns, as plain text."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from poolproof.checker.conform.campaign import Campaign
from poolproof.checker.conform.coverage import show
from poolproof.checker.conform.failures import Injected
from poolproof.checker.conform.known import known_differences, left_out
from poolproof.checker.conform.own_counters import Broken
from poolproof.checker.conform.pair import Pair
from poolproof.checker.conform.sequence import (
    COMMITTED,
    LEFT_BEHIND,
    SILENT,
    Row,
    as_shown,
    observables,
)
from poolproof.checker.conform.shrink import Found
from poolproof.checker.conform.trace_validation import Match
from poolproof.checker.core.bounds import show_bounds
from poolproof.checker.core.ir import show_raw
from poolproof.checker.core.text import count
from poolproof.checker.frontend.design import compile_design
from poolproof.checker.kernel.answer import Answer, Counters
from poolproof.checker.reports.text import indented, table, wrapped
from poolproof.model.language import action_methods, declared


def campaign_report(
    done: Campaign,
    broken: Sequence[Sequence[Broken]] = (),
    programs: Sequence[str] = (),
) -> list[str]:
    """Return figures, disagreements, known differences, coverage. For each
    disagreement, ``broken`` has the invariants that the kernel's counters violate,
    ``programs`` a line on its C program."""
    rate = done.steps / done.seconds if done.seconds else 0.0
    lines = wrapped(f"{done.design.__name__} and Linux {done.release}", "", "    ")
    lines += indented(
        f"{count(done.sequences, 'sequence')}, {count(done.steps, 'step')} of the "
        f"design in {count(done.calls, 'call')}, {rate:,.0f} steps/s"
    )
    if done.leaked - done.wrapped:
        lines += indented(
            f"{count(done.leaked - done.wrapped, 'sequence')} left pages or promises "
            "behind, as the design says"
        )
    if done.wrapped:
        lines += indented(
            f"{count(done.wrapped, 'sequence')} ended early: a counter fell below "
            "zero on both sides"
        )
    if done.ended:
        lines += indented(f"ended early: {done.ended}")
    elif done.spent:
        lines += indented(
            f"ended early: the budget of {done.plan.seconds:g} s is spent, after "
            f"{done.sequences:,} of {count(done.plan.sequences, 'sequence')}"
        )
    lines += ["", *_verdict(done)]
    for number, found in enumerate(done.disagreements):
        lines += ["", *disagreement(found)]
        lines += _broken(broken[number], "kernel") if broken else []
        lines += indented(programs[number]) if programs else []
    return [*lines, *_known(done), "", *_coverage(done)]


def _verdict(done: Campaign) -> list[str]:
    if not done.unexplained:
        return indented("no disagreement that is not listed")
    sequences = count(done.unexplained, "sequence")
    kinds = count(len(done.disagreements), "kind")
    return indented(f"{sequences} in disagreement, {kinds}")


# --- a disagreement --------------------------------------------------------


def disagreement(found: Found, left: str = "model", right: str = "kernel") -> list[str]:
    """The sequence: each command with the design's answer and the kernel's, or
    those of two kernels."""
    run, at = found.run, found.difference.at
    having = " ".join(run.setting.having) or "nothing"
    lines = indented(f"with {having}; {show_bounds(run.setting.bounds)}")
    lines += wrapped("; ".join(run.setup), "  setup: ", "    ")
    shown = [("", left, right)]
    answers = found.answers[len(run.setup) :]
    ready = found.answers[: len(run.setup)]
    shown += [
        (command, "ok", answer.result)
        for command, answer in zip(run.setup, ready, strict=False)
        if not answer.ok
    ]
    shown.append(
        (
            "(setup done)",
            _counters(run.ready),
            _counters(ready[-1].counters) if ready else "",
        )
    )
    for k, row in enumerate(run.rows[: at + 1]):
        seen = answers[k] if k < len(answers) else None
        theirs = _result(row, seen)
        ours = row.result
        shown.append((row.command, ours, theirs))
        shown.append(
            ("", _counters(row.counters), _counters(seen.counters) if seen else "")
        )
    lines += _columns(shown, left, right)
    lines += ["", *_columns(_differences(found), left, right)]
    return [line.rstrip() for line in lines]


def _differences(found: Found) -> list[tuple[str, str, str]]:
    """The observables that differ, with both values."""
    run, at = found.run, found.difference.at
    if LEFT_BEHIND in found.difference.what:
        ours = "nothing" if run.drains else "something"
        theirs = "nothing" if found.clean else found.left or "something"
        return [("left behind by a reset", ours, theirs)]
    answers = found.answers[len(run.setup) :]
    if SILENT in found.difference.what or at >= len(answers):
        return [("answer", "some", "none, and none after it")]
    counters = run.ready if at < 0 else run.rows[at].counters
    seen = found.answers[len(run.setup) + at]
    ours_all, theirs_all = observables(counters), observables(seen.counters)
    rows = []
    for name in found.difference.what:
        if name == COMMITTED:
            rows.append((name, "unchanged", f"{seen.counters.committed} kB"))
        elif name == "result":
            row = run.rows[at] if at >= 0 else None
            rows.append((name, row.result if row else "ok", _result(row, seen)))
        else:
            rows.append((name, str(ours_all.get(name)), str(theirs_all.get(name))))
    return rows


def _result(row: Row | None, answer: Answer | None) -> str:
    if answer is None:
        return "no answer"
    return answer.result if row is None else as_shown(row.command, answer.result)


def _counters(counters: Counters) -> str:
    """Total/free/rsvd/surplus, then each node's pages, free and surplus."""
    seen = observables(counters)
    names = ("Total", "Free", "Rsvd", "Surp")
    pool = "/".join(str(seen[f"HugePages_{name}"]) for name in names)
    return " ".join([pool, *("/".join(map(str, node)) for node in counters.nodes)])


_LEFT = 23


def _columns(
    rows: list[tuple[str, str, str]], first: str = "model", second: str = "kernel"
) -> list[str]:
    """Three columns; a text that is too long for its own gets a line."""
    lines = []
    for left, ours, theirs in rows:
        if len(left) > _LEFT:
            lines += wrapped(left, "  ", "      ")
            left = ""
        if len(ours) > 22 or len(theirs) > 22:
            for name, text, before in ((first, ours, left), (second, theirs, "")):
                start = f"  {before:<{_LEFT}} "
                lines += wrapped(f"{name:<6} {text}", start, "        ")
        else:
            lines.append(f"  {left:<{_LEFT}} {ours:<22}  {theirs}")
    return lines


# --- two kernels -----------------------------------------------------------


def pair_report(
    pair: Pair,
    broken: Sequence[Sequence[Broken]],
    trees: tuple[str, str],
    programs: Sequence[str] = (),
) -> list[str]:
    """Return what a patch changed for user space. For each difference, ``broken``
    has the invariants that the head's counters violate, ``programs`` a line on its
    C program."""
    lines = [
        *wrapped(f"base {trees[0]}, Linux {pair.base}"),
        *wrapped(f"head {trees[1]}, Linux {pair.head}"),
        f"  {count(pair.sequences, 'sequence')}, {count(pair.calls, 'call')} on both",
    ]
    if pair.ended:
        lines += indented(f"ended early: {pair.ended}")
    number = sum(pair.repeated.values())
    differ = f"{count(number, 'sequence')} differ, {len(pair.differences)} kinds"
    lines += ["", f"  {differ if number else 'no difference for user space'}"]
    for number, (found, some) in enumerate(zip(pair.differences, broken, strict=True)):
        lines += ["", *disagreement(found, "base", "head"), *_broken(some, "head")]
        lines += indented(programs[number]) if programs else []
    return lines


# --- allocations that fail ---------------------------------------------------


def injected_report(design: str, done: Injected) -> list[str]:
    """Return the outcomes of failed allocations: a row for each call and allocating
    function, then the differences from the design."""
    lines = [
        *wrapped(f"{design} and Linux {done.release}", "", "    "),
        f"  {count(done.failures, 'failure')} in {count(done.calls, 'call')}",
    ]
    if done.ended:
        lines += indented(f"ended early: {done.ended}")
    for title, modelled in (
        ("the design has a branch for it", True),
        ("it has none: the call must succeed, or fail and change nothing", False),
    ):
        rows = [
            (call, function, _verdicts(verdicts))
            for (call, function, branch), verdicts in sorted(done.counts.items())
            if bool(branch) == modelled
        ]
        lines += ["", f"  {title}", *table(("call", "allocated by", ""), rows)]
    reasons = {known.name: known.reason for known in known_differences()}
    for name, number in done.differed.items():
        lines += ["", *indented(f"{number}  {name}: {reasons[name]}")]
    kinds = len(done.differences)
    said = f"{count(kinds, 'kind')} of failure with another outcome"
    lines += ["", f"  {said if kinds else 'no other outcome'}"]
    for (call, function, _), found in done.differences.items():
        lines += ["", *indented(f"{call}, no memory for {function}")]
        lines += disagreement(found)
    return lines


def _verdicts(counts: Counter[str]) -> str:
    return ", ".join(f"{verdict} {n:,}" for verdict, n in sorted(counts.items()))


def _broken(some: Sequence[Broken], whose: str) -> list[str]:
    """Which invariants a kernel's counters violate."""
    if not some:
        return [f"  no invariant of the specs is violated by the {whose}'s counters"]
    lines = []
    for one in some:
        title = one.prop.title or one.prop.name
        text = f"the {whose}'s counters violate {one.prop.name}: {title} ({one.spec})"
        lines += indented(text)
    return lines


# --- logs ------------------------------------------------------------------


def log_report(path: str, matches: Sequence[Match]) -> list[str]:
    """Each scenario: accepted, or how far and why no further."""
    lines = wrapped(path, "", "    ")
    for m in matches:
        on = f" on {m.kernel}" if m.kernel else ""
        name = f"{m.scenario}{on}: " if m.scenario or on else ""
        if m.accepted:
            lines += wrapped(f"{name}accepted, {count(m.rows, 'row')}", "  ", "      ")
            continue
        lines += wrapped(
            f"{name}{m.matched} of {count(m.rows, 'row')} accepted, not {m.step}",
            "  ",
            "      ",
        )
        if m.ours is not None and m.theirs is not None:
            lines += _columns([("", "model", "log")])
            both = [(n, ours, m.theirs[n]) for n, ours in m.ours.items()]
            lines += _columns(both, second="log")
        else:
            listed = left_out(m.why)
            known = f" ({listed})" if listed != m.why else ""
            lines += wrapped(f"{m.why}{known}", "      ", "      ")
    good = sum(m.accepted for m in matches)
    lines += ["", *wrapped(f"{good} of {count(len(matches), 'scenario')} accepted")]
    return [line.rstrip() for line in lines]


# --- known differences, coverage -------------------------------------------


def _known(done: Campaign) -> list[str]:
    lines: list[str] = []
    if done.differed:
        lines += ["", "  differences that are known"]
        lines += _reasons(done.differed)
    if done.left_out:
        lines += ["", "  calls that were not made"]
        lines += _reasons(done.left_out)
    return lines


def _reasons(counts: Counter[str]) -> list[str]:
    reasons = {known.name: known.reason for known in known_differences()}
    rows = [
        (f"{number:,}", name, reasons.get(name, "(not listed)"))
        for name, number in sorted(counts.items(), key=lambda item: (-item[1], item[0]))
    ]
    return table(("", "", ""), rows)


def _coverage(done: Campaign) -> list[str]:
    tally = done.tally
    results = possible_pairs(done)
    actions = sorted(action_methods(done.design))
    idle = [a for a in actions if not tally.actions[a]]
    unseen = [f"{a} -> {r}" for a, r in results if not tally.results[a, r]]
    pairs = {(a, b) for a in actions for b in actions}
    met = len(pairs & {*tally.pairs})
    branches, missed = done.coverage.branches, done.coverage.missed
    features = declared(done.design)[1]
    rows = [
        ("actions", _of(len(actions) - len(idle), len(actions)), ", ".join(idle)),
        ("results", _of(len(results) - len(unseen), len(results)), ", ".join(unseen)),
        ("pairs", _of(met, len(pairs)), ""),
        ("branches", _of(len(branches) - len(missed), len(branches)), ""),
        (
            "features",
            _of(len(tally.features), len(features)),
            ", ".join(sorted({*features} - {*tally.features})),
        ),
        (
            "calls",
            f"{sum(tally.calls.values()):,}",
            ", ".join(f"{name} {n:,}" for name, n in sorted(tally.calls.items())),
        ),
    ]
    lines = ["  covered on the kernel; at the right what was not"]
    lines += table(("", "", ""), rows)
    if missed:
        lines += ["", "  branches never taken"]
        lines += [x for line in show(missed) for x in wrapped(line, "    ", "      ")]
    return lines


def _of(some: int, all_: int) -> str:
    return f"{some:,} of {all_:,}"


def possible_pairs(done: Campaign) -> list[tuple[str, str]]:
    """(action, result) as far as the compiled design has them."""
    _, features = declared(done.design)
    system = compile_design(done.design, having=sorted(features)).system
    return [
        (action.name, show_raw(action.result.sort, raw))
        for action in system.actions
        if action.result is not None
        for raw in action.results
    ]
