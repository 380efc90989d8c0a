# SPDX-License-Identifier: GPL-2.0-only
"""The review as Markdown."""

from __future__ import annotations

from collections.abc import Iterator

from poolproof.checker.driver.assertions import listed_names, titles_asked
from poolproof.checker.driver.judging import PropertyResult
from poolproof.checker.driver.task import Task
from poolproof.checker.evidence.replay import Replay, show_step
from poolproof.checker.reports.check import settings
from poolproof.checker.reports.page import (
    KEY,
    NO_FIGURES,
    Overview,
    column_assumptions,
    figures,
    least_pool,
    objection_rows,
    page_runs,
    spec_settings,
    taken_for_granted,
    upgrade_rows,
)
from poolproof.checker.reports.page import cell_text as page_cell
from poolproof.checker.reports.review import cell_text, each_spec, rests_on
from poolproof.checker.reports.text import why


def markdown(view: Overview) -> str:
    """Return the page, then the tables, what they rest on, and each run as a list of
    calls."""
    lines = ["# Review", "", *_page(view)]
    for some in each_spec(view.done):
        spec = some[0].task.spec
        lines += [f"## {_md(spec.title)}", "", f"`{spec.file}`", ""]
        lines += ["| | " + " | ".join(c.task.known.name for c in some) + " |"]
        lines += ["|---" * (len(some) + 1) + "|"]
        titles = titles_asked(some)
        for name in (*titles, *listed_names(some)):
            cells = " | ".join(_md(cell_text(c, name)) for c in some)
            title = _md(titles.get(name, ""))
            lines.append(f"| {title}{' ' if title else ''}`{name}` | {cells} |")
        lines.append("")
        for c in some:
            reasons = "; ".join([settings(c.task), *rests_on(c, view.scores)])
            lines.append(f"- {c.task.known.name}: {_md(reasons)}")
        for c in some:
            for answer in c.answers:
                if answer.replay is not None:
                    lines += ["", *_markdown_run(c.task, answer, answer.replay)]
        lines.append("")
    return "\n".join(lines).rstrip() + "\n"


def _page(view: Overview) -> Iterator[str]:
    """Yield the part that comes first in all forms of the review."""
    if not view.columns:
        return
    yield "| | " + " | ".join(_md(c.title) for c in view.columns) + " |"
    yield "|---" * (len(view.columns) + 1) + "|"
    yield "| | " + " | ".join(_md(c.status) for c in view.columns) + " |"
    for objection, cells in objection_rows(view):
        texts = " | ".join(_md(page_cell(c, view)) for c in cells)
        yield f'| "{_md(objection.words)}" ({_md(objection.who)}) | {texts} |'
    for upgrade, pools in upgrade_rows(view):
        texts = " | ".join(_md(least_pool(p)) for p in pools)
        yield f"| {_md(upgrade.title)} | {texts} |"
    yield from ("", _md(KEY), "")
    for file, letter in view.keys.items():
        yield f"- {letter}: `{file}`, {_md(spec_settings(file, view.done))}"
    for column in view.columns:
        names = ", ".join(k.name for k in column.designs)
        parts = [f"assumed: {t}" for t in taken_for_granted(column)]
        parts += [*column_assumptions(column), figures(column, view) or NO_FIGURES]
        yield f"- {_md(column.title)} ({_md(names)}): {_md('; '.join(parts))}"
    yield ""
    for run in page_runs(view):
        head = f"{run.run.title} ({run.where})"
        yield from (f"{_md(head)}:", "", "```", *run.calls, "```", "")


def _md(text: str) -> str:
    for mark in "\\|*_<>`":
        text = text.replace(mark, "\\" + mark)
    return text


def _markdown_run(task: Task, answer: PropertyResult, replayed: Replay) -> list[str]:
    system = task.compiled.system
    calls = [
        f"{n}. {show_step(system, t.step, t.result)}"
        for n, t in enumerate(replayed.taken, 1)
    ]
    head = f"{task.known.name}, {answer.prop.name}: {answer.prop.title}".rstrip(": ")
    reasons = [line[2:] for line in why(system, answer.prop, replayed)]
    return [f"{_md(head)}:", "", "```", *calls, *reasons, "```"]
