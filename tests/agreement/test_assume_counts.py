# SPDX-License-Identifier: GPL-2.0-only
"""An `assume` cuts the steps that a `require` would, and all who count agree.

The oracle is CPython: in every reachable state each action is tried with all
arguments, and an `Assumed` that is raised is a step that was cut.
"""

from __future__ import annotations

import re
from collections import Counter
from itertools import count
from pathlib import Path

import pytest

from poolproof.checker.backends.c import copies
from poolproof.checker.core.compiled import Compiled
from poolproof.checker.core.verdict import Budget, Silent, Statistics, Step
from poolproof.checker.driver.designs import designs_named
from poolproof.checker.engines.explicit import explicit
from poolproof.checker.engines.liveness import Graph
from poolproof.checker.engines.native import native
from poolproof.checker.engines.registry import ask
from poolproof.checker.evidence.runner import Runner
from poolproof.checker.frontend.design import compile_design
from poolproof.checker.passes.reduce import reduce
from poolproof.model.language import (
    Assumed,
    Design,
    Disabled,
    Int,
    action,
    assume,
    require,
    var,
)
from tests.common.random_texts import texts

ALL = Budget(symmetry=False)


class Apart(Design):
    """Two counters that have nothing to do with each other."""

    a = var(Int(0, 2))
    b = var(Int(0, 3))

    @action
    def left(self, by: Int(0, 5)):
        require(self.a < 2)
        assume(by in (1, 3), "odd")
        self.a += 1

    @action
    def right(self, by: Int(0, 1)):
        require(self.b < 3)
        assume(by == 0, "even")
        self.b += 1


def compiled(seed: int, folder: Path, assuming: bool) -> Compiled:
    """A random design, perhaps with each `require` made an `assume`."""
    text = texts(seed).design()
    if assuming:
        number = count()
        text = re.sub(
            r"require\((.*)\)$",
            lambda m: f'assume({m[1]}, "reason {next(number) % 3}")',
            text,
            flags=re.MULTILINE,
        )
        text = text.replace("import action, require", "import action, assume")
    path = folder / f"{'assume' if assuming else 'require'}{seed}.py"
    path.write_text(text)
    (known,) = designs_named(f"{path}:Random")
    return compile_design(known.cls)


def cut(compiled: Compiled) -> dict[str, int]:
    """The steps that each assumption cuts, by CPython."""
    graph = Graph(compiled.system, Budget(), Silent())
    assert not graph.reason
    runner, found = Runner(compiled), Counter[str]()
    for state in graph.states:
        for a in compiled.system.actions:
            for raw in a.valuations():
                runner.load(state)
                try:
                    runner.take(Step(a.name, raw))
                except Assumed as e:
                    found[str(e)] += 1
                except Disabled:
                    pass
    assert graph.cuts.found == {why: found[why] for why in graph.cuts.found}
    return dict(found)


def counted(statistics: Statistics) -> dict[str, int]:
    assert statistics.complete
    return {why: n for why, n in statistics.assumed.items() if n}


def test_every_search_counts_what_cpython_refuses(tmp_path: Path) -> None:
    tried = Counter[str]()
    for seed in range(60):
        this = compiled(seed, tmp_path, assuming=True)
        found = explicit(this.system, (), ALL, Silent())
        if found.defects:
            continue
        right = cut(this)
        assert counted(found.statistics) == right, seed
        tried.update(right)
        as_required = compiled(seed, tmp_path, assuming=False)
        other = explicit(as_required.system, (), ALL, Silent()).statistics
        assert other.assumed == {}
        assert (other.states, other.fired) == (
            found.statistics.states,
            found.statistics.fired,
        )
    assert set(tried) == {"reason 0", "reason 1", "reason 2"}


@pytest.mark.parametrize("room", [copies.SMALL, 0])
def test_the_program_counts_the_same(
    room: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whether actions are written out for all arguments or are loops."""
    monkeypatch.setattr(copies, "SMALL", room)
    this = compiled(50, tmp_path, assuming=True)
    small = reduce(this.system, ()).system
    assert len(small.variables) < len(this.system.variables)
    whole = this.system
    for budget, system in ((ALL, whole), (Budget(), whole), (Budget(), small)):
        right = explicit(system, (), budget, Silent()).statistics
        found = native(system, (), budget, Silent())
        assert counted(found.statistics) == counted(right)
        assert sum(counted(right).values()) > 5


def test_parts_that_are_searched_alone_count_for_the_whole() -> None:
    """Each step of one part is cut once for each state of the others."""
    this = compile_design(Apart)
    found = ask("native", this.system, (), Budget(), Silent()).statistics
    assert any("searched one by one" in note for note in found.notes)
    assert (
        counted(found)
        == cut(this)
        == {
            "odd": 4 * 2 * 4,
            "even": 3 * 3,
        }
    )
