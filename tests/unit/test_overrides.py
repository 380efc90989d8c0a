# SPDX-License-Identifier: GPL-2.0-only
"""An heir's method takes the place of the one that its author means."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from poolproof.checker.commands.main import main
from poolproof.checker.core.diagnostic import UserError
from poolproof.checker.driver.designs import DesignRef, from_file, shipped_designs
from poolproof.checker.frontend.design import compile_design
from poolproof.checker.frontend.overrides import check_overrides, idle_methods
from poolproof.model.language import Block, Bound, Int, ModelError, made_like, table

BASE = """\
from poolproof.model.language import Block, Bound, Design, Int, Scalarset
from poolproof.model.language import action, observer, require, table, var

VMAS = Scalarset("VMAS", Bound("V", 2), prefix="v")


class Quota(Block):
    used = var(Int(0, 6))

    def charge(self, amount=1):
        self.used += amount

    @action
    def give_back(self, amount: Int(1, 2)):
        require(self.design.may_shrink())
        self.used -= amount


class Base(Design):
    quota = Quota()
    pages = table(VMAS, Int(0, 3))

    def adjust_reservation(self, vma, amount=1):
        self.pages[vma] += amount
        self.quota.charge(amount)

    def may_shrink(self):
        return self.quota.used > 2

    @observer
    def total(self) -> int:
        return sum(self.pages[v] for v in VMAS)

    @action
    def mmap(self, vma: VMAS, n: Int(1, 2)):
        require(self.pages[vma] == 0)
        self.adjust_reservation(vma, n)


