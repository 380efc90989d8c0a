# SPDX-License-Identifier: GPL-2.0-only
"""The command that mutates the checker: what it covers, and what it counts."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.common.mutation import (
    LEAST,
    ROOT,
    SCORES,
    TESTS,
    Mutated,
    Score,
    digest,
    equivalent,
    killers,
    modules,
    name_of,
    order,
    readable,
    sample,
    score,
)


def test_all_that_decides_a_verdict_is_changed() -> None:
    known = modules()
    assert set(TESTS) <= set(known)
    some = {"tables", "symmetry", "replay", "program", "smt", "native", "prove"}
    assert some <= set(known)
    for path in known.values():
        for test in killers(path):
            assert (ROOT / test).exists(), test


MUTATED = Mutated(
    "checker/core/ir/tables.py",
    "0" * 16,
    "",
    tuple(f"x_f__mutmut_{k}" for k in range(1, 7)),
    {"x_f": "1"},
    {
        "x_f__mutmut_orig": (
            "def x_f__mutmut_orig(a):",
            "    return zip(a, strict=True)",
        ),
        **{
            f"x_f__mutmut_{k}": (f"def x_f__mutmut_{k}(a):", "    return None")
            for k in (1, 2, 6)
        },
        "x_f__mutmut_3": ("def x_f__mutmut_3(a):", "    return zip(a, strict=False)"),
        "x_f__mutmut_4": ("def x_f__mutmut_4(a):", "    return zip(a, )"),
        "x_f__mutmut_5": ("def x_f__mutmut_5(a):", "    return zip(None, strict=True)"),
    },
)


def test_what_counts() -> None:
    """1 a failed test, 36 no end; 0 all passed, 33 no test; missing: not tried."""
    codes = dict(zip(MUTATED.mutants, (1, 36, 0, 33, -9), strict=False))
    found = score(MUTATED, MUTATED.mutants, codes, 1)
    same = ("x_f__mutmut_3", "x_f__mutmut_4")  # lengths that are equal anyway
    assert found == Score(2, ("x_f__mutmut_5",), same, 1, 6, 1)
    assert str(found) == "66 % (2 of 3 killed; 2 more equivalent; 1 not tried)"
    part = score(MUTATED, MUTATED.mutants[:3], codes, 7)
    assert str(part) == (
        "100 % (2 of 2 killed; 1 more equivalent; a sample of 3 of 6, seed 7)"
    )
    assert score(MUTATED, (), {}, 1).percent == 0
    assert Score(199, ("x",), (), 0, 200, 1).percent == 99


def test_a_sample_is_fixed_and_spread_over_the_functions() -> None:
    names = [f"x_{f}__mutmut_{k}" for f in "abcde" for k in range(1, 21)]
    chosen = sample(names, 10, 1)
    assert chosen == sample(names, 10, 1) != sample(names, 10, 2)
    assert len(set(chosen)) == 10
    assert [sum(m.startswith(f"x_{f}_") for m in chosen) for f in "abcde"] == [2] * 5
    assert sample(names, 0, 1) == sample(names, 100, 1) == names


def test_the_tests_that_reach_a_function_come_first_cheap_before_dear() -> None:
    calls: dict[str, list[str]] = {
        "a.py::far": [],
        "a.py::dear": ["x_f"],
        "b.py::other": ["x_g"],
    }
    calls |= {"a.py::cheap": ["x_f", "x_g"], "b.py::far": []}
    calls |= {"a.py::hours": ["x_f"]}
    cost = dict(zip(calls, (1.0, 2.5, 1.0, 2.0, 1.0, 99.0), strict=True))
    assert order("x_f", calls, cost) == ["a.py::cheap", "a.py::dear", "a.py::far"]
    assert order("x_h", calls, cost) == []


def test_the_changed_lines_are_shown() -> None:
    assert MUTATED.change("x_f__mutmut_5") == (
        "- return zip(a, strict=True)",
        "+ return zip(None, strict=True)",
    )
    assert readable("xǁStepǁshow__mutmut_7") == "Step.show"
    assert readable("x__orders__mutmut_7") == "_orders"


def test_equivalent_mutants_have_a_reason() -> None:
    for (module, function, change), why in equivalent().items():
        assert module in modules().values()
        assert function
        assert {line[0] for line in change} <= {"-", "+"}
        assert len(why) > 20


TEXT = """\
class Range:
    lo: int

    def width(self) -> int:
        return 1 + self.lo
"""


@pytest.mark.parametrize(
    "other",
    [
        f'# of numbers\n"""Ranges."""\n\n{TEXT}',
        TEXT.replace("lo: int", 'lo: int\n    """Included."""'),
        TEXT.replace("lo: int", '"""A range."""\n    lo: int'),
        TEXT.replace("return 1 + self.lo", "return (  # both ends\n1\n+ self.lo)"),
    ],
)
def test_prose_and_layout_leave_a_score_valid(other: str) -> None:
    assert digest(other) == digest(TEXT)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("1 + self.lo", "2 + self.lo"),
        ("1 + self.lo", "1 - self.lo"),
        ("1 + self.lo", "self.lo + 1"),
        ("1 + self.lo", "True + self.lo"),
        ("return 1", 'return "1"'),
        ("return 1 + self.lo", 'raise ValueError("1")'),
        ("lo: int", "lo: int = 0"),
        ("def", "@property\n    def"),
    ],
)
def test_a_change_of_the_code_makes_a_score_stale(old: str, new: str) -> None:
    assert digest(TEXT.replace(old, new)) != digest(TEXT)


OF_DESIGNS = SCORES / "any_sizes.txt"
"""What is proved of designs, which is no score of a module."""


@pytest.mark.parametrize(
    "path", sorted({*SCORES.glob("*.txt")} - {OF_DESIGNS}), ids=lambda p: p.stem
)
def test_a_stored_score_is_high_enough(path: Path) -> None:
    """Even if it is of an earlier text: `make mutants` renews it."""
    module, of, _, told = path.read_text(encoding="utf-8").splitlines()[:4]
    module = module.removeprefix("module: ")
    assert module in modules().values()
    assert path.stem == name_of(module)
    assert re.fullmatch(r"digest: [0-9a-f]{16}", of)
    found = re.fullmatch(
        r"score: (\d+) % \(\d+ of \d+ killed(; \d+ more equivalent)?"
        r"(; a sample of [\d,]+ of [\d,]+, seed \d+)?\)",
        told,
    )
    assert found is not None, "not all mutants were tried"
    assert int(found[1]) >= LEAST


def test_what_is_equivalent_is_a_change_of_the_present_text() -> None:
    """An entry for a line that is gone excuses nothing, and hides that it did."""
    texts = {module: (ROOT / module).read_text("utf-8") for module, *_ in equivalent()}
    for module, function, change in equivalent():
        before = [line[2:] for line in change if line.startswith("- ")]
        before = [line.replace("def (", f"def {function}(") for line in before]
        before = [re.sub(r"def \w+\.", "def ", line) for line in before]
        assert all(line in texts[module] for line in before), (module, change)
