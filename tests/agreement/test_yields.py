# SPDX-License-Identifier: GPL-2.0-only
"""Actions that yield: each part, as compiled, is what the generator does under
CPython up to its next `yield`; and the engines agree on them.

The symbolic proof is that of test_translation.py, for sequences of parts: before
each part all cells of the design are unknown again, as if other tasks had run.
"""

import importlib.util
import sys
from collections.abc import Iterator
from pathlib import Path
from random import Random
from types import ModuleType
from typing import Any

import pytest
import z3

from poolproof.checker.backends.smt import (
    Integers,
    Lowering,
    Number,
    conjunction,
    negation,
    unknown,
)
from poolproof.checker.core import evaluate
from poolproof.checker.core.compiled import Compiled
from poolproof.checker.core.diagnostic import UserError
from poolproof.checker.core.processes import Processes
from poolproof.checker.core.property import Property
from poolproof.checker.core.ranges import declared as declared_range
from poolproof.checker.core.system import Action, State
from poolproof.checker.core.verdict import (
    Budget,
    Holds,
    Shown,
    Silent,
    Step,
)
from poolproof.checker.engines.bmc import bmc
from poolproof.checker.engines.explicit import explicit
from poolproof.checker.engines.fuzz import fuzz_engine
from poolproof.checker.engines.native import native
from poolproof.checker.engines.registry import ask
from poolproof.checker.evidence.raw import raw_of
from poolproof.checker.evidence.replay import confirm, decided_by
from poolproof.checker.evidence.runner import Runner
from poolproof.checker.frontend.design import compile_design
from poolproof.checker.spec import parse_text, resolve
from poolproof.model.language import Design, Disabled, ModelError, declared
from tests.agreement.test_translation import ALL, has_yields
from tests.common.random_designs import design_text
from tests.common.random_systems import depths_of
from tests.common.random_tasks import explored, task_text
from tests.common.symbolic_int import SymbolicInt, paths, term_of
from tests.common.yielding import Counter, TwoLocks, Ways

# --- part by part, on unknown states -------------------------------------------


class Parts:
    """A compiled design next to its generators."""

    def __init__(self, design: type[Design], having: tuple[str, ...] = ()) -> None:
        self.compiled = compile_design(design, having=having)
        self.system = self.compiled.system
        processes = self.compiled.processes
        assert processes is not None
        self.processes: Processes = processes
        self.runner = Runner(self.compiled)
        assert self.runner.tasks is not None
        self.tasks = self.runner.tasks
        self.seen = len(self.system.cells) - processes.hidden
        self.proved: set[str] = set()

    def prove(self, action: Action, raw: tuple[int, ...]) -> int:
        """Prove all parts of an action with these arguments; return how many
        sequences of parts there are."""
        count = 0
        todo: list[list[tuple[int, ...]]] = [[raw]]
        while todo:
            given = todo.pop()
            todo += [[*given, sent] for sent in self._sequence(action, given)]
            count += 1
        return count

    def _sequence(
        self, action: Action, given: list[tuple[int, ...]]
    ) -> set[tuple[int, ...]]:
        """Prove the last of these parts on all paths through all of them; return
        what may be sent into the next."""
        states = [self._unknown(k) for k in range(len(given))]
        assumed = [a for _, within in states for a in within]
        more: set[tuple[int, ...]] = set()

        def run(path: Any) -> Any:
            design = self.runner.design
            generator: Any = None
            name, stand, sent = action.name, self.tasks.idle, None
            for k, raw in enumerate(given):
                raws = states[k][0]
                design.load([SymbolicInt(path, r) for r in raws[: self.seen]])
                if generator is None:
                    step = Step(name, raw)
                    python = self.runner.python_arguments(step)
                    generator = getattr(design, name)(*python)
                else:
                    name = self.processes.places[stand[0] - 1].name
                    place = self.processes.by_name[name]
                    if len(raw) != (1 if place.receives is None else 2):
                        return True  # another path, which comes to another place
                    sent = place.receives.python(raw[1]) if place.receives else None
                last = k == len(given) - 1
                read = self._read(name, raw, raws, stand) if last else None
                try:
                    generator.send(sent)
                except StopIteration as end:
                    return True if read is None else read.ended(end.value)
                except Disabled:
                    return True if read is None else read.refused()
                except AssertionError:
                    return True if read is None else read.broken("assert")
                stand = self._stand(generator)
                if read is not None:
                    more.update(self._sent(stand, given[0]))
                    return read.suspended(stand)
            raise AssertionError(given)

        for solver, claim in paths(assumed, run, 2000):
            assert claim is True or solver.check(negation(claim)) == z3.unsat, (
                f"{action.name}{given}: {solver.model()}"
            )
        return more

    def _unknown(self, number: int) -> tuple[list[Any], list[Any]]:
        """A state: terms of its cells, and that they are in their ranges."""
        values = [
            unknown(Integers(), f"{c.name}@{number}", c.variable.element, None)
            for c in self.system.cells
        ]
        raws = [_raw(v) for v in values]
        within = [
            Integers().within(Number(r, None, None), *declared_range(c.variable))
            for r, c in zip(raws, self.system.cells, strict=True)
        ]
        return raws, within

    def _stand(self, generator: Any) -> tuple[Any, ...]:
        return self.tasks._stand(generator)

    def _sent(
        self, stand: tuple[Any, ...], raw: tuple[int, ...]
    ) -> Iterator[tuple[int, ...]]:
        place = self.processes.places[stand[0] - 1]
        then = self.system.action_by_name[place.name]
        task = raw[self.processes.lanes[place.action]]
        if place.receives is None:
            yield (task,)
        else:
            yield from ((task, value) for value in then.parameters[1].domain)

    def _read(
        self, name: str, raw: tuple[int, ...], raws: list[Any], stand: tuple[Any, ...]
    ) -> "Read":
        self.proved.add(name)
        return Read(self, self.system.action_by_name[name], raw, raws, stand)


