# SPDX-License-Identifier: GPL-2.0-only
"""The Python engine: what is asked first, of a step and of a state."""

from __future__ import annotations

from pathlib import Path

import pytest

from poolproof.checker.backends.c.build import compiler
from poolproof.checker.commands import main as cli
from poolproof.checker.core.ir import (
    BOOL,
    FALSE,
    INT,
    TRUE,
    Domain,
    add,
    const,
    eq,
    lt,
    not_,
    num,
    scalar_sort,
    select,
    store,
    table_sort,
)
from poolproof.checker.core.property import Kind, Property
from poolproof.checker.core.system import Action, TransitionSystem, Variable
from poolproof.checker.core.verdict import Budget, Holds, Silent, Unreachable
from poolproof.checker.engines import explicit as module
from poolproof.checker.engines.explicit import explicit
from poolproof.checker.passes.symmetry import Symmetry

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


def test_what_each_action_returned_is_counted() -> None:
    """From 0, 1 and 2: `up` says whether it was 0, `back` says nothing."""
    x = Variable("x", INT, num(0), num(2), num(0))
    small = lt(x.now, num(2))
    up = Action("up", (), small, {"x": add(x.now, num(1))}, eq(x.now, num(0)))
    back = Action("back", (), TRUE, {"x": num(0)}, None)
    system = TransitionSystem("counted", (x,), (up, back), TRUE, {}, {})
    figures = explicit(system, (), Budget(), Silent()).statistics
    assert figures.fired == {"up": 2, "back": 3}
    assert figures.results == {("up", 1): 1, ("up", 0): 1}
    assert figures.seconds > 0


def test_no_run_is_made_up_under_a_wrong_symmetry(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Only a0 is marked, and only a1 is looked at: these are not alike."""
    of = scalar_sort("NOT_ALIKE", 2, "a")
    first, second = (const(of, k) for k in range(2))
    x = Variable("x", table_sort((Domain(of, 0, 1),), BOOL), None, None, FALSE)
    seen = Variable("seen", BOOL, None, None, FALSE)
    mark = Action("mark", (), TRUE, {"x": store(x.now, first, TRUE)}, None)
    look = Action("look", (), select(x.now, second), {"seen": TRUE}, None)
    system = TransitionSystem("not alike", (x, seen), (mark, look), TRUE, {}, {})
    never = Property("never", Kind.INVARIANT, not_(seen.now))
    asked = system, (never,), Budget(), Silent()
    assert isinstance(explicit(*asked).verdicts["never"], Holds)
    wrong = Symmetry((of,), (of,), ())
    monkeypatch.setattr(module, "find_symmetry", lambda *_, **__: wrong)
    with pytest.raises(AssertionError, match="symmetry is broken"):
        explicit(*asked)
