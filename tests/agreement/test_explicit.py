# SPDX-License-Identifier: GPL-2.0-only
"""The Python engine: what is asked first, of a step and of a state."""

from __future__ import annotations

from pathlib import Path

import pytest

from poolproof.checker.backends.c.build import compiler
from poolproof.checker.commands import main as cli

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
