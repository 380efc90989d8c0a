# SPDX-License-Identifier: GPL-2.0-only
"""counterexamples/*.trace: runs as text that a person can write and read.

    design:   Hugetlb
    bounds:   B=2 P=2 V=2
    spec:     specs/pool.spec
    property: no_sigbus
    verdict:  violated after 2 steps

    mmap(v0, cg0, n1, 2)
    #   resv = 2, live[v0] = true
    fault_sigbus(v0, 0) -> SIGBUS
    #   sigbus = true

Text after a # is a comment, at the start of a line or after a call. The states
are for the reader; a replay computes them again.
"""

from __future__ import annotations

import re
import textwrap
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from poolproof.checker.core.bounds import parse_bounds, show_bounds
from poolproof.checker.core.compiled import Compiled
from poolproof.checker.core.diagnostic import UserError, has_no
from poolproof.checker.core.evaluate import Valuation
from poolproof.checker.core.ir import Domain, show_raw
from poolproof.checker.core.system import Action, Span, State, TransitionSystem
from poolproof.checker.core.text import WIDTH, count
from poolproof.checker.core.user_file import read_text
from poolproof.checker.core.verdict import Step, Trace
from poolproof.checker.evidence.replay import Replay, is_shown, named, show_step
from poolproof.model.language import did_you_mean


@dataclass(frozen=True)
class Heading:
    """The heading of a stored run: its design and what it shows.

    ``design`` and ``spec`` are as the command line takes them. ``shows`` is
    'violated', 'reached', 'defect' or 'deadlock'; the property is empty for
    the last two. ``shortest``: no run with fewer steps shows it. ``assuming``:
    what the design assumed when the run was found.
    """

    design: str
    bounds: Mapping[str, int]
    shows: str
    depth: int
    shortest: bool = True
    without: tuple[str, ...] = ()
    having: tuple[str, ...] = ()
    spec: str = ""
    property: str = ""
    title: str = ""
    source: str = ""
    loop: int | None = None
    assuming: tuple[str, ...] = ()


@dataclass(frozen=True)
class TracePiece:
    """A piece of the file and its place."""

    text: str
    span: Span


@dataclass(frozen=True)
class CallLine:
    """One line ``action(argument, ...) -> result``."""

    action: TracePiece
    arguments: tuple[TracePiece, ...]
    result: TracePiece | None


@dataclass(frozen=True)
class TraceFile:
    """A trace as written, not yet understood in terms of its design.
    ``at`` has the place of each line of the heading."""

    heading: Heading
    calls: tuple[CallLine, ...]
    starts: tuple[tuple[TracePiece, TracePiece], ...] = ()
    at: Mapping[str, Span] = field(default_factory=dict)


# --- writing --------------------------------------------------------------


def write(heading: Heading, compiled: Compiled, replayed: Replay) -> str:
    """Return the text of a trace file."""
    system = compiled.system
    verdict = f"{heading.shows} after {count(heading.depth, 'step')}"
    rows = [
        ("design", heading.design),
        ("bounds", show_bounds(heading.bounds)),
        ("without", " ".join(heading.without)),
        ("with", " ".join(heading.having)),
        ("spec", heading.spec),
        ("property", heading.property),
        ("title", heading.title),
        ("source", heading.source),
        ("verdict", verdict + ("" if heading.shortest else ", perhaps not the fewest")),
        ("loop", "" if heading.loop is None else str(heading.loop)),
        *(("assuming", why) for why in heading.assuming),
        *(("start", line) for line in _free_cells(system, replayed.trace.initial)),
    ]
    lines = [line for key, text in rows if text for line in _row(key, text)]
    lines.append("")
    before = replayed.trace.initial
    for taken in replayed.taken:
        lines.append(show_step(system, taken.step, taken.result))
        lines += _comment(changes(system, before, taken.state))
        before = taken.state
    if replayed.failing is not None:
        lines.append(show_step(system, replayed.failing))
    if replayed.failure:
        lines += _comment([replayed.failure])
    return "\n".join(lines) + "\n"


def _row(key: str, text: str) -> list[str]:
    """A line of the heading; none of its further lines begins with a #."""
    lines = textwrap.wrap(
        " ".join(text.split()).replace(" #", "\0#"),
        WIDTH,
        initial_indent=f"{key + ':':<10}",
        subsequent_indent=" " * 10,
        break_long_words=False,
        break_on_hyphens=False,
    )
    return [line.replace("\0", " ") for line in lines]


