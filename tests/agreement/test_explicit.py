# SPDX-License-Identifier: GPL-2.0-only
"""The Python engine: what is asked first, of a step and of a state."""

from __future__ import annotations

from pathlib import Path

import pytest

from poolproof.checker.backends.c.build import compiler
from poolproof.checker.commands import main as cli
from poolproof.checker.core.ir import (
    BOOL,
    TRUE,
    Domain,
    const,
    scalar_sort,
    select,
    table_sort,
)
from poolproof.checker.core.property import Kind, Property
from poolproof.checker.core.system import TransitionSystem, Variable
from poolproof.checker.core.verdict import Budget, Silent, Unreachable
from poolproof.checker.engines.explicit import explicit

DESIGN = '''
"""Leaves its range in the step that a property speaks of."""

from poolproof.model.language import Design, Int, action, var


class Over(Design):
    """Counts without end."""

    x = var(Int(0, 2))

    @action
    def up(self):
        self.x += 1
'''

SPEC = """spec "what is asked first"
for Over
step low: x' <= 2
invariant small: x <= 2
"""


@pytest.mark.parametrize("engine", ["explicit", "native", "bmc"])
def test_a_range_is_asked_before_a_step_property(
    engine: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    """The step was asked first: its trace was refuted, and nothing was known."""
    if engine == "native" and compiler() is None:
        pytest.skip("needs a C compiler")
    monkeypatch.chdir(tmp_path)
    Path("over.py").write_text(DESIGN)
    Path("over.spec").write_text(SPEC)
    argv = ["check", "over.spec", "--design", "over.py", "--engine", engine]
    assert cli.main(argv) == 2
    said, err = capsys.readouterr()
    assert err == ""
    assert "THE MODEL IS WRONG" in said
    assert "  3. up()" in said
    assert "violated" not in said


def test_a_constant_index_outside_its_table() -> None:
    """It reads 0, and neither the next variable's cell nor beyond the state."""
    nodes = Domain(scalar_sort("OUTSIDE", 2, "n"), 0, 1)
    table = Variable("table", table_sort((nodes,), BOOL), None, None, TRUE)
    after = Variable("after", BOOL, None, None, TRUE)
    beyond = select(table.now, const(nodes.sort, 2))  # none
    seen = Property("seen", Kind.REACHABLE, beyond)
    for variables in ((table,), (table, after)):
        system = TransitionSystem("outside", variables, (), TRUE, {}, {})
        found = explicit(system, (seen,), Budget(), Silent())
        assert isinstance(found.verdicts["seen"], Unreachable)
