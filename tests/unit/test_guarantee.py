# SPDX-License-Identifier: GPL-2.0-only
"""The table of features: alone, in pairs, and what breaks a promise first."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from poolproof.checker.commands.main import main
from poolproof.checker.core.diagnostic import UserError
from poolproof.checker.driver.designs import designs_named
from poolproof.checker.driver.guarantee import Guarantee, guarantee
from poolproof.checker.reports.guarantee import finding_text, guarantee_report
from poolproof.checker.reports.json import guarantee_json
from poolproof.checker.spec import parse

DESIGN = '''
"""A promise that breaks with `a` and `b` together; `c` breaks it, `d` mends that."""

from poolproof.model.language import Bool, Bound, Design, Feature, Int, action
from poolproof.model.language import require, var

A = Feature("a", False, "one half")
B = Feature("b", False, "the other half")
C = Feature("c", False, "breaks it alone")
D = Feature("d", False, "mends what c breaks")
TOTAL = Bound("total", 2)


class Fragile(Design):
    """Fails where two things meet."""

    half = var(Bool())
    failed = var(Bool())
    steps = var(Int(0, TOTAL))

    @action
    def advance(self):
        require(self.steps < TOTAL)
        self.steps += 1

    @action(when=A)
    def first(self):
        require(self.steps == TOTAL)
        self.half = True

    @action(when=B)
    def second(self):
        require(self.half)
        self.failed = True

    @action(when=C)
    def third(self):
        require(self.steps == 1)
        if not D:
            self.failed = True
'''

SPEC = """spec "kept"
for Fragile

