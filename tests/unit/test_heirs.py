# SPDX-License-Identifier: GPL-2.0-only
"""A spec for a base is a spec for its heirs; the nearest class that is named wins."""

from __future__ import annotations

from pathlib import Path

import pytest

from poolproof.checker.commands.main import main
from poolproof.checker.core.verdict import Budget, Silent
from poolproof.checker.driver.check import run
from poolproof.checker.driver.designs import (
    DesignRef,
    designs_for,
    designs_named,
    designs_of,
    specs_for,
)
from poolproof.checker.driver.judging import ExpectationStatus
from poolproof.checker.driver.task import Request, prepare
from poolproof.checker.frontend.design import compile_design
from poolproof.checker.spec import parse, parse_text, resolve
from poolproof.checker.spec.claims import expected
from poolproof.checker.spec.heirs import lineage, nearest_named
from poolproof.model.designs import hugetlb
from poolproof.model.designs.hugetlb.linux_6_12 import Hugetlb
from poolproof.model.designs.hugetlb.versions import Hugetlb61
from poolproof.model.language import Design, Int, action, require, var

ROOT = Path(__file__).parents[2]


class Tank(Design):
    level = var(Int(0, 3))

    @action
    def fill(self):
        require(self.level < 3)
        self.level += 1


class Renamed(Tank):
    """The same."""


class Small(Tank):
    @action
    def fill(self):
        require(self.level < 1)
        self.level += 1


class Smaller(Small):
    """The same as Small."""


class Same(Hugetlb):
    """The same."""


class Patched61(Hugetlb61):
    """The same."""


TEXT = """\
spec "s"
for Tank, Small
invariant low: level <= 1
    expect violated at 2 for Tank
    expect holds for Small
invariant never: level <= 2
    expect violated at 3 for Tank
"""


def test_nearest_first() -> None:
    names = [name for name in lineage(Smaller) if "." not in name]
    assert names == ["Smaller", "Small", "Tank"]
    assert nearest_named(Smaller, ("Tank", "Small")) == "Small"
    assert nearest_named(Smaller, ("Design", "object")) is None
    assert nearest_named(Renamed, (f"{__name__}.Tank",)) == f"{__name__}.Tank"


@pytest.mark.parametrize(
    ("cls", "expected"),
    [
        (Tank, ["violated", "violated"]),
        (Renamed, ["violated", "violated"]),
        (Small, ["holds", None]),  # named itself: not what is said of its base
        (Smaller, ["holds", None]),
    ],
)
def test_expectations(cls: type[Design], expected: list[str | None]) -> None:
    resolved = resolve(parse_text(TEXT, "s.spec"), compile_design(cls))
    stated = [p.expect and p.expect.verdict for p in resolved.properties]
    assert stated == expected


def test_expectations_without_a_for_line() -> None:
    text = 'spec "s"\ninvariant low: level <= 1\n    expect violated at 2 for Tank\n'
    (prop,) = resolve(parse_text(text, "s.spec"), compile_design(Renamed)).properties
    assert prop.expect is not None
    assert prop.expect.depth == 2


def test_which_specs_are_asked() -> None:
    """Those of the nearest class that any spec names: Hugetlb61 has its own."""
    base, old = (
        parse_text(TEXT, "a.spec"),
        parse_text('spec "b"\nfor Tank\ninvariant a: true', "b.spec"),
    )
    assert specs_for([base, old], DesignRef(Small, "Small")) == (base,)
    assert specs_for([base, old], DesignRef(Smaller, "Smaller")) == (base,)
    assert specs_for([base, old], DesignRef(Renamed, "Renamed")) == (base, old)
    some = [DesignRef(c, c.__name__) for c in (Smaller, Renamed, Tank)]
    assert [k.name for k in designs_of(base.designs, some)] == [
        "Renamed",
        "Tank",
        "Smaller",
    ]


def test_a_file_with_more_than_heirs(tmp_path: Path) -> None:
    """Of a file's designs, those that the spec is for."""
    file = tmp_path / "mine.py"
    file.write_text(
        "from poolproof.model.designs.hugetlb.linux_6_12 import Hugetlb\n"
        "from poolproof.model.designs.tao import Tao\n"
        "class Mine(Hugetlb): pass\n"
        "class Other(Tao): pass\n"
    )
    spec = parse(ROOT / "specs/hugetlb/hugetlb_accounting.spec")
    assert [k.name for k in designs_for(spec, (str(file),))] == ["Mine"]


@pytest.mark.parametrize("cls", [Same, Patched61])
def test_a_renamed_copy_of_a_shipped_design(cls: type[Design]) -> None:
    """What the shipped specs expect of the base, they expect of the copy."""
    reference = f"{__name__}:{cls.__name__}"
    (known,) = designs_named(reference)
    paths = sorted((ROOT / "specs").rglob("hugetlb_*.spec"))
    asked = specs_for([parse(p) for p in paths], known)
    assert len(asked) >= 3
    base = cls.__mro__[1]
    for spec in asked:
        for stated in (*spec.claims, *spec.assertions):
            mine, its = (expected(spec, c, stated.expects) for c in (cls, base))
            assert mine == its
    spec = min(asked, key=lambda s: len(s.claims))
    one, other = (
        prepare(spec, Request(designs=(r,)))[0].resolved
        for r in (reference, base.__name__)
    )
    assert [p.expect for p in one.properties] == [p.expect for p in other.properties]


def test_the_copy_is_as_expected() -> None:
    spec = parse(ROOT / "specs/hugetlb/hugetlb_demote.spec")
    (task,) = prepare(spec, Request(designs=(f"{__name__}:Same",)))
    checked = run(task, "exhaustive", Budget(threads=1), Silent())
    assert any(p.expect is not None for p in task.resolved.properties)
    assert {a.status for a in checked.answers} == {ExpectationStatus.MET}


@pytest.mark.slow
def test_review_finds_the_specs_of_a_patch(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "my_patch.py"
    file.write_text(
        "from poolproof.model.designs.shmem_1g import Shmem1g\n"
        "class Patch(Shmem1g): pass\n"
    )
    assert main(["review", "--design", str(file), "--page"]) == 0
    assert "as expected" in capsys.readouterr().out


def test_the_least_pool_of_an_heir(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    scenario = tmp_path / "s.scenario"
    scenario.write_text((ROOT / "specs/scenarios/hot_upgrade_4.scenario").read_text())
    spec = parse(scenario)
    first = (spec.scenarios[0].designs or spec.designs)[0].text
    (known,) = designs_named(first)
    module, name = known.cls.__module__, known.name
    (tmp_path / "heir.py").write_text(
        f"from {module} import {name}\nclass Heir({name}): pass\n"
    )
    argv = [
        "size",
        str(scenario),
        "--design",
        str(tmp_path / "heir.py"),
        "--table",
        "--scenario",
        spec.scenarios[0].name.text,
    ]
    assert main(argv) == 0
    assert "Heir" in capsys.readouterr().out


def test_hugetlb_is_imported_without_its_version() -> None:
    """An heir's import stays when the design's files are split once more."""
    assert hugetlb.Hugetlb is Hugetlb
