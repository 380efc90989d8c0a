# SPDX-License-Identifier: GPL-2.0-only
"""A design means the same to CPython and to the compiled system.

constructs.py has a design for each part of the language, random_designs.py
makes random ones. From random states, each action's step under CPython is
compared with the plain reading (checker.core.evaluate) of the compiled action:
the state after it, its result, or how it fails.
"""

import importlib.util
import sys
from collections import Counter
from dataclasses import replace
from pathlib import Path
from random import Random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from poolproof.checker.core import evaluate, ir
from poolproof.checker.core.compiled import Compiled
from poolproof.checker.core.diagnostic import UserError
from poolproof.checker.core.system import Action, Cell, State, TransitionSystem
from poolproof.checker.core.verdict import Step
from poolproof.checker.driver.mutants import mutants
from poolproof.checker.evidence.replay import Runner
from poolproof.checker.frontend.design import compile_design
from poolproof.model.language import (
    Binding,
    Disabled,
    KernelBug,
    OutOfDomain,
    OutOfRange,
    Values,
    bind,
    parameters,
    returns,
)
from tests.common import constructs
from tests.common.random_designs import design_text

CASES: dict[str, dict[str, Any]] = {
    "Numbers": {},
    "Tables": {},
    "Helpers": {},
    "Blocks": {},
    "Features": {},
    "Features without": {"without": ("fork",)},
    "Features swap": {"having": ("swap",)},
    "Features only swap": {"without": ("fork",), "having": ("swap",)},
    "Base": {},
    "Variant": {},
    "Variant without": {"without": ("fork",)},
    "Deeper": {"bounds": {"B": 1}},
    "Ordered": {},
    "Enclosed": {"bounds": {"S": 3}},
    "Exports": {"having": ("swap",)},
    "Exports without": {},
    "ExportsVariant": {},
    "ExportsVariant without": {"without": ("fork",)},
    "Failing": {"bounds": {"failures": 2}},
    "Failing never": {},
}


@pytest.fixture(scope="module")
def compiled() -> dict[str, Compiled]:
    return {
        n: compile_design(getattr(constructs, n.split()[0]), **how)
        for n, how in CASES.items()
    }


def binding_of(compiled: Compiled) -> Binding:
    return bind(compiled.source, compiled.bounds, compiled.without, compiled.having)


def run(
    compiled: Compiled, design: Any, action: Action, state: State, raw: tuple[int, ...]
) -> tuple[Any, ...]:
    """What CPython makes of a step."""
    binding = binding_of(compiled)
    function = getattr(compiled.source, action.name)
    domains = [*parameters(compiled.source, function).values()]
    given = raw[: len(domains)]
    arguments = [
        binding.values(d).python(r) for d, r in zip(domains, given, strict=True)
    ]
    fails = Runner(compiled).fails(Step(action.name, raw))
    design.load(state)
    assert design.dump() == state
    try:
        result = design.step(action.name, *arguments, fails=fails)
    except KernelBug:
        outcome: tuple[Any, ...] = ("bug",)
    except Disabled:
        outcome = ("disabled",)
    except AssertionError:
        outcome = ("assert",)
    except OutOfDomain:
        outcome = ("index",)
    except OutOfRange as e:
        text = str(e)
        outcome = ("range", text.split(" becomes ")[0])
        if "is off" in text:
            outcome = ("assert", text)
    else:
        wanted = returns(compiled.source, function)
        if wanted is not None:
            result = binding.values(wanted).raw(result)
        return "step", design.dump(), result
    assert design.dump() == state
    return outcome


def read(
    compiled: Compiled, action: Action, state: State, raw: tuple[int, ...]
) -> tuple[Any, ...]:
    """What the compiled action makes of it."""
    system = compiled.system
    broken = evaluate.broken(system, action, state, raw)
    if broken is not None:
        if "is off" in broken.message:
            return broken.kind, broken.message
        return (broken.kind,)
    step = evaluate.successor(system, action, state, raw)
    if step is None:
        return ("disabled",)
    at = evaluate.Valuation(system, state, locals_=evaluate.arguments(action, raw))
    if at.true(compiled.stops(action.name)):
        assert step[0] == state
        return ("bug",)
    outside = evaluate.out_of_range(system, step[0])
    return ("range", outside) if outside is not None else ("step", *step)


def states(system: TransitionSystem) -> st.SearchStrategy[State]:
    """Any values within their ranges, reachable together or not."""
    return st.tuples(*(st.integers(*range_of(c)) for c in system.cells))


def range_of(cell: Cell) -> tuple[int, int]:
    lo, hi = cell.variable.lo, cell.variable.hi
    return -4 if lo is None else lo.data, 6 if hi is None else hi.data


@pytest.mark.parametrize("name", CASES)
@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_steps(compiled: dict[str, Compiled], name: str, data: st.DataObject) -> None:
    c = compiled[name]
    design = c.design()
    state = data.draw(states(c.system))
    for action in c.system.actions:
        raw = tuple(
            data.draw(st.integers(p.domain.lo, p.domain.hi), label=p.name)
            for p in action.parameters
        )
        ours = read(c, action, state, raw)
        assert ours == run(c, design, action, state, raw), (action.name, raw)


