# SPDX-License-Identifier: GPL-2.0-only
"""Cases with their messages in them: what is read, refused, and renewed."""

from __future__ import annotations

from pathlib import Path

import pytest

from poolproof.checker.core.diagnostic import UserError
from poolproof.checker.core.system import Span
from tests.common.cases import Case, cases_in, read_cases

TEXT = """\
head

# === first
one
    # 5: no two
    two

# === second
# 1:1: no head
three
"""


@pytest.fixture
def case(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Case:
    monkeypatch.delenv("POOLPROOF_BLESS", raising=False)
    (tmp_path / "all.txt").write_text(TEXT)
    return next(read_cases(tmp_path / "all.txt"))


def error(path: Path, line: int, text: str) -> UserError:
    return UserError(Span(str(path), line, 5), text)


def test_a_message_is_about_the_line_below_it(case: Case) -> None:
    first, second = read_cases(case.path)
    assert first.expected() == ["3:5: no two"]
    assert second.expected() == ["1:1: no head"]


def test_the_input_is_the_head_and_the_case(case: Case, tmp_path: Path) -> None:
    assert case.write(tmp_path).read_text() == "head\none\n    two\n"


def test_only_the_message_at_its_place_is_right(case: Case, tmp_path: Path) -> None:
    path = case.write(tmp_path)
    case.check(error(path, 3, "no two"), path)
    for other in (error(path, 2, "no two"), error(path, 3, "no three")):
        with pytest.raises(AssertionError):
            case.check(other, path)
    with pytest.raises(AssertionError):
        case.check(error(tmp_path / "other", 3, "no two"), path)


def test_a_message_is_renewed_where_it_is_now(
    case: Case, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = case.write(tmp_path)
    monkeypatch.setenv("POOLPROOF_BLESS", "1")
    case.check(error(path, 2, "no one"), path)
    text = TEXT.replace("    # 5: no two\n", "").replace("one\n", "# 5: no one\none\n")
    assert case.path.read_text() == text
    (case, _) = read_cases(case.path)
    case.check(error(path, 1, "no head"), path)
    assert next(read_cases(case.path)).expected() == ["1:5: no head"]


def test_a_name_is_given_once(case: Case) -> None:
    case.path.write_text(TEXT.replace("second", "first"))
    with pytest.raises(AssertionError, match="first"):
        cases_in(case.path.parent, "all.txt")
