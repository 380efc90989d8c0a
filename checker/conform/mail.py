# SPDX-License-Identifier: GPL-2.0-only
"""A run as a mail to the list: a bug report, or a comment in a review.

Plain text of 75 columns: one sentence, the calls, the counters before and after,
where the kernel does it, on which releases the designs do the same, and what the
design leaves out. A bug report has the C program as an attachment, so that it can
be sent as it is (`mutt -H FILE`).
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator, Mapping, Sequence
from email.message import EmailMessage
from email.policy import SMTP
from textwrap import wrap
from typing import TypeVar

from poolproof.checker.conform.c_calls import call_text
from poolproof.checker.conform.c_trace import c_program
from poolproof.checker.conform.script import Script, script
from poolproof.checker.conform.sequence import observables
from poolproof.checker.conform.shown import showing
from poolproof.checker.core.bounds import show_bounds
from poolproof.checker.core.diagnostic import UserError
from poolproof.checker.core.ir import show_raw
from poolproof.checker.core.source import class_span
from poolproof.checker.core.text import WIDTH, count
from poolproof.checker.driver.citations import citations
from poolproof.checker.driver.drift import version_meant
from poolproof.checker.driver.releases import elsewhere
from poolproof.checker.driver.stored import Replayed
from poolproof.checker.evidence.replay import show_step
from poolproof.checker.linux.anchors import stored_anchors
from poolproof.checker.reports.text import memory, table, why, wrapped
from poolproof.model.language import action_methods, blocks, own_classes, resolved

_BOUNDARY = "=-=-poolproof-=-="

_Seen = TypeVar("_Seen")


def mail(replayed: Replayed, ran: Sequence[str] = ()) -> str:
    """Return a bug report as a mail, with headers and, where system calls bring
    the run about, the C program. ``ran`` are the kernels on which the sender has
    seen it."""
    made, reason = _script(replayed)
    message = EmailMessage(policy=SMTP.clone(linesep="\n", max_line_length=WIDTH))
    message["Subject"] = _subject(replayed)
    message["To"] = "linux-mm@kvack.org"
    lines = [*_body(replayed, made), *_rest(replayed, ran, reason)]
    message.set_content("\n".join(lines) + "\n", cte="8bit")
    if made is not None:
        program = c_program(showing(made))
        message.add_attachment(
            program, subtype="x-csrc", filename=f"{made.name}.c", cte="8bit"
        )
        message.set_boundary(_BOUNDARY)
    return message.as_string()


def quote(replayed: Replayed) -> str:
    """Return a comment to be pasted into a review: no headers, no attachment, no
    state at the end."""
    return "\n".join(_body(replayed, _script(replayed)[0])) + "\n"


def _script(replayed: Replayed) -> tuple[Script | None, str]:
    """The run as system calls; or why there is none."""
    try:
        return script(replayed), ""
    except UserError as e:
        return None, e.message


def _body(replayed: Replayed, made: Script | None) -> Iterator[str]:
    yield from wrapped(_sentence(replayed))
    yield ""
    yield from _calls(replayed, made)
    yield ""
    yield from _counters(replayed, made)
    yield ""
    yield from _places(replayed)


def _rest(replayed: Replayed, ran: Sequence[str], reason: str) -> Iterator[str]:
    system, run = replayed.compiled.system, replayed.replay
    *_, end = run.states
    if replayed.prop is not None and (reasons := why(system, replayed.prop, run)):
        yield from ["", *reasons]
    if drawn := memory(system, end):
        yield from ["", "At the end:", "", *drawn]
    yield ""
    yield from _releases(replayed)
    if ran:
        yield from wrapped(f"Seen with the C program on {', '.join(ran)}.")
    elif reason:
        yield from wrapped(f"There is no C program: {reason}.")
    else:
        yield from wrapped("This was not run on a kernel; the C program is for that.")
    yield ""
    yield from _left_out(replayed)


# --- what happens ---------------------------------------------------------


def _title(replayed: Replayed) -> str:
    """The property in words, without the marks that specs put before it."""
    heading = replayed.heading
    title = re.sub(r"\A(?:[A-Z]\w*(?:, )?)+: ", "", heading.title)
    return title or heading.property or heading.shows


def _subject(replayed: Replayed) -> str:
    design = replayed.compiled.system.name
    return f"{design}: {replayed.heading.shows}: {_title(replayed)}"


def _sentence(replayed: Replayed) -> str:
    number = count(len(replayed.replay.taken), "call")
    last = _step(replayed, -1)
    if replayed.heading.shows == "reached":
        return f"{number}, the last of which is {last}, lead here: {_title(replayed)}."
    if replayed.prop is None:
        return f"After {number}, the last of which is {last}: {_title(replayed)}."
    source = replayed.heading.source
    said = f" ({source})" if source else ""
    start = f'"{_title(replayed)}"{said}: this is not so'
    loop = replayed.replay.trace.loop
    if loop is None:
        return f"{start} after {number}, the last of which is {last}."
    if loop == len(replayed.replay.taken):
        return f"{start} where nothing happens any more after {number}, {last}."
    return f"{start} in a run that makes calls {loop + 1} to the last for ever."


def _step(replayed: Replayed, k: int) -> str:
    if not replayed.replay.taken:
        return "none"
    taken = replayed.replay.taken[k]
    return show_step(replayed.compiled.system, taken.step, taken.result)


def _calls(replayed: Replayed, made: Script | None) -> Iterator[str]:
    bounds = show_bounds(replayed.heading.bounds)
    if made is None:
        yield from wrapped(f"The calls, with {bounds}:")
        yield ""
        for k in range(len(replayed.replay.taken)):
            yield from wrapped(_step(replayed, k), f"  {k + 1}. ", "     ")
        return
    yield from wrapped(
        f"The calls; HPAGE is 2 MiB, PAGE(n) the address of page n ({bounds}):"
    )
    yield ""
    for command in made.setup:
        yield from wrapped(_call(command, made), "     ", "         ")
    for number, step in enumerate(made.steps, 1):
        for k, command in enumerate(step.commands):
            mark = f"{number}. " if k == 0 else "   "
            said = f" -> {step.result}" if k == step.telling else ""
            yield from wrapped(_call(command, made) + said, f"  {mark}", "         ")


def _call(command: str, made: Script) -> str:
    return call_text(command, made.setting.bounds["nodes"])


# --- what is seen ---------------------------------------------------------


def _counters(replayed: Replayed, made: Script | None) -> Iterator[str]:
    """What differs at the start, before the last call, and after it."""
    columns: list[Mapping[str, object]]
    if made is not None:
        seen = [made.ready, *(s.counters for s in made.steps)]
        columns = [observables(c) for c in _three(seen)]
    else:
        columns = [_numbers(replayed, s) for s in _three([*replayed.replay.states])]
    names = [n for n in columns[-1] if len({c.get(n) for c in columns}) > 1]
    if not names:
        yield "No counter changes."
        return
    rows = [(n, *(str(c.get(n, "-")) for c in columns)) for n in names]
    yield "The counters:"
    yield ""
    yield from table(("", "at the start", "before the last call", "after it"), rows)


def _three(seen: Sequence[_Seen]) -> tuple[_Seen, _Seen, _Seen]:
    return seen[0], seen[max(0, len(seen) - 2)], seen[-1]


def _numbers(replayed: Replayed, state: Sequence[int]) -> dict[str, str]:
    """The state's numbers, by name."""
    return {
        cell.name: show_raw(cell.variable.element, raw)
        for cell, raw in zip(replayed.compiled.system.cells, state, strict=True)
        if cell.variable.lo is not None and len(cell.variable.index) < 2
    }


