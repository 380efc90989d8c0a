# SPDX-License-Identifier: GPL-2.0-only
"""The review as one page of HTML.

The page is self-contained: no script, no network, light and dark. First comes the
content of the plain page, then all answers with a filter made of radio buttons, then
each spec. A run has a picture for each step (pictures.py). If pictures would make the
page too long, it has the calls only.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from html import escape
from pathlib import Path

from poolproof.checker.driver.assertions import listed, listed_names, titles_asked
from poolproof.checker.driver.judging import (
    CheckResult,
    ExpectationStatus,
    PropertyResult,
)
from poolproof.checker.driver.objections import PageCell, severity
from poolproof.checker.driver.scores import Scores
from poolproof.checker.driver.task import Task
from poolproof.checker.reports.check import settings
from poolproof.checker.reports.page import (
    KEY,
    NO_FIGURES,
    Overview,
    PoolCell,
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
from poolproof.checker.reports.pictures import pictures
from poolproof.checker.reports.review import answer_of, cell_text, each_spec, rests_on
from poolproof.checker.reports.schedule import replay_lines
from poolproof.checker.reports.text import broken_by, why

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
.none { color: var(--soft); }
.cells td { white-space: nowrap; } .cells tbody th { min-width: 9rem; }
.cells a { text-decoration: none; }
.back { font-size: .85rem; }
"""

GLYPHS = {"bad": "\u2717", "open": "?", "vacuous": "\u2205", "good": "\u2713"}
"""A sign for each severity, beside its colour."""

INKS = {"bad": "--bad", "open": "--mark", "vacuous": "--mark", "good": "--good"}
"""The colour of each severity."""

LENGTH = 1_450_000
"""Most characters of a page. Pictures of runs fill what is left, those of the runs at
its head first."""


def page(view: Overview) -> str:
    """Return the whole review as one HTML file."""
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
        long = sum(map(len, pictures(c.task.compiled, a.replay)))
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
    for upgrade, pools in upgrade_rows(view):
        yield f'<tr><th scope="row">{escape(upgrade.title)}</th>'
        yield from (_pool(p) for p in pools)
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
        return _without_answer(text, cell.missing)
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


def _pool(cell: PoolCell) -> str:
    text = least_pool(cell)
    if cell.found is None:
        return _without_answer(text, cell.missing)
    return f"<td>{escape(text)}</td>"


def _without_answer(text: str, why: str) -> str:
    """Return a cell that leads nowhere, with the reason why it has no answer."""
    title = f' title="{escape(why)}"' if why else ""
    return f'<td class="none"{title}>{escape(text)}</td>'


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
    """Yield all answers, those of a check below its design and bounds, and the radio
    buttons that choose among them. A group has the classes of all its rows."""
    designs = list(dict.fromkeys(c.task.known.name for c in view.done))
    questions = [o for o, _ in objection_rows(view)]
    choices = {
        "design": designs,
        "question": [f"{o.words}" for o in questions],
        "verdict": list(GLYPHS),
    }
    yield '<section id="answers"><h2>All answers</h2><style>'
    for what, some in choices.items():
        rows = "tbody" if what == "design" else ":is(tbody,tbody tr:not(.of))"
        for k in range(len(some)):
            name = f"{what[0]}{k}"
            yield f"#answers:has(#{name}:checked) {rows}:not(.{name}){{display:none}}"
    for k, kind in enumerate(GLYPHS):
        yield f".{kind}, tr.v{k} td+td {{ color: var({INKS[kind]}); }}"
    yield '</style><div class="filter">'
    for what, some in choices.items():
        yield f"<fieldset><legend>{what}</legend><label>"
        yield f'<input type="radio" name="{what}" checked> all</label>'
        for k, text in enumerate(some):
            button = f'<input type="radio" name="{what}" id="{what[0]}{k}">'
            yield f"<label>{button} {escape(text)}</label>"
        yield "</fieldset>"
    yield '</div><div class="wide"><table><thead><tr><th>property</th>'
    yield "<th>verdict</th></tr></thead>"
    about: dict[str, list[int]] = {}
    for k, objection in enumerate(questions):
        for word in objection.properties:
            about.setdefault(word.text, []).append(k)
    for c in view.done:
        stem = Path(c.task.spec.file).stem
        number, column = anchors[id(c)]
        kinds = {f"d{designs.index(c.task.known.name)}": None}
        lines: list[str] = []
        for answer in listed(c):
            kind = severity(answer.verdict)
            mine = [f"q{k}" for k in about.get(f"{stem}.{answer.prop.name}", ())]
            mine.append(f"v{list(GLYPHS).index(kind)}")
            kinds.update(dict.fromkeys(mine))
            title = escape(plain_title(answer.prop.title) or answer.prop.name)
            text = f"{GLYPHS[kind]} {escape(cell_text(c, answer.prop.name))}"
            if answer.replay is not None:
                there = _anchor(number, column, answer.prop.name)
                text = f'<a href="#{there}">{text}</a>'
            lines.append(
                f'<tr class="{" ".join(mine)}"><td>{title}</td><td>{text}</td></tr>'
            )
        yield f'<tbody class="{" ".join(kinds)}"><tr class="of"><th colspan="2">'
        yield f'<a href="#spec{number}">{escape(c.task.known.name)}</a> '
        yield f'<span class="soft">{escape(settings(c.task))}</span></th></tr>'
        yield from lines
        yield "</tbody>"
    yield "</table></div></section>"


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
            yield from pictures(c.task.compiled, replayed)
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
    yield f"<code>{escape(prop.name)}</code></h3>"
    if shown:
        yield from pictures(task.compiled, replayed)
    else:
        calls = "\n".join(replay_lines(task.compiled, replayed))
        yield f"<pre>{escape(calls)}</pre>"
    words = "\n".join(line[2:] for line in why(system, prop, replayed))
    if words:
        yield f"<pre>{escape(words)}</pre>"
    yield f'<p class="back"><a href="#{back}">back to the spec</a></p></article>'
