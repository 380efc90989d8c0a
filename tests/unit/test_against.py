# SPDX-License-Identifier: GPL-2.0-only
"""An heir against its base: exactly what differs, and nothing where nothing does."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from poolproof.checker.commands.main import main
from poolproof.checker.core.verdict import Budget, Silent
from poolproof.checker.driver.against import Change, Compared, compare
from poolproof.checker.driver.designs import DesignRef
from poolproof.checker.driver.task import Request, prepare
from poolproof.checker.spec import parse_text
from poolproof.model.language import Bool, Design, Int, action, require, var, warn_on


class Pool(Design):
    """Two pages; one of two ways to free a page forgets to count."""

    used = var(Int(0, 2))
    held = var(Int(0, 2))

    @action
    def take(self) -> bool:
        if self.used == 2:
            return False
        require(self.held < 2)
        self.used += 1
        self.held += 1
        return True

    @action
    def put(self):
        require(self.held > 0)
        self.held -= 1
        self.used -= self.returned()

    @action
    def drop(self):
        """The known fault: nothing is counted."""
        require(self.held > 0)
        self.held -= 1

    def returned(self) -> int:
        return min(1, self.used)


class Same(Pool):
    """The same."""


class Leaky(Pool):
    """A second fault of the same property: the last page that is put."""

    def returned(self) -> int:
        return 0 if self.held == 0 else min(1, self.used)


class Mended(Pool):
    """Without the known fault."""

    @action
    def drop(self):
        require(self.held > 0)
        self.held -= 1
        self.used -= self.returned()


class Later(Mended):
    """The fault is there only once both pages were held."""

    both = var(Bool())

    @action
    def take(self) -> bool:
        taken = super().take()
        if self.held == 2:
            self.both = True
        return taken

    def returned(self) -> int:
        return 0 if self.both else min(1, self.used)


class Never(Pool):
    """Nothing is refused any more: the pool is one page larger than it says."""

    @action
    def take(self) -> bool:
        require(self.used < 2 and self.held < 2)
        self.used += 1
        self.held += 1
        return True


class Warned(Pool):
    """With an assertion that fails."""

    @action
    def drop(self):
        require(self.held > 0)
        warn_on(self.used == 2, "two")
        self.held -= 1


class More(Pool):
    """With a call that the base does not have."""

    called = var(Bool())

    @action
    def ring(self):
        require(not self.called)
        self.called = True


SPEC = """\
spec "pages"
for Pool
invariant exact "the counter is what is held":
    used == held
