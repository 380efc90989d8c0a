# SPDX-License-Identifier: GPL-2.0-only
"""Scenarios: what their text means, and the product with a design."""

from __future__ import annotations

import pytest

from poolproof.checker.core.compiled import Compiled
from poolproof.checker.core.diagnostic import UserError
from poolproof.checker.core.verdict import (
    Budget,
    Holds,
    Outcome,
    Silent,
    Trace,
    Violated,
)
from poolproof.checker.driver.size import confirmed
from poolproof.checker.engines.explicit import explicit
from poolproof.checker.evidence.replay import NotReproduced
from poolproof.checker.frontend.design import compile_design
from poolproof.checker.spec import parse_text
from poolproof.checker.spec.names import MissingName
from poolproof.checker.spec.numbers import number
from poolproof.checker.spec.scenario import (
    GUARANTEED,
    NEVER_STUCK,
    Product,
    product,
    programs,
)
from poolproof.model.designs.hugetlb.linux_6_12 import Hugetlb

TWO = """
    task old: mmap(t0, v0, 2) repeat p in 0..1: touch(v0, p) signal up
    task new: await up mmap(t0, v1, P - 1) touch(v1, 0)
"""


def pool(blocks: int, **more: int) -> Compiled:
    return compile_design(Hugetlb, {"blocks": blocks, "P": 2, "V": 2, **more})


def made(text: str, compiled: Compiled) -> Product:
    spec = parse_text(f'spec "s" scenario a: {text}')
    return product(compiled, programs(spec.scenarios[0], spec, compiled), ())


def explored(whole: Product) -> Outcome:
    return explicit(whole.system, whole.properties, Budget(), Silent())


def test_a_scenario_is_made_of_clauses_and_tasks() -> None:
    spec = parse_text("""spec "s"
        scenario a "title":
            for Hugetlb
            bounds P = 2 with pins
            size blocks = 1..4
            early mmap
            task old: repeat p in 0..1: { touch(v0, p) signal x }
            task idle:
            environment pin(v0, _), unpin(v0, 0..1)
            anytime munmap(v1)""")
    (a,) = spec.scenarios
    assert (a.name.text, a.title, [w.text for w in a.designs]) == (
        "a",
        "title",
        ["Hugetlb"],
    )
    assert a.measure is not None
    ends = (a.measure.over.lo, a.measure.over.hi)
    assert [number(end, {}, {}) for end in ends] == [1, 4]
    assert [(m.name.text, number(m.value, {}, {})) for m in a.amounts] == [("P", 2)]
    assert [w.text for w in a.having] == ["pins"]
    assert [p.task.text for p in a.programs] == ["old", "idle"]
    assert [i.action.text for i in a.environment] == ["pin", "unpin"]
    assert [i.action.text for i in a.anytime] == ["munmap"]


def test_programs_are_calls_in_order() -> None:
    whole = made(TWO, pool(3))
    old, new = whole.programs.tasks.values()
    assert [c.action.name for c in old] == ["mmap", "touch", "touch"]
    assert old[1].given == tuple(frozenset({k}) for k in (0, 0, 1, 1))
    assert new[0].after == (("old", 3),)
    assert new[1].after == ()
    assert new[0].given[1] == frozenset({1})


def test_enough_is_guaranteed_and_less_is_not() -> None:
    assert all(
        isinstance(v, Holds) for v in explored(made(TWO, pool(3))).verdicts.values()
    )
    whole = made(TWO, pool(2))
    verdict = explored(whole).verdicts[GUARANTEED]
    assert isinstance(verdict, Violated)
    failure = confirmed(whole, pool(2), whole.properties[0], verdict, {"mmap"})
    assert failure.kind == "early"
    assert failure.who == ("old", "old", "old", "new")
    assert [t.step.action for t in failure.replay.taken] == [
        "mmap",
        "touch",
        "touch",
        "mmap",
    ]


def test_every_interleaving_counts() -> None:
    """Without the signal, either may come too late."""
    whole = made("task a: mmap(t0, v0, 2) task b: mmap(t0, v1, 2)", pool(3))
    assert explored(whole).statistics.states == 5
    assert isinstance(explored(whole).verdicts[GUARANTEED], Violated)


def test_waiting_for_ever_is_no_success() -> None:
    text = "task a: mmap(t0, v0, 1) munmap(v0) munmap(v0)"
    whole = made(text, pool(2))
    outcome = explored(whole)
    assert isinstance(outcome.verdicts[GUARANTEED], Holds)
    stuck = outcome.verdicts[NEVER_STUCK]
    assert isinstance(stuck, Violated)
    assert len(stuck.trace) == 2
    failure = confirmed(whole, pool(2), whole.properties[1], stuck)
    assert failure.kind == "stuck"


@pytest.mark.parametrize(
    ("word", "kind"), [("environment", Holds), ("anytime", Violated)]
)
def test_the_environment_may_fail_and_anytime_may_not(word: str, kind: type) -> None:
    small = compile_design(Hugetlb, {"blocks": 1, "V": 2, "P": 1}, (), ["dontneed"])
    text = f"task a: madvise_dontneed(v0, 0) {word} mmap(t0, v0, 1), mmap(t0, v1, 1)"
    verdict = explored(made(text, small)).verdicts[GUARANTEED]
    assert isinstance(verdict, kind)


def test_a_schedule_that_the_programs_do_not_allow_is_refuted() -> None:
    whole = made(TWO, pool(2))
    verdict = explored(whole).verdicts[GUARANTEED]
    assert isinstance(verdict, Violated)
    first, *rest = verdict.trace.steps
    del rest[0]  # a fault is left out
    other = Violated(Trace(verdict.trace.initial, (first, *rest)))
    with pytest.raises(NotReproduced, match="do not allow"):
        confirmed(whole, pool(2), whole.properties[0], other)
    short = Violated(Trace(verdict.trace.initial, verdict.trace.steps[:-1]))
    with pytest.raises(NotReproduced, match="no call"):
        confirmed(whole, pool(2), whole.properties[0], short)
    with pytest.raises(NotReproduced, match="not stuck"):
        confirmed(whole, pool(2), whole.properties[1], short)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("task a: munmap(v0, 1)", r"munmap\(vma\) takes 1, not 2"),
        ("task a: mmap(t0, v0, 7)", "no value of `length` is meant"),
        ("task a: await up mmap(t0, v0, 1)", "no task signals `up`"),
        ("task a: signal up task b: await up", "no call that would wait"),
        ("task a: signal up task b: signal up", "is signalled twice"),
        ("task a: repeat p in 0..9999: touch(v0, p)", "more than 1000 times"),
        ("task a: mmap(t0, v0, h.resv_huge_pages)", "is not a constant"),
    ],
)
def test_mistakes(text: str, message: str) -> None:
    with pytest.raises(UserError, match=message):
        made(text, pool(2))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("task a: mmap(t0, v0, 1) task a: munmap(v0)", "is the name of two tasks"),
        ("size P = 1..2 size P = 1..2 task a: munmap(v0)", "has one `size`"),
    ],
)
def test_no_scenario(text: str, message: str) -> None:
    with pytest.raises(UserError, match=message):
        parse_text(f'spec "s" scenario a: {text}')


def test_an_action_that_the_design_lacks() -> None:
    with pytest.raises(MissingName, match=r"unknown action `munma` \(did you mean"):
        made("task a: munma(v0)", pool(2))
