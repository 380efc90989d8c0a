# SPDX-License-Identifier: GPL-2.0-only
"""Every snippet in LANGUAGE.md runs, and `poolproof help` prints its parts."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest

from poolproof.checker.commands.main import main
from poolproof.checker.reports.language import TOPICS

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "LANGUAGE.md").read_text(encoding="utf-8")
FENCE = re.compile(r"(?:`([\w.]+)`:\n\n)?^```(\w*)\n(.*?)^```$", re.M | re.S)
SNIPPETS = FENCE.findall(PAGE)
"""(file name or nothing, language, text) of each fenced block."""
COMMANDS = [text for _, kind, text in SNIPPETS if kind == "console"]


@pytest.fixture
def files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with the page's files; later Python follows the design's."""
    for name, kind, text in SNIPPETS:
        if name:
            (tmp_path / name).write_text(text, encoding="utf-8")
        elif kind == "python":
            with (tmp_path / "pool.py").open("a", encoding="utf-8") as design:
                design.write(f"\n\n{text}")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_each_snippet_is_one_that_runs() -> None:
    names = [name for name, _, _ in SNIPPETS if name]
    assert names == ["pool.py", "pool.spec", "pool.scenario", "words.scenario"]
    assert all(name or kind in ("python", "console") for name, kind, _ in SNIPPETS)
    assert [shlex.split(c)[2] for c in COMMANDS] == ["check", "size", "size"]


@pytest.mark.parametrize("command", COMMANDS)
@pytest.mark.parametrize("design", ["Pool", "PinnedPool", "NoCharge"])
@pytest.mark.usefixtures("files")
def test_all_comes_out_as_the_page_expects(
    command: str, design: str, capsys: pytest.CaptureFixture[str]
) -> None:
    prompt, program, *arguments = shlex.split(command)
    assert (prompt, program, arguments[-2]) == ("$", "poolproof", "--design")
    assert main([*arguments[:-1], f"pool.py:{design}"]) == 0
    out, err = capsys.readouterr()
    assert "n/a" not in out
    assert err == ""


def test_the_labels_of_the_bounds_are_bounds(
    files: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    labels = re.findall(r"^bounds (\w+):", (files / "pool.spec").read_text(), re.M)
    assert labels == ["wide", "bound"]
    argv = ("check", "pool.spec", "--design", "pool.py:Pool", "--engine", "explicit")
    for label, shown in zip(
        labels, ("B=2 V=5", "B=1 V=2, with bind rebind"), strict=True
    ):
        assert main([*argv, "--strict", "--bounds", label]) == 0
        assert f"Pool, {shown}\n" in capsys.readouterr().out


@pytest.mark.usefixtures("files")
def test_the_design_that_yields(capsys: pytest.CaptureFixture[str]) -> None:
    text = PAGE[PAGE.index("    invariant kept ") : PAGE.index("Every check of such")]
    Path("shared.spec").write_text(f'spec "shared" for SharedCount {text}')
    assert main(["check", "shared.spec", "--design", "pool.py:SharedCount"]) == 1
    out = capsys.readouterr().out
    assert re.search(r"kept +violated after 7 steps", out)
    assert re.search(r"waited +no violation", out)


@pytest.mark.usefixtures("files")
def test_the_lines_of_a_comparison(capsys: pytest.CaptureFixture[str]) -> None:
    text = PAGE[PAGE.index("    user mmap") : PAGE.index("`user` lists the calls.")]
    Path("pool.interface").write_text(f'spec "shared"\n{text}')
    with Path("pool.py").open("a", encoding="utf-8") as design:
        design.write(
            "\n\nclass Small(Pool):\n    touch = None\n\n    @action\n"
            "    def fault(self, vma: VMAS, node: NODES) -> bool:\n"
            "        require(self.live[vma] and self.page[vma] is None)\n"
            "        return False\n"
        )
    argv = ("compare", "pool.py:Pool", "pool.py:Small", "pool.interface")
    assert main([*argv, "--with", "bind"]) == 1
    out = capsys.readouterr().out
    assert "  calls: mmap(vma), touch(vma)\n  read: pages\n" in out
    assert "  Pool, silent: mbind(nodes={n0, n1}) first\n" in out
    assert re.search(r"\n  touch +OK +false +mmap\(v0\); touch\(v0\)\n", out)


@pytest.mark.parametrize("topic", TOPICS)
def test_help_prints_its_part_of_the_page(
    topic: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["help", topic]) == 0
    out, err = capsys.readouterr()
    lines = out.splitlines()
    assert err == ""
    assert max(map(len, lines)) <= 75
    assert lines[0] == f"# {TOPICS[topic][0]}"
    assert all(f"# {heading}" in lines for heading in TOPICS[topic])
    assert "```" not in out
    assert not any(line.startswith("|") for line in lines)
    headings = re.findall(r"^# (Designs|Specs|Scenarios)$", PAGE, re.M)
    assert headings == [name for some in TOPICS.values() for name in some]


def test_help_has_every_word_of_the_page(
    capsys: pytest.CaptureFixture[str],
) -> None:
    for topic in TOPICS:
        main(["help", topic])
    printed = set(re.findall(r"\w+", capsys.readouterr().out))
    wanted = set(re.findall(r"\w+", PAGE[PAGE.index("\n# Designs") :]))
    assert wanted - printed == {"python", "console"}
