# SPDX-License-Identifier: GPL-2.0-only
"""The review as one page of HTML.

The page stands by itself: no script, no network, light and dark. First comes what
the plain page has, then all answers with a filter made of radio buttons, then each
spec. A run has a picture for each step: tables of two indices as strips, counters
as bars, all else as labelled cells; what a step changed has a frame. Every picture
has a title and a description in words. Pictures that would make the page too long
are left out, and the calls are there. Nothing here knows what a huge page is.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from html import escape
from itertools import product
from pathlib import Path

from poolproof.checker.core.compiled import Compiled
from poolproof.checker.core.ir import INT, show_raw
from poolproof.checker.core.system import Cell, State, TransitionSystem, Variable
from poolproof.checker.core.verdict import Step
from poolproof.checker.driver.assertions import listed, listed_names, titles_asked
from poolproof.checker.driver.check import (
    CheckResult,
    ExpectationStatus,
    PropertyResult,
    Task,
)
from poolproof.checker.driver.objections import PageCell, severity
from poolproof.checker.driver.scores import Scores
from poolproof.checker.evidence.replay import Replay, show_step
from poolproof.checker.reports.check import settings
from poolproof.checker.reports.lanes import Lanes
from poolproof.checker.reports.page import (
    KEY,
    NO_FIGURES,
    Overview,
    column_assumptions,
    figures,
    least_pool,
    objection_rows,
    page_runs,
    plain_title,
    spec_settings,
    taken_for_granted,
    upgrade_rows,
)
from poolproof.checker.reports.page import cell_text as page_cell
from poolproof.checker.reports.review import answer_of, cell_text, each_spec, rests_on
from poolproof.checker.reports.schedule import Call, schedule_lines
from poolproof.checker.reports.text import broken_by, is_strips, letters, why
from poolproof.checker.reports.words import short

# --- the page -------------------------------------------------------------

_STYLE = """\
:root { color-scheme: light dark; --ink: #1b1f24; --soft: #57606a; --paper: #fff;
  --line: #c9ced4; --back: #f3f5f7; --mark: #b35900; --bar: #3d7dca;
  --c0: #e6e9ec; --c1: #9ecbff; --c2: #ffd08a; --c3: #a6e3b4; --c4: #e3b5f0;
  --c5: #ffb3ad; --c6: #f2e394; --c7: #9fe0dc; --bad: #b3261e; --good: #1a7f37; }
@media (prefers-color-scheme: dark) { :root { --ink: #e6e9ec; --soft: #9da7b1;
  --paper: #14171a; --line: #3c434b; --back: #1e2328; --mark: #ffa657;
  --bar: #4c8edb; --c0: #2b3138; --c1: #1f5a99; --c2: #8a5a12; --c3: #23683a;
  --c4: #6d3a80; --c5: #8f332d; --c6: #6f641a; --c7: #1d6763; --bad: #ff8f86;
  --good: #56d364; } }
* { box-sizing: border-box; }
body { font: 16px/1.5 system-ui, sans-serif; color: var(--ink);
  background: var(--paper); max-width: 76rem; margin: 0 auto; padding: 1rem; }
h1 { font-size: 1.7rem; } h2 { font-size: 1.3rem; margin-top: 3rem; }
h3 { font-size: 1.05rem; margin-top: 2.5rem; } p, li { max-width: 48rem; }
code, .call, svg text { font-family: ui-monospace, monospace; }
a { color: inherit; } .soft { color: var(--soft); }
.wide { overflow-x: auto; } table { border-collapse: collapse; font-size: .9rem; }
th, td { border: 1px solid var(--line); padding: .3rem .55rem; text-align: left;
  vertical-align: top; max-width: 20rem; }
thead th { background: var(--back); } th span { font-weight: 400; }
.other { border-left: 4px solid var(--mark); }
ol.run { list-style: none; padding: 0; } ol.run > li { margin: 0 0 1.1rem;
  max-width: none; } .call { font-weight: 600; overflow-wrap: anywhere; }
.lanes { display: flex; } .lane { flex: 1; color: var(--soft);
  border-top: 2px solid var(--line); } .now { border-color: var(--mark); }
figure { margin: .3rem 0 0; overflow-x: auto; } svg { display: block;
  background: var(--back); border-radius: 4px; }
pre { background: var(--back); padding: .7rem; overflow-x: auto; font-size: .85rem; }
svg text { font-size: 12px; fill: var(--ink); } svg .name { fill: var(--soft); }
svg .cell { stroke: var(--line); } svg .track { fill: var(--c0); }
svg .fill { fill: var(--bar); } svg .new { fill: none; stroke: var(--mark);
  stroke-width: 2.5; }
""" + "\n".join(f"svg .k{k} {{ fill: var(--c{k}); }}" for k in range(8))


_FILTER = """\
.filter { display: grid; gap: .6rem; margin: 1rem 0; }
.filter fieldset { border: 1px solid var(--line); border-radius: 4px; }
.filter label { display: inline-block; margin: .1rem .8rem .1rem 0; font-size: .85rem; }
.bad { color: var(--bad); } .good { color: var(--good); }
.open, .vacuous { color: var(--mark); } .none { color: var(--soft); }
.cells td { white-space: nowrap; } .cells tbody th { min-width: 9rem; }
.cells a { text-decoration: none; }
.back { font-size: .85rem; }
"""

GLYPHS = {"bad": "\u2717", "open": "?", "vacuous": "\u2205", "good": "\u2713"}
"""A sign for each severity, beside its colour."""

LENGTH = 1_450_000
"""Most characters of a page. Pictures of runs fill what is left, those of the runs at
its head first."""


def page(view: Overview) -> str:
    """The whole review as one HTML file."""
    sections = list(each_spec(view.done))
    anchors = {
        id(c): (number, k)
        for number, some in enumerate(sections)
        for k, c in enumerate(some)
    }
    bare = len(_whole(view, sections, anchors, frozenset()))
    drawn = _drawn_runs(view, sections, LENGTH - bare)
    return _whole(view, sections, anchors, drawn)


def _whole(
    view: Overview,
    sections: Sequence[Sequence[CheckResult]],
    anchors: Anchors,
    drawn: Drawn,
) -> str:
    parts = ['<h1 id="top">Review</h1>', *_objections(view, anchors)]
    parts += [*_runs(view, anchors), *_answers(view, anchors)]
    parts.append('<nav id="specs"><h2>The specs</h2><ul>')
    for number, some in enumerate(sections):
        title = escape(some[0].task.spec.title)
        parts.append(f'<li><a href="#spec{number}">{title}</a></li>')
    parts.append("</ul></nav><main>")
    for number, some in enumerate(sections):
        parts += _section(number, some, view.scores, drawn)
    parts.append("</main>")
    return (
        '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        '<link rel="icon" href="data:,">\n'
        f"<title>poolproof review</title>\n<style>\n{_STYLE}\n{_FILTER}</style>\n"
        "</head>\n<body>\n" + "\n".join(parts) + "\n</body>\n</html>\n"
    )


Anchors = Mapping[int, tuple[int, int]]
"""By the id() of a check: the number of its spec, and its column there."""

Drawn = frozenset[tuple[int, str]]
"""The runs with pictures: the id() of the check, and the property."""


def _drawn_runs(
    view: Overview, sections: Sequence[Sequence[CheckResult]], room: int
) -> Drawn:
    """The page's own runs, and as many others as there is ``room`` for, in
    characters."""
    first = [run.asked for run in page_runs(view) if run.asked is not None]
    every = [
        (c, a)
        for some in sections
        for c in some
        for a in c.answers
        if a.replay is not None
    ]
    found: set[tuple[int, str]] = set()
    for c, a in [*((x.checked, x.answer) for x in first), *every]:
        name = (id(c), a.prop.name)
        if a.replay is None or name in found or room <= 0:
            continue
        long = sum(map(len, _pictures(c.task.compiled, a.replay)))
        if long <= room:
            found.add(name)
            room -= long
    return frozenset(found)


def _objections(view: Overview, anchors: Anchors) -> Iterator[str]:
    """Yield the first table, the key to its cells, and what columns are based on."""
    if not view.columns:
        return
    yield '<section id="objections"><h2>What was said, and the worst '
    yield f'result of each design</h2><p class="soft">{escape(KEY)}</p>'
    yield '<div class="wide cells"><table><thead><tr><th scope="col">objection</th>'
    for k, column in enumerate(view.columns):
        yield f'<th scope="col"><a href="#column{k}">{escape(column.title)}</a><br>'
        yield f'<span class="soft">{escape(column.status)}</span></th>'
    yield "</tr></thead><tbody>"
    for objection, cells in objection_rows(view):
        yield f'<tr><th scope="row"><q>{escape(objection.words)}</q><br>'
        yield f'<span class="soft">{escape(objection.who)}</span></th>'
        yield from (_cell(cell, view, anchors) for cell in cells)
        yield "</tr>"
    for upgrade, found in upgrade_rows(view):
        yield f'<tr><th scope="row">{escape(upgrade.title)}</th>'
        yield from (f"<td>{escape(least_pool(f))}</td>" for f in found)
        yield "</tr>"
    yield '</tbody></table></div><ul class="soft">'
    for file, letter in view.keys.items():
        words = f"{letter}: {file}, {spec_settings(file, view.done)}"
        yield f"<li>{escape(words)}</li>"
    yield "</ul>"
    for k, column in enumerate(view.columns):
        names = ", ".join(known.name for known in column.designs)
        yield f'<h3 id="column{k}">{escape(column.title)}, {escape(column.status)} '
        yield f'<span class="soft">({escape(names)})</span></h3><ul>'
        lines = [f"assumed: {t}" for t in taken_for_granted(column)]
        lines += [*column_assumptions(column), figures(column, view) or NO_FIGURES]
        yield from (f"<li>{escape(line)}</li>" for line in lines)
        yield '</ul><p class="back"><a href="#objections">back to the table</a></p>'
    yield "</section>"


def _cell(cell: PageCell, view: Overview, anchors: Anchors) -> str:
    text = escape(page_cell(cell, view))
    if not cell.answers:
        return f'<td class="none">{text}</td>'
    worst = cell.answers[0]
    kind = severity(worst.answer.verdict)
    name = worst.answer.prop.name
    number, k = anchors[id(worst.checked)]
    there = f"#spec{number}"
    if worst.answer.replay is not None:
        there = f"#{_anchor(number, k, name)}"
    title = escape(f"{worst.answer.prop.title} ({worst.checked.task.known.name})")
    link = f'<a href="{there}" title="{title}">{GLYPHS[kind]} {text}</a>'
    return f'<td class="{kind}">{link}</td>'


def _runs(view: Overview, anchors: Anchors) -> Iterator[str]:
    """The page's own runs, as lists of calls."""
    yield '<section id="runs"><h2>Runs in full</h2>'
    for run in page_runs(view):
        yield f"<h3>{escape(run.run.title)}</h3>"
        yield f'<p class="soft">{escape(run.where)}</p>'
        yield f"<pre>{escape(chr(10).join(run.calls))}</pre>"
        if run.asked is not None:
            number, k = anchors[id(run.asked.checked)]
            there = _anchor(number, k, run.asked.answer.prop.name)
            yield f'<p><a href="#{there}">each step as a picture</a></p>'
    yield '<p class="back"><a href="#objections">back to the table</a></p></section>'


def _answers(view: Overview, anchors: Anchors) -> Iterator[str]:
    """All answers, and the radio buttons that choose among them."""
    designs = list(dict.fromkeys(c.task.known.name for c in view.done))
    questions = [o for o, _ in objection_rows(view)]
    choices = {
        "design": designs,
        "question": [f"{o.words}" for o in questions],
        "verdict": list(GLYPHS),
    }
    yield '<section id="answers"><h2>All answers</h2><style>'
    for what, some in choices.items():
        yield from (
            f"#answers:has(#{what}{k}:checked) tbody tr:not(.{what}{k}){{display:none}}"
            for k in range(len(some))
        )
    yield '</style><div class="filter">'
    for what, some in choices.items():
        yield f"<fieldset><legend>{what}</legend><label>"
        yield f'<input type="radio" name="{what}" checked> all</label>'
        for k, text in enumerate(some):
            button = f'<input type="radio" name="{what}" id="{what}{k}">'
            yield f"<label>{button} {escape(text)}</label>"
        yield "</fieldset>"
    yield '</div><div class="wide"><table><thead><tr><th>design</th><th>property</th>'
    yield "<th>verdict</th><th>bounds</th></tr></thead><tbody>"
    about: dict[str, list[int]] = {}
    for k, objection in enumerate(questions):
        for word in objection.properties:
            about.setdefault(word.text, []).append(k)
    for c in view.done:
        stem = Path(c.task.spec.file).stem
        number, column = anchors[id(c)]
        for answer in listed(c):
            kind = severity(answer.verdict)
            kinds = [f"design{designs.index(c.task.known.name)}"]
            kinds += [
                f"question{k}" for k in about.get(f"{stem}.{answer.prop.name}", ())
            ]
            kinds.append(f"verdict{list(GLYPHS).index(kind)}")
            there = f"#spec{number}"
            if answer.replay is not None:
                there = f"#{_anchor(number, column, answer.prop.name)}"
            yield f'<tr class="{" ".join(kinds)}"><td>{escape(c.task.known.name)}</td>'
            title = escape(plain_title(answer.prop.title) or answer.prop.name)
            yield f"<td>{title}</td>"
            text = escape(cell_text(c, answer.prop.name))
            yield f'<td class="{kind}"><a href="{there}">{GLYPHS[kind]} {text}</a></td>'
            yield f"<td>{escape(settings(c.task))}</td></tr>"
    yield "</tbody></table></div></section>"


def _section(
    number: int, some: Sequence[CheckResult], scores: Scores, drawn: Drawn
) -> Iterator[str]:
    spec = some[0].task.spec
    yield f'<section id="spec{number}"><h2>{escape(spec.title)}</h2>'
    yield f'<p class="soft"><code>{escape(spec.file)}</code> '
    yield '<a class="back" href="#objections">back to the table</a></p>'
    yield '<div class="wide"><table><thead><tr><th scope="col">property</th>'
    for c in some:
        yield f'<th scope="col">{escape(c.task.known.name)}<br>'
        yield f'<span class="soft">{escape(settings(c.task))}</span></th>'
    yield "</tr></thead><tbody>"
    titles = titles_asked(some)
    for name in (*titles, *listed_names(some)):
        title = titles.get(name, "")
        title = f"<br><span>{escape(title)}</span>" if title else ""
        yield f'<tr><th scope="row"><code>{escape(name)}</code>{title}</th>'
        for k, c in enumerate(some):
            answer, text = answer_of(c, name), escape(cell_text(c, name))
            if answer is not None and answer.replay is not None:
                text = f'<a href="#{_anchor(number, k, name)}">{text}</a>'
            odd = answer is not None and answer.status is ExpectationStatus.UNMET
            yield f'<td class="other">{text}</td>' if odd else f"<td>{text}</td>"
        yield "</tr>"
    yield '</tbody><tfoot><tr><th scope="row">what this rests on</th>'
    for c in some:
        words = "".join(f"<br>{escape(t)}" for t in rests_on(c, scores))
        yield f'<td class="soft">{words.removeprefix("<br>") or "nothing"}</td>'
    yield "</tr></tfoot></table></div>"
    for k, c in enumerate(some):
        for defect, replayed in c.defects:
            words = "\n".join(broken_by(replayed, defect.message, defect.obligation))
            yield f"<h3>{escape(c.task.known.name)}: the model is wrong</h3>"
            yield f"<pre>{escape(words)}</pre>"
            yield from _pictures(c.task.compiled, replayed)
        for answer in c.answers:
            if answer.replay is not None:
                anchor = _anchor(number, k, answer.prop.name)
                shown = (id(c), answer.prop.name) in drawn
                back = f"spec{number}"
                yield from _run(anchor, back, c.task, answer, shown)
    yield "</section>"


def _anchor(spec: int, column: int, name: str) -> str:
    return f"run-{spec}-{column}-{escape(name)}"


def _run(
    anchor: str, back: str, task: Task, answer: PropertyResult, shown: bool
) -> Iterator[str]:
    """A run: pictures if it is ``shown``, else its calls."""
    prop, system, replayed = answer.prop, task.compiled.system, answer.replay
    assert replayed is not None
    yield f'<article class="trace" id="{anchor}"><h3>{escape(task.known.name)}, '
    yield f"<code>{escape(prop.name)}</code>: {escape(prop.title)}</h3>"
    word = short(answer.verdict, prop.kind)
    said = f"{word}; {settings(task)}"
    yield f'<p class="soft">{escape(said)}'
    yield f"<br>{escape(prop.source)}</p>" if prop.source else "</p>"
    if shown:
        yield from _pictures(task.compiled, replayed)
    else:
        who = Lanes(task.compiled).who
        calls = [Call(who(t.step), t.step, t.result) for t in replayed.taken]
        yield f"<pre>{escape(chr(10).join(schedule_lines(system, calls)))}</pre>"
    words = "\n".join(line[2:] for line in why(system, prop, replayed))
    if words:
        yield f"<pre>{escape(words)}</pre>"
    yield f'<p class="back"><a href="#{back}">back to the spec</a></p></article>'


def _pictures(compiled: Compiled, replayed: Replay) -> Iterator[str]:
    """The start, then each step with the call that led there, in its task's lane."""
    system, lanes = compiled.system, Lanes(compiled)
    drawn = [v for v in _drawn(system, replayed.states) if v.name not in lanes.hidden]
    tops = _tops(system, drawn, replayed.states)
    fixed = [
        _fixed(system, v, replayed.trace.initial)
        for v in system.variables
        if v not in drawn and v.name not in lanes.hidden
    ]
    keys = dict.fromkeys(_key(v) for v in drawn if is_strips(v))
    yield '<ol class="run"><li><span class="call">start</span>'
    yield _figure(system, drawn, tops, replayed.trace.initial, None, "the start")
    yield "</li>"
    before = replayed.trace.initial
    for number, taken in enumerate(replayed.taken, 1):
        call = f"{number}. {show_step(system, taken.step, taken.result)}"
        kernel = system.action_by_name[taken.step.action].kernel.rpartition(":")[2]
        if number - 1 == replayed.trace.loop:
            yield '<li class="soft">from here on for ever:</li>'
        yield f"<li>{_lane(lanes, taken.step)}"
        yield f'<span class="call">{escape(call)}</span> '
        yield f'<span class="soft">{escape(kernel)}</span>'
        note = lanes.note(taken.step, taken.state)
        yield (
            f'<br><span class="soft">{escape(note)}</span></div>'
            if note
            else ("</div>" if lanes.names else "")
        )
        yield _figure(system, drawn, tops, taken.state, before, call)
        yield "</li>"
        before = taken.state
    if replayed.failing is not None:
        call = show_step(system, replayed.failing)
        yield f'<li><span class="call">{escape(call)}</span></li>'
    yield "</ol>"
    if keys:
        yield f'<p class="soft">In the strips: {escape("; ".join(keys))}.</p>'
    if fixed:
        yield f'<p class="soft">Never changed here: {escape(", ".join(fixed))}.</p>'


def _lane(lanes: Lanes, step: Step) -> str:
    """The beginning of a step in its task's lane; nothing without lanes."""
    if not lanes.names:
        return ""
    lane = lanes.lane(step)
    heads = "".join(
        f'<span class="lane{" now" if k == lane else ""}">{escape(name)}</span>'
        for k, name in enumerate(lanes.names)
    )
    indent = f"{100 * (lane or 0) // len(lanes.names)}%"
    return f'<div class="lanes">{heads}</div><div style="margin-left:{indent}">'


def _key(v: Variable) -> str:
    letter = letters(v.element) or {}
    return ", ".join(f"{a} is {show_raw(v.element, raw)}" for raw, a in letter.items())


def _fixed(system: TransitionSystem, v: Variable, state: State) -> str:
    """A variable that keeps its value, with it where it is short."""
    raws = [state[k] for k, c in enumerate(system.cells) if c.variable is v]
    if len(set(raws)) > 1:
        return v.name
    each = " (each)" if len(raws) > 1 else ""
    return f"{v.name} = {show_raw(v.element, raws[0])}{each}" if raws else v.name


def _drawn(system: TransitionSystem, states: Sequence[State]) -> list[Variable]:
    """What changes somewhere in the run, strips first; all, where nothing
    does."""
    moved = {
        c.variable.name
        for k, c in enumerate(system.cells)
        if len({s[k] for s in states}) > 1
    }
    some = [v for v in system.variables if not moved or v.name in moved]
    return sorted(some, key=lambda v: not is_strips(v))


def _tops(
    system: TransitionSystem, drawn: Sequence[Variable], states: Sequence[State]
) -> dict[str, int]:
    """The full length of each counter's bar: its range, or the most seen."""
    tops: dict[str, int] = {}
    for v in drawn:
        if v.element is not INT:
            continue
        seen = max(
            s[k] for s in states for k, c in enumerate(system.cells) if c.variable is v
        )
        high = v.hi.data if v.hi is not None and v.hi.is_const else seen
        tops[v.name] = max(1, seen, high if high <= 4 * max(seen, 4) else seen)
    return tops


# --- one picture ----------------------------------------------------------

_WIDTH, _MARGIN, _CELL, _LETTER = 760, 8, 20, 7.3


@dataclass
class _Pen:
    """Where the next mark goes. Marks that do not fit go on a new line."""

    left: float
    x: float = 0.0
    y: float = float(_MARGIN)

    def line(self) -> None:
        self.x, self.y = self.left, self.y + _CELL + 8

    def room(self, wide: float) -> None:
        if self.x + wide > _WIDTH - _MARGIN and self.x > self.left:
            self.line()


def _figure(
    system: TransitionSystem,
    drawn: Sequence[Variable],
    tops: Mapping[str, int],
    state: State,
    before: State | None,
    title: str,
) -> str:
    """The state as a picture; what differs from ``before`` has a frame."""
    pen = _Pen(_MARGIN + _LETTER * max((len(v.name) for v in drawn), default=0) + 14)
    marks: list[str] = []
    changes: list[str] = []
    for v in drawn:
        pen.x = pen.left
        marks.append(_text(_MARGIN, pen.y, v.name, "name"))
        for row in _rows(v):
            cells = [system.cell_of[v.name, index] for index in row]
            wide = _row_width(v, row, tops)
            pen.room(wide)
            raw = [state[k] for k in cells]
            new = [before is not None and before[k] != state[k] for k in cells]
            values = zip(raw, new, strict=True)
            marks += _row(v, _label(v, row), values, tops.get(v.name), pen)
            if before is not None:
                changes += [
                    _change(system.cells[k], before, state, k)
                    for k in cells
                    if before[k] != state[k]
                ]
        pen.line()
    high = pen.y + _MARGIN - 8
    words = "; ".join(changes) or ("nothing changes" if before else "as it begins")
    return (
        f'<figure><svg role="img" viewBox="0 0 {_WIDTH} {high:g}" width="{_WIDTH}" '
        f'height="{high:g}"><title>{escape(title)}</title>'
        f"<desc>{escape(words)}</desc>{''.join(marks)}</svg></figure>"
    )


def _change(cell: Cell, before: State, after: State, k: int) -> str:
    sort = cell.variable.element
    return f"{cell.name} {show_raw(sort, before[k])} becomes {show_raw(sort, after[k])}"


def _rows(v: Variable) -> list[list[tuple[int, ...]]]:
    """The cells that stand together: those of a strip, else each by itself."""
    if is_strips(v):
        return [[(row, k) for k in v.index[1]] for row in v.index[0]]
    return [[index] for index in product(*v.index)]


def _label(v: Variable, row: Sequence[tuple[int, ...]]) -> str:
    index = row[0][:1] if is_strips(v) else row[0]
    return ",".join(show_raw(d.sort, i) for d, i in zip(v.index, index, strict=False))


def _widest(v: Variable) -> int:
    labels = getattr(v.element, "labels", None)
    if labels:
        return max(map(len, labels))
    size = getattr(v.element, "size", None)
    if size is not None:
        return max(4, len(show_raw(v.element, size - 1)))
    domain = getattr(v.element, "domain", None)
    if domain is not None:
        return len(show_raw(v.element, (1 << len(domain)) - 1))
    return 5


_BAR = 80


def _row_width(
    v: Variable, row: Sequence[tuple[int, ...]], tops: Mapping[str, int]
) -> float:
    label = len(_label(v, row)) * _LETTER + 6
    if is_strips(v):
        return label + len(row) * (_CELL + 2) + 14
    if v.name in tops:
        return label + _BAR + 42
    return label + _widest(v) * _LETTER + 12 + 14


def _row(
    v: Variable,
    label: str,
    values: Iterable[tuple[int, bool]],
    top: int | None,
    pen: _Pen,
) -> Iterator[str]:
    """Draw cells of a variable: their values, and whether each is new. Numbers up
    to ``top`` are bars."""
    if label:
        yield _text(pen.x, pen.y, label, "name")
        pen.x += len(label) * _LETTER + 6
    for raw, new in values:
        if top is not None:
            share = max(0, min(1, raw / top)) * _BAR
            yield _box(pen.x, pen.y + 4, _BAR, _CELL - 8, "track")
            yield _box(pen.x, pen.y + 4, share, _CELL - 8, "fill") if share else ""
            if new:
                yield _box(pen.x - 2, pen.y + 2, _BAR + 4, _CELL - 4, "new")
            yield _text(pen.x + _BAR + 6, pen.y, str(raw), "")
            pen.x += _BAR + 42
            continue
        letter = letters(v.element)
        small = is_strips(v) and letter is not None
        text = (letter or {}).get(raw, "?") if small else show_raw(v.element, raw)
        wide = _CELL if small else _widest(v) * _LETTER + 12
        empty = text == "{}" or (letter or {}).get(raw) == "."
        yield _box(pen.x, pen.y, wide, _CELL, f"cell k{0 if empty else 1 + raw % 7}")
        if new:
            yield _box(pen.x, pen.y, wide, _CELL, "new")
        yield _text(pen.x + 6, pen.y, text, "")
        pen.x += wide + (2 if small else 14)
    if is_strips(v):
        pen.x += 14


def _box(x: float, y: float, wide: float, high: float, kind: str) -> str:
    return (
        f'<rect class="{kind}" x="{x:g}" y="{y:g}" width="{wide:g}" '
        f'height="{high:g}" rx="2"/>'
    )


def _text(x: float, y: float, text: str, kind: str) -> str:
    named = f' class="{kind}"' if kind else ""
    return f'<text{named} x="{x:g}" y="{y + 14:g}">{escape(text)}</text>'
