# SPDX-License-Identifier: GPL-2.0-only
"""Each action of each shipped design, as compiled, is what CPython executes.

An instance of the design's class is loaded with a state and arguments whose
values z3 knows, anything within their ranges; its method runs as it is, once
for each path through it. On every path z3 proves, of the compiled action as
the solver engines see it, that guard, obligations, next state and result are
what CPython did.

An action is proved at the default bounds with the features on that it needs
itself. All features together have too many paths; there, the two readings are
compared on reachable and on random states, and so are the actions in `BEYOND`.
"""

import importlib
import pkgutil
import warnings
from collections.abc import Iterator
from dataclasses import replace
from random import Random
from types import ModuleType
from typing import Any

import pytest
import z3

import bench.pool
from poolproof.checker.backends.smt import (
    Integers,
    Lowering,
    Number,
    conjunction,
    negation,
    unknown,
)
from poolproof.checker.core import evaluate, ir
from poolproof.checker.core.compiled import Compiled
from poolproof.checker.core.ranges import declared as declared_range
from poolproof.checker.core.system import Action, State
from poolproof.checker.core.verdict import (
    Budget,
    Engine,
    Reached,
    Silent,
    Step,
    Unknown,
)
from poolproof.checker.engines.bmc import bmc
from poolproof.checker.engines.explicit import explicit
from poolproof.checker.engines.native import native
from poolproof.checker.evidence.runner import Runner
from poolproof.checker.frontend.design import compile_design
from poolproof.checker.spec import parse_text, resolve
from poolproof.model import designs
from poolproof.model.designs.reserved_thp.assumed_vmas import ReservedThpVmasAssumed
from poolproof.model.language import (
    NONE_FAILS,
    Design,
    Disabled,
    KernelBug,
    ModelError,
    OutOfDomain,
    OutOfRange,
    Values,
    action_methods,
    bind,
    declared,
    parameters,
    resolved,
    returns,
    slots,
    yields,
)
from tests.common.constructs import Failing
from tests.common.indices import Careless, Elements, Indices
from tests.common.symbolic_int import SymbolicInt, TooManyPaths, paths, term_of

MOST = 500
"""Paths of an action that is proved by default."""


BEYOND = {
    "ReservedThp": ("mremap",),
    "ReservedThpPlanned": ("mremap", "swap_in"),
    "PageAllocator": ("alloc", "alloc_contig", "miss_reserved"),
    "ReservedThpFiles": ("evict", "ftruncate", "punch_hole"),
    "ShmemRaces": ("fallocate", "punch_hole"),
    "SwapSpace": (
        "collapse",
        "exit",
        "other_free",
        "other_out",
        "swap_out_page",
        "swap_reclaim_work",
    ),
    "Shmem1g": ("*",),
    "Thp": ("*",),
    "GlobalPool": ("*",),
    "MemcgTree": ("oom_kill",),
    "Vmas": ("*",),
}
"""Actions with more paths, of a design and of those that subclass it and are
not listed. "*": all of them (its sets of 13 flags), on single states only."""

COUNTLESS = ("PageAllocator.alloc", "SwapSpace.swap_reclaim_work")
"""With so many paths that only single states are compared."""

REPEATED = ReservedThpVmasAssumed
"""Its text is that of ReservedPagesVmas, but for one method."""


def is_dear(design: type[Design]) -> bool:
    """Whether the gate leaves it out: all but a few methods are another design's
    text, or it stands between a design and an heir, who are both asked."""
    versions = ".bugs" in design.__module__ or design.__module__.endswith("versions")
    between = any(base in SHIPPED for base in design.__mro__[1:]) and any(
        design in heir.__mro__[1:] for heir in SHIPPED if heir is not REPEATED
    )
    return design is REPEATED or versions or between


ROUNDS, FEW = 20, 3
"""How often each action is tried with all features on; in the gate that of an heir,
most of whose text is its base's."""


def designs_of(module: ModuleType) -> Iterator[type[Design]]:
    for value in vars(module).values():
        if (
            isinstance(value, type)
            and issubclass(value, Design)
            and value.__module__ == module.__name__
        ):
            yield value


