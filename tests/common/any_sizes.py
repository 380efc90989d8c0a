# SPDX-License-Identifier: GPL-2.0-only
"""What is proved at open sizes of each shipped spec and design.

`tests/scores/any_sizes.txt` has a line for each pair that was measured: how many of
its invariants and step properties are proved with as many bounds open as may be,
how many a search violates (by what the spec expects), how many are neither, which
bounds stay, and what stood in the way of most of the last kind.

    python -m tests.common.any_sizes SPEC...     measures these, and writes the table
    python -m tests.common.any_sizes             measures what has no line
"""

from __future__ import annotations

import argparse
import re
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from poolproof.checker.core.property import Property
from poolproof.checker.core.verdict import Budget, Holds, Silent, Unknown, Verdict
from poolproof.checker.driver.check import asked
from poolproof.checker.driver.designs import find_spec, shipped_specs
from poolproof.checker.driver.task import Request, Task, prepare
from poolproof.checker.spec import parse

TABLE = Path(__file__).parents[1] / "scores" / "any_sizes.txt"
SECONDS = 150.0
"""Time for a pair; on a busy machine, less is proved in it."""


@dataclass(frozen=True)
class Measured:
    """The counts of one spec and design."""

    spec: str
    design: str
    proved: int
    violated: int
    left: int
    stays: str
    why: str

    def __str__(self) -> str:
        counts = f"{self.proved:3} {self.violated:3} {self.left:3}"
        line = f"{self.spec:<28} {self.design:<24} {counts}  {self.stays}; {self.why}"
        return line.rstrip("; ")


def counted(task: Task) -> list[Property]:
    """Return the spec's own invariants and step properties."""
    return [
        p
        for p in task.resolved.properties
        if p.kind.safety and not p.kind.of_runs and not p.assertion
    ]


def is_violated(p: Property) -> bool:
    """Whether the spec says that a search violates the property."""
    return p.expect is not None and p.expect.verdict == "violated"


def measure(spec: str, design: str) -> tuple[Measured, list[str]]:
    """Return the counts, and the properties that are proved and that a search
    violates: there must be none."""
    request = Request(designs=(design,), any_size=("all",))
    (task,) = prepare(parse(find_spec(spec)), request)
    budget = Budget(seconds=SECONDS)
    (outcome,) = asked(task, "prove", budget, Silent(), lambda: False)
    verdicts = outcome.verdicts
    mine = counted(task)
    proved = [p for p in mine if isinstance(verdicts.get(p.name), Holds)]
    violated = [p for p in mine if is_violated(p)]
    left = [p for p in mine if p not in proved and p not in violated]
    why = Counter(reason(verdicts.get(p.name)) for p in left).most_common(1)
    stays = [n.split()[0] for n in outcome.statistics.notes if " stays at " in n]
    row = Measured(
        spec,
        design,
        len(proved),
        len(violated),
        len(left),
        ",".join(stays),
        why[0][0] if why else "",
    )
    return row, [p.name for p in proved if p in violated]


def reason(verdict: Verdict | None) -> str:
    """Return a verdict's reason without names and numbers: what to group by."""
    if not isinstance(verdict, Unknown):
        return "not asked"
    text = verdict.reason.split(", e.g. where")[0]
    for start in ("the time budget", "not shown", "not decided", "the certificate"):
        if text.startswith(start):
            kind = re.sub(r"^not decided: .*: ", "", text) if "decided" in start else ""
            return f"{start}: {kind}" if kind and len(kind) < 40 else start
    return text[:60]


def pairs() -> Iterator[tuple[str, str]]:
    """Yield each shipped spec with each of its designs."""
    for path in shipped_specs():
        for task in prepare(parse(path), Request()):
            yield Path(path).stem, task.known.name


def table() -> dict[tuple[str, str], str]:
    """Return the lines of the table, by spec and design."""
    lines = TABLE.read_text().splitlines() if TABLE.exists() else []
    rows = (line for line in lines if line and not line.startswith("#"))
    return {(row.split()[0], row.split()[1]): row for row in rows}


def by_design(rows: Iterable[str]) -> dict[str, tuple[int, int, int]]:
    """Return (proved, violated, left) of each design."""
    found: dict[str, tuple[int, int, int]] = {}
    for row in rows:
        _, design, *counts = row.split()[:5]
        before = found.get(design, (0, 0, 0))
        a, b, c = (x + int(y) for x, y in zip(before, counts, strict=True))
        found[design] = a, b, c
    return found


def write(rows: dict[tuple[str, str], str]) -> None:
    """Write the table: a line for each design, then one for each pair."""
    lines = ["# design: proved, violated by a search, neither"]
    designs = by_design(rows.values())
    lines += [f"# {d}: {a}, {b}, {c}" for d, (a, b, c) in sorted(designs.items())]
    totals = [sum(column) for column in zip(*designs.values(), strict=True)]
    lines += ["# all: " + ", ".join(map(str, totals))] if totals else []
    lines += [rows[key] for key in sorted(rows)]
    TABLE.write_text("\n".join(lines) + "\n")


def main() -> None:
    """Measure what the arguments name, or what has no line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("spec", nargs="*")
    wanted = parser.parse_args().spec
    rows = table()
    for spec, design in pairs():
        if spec in wanted or (not wanted and (spec, design) not in rows):
            row, wrong = measure(spec, design)
            rows[spec, design] = str(row)
            print(row, *(f"PROVED AND VIOLATED: {n}" for n in wrong), flush=True)
            write(rows)


if __name__ == "__main__":
    main()