def _comment(parts: list[str]) -> list[str]:
    """Return the parts side by side; one that fits on a line is not broken."""
    short = (p.replace(" ", "\0") if len(p) < WIDTH - 8 else p for p in parts)
    lines = textwrap.wrap(
        ", ".join(short) or "nothing changes",
        WIDTH,
        initial_indent="#   ",
        subsequent_indent="#   ",
        break_long_words=False,
        break_on_hyphens=False,
    )
    return [line.replace("\0", " ") for line in lines]


def _free_cells(system: TransitionSystem, initial: State) -> list[str]:
    """Return the cells whose initial value the design leaves open."""
    texts = named(system, initial)
    return [
        f"{c.name} = {texts[c.name]}" for c in system.cells if c.variable.init is None
    ]


def changes(system: TransitionSystem, before: State, after: State) -> list[str]:
    """Return ``cell = value`` for each cell that a step changes."""
    texts = named(system, after)
    return [
        f"{cell.name} = {texts[cell.name]}"
        for cell, a, b in zip(system.cells, before, after, strict=True)
        if a != b
    ]


# --- reading --------------------------------------------------------------

_KEYS = (
    "design",
    "bounds",
    "without",
    "with",
    "spec",
    "property",
    "title",
    "source",
    "verdict",
    "loop",
    "assuming",
    "start",
)
_SEVERAL = ("assuming", "start")
"""The lines that a heading may have more than one of."""

_HEAD = re.compile(r"([A-Za-z]\w*)\s*:\s*")
_NAME = re.compile(r"[^\W\d]\w*(\.\w+)*")
_VERDICT = re.compile(
    r"(violated|reached|defect|deadlock) after (\d+) steps?(, perhaps not the fewest)?"
)


def load(path: str) -> TraceFile:
    """Return the trace in a file. Raise UserError if it is no trace file."""
    return parse(read_text(path, "a trace"), path)


def parse(text: str, path: str) -> TraceFile:
    """Return the trace in a text; ``path`` is for messages."""
    rows: dict[str, list[TracePiece]] = {}
    calls: list[CallLine] = []
    last: str | None = None
    for number, raw in enumerate(text.splitlines(), 1):
        line = raw.rstrip()
        head = None if calls else _HEAD.match(line)
        continues = not calls and last is not None and raw[:1].isspace()
        if line.lstrip().startswith("#") or not (head or continues):
            line = _without_comment(line)
        if not line:
            last = last if raw.strip() else None
            continue
        span = Span(path, number, len(line) - len(line.lstrip()) + 1)
        if head:
            last = head[1]
            _check_key(last, rows, span)
            rows.setdefault(last, []).append(
                TracePiece(line[head.end() :], Span(path, number, head.end() + 1))
            )
        elif continues and last is not None:
            word = rows[last][-1]
            rows[last][-1] = TracePiece(
                f"{word.text} {line.strip()}".strip(), word.span
            )
        elif not rows:
            raise UserError(
                span, f"a trace starts with a line `design: {_EXAMPLE['design']}`"
            )
        else:
            calls.append(_call(line, number, path))
    return TraceFile(
        _heading(rows, len(calls), path),
        tuple(calls),
        tuple(_start(word) for word in rows.get("start", ())),
        {key: words[0].span for key, words in rows.items()},
    )


def _without_comment(line: str) -> str:
    """Return the line up to a # that begins it or follows a space."""
    found = re.search(r"(^|\s)#", line)
    return line[: found.start()].rstrip() if found else line


def _check_key(key: str, rows: Mapping[str, list[TracePiece]], span: Span) -> None:
    if key not in _KEYS:
        raise UserError(
            span,
            f"{key!r} is not a line of a trace's heading{did_you_mean(key, _KEYS)}; "
            f"it has {', '.join(_KEYS)}",
        )
    if key in rows and key not in _SEVERAL:
        raise UserError(
            span, f"a second {key!r} line; one is on line {rows[key][0].span.line}"
        )