def has_yields(design: type[Design]) -> bool:
    """Whether an action of the design yields: test_yields.py has these."""
    methods = (f for f, _ in action_methods(design).values())
    return any(yields(resolved(design, f)[1]) for f in methods)


ALL = [
    *designs_of(bench.pool),
    *(
        design
        for info in pkgutil.walk_packages(designs.__path__, f"{designs.__name__}.")
        for design in designs_of(importlib.import_module(info.name))
    ),
]
SHIPPED = [d for d in ALL if not has_yields(d)]


def needed(design: type[Design]) -> dict[tuple[str, ...], list[str]]:
    """The actions by the features that they need."""
    found: dict[tuple[str, ...], list[str]] = {}
    for name, (_, mark) in action_methods(design).items():
        found.setdefault(tuple(sorted(f.name for f in mark.when)), []).append(name)
    return found


def is_beyond(design: type[Design], action: str) -> bool:
    for base in design.__mro__:
        listed = BEYOND.get(base.__name__)
        if listed is not None:
            return "*" in listed or action in listed
    return False


class Validation:
    """A compiled design next to the class it came from."""

    def __init__(self, compiled: Compiled) -> None:
        self.compiled, self.system = compiled, compiled.system
        self.binding = bind(
            compiled.source, compiled.bounds, compiled.without, compiled.having
        )
        self.design = compiled.design()
        by_name = {s.name: s.values for s in slots(compiled.source, self.binding)}
        self.values = [by_name[c.variable.name] for c in self.system.cells]
        ranges = [declared_range(c.variable) for c in self.system.cells]
        self.now = [
            unknown(Integers(), c.name, c.variable.element, None)
            for c in self.system.cells
        ]
        self.raw = [_raw(value) for value in self.now]
        self.assumed = [
            Integers().within(Number(r, None, None), lo, hi)
            for r, (lo, hi) in zip(self.raw, ranges, strict=True)
        ]

    def prove(self, action: Action, most: int) -> int:
        """Proves one action, all paths of it; how many those are."""
        system, source = self.system, self.compiled.source
        function = getattr(source, action.name)
        domains = [
            self.binding.values(d) for d in parameters(source, function).values()
        ]
        wanted = returns(source, function)
        given = [
            unknown(Integers(), p.name, p.local.sort, p.domain)
            for p in action.parameters
        ]
        raw = [_raw(value) for value in given]
        within = [
            Integers().within(Number(r, None, None), p.domain.lo, p.domain.hi)
            for r, p in zip(raw, action.parameters, strict=True)
        ]
        choices = [p.domain.sort.labels for p in action.parameters if p.implicit]
        low = Lowering(
            system,
            Integers(),
            self.now,
            locals={p.local: g for p, g in zip(action.parameters, given, strict=True)},
        )
        guard = low.truth(action.guard)
        dues = [(o.kind, low.truth(o.formula)) for o in action.obligations]
        sound = conjunction(due for _, due in dues)
        after = self._after(low, action)
        result = None if action.result is None else _raw(low(action.result))
        held = [
            (p, low.truth(p.formula))
            for p in self.compiled.assertions
            if p.action == action.name
        ]

        def run(path: Any) -> Any:
            self.design.load([SymbolicInt(path, r) for r in self.raw])
            arguments = [
                v.python(SymbolicInt(path, r))
                for v, r in zip(domains, raw, strict=False)
            ]
            fails = choices[0][SymbolicInt(path, raw[-1])] if choices else NONE_FAILS
            warned: set[int] = set()
            try:
                with warnings.catch_warnings(record=True) as caught:
                    warnings.simplefilter("always")
                    value = self.design.call(action.name, *arguments, fails=fails)
                warned = {w.lineno for w in caught}
            except KernelBug:
                same = [a == b for a, b in zip(after, self.raw, strict=True)]
                bugs = [t for p, t in held if p.assertion == "bug_on"]
                stops = negation(conjunction(bugs))
                return conjunction((sound, guard, stops, *same))
            except Disabled:
                return conjunction((sound, negation(guard)))
            except AssertionError:
                return _first(dues, "assert")
            except OutOfDomain:
                return _first(dues, "index")
            except OutOfRange:  # of a field that is off
                return _first(dues, "assert")
            same = [
                mine == _kept(v, term_of(raw_))
                for mine, raw_, v in zip(
                    after, self.design.dump(), self.values, strict=True
                )
            ]
            if wanted is not None:
                returned = self.binding.values(wanted).raw(value)
                same.append(result == term_of(returned))
            stays = [t for p, t in held if p.assertion == "bug_on"]
            warns = [
                negation(t) if p.span and p.span.line in warned else t
                for p, t in held
                if p.assertion == "warn_on"
            ]
            return conjunction((sound, guard, *same, *stays, *warns))

        count = 0
        for solver, claim in paths([*self.assumed, *within], run, most):
            count += 1
            if solver.check(negation(claim)) != z3.unsat:
                raise AssertionError(f"{action.name}: {solver.model()}")
        return count

    def _after(self, low: Lowering, action: Action) -> list[Any]:
        cells = []
        for cell in self.system.cells:
            v = cell.variable
            value = low(action.updates.get(v.name, v.now))
            cells.append(_raw(value[cell.index] if v.index else value))
        return cells


