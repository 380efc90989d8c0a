# SPDX-License-Identifier: GPL-2.0-only
"""What people read: 75 columns, the same every time, and no more than is so."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import pytest

from bench.pool import Pool
from poolproof.checker.core import ir
from poolproof.checker.core.compiled import Compiled
from poolproof.checker.core.evaluate import Valuation, initial_states
from poolproof.checker.core.property import Kind
from poolproof.checker.core.verdict import (
    Budget,
    Certificate,
    Holds,
    Outcome,
    Reached,
    Silent,
    Statistics,
    Step,
    Trace,
    Unknown,
    Unreachable,
    Vacuous,
    Verdict,
    Violated,
)
from poolproof.checker.driver.check import run
from poolproof.checker.driver.judging import CheckResult, expectation
from poolproof.checker.driver.task import Request, prepare
from poolproof.checker.evidence.explain import reasons
from poolproof.checker.evidence.replay import replay
from poolproof.checker.frontend.design import compile_design
from poolproof.checker.reports.check import answer_run, check_report
from poolproof.checker.reports.page import all_rows
from poolproof.checker.reports.review import review_report
from poolproof.checker.reports.text import memory, table, trust, wrapped
from poolproof.checker.reports.text import run as show_run
from poolproof.checker.reports.words import cell, cell_mark, key, mark, sentence, short
from poolproof.checker.spec import parse_text, resolve
from tests.common.toys import Shelf

POOL = compile_design(Pool)
SHELF = compile_design(Shelf, having=["force"])
ROOT = Path(__file__).parents[2]


# --- runs -----------------------------------------------------------------


def test_a_run_tells_what_changes_and_draws_rows() -> None:
    start = initial_states(SHELF.system)[1]
    steps = (Step("put", (0, 1, 0)), Step("close", (2,)), Step("put", (0, 0, 1)))
    lines = show_run(SHELF, replay(SHELF, Trace(start, steps, loop=3)))
    assert (
        "\n".join(lines)
        == """\
  start  left = 3
  1. put(r0, w1, force=false) -> OK                               shelf_put
       left     3 -> 2
       box[r0]  ... -> B..
  2. close({r1})
       shut  {} -> {r1}
  3. put(r0, w0, force=true) -> OK                                shelf_put
       left     2 -> 1
       box[r0]  B.. -> BA.
  and from here on as after step 3

  at the end
  box  r0 BA.   r1 ...
       A = w0, B = w1, . = none"""
    )


def test_many_rows_continue_below() -> None:
    wide = compile_design(Pool, {"V": 9, "P": 7})
    lines = memory(wide.system, initial_states(wide.system)[0])
    assert lines[0] == "  page  " + "   ".join(f"v{k} ......." for k in range(5))
    assert lines[1].startswith("        v5 .......")
    assert len(lines) == 3


# --- reasons --------------------------------------------------------------


def why(compiled: Compiled, formula: str, *changes: tuple[str, int]) -> list[str]:
    """The reasons for the formula's value in the initial state as changed."""
    spec = parse_text(f'spec "x"\ninvariant i: {formula}\n', "x.spec")
    prop = resolve(spec, compiled).properties[0]
    at = {c.name: k for k, c in enumerate(compiled.system.cells)}
    state = list(initial_states(compiled.system)[0])
    for name, raw in changes:
        state[at[name]] = raw
    found = reasons(Valuation(compiled.system, tuple(state)), prop.as_written.formula)
    return ["  " * depth + text for depth, text in found]


