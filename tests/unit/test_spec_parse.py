# SPDX-License-Identifier: GPL-2.0-only
"""The grammar: what is written how, and which tree it is."""

from __future__ import annotations

import logging

import pytest
from lark import Lark
from lark import logger as lark_logger

from poolproof.checker.core.diagnostic import UserError
from poolproof.checker.core.property import Kind
from poolproof.checker.spec import Spec, parse_text
from poolproof.checker.spec.grammar import GRAMMAR
from poolproof.checker.spec.syntax import (
    Aggregate,
    Binary,
    CallExpr,
    Compare,
    Expression,
    IfElse,
    Index,
    Junction,
    Literal,
    Name,
    Numeral,
    Range,
    SetDisplay,
    Unary,
    start,
)

EXAMPLE = '''
spec "hugetlb: reservation accounting"
"""What the counters promise.

    Indented like this."""
for Hugetlb, Hugetlb61
source "Documentation/mm/"
       "hugetlbfs_reserv.rst"   # joined, as in C
bounds V = 2, P = 3 without fork, subpool with demote
bounds wide: V = 3

let absent = sum(v in VMAS: unconsumed(v))
let on(node, v) = count(p in PAGES: page[v, p] == node)

invariant resv_exact "I1: resv is what the maps promise":
    source "hugetlb.c: hugetlb_acct_memory"
    resv == absent
    expect holds
    expect violated at 4 for Hugetlb61
step failed_mmap "I21" on mmap(task, length = n):
    result != OK implies unchanged(resv, free)
step monotone: total' >= total
reachable full: count(n in NODES: free[n] == 0) == 2 expect reachable at 4
'''


def formula(text: str) -> Expression:
    (claim,) = parse_text(f'spec "s" invariant a: {text}').claims
    return claim.formula


def shape(e: Expression) -> str:
    """The tree with all its parentheses."""
    match e:
        case Numeral(value=value):
            return str(value)
        case Literal(text=text):
            return text
        case Name():
            return str(e)
        case Index(table=table, at=at):
            return f"{table}[{', '.join(map(shape, at))}]"
        case CallExpr(function=function, arguments=arguments):
            return f"{function}({', '.join(map(shape, arguments))})"
        case Junction(operator=op, parts=parts):
            return "(" + f" {op} ".join(map(shape, parts)) + ")"
        case Unary(operator=op, operand=operand):
            return f"({op} {shape(operand)})"
        case Binary(operator=op, left=left, right=right):
            return f"({shape(left)} {op} {shape(right)})"
        case Compare(operands=operands, relations=relations):
            text = shape(operands[0])
            for relation, operand in zip(relations, operands[1:], strict=True):
                text += f" {relation.operator} {shape(operand)}"
            return f"({text})"
        case IfElse(then=a, condition=c, otherwise=b):
            return f"({shape(a)} if {shape(c)} else {shape(b)})"
        case SetDisplay(elements=elements):
            return "{" + ", ".join(map(shape, elements)) + "}"
        case Aggregate(operator=op, binders=binders, body=body):
            bound = []
            for b in binders:
                over = b.over
                ends = (over.lo, over.hi) if isinstance(over, Range) else (over,)
                names = ", ".join(w.text for w in b.names)
                bound.append(f"{names} in {'..'.join(map(shape, ends))}")
            return f"{op}({'; '.join(bound)}: {shape(body)})"


@pytest.fixture(scope="module")
def spec() -> Spec:
    return parse_text(EXAMPLE, "hugetlb.spec")


def test_the_grammar_has_no_conflicts(caplog: pytest.LogCaptureFixture) -> None:
    text = GRAMMAR.read_text(encoding="utf-8")
    lark_logger.setLevel(logging.DEBUG)
    try:
        with caplog.at_level(logging.DEBUG, lark_logger.name):
            lark_logger.propagate = True
            Lark(text, parser="lalr", lexer="basic", debug=True)
    finally:
        lark_logger.setLevel(logging.CRITICAL)
    assert "conflict" not in caplog.text


def test_the_head(spec: Spec) -> None:
    assert spec.title == "hugetlb: reservation accounting"
    assert spec.doc == "What the counters promise.\n\nIndented like this."
    assert [d.text for d in spec.designs] == ["Hugetlb", "Hugetlb61"]
    assert spec.source == "Documentation/mm/hugetlbfs_reserv.rst"
    first, wide = spec.bounds
    assert [(s.name.text, s.value) for s in first.settings] == [("V", 2), ("P", 3)]
    assert [w.text for w in first.without] == ["fork", "subpool"]
    assert [w.text for w in first.having] == ["demote"]
    assert (first.label, wide.label) == ("", "wide")


def test_the_items(spec: Spec) -> None:
    assert [let.name.text for let in spec.lets] == ["absent", "on"]
    assert [p.text for p in spec.lets[1].parameters] == ["node", "v"]
    exact, failed, monotone, full = spec.claims
    assert exact.kind is Kind.INVARIANT
    assert exact.title == "I1: resv is what the maps promise"
    assert exact.source == "hugetlb.c: hugetlb_acct_memory"
    assert [
        (e.verdict, e.depth, [d.text for d in e.designs]) for e in exact.expects
    ] == [("holds", None, []), ("violated", 4, ["Hugetlb61"])]
    assert failed.kind is Kind.STEP
    assert failed.on is not None
    assert failed.on.action.text == "mmap"
    assert [(a.parameter.text, a.alias.text) for a in failed.on.arguments] == [
        ("task", "task"),
        ("length", "n"),
    ]
    assert monotone.on is None
    assert full.kind is Kind.REACHABLE
    assert (full.expects[0].verdict, full.expects[0].depth) == ("reachable", 4)


