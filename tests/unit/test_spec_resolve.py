# SPDX-License-Identifier: GPL-2.0-only
"""What specs mean: sorts, definedness, vacuity, several designs."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from bench.pool import Pool
from poolproof.checker.core import ir
from poolproof.checker.core.compiled import Compiled
from poolproof.checker.core.diagnostic import UserError
from poolproof.checker.core.evaluate import Valuation, initial_states, successor
from poolproof.checker.core.property import Expectation, Kind, Property
from poolproof.checker.core.system import State
from poolproof.checker.core.verdict import (
    Budget,
    Holds,
    Outcome,
    Shown,
    Silent,
    Violated,
)
from poolproof.checker.driver.designs import ROOT
from poolproof.checker.driver.judging import expectation
from poolproof.checker.driver.task import Request, Task, prepare
from poolproof.checker.engines.explicit import explicit
from poolproof.checker.frontend.design import compile_design
from poolproof.checker.spec import (
    Resolved,
    at_label,
    parse,
    parse_text,
    resolve,
    resolve_all,
    sizes,
)
from tests.common.masks import Masks

POOL = compile_design(Pool)
MASKS = compile_design(Masks)
HERE = Path(__file__).parent


def read(text: str, compiled: Compiled = POOL) -> Resolved:
    (resolved,) = resolve_all(parse_text(f'spec "s" {text}'), [compiled])
    return resolved


def one(text: str, compiled: Compiled = POOL) -> Property:
    (found,) = read(text, compiled).properties
    return found


def shown(text: str, compiled: Compiled = POOL) -> str:
    return ir.show(one(text, compiled).as_written.formula)


def run(resolved: Resolved, compiled: Compiled = POOL) -> Outcome:
    properties = resolved.properties + resolved.obligations
    budget = Budget(depth=6 if compiled is MASKS else None)
    return explicit(compiled.system, properties, budget, Silent())


def reachable(compiled: Compiled, most: int) -> list[State]:
    """Some reachable states, breadth first."""
    system = compiled.system
    seen = dict.fromkeys(initial_states(system))
    for state in (queue := list(seen)):
        for action in system.actions:
            for raw in action.valuations():
                after = successor(system, action, state, raw)
                if after is not None and after[0] not in seen and len(seen) < most:
                    seen[after[0]] = None
                    queue.append(after[0])
    return list(seen)


# --- meaning ---------------------------------------------------------------

NODES, VMAS, PAGES = range(2), range(2), range(2)

MEANINGS: dict[str, Callable[[Any, Any], bool]] = {
    "resv == sum(v in VMAS: absent(v))": lambda d, e: (
        d.resv == sum(d.absent(v) for v in e["v"])
    ),
    "all(v in VMAS: not live[v] implies length[v] == 0)": lambda d, e: all(
        d.live[v] or d.length[v] == 0 for v in e["v"]
    ),
    "count(v in VMAS, p in PAGES: page[v, p] != none) > 1": lambda d, e: (
        sum(d.page[v, p] is not None for v in e["v"] for p in PAGES) > 1
    ),
    "any(n in NODES: free[n] == 0) iff resv in {0, 2}": lambda d, e: (
        any(d.free[n] == 0 for n in e["n"]) == (d.resv in (0, 2))
    ),
    "any(v in VMAS: binding[v] in {n0, none} and live[v])": lambda d, e: any(
        d.binding[v] in (e["n"][0], None) and d.live[v] for v in e["v"]
    ),
    "all(v, w in VMAS: v == w or cgroup[v] != cgroup[w] or cgroup[v] == none)": lambda d, e: (
        d.cgroup[e["v"][0]] != d.cgroup[e["v"][1]] or d.cgroup[e["v"][0]] is None
    ),
    "sum(v in VMAS: length[v] if cgroup[v] == cg0 else 0) * 2 - 1 < max(resv, 1, B)": lambda d, e: (
        sum(d.length[v] for v in e["v"] if d.cgroup[v] == e["c"][0]) * 2 - 1
        < max(d.resv, 1, 2)
    ),
    "resv // 2 + resv % 2 == min(resv, 1) and 0 <= resv <= 2 * B": lambda d, _: (
        d.resv // 2 + d.resv % 2 == min(d.resv, 1) and 0 <= d.resv <= 4
    ),
    "any(k in 1..P: all(v in VMAS: length[v] != k)) and not sigbus": lambda d, e: (
        any(all(d.length[v] != k for v in e["v"]) for k in (1, 2)) and not d.sigbus
    ),
    "all(v in VMAS: cgroup[v] in CGROUPS implies usage[cgroup[v]] >= length[v])": lambda d, e: (
        all(d.cgroup[v] is None or d.usage[d.cgroup[v]] >= d.length[v] for v in e["v"])
    ),
    "len(setof(n in NODES: free[n] > 0)) == 2": lambda d, e: all(
        d.free[n] > 0 for n in e["n"]
    ),
}


@pytest.mark.parametrize("text", MEANINGS)
def test_a_formula_means_what_python_says(text: str) -> None:
    formula = one(f"invariant a: {text}").formula
    design: Any = Pool()
    elements = {
        "v": [_element("VMAS", "v", k) for k in VMAS],
        "n": [_element("NODES", "n", k) for k in NODES],
        "c": [_element("CGROUPS", "cg", k) for k in range(2)],
    }
    seen = set()
    for state in reachable(POOL, 400):
        design.load(state)
        expected = MEANINGS[text](design, elements)
        assert Valuation(POOL.system, state).true(formula) == expected, state
        seen.add(expected)
    assert True in seen


def _element(scalarset: str, prefix: str, index: int) -> Any:
    from poolproof.model.language import Element

    return Element(scalarset, prefix, index)


@pytest.mark.parametrize(
    "text",
    [
        "resv == sum(v in VMAS: length[v] if live[v] else 0)",
        "all(v in VMAS, p in PAGES: page[v, p] == none or p < length[v])",
        "any(n in NODES: 0 < free[n]) or sigbus and not (resv == 1)",
        "sum(v in VMAS: 1 if live[v] else 0) * 2 - resv // 2 <= max(resv, usage[cg1])",
        "sigbus == (resv == 0)",
    ],
)
def test_what_is_shown_can_be_read_again(text: str) -> None:
    formula = one(f"invariant a: {text}").formula
    assert one(f"invariant a: {ir.show(formula)}").formula is formula


def test_equal_text_is_the_same_node_in_all_properties() -> None:
    first, second = read(
        "invariant a: all(v in VMAS: live[v]) "
        "invariant b: sigbus or all(v in VMAS: live[v])"
    ).properties
    assert first.formula in second.formula.args


# --- steps and primes -------------------------------------------------------


def test_primes_are_of_the_state_after() -> None:
    assert shown("step a on mmap(length = n): resv' == resv + n") == (
        "resv' == resv + length"
    )
    assert shown("step a: unchanged(free, usage[cg0])") == (
        "free' == free and usage'[cg0] == usage[cg0]"
    )
    assert shown("step a on munmap(vma): absent'(vma) <= 0") == (
        "sum(p in PAGES: 1 if p < length'[vma] and page'[vma, p] == none else 0) <= 0"
    )


def test_the_prime_of_a_definition_leaves_its_arguments_alone() -> None:
    lets = "let at(n) = free[n] let less(x) = x' < x "
    assert shown(
        lets + "step a: all(v in VMAS: binding[v] == none or at'(binding[v]) == 0)"
    ) == ("all(v in VMAS: binding[v] == none or free'[binding[v]] == 0)")
    assert shown(lets + "step a: less(resv)") == "resv' < resv"
    assert shown(lets + "step a: unchanged(at(n0))") == "free'[n0] == free[n0]"


def test_a_prime_inside_of_a_prime_is_refused() -> None:
    for text in (
        "let f = resv' step a: f' == 1",
        "let f(x) = x' step a: f(resv') == 1",
        "step a: unchanged(resv')",
        "let f = unchanged(resv) step a: f'",
    ):
        with pytest.raises(UserError, match=r"after already|both states"):
            read(text)


def test_a_step_property_is_checked_on_its_action_only() -> None:
    resolved = read(
        "step on_fault on fault: resv' == resv - 1 "
        "step on_all: resv' == resv - 1 "
        "step told on fault_sigbus: result == SIGBUS"
    )
    assert [p.action for p in resolved.properties] == ["fault", None, "fault_sigbus"]
    verdicts = run(resolved).verdicts
    assert isinstance(verdicts["on_fault"], Holds)
    assert isinstance(verdicts["told"], Holds)
    violated = verdicts["on_all"]
    assert isinstance(violated, Violated)
    assert len(violated.trace) == 1


def test_labels_take_the_sort_that_they_are_compared_with() -> None:
    assert shown("step a on settle: result == OK implies next' > next", MASKS) == (
        "result != OK or next' > next"
    )
    assert shown("step a on kill: OK != result", MASKS) == "result != OK"
    assert shown("invariant a: rsvd.errno in {OK, ENOMEM}", MASKS) == (
        "rsvd.errno == OK or rsvd.errno == ENOMEM"
    )
    assert shown("invariant a: Signal.OK == OK", MASKS) == "true"


# --- definitions ------------------------------------------------------------


def test_definitions_are_macros() -> None:
    lets = (
        "let busy(v, n) = live[v] and binding[v] == n "
        "let homeless(v) = busy(v, none) "
        "let table = free "
    )
    assert shown(lets + "invariant a: any(v in VMAS: homeless(v))") == (
        "any(v in VMAS: live[v] and binding[v] == none)"
    )
    assert shown(lets + "invariant a: table[n0] == 1") == "free[n0] == 1"


def test_the_innermost_name_counts() -> None:
    assert shown("invariant a: all(resv in NODES: free[resv] == 0)") == (
        "all(resv in NODES: free[resv] == 0)"
    )
    assert shown(
        "let n = 1 invariant a: n == resv and any(n in NODES: free[n] == 0)"
    ) == ("resv == 1 and any(n in NODES: free[n] == 0)")
    lets = "let f(x) = any(v in VMAS: live[v] and x) "
    assert shown(lets + "invariant a: all(v in VMAS: f(length[v] == 0))") == (
        "all(v in VMAS: any(v in VMAS: live[v] and length[v] == 0))"
    )
    formula = one(lets + "invariant a: all(v in VMAS: f(length[v] == 0))").formula
    assert not formula.free
    (inner,) = formula.args
    assert len({ir.binder_of(formula), ir.binder_of(inner)}) == 2


# --- definedness -------------------------------------------------------------


@pytest.mark.parametrize(
    "text",
    [
        "all(v in VMAS: cgroup[v] != none implies usage[cgroup[v]] > 0)",
        "all(v in VMAS: cgroup[v] == none or usage[cgroup[v]] > 0)",
        "all(v in VMAS: not (cgroup[v] != none and usage[cgroup[v]] == 0))",
        "all(v in VMAS: (1 if cgroup[v] == none else usage[cgroup[v]]) > 0)",
        "all(v in VMAS: live[v] implies (cgroup[v] != none implies "
        "usage[cgroup[v]] > 0))",
        "all(v in VMAS: length[v] < P implies page[v, length[v]] == none)",
        "all(v in VMAS: length[v] == 0 or page[v, length[v] - 1] != none)",
    ],
)
def test_what_stands_to_the_left_guards_an_index(text: str) -> None:
    if "- 1" in text:  # not seen without arithmetic: it is checked instead
        outcome = run(read(f"invariant a: {text}"))
        assert [n for n, v in outcome.verdicts.items() if isinstance(v, Holds)] == [
            n for n in outcome.verdicts if n != "a"
        ]
        return
    assert read(f"invariant a: {text}").obligations == ()


def test_an_index_that_nothing_guards_is_an_obligation() -> None:
    resolved = read("invariant a:\n all(v in VMAS: usage[cgroup[v]] >= length[v])")
    (due,) = resolved.obligations
    assert due.name == "a@2:23"
    assert Resolved.owner(due.name) == "a"
    assert due.kind is Kind.INVARIANT
    assert str(due.span) == "<spec>:2:23"
    assert due.title == (
        "`cgroup[v]` may be none, which is outside the domain of `usage`: write "
        "`cgroup[v] != none implies ...`"
    )
    verdict = run(resolved).verdicts[due.name]
    assert isinstance(verdict, Violated)
    assert len(verdict.trace) == 0


def test_an_obligation_that_holds_says_nothing() -> None:
    resolved = read(
        "invariant a: all(v in VMAS: live[v] implies usage[cgroup[v]] >= length[v])"
    )
    (due,) = resolved.obligations
    verdicts = run(resolved).verdicts
    assert isinstance(verdicts["a"], Holds)
    assert isinstance(verdicts[due.name], Holds)


@pytest.mark.parametrize(
    "text",
    [
        "all(v in VMAS: usage[cgroup[v]] >= 0)",
        "all(v in VMAS: usage[cgroup[v]] >= 0) implies sigbus",
        "not any(v in VMAS: usage[cgroup[v]] == 0 and free[binding[v]] == 0)",
        "sum(v in VMAS: usage[cgroup[v]]) == 0",
        "all(v in VMAS: page[v, length[v]] == none)",
    ],
)
def test_no_reading_of_a_property_leaves_a_table(text: str) -> None:
    resolved = read(f"invariant a: {text}")
    assert resolved.obligations
    prop = resolved.properties[0]
    for state in reachable(POOL, 300):
        at = Valuation(POOL.system, state)
        for formula in (prop.formula, *prop.antecedents):
            at.true(formula)  # raises Undefined outside a table
        for due in resolved.obligations:
            at.true(due.formula)
        if not all(at.true(due.formula) for due in resolved.obligations):
            assert not at.true(prop.formula), "an undefined formula is never true"


def test_obligations_of_steps_concern_the_action() -> None:
    resolved = read("step a on munmap(vma): usage'[cgroup'[vma]] == 0")
    (due,) = resolved.obligations
    assert (due.kind, due.action) == (Kind.STEP, "munmap")
    assert isinstance(run(resolved).verdicts[due.name], Violated)


def test_obligations_of_observers_come_along() -> None:
    resolved = read("invariant a: next_used", MASKS)
    (due,) = resolved.obligations
    assert due.title.startswith("`next_used`: `self.next` may be outside ")
    assert isinstance(run(resolved, MASKS).verdicts[due.name], Violated)
    assert read("invariant a: next < K implies slot[next]", MASKS).obligations == ()


# --- vacuity ------------------------------------------------------------------


def test_antecedents_are_collected_where_they_can_be_vacuous() -> None:
    def antecedents(text: str) -> list[str]:
        return [ir.show(a) for a in one(text).antecedents]

    assert antecedents("invariant a: all(v in VMAS: live[v] implies resv > 0)") == [
        "any(v in VMAS: live[v])"
    ]
    assert antecedents(
        "invariant a: all(v in VMAS: live[v] implies "
        "(length[v] > 1 implies resv > 0)) and (sigbus implies resv > 0)"
    ) == [
        "any(v in VMAS: live[v])",
        "any(v in VMAS: live[v] and length[v] > 1)",
        "sigbus",
    ]
    assert antecedents("invariant a: not (sigbus implies resv > 0)") == []
    assert antecedents("reachable a: sigbus implies resv > 0") == []
    assert antecedents(
        "let q(v) = live[v] implies resv > 0 invariant a: all(v in VMAS: q(v))"
    ) == ["any(v in VMAS: live[v])"]
    assert antecedents("step a on fault(vma): live[vma] implies resv' < resv") == [
        "live[vma]"
    ]


def test_a_vacuous_antecedent_is_never_seen() -> None:
    outcome = run(
        read(
            "invariant a: all(v in VMAS: live[v] and length[v] == 0 implies sigbus) "
            "step b on fault(node = n): resv == 0 implies free'[n] == 7"
        )
    )
    assert isinstance(outcome.verdicts["a"], Holds)
    assert outcome.statistics.true_antecedents == {"a": (False,), "b": (False,)}


# --- several designs -------------------------------------------------------------

BOTH = """
for Pool, Masks
bounds V = 3, T = 2, K = 1 without fork
source "two designs"
invariant backed: resv >= 0
    source "the pool"
    expect holds
