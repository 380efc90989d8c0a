# SPDX-License-Identifier: GPL-2.0-only
"""hugetlb in steps: with one lock held throughout it is `Hugetlb`; without the fault
mutex a promised fault fails."""

from collections.abc import Mapping

import pytest

from poolproof.checker.backends.python import successors
from poolproof.checker.core.compiled import Compiled
from poolproof.checker.core.evaluate import initial_states
from poolproof.checker.core.system import State
from poolproof.checker.core.verdict import Budget, Silent, Violated
from poolproof.checker.driver.designs import find_spec
from poolproof.checker.engines.explicit import explicit
from poolproof.checker.evidence.replay import confirm
from poolproof.checker.frontend.design import compile_design
from poolproof.checker.spec import parse, resolve
from poolproof.model.designs.hugetlb.steps import HugetlbSteps
from poolproof.model.designs.hugetlb.unmap import Unmapping
from poolproof.model.language import Design

SMALL = {"T": 2, "V": 2, "P": 1, "files": 1}


class Atomic(Unmapping, Design):
    """The same calls, each one critical section."""

    mmap_private = None
    touch_remote = None


def reachable(compiled: Compiled) -> set[State]:
    system = compiled.system
    following = [successors(system, a) for a in system.actions]
    found = set(initial_states(system))
    todo = list(found)
    while todo:
        state = todo.pop()
        for steps in following:
            for _, after, *_ in steps(state):
                if after not in found:
                    found.add(after)
                    todo.append(after)
    return found


def seen(compiled: Compiled, names: set[str], state: State) -> Mapping[str, int]:
    return {
        c.name: raw
        for c, raw in zip(compiled.system.cells, state, strict=True)
        if c.variable.name in names
    }


def at_rest(compiled: Compiled, names: set[str]) -> set[tuple[tuple[str, int], ...]]:
    """The states in which no task is in a call, by the variables of these names."""
    processes = compiled.processes
    return {
        tuple(seen(compiled, names, state).items())
        for state in reachable(compiled)
        if processes is None
        or not any(processes.is_inside(state, t) for t in processes.tasks)
    }


@pytest.mark.parametrize(
    ("having", "bounds"),
    [
        (("hugetlbfs", "noreserve"), {"blocks": 2}),
        (("hugetlbfs", "noreserve", "regions"), {"blocks": 1}),
        (("surplus", "noreserve"), {"blocks": 0, "OC": 1, "CAP": 2}),
        (("surplus",), {"blocks": 1, "OC": 2, "P": 2, "CAP": 3}),
    ],
)
def test_one_lock_throughout_is_hugetlb(
    having: tuple[str, ...], bounds: dict[str, int]
) -> None:
    sizes = {**SMALL, **bounds}
    atomic = compile_design(Atomic, sizes, having=having)
    whole = compile_design(HugetlbSteps, sizes, having=having)
    names = {v.name for v in atomic.system.variables}
    one = at_rest(atomic, names)
    assert at_rest(whole, names) == one
    assert len(one) > 20
    # each call alone is one of the interleavings
    steps = compile_design(HugetlbSteps, sizes, having=(*having, "steps"))
    assert at_rest(steps, names) >= one


class NoFaultMutex(HugetlbSteps):
    """Two tasks may fault one index at once."""

    def lock_index(self, task, page, shared):
        yield "no mutex"

    def unlock_index(self, task, page, shared):
        pass


def test_without_the_fault_mutex_a_promised_fault_fails() -> None:
    """B4: both tasks find the promise, and one of them no page."""
    sizes = {**SMALL, "blocks": 1}
    compiled = compile_design(NoFaultMutex, sizes, having=("steps", "hugetlbfs"))
    spec = parse(find_spec("hugetlb_steps"))
    props = [p for p in resolve(spec, compiled).properties if p.name == "served"]
    outcome = explicit(compiled.system, tuple(props), Budget(), Silent())
    verdict = outcome.verdicts["served"]
    assert isinstance(verdict, Violated)
    confirm(compiled, props[0], verdict.trace, shortest=True)
    assert {s.arguments[0] for s in verdict.trace.steps} == {0, 1}