def test_places_are_those_of_the_text(spec: Spec) -> None:
    exact = spec.claims[0]
    assert str(exact.span) == "hugetlb.spec:15:11"
    assert isinstance(exact.formula, Compare)
    assert str(exact.formula.span) == "hugetlb.spec:17:10"
    assert str(start(exact.formula)) == "hugetlb.spec:17:5"
    assert str(exact.expects[0].span) == "hugetlb.spec:18:12"


@pytest.mark.parametrize(
    ("text", "tree"),
    [
        ("a implies b implies c", "(a implies (b implies c))"),
        ("a imply b implies c", "(a implies (b implies c))"),
        ("a and b or c and not d", "((a and b) or (c and (not d)))"),
        ("a or b implies c", "((a or b) implies c)"),
        ("a implies b iff c", "((a implies b) iff c)"),
        ("not a == b", "(not (a == b))"),
        ("a and b and c", "(a and b and c)"),
        ("0 <= a <= b + 1", "(0 <= a <= (b + 1))"),
        ("a + b * c - d // 2", "((a + (b * c)) - (d // 2))"),
        ("a - b - c", "((a - b) - c)"),
        ("-a * b % 3", "(((- a) * b) % 3)"),
        ("a | b & c == d", "((a | (b & c)) == d)"),
        ("a not in b", "(a not in b)"),
        ("a in {b, c} or d", "((a in {b, c}) or d)"),
        ("a == {}", "(a == {})"),
        ("a if b else c if d else e", "(a if b else (c if d else e))"),
        ("a if b implies c else d", "(a if (b implies c) else d)"),
        ("free'[n] == free[n]", "(free'[n] == free[n])"),
        ("pool.page[v, p + 1] == none", "(pool.page[v, (p + 1)] == none)"),
        ("absent'(v) + total() == 1", "((absent'(v) + total()) == 1)"),
        ("all(v, w in V, p in 0..P - 1: a)", "all(v, w in V; p in 0..(P - 1): a)"),
        ("any(n in mems[t]: a)", "any(n in mems[t]: a)"),
        ("sum (n in NODES: 1) == 2", "(sum(n in NODES: 1) == 2)"),
        ("((a))", "a"),
    ],
)
def test_how_operators_bind(text: str, tree: str) -> None:
    assert shape(formula(text)) == tree


@pytest.mark.parametrize(
    "word",
    [
        "source",
        "on",
        "at",
        "without",
        "with",
        "holds",
        "violated",
        "unknown",
        "count",
        "sum",
        "any",
        "lettuce",
        "step_1",
        "_x",
    ],
)
def test_words_that_are_names_where_a_name_can_stand(word: str) -> None:
    assert shape(formula(f"{word} == 0 expect unknown")) == f"({word} == 0)"
    spec = parse_text(f'spec "s" step a on mmap({word} = x): true')
    assert spec.claims[0].on is not None
    assert spec.claims[0].on.arguments[0].parameter.text == word


def test_line_ends_mean_nothing() -> None:
    squeezed = " ".join(line.partition("#")[0].strip() for line in EXAMPLE.splitlines())
    assert len(parse_text(squeezed).claims) == 4
    assert len(parse_text(EXAMPLE.replace("\n", "\r\n")).claims) == 4
    assert len(parse_text("# first\n" + EXAMPLE + "# last").claims) == 4


def test_strings_have_two_escapes() -> None:
    spec = parse_text(r'spec "the \"promise\" of C:\\" invariant a: true')
    assert spec.title == r'the "promise" of C:\ '.rstrip()


def test_a_hash_in_a_string_is_no_comment() -> None:
    assert parse_text('spec "bug #1"').title == "bug #1"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("invariant a.b: true", "1:20: a property's name is one word, without dots"),
        ("let sum = 1", "1:14: `sum` is a word of the language: choose another name"),
        ("let f(a, a) = 1", "1:19: `a` is the name of two parameters"),
        ("invariant a: all(v in V, v in W: true)", "1:35: `v` is bound twice"),
        ("invariant a: all(v.w in V: true)", "1:27: a bound name is one word"),
        ("bounds V = 1 bounds V = 2", "is the label of two bounds"),
        ("step a on b(c, c): true", "1:25: `c` is named twice"),
        ("step a on b(c = x, d = x): true", "is the name of two parameters"),
        ("invariant a: b expect holds expect unknown", "1:45: `expect` stands twice"),
        (
            "invariant a: x == 99999999999999999999",
            "1:28: a number has at most 18 digits",
        ),
        ("for A, A", "1:17: `A` is named twice"),
    ],
)
def test_what_no_grammar_can_refuse(text: str, message: str) -> None:
    with pytest.raises(UserError) as refused:
        parse_text(f'spec "s" {text}')
    assert message in str(refused.value)


def test_a_colon_where_only_a_name_can_stand() -> None:
    text = 'spec "s"\nscenario two:\n    task a:\n        up()\n    anytime: up()\n'
    with pytest.raises(UserError) as refused:
        parse_text(text)
    assert str(refused.value) == "<spec>:5:12: `:` cannot stand here: a name can"


def test_an_action_may_be_called_like_an_aggregate() -> None:
    spec = parse_text(
        'spec "s" step a on count(p): count(n in NODES: free[n]) == p '
        "user all(p = 1) or B.any scenario two: task t: sum(1) environment count()"
    )
    assert spec.claims[0].on is not None
    assert spec.claims[0].on.action.text == "count"
    assert isinstance(spec.claims[0].formula, Compare)
    assert [w.action.text for w in spec.calls[0].ways] == ["all", "B.any"]
