# SPDX-License-Identifier: GPL-2.0-only
"""Every stored counterexample replays, and is what its spec expects.

A title or a source that the spec has changed since is no other counterexample.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from poolproof.checker.core.property import Kind
from poolproof.checker.core.verdict import Violated
from poolproof.checker.driver.judging import ExpectationStatus, compare
from poolproof.checker.driver.stored import replay_file
from poolproof.checker.driver.task import Request, prepare
from poolproof.checker.evidence.trace_file import load, write
from poolproof.checker.reports.trace import trace_report
from poolproof.checker.spec import parse

ROOT = Path(__file__).parents[2]
STORE = ROOT / "counterexamples"
SPECS = sorted((ROOT / "specs").rglob("*.spec"))
STORED = {
    spec: sorted(STORE.glob(f"*/{spec.stem}.*.trace"), key=lambda p: p.parent.name)
    for spec in SPECS
}
"""The traces of each spec, by design: next to each other, so that each design is
compiled once for the spec's bounds."""


@pytest.fixture(scope="module", params=SPECS, ids=lambda p: p.stem)
def spec(request: pytest.FixtureRequest) -> Path:
    """A spec, of which all is asked before the next."""
    path: Path = request.param
    return path


def test_each_trace_is_of_a_spec() -> None:
    of_specs = [path for paths in STORED.values() for path in paths]
    assert sorted(of_specs) == sorted(STORE.rglob("*.trace"))


def test_each_stored_trace_still_shows_what_it_says(
    spec: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(ROOT)
    for path in STORED[spec]:
        check(path)


def check(path: Path) -> None:
    replayed = replay_file(str(path))
    heading, prop = replayed.heading, replayed.prop
    assert prop is not None
    assert prop.kind is not Kind.REACHABLE
    assert max(map(len, trace_report(replayed))) <= 75
    verdict = Violated(replayed.replay.trace, heading.shortest)
    assert prop.expect is not None, "a counterexample that nobody expects"
    assert compare(prop, verdict)[0] is ExpectationStatus.MET
    assert path.parent.name == replayed.compiled.system.name
    assert path.name == f"{Path(heading.spec).stem}.{prop.name}.trace"
    stored = load(str(path)).heading
    assert replace(heading, title=stored.title, source=stored.source) == stored
    assumed = replayed.compiled.system.assumptions
    assert heading.assuming == assumed, "store it anew"
    again = write(stored, replayed.compiled, replayed.replay)
    command = f"poolproof check {heading.spec} --store {STORE.name}"
    assert again == path.read_text(), f"written anew by: {command}"


def test_each_violation_that_it_expects_is_stored(
    spec: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(ROOT)
    stored = {str(p.relative_to(STORE)) for p in STORED[spec]}
    if "violated" not in spec.read_text(encoding="utf-8"):
        return
    for task in prepare(parse(spec), Request()):
        for prop in task.resolved.properties:
            if prop.expect is not None and prop.expect.verdict == "violated":
                name = f"{task.known.name}/{spec.stem}.{prop.name}.trace"
                assert name in stored, f"poolproof check {spec} --store counterexamples"
