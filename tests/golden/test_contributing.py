# SPDX-License-Identifier: GPL-2.0-only
"""CONTRIBUTING.md is done to the letter in a copy of the repository.

A fenced block is a new file after "In `FILE`:". After "In `FILE`, before" (or
"after", or "replace") it is a place in that file; the next block is what stands
there from then on. A console block is a command and what it prints;
`POOLPROOF_BLESS=1` writes that anew.
"""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
import sys
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "CONTRIBUTING.md"
TEXT = PAGE.read_text(encoding="utf-8")
FENCE = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
NEW = re.compile(r"[Ii]n\s+`([^`]+)`:$")
EDIT = re.compile(r"[Ii]n\s+`([^`]+)`,\s+(before|after|replace)$")


@dataclass(frozen=True)
class Edit:
    """A new file, or (with a ``place``) a change of one."""

    file: str
    text: str
    how: str = ""
    place: str = ""

    def apply(self, root: Path) -> None:
        path = root / self.file
        if not self.how:
            assert not path.exists(), f"{self.file} exists"
            path.write_text(self.text, encoding="utf-8")
            return
        old = path.read_text(encoding="utf-8")
        assert old.count(self.place) == 1, f"{self.file} has it once: {self.place}"
        new = {
            "before": self.text + self.place,
            "after": self.place + self.text,
            "replace": self.text,
        }[self.how]
        path.write_text(old.replace(self.place, new), encoding="utf-8")


@dataclass(frozen=True)
class Command:
    """A command and what it prints."""

    line: str
    printed: str

    @property
    def block(self) -> str:
        return f"```console\n$ {self.line}\n{self.printed}```"


def parts() -> list[Edit | Command]:
    """What the page says to do, in its order."""
    found: list[Edit | Command] = []
    place: tuple[str, str, str] | None = None
    end = 0
    for m in FENCE.finditer(TEXT):
        before, end = TEXT[end : m.start()].rstrip(), m.end()
        kind, body = m.groups()
        if kind == "console":
            first, _, rest = body.partition("\n")
            found.append(Command(first.removeprefix("$ "), rest))
        elif place is not None:
            file, how, text = place
            found.append(Edit(file, body, how, text))
            place = None
        elif edit := EDIT.search(before):
            place = (edit[1], edit[2], body)
        else:
            new = NEW.search(before)
            assert new, f"a block without a place: {body}"
            found.append(Edit(new[1], body))
    assert place is None
    return found


PARTS = parts()


@pytest.fixture(scope="module")
def copy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of what the page changes or reads."""
    root = tmp_path_factory.mktemp("contributing")
    for name in ("checker", "counterexamples", "model", "poolproof", "specs"):
        ignored = shutil.ignore_patterns("__pycache__")
        shutil.copytree(ROOT / name, root / name, symlinks=True, ignore=ignored)
    return root


def run(root: Path, line: str) -> tuple[str, str]:
    """What a command of the page prints, to stdout and stderr."""
    program, *arguments = shlex.split(line)
    assert program == "poolproof"
    command = [sys.executable, "-P", "-m", "poolproof", *arguments]
    environment = {**os.environ, "PYTHONPATH": str(root)}
    done = subprocess.run(
        command, cwd=root, env=environment, capture_output=True, text=True, timeout=300
    )
    return done.stdout, done.stderr


def test_a_newcomer_does_what_the_page_says(copy: Path) -> None:
    text = TEXT
    for part in PARTS:
        if isinstance(part, Edit):
            part.apply(copy)
            continue
        out, err = run(copy, part.line)
        assert err == ""
        said = replace(part, printed=f"{out.rstrip()}\n")
        if os.environ.get("POOLPROOF_BLESS"):
            text = text.replace(part.block, said.block)
            PAGE.write_text(text, encoding="utf-8")
        else:
            assert said == part


def test_the_page_has_its_three_examples() -> None:
    edits = [p for p in PARTS if isinstance(p, Edit)]
    commands = [p for p in PARTS if isinstance(p, Command)]
    assert [e.file for e in edits if not e.how] == [
        "model/designs/probes/surplus_pages.py",
        "specs/hugetlb/surplus_pages.spec",
        "checker/engines/walk.py",
        "one.spec",
    ]
    (row,) = (e for e in edits if e.file == "checker/engines/registry.py")
    assert row.text.startswith("    EngineRow(")
    assert {e.file for e in edits if e.how} == {
        "checker/engines/registry.py",
        "checker/elaborate/operators.py",
        "checker/spec/grammar.lark",
    }
    asked = " ".join(c.line for c in commands)
    assert all(f"--engine {name}" in asked for name in ("explicit", "walk", "bmc"))
