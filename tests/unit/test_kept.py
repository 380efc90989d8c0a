# SPDX-License-Identifier: GPL-2.0-only
"""Answers that the cache has: when they are used, and when not."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from poolproof.checker.core import source
from poolproof.checker.core.verdict import (
    INTERRUPTED,
    Budget,
    Holds,
    Outcome,
    Silent,
    Step,
    Trace,
    Unknown,
    Violated,
)
from poolproof.checker.driver import check, designs, kept, sources
from poolproof.checker.driver.against import Compared, compare
from poolproof.checker.driver.any_size import ALL
from poolproof.checker.driver.judging import CheckResult
from poolproof.checker.driver.task import Request
from poolproof.checker.driver.task import prepare as prepare_anew
from poolproof.checker.engines import exhaustive, registry
from poolproof.checker.evidence import replay
from poolproof.checker.evidence.raw import ReplayDisagrees
from poolproof.checker.spec import parse

DESIGN = """\
{imports}from poolproof.model.language import *
from beside import MOST


class D(Design):
    x = var(Int(0, 3))

    @action
    def up(self):
        require(self.x < MOST)
        self.x += 1
"""
OPEN = """\
from poolproof.model.language import *


class D(Design):
    x = var(Natural())

    @action
    def up(self):
        self.x += 2
"""
SPEC = 'spec "x"\nfor D\ninvariant low: x <= 1\ninvariant all: x <= 3\n'
PLENTY = Budget(seconds=60.0)


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A design that imports a module beside it, a spec, and an empty cache."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.chdir(tmp_path)
    write("d.py", DESIGN.format(imports=""))
    write("beside.py", "MOST = 3\n")
    write("d.spec", SPEC)
    yield tmp_path
    forget()


def write(name: str, text: str) -> None:
    Path(name).write_text(text)


def forget() -> None:
    """Be a new process, as far as the user's files go."""
    designs._loaded.clear()
    sys.modules.pop("beside", None)
    for cached in (sources._closure, sources._imported, source._trees):
        cached.cache_clear()


