# SPDX-License-Identifier: GPL-2.0-only
"""Which specs and properties a call of `check` means, and all their mistakes."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from poolproof.checker.commands.main import main
from poolproof.checker.core.diagnostic import UserError, each
from poolproof.checker.driver import designs, sources
from poolproof.checker.driver.selected import changed_since, matcher, specs
from poolproof.checker.spec import parse_text

DESIGN = """\
from poolproof.model.language import *


class {}(Design):
    x = var(Int(0, 3))

    @action
    def up(self):
        require(self.x < 3)
        self.x += 1
"""
SPEC = """\
spec "x"
for {}

invariant low: x <= 3

invariant lower "x":
    x <= 1
    expect violated at 2

reachable high: x == 3
"""


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder with two specs, each with its design beside it."""
    monkeypatch.chdir(tmp_path)
    for name in ("one", "two"):
        folder = tmp_path / "specs" / name
        folder.mkdir(parents=True)
        (folder / f"{name}.py").write_text(DESIGN.format(name.title()))
        (folder / f"{name}.spec").write_text(SPEC.format(name.title()))
    yield tmp_path
    designs._loaded.clear()
    sources._closure.cache_clear()
    sources._imported.cache_clear()


ONE, TWO = "specs/one/one.spec", "specs/two/two.spec"


def names(*wanted: str, k: str = "") -> list[str]:
    return [f"{s.file}::{c.name.text}" for s in specs(wanted, k) for c in s.claims]


def test_a_folder_is_all_specs_in_it() -> None:
    assert [s.file for s in specs(["specs"])] == [ONE, TWO]
    assert [s.file for s in specs([TWO, "specs"])] == [TWO, ONE]


def test_single_properties_are_joined_in_the_specs_order() -> None:
    assert names(f"{ONE}::high") == [f"{ONE}::high"]
    both = names(f"{ONE}::high", f"{ONE}::low", f"{ONE}::high")
    assert both == [f"{ONE}::low", f"{ONE}::high"]
    assert len(names(f"{ONE}::high", ONE)) == 3


def test_keywords_choose_properties() -> None:
    assert names("specs", k="two and not low") == [f"{TWO}::high"]
    assert names("specs", k="LOWER or (one and high)") == [
        f"{ONE}::lower",
        f"{ONE}::high",
        f"{TWO}::lower",
    ]


@pytest.mark.parametrize(
    ("keywords", "text", "matches"),
    [
        ("", "a", True),
        ("a", "xAx", True),
        ("a and b", "ab", True),
        ("a and b", "a", False),
        ("a or b and c", "a", True),
        ("(a or b) and c", "a", False),
        ("not not a", "a", True),
        ("not (a or b)", "c", True),
    ],
)
def test_keywords_mean_what_they_say(keywords: str, text: str, matches: bool) -> None:
    assert matcher(keywords)(text) is matches


@pytest.mark.parametrize("keywords", ["a b", "and", "a and", "(a", "a)", "not", "()"])
def test_keywords_that_say_nothing_are_refused(keywords: str) -> None:
    with pytest.raises(UserError, match="is not expected"):
        matcher(keywords)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        (f"{ONE}::lo", "no such property .did you mean 'low'.*; there are low, lower"),
        ("specs/one/one.py", "this is a design: poolproof check SPEC --design specs"),
        ("specs/one/some.trace", "this is a stored run: poolproof trace specs/one"),
        ("empty", "no .spec file in this folder"),
    ],
)
def test_what_is_no_spec_is_answered_with_what_to_write(
    name: str, message: str
) -> None:
    Path("empty").mkdir()
    with pytest.raises(UserError, match=message):
        specs([name])


def test_nothing_that_matches_is_a_mistake() -> None:
    with pytest.raises(UserError, match="no property of these specs matches"):
        specs(["specs"], "middle")


# --- all mistakes at once -------------------------------------------------


def mistakes(text: str) -> list[str]:
    with pytest.raises(UserError) as refused:
        parse_text(text, "m.spec")
    return [str(m) for m in each(refused.value)]


def test_all_texts_that_cannot_be_read_are_told_at_once() -> None:
    found = mistakes(
        'spec "x"\nfor D\n\ninvariant a: x <\n\ninvariant b: x <= 1\n\n'
        "let y = )\n\nstep c: x' == = x\n"
    )
    assert [m.split(": ")[0] for m in found] == [
        "m.spec:6:1",
        "m.spec:8:9",
        "m.spec:10:15",
    ]


def test_a_mistake_in_the_head_is_told_alone() -> None:
    assert len(mistakes("spec x\nfor D\ninvariant a: <\n")) == 1


def test_the_command_tells_all_mistakes_with_their_places(
    capsys: pytest.CaptureFixture[str],
) -> None:
    one, two = Path(ONE), Path(TWO)
    one.write_text(
        one.read_text().replace("x <= 3", "nox <= 3").replace("== 3", "== v0")
    )
    two.write_text(two.read_text().replace("x == 3", "x == true"))
    assert main(["check", "specs"]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    lines = err.splitlines()
    places = [line.split(": ")[0] for line in lines if line.startswith("specs")]
    assert [place.rsplit(":", 1)[0] for place in places] == [
        f"{ONE}:4",
        f"{ONE}:10",
        f"{TWO}:10",
    ]
    assert lines[1:3] == ["    invariant low: nox <= 3", "                   ^"]


def test_a_long_line_is_cut_around_the_place(
    capsys: pytest.CaptureFixture[str],
) -> None:
    one = Path(ONE)
    one.write_text(one.read_text().replace("x <= 3", "x <= 3 and " * 12 + "nox <= 3"))
    assert main(["check", ONE]) == 2
    _, line, caret = capsys.readouterr().err.splitlines()
    assert max(len(line), len(caret)) <= 75
    assert line[caret.index("^") :].startswith("nox")


# --- what changed ---------------------------------------------------------


def git(*arguments: str) -> None:
    who = ("-c", "user.name=x", "-c", "user.email=x@x")
    subprocess.run(["git", *who, *arguments], check=True, capture_output=True)


def test_only_what_changed_since_a_revision() -> None:
    git("init", "-q")
    git("add", "-A")
    git("commit", "-qm", "x")
    some = specs(["specs"])
    assert changed_since(some, "HEAD", ()) == []
    Path(ONE).with_suffix(".py").write_text(DESIGN.format("One") + "\n")
    assert [s.file for s in changed_since(some, "HEAD", ())] == [ONE]
    three = Path("specs/two/three.spec")
    three.write_text(SPEC.format("Two").replace("for Two\n", ""))
    more = specs(["specs"])
    given = ("specs/two/two.py:Two",)
    assert [s.file for s in changed_since(more[1:], "HEAD", given)] == [str(three)]


def test_nothing_changed(capsys: pytest.CaptureFixture[str]) -> None:
    git("init", "-q")
    git("add", "-A")
    git("commit", "-qm", "x")
    assert main(["check", "specs", "--since", "HEAD"]) == 0
    assert capsys.readouterr().out == "nothing changed since HEAD\n"


@pytest.mark.parametrize("made", [False, True])
def test_a_revision_that_is_none(
    made: bool, capsys: pytest.CaptureFixture[str]
) -> None:
    if made:
        git("init", "-q")
    assert main(["check", "specs", "--since", "nowhere"]) == 2
    assert "--since nowhere: fatal: " in capsys.readouterr().err
