# SPDX-License-Identifier: GPL-2.0-only
"""Within how many steps an unfinished search found nothing: one number."""

from __future__ import annotations

from pathlib import Path

import pytest

from poolproof.checker.core.verdict import Budget, Silent, Unknown
from poolproof.checker.driver.designs import designs_named
from poolproof.checker.engines import registry
from poolproof.checker.frontend.design import compile_design
from poolproof.checker.spec import parse, resolve

DESIGN = '''
"""A counter that leaves its range after four steps, and a slow way back."""

from poolproof.model.language import Design, Int, action, require, var


class Counter(Design):
    """It counts."""

    n = var(Int(0, 3))
    other = var(Int(0, 9))

    @action
    def up(self):
        self.n += 1

    @action
    def turn(self):
        require(self.other < 9)
        self.other += 1
'''
SPEC = """spec "toy" for Counter
invariant small "the counter is in its range": n <= 3
step slow "one turn at a time": other' <= other + 1
"""


@pytest.mark.parametrize("engine", ["explicit", "native", "bmc"])
@pytest.mark.parametrize(("depth", "within"), [(0, 0), (1, 1), (3, 3), (6, 3)])
def test_engines_agree(tmp_path: Path, engine: str, depth: int, within: int) -> None:
    """The fourth step is an error of the model, so runs of three are all there are
    to speak about, though searches go on to see more errors."""
    file = tmp_path / "toy.py"
    file.write_text(DESIGN)
    (design,) = designs_named(f"{file}:Counter")
    compiled = compile_design(design.cls)
    spec = tmp_path / "toy.spec"
    spec.write_text(SPEC)
    asked = resolve(parse(spec), compiled).properties
    budget = Budget(depth=depth)
    found = registry.ask(engine, compiled.system, asked, budget, Silent())
    for verdict in found.verdicts.values():
        assert isinstance(verdict, Unknown)
        assert verdict.depth == within