def _heading(rows: Mapping[str, list[TracePiece]], steps: int, path: str) -> Heading:
    def text(key: str) -> str:
        return rows[key][0].text if key in rows else ""

    for key in ("design", "verdict"):
        if not text(key):
            raise UserError(
                rows[key][0].span if key in rows else Span(path, 1, 1),
                f"a trace's heading needs a line `{key}: {_EXAMPLE[key]}`",
            )
    where = rows["verdict"][0].span
    verdict = _VERDICT.fullmatch(text("verdict"))
    if verdict is None:
        raise UserError(
            where,
            "write `violated after 5 steps`, or reached, defect "
            "or deadlock for violated",
        )
    shows, depth = verdict[1], int(verdict[2])
    if depth != steps:
        raise UserError(where, f"this says {count(depth, 'step')}, but {steps} follow")
    if shows in ("violated", "reached"):
        for key in ("spec", "property"):
            if not text(key):
                raise UserError(
                    where,
                    f"this does not say what is {shows}: the heading needs a line "
                    f"`{key}: {_EXAMPLE[key]}`",
                )
    loop = text("loop")
    if loop and not (loop.isdecimal() and int(loop) <= steps):
        raise UserError(
            rows["loop"][0].span, f"a step from 0 to {steps} is expected here"
        )
    return Heading(
        design=text("design"),
        bounds=_bounds(rows["bounds"][0]) if "bounds" in rows else {},
        shows=shows,
        depth=depth,
        shortest=verdict[3] is None,
        without=tuple(text("without").replace(",", " ").split()),
        having=tuple(text("with").replace(",", " ").split()),
        spec=text("spec"),
        property=text("property"),
        title=text("title"),
        source=text("source"),
        loop=int(loop) if loop else None,
        assuming=tuple(word.text for word in rows.get("assuming", ())),
    )


_EXAMPLE = {
    "design": "Hugetlb",
    "verdict": "violated after 5 steps",
    "spec": "specs/hugetlb.spec",
    "property": "resv_backed",
}


def _bounds(word: TracePiece) -> dict[str, int]:
    try:
        return parse_bounds(word.text)
    except UserError as e:
        raise UserError(word.span, e.message) from None


def _start(word: TracePiece) -> tuple[TracePiece, TracePiece]:
    name, equals, value = word.text.partition("=")
    if not equals:
        raise UserError(word.span, "write `start: cell = value`")
    at = Span(
        word.span.file,
        word.span.line,
        word.span.column + len(word.text) - len(value.lstrip()),
    )
    return TracePiece(name.strip(), word.span), TracePiece(value.strip(), at)


def _call(line: str, number: int, path: str) -> CallLine:
    def word(start: int, end: int) -> TracePiece:
        text = line[start:end]
        start += len(text) - len(text.lstrip())
        return TracePiece(text.strip(), Span(path, number, start + 1))

    def wrong(column: int, message: str) -> UserError:
        return UserError(Span(path, number, column + 1), message)

    begin = len(line) - len(line.lstrip())
    name = _NAME.match(line, begin)
    if name is None:
        raise wrong(begin, "a call is expected here, like `mmap(v0, 2) -> OK`")
    at = name.end()
    while line[at : at + 1].isspace():
        at += 1
    if line[at : at + 1] != "(":
        raise wrong(at, f"`(` is expected after {name[0]}, like `{name[0]}(v0, 2)`")
    pieces = list(_split(line, at + 1))
    close = pieces[-1][1]
    if line[close : close + 1] != ")":
        raise wrong(len(line), "`)` is missing at the end of the call")
    arguments = [word(a, b) for a, b in pieces]
    if len(arguments) == 1 and not arguments[0].text:
        arguments = []
    for argument in arguments:
        if not argument.text:
            raise UserError(argument.span, "an argument is missing here")
    rest = word(close + 1, len(line))
    result = None
    if rest.text:
        arrow = re.fullmatch(r"->\s*(\S+)", rest.text)
        if arrow is None:
            raise UserError(
                rest.span, f"`-> RESULT` is expected here, not {rest.text!r}"
            )
        first = rest.span.column - 1 + arrow.start(1)
        result = word(first, first + len(arrow[1]))
    return CallLine(word(begin, name.end()), tuple(arguments), result)


def _split(line: str, at: int) -> Iterator[tuple[int, int]]:
    """Yield (start, end) of each argument; the last end is at the closing
    bracket, or at the end of the line if there is none."""
    depth, start = 0, at
    for k in range(at, len(line)):
        match line[k]:
            case "{":
                depth += 1
            case "}":
                depth -= 1
            case "," if depth == 0:
                yield start, k
                start = k + 1
            case ")" if depth == 0:
                yield start, k
                return
    yield start, len(line)