class Read:
    """One part in the IR, in a state whose cells are terms."""

    def __init__(
        self,
        parts: Parts,
        action: Action,
        raw: tuple[int, ...],
        raws: list[Any],
        stand: tuple[Any, ...],
    ) -> None:
        self.parts, system = parts, parts.system
        self.task = raw[parts.processes.lanes[action.name]]
        cells = list(raws)
        tasks = list(parts.processes.tasks)
        column = tasks.index(self.task)
        for row, value in enumerate(stand):
            cells[parts.seen + row * len(tasks) + column] = term_of(value)
        self.before = cells
        self.column, self.tasks = column, len(tasks)
        values = [
            _lowered(c.variable.element, term)
            for c, term in zip(system.cells, cells, strict=True)
        ]
        given = {
            p.local: _lowered(p.local.sort, z3.IntVal(r))
            for p, r in zip(action.parameters, raw, strict=True)
        }
        low = Lowering(system, Integers(), values, locals=given)
        self.guard = low.truth(action.guard)
        self.dues = [(o.kind, low.truth(o.formula)) for o in action.obligations]
        self.sound = conjunction(due for _, due in self.dues)
        self.after = []
        for cell in system.cells:
            v = cell.variable
            value = low(action.updates.get(v.name, v.now))
            self.after.append(_raw(value[cell.index] if v.index else value))
        self.result = None if action.result is None else _raw(low(action.result))
        self.sort = None if action.result is None else action.result.sort

    def refused(self) -> Any:
        return conjunction((self.sound, negation(self.guard)))

    def broken(self, kind: str) -> Any:
        return z3.Or(*(negation(due) for other, due in self.dues if other == kind))

    def suspended(self, stand: tuple[Any, ...]) -> Any:
        return conjunction((self.sound, self.guard, *self._same(stand)))

    def ended(self, value: Any) -> Any:
        same = self._same(self.parts.tasks.idle)
        if self.sort is not None:
            same.append(self.result == raw_of(self.sort, value))
        return conjunction((self.sound, self.guard, *same))

    def _same(self, stand: tuple[Any, ...]) -> list[Any]:
        seen = self.parts.seen
        design = self.parts.runner.design
        wanted = [*map(term_of, design.dump()), *self.before[seen:]]
        for row, value in enumerate(stand):
            wanted[seen + row * self.tasks + self.column] = value
        return [mine == theirs for mine, theirs in zip(self.after, wanted, strict=True)]


def _lowered(sort: Any, term: Any) -> Any:
    """A term as the lowering has values of the sort."""
    made = unknown(Integers(), "any", sort, None)
    if isinstance(made, Number):
        return Number(term, None, None)
    return term != 0 if z3.is_bool(made) else z3.Int2BV(term, made.size())


def _raw(value: Any) -> Any:
    if isinstance(value, Number):
        return value.term
    return z3.If(value, 1, 0) if z3.is_bool(value) else z3.BV2Int(value)


@pytest.mark.parametrize(
    ("design", "having"),
    [(Counter, ()), (Counter, ("locked",)), (TwoLocks, ()), (Ways, ())],
)
def test_parts_are_executed(design: type[Design], having: tuple[str, ...]) -> None:
    parts = Parts(design, having)
    for name in {p.action for p in parts.processes.places}:
        action = parts.system.action_by_name[name]
        # tasks and nodes are alike: the first of each will do
        first = tuple(p.domain.lo for p in action.parameters)
        last = tuple(p.domain.hi for p in action.parameters)
        for raw in {first, last}:
            parts.prove(action, raw)
    assert parts.proved == parts.processes.yielding