def _first(dues: list[tuple[str, Any]], kind: str) -> Any:
    """The first obligation that fails is of this kind."""
    claims = [
        conjunction((negation(due), *(before for _, before in dues[:k])))
        for k, (other, due) in enumerate(dues)
        if other == kind
    ]
    return z3.Or(*claims) if claims else z3.BoolVal(False)


def _kept(values: Values, raw: Any) -> Any:
    """The raw value at the end of an action, as `Values.saturated` has it."""
    if not values.counter:
        return raw
    low = z3.If(raw < values.lo, values.lo, raw)
    return low if values.hi is None else z3.If(low > values.hi, values.hi, low)


def _raw(value: Any) -> Any:
    """The raw int that a lowered value stands for."""
    if isinstance(value, Number):
        return value.term
    if z3.is_bool(value):
        return z3.If(value, 1, 0)
    return z3.BV2Int(value)


def just(design: type[Design], on: tuple[str, ...]) -> Compiled:
    """The design with these features and no others."""
    off = tuple(f for f in declared(design)[1] if f not in on)
    return compile_design(design, without=off, having=on)


GROUPS = [
    pytest.param(
        design,
        on,
        id="+".join((design.__name__, *on)),
        marks=() if design is bench.pool.Pool else pytest.mark.slow,
    )
    for design in SHIPPED
    for on in needed(design)
]


@pytest.mark.parametrize(("design", "on"), GROUPS)
def test_compiled_is_executed(design: type[Design], on: tuple[str, ...]) -> None:
    names = [n for n in needed(design)[on] if not is_beyond(design, n)]
    if not names:
        return
    proof = Validation(just(design, on))
    for name in names:
        try:
            assert proof.prove(proof.system.action_by_name[name], MOST) > 0
        except TooManyPaths:
            pytest.fail(f"{name} has more than {MOST} paths: list it in BEYOND")


@pytest.mark.parametrize("action", ["twice", "branches", "refuses", "plain"])
def test_calls_that_fail_are_executed(action: str) -> None:
    proof = Validation(compile_design(Failing, {"failures": 2}))
    assert proof.prove(proof.system.action_by_name[action], MOST) > 0


@pytest.mark.slow
@pytest.mark.parametrize(("design", "on"), GROUPS)
def test_compiled_is_executed_beyond(design: type[Design], on: tuple[str, ...]) -> None:
    names = [
        n
        for n in needed(design)[on]
        if is_beyond(design, n) and f"{design.__name__}.{n}" not in COUNTLESS
    ]
    if not names or any("*" in BEYOND.get(b.__name__, ()) for b in design.__mro__):
        return
    proof = Validation(just(design, on))
    for name in names:
        assert proof.prove(proof.system.action_by_name[name], 100 * MOST) > MOST


@pytest.mark.parametrize("design", [Careless, Elements])
def test_every_sort_of_index(design: type[Design]) -> None:
    proof = Validation(compile_design(design))
    for action in proof.system.actions:
        assert proof.prove(action, 4 * MOST) > 0