@pytest.mark.parametrize(
    ("formula", "changes", "lines"),
    [
        ("not sigbus", [("sigbus", 1)], ["sigbus is true"]),
        ("resv == 0", [("resv", 2)], ["resv == 0 is false: resv is 2"]),
        ("resv <= free[n0]", [("resv", 3)], ["resv <= free[n0] is false: 3 <= 2"]),
        ("resv > 0 or sigbus", [], ["although resv <= 0", "sigbus is false"]),
        (
            "free[n0] == 2 implies live[v0] and live[v1]",
            [("live[v0]", 1)],
            ["although free[n0] == 2", "live[v1] is false"],
        ),
        (
            "resv == 0 and usage[cg0] == 0",
            [("usage[cg0]", 3)],
            ["usage[cg0] == 0 is false: usage[cg0] is 3"],
        ),
        (
            "all(n in NODES: free[n] >= 1)",
            [("free[n1]", 0)],
            ["for n = n1:", "  free[n1] >= 1 is false: free[n1] is 0"],
        ),
        (
            "not any(v in VMAS: live[v])",
            [("live[v1]", 1)],
            ["for v = v1:", "  live[v1] is true"],
        ),
        (
            "resv + 1 <= free[n0] - 1",
            [("resv", 1)],
            ["resv + 1 <= free[n0] + -1 is false: 2 <= 1", "  resv = 1, free[n0] = 2"],
        ),
        (
            "resv == sum(n in NODES: free[n])",
            [("free[n0]", 1)],
            [
                "resv == sum(n in NODES: free[n]) is false: 0 == 3",
                "  sum(n in NODES: free[n]) = 3 (n0: 1, n1: 2)",
            ],
        ),
        ("binding[v0] == n1", [], ["binding[v0] == n1 is false: binding[v0] is none"]),
        (
            "live[v0] if sigbus else live[v1]",
            [],
            ["where not sigbus", "live[v1] is false"],
        ),
    ],
)
def test_reasons(
    formula: str, changes: list[tuple[str, int]], lines: list[str]
) -> None:
    assert why(POOL, formula, *changes) == lines


def test_many_instances_are_counted() -> None:
    wide = compile_design(Pool, {"V": 8})
    lines = why(wide, "all(v in VMAS: live[v])")
    assert lines[:2] == ["for v = v0:", "  live[v0] is false"]
    assert lines[-1] == "and for 5 more"


def test_long_sums_lose_their_body() -> None:
    formula = "resv > sum(v in VMAS: absent(v)) + sum(n in NODES: free[n])"
    assert why(POOL, formula)[0] == (
        "resv > sum(v in VMAS: ...) + sum(n in NODES: free[n]) is false: 0 > 4"
    )


# --- verdicts -------------------------------------------------------------

SIZES = {"V": 3, "P": 2, "B": 2}
NOWHERE = Trace((), tuple(Step("a", ()) for _ in range(5)))


@pytest.mark.parametrize(
    ("verdict", "kind", "line"),
    [
        (
            Holds(True, 91922, 11),
            Kind.INVARIANT,
            "no violation within B=2 P=2 V=3: 91,922 states, depth 11",
        ),
        (
            Holds(True, 0, 3),
            Kind.INVARIANT,
            "no violation within B=2 P=2 V=3: all runs, depth 3",
        ),
        (
            Holds(False, certificate=Certificate((), 1, ("B",))),
            Kind.INVARIANT,
            "inductive for any B >= 1 (P=2, V=3), certificate re-checked",
        ),
        (
            Holds(False, certificate=Certificate((), 2, ())),
            Kind.STEP,
            "inductive (B=2, P=2, V=3), certificate re-checked",
        ),
        (Violated(NOWHERE), Kind.STEP, "violated after 5 steps"),
        (
            Violated(NOWHERE, False),
            Kind.INVARIANT,
            "violated after 5 steps, perhaps not the fewest",
        ),
        (Reached(Trace((), ())), Kind.REACHABLE, "reached after 0 steps"),
        (
            Reached(NOWHERE, False),
            Kind.REACHABLE,
            "reached after 5 steps, perhaps not the fewest",
        ),
        (
            Vacuous("put is never possible", Holds(True, 3, 1)),
            Kind.STEP,
            "vacuous: put is never possible",
        ),
        (
            Unreachable(1, 0),
            Kind.REACHABLE,
            "unreachable within B=2 P=2 V=3: 1 state, depth 0",
        ),
        (Unknown("interrupted"), Kind.INVARIANT, "unknown: interrupted"),
        (
            Unknown("z3 gave up", 7),
            Kind.INVARIANT,
            "unknown: z3 gave up; no violation within 7 steps",
        ),
        (
            Unknown("z3 gave up", 1),
            Kind.REACHABLE,
            "unknown: z3 gave up; no witness within 1 step",
        ),
    ],
)
def test_sentences(verdict: Verdict, kind: Kind, line: str) -> None:
    assert sentence(verdict, kind, SIZES, {"B": 1}) == line