invariant slots: next >= 0
    expect holds for Masks
    expect unknown
step forked on fork(child): parent'[child] != none
step parents on settle(task): unchanged(parent)
"""


def test_a_property_applies_where_the_names_are() -> None:
    spec = parse_text(f'spec "s" {BOTH.replace("without fork", "")}')
    pool, masks = resolve_all(spec, [POOL, MASKS])
    assert [p.name for p in pool.properties] == ["backed"]
    assert pool.missing == {
        "slots": "no next",
        "forked": "no action fork",
        "parents": "no action settle",
    }
    assert masks.missing == {"backed": "no resv"}
    assert pool.properties[0].source == "the pool"
    assert masks.properties[0].source == "two designs"


def test_a_name_that_no_design_has_is_a_mistake() -> None:
    spec = parse_text('spec "s" invariant a: resvd >= 0 invariant b: true')
    assert resolve(spec, POOL).missing == {"a": "no resvd"}
    with pytest.raises(UserError, match=r"<spec>:1:23: .* .did you mean `resv`\?"):
        resolve_all(spec, [POOL, MASKS])


def test_what_is_off_reads_as_it_starts_and_its_actions_are_missing() -> None:
    spec = parse_text(f'spec "s" {BOTH}')
    _, size = sizes(spec, [Pool, Masks])
    masks = compile_design(
        Masks, bounds=size.bounds, without=size.without, having=size.having
    )
    assert "parent" not in masks.system.by_name
    (resolved,) = resolve_all(
        parse_text(f'spec "s" {BOTH[BOTH.index("step") :]}'), [masks]
    )
    assert resolved.missing == {"forked": "no action fork here"}
    assert resolved.properties[0].formula is ir.TRUE
    assert shown("invariant a: all(t in TASKS: parent[t] == none)", masks) == "true"


def test_bounds_go_to_the_designs_that_have_them() -> None:
    pool, masks = sizes(parse_text(f'spec "s" {BOTH}'), [Pool, Masks])
    assert (dict(pool.bounds), pool.without) == ({"V": 3}, ())
    assert (dict(masks.bounds), masks.without) == ({"T": 2, "K": 1}, ("fork",))
    (plain,) = sizes(parse_text('spec "s"'), [Pool])
    assert (dict(plain.bounds), plain.without, plain.having) == ({}, (), ())


def test_bounds_can_be_chosen_by_label() -> None:
    spec = parse_text('spec "s" bounds V = 2 bounds wide: V = 4 with swap')
    pool, masks = sizes(at_label(spec, "wide"), [Pool, Masks])
    assert (dict(pool.bounds), masks.having) == ({"V": 4}, ("swap",))
    with pytest.raises(UserError, match="no bounds `huge` here; there are wide"):
        at_label(spec, "huge")


def test_each_design_has_its_own_expectation() -> None:
    spec = parse_text(
        'spec "s" for Pool, Masks, Late invariant a: true '
        "expect holds expect violated at 3 for Masks"
    )
    found = [resolve(spec, c).properties[0].expect for c in (POOL, MASKS)]
    assert [isinstance(e, Expectation) and (e.verdict, e.depth) for e in found] == [
        ("holds", None),
        ("violated", 3),
    ]


@pytest.mark.parametrize(
    ("label", "pool", "masks"),
    [
        ("", ("violated", 3, False), ("holds", None, False)),
        ("small", ("violated", 3, True), ("holds", None, True)),
        ("wide", ("violated", 7, False), ("vacuous", None, False)),
        ("tall", ("violated", 3, True), ("vacuous", None, False)),
    ],
)
def test_each_label_has_its_own_expectation(
    label: str,
    pool: tuple[str, int | None, bool],
    masks: tuple[str, int | None, bool],
) -> None:
    """Without one, that of the first bounds is kept, as one of other bounds."""
    spec = parse_text(
        'spec "s" for Pool, Masks bounds V = 1 '
        "bounds small: V = 1 bounds wide: V = 2 bounds tall: V = 3 "
        "invariant a: true expect violated at 3 for Pool expect holds for Masks "
        "expect violated at 7 under wide "
        "expect vacuous for Masks under wide, tall"
    )
    chosen = at_label(spec, label)
    for compiled, wanted in ((POOL, pool), (MASKS, masks)):
        e = resolve(chosen, compiled).properties[0].expect
        assert e is not None
        assert (e.verdict, e.depth, e.elsewhere) == wanted


def test_bounds_that_stay_symbolic_keep_their_name() -> None:
    compiled = compile_design(Pool, symbolic=frozenset({"B"}))
    assert shown("invariant a: resv <= 2 * B", compiled) == "resv <= B * 2"


# --- the reference model -----------------------------------------------------------


def test_the_reference_spec_expects_what_comes_out() -> None:
    spec = parse(HERE.parents[1] / "bench" / "pool.spec")
    (size,) = sizes(spec, [Pool])
    compiled = compile_design(Pool, bounds=size.bounds)
    (resolved,) = resolve_all(spec, [compiled])
    assert resolved.obligations == ()
    assert resolved.missing == {}
    outcome = run(resolved, compiled)
    assert outcome.statistics.states == 898
    for p in resolved.properties:
        verdict = outcome.verdicts[p.name]
        assert p.expect is not None
        if isinstance(verdict, Shown):
            assert p.expect.verdict == expectation(verdict)
            assert p.expect.depth == len(verdict.trace)
        else:
            assert p.expect.verdict == "holds"
            assert isinstance(verdict, Holds)
    true = outcome.statistics.true_antecedents
    assert all(all(true[p.name]) for p in resolved.properties)


PLAIN = ROOT / "specs/questions/promise_plain.spec"


@cache
def everyone() -> tuple[Task, ...]:
    return prepare(parse(PLAIN), Request())


@pytest.mark.parametrize("design", [w.text for w in parse(PLAIN).designs])
def test_a_design_may_be_asked_alone(design: str) -> None:
    """What it lacks of the spec's bounds and names, another design has."""
    [among] = [t for t in everyone() if t.known.name == design]
    [alone] = prepare(parse(PLAIN), Request((design,)))
    assert alone.sizes == among.sizes
    names = [p.name for p in alone.resolved.properties]
    assert names == [p.name for p in among.resolved.properties]
    assert alone.resolved.missing == among.resolved.missing