INDICES_SEEN = {
    "by_flag[true] == 2": 3,
    "by_slot[1] == 2": 3,
    "by_colour[BLUE] == 2": 3,
    "by_thing[t0] == 2": 3,
    "by_maybe[none] == 2": 2,
    "by_clock[1] == 2": 3,
    "by_two[false, t0]": 1,
    "by_two[true, t0]": 4,
    "by_slot[1] == 3": 4,
}
"""What is first true after how many steps."""


@pytest.mark.parametrize("engine", [explicit, native, bmc])
def test_engines_read_every_sort_of_index(engine: Engine) -> None:
    compiled = compile_design(Indices)
    lines = [f"reachable p{k}: {said}" for k, said in enumerate(INDICES_SEEN)]
    spec = parse_text("\n".join(('spec "indices"', "for Indices", *lines)), "indices")
    properties = resolve(spec, compiled).properties
    budget = Budget(depth=3, seconds=60, threads=1)
    outcome = engine(compiled.system, properties, budget, Silent())
    for p, depth in zip(properties, INDICES_SEEN.values(), strict=True):
        verdict = outcome.verdicts[p.name]
        if depth > 3:
            assert isinstance(verdict, Unknown)
        else:
            assert isinstance(verdict, Reached)
            assert len(verdict.trace) == depth


def test_a_wrong_translation_is_refuted() -> None:
    proof = Validation(compile_design(bench.pool.Pool))
    action = proof.system.action_by_name["fault"]
    resv = proof.system.by_name["resv"].now
    for wrong in (
        replace(action, guard=ir.TRUE),
        replace(action, guard=ir.and_(action.guard, ir.lt(ir.num(1), resv))),
        replace(action, updates={**action.updates, "resv": ir.add(resv, ir.num(-2))}),
        replace(action, updates={}),
    ):
        with pytest.raises(AssertionError):
            proof.prove(wrong, MOST)


# --- everything at once, on single states -------------------------------------


def same_step(
    runner: Runner, action: Action, state: State, raw: tuple[int, ...]
) -> State:
    """The state after a step that both readings agree on."""
    system = runner.compiled.system
    broken = evaluate.broken(system, action, state, raw)
    step = None if broken else evaluate.successor(system, action, state, raw)
    outside = evaluate.out_of_range(system, step[0]) if step else None
    runner.load(state)
    where = f"{action.name}{raw} in {state}"
    try:
        result = runner.take(Step(action.name, raw))
    except Disabled:
        assert broken is None, where
        assert step is None, where
    except (ModelError, AssertionError) as e:
        assert broken or outside, f"{where}: {e}"
    else:
        if step is not None and runner.stopped is not None:
            step = step[0], None
        assert (runner.state, result) == step, where
    return runner.state


@pytest.mark.parametrize(
    "design",
    [pytest.param(d, marks=pytest.mark.slow if is_dear(d) else ()) for d in SHIPPED],
    ids=lambda d: d.__name__,
)
def test_all_features_at_once(design: type[Design]) -> None:
    heir = any(base in SHIPPED for base in design.__mro__[1:])
    at_once(design, FEW if heir else ROUNDS)


@pytest.mark.slow
@pytest.mark.parametrize("design", SHIPPED, ids=lambda d: d.__name__)
def test_all_features_at_once_many_times(design: type[Design]) -> None:
    at_once(design, ROUNDS)


def at_once(design: type[Design], rounds: int) -> None:
    """Reachable states: a walk that takes each enabled step once in a while.
    Random states: any values within their ranges."""
    compiled = compile_design(design, having=tuple(declared(design)[1]))
    system, runner, random = compiled.system, Runner(compiled), Random(1)
    start = random.choice(evaluate.initial_states(system))
    state = start
    ranges = [
        (-3 if lo is None else lo, 9 if hi is None else hi)
        for lo, hi in [declared_range(c.variable) for c in system.cells]
    ]
    for round_ in range(rounds):
        for action in system.actions:
            raw = tuple(random.choice([*p.domain]) for p in action.parameters)
            state = same_step(runner, action, state, raw)
            anywhere = tuple(random.randint(lo, hi) for lo, hi in ranges)
            same_step(runner, action, anywhere, raw)
        if round_ % 10 == 9:
            state = start