# --- shipped and random designs, on random states -----------------------------------


def load(path: Path, name: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(name, path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    return module


def same_step(
    runner: Runner, action: Action, state: State, raw: tuple[int, ...]
) -> State | None:
    """The state after a step on which CPython and the IR agree; None if they agree
    that there is none."""
    compiled = runner.compiled
    system = compiled.system
    broken = evaluate.broken(system, action, state, raw)
    step = None if broken else evaluate.successor(system, action, state, raw)
    outside = evaluate.out_of_range(system, step[0]) if step else None
    where = f"{action.name}{raw} in {state}"
    runner.load(state)
    try:
        result = runner.take(Step(action.name, raw))
    except Disabled:
        assert broken is None, where
        assert step is None, where
        return None
    except (ModelError, AssertionError) as e:
        assert broken or outside, f"{where}: {e}"
        return None
    assert step is not None, where
    if compiled.suspended(action.name, raw, step[0]) or runner.stopped is not None:
        step = step[0], None
    assert (runner.state, result) == step, where
    return runner.state


def check_parts(compiled: Compiled, random: Random, rounds: int) -> set[str]:
    """Walk through actions, part by part, each in a random state of the design.
    Return the names of the parts of which a step was taken."""
    system, runner, processes = compiled.system, Runner(compiled), compiled.processes
    assert processes is not None
    seen = len(system.cells) - processes.hidden
    idle = evaluate.initial_states(system)[0][seen:]
    ranges = [
        (-3 if lo is None else lo, 9 if hi is None else hi)
        for lo, hi in [declared_range(c.variable) for c in system.cells[:seen]]
    ]
    taken = set()
    for _ in range(rounds):
        name = random.choice(sorted(processes.lanes.keys() - processes.by_name.keys()))
        hidden, task = idle, None
        for _ in range(40):
            action = system.action_by_name[name]
            raw = tuple(random.choice([*p.domain]) for p in action.parameters)
            lane = processes.lanes[name]
            task = raw[lane] if task is None else task
            raw = (*raw[:lane], task, *raw[lane + 1 :])
            anywhere = tuple(random.randint(lo, hi) for lo, hi in ranges)
            after = same_step(runner, action, anywhere + hidden, raw)
            if after is None:
                continue
            taken.add(name)
            hidden = after[seen:]
            if not processes.is_inside(after, task):
                break
            place = hidden[task - processes.tasks.lo]
            name = processes.places[place - 1].name
    return taken


SHIPPED = [design for design in ALL if has_yields(design)]


@pytest.mark.parametrize(
    "design",
    [
        pytest.param(d, marks=pytest.mark.slow if ".hugetlb." in d.__module__ else ())
        for d in SHIPPED
    ],
    ids=lambda d: d.__name__,
)
def test_shipped_parts_are_executed(design: type[Design]) -> None:
    compiled = compile_design(design, having=tuple(declared(design)[1]))
    parts = len(compiled.system.actions)
    taken = check_parts(compiled, Random(1), max(60, parts))
    assert len(taken) > parts // 3


@pytest.mark.parametrize(
    "seeds", [range(10), pytest.param(range(10, 120), marks=pytest.mark.slow)]
)
def test_random_parts_are_executed(seeds: range, tmp_path: Path) -> None:
    yielding, taken = 0, 0
    for seed in seeds:
        path = tmp_path / f"yields{seed}.py"
        path.write_text(design_text(seed, yields=True), encoding="utf-8")
        try:
            compiled = compile_design(load(path, f"yields{seed}").Random)
        except UserError as e:  # what is certainly None, or outside, after a yield
            assert " is not in " in e.message or e.message == "no None in a set"
            continue
        if compiled.processes is None:
            continue
        later = (
            check_parts(compiled, Random(seed), 60) & compiled.processes.by_name.keys()
        )
        yielding += 1
        taken += len(later)
    assert yielding > len(seeds) // 2
    assert taken > 2 * yielding


# --- the engines -------------------------------------------------------------------

SPEC = """spec "two tasks"
for Tasks
invariant low: x + y <= 3
reachable both: x == 2 and y == 2 and all(t in TASKS: place[t] != idle)
reachable rest: x == 0 and all(t in TASKS: place[t] == idle)
invariant alone: holder[0] != holder[1] or holder[0] == none
step end on one: result implies x == y
step same on two: result imply y <= 1
"""


def tasks_of(seed: int, tmp_path: Path, failures: int = 0) -> Compiled:
    """Compile the random design; ``failures`` of its calls may fail in a run."""
    path = tmp_path / f"tasks{seed}_{failures}.py"
    path.write_text(task_text(seed, fallible=failures > 0), encoding="utf-8")
    bounds = {"failures": failures} if failures else {}
    return compile_design(load(path, path.stem).Tasks, bounds)


def decided(compiled: Compiled, p: Property, found: dict[State, int]) -> int | None:
    """After how many steps a state of the oracle decides a property."""
    system = compiled.system
    depths = [d for state, d in found.items() if decided_by(system, p, state)]
    return min(depths, default=None)


def check_engines(seed: int, tmp_path: Path, deep: bool, failures: int = 0) -> int:
    compiled = tasks_of(seed, tmp_path, failures)
    system = compiled.system
    found = explored(compiled)
    resolved = resolve(parse_text(SPEC, "tasks.spec"), compiled)
    properties = resolved.properties
    of_states = {
        p.name: decided(compiled, p, found) for p in properties if not p.kind.of_steps
    }
    right = {name: d for name, d in of_states.items() if d is not None}
    plain = explicit(system, properties, Budget(symmetry=False), Silent())
    assert plain.statistics.states == len(found)
    assert plain.statistics.depth == max(found.values())
    depths = depths_of(plain)
    assert {n: d for n, d in depths.items() if n in of_states} == right
    for p in properties:
        verdict = plain.verdicts[p.name]
        if isinstance(verdict, Shown):
            confirm(compiled, p, verdict.trace, shortest=True)
    folded = explicit(system, properties, Budget(), Silent())
    assert depths_of(folded) == depths
    assert folded.statistics.states <= len(found)
    if deep:
        quick = native(system, properties, Budget(threads=1), Silent())
        assert depths_of(quick) == depths
        assert quick.statistics.states == folded.statistics.states
        few = Budget(depth=6)
        solved = depths_of(bmc(system, properties, few, Silent()))
        assert solved == {n: d for n, d in depths.items() if d <= 6}
        walked = fuzz_engine(compiled)(system, properties, Budget(depth=8), Silent())
        assert all(depths_of(walked)[n] >= depths[n] for n in depths_of(walked))
    return len(found)


def test_engines_agree(tmp_path: Path) -> None:
    sizes = [check_engines(seed, tmp_path, seed == 3) for seed in range(4)]
    assert max(sizes) > 200


@pytest.mark.slow
def test_engines_agree_on_many(tmp_path: Path) -> None:
    for seed in range(4, 60):
        check_engines(seed, tmp_path, seed % 3 == 0)


# --- calls that fail ---------------------------------------------------------------


def test_a_call_fails_in_any_part(tmp_path: Path) -> None:
    """Engines and generators agree where a call fails between two `yield`s."""
    for seed in (0, 6):
        compiled = tasks_of(seed, tmp_path, failures=1)
        parts = [a for a in compiled.system.actions if "." in a.name]
        assert any(p.implicit for a in parts for p in a.parameters)
        assert check_parts(compiled, Random(seed), 30)
        check_engines(seed, tmp_path, seed == 0, failures=1)


@pytest.mark.slow
def test_calls_fail_in_any_part_of_many(tmp_path: Path) -> None:
    for seed in range(1, 40):
        check_parts(tasks_of(seed, tmp_path, failures=2), Random(seed), 30)
        check_engines(seed, tmp_path, seed % 3 == 0, failures=1 + seed % 2)


# --- infinite runs -----------------------------------------------------------------


@pytest.mark.parametrize(
    ("design", "text", "prefix"),
    [
        # a task that has read may be left there for ever, unless that is unfair
        (Counter, "place[t0] == take.has_read leads to place[t0] == idle", 1),
        (
            Counter,
            "place[t0] == take.has_read leads to place[t0] == idle\n"
            "    fair take.has_read",
            None,
        ),
        # fairness helps nobody who waits for the other for ever
        (
            TwoLocks,
            "place[t0] == up.waits_for_second leads to place[t0] == idle\n"
            "    strongly fair up.waits_for_second\n"
            "    strongly fair down.waits_for_first",
            2,
        ),
    ],
)
def test_a_task_goes_on(design: type[Design], text: str, prefix: int | None) -> None:
    compiled = compile_design(design)
    spec = f'spec "tasks"\nfor {design.__name__}\nleadsto ends: {text}'
    properties = resolve(parse_text(spec, "tasks.spec"), compiled).properties
    (ends,) = [p for p in properties if p.name == "ends"]
    outcome = ask("liveness", compiled.system, (ends,), Budget(), Silent(), compiled)
    verdict = outcome.verdicts["ends"]
    if prefix is None:
        assert isinstance(verdict, Holds)
        return
    assert isinstance(verdict, Shown)
    assert verdict.trace.loop == prefix
    confirm(compiled, ends, verdict.trace, shortest=True)