@pytest.mark.parametrize(
    ("verdict", "words"),
    [
        (
            Holds(True, 3, 1),
            ("no violation", "holds", "holds", "ok", "holds", "holds"),
        ),
        (Holds(False), ("inductive", "inductive", "any", "ok", "inductive", "holds")),
        (
            Violated(NOWHERE),
            (
                "violated after 5 steps",
                "violated at 5",
                "V5",
                "V5",
                "violated",
                "violated",
            ),
        ),
        (
            Reached(NOWHERE),
            (
                "reached after 5 steps",
                "reached at 5",
                "R5",
                "ok",
                "reached",
                "reachable",
            ),
        ),
        (
            Unreachable(3, 1),
            (
                "unreachable",
                "unreachable",
                "never",
                "no",
                "unreachable",
                "unreachable",
            ),
        ),
        (
            Vacuous("x", Holds(True)),
            ("vacuous", "vacuous", "vac", "vac", "vacuous", "vacuous"),
        ),
        (
            Unknown("x", 3),
            (
                "unknown; no violation within 3 steps",
                "unknown past 3",
                "?3",
                "?3",
                "unknown",
                "unknown",
            ),
        ),
    ],
)
def test_each_verdict_has_its_words(verdict: Verdict, words: tuple[str, ...]) -> None:
    one_by_one = (cell, mark, cell_mark, key, expectation)
    assert (short(verdict, Kind.STEP), *(f(verdict) for f in one_by_one)) == words


def test_trust_says_what_never_happened() -> None:
    spec = parse_text(
        'spec "x"\ninvariant rings "t": alarm implies left == 0\n', "x.spec"
    )
    resolved = resolve(spec, SHELF)
    put = SHELF.system.action_by_name["put"]
    assert put.results == (0, 1)
    statistics = Statistics(
        states=14_007_123,
        transitions=284_430_000,
        depth=2,
        complete=True,
        fired={"put": 1},
        results={("put", 0): 1},
        deadlocks=2,
        deadlock=Trace((), (Step("a", ()),)),
        true_antecedents={"rings": (False,)},
        notes=("a note",),
    )
    outcome = Outcome("x", {}, (), statistics)
    lines = trust(SHELF.system, resolved.properties, outcome, {})
    assert lines == [
        "    14,007,123 states, 284,430,000 transitions, depth 2; all reachable",
        "      states visited",
        "    never possible: close",
        "    results never seen: put -> FULL",
        "    rings says little: this is never true: alarm",
        "    2 states without any possible action, the first after 1 step",
        "    a note",
    ]


# --- tables and pages -----------------------------------------------------


def test_tables_keep_to_the_width() -> None:
    rows = [("name", "word " * 30), ("longer name", "x" * 90)]
    lines = table(("", ""), rows)
    assert max(map(len, lines)) <= 75
    assert lines[0].startswith("  name         word word")
    assert lines[1].startswith("               word")


def test_wrapped_breaks_what_is_too_long() -> None:
    assert [len(line) for line in wrapped("y" * 100, "  ")] == [75, 27]


SPEC = """
spec "pool: as a test"
for Pool
bounds B = 2, V = 2, P = 2
invariant no_sigbus "a reserved page can be faulted in": not sigbus
invariant fine: resv >= 0
invariant close: all(v in VMAS: live[v] implies length[v] == 2)
    expect violated at 1
reachable full: all(n in NODES: free[n] == 0)
reachable never: resv > 2 * B
invariant elsewhere: left <= 3
"""


