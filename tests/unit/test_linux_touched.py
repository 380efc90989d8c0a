# SPDX-License-Identifier: GPL-2.0-only
"""Which functions a patch touches, with a tree and without."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from poolproof.checker.core.diagnostic import UserError
from poolproof.checker.linux.patch import read_patches
from poolproof.checker.linux.touched import Touched, touched
from poolproof.checker.linux.tree import (
    Folder,
    folder_of,
    is_range,
    range_of,
    version_of,
)
from tests.common.diffs import diff

BEFORE = """\
/* A pool of pages. */
#define POOL_ROOM(p) ((p)->room - 1)

static int pool_take(struct pool *p)
{
	if (!p->free)
		goto out;
	p->free--;
	return 0;
out:
	return -ENOMEM;
}

/* Gives a page back. */
static void pool_put(struct pool *p)
{
	p->free++;
}

static int
pool_look(struct pool *p)
{
	return p->free;
}
"""


def found(before: str, after: str, tree: Folder | None) -> dict[str, tuple[int, int]]:
    patches = read_patches(diff(before, after).encode(), "x")
    some, unfit = touched(patches, tree)
    assert unfit == ()
    return {t.function: (t.added, t.removed) for t in some}


@pytest.fixture
def tree(tmp_path: Path) -> Folder:
    (tmp_path / "mm").mkdir()
    (tmp_path / "Makefile").write_text("VERSION = 6\nPATCHLEVEL = 12\nSUBLEVEL = 7\n")
    return folder_of(str(tmp_path))


def write(tree: Folder, text: str) -> None:
    Path(tree.name, "mm/pool.c").write_text(text)


CHANGES = {
    "pool_take": BEFORE.replace("\tp->free--;", "\tp->free -= 1;"),
    "pool_put": BEFORE.replace("\tp->free++;", "\tp->free += 1;"),
    "pool_look": BEFORE.replace("\treturn p->free;", "\treturn p->free + 0;"),
    "POOL_ROOM": BEFORE.replace("- 1)", "- 2)"),
}


@pytest.mark.parametrize("name", CHANGES)
@pytest.mark.parametrize("patched", [False, True])
def test_a_tree_with_or_without_the_patch_says_it_exactly(
    tree: Folder, name: str, patched: bool
) -> None:
    write(tree, CHANGES[name] if patched else BEFORE)
    assert found(BEFORE, CHANGES[name], tree) == {name: (1, 1)}


def test_the_tree_may_have_more_lines_before_the_place(tree: Folder) -> None:
    write(tree, "int more(void)\n{\n\treturn 1;\n}\n" * 30 + BEFORE)
    assert found(BEFORE, CHANGES["pool_look"], tree) == {"pool_look": (1, 1)}


def test_a_new_function_and_a_comment_outside(tree: Folder) -> None:
    after = BEFORE.replace(
        "/* Gives", "int pool_new(void)\n{\n\treturn 1;\n}\n/* Gives"
    )
    after = after.replace("A pool", "The pool")
    write(tree, BEFORE)
    assert found(BEFORE, after, tree) == {"pool_new": (4, 0), "": (1, 1)}
    assert found(BEFORE, after, None) == {"pool_new": (4, 0)}


def test_a_tree_with_another_text_is_named(tree: Folder) -> None:
    write(tree, BEFORE.replace("p->free", "p->pages"))
    patches = read_patches(diff(BEFORE, CHANGES["pool_put"]).encode(), "x")
    some, unfit = touched(patches, tree)
    assert unfit == ("mm/pool.c",)
    assert [t.function for t in some] == ["pool_put"]


def test_without_a_tree_the_header_and_the_lines_say_it() -> None:
    text = (
        "--- a/mm/pool.c\n+++ b/mm/pool.c\n"
        "@@ -10,12 +10,14 @@ static int pool_take(struct pool *p)\n"
        " \tp->free--;\n+\tp->used++;\n \treturn 0;\n }\n \n"
        " static void pool_put(struct pool *p)\n {\n-\tp->free++;\n+\tp->free += 1;\n"
        " }\n int declared(int a,\n \t     int b);\n \n"
        "+SYSCALL_DEFINE1(pool, int, nr)\n"
        " \n"
    )
    some, _ = touched(read_patches(text.encode(), "x"))
    assert some == (
        Touched("mm/pool.c", "pool_put", 1, 1),
        Touched("mm/pool.c", "pool_take", 1, 0),
        Touched("mm/pool.c", "pool", 1, 0),
    )


def test_a_range_of_git_has_both_trees(tmp_path: Path) -> None:
    git = ["git", "-C", str(tmp_path), "-c", "user.name=a", "-c", "user.email=a@b.c"]

    def commit(text: str) -> None:
        (tmp_path / "mm/pool.c").write_text(text)
        subprocess.run([*git, "add", "-A"], check=True)
        subprocess.run([*git, "commit", "-qm", "x"], check=True)

    (tmp_path / "mm").mkdir()
    subprocess.run([*git, "init", "-q"], check=True)
    commit(BEFORE)
    commit(CHANGES["pool_take"])
    chosen = range_of("HEAD~1..HEAD", str(tmp_path))
    some, unfit = touched(read_patches(chosen.diff, "x"), chosen)
    assert (some, unfit) == ((Touched("mm/pool.c", "pool_take", 1, 1),), ())
    with pytest.raises(UserError, match="nothing changed"):
        range_of("HEAD..HEAD", str(tmp_path))
    with pytest.raises(UserError, match=r"git in .*nowhere"):
        range_of("nowhere..HEAD", str(tmp_path))


def test_what_is_a_range() -> None:
    assert is_range("v6.18..my-branch")
    assert is_range("origin/master...HEAD")
    assert is_range("HEAD~3..")
    assert not is_range("../fix.patch")
    assert not is_range("fix.patch")


def test_the_version_of_a_tree(tree: Folder, tmp_path: Path) -> None:
    assert version_of(tree) == "6.12.7"
    (tmp_path / "Makefile").write_text("all:\n")
    with pytest.raises(UserError, match="not a kernel tree"):
        folder_of(str(tmp_path))
    with pytest.raises(UserError, match="no such folder"):
        folder_of(str(tmp_path / "nowhere"))
