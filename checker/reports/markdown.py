# SPDX-License-Identifier: GPL-2.0-only
"""The review as Markdown."""

from __future__ import annotations

from collections.abc import Sequence

from poolproof.checker.driver.assertions import listed_names
from poolproof.checker.driver.check import CheckResult, PropertyResult, Task
from poolproof.checker.driver.review import LeastPools
from poolproof.checker.driver.scores import Scores
from poolproof.checker.evidence.replay import Replay, show_step
from poolproof.checker.reports.check import settings
from poolproof.checker.reports.review import (
    LETTERS,
    cell_text,
    each_spec,
    rests_on,
    size_rows,
)
from poolproof.checker.reports.text import why


def markdown(
    done: Sequence[CheckResult], scores: Scores, sizes: LeastPools | None = None
) -> str:
    """The tables, what they rest on, and each run as a list of calls."""
    lines = ["# Review", ""]
    for some in each_spec(done):
        spec = some[0].task.spec
        lines += [f"## {_md(spec.title)}", "", f"`{spec.file}`", ""]
        lines += ["| | " + " | ".join(c.task.known.name for c in some) + " |"]
        lines += ["|---" * (len(some) + 1) + "|"]
        claims = [claim.name.text for claim in spec.claims]
        for name in claims + listed_names(some):
            cells = " | ".join(_md(cell_text(c, name)) for c in some)
            lines.append(f"| `{name}` | {cells} |")
        lines.append("")
        for c in some:
            reasons = "; ".join([settings(c.task), *rests_on(c, scores)])
            lines.append(f"- {c.task.known.name}: {_md(reasons)}")
        for c in some:
            for answer in c.answers:
                if answer.replay is not None:
                    lines += ["", *_markdown_run(c.task, answer, answer.replay)]
        lines.append("")
    if sizes is not None:
        names = sizes.designs
        lines += [f"## {_md(sizes.spec.title)}", "", f"`{sizes.spec.file}`", ""]
        lines += ["| least pool | " + " | ".join(names) + " |"]
        lines += ["|---" * (len(names) + 1) + "|"]
        for name, row in size_rows(sizes, names):
            lines.append(f"| `{name}` | " + " | ".join(map(_md, row)) + " |")
        lines += ["", LETTERS]
    return "\n".join(lines).rstrip() + "\n"


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
