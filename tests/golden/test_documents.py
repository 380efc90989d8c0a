# SPDX-License-Identifier: GPL-2.0-only
"""Every snippet in README.md runs, and prints what the document says; every
folder says what belongs there."""

from __future__ import annotations

import ast
import re
import shlex
from pathlib import Path

import pytest

from bench.run import LARGE
from poolproof.checker.commands.main import main
from poolproof.model.designs.hugetlb.linux_6_12 import Hugetlb
from poolproof.model.language.contents import declared

ROOT = Path(__file__).resolve().parents[2]
README = (ROOT / "README.md").read_text(encoding="utf-8")
FENCE = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def written_files() -> dict[str, str]:
    """File name -> text: a fenced block after a line that names it with a
    colon at its end (``In `my_pool.py`:``)."""
    found = {}
    for m in re.finditer(
        r"`(my_\w+\.\w+)`:\n\n```\w*\n(.*?)^```$", README, re.MULTILINE | re.DOTALL
    ):
        found[m.group(1)] = m.group(2)
    return found


def console_blocks() -> list[tuple[str, str]]:
    """(command, what it prints) of each console block."""
    found = []
    for kind, body in FENCE.findall(README):
        if kind == "console":
            first, _, rest = body.partition("\n")
            found.append((first.removeprefix("$ "), rest))
    return found


@pytest.fixture
def checkout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with the document's files, and the checkout's beside them."""
    for name in ("bench", "counterexamples", "model", "specs"):
        (tmp_path / name).symlink_to(ROOT / name)
    for name, text in written_files().items():
        (tmp_path / name).write_text(text, encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_the_document_has_its_parts() -> None:
    assert set(written_files()) == {
        "my_fix.patch",
        "my_patch.py",
        "my_pool.py",
        "my_pool.spec",
        "my_pool.scenario",
        "my_pool_at_last.spec",
    }
    assert len(console_blocks()) == 4


@pytest.mark.parametrize(("command", "printed"), console_blocks())
@pytest.mark.usefixtures("checkout")
def test_commands_print_what_the_document_says(
    command: str, printed: str, capsys: pytest.CaptureFixture[str]
) -> None:
    program, *arguments = shlex.split(command)
    assert program == "poolproof"
    main(arguments)
    out, err = capsys.readouterr()
    assert out.rstrip() == printed.rstrip()
    assert err == ""


def abridged_blocks() -> list[tuple[str, list[str]]]:
    """(command, pieces of what it prints) of each block with lines of dots."""
    found = []
    for kind, body in FENCE.findall(README):
        first, _, rest = body.partition("\n")
        if not kind and first.startswith("$ ") and "...\n" in rest:
            found.append((first.removeprefix("$ "), rest.split("...\n")))
    return found


@pytest.mark.parametrize(("command", "pieces"), abridged_blocks())
@pytest.mark.usefixtures("checkout")
def test_what_is_left_out_stands_between_the_pieces(
    command: str, pieces: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    main(shlex.split(command)[1:])
    out, err = capsys.readouterr()
    assert (err, len(pieces) > 2) == ("", True)
    at = 0
    for piece in pieces:
        assert piece in out[at:]
        at = out.index(piece, at) + len(piece)


def test_two_commands_are_in_the_makefile() -> None:
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    for target in re.findall(r"`make ([\w-]+)`|^    make ([\w-]+)", README, re.M):
        assert f"\n{''.join(target)}:" in makefile


def test_the_architecture_names_what_exists() -> None:
    text = (ROOT / "ARCHITECTURE.md").read_text(encoding="utf-8")
    block = text.split("\n\n    model/language/")[1].split("\n\n")[0]
    names = re.findall(r"^    ([\w./*]+)", "\n    model/language/" + block, re.M)
    assert len(names) > 10
    for name in names:
        assert list(ROOT.glob(name.rstrip("/"))), name


ROOMS = ("bench", "checker", "counterexamples", "model", "poolproof", "specs", "tests")
"""The folders of the repository that people write in."""

LISTED = re.compile(r"^\| ([\w/.]+/) \|", re.MULTILINE)
"""A folder in a README's table."""


def folders() -> list[Path]:
    """All folders with text in them; a design's counterexamples need no word."""
    found = []
    for room in ROOMS:
        inner = () if room == "counterexamples" else (ROOT / room).rglob("*/")
        for folder in (ROOT / room, *inner):
            parts = folder.relative_to(ROOT).parts
            ours = not any(p.startswith((".", "__")) for p in parts)
            if (
                ours
                and not folder.is_symlink()
                and any(map(Path.is_file, folder.iterdir()))
            ):
                found.append(folder)
    return found


def listed(readme: Path) -> list[str]:
    """The folders in a README's table."""
    return LISTED.findall(readme.read_text(encoding="utf-8")) if readme.exists() else []


@pytest.mark.parametrize(
    "folder", folders(), ids=lambda folder: str(folder.relative_to(ROOT))
)
def test_a_folder_says_what_belongs_there(folder: Path) -> None:
    for name in listed(folder / "README.md"):
        assert (folder / name).is_dir(), name
    package, above = folder / "__init__.py", folder.parent / "README.md"
    if package.exists():
        assert ast.get_docstring(ast.parse(package.read_text(encoding="utf-8")))
    elif not (folder / "README.md").exists():
        assert f"{folder.name}/" in listed(above)
    if folder.name in ("specs", "tests"):
        inner = {f"{p.name}/" for p in folder.iterdir() if p in folders()}
        assert inner == set(listed(folder / "README.md"))


def test_the_bench_sets_bounds_that_hugetlb_has() -> None:
    assert bounds_in(LARGE) <= declared(Hugetlb)[0].keys()
    assert f"    hugetlb {LARGE}, 2 threads, " in README


def bounds_in(text: str) -> set[str]:
    return {setting.partition("=")[0] for setting in text.split(",")}
