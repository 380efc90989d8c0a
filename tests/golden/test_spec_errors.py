# SPDX-License-Identifier: GPL-2.0-only
"""Every mistake in a spec is answered with file:line:column and what to
write instead: spec_errors/ has the mistakes and the answers.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from bench.pool import Pool
from poolproof.checker.core.diagnostic import UserError
from poolproof.checker.frontend.design import compile_design
from poolproof.checker.spec import parse, parse_text, resolve_all, sizes
from poolproof.checker.spec.refusals import REFUSALS, Refusal
from tests.common.cases import Case, cases_in
from tests.common.masks import Masks

CASES = cases_in(Path(__file__).parent / "spec_errors", "*.spec")
DESIGNS = {"Pool": Pool, "Masks": Masks}


def check(path: Path) -> None:
    """All that is done with a spec before an engine runs."""
    spec = parse(path)
    designs = [DESIGNS[word.text] for word in spec.designs]
    resolve_all(
        spec,
        [
            compile_design(d, bounds=s.bounds, without=s.without, having=s.having)
            for d, s in zip(designs, sizes(spec, designs), strict=True)
        ],
    )


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_mistakes_are_refused_with_their_golden_message(
    case: Case, tmp_path: Path
) -> None:
    path = case.write(tmp_path)
    with pytest.raises(UserError) as refused:
        check(path)
    case.check(refused.value, path)


@pytest.mark.parametrize("row", REFUSALS, ids=lambda row: row.example)
def test_each_refusal_explains_its_own_example(row: Refusal) -> None:
    with pytest.raises(UserError) as refused:
        parse_text(row.example)
    got = refused.value
    wanted = row.message
    for field in ("found", "near", "needed", "aggregate"):
        wanted = wanted.replace("{" + field + "}", "\0")
    position = 0
    for part in wanted.replace("{{", "{").split("\0"):
        position = got.message.find(part, position)
        assert position >= 0, got.message
        position += len(part)
    assert got.span is not None


def test_a_file_that_cannot_be_read_is_a_mistake(tmp_path: Path) -> None:
    for path, message in (
        (tmp_path / "no.spec", "there is no such file"),
        (tmp_path, "this is a directory: name a .spec file in it"),
        (tmp_path / "x\0.spec", "cannot be read: embedded null byte"),
    ):
        with pytest.raises(UserError) as refused:
            parse(path)
        assert str(refused.value) == f"{path}:1:1: {message}"


@pytest.mark.parametrize(
    ("data", "place"),
    [
        (b"\x7fELF\x02\x01\x01\x00", "1:1"),
        (b'spec "s"\nfor P\xff\xfe', "2:6"),
        ("spec \u201cs\u201d".encode("utf-16"), "1:1"),
        (b'spec "s"\x00', "1:9"),
    ],
)
def test_binary_junk_is_a_mistake(data: bytes, place: str, tmp_path: Path) -> None:
    path = tmp_path / "junk.spec"
    path.write_bytes(data)
    with pytest.raises(UserError) as refused:
        parse(path)
    assert str(refused.value) == f"{path}:{place}: this is not text: a spec is UTF-8"


@pytest.mark.parametrize(
    "formula",
    [
        "(" * 5000 + "true" + ")" * 5000,
        "not " * 5000 + "true",
        "1 + " * 5000 + "1 == 0",
        "true implies " * 5000 + "true",
        "true if true else " * 5000 + "true",
        "resv" + " - 1" * 60 + " == 0",
    ],
    ids=["parentheses", "not", "sum", "implies", "if", "subtraction"],
)
def test_deep_formulas_end_in_no_traceback(formula: str) -> None:
    compiled = compile_design(Pool)
    try:
        resolve_all(parse_text(f'spec "s" invariant a: {formula}'), [compiled])
    except UserError as refused:
        assert "nested too deeply" in refused.message


def test_definitions_that_explode_end_in_no_endless_run() -> None:
    lets = " ".join(f"let a{k + 1} = a{k} + a{k}" for k in range(60))
    text = f'spec "s" let a0 = resv {lets} invariant big: a60 == 0'
    with pytest.raises(UserError, match="too many definitions"):
        resolve_all(parse_text(text), [compile_design(Pool)])
