# SPDX-License-Identifier: GPL-2.0-only
"""Two real fixes of 6.12.y, taken out of a source tree: `conform --tree --base` finds
each as a difference and as violated properties, on the kernel's own counters.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from poolproof.checker.commands.conform import conform
from poolproof.checker.commands.parser import Options
from poolproof.checker.conform.campaign import Plan
from poolproof.checker.core.cache import cache_folder
from poolproof.checker.core.verdict import Silent
from poolproof.checker.kernel.build import build_image
from poolproof.checker.kernel.fetch import Image
from poolproof.checker.kernel.guest import Guest, GuestMachine
from poolproof.checker.kernel.kernel import Unavailable
from poolproof.model.designs.hugetlb.linux_6_12 import Hugetlb
from tests.common.acted import compiles
from tests.common.linux_tree import own_tree, replace_file

pytestmark = pytest.mark.slow

FILE = Path("mm/hugetlb.c")


@dataclass(frozen=True)
class Fix:
    """A fix: what is in the text once because of it, and what was there before.
    ``having`` are the features of a run that shows it, ``violated`` are properties of
    which one does not hold in such a run without it."""

    subject: str
    old: str
    new: str
    having: tuple[str, ...]
    violated: tuple[str, ...]


FIXES = (
    Fix(
        "hugetlb: only adjust reservation during unmapping if mapcount is 0",
        "!folio_mapped(page_folio(page)) && ",
        "",
        ("fork",),
        ("no_wrap",),
    ),
    Fix(
        "mm/hugetlb: fix avoid_reserve to allow taking reservation from subpool",
        "deferred_reserve = map_chg || cow_from_owner;",
        "deferred_reserve = map_chg || cow_from_owner;\n"
        "\tif (cow_from_owner)\n\t\tgbl_chg = 1;",
        ("fork", "private_files", "mount", "min_size"),
        ("resv_exact", "census"),
    ),
)


@pytest.fixture(scope="module")
def tree() -> Iterator[Path]:
    """A copy of the tree, whose file is put back in the end."""
    with own_tree() as (named, copy):
        yield copy
        replace_file(copy / FILE, (named / FILE).read_text())


@pytest.fixture(scope="module")
def base(tree: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The image with both fixes."""
    kept = tmp_path_factory.mktemp(tree.name) / "bzImage"
    shutil.copyfile(built(tree).vmlinuz, kept)
    return kept


def built(tree: Path) -> Image:
    """The tree's image. Skips without one."""
    try:
        return build_image(tree, cache_folder())
    except Unavailable as reason:
        pytest.skip(str(reason))


def reverted(text: str, fix: Fix) -> str:
    if text.count(fix.old) != 1:
        pytest.skip(f"the tree has not got {fix.subject!r}")
    return text.replace(fix.old, fix.new)


@pytest.mark.parametrize("fix", FIXES, ids=lambda f: f.subject)
def test_a_fix_taken_out_is_found(
    fix: Fix, tree: Path, base: Path, tmp_path: Path
) -> None:
    original = (tree / FILE).read_text()
    plan = Plan(20_000, seconds=900.0, enough=1, having=fix.having)
    asked = Options(log="", failures=False, gigantic=0, install=False, c=str(tmp_path))
    asked.tree, asked.base = str(tree), str(base)
    replace_file(tree / FILE, reverted(original, fix))
    try:
        lines, code = conform(Hugetlb, plan, asked, Silent())
        head = build_image(tree, cache_folder()).vmlinuz
    finally:
        replace_file(tree / FILE, original)
    out = "\n".join(lines)
    assert code == 1, out
    said = [f"the head's counters violate {name}:" for name in fix.violated]
    assert any(line in out for line in said), out
    program = tmp_path / "difference1"
    text = (tmp_path / "difference1.c").read_text()
    compiles(text, "-static", "-s", "-o", str(program))
    assert (ends(base, program), ends(head, program)) == ("000", "001")


def ends(image: Path, program: Path) -> str:
    """The exit code of a program on a kernel."""
    machine = GuestMachine(programs=(program,))
    with Guest(Image(image.name, image, ()), cache_folder(), machine) as guest:
        outcome = guest.sequence(["timeout 60000", f"run {program.name}"])
    return outcome.answers[-1].value.split(" ", 1)[0]
