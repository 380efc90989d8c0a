# SPDX-License-Identifier: GPL-2.0-only
"""What is proved at open sizes of each shipped spec and design.

`tests/scores/any_sizes.txt` has a line for each pair that was measured: how many of
its invariants and step properties are proved with as many bounds open as may be,
how many a search violates (by what the spec expects), how many are neither, which
bounds are open, which stay, and what stood in the way of most of the last kind. A
proof with no bound open does not count.

    python -m tests.common.any_sizes SPEC...     measures these, and writes the table
    python -m tests.common.any_sizes             measures what has no line
    python -m tests.common.any_sizes --design D  measures the specs of a design
"""

from __future__ import annotations

import argparse
import re
import signal
from collections import Counter
from collections.abc import Collection, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from poolproof.checker.core.diagnostic import UserError
from poolproof.checker.core.property import Property
from poolproof.checker.core.verdict import (
    Budget,
    Holds,
    Outcome,
    Silent,
    Unknown,
    Verdict,
    Violated,
)
from poolproof.checker.driver.check import asked, opened_sizes
from poolproof.checker.driver.designs import find_spec, shipped_specs
from poolproof.checker.driver.task import Request, Task, prepare
from poolproof.checker.engines.anysize.sizes import small_sizes
from poolproof.checker.engines.explicit import explicit
from poolproof.checker.engines.interruptible import interruptible
from poolproof.checker.frontend.design import compile_design
from poolproof.checker.spec import parse, resolve

TABLE = Path(__file__).parents[1] / "scores" / "any_sizes.txt"
SECONDS = 45.0
"""CPU seconds for a pair. What is proved in them depends on the machine, but not on its
load."""


@dataclass(frozen=True)
class Measured:
    """The counts of one spec and design."""

    spec: str
    design: str
    proved: int
    violated: int
    left: int
    free: str
    stays: str
    why: str

    def __str__(self) -> str:
        counts = f"{self.proved:3} {self.violated:3} {self.left:3}"
        bounds = f"any {self.free}" + f"; {self.stays} stay" * bool(self.stays)
        line = f"{self.spec:<28} {self.design:<24} {counts}  {bounds}"
        return f"{line}; {self.why}" if self.why else line


@contextmanager
def cpu_time(seconds: float) -> Iterator[None]:
    """Interrupt the block, as Ctrl-C does, after this many CPU seconds of the
    process."""

    def stop(*_: object) -> None:
        signal.raise_signal(signal.SIGINT)

    before = signal.signal(signal.SIGPROF, stop)
    signal.setitimer(signal.ITIMER_PROF, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)
        signal.signal(signal.SIGPROF, before)


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


def task_of(spec: str, design: str, having: tuple[str, ...] = ()) -> Task:
    """Return the spec on the design, with more features than the spec's, all bounds
    to be left open."""
    request = Request(designs=(design,), having=having, any_size=("all",))
    (task,) = prepare(parse(find_spec(spec)), request)
    return task


def measure(task: Task) -> tuple[Measured, list[Property]]:
    """Return the counts, and the properties that are proved."""
    with interruptible(), cpu_time(SECONDS):
        (outcome,) = asked(task, "prove", Budget(), Silent(), lambda: False)
    verdicts = outcome.verdicts
    mine = counted(task)
    proved = [p for p in mine if is_proved(verdicts.get(p.name))]
    violated = [p for p in mine if is_violated(p)]
    left = [p for p in mine if p not in proved and p not in violated]
    why = Counter(reason(verdicts.get(p.name)) for p in left).most_common(1)
    stays = [n.split()[0] for n in outcome.statistics.notes if " stays at " in n]
    row = Measured(
        Path(task.spec.file).stem,
        task.known.name,
        len(proved),
        len(violated),
        len(left),
        ",".join(open_bounds(outcome)),
        ",".join(stays),
        why[0][0] if why else "",
    )
    return row, proved


def refuted(task: Task, proved: Iterable[Property], states: int) -> list[str]:
    """Return the properties that some search violates at small sizes, with at most
    this many states each, on the design as it is compiled for them."""
    names, found = {p.name for p in proved}, dict[str, None]()
    cls, own = task.known.cls, task.sizes
    for sizes in small_sizes(opened_sizes(task).compiled.system):
        bounds = {**task.compiled.bounds, **sizes}
        try:
            compiled = compile_design(cls, bounds, own.without, own.having)
        except UserError:
            continue  # a size that the design does not allow
        properties = resolve(task.spec, compiled).properties
        mine = tuple(p for p in properties if p.name in names)
        outcome = explicit(compiled.system, mine, Budget(states=states), Silent())
        verdicts = outcome.verdicts.items()
        found |= dict.fromkeys(n for n, v in verdicts if isinstance(v, Violated))
    return list(found)


def is_proved(verdict: Verdict | None) -> bool:
    """Return whether the verdict is a proof with some bound open."""
    known = isinstance(verdict, Holds) and verdict.certificate
    return bool(known and known.params)


def open_bounds(outcome: Outcome) -> list[str]:
    """Return the bounds that the proofs have open."""
    found = [v.certificate for v in outcome.verdicts.values() if isinstance(v, Holds)]
    names = {n for c in found if c is not None for n in c.params}
    return sorted(names) if names else ["-"]


def reason(verdict: Verdict | None) -> str:
    """Return a verdict's reason without names and numbers: what to group by."""
    if not isinstance(verdict, Unknown):
        return "not asked"
    text = verdict.reason.split(", e.g. where")[0]
    for start in ("the time budget", "not proved", "not decided", "the certificate"):
        if text.startswith(start):
            kind = re.sub(r"^not decided: .*: ", "", text) if "decided" in start else ""
            return f"{start}: {kind}" if kind and len(kind) < 40 else start
    return text[:60]


def pairs(wanted: Collection[str] = ()) -> Iterator[tuple[str, str]]:
    """Yield each shipped spec, or the wanted ones, with each of its designs."""
    for path in shipped_specs():
        if wanted and Path(path).stem not in wanted:
            continue
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
    parser.add_argument("--design", default="")
    chosen = parser.parse_args()
    wanted = chosen.spec
    for spec, design in pairs(wanted):
        one = not chosen.design or design == chosen.design
        if one and (wanted or (spec, design) not in table()):
            row, proved = measure(task_of(spec, design))
            wrong = [p.name for p in proved if is_violated(p)]
            print(row, *(f"PROVED AND VIOLATED: {n}" for n in wrong), flush=True)
            write({**table(), (spec, design): str(row)})  # others may write it, too


if __name__ == "__main__":
    main()
