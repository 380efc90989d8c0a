# SPDX-License-Identifier: GPL-2.0-only
"""What drifted: a small kernel, and another one."""

from __future__ import annotations

from pathlib import Path

import pytest

from poolproof.checker.commands.main import main
from poolproof.checker.driver.citations import citations
from poolproof.checker.driver.drift import (
    DriftCount,
    compared,
    difference,
    version_meant,
)
from poolproof.checker.linux.anchors import Anchors, Source, anchored, anchors_text
from poolproof.checker.linux.tree import Folder
from poolproof.model.language import Design, Int, action, var

OLD = """\
static int pool_take(struct pool *p)
{
	p->free--;
	return 0;
}

void pool_put(struct pool *p)
{
	p->free++;
}

int pool_look_noprof(struct pool *p)
{
	return p->free;
}
"""
NONE = Anchors((), {}, {}, {})


class Pool(Design):
    """mm/pool.c as in v1.2."""

    free = var(Int(0, 1))

    @action(kernel="mm/pool.c:pool_take")
    def take(self) -> None:
        self.pool_put()

    def pool_put(self) -> None:
        """Gives it back."""

    @action(kernel="mm/pool.c:pool_look")
    def look(self) -> None:
        """Reads (mm/pool.c:pool_gone, v1.1)."""


def tree(folder: Path, version: str, text: str) -> Folder:
    numbers = zip(
        ("VERSION", "PATCHLEVEL", "SUBLEVEL"), version.split("."), strict=True
    )
    (folder / "mm").mkdir(parents=True)
    (folder / "Makefile").write_text("".join(f"{n} = {v}\n" for n, v in numbers))
    (folder / "mm/pool.c").write_text(text)
    return Folder(str(folder))


@pytest.fixture
def anchors(tmp_path: Path) -> Anchors:
    names = [c.name for c in citations(Pool)]
    gone = OLD + "void pool_gone(void)\n{\n}\n"
    first = anchored(NONE, tree(tmp_path / "1", "1.1.5", gone), names)
    return anchored(first, tree(tmp_path / "2", "1.2.3", OLD), names)


def against(folder: Path, text: str, anchors: Anchors) -> DriftCount:
    return compared(Source(tree(folder, "1.3.0", text)), citations(Pool), anchors)


def test_what_is_stored(anchors: Anchors) -> None:
    """A method with a function's name cites it; a wrapper is its function."""
    assert anchors.versions == ("1.1.5", "1.2.3")
    assert {n: [*d] for n, d in anchors.digests.items()} == {
        "mm/pool.c:pool_gone": ["1.1.5"],
        "mm/pool.c:pool_look": ["1.1.5", "1.2.3"],
        "mm/pool.c:pool_put": ["1.1.5", "1.2.3"],
        "mm/pool.c:pool_take": ["1.1.5", "1.2.3"],
    }
    assert anchors.lines["mm/pool.c:pool_put"] == {"1.1.5": 7, "1.2.3": 7}
    assert '"mm/pool.c:pool_gone" = "' in anchors_text(anchors)


def test_a_release_is_stored_once(anchors: Anchors, tmp_path: Path) -> None:
    again = anchored(anchors, tree(tmp_path / "3", "1.2.9", OLD), [])
    assert again.versions == ("1.1.5", "1.2.9")
    assert {*again.digests} == {*anchors.digests}


def test_the_version_that_a_citation_means(anchors: Anchors) -> None:
    meant = {c.function: version_meant(c, anchors) for c in citations(Pool)}
    assert meant["pool_take"] == meant["pool_put"] == "1.2.3"
    assert meant["pool_look"] == meant["pool_gone"] == "1.1.5"


def test_nothing_drifts_where_only_comments_differ(
    anchors: Anchors, tmp_path: Path
) -> None:
    text = OLD + "void pool_gone(void)\n{\n\t/* nothing */\n}\n"
    found = against(tmp_path / "new", text.replace("0;", "0; /* fine */"), anchors)
    assert (found.same, found.drifted) == (4, ())


def test_what_changed_and_what_is_gone(anchors: Anchors, tmp_path: Path) -> None:
    text = OLD.replace("p->free--", "p->free -= 1")
    found = against(tmp_path / "new", text, anchors)
    assert found.same == 2
    assert [(d.name, d.version, d.gone) for d in found.drifted] == [
        ("mm/pool.c:pool_gone", "1.1.5", True),
        ("mm/pool.c:pool_take", "1.2.3", False),
    ]


def test_the_difference_is_that_of_the_function(tmp_path: Path) -> None:
    old = Source(tree(tmp_path / "a", "1.2.3", OLD))
    text = OLD.replace("p->free--", "p->free -= 1").replace("p->free++", "p->free += 1")
    new = Source(tree(tmp_path / "b", "1.3.0", text))
    lines = difference("mm/pool.c:pool_take", old, new)
    assert [line for line in lines if line[0] in "+-"] == [
        "-\tp->free--;",
        "+\tp->free -= 1;",
    ]


def test_the_command(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    here = tree(tmp_path / "a", "6.12.1", "")
    (tmp_path / "a/mm/hugetlb.c").write_text("int region_chg(void)\n{\n}\n")
    arguments = ["anchors", "--tree", here.name, "--design", "CommitLimit"]
    assert main(arguments) == 1
    out = capsys.readouterr().out
    assert out.startswith("6.12.1: ")
    assert "mm/util.c:__vm_enough_memory: cited from 6.12.117, gone" in out
    assert main(["anchors", "--tree", str(tmp_path / "nowhere")]) == 2
    assert "no such folder" in capsys.readouterr().err