@pytest.fixture(scope="module")
def checked() -> CheckResult:
    spec = parse_text(SPEC, "specs/pool.spec")
    files = ("bench/pool.py", "tests/common/toys.py")
    task, _ = prepare(spec, Request(designs=tuple(str(ROOT / f) for f in files)))
    return run(task, "explicit", Budget(), Silent())


def test_a_check_in_full(checked: CheckResult) -> None:
    lines = check_report(checked, {"close": "there/x.trace"}, verbose=False)
    assert (
        "\n".join(lines[:12])
        == """\
specs/pool.spec: pool: as a test
  Pool, B=2 P=2 V=2

  no_sigbus  violated after 5 steps; EXPECTED: holds
  fine       no violation: 898 states, depth 10
  close      violated after 1 step, as expected
  full       reached after 6 steps
  never      unreachable: 898 states, depth 10; EXPECTED: reachable
  elsewhere  n/a: no left

  explicit
    898 states, 4,990 transitions, depth 10; all reachable states visited"""
    )
    text = "\n".join(lines)
    assert "no_sigbus: a reserved page can be faulted in\n  1. mmap(" in text
    assert "stored in there/x.trace" in text
    assert "\nclose" not in text
    assert "\nfull\n  1. mmap(" in "\n".join(check_report(checked, {}, verbose=True))


def test_a_review_is_a_table(checked: CheckResult) -> None:
    lines = review_report([checked], {})
    assert lines[:4] == [
        "specs/pool.spec: pool: as a test",
        "  Pool, B=2 P=2 V=2: 898 states, depth 10",
        "",
        "             Pool",
    ]
    assert "  no_sigbus  violated at 5 !" in lines
    assert "  fine       holds" in lines
    assert "  elsewhere  n/a: no left" in lines


def test_a_column_says_what_it_rests_on(checked: CheckResult) -> None:
    lines = review_report([checked], {checked.task.known.cls: "2 of 3 killed, 67 %"})
    assert "  Pool: mutants: 2 of 3 killed, 67 %" in lines
    idle = replace(checked.outcomes[0].statistics, fired={"fault": 1}, results={})
    outcome = replace(checked.outcomes[0], statistics=idle)
    lines = review_report([replace(checked, outcomes=(outcome,))], {})
    assert any(x.startswith("  Pool: never possible: mmap") for x in lines)


def test_all_rows(checked: CheckResult) -> None:
    lines = all_rows([checked])
    assert lines[1:3] == ["pool: pool: as a test", "  A Pool, B=2 P=2 V=2"]
    assert f"{'  a reserved page can be faulted in':<69}V5!" in lines
    assert f"{'  fine':<69}holds" in lines
    assert f"{'  full':<69}R6" in lines
    assert f"{'  elsewhere':<69}-" in lines


def test_75_columns_the_same_every_time_and_never_too_sure(
    checked: CheckResult,
) -> None:
    pages = [
        check_report(checked, {"close": "d/" + "long" * 30}, verbose=True),
        review_report([checked], {}),
        all_rows([checked] * 4),
        all_rows([checked]),
        *(answer_run(checked.task, a) for a in checked.answers if a.replay),
    ]
    again = check_report(checked, {"close": "d/" + "long" * 30}, verbose=True)
    assert pages[0] == again
    for lines in pages:
        assert max(map(len, lines)) <= 75
        assert lines == [line.rstrip() for line in lines]
        assert not re.search("verified", "\n".join(lines), re.IGNORECASE)


def test_no_source_of_ours_says_verified() -> None:
    for path in (ROOT / "checker").rglob("*.py"):
        assert "verified" not in path.read_text().lower()


def test_sorts_have_letters_or_are_not_drawn() -> None:
    from poolproof.checker.reports.text import letters

    assert letters(ir.BOOL) == {0: ".", 1: "*"}
    assert letters(ir.INT) is None
    assert letters(ir.scalar_sort("N", 3, "n")) == {0: "A", 1: "B", 2: "C", 3: "."}
    assert letters(ir.enum_sort("E", ("a", "b", "c"))) == {0: ".", 1: "A", 2: "B"}
    assert letters(ir.scalar_sort("N", 30, "n")) is None