class Heir(Base):
"""


FIRST = BASE.count("\n") + 1


def line_of(text: str) -> int:
    return BASE[: BASE.index(text)].count("\n") + 1


def heir(tmp_path: Path, text: str, more: str = "") -> DesignRef:
    """The last design of a file whose class Heir has this text."""
    file = tmp_path / "patch.py"
    body = "".join(f"    {line}\n" for line in text.splitlines())
    file.write_text(BASE + body + more)
    return from_file(str(file))[-1]


WRONG = {
    "a parameter too few": (
        "def adjust_reservation(self, vma):\n    pass",
        "adjust_reservation(self, vma) overrides Base.adjust_reservation"
        "(self, vma, amount=1), {file}:{hook}: take the same parameters",
    ),
    "a parameter too many": (
        "def adjust_reservation(self, vma, amount, node):\n    pass",
        "take the same parameters",
    ),
    "one without its default": (
        "def adjust_reservation(self, vma, amount):\n    pass",
        "adjust_reservation(self, vma, amount) overrides",
    ),
    "another name, which keywords would miss": (
        "def adjust_reservation(self, v, amount=1):\n    pass",
        "adjust_reservation(self, v, amount=1) overrides",
    ),
    "an action": (
        "@action\ndef mmap(self, vma: VMAS):\n    pass",
        "mmap(self, vma) overrides Base.mmap(self, vma, n), {file}:{action}: take the "
        "same parameters, or write `mmap = None` and give yours another name",
    ),
    "an action with one more": (
        "def mmap(self, vma, n, node: VMAS = None):\n    pass",
        "overrides Base.mmap",
    ),
    "an action of a block": (
        "def give_back(self, pages):\n    pass",
        "give_back(self, pages) overrides Quota.give_back(self, amount), {file}:",
    ),
    "a block's action, misspelt": (
        "def give_backs(self, amount):\n    pass",
        "give_backs is never called and overrides nothing (did you mean 'give_back'?)",
    ),
    "a hook of a block, misspelt": (
        "def may_shrinks(self):\n    return True",
        "(did you mean 'may_shrink'?)",
    ),
    "an observer": ("def total(self, vma: VMAS) -> int:\n    return 0", "overrides"),
    "a hook's name misspelt": (
        "def adjust_reservations(self, vma, amount=1):\n    pass",
        "adjust_reservations is never called and overrides nothing "
        "(did you mean 'adjust_reservation'?)",
    ),
    "a removed action's name misspelt": (
        "mmapp = None",
        "mmapp = None removes nothing (did you mean 'mmap'?)",
    ),
}


@pytest.mark.parametrize("case", WRONG)
def test_what_is_refused(case: str, tmp_path: Path) -> None:
    text, wanted = WRONG[case]
    known = heir(tmp_path, text)
    with pytest.raises(UserError) as e:
        compile_design(known.cls)
    place = e.value.span
    assert place is not None
    assert place.file.endswith("patch.py")
    line = FIRST + text.startswith("@")
    assert (place.line, place.column) == (line, 5)
    wanted = wanted.format(
        file=place.file, hook=line_of("def adjust"), action=line_of("def mmap")
    )
    assert wanted in e.value.message


RIGHT = {
    "the same": "def adjust_reservation(self, vma, amount=1):\n    pass",
    "one more that has a default": "def adjust_reservation(self, vma, amount=1, node=0):\n    pass",
    "an action without domains": "def mmap(self, vma, n):\n    pass",
    "an action removed": "mmap = None",
    "a helper that an action calls": "def mmap(self, vma, n):\n    self.reserve(vma)\n"
    "def reserve(self, vma):\n    self.pages[vma] = 1",
    "a hook and a helper of nearly its name": "def adjust_reservation(self, vma, amount=1):\n    pass\n"
    "def adjust_reservations(self, vma, amount=1):\n    pass",
}


@pytest.mark.parametrize("case", RIGHT)
def test_what_is_accepted(case: str, tmp_path: Path) -> None:
    compile_design(heir(tmp_path, RIGHT[case]).cls)


def test_a_block_beside_the_design(tmp_path: Path) -> None:
    block = "\n\nclass Tight(Quota):\n    def charges(self, amount=1):\n        pass\n"
    design = "\n\nclass Tighter(Base):\n    quota = Tight()\n"
    known = heir(tmp_path, "pass", block + design)
    with pytest.raises(UserError, match="did you mean 'charge"):
        compile_design(known.cls)


def test_a_method_without_effect_is_named(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    known = heir(tmp_path, "def munmap(self, vma: VMAS):\n    self.pages[vma] = 0")
    ((place, name),) = idle_methods(known.cls)
    assert (place.line, name) == (FIRST, "munmap")
    spec = tmp_path / "s.spec"
    spec.write_text('spec "s"\nfor Heir\ninvariant few: total() <= 4\n')
    main(["check", str(spec), "--design", known.reference])
    told = capsys.readouterr().out
    assert "nothing calls munmap: write @action above it" in " ".join(told.split())


@pytest.mark.parametrize("known", shipped_designs(), ids=lambda k: k.name)
def test_the_shipped_designs(known: DesignRef) -> None:
    check_overrides(known.cls)
    assert idle_methods(known.cls) == ()


def test_a_file_may_begin_with_a_byte_order_mark(tmp_path: Path) -> None:
    """Python reads it, and some editors write one."""
    file = tmp_path / "marked.py"
    file.write_text(BASE + "    pass\n", encoding="utf-8-sig")
    *_, marked = from_file(str(file))
    assert compile_design(marked.cls, {}).system.action_by_name["mmap"]


class Pool(Block):
    def __init__(self, nodes: Any, pages: Any, **named: Any) -> None:
        self.free = table(nodes, Int(0, pages), **named)


class SharedPool(Pool):
    """Another class."""


def test_a_block_made_like_another() -> None:
    nodes, more = Int(0, 1), Bound("more", 3)
    base = Pool(nodes, 2, doc="free pages")
    same, other = made_like(base, SharedPool), made_like(base, SharedPool, pages=more)
    assert type(same) is type(other) is SharedPool
    assert (same.free.index, same.free.domain) == ((nodes,), Int(0, 2))
    assert (other.free.domain, other.free.doc) == (Int(0, more), "free pages")
    with pytest.raises(ModelError, match=r"Pool has no parameter 'page'.*pages"):
        made_like(base, SharedPool, page=more)