step kept on put: used' == used - 1
reachable full: held == 2
"""


def against(cls: type[Design]) -> Compared:
    spec = parse_text(SPEC, "pages.spec")
    (task,) = prepare(spec, Request(designs=(f"{__name__}:{cls.__name__}",)))
    base = DesignRef(Pool, f"{__name__}:Pool")
    return compare(task, base, "explicit", Budget(), Silent())


def changes(cls: type[Design]) -> dict[str, tuple[Change, int | None]]:
    """By property: how it differs, and the steps of the run that shows it."""
    return {
        d.prop.name: (d.change, None if d.run is None else len(d.run.trace))
        for d in against(cls).differences
    }


def test_nothing_differs() -> None:
    compared = against(Same)
    assert compared.same
    assert not compared.differs
    assert compared.properties == 3


def test_a_known_fault_hides_no_new_one() -> None:
    """Both violate `exact` after take, drop; only the heir after take, put. The base
    returns a page with each put, and so keeps `kept`."""
    assert changes(Leaky) == {"exact": (Change.OTHER, 2), "kept": (Change.NEW, 2)}


def test_where_the_base_parts() -> None:
    (other, _) = against(Leaky).differences
    assert other.run is not None
    assert [t.step.action for t in other.run.taken] == ["take", "put"]
    assert other.parting == "after step 2 used is 0"


def test_a_fault_that_is_gone() -> None:
    assert changes(Mended) == {"exact": (Change.LOST, None)}


def test_a_longer_run_and_what_is_violated_by_it() -> None:
    """take, take, and a page given back: the base has no fault in put."""
    found = [(d.change, d.prop.name) for d in against(Later).differences]
    assert found == [
        (Change.LONGER, "exact"),
        (Change.OTHER, "exact"),
        (Change.NEW, "kept"),
    ]


def test_a_result_that_never_comes() -> None:
    compared = against(Never)
    assert compared.dead == ("take -> false",)
    assert compared.new == ()
    assert compared.differences == ()
    assert compared.differs


def test_an_assertion_that_only_the_heir_has() -> None:
    """take, take, drop."""
    assert changes(Warned) == {"warn_on.drop.drop": (Change.NEW, 3)}


def test_a_call_that_only_the_heir_has() -> None:
    """The base stays where it is: the known fault after it is still known."""
    compared = against(More)
    assert compared.differences == ()
    assert compared.new == ("ring",)


def test_a_budget_that_ends_early() -> None:
    spec = parse_text(SPEC, "pages.spec")
    (task,) = prepare(spec, Request(designs=(f"{__name__}:Leaky",)))
    base = DesignRef(Pool, f"{__name__}:Pool")
    compared = compare(task, base, "explicit", Budget(states=1), Silent())
    assert compared.unknown
    assert not compared.differs
    assert compared.dead == compared.new == ()


# --- the command --------------------------------------------------------------


@pytest.fixture
def spec(tmp_path: Path) -> str:
    file = tmp_path / "pages.spec"
    file.write_text(SPEC)
    return str(file)


def call(capsys: pytest.CaptureFixture[str], *argv: str) -> tuple[int, str]:
    code = main(argv)
    out, err = capsys.readouterr()
    assert err == ""
    return code, out


def test_one_line_and_exit_0(capsys: pytest.CaptureFixture[str], spec: str) -> None:
    base, same = f"{__name__}:Pool", f"{__name__}:Same"
    assert call(capsys, "check", spec, "--design", same, "--against", base) == (
        0,
        "Same against Pool: no difference, the same transition system (1 spec, 3\n"
        "  properties)\n",
    )


def test_the_text_of_a_difference(
    capsys: pytest.CaptureFixture[str], spec: str
) -> None:
    base, leaky = f"{__name__}:Pool", f"{__name__}:Leaky"
    code, out = call(capsys, "check", spec, "--design", leaky, "--against", base)
    assert code == 1
    _, _, below = out.partition("\n\n")
    assert below == (
        "  exact  another violation, after 2 steps; Pool: violated after 2 steps\n"
        "  kept   violated after 2 steps; Pool: no violation\n"
        "\n"
        "exact: the counter is what is held\n"
        "  1. take() -> true\n"
        "       used  0 -> 1\n"
        "       held  0 -> 1\n"
        "  2. put()\n"
        "       held  1 -> 0\n"
        "  Pool, by the same calls: after step 2 used is 0\n"
        "  exact is false:\n"
        "    used == held is false: 1 == 0\n"
        "\n"
        "kept\n"
        "  1. take() -> true\n"
        "       used  0 -> 1\n"
        "       held  0 -> 1\n"
        "  2. put()\n"
        "       held  1 -> 0\n"
        "  Pool, by the same calls: after step 2 used is 0\n"
        "  kept is false:\n"
        "    used' == used + -1 is false: 1 == 0\n"
        "      used = 1\n"
        "\n"
        "Leaky against Pool: differences under 1 spec (1 spec, 3 properties)\n"
    )


def test_json(capsys: pytest.CaptureFixture[str], spec: str) -> None:
    base, leaky = f"{__name__}:Pool", f"{__name__}:Leaky"
    argv = ("check", spec, "--design", leaky, "--against", base, "--json")
    code, out = call(capsys, *argv)
    made = json.loads(out)
    assert code == made["exit"] == 1
    (compared,) = made["compared"]
    assert [d["change"] for d in compared["differences"]] == [
        "another violation",
        "new violation",
    ]
    assert [s["action"] for s in compared["differences"][0]["trace"]["steps"]] == [
        "take",
        "put",
    ]


def test_nothing_to_compare(capsys: pytest.CaptureFixture[str], spec: str) -> None:
    base = f"{__name__}:Pool"
    assert main(["check", spec, "--design", base, "--against", base]) == 2
    assert "name the other design with --design" in capsys.readouterr().err


def test_several_at_a_time(
    capsys: pytest.CaptureFixture[str], spec: str, tmp_path: Path
) -> None:
    """The same text, in the order of the specs."""
    other = tmp_path / "full.spec"
    other.write_text('spec "full"\nfor Pool\nreachable full: held == 2\n')
    asked = ("check", spec, str(other), "--design", f"{__name__}:Leaky")
    asked = (*asked, "--against", f"{__name__}:Pool")
    assert call(capsys, *asked, "--jobs", "2") == call(capsys, *asked)


class Longer(Pool):
    """With branches that no run takes: what is held is used, and only two are."""

    def returned(self) -> int:
        if self.used == 0:
            return 0  # never
        if self.used > self.held + 2:
            return 2  # never
        return min(1, self.used)


def test_a_branch_that_is_never_taken() -> None:
    spec = parse_text(SPEC, "pages.spec")
    (task,) = prepare(spec, Request(designs=(f"{__name__}:Longer",)))
    base = DesignRef(Pool, f"{__name__}:Pool")
    budget = Budget(branches=True)
    compared = compare(task, base, "explicit", budget, Silent())
    source = Path(__file__).read_text().splitlines()
    places = [source[r.branch.span.line - 1].strip() for r in compared.never]
    assert places == ["return 0  # never", "return 2  # never"]
    assert compared.differs
