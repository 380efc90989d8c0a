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
from poolproof.model.designs.hugetlb import Hugetlb
from poolproof.model.designs.hugetlb.steps import HugetlbSteps
from poolproof.model.language import declared

SMALL = {"T": 2, "V": 2, "P": 1, "files": 1}
ALONE = {"T": 1, "V": 1, "P": 1}


class Atomic(Hugetlb):
    """The calls that HugetlbSteps has, each one critical section. Where there is no
    memory for a descriptor, the bound `failures` says."""

    punch_hole_enomem = None


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


def check_one_lock(having: str, bounds: Mapping[str, int]) -> None:
    """With one lock held throughout, tasks come to rest in the states of `Hugetlb`;
    without, in these as well."""
    features = having.split()
    atomic = compile_design(Atomic, bounds, having=features)
    whole = compile_design(HugetlbSteps, bounds, having=features)
    names = {v.name for v in atomic.system.variables}
    one = at_rest(atomic, names)
    assert at_rest(whole, names) == one
    assert len(one) > 8
    # each call alone is one of the interleavings
    steps = compile_design(HugetlbSteps, bounds, having=(*features, "steps"))
    assert at_rest(steps, names) >= one


@pytest.mark.parametrize(
    ("having", "bounds"),
    [
        ("hugetlbfs noreserve", {**SMALL, "blocks": 2}),
        ("surplus noreserve", {**SMALL, "blocks": 0, "OC": 1, "CAP": 2}),
        ("truncate punch", {**ALONE, "files": 1, "blocks": 1}),
        ("surplus resize", {**ALONE, "CAP": 3, "blocks": 1}),
        ("fork", {"T": 1, "V": 2, "P": 1, "blocks": 2}),
        ("mount size min_size", {**ALONE, "files": 1, "blocks": 2}),
    ],
)
def test_one_lock_throughout_is_hugetlb(having: str, bounds: dict[str, int]) -> None:
    check_one_lock(having, bounds)


COMPARED: Mapping[str, Mapping[str, int]] = {
    "surplus exit dontneed": {"T": 1, "V": 2, "P": 2, "OC": 2, "CAP": 3, "blocks": 1},
    "hugetlbfs noreserve regions": {**SMALL, "blocks": 1},
    "truncate private_files reads": {"V": 2, "P": 1, "files": 1, "blocks": 2},
    "punch private_files fork pins": {"V": 2, "P": 1, "files": 1, "blocks": 2},
    "truncate fallocate inject": {**ALONE, "files": 1, "blocks": 1},
    "resize sysctl offline": {**ALONE, "CAP": 3, "blocks": 1, "STEP": 2},
    "fork noreserve reads": {"V": 2, "P": 1, "blocks": 2},
    "size truncate fallocate": {**ALONE, "files": 1, "blocks": 2},
    "min_size size noreserve truncate": {**ALONE, "files": 1, "blocks": 2},
    "cgroup_move css noreserve": {**ALONE, "C": 2, "blocks": 1},
    "cpuset mempolicy": {**ALONE, "nodes": 2, "blocks": 1},
    "descriptors regions punch": {"V": 1, "P": 3, "files": 1, "blocks": 2},
    "descriptors inject fork": {"V": 2, "P": 1, "blocks": 2, "failures": 1},
    "hugetlbfs offsets": {"V": 1, "P": 2, "files": 1, "blocks": 2},
}
"""Features and bounds; UFFDIO_COPY is another action in each of the designs."""


@pytest.mark.slow
@pytest.mark.parametrize("having", COMPARED)
def test_and_with_each_of_its_features(having: str) -> None:
    check_one_lock(having, COMPARED[having])


def test_each_feature_is_among_them() -> None:
    features = {n for having in COMPARED for n in having.split()}
    features |= {"steps", "mount", "cgroup", "userfaultfd"}
    assert features == declared(HugetlbSteps)[1].keys()


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