# --- understanding --------------------------------------------------------


def bind(file: TraceFile, compiled: Compiled) -> Trace:
    """Return the run of the file in raw values. Raise UserError for a name or
    value that the design does not have."""
    steps = tuple(_step(call, compiled.system) for call in file.calls)
    return Trace(_initial(file, compiled.system), steps, file.heading.loop)


def _step(call: CallLine, system: TransitionSystem) -> Step:
    action = system.action_by_name.get(call.action.text)
    if action is None:
        names = tuple(system.action_by_name)
        message = has_no(system.name, "action", call.action.text, names)
        raise UserError(call.action.span, message)
    says_all = len(call.arguments) == len(action.parameters)
    said = [p for p in action.parameters if says_all or is_shown(p, 0)]
    last = action.parameters[-1] if action.parameters else None
    if last is not None and last.implicit and last not in said:
        said += [last] if _names(call.arguments, last.name) else []
    if len(call.arguments) != len(said):
        raise UserError(
            call.action.span,
            f"{action.name}({', '.join(p.name for p in said)}) takes "
            f"{count(len(said), 'argument')}, not {len(call.arguments)}",
        )
    if call.result is not None:
        _check_result(call.result, action)
    given = {
        p.name: _raw(w, p.domain, p.name)
        for w, p in zip(call.arguments, said, strict=True)
    }
    return Step(
        action.name,
        tuple(given.get(p.name, p.domain.lo) for p in action.parameters),
    )


def _names(arguments: Sequence[TracePiece], parameter: str) -> bool:
    """Return whether the last argument is one for the parameter by its name."""
    name, equals, _ = arguments[-1].text.partition("=") if arguments else ("",) * 3
    return bool(equals) and name.strip() == parameter


def _raw(word: TracePiece, domain: Domain, name: str) -> int:
    before, equals, value = word.text.partition("=")
    if equals and before.strip() == name:
        word = TracePiece(value.strip(), word.span)
    by_text = {show_raw(domain.sort, raw).replace(" ", ""): raw for raw in domain}
    raw = by_text.get("".join(word.text.split()))
    if raw is None:
        values = [show_raw(domain.sort, r) for r in domain][:12]
        more = ", ..." if len(domain) > 12 else ""
        raise UserError(
            word.span,
            f"{name} cannot be {word.text!r}: write {', '.join(values)}{more}",
        )
    return raw


def _check_result(word: TracePiece, action: Action) -> None:
    if action.result is None:
        raise UserError(word.span, f"{action.name} returns nothing")
    labels: tuple[str, ...] = getattr(action.result.sort, "labels", ())
    if labels and word.text not in labels:
        raise UserError(
            word.span,
            f"{word.text!r} is not a result of {action.name}"
            f"{did_you_mean(word.text, labels)}; it returns {', '.join(labels)}",
        )


def _initial(file: TraceFile, system: TransitionSystem) -> State:
    at = Valuation(system, ())
    given = {_squeeze(name.text): (name, value) for name, value in file.starts}
    state: list[int] = []
    for cell in system.cells:
        variable = cell.variable
        hit = given.pop(_squeeze(cell.name), None)
        if variable.init is not None:
            value = at.value(variable.init)
            state.append(value if isinstance(value, int) else value[cell.index])
            if hit is not None:
                raise UserError(
                    hit[0].span,
                    f"{cell.name} has only one initial value: leave this out",
                )
            continue
        if hit is None:
            where = file.at.get("design")
            raise UserError(
                where,
                f"{cell.name} may start with several values: write "
                f"`start: {cell.name} = ...`",
            )
        assert variable.lo is not None
        assert variable.hi is not None
        domain = Domain(variable.element, at.raw(variable.lo), at.raw(variable.hi))
        state.append(_raw(hit[1], domain, f"value of {cell.name}"))
    for name, _ in given.values():
        names = tuple(c.name for c in system.cells)
        raise UserError(
            name.span,
            f"{system.name} has no cell {name.text!r}{did_you_mean(name.text, names)}",
        )
    return tuple(state)


def _squeeze(text: str) -> str:
    return "".join(text.split())