@pytest.mark.parametrize("name", CASES)
@settings(max_examples=20, deadline=None)
@given(data=st.data())
def test_observers(
    compiled: dict[str, Compiled], name: str, data: st.DataObject
) -> None:
    c = compiled[name]
    binding, design = binding_of(c), c.design()
    state = data.draw(states(c.system))
    design.load(state)
    for observer in c.vocabulary.observers.values():
        raw = tuple(
            data.draw(st.integers(p.domain.lo, p.domain.hi))
            for p in observer.parameters
        )
        function = getattr(c.source, observer.name)
        domains = parameters(c.source, function).values()
        arguments = [
            binding.values(d).python(r) for d, r in zip(domains, raw, strict=True)
        ]
        locals_ = {p.local: r for p, r in zip(observer.parameters, raw, strict=True)}
        at = evaluate.Valuation(c.system, state, locals_=locals_)
        values: Values = binding.values(returns(c.source, function))
        try:
            seen = values.raw(getattr(design, observer.name)(*arguments))
        except OutOfDomain:
            assert not all(at.true(o.formula) for o in observer.obligations)
            continue
        assert all(at.true(o.formula) for o in observer.obligations)
        assert at.raw(observer.body) == seen


@pytest.mark.parametrize("name", CASES)
def test_initial(compiled: dict[str, Compiled], name: str) -> None:
    """`initial` chooses the same starts, and an instance starts in the least
    values of the ranges."""
    c = compiled[name]
    starts = evaluate.initial_states(c.system)
    everywhere = evaluate.initial_states(replace(c.system, initial=ir.TRUE))
    design = c.design()
    assert design.dump() == everywhere[0]
    chosen = []
    for state in everywhere:
        design.load(state)
        if design.initial():
            chosen.append(state)
    assert chosen == starts
    assert starts


def test_a_design_has_the_actions_of_its_blocks() -> None:
    """In order: what the design's text declares, then block by block."""
    names = {
        name: [*compile_design(getattr(constructs, name), **how).system.action_by_name]
        for name, how in (
            ("Exports", {"having": ("swap",)}),
            ("ExportsVariant", {"without": ("fork",)}),
        )
    }
    own = ["pin_page", "unpin_page", "forget_nodes", "again", "pin", "unpin"]
    assert names["Exports"] == own
    assert names["ExportsVariant"] == ["forget_nodes"]
    vocabulary = compile_design(constructs.Exports).vocabulary
    assert sorted(vocabulary.observers) == ["holds", "node_holds", "several"]


def test_an_action_of_a_block_says_where_it_is_written() -> None:
    action = compile_design(constructs.Exports).system.action_by_name["pin"]
    assert action.kernel == "mm/gup.c:pin_user_pages"
    assert action.span is not None
    assert action.span.file.endswith("constructs.py")
    assert [p.name for p in action.parameters] == ["holder", "page", "n"]
    assert action.parameters[0].domain.name == "VMAS"
    design: Any = constructs.Exports()
    v0, *_ = design._binding.values(constructs.VMAS)
    design.step("pin", v0, 1, 2)
    assert design.tasks.held[v0, 1]
    assert design.holds(v0) == 1


def test_a_mutant_may_be_in_the_action_of_a_block() -> None:
    found = {m.method for m in mutants(constructs.Exports)}
    assert {"Holds.pin", "Holds.unpin", "Holds.keep", "Exports.dropped"} <= found
    assert "Holds.holds" not in found


REFUSALS = ("the domain of", "no None in a set")
"""What a random text may run into: a constant where it cannot be."""


def random_design(seed: int, folder: Path) -> Compiled | None:
    name = f"random_{seed}"
    path = folder / f"{name}.py"
    path.write_text(design_text(seed), encoding="utf-8")
    spec = importlib.util.spec_from_file_location(name, path)
    assert spec is not None
    assert spec.loader is not None
    module = sys.modules[name] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    try:
        return compile_design(module.Random)
    except UserError as e:
        assert any(text in e.message for text in REFUSALS), e
        return None


def compare_random(seeds: range, folder: Path) -> None:
    accepted, outcomes = 0, Counter[str]()
    for seed in seeds:
        c = random_design(seed, folder)
        if c is None:
            continue
        accepted += 1
        design, random = c.design(), Random(seed)
        for _ in range(12):
            state = tuple(random.randint(*range_of(cell)) for cell in c.system.cells)
            for action in c.system.actions:
                raw = tuple(random.choice([*p.domain]) for p in action.parameters)
                ours = read(c, action, state, raw)
                theirs = run(c, design, action, state, raw)
                assert ours == theirs, (seed, action.name, state, raw)
                outcomes[ours[0]] += 1
    assert accepted > len(seeds) / 2
    assert set(outcomes) == {"step", "disabled", "assert", "index", "range"}


def test_random_designs(tmp_path: Path) -> None:
    compare_random(range(15), tmp_path)


@pytest.mark.slow
def test_more_random_designs(tmp_path: Path) -> None:
    compare_random(range(15, 1000), tmp_path)