# --- where, and what it rests on ------------------------------------------


def _places(replayed: Replayed) -> Iterator[str]:
    """The kernel function of each action, and its line in the version that the
    design is written after."""
    design, anchors = replayed.compiled.source, stored_anchors()
    actions = dict.fromkeys(t.step.action for t in replayed.replay.taken)
    rows = []
    for name in actions:
        function, mark = action_methods(design)[name]
        _, written = resolved(design, function)
        for c in citations(design):
            if c.method is written and c.name == mark.kernel:
                version = version_meant(c, anchors)
                line = f":{anchors.lines[c.name][version]}" if version else ""
                where = f"{c.file}{line}" + (f", {version}" if version else "")
                rows.append((name, f"{c.function}(), {where}"))
                break
    if rows:
        yield "Where the kernel does it:"
        yield ""
        yield from table(("", ""), rows)


def _releases(replayed: Replayed) -> Iterator[str]:
    """On which designs the run was replayed."""
    name = replayed.compiled.system.name
    found = [e for e in elsewhere(replayed) if e.known.name != name]
    texts = [
        f"{'the same' if e.shown else 'not'} on {e.known.name} (Linux {e.release})"
        for e in found
    ]
    also = f"; {', '.join(texts)}" if texts else ""
    yield from wrapped(f"The run was replayed on {name}, a model of the kernel{also}.")


def _left_out(replayed: Replayed) -> Iterator[str]:
    """What the design assumes, and what its header says is left out."""
    yield "What the model leaves out:"
    yield ""
    for reason in replayed.compiled.system.assumptions:
        yield from wrapped(f"assumed: {reason}", "  - ", "    ")
    for text in _headers(replayed.compiled.source):
        yield from wrap(text, WIDTH, initial_indent="  - ", subsequent_indent="    ")
    yield ""
    yield from wrapped(f"Its text: {_file(replayed)}")


def _headers(design: type) -> Iterator[str]:
    """The sentences in the headers of the design's modules that say what is left
    out."""
    owners = [*own_classes(design), *(type(b) for _, b in blocks(design))]
    for module in dict.fromkeys(c.__module__ for c in owners):
        for paragraph in re.split(r"\n\n|\n- ", sys.modules[module].__doc__ or ""):
            text = " ".join(paragraph.split())
            if (at := text.find("Left out: ")) >= 0:
                yield text[at + len("Left out: ") :]
                continue
            for sentence in re.split(r"(?<=\.) (?=[A-Z])", text):
                if "left out" in sentence and "header" not in sentence:
                    yield sentence


def _file(replayed: Replayed) -> str:
    span = class_span(replayed.compiled.source)
    return span.file if span else replayed.heading.design