invariant kept "a promise is kept": not failed
invariant other "what it has no name for": not missing_name
"""


@pytest.fixture
def files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "fragile.py").write_text(DESIGN)
    (tmp_path / "fragile.spec").write_text(SPEC)
    return tmp_path


def ask(name: str = "kept", most: int = 2) -> Guarantee:
    (known,) = designs_named("fragile.py")
    return guarantee(
        known,
        parse("fragile.spec"),
        name,
        sizes=({"total": 2, "nowhere": 3},),
        most=most,
    )


@pytest.mark.usefixtures("files")
def test_alone_and_in_pairs() -> None:
    done = ask()
    assert len(done.findings) == 1 + 4 + 6
    depths = {f.features: f.depth for f in done.findings}
    assert depths[()] is depths["a",] is depths["b",] is depths["d",] is None
    assert depths["a", "b"] == 4
    assert depths["c",] == 2
    assert [f.features for f in done.together()] == [("a", "b")]
    assert [f.features for f in done.repaired()] == [("c", "d")]
    assert done.first is not None
    assert done.first.features == ("c",)
    assert all(f.complete for f in done.findings)
    assert done.sizes == ({"total": 2},)


@pytest.mark.usefixtures("files")
def test_the_text() -> None:
    lines = guarantee_report([ask()])
    assert max(map(len, lines)) <= 75
    text = "\n".join(lines)
    assert "only together:" in text
    assert "a + b  broken after 4 steps" in text
    assert "holds again with: c + d" in text
    assert "1. advance()" in text
    assert "2. third()" in text
    assert "c, after 2 steps" in text


@pytest.mark.usefixtures("files")
def test_what_is_missing_is_named() -> None:
    done = ask("other")
    assert "missing_name" in done.missing
    assert not done.findings
    assert "n/a: " in "\n".join(guarantee_report([done]))
    with pytest.raises(UserError, match="it has kept, other"):
        ask("nothing")


def test_what_is_vacuous_does_not_hold(files: Path) -> None:
    """Only `a` makes a half; `b` alone can do nothing."""
    text = SPEC + "invariant late: half implies steps == total\n"
    (files / "fragile.spec").write_text(text)
    done = ask("late")
    told = {f.features: finding_text(f) for f in done.findings}
    assert told[()] == "vacuous"
    assert told["a",] == told["a", "b"] == "holds"
    assert told["b",] == "no effect"
    assert not list(done.repaired())


@pytest.mark.usefixtures("files")
def test_states_that_were_not_visited_are_told() -> None:
    (known,) = designs_named("fragile.py")
    done = guarantee(
        known,
        parse("fragile.spec"),
        "kept",
        sizes=({"total": 2},),
        states=1,
        most=1,
    )
    assert not any(f.complete for f in done.findings if f.depth is None)
    assert "not all states" in "\n".join(guarantee_report([done]))


def test_a_shipped_design() -> None:
    (known,) = designs_named("GuestMemfd")
    spec = parse("specs/questions/promise_plain.spec")
    done = guarantee(known, spec, "q2_promise_kept", most=1)
    assert finding_text(done.of(0)[0]) == "holds"
    numa = done.alone("numa")
    assert numa is not None
    assert numa.depth is not None


@pytest.mark.usefixtures("files")
def test_the_command(capsys: pytest.CaptureFixture[str]) -> None:
    call = [
        "guarantee",
        "--spec",
        "fragile.spec",
        "--design",
        "fragile.py",
        "--property",
        "kept",
        "--bounds",
        "total=2",
    ]
    assert main([*call, "--json"]) == 0
    (told,) = json.loads(capsys.readouterr().out)
    assert len(told["findings"]) == 11
    assert main([*call, "--single"]) == 0
    assert "no pairs tried" in capsys.readouterr().out


NEEDS = '''
from poolproof.model.language import Bool, Bound, Design, Feature, Int, action
from poolproof.model.language import require, var

MOUNT = Feature("mount", False)
SIZE = Feature("size", False, "breaks it", needs=MOUNT)
IDLE = Feature("idle", False, "asks for what never comes", needs=MOUNT)
PLAIN = Feature("plain", False, "breaks it, too")


class Mounted(Design):
    """A limit that needs a mount."""

    mounted = var(Bool(), when=MOUNT)
    used = var(Int(0, 2))

    @action(when=MOUNT)
    def mount(self):
        self.mounted = True

    @action
    def use(self):
        require(self.used < 2 and not (IDLE and self.used == 2))
        if PLAIN or (SIZE and self.mounted):
            self.used = 2
        else:
            self.used = 1
'''


def test_what_a_feature_needs_is_on_and_no_effect_is_no_success(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "mounted.py").write_text(NEEDS)
    (tmp_path / "m.spec").write_text('spec "m"\nfor Mounted\ninvariant few: used < 2\n')
    (known,) = designs_named("mounted.py")
    done = guarantee(known, parse("m.spec"), "few", sizes=({},), most=1)
    told = {f.features: (finding_text(f), f.needed) for f in done.findings}
    assert told == {
        (): ("holds", ()),
        ("idle",): ("no effect", ("mount",)),
        ("mount",): ("holds", ()),
        ("plain",): ("broken after 1 step", ()),
        ("size",): ("broken after 2 steps", ("mount",)),
    }
    text = "\n".join(guarantee_report([done]))
    assert "idle (needs mount)  no effect" in text
    assert "no effect: at these" in text
    assert [f["effect"] for f in guarantee_json([done])[0]["findings"]] == [
        None,
        False,
        True,
        True,
        True,
    ]


THREE = '''
from poolproof.model.language import Design, Feature, Int, action, require, var

A, B, C = Feature("a", False), Feature("b", False), Feature("c", False)
TWICE = Feature("twice", False, needs=A)


class Three(Design):
    """Fails where three things meet; `twice` changes how fast."""

    at = var(Int(0, 3))

    @action(when=A)
    def first(self):
        require(self.at == 0)
        self.at = 1

    @action(when=TWICE)
    def hurried(self):
        require(self.at == 0)
        self.at = 2

    @action(when=B)
    def second(self):
        require(self.at == 1)
        self.at = 2

    @action(when=C)
    def third(self):
        require(self.at == 2)
        self.at = 3
'''


@pytest.fixture
def three(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "three.py").write_text(THREE)
    text = 'spec "kept"\nfor Three\ninvariant safe "a title": at != 3\n'
    (tmp_path / "three.spec").write_text(text)
    call = "guarantee --spec three.spec --design three.py --property safe"
    return call.split()


def test_three_together(three: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    """A set is asked only if no part of it breaks the promise."""
    assert main([*three, "--most", "3"]) == 0
    text = " ".join(capsys.readouterr().out.split())
    assert "a + b + c broken after 3 steps" in text
    assert "c + twice (needs a) broken after 2 steps" in text
    # of the four triples, c + twice is part of two; in one, twice needs a
    assert "6 pairs: 1 broken; 1 triple: 1 broken" in text


def test_among(three: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main([*three, "--most", "3", "--among", "a,b", "--among", "c"]) == 0
    text = capsys.readouterr().out
    assert "3 pairs: 0 broken; 1 triple: 1 broken" in text
    assert "twice" not in text
    assert main([*three, "--among", "d"]) == 2
    assert "has no feature 'd'" in capsys.readouterr().err


def test_what_the_findings_assume(files: Path) -> None:
    """With nothing on, there is one state that has counted to the end."""
    text = DESIGN.replace(
        "require(self.steps < TOTAL)",
        'assume(self.steps < TOTAL, "two steps")',
    ).replace("import require, var", "import assume, require, var")
    (files / "fragile.py").write_text(text)
    done = ask(most=0)
    (assumed,) = done.assumptions
    assert (assumed.why, assumed.cut, assumed.complete) == ("two steps", 1, True)
    assert "  assuming two steps: 1 step cut" in guarantee_report([done])
    (told,) = guarantee_json([done])
    assert told["assumptions"] == [
        {"why": "two steps", "cut": 1, "complete": True, "unneeded": False}
    ]