def checked(engine: str = "explicit", budget: Budget = PLENTY) -> CheckResult:
    forget()
    [task] = kept.prepare(parse("d.spec"), Request())
    return kept.run(task, engine, budget, Silent())


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The engines that are run from now on."""
    names: list[str] = []
    ask = registry.ask

    def note(name: str, *more: object) -> Outcome:
        names.append(name)
        return ask(name, *more)  # type: ignore[arg-type]

    monkeypatch.setattr(registry, "ask", note)
    return names


def test_what_did_not_change_is_not_searched_again(asked: list[str]) -> None:
    first = checked()
    assert asked == ["explicit"]
    again = checked()
    assert asked == ["explicit"]
    assert again.outcomes == first.outcomes
    assert [a.status for a in again.answers] == [a.status for a in first.answers]
    low = again.answers[0]
    assert isinstance(low.verdict, Violated)
    assert low.replay is not None
    assert len(low.replay.states) == 3


def test_what_is_kept_equals_what_is_searched() -> None:
    checked()
    spec = parse("d.spec")
    [mine], [plain] = kept.prepare(spec, Request()), prepare_anew(spec, Request())
    assert mine.key
    assert mine == plain
    again = kept.run(mine, "explicit", PLENTY, Silent())
    assert again.answers == check.run(plain, "explicit", PLENTY, Silent()).answers


@pytest.mark.parametrize(
    ("file", "text"),
    [
        ("d.spec", SPEC.replace("<= 1", "<= 0")),
        ("d.py", DESIGN.format(imports="").replace("x += 1", "x += 2")),
        ("beside.py", "MOST = 1\n"),
    ],
)
def test_another_text_is_another_question(
    file: str, text: str, asked: list[str]
) -> None:
    checked()
    write(file, text)
    if file == "d.py":
        write("beside.py", "MOST = 2\n")
    checked()
    assert asked == ["explicit", "explicit"]


def test_a_lemma_that_another_spec_states_is_another_question(
    asked: list[str],
) -> None:
    """A proof at open sizes may use what the specs beside it state."""
    write("d.py", OPEN)
    write("d.spec", 'spec "x"\nfor D\ninvariant seven: x != 7\n')

    def proved() -> CheckResult:
        forget()
        [task] = kept.prepare(parse("d.spec"), Request(any_size=(ALL,)))
        return kept.run(task, "prove", PLENTY, Silent())

    assert isinstance(proved().answers[0].verdict, Unknown)
    write("other.spec", 'spec "y"\nfor D\ninvariant even: x % 2 == 0\n')
    assert isinstance(proved().answers[0].verdict, Holds)
    assert len(asked) == 2
    write("another.spec", 'spec "z"\nfor E\ninvariant most: x == 1\n')
    proved()
    assert len(asked) == 2


def test_another_engine_or_option_is_another_question(asked: list[str]) -> None:
    checked()
    checked("native")
    checked(budget=replace(PLENTY, depth=1))
    checked(budget=replace(PLENTY, symmetry=False))
    assert len(asked) == 4
    checked(budget=replace(PLENTY, seconds=30.0, threads=1))
    assert len(asked) == 4


def test_another_checker_is_another_question(
    asked: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    checked()
    monkeypatch.setattr(kept, "of_checker", lambda: "another")
    checked()
    assert asked == ["explicit", "explicit"]


@pytest.mark.parametrize("imports", ["import os\n", "NOTE = open('note').read()\n"])
def test_a_design_that_may_read_something_is_searched_again(
    imports: str, asked: list[str]
) -> None:
    write("note", "")
    write("d.py", DESIGN.format(imports=imports))
    checked()
    checked()
    assert asked == ["explicit", "explicit"]


def test_every_shipped_design_is_kept() -> None:
    for known in designs.shipped_designs():
        assert sources.of_designs([known.cls]) is not None, known.name


@pytest.mark.parametrize("steps", [1, 4])
def test_a_kept_run_is_replayed(steps: int) -> None:
    """Whatever is in the cache, a run that shows nothing, or that CPython refuses, is
    no answer."""
    first = checked()
    [task] = kept.prepare(parse("d.spec"), Request())
    [outcome] = first.outcomes
    wrong = Violated(Trace((0,), (Step("up", ()),) * steps))
    lies = replace(outcome, verdicts={**outcome.verdicts, "low": wrong})
    of = [task.key, "D", repr(task.sizes), "explicit", kept._options(PLENTY)]
    of[1] = task.known.reference
    kept.write(sources.digest(of), (lies,))
    with pytest.raises(ReplayDisagrees):
        checked()


def test_a_kept_run_is_replayed_without_the_formulas() -> None:
    """They take long to read, and say nothing that a run under CPython does not."""
    first, again = checked(), checked()
    assert [a.replay for a in again.answers] == [a.replay for a in first.answers]
    compiled = again.task.compiled
    with pytest.raises(AttributeError):
        object.__getattribute__(compiled, "system")
    assert compiled.outline == compiled.system.outline()


def test_a_run_on_which_cpython_and_the_ir_differ_is_not_kept(
    asked: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def differ(*_: object) -> None:
        raise ReplayDisagrees("they differ")

    with monkeypatch.context() as patch:
        patch.setattr(replay, "_same_assertions", differ)
        with pytest.raises(ReplayDisagrees):
            checked()
    checked()
    assert asked == ["explicit", "explicit"]


@pytest.mark.parametrize("harm", ["cut", "flip", "open", "link"])
def test_a_damaged_answer_is_searched_again(
    harm: str, folder: Path, asked: list[str]
) -> None:
    checked()
    for file in (folder / "cache" / "poolproof").glob("answer-*"):
        text = bytearray(file.read_bytes())
        match harm:
            case "cut":
                file.write_bytes(text[:-9])
            case "flip":
                text[len(text) // 2] ^= 1
                file.write_bytes(text)
            case "open":
                file.chmod(0o666)
            case "link":
                file.rename(folder / file.name)
                file.symlink_to(folder / file.name)
    checked()
    assert asked == ["explicit", "explicit"]
    checked()
    assert len(asked) == 2


def test_an_answer_that_was_cut_short_is_not_kept(asked: list[str]) -> None:
    forget()
    [task] = kept.prepare(parse("d.spec"), Request())
    stopped = kept.run(task, "explicit", PLENTY, Silent(), lambda: True)
    assert stopped.interrupted
    checked()
    assert asked == ["explicit"]


@pytest.mark.parametrize(
    ("reason", "cut"),
    [
        ("the time budget of 1 s, while building the formula", True),
        ("the memory budget is spent", True),
        ("the time budget is spent", True),
        (INTERRUPTED, True),
        ("the search died (-9)", True),
        ("the native engine cannot: the C compiler fails: exit code 1", True),
        ("the depth budget is spent", False),
        ("not inductive", False),
    ],
)
def test_which_reasons_cut_short(reason: str, cut: bool) -> None:
    assert kept._cut(Outcome("explicit", {"low": Unknown(reason)})) is cut


def test_a_compiler_that_fails_is_asked_again(monkeypatch: pytest.MonkeyPatch) -> None:
    """The next one may work, and an answer in Python says no more of it."""
    monkeypatch.setattr(exhaustive, "_STATES", 0)
    monkeypatch.setenv("CC", "false")
    assert "C compiler fails" in str(checked("auto").outcomes)
    monkeypatch.delenv("CC")
    found = checked("auto").outcomes
    assert "C compiler fails" not in str(found)
    assert found[0].statistics.states == 4


def test_nothing_is_written_without_a_cache(
    monkeypatch: pytest.MonkeyPatch, folder: Path, asked: list[str]
) -> None:
    write("file", "")
    monkeypatch.setenv("XDG_CACHE_HOME", str(folder / "file"))
    checked()
    checked()
    assert asked == ["explicit", "explicit"]


def test_neither_is_a_comparison_with_a_base(asked: list[str]) -> None:
    """Two designs that violate `low`, one by other steps: three searches."""
    heir = (
        DESIGN.format(imports="") + "\n\nclass E(D):\n    @action\n"
        "    def two(self):\n        require(self.x == 1)\n        self.x = 3\n"
    )
    write("d.py", heir)

    def compared() -> Compared:
        forget()
        [task] = kept.prepare(parse("d.spec"), Request(designs=("d.py:E",)))
        [base] = designs.designs_named("d.py:D")
        return compare(task, base, "explicit", PLENTY, Silent())

    first = compared()
    assert asked == ["explicit"] * 3
    again = compared()
    assert asked == ["explicit"] * 3
    assert again.differences == first.differences
    assert [d.prop.name for d in first.differences] == ["low"]
    write("d.py", heir.replace("self.x = 3", "self.x = 2"))
    compared()
    assert asked == ["explicit"] * 6


def test_the_text_of_a_score_is_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    """It is found again as long as neither the design nor its specs changed."""

    def line() -> str:
        forget()
        [known] = designs.designs_named("d.py:D")
        return kept.text_line(known.cls, [parse("d.spec")])

    first = line()
    calls: list[object] = []
    monkeypatch.setattr(kept, "text_line_anew", lambda *of: calls.append(of) or "anew")
    assert line() == first
    assert not calls
    write("d.spec", SPEC.replace("<= 1", "<= 2"))
    assert line() == "anew"
    write("beside.py", "MOST = 2\n")
    assert line() == "anew"
    assert len(calls) == 2
