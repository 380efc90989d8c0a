# SPDX-License-Identifier: GPL-2.0-only
"""Every shipped spec, with each of its labelled bounds, is in one tier.

`tests/common/tiers.txt` has a line for each that costs something: the spec's
name, the label (`-` for the bounds without one), the engine that needs less time,
and the seconds of CPU that it takes, a compiler's included. What takes more than
`LIMIT` is slow; what has no line is quick: its test fails where it is not.

    python -m tests.common.tiers          measures what has no line, drops what is gone
    python -m tests.common.tiers NAME...  measures these specs only
"""

from __future__ import annotations

import argparse
import os
import tempfile
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from pathlib import Path

from poolproof.checker.backends.c.build import compiler
from poolproof.checker.core.verdict import Budget, Holds, Shown, Silent
from poolproof.checker.driver.check import run
from poolproof.checker.driver.judging import ExpectationStatus
from poolproof.checker.driver.task import Request, prepare
from poolproof.checker.spec import parse
from poolproof.model.language import did_you_mean

ROOT = Path(__file__).parents[2]
TABLE = Path(__file__).with_suffix(".txt")

LIMIT = 1.0
"""Seconds of CPU; the gate has six minutes on two cores for everything. `make
review` asks all specs, too."""

NOTED = 1.0
"""Seconds of CPU from which there is a line; a compiler pays from here, too."""

QUICK = 5 * NOTED
"""What a spec without a line may take: machines and days differ."""


@dataclass(frozen=True)
class Row:
    spec: str
    label: str
    engine: str
    seconds: float

    @property
    def slow(self) -> bool:
        return self.seconds > LIMIT

    def __str__(self) -> str:
        name = f"{self.spec:<34} {self.label or '-':<12}"
        return f"{name} {self.engine:<8} {self.seconds:5.1f}"

    @property
    def noted(self) -> bool:
        return self.seconds > 0


def table() -> dict[tuple[str, str], Row]:
    """The lines of the table by spec and label."""
    found = {}
    for line in TABLE.read_text(encoding="utf-8").splitlines():
        spec, label, engine, seconds = line.split()
        label = "" if label == "-" else label
        assert (spec, label) not in found, f"two lines for {spec} {label}"
        found[spec, label] = Row(spec, label, engine, float(seconds))
    return found


def rows() -> list[Row]:
    """One for each spec and label that is shipped."""
    known = table()
    return [known.get(key) or Row(*key, "exhaustive", 0.0) for key in shipped()]


def specs() -> dict[str, Path]:
    """The shipped specs by their names, in whatever folder they are."""
    found: dict[str, Path] = {}
    for path in sorted((ROOT / "specs").rglob("*.spec")):
        assert path.stem not in found, f"two specs are called {path.stem}"
        found[path.stem] = path
    return found


def shipped() -> list[tuple[str, str]]:
    """(spec, label) of all that must be asserted."""
    return [
        (name, label)
        for name, path in specs().items()
        for label in ("", *(b.label for b in parse(path).bounds if b.label))
    ]


def unexpected(
    path: Path, label: str = "", engine: str = "exhaustive", design: str = ""
) -> Iterator[str]:
    """Yield what does not come out as the spec's author expects, on each of its
    designs or on the one given."""
    request = Request((design,) if design else (), label)
    if engine == "native" and compiler() is None:
        engine = "explicit"
    for task in prepare(parse(path), request):
        checked = run(task, engine, Budget(threads=1), Silent())
        where = task.known.name
        yield from (f"{where}: {defect.message}" for defect, _ in checked.defects)
        yield from (f"{where}: {mistake}" for mistake in checked.mistakes)
        if not checked.answers:
            yield f"{where}: no property"
        for answer in checked.answers:
            found, name = answer.verdict, f"{where}: {answer.prop.name}"
            missed = answer.expected.startswith("violated") and isinstance(found, Holds)
            if answer.status is not ExpectationStatus.MET or missed:
                yield f"{name}: expected {answer.expected}, {found}"
            elif isinstance(found, Shown):
                if answer.replay is None:
                    yield f"{name}: not replayed"
                if not found.shortest:
                    yield f"{name}: perhaps not the fewest steps"


# --- what they cost -----------------------------------------------------------


def cpu_seconds() -> float:
    """Of this process and of those that it has waited for."""
    t = os.times()
    return t.user + t.system + t.children_user + t.children_system


def measured(path: Path, label: str) -> Row:
    """The cheaper engine, and what it takes with an empty cache."""
    costs: dict[str, float] = {}
    for engine in ("explicit", "native"):
        if engine == "native" and costs["explicit"] < NOTED:
            break
        before = cpu_seconds()
        for task in prepare(parse(path), Request(label=label)):
            run(task, engine, Budget(seconds=60, threads=1), Silent())
        costs[engine] = cpu_seconds() - before
    engine = min(costs, key=lambda e: costs[e])
    return Row(path.stem, label, engine, costs[engine])


def write(only: Collection[str] = ()) -> None:
    """The table, with lines for what is measured now."""
    lines, where = table(), specs()
    for key in shipped():
        if key[0] in only or (not only and key not in lines):
            lines[key] = measured(where[key[0]], key[1])
    with TABLE.open("w", encoding="utf-8") as out:
        for key in sorted(lines.keys() & set(shipped())):
            if lines[key].seconds >= NOTED:
                print(lines[key], file=out)


def main() -> None:
    parser = argparse.ArgumentParser(
        prog="python -m tests.common.tiers",
        description=f"Measure specs, and write {TABLE.name}. Without NAME: those "
        "that have no line; lines of specs that are gone are dropped.",
    )
    parser.add_argument("spec", nargs="*", metavar="NAME", help="measure only this")
    wanted = parser.parse_args().spec
    known = specs()
    for name in wanted:
        if name not in known:
            parser.error(f"no spec is called {name!r}{did_you_mean(name, known)}")
    with tempfile.TemporaryDirectory() as folder:
        os.environ["XDG_CACHE_HOME"] = folder
        write(wanted)


if __name__ == "__main__":
    main()
