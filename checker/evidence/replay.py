# SPDX-License-Identifier: GPL-2.0-only
"""Replays: a trace under CPython on the design's own class.

Every trace is replayed before it is printed. Each step is taken twice, by the
Python method and by the IR's evaluation. The two must agree on the state and
the result, and the last step must decide the property. Anything else is an
error of poolproof (ReplayDisagrees), never a verdict.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import pairwise

from poolproof.checker.core.compiled import Compiled
from poolproof.checker.core.evaluate import (
    Undefined,
    Valuation,
    arguments,
    broken,
    out_of_range,
    successor,
)
from poolproof.checker.core.ir import BOOL, show_raw
from poolproof.checker.core.property import Property
from poolproof.checker.core.system import (
    Action,
    Parameter,
    State,
    System,
    TransitionSystem,
)
from poolproof.checker.core.verdict import Defect, Step, Trace
from poolproof.checker.evidence.raw import ReplayDisagrees
from poolproof.checker.evidence.runner import MODEL_IS_WRONG, Runner
from poolproof.model.language import (
    Assumed,
    Disabled,
)

_DISABLED = "a `require` is false"


def _refusal(e: Disabled) -> str:
    return f"the design assumes {e}" if isinstance(e, Assumed) else _DISABLED


class NotReproduced(ReplayDisagrees):
    """CPython and the IR agree that the trace does not show what it claims:
    an engine's bug, or a stored trace of a design that has changed since.
    ``number`` is the step that cannot happen (0: the start), or None."""

    def __init__(self, message: str, number: int | None = None) -> None:
        super().__init__(message)
        self.number = number


@dataclass(frozen=True)
class ReplayedStep:
    """A step that was taken: the raw result and the state after it."""

    step: Step
    result: int | None
    state: State


@dataclass(frozen=True)
class Replay:
    """A trace with the states in between. If ``failure`` is not empty, the
    model fails at the step ``failing`` (None: in the initial state), and
    ``taken`` are the steps before it."""

    trace: Trace
    taken: tuple[ReplayedStep, ...]
    failing: Step | None = None
    failure: str = ""

    @property
    def states(self) -> tuple[State, ...]:
        return (self.trace.initial, *(t.state for t in self.taken))


_last: Runner | None = None


def _runner(compiled: Compiled) -> Runner:
    """Return a runner, the one before if it is of the same design: a state says all
    that a run leaves behind. Where tasks stand in their actions is more than that."""
    global _last
    if compiled.processes is not None:
        return Runner(compiled)
    if _last is None or _last.compiled is not compiled:
        _last = Runner(compiled)
    return _last


def replay(compiled: Compiled, trace: Trace) -> Replay:
    """Take the trace's steps under CPython. Raise ReplayDisagrees if it is no
    run of the design, or if the IR disagrees."""
    system = compiled.system
    check_initial(system, trace.initial)
    return Replay(trace, _take_all(_runner(compiled), trace.initial, trace.steps))


def again(compiled: Compiled, trace: Trace) -> Replay:
    """Return what `replay` returns for a trace that it has replayed before, of a
    design and a checker of the same texts. CPython takes the steps again. The IR is
    not asked again: it is a function of these texts, and agreed with CPython. Raise
    as `replay` does."""
    check_initial(compiled.outline, trace.initial)
    runner = _runner(compiled)
    runner.load(trace.initial)
    taken: list[ReplayedStep] = []
    try:
        for step in trace.steps:
            result = runner.take(step)
            taken.append(ReplayedStep(step, result, runner.state))
    except (Disabled, ReplayDisagrees, *MODEL_IS_WRONG):
        return replay(compiled, trace)  # it says what differs
    return Replay(trace, tuple(taken))


def confirm(
    compiled: Compiled,
    prop: Property,
    trace: Trace,
    shortest: bool = False,
    kept: bool = False,
) -> Replay:
    """`replay`, or `again` if the trace is ``kept``, and check that the last step
    violates the property (or is the witness of a reachable one); with ``shortest``,
    that no earlier step does. A counterexample to `leads to` is a fair lasso that
    avoids the goal. Raise NotReproduced otherwise."""
    replayed = again(compiled, trace) if kept else replay(compiled, trace)
    if prop.kind.of_runs:
        _confirm_lasso(compiled.system, prop, replayed)
        return replayed
    found = deciding(compiled.outline, prop, replayed)
    if not found or found[-1] != len(trace):
        raise NotReproduced(
            f"{prop.name} is not decided by the last state of the trace:\n"
            f"{show_state(compiled.system, replayed.states[-1])}"
        )
    if shortest and found[0] != len(trace):
        raise NotReproduced(
            f"{prop.name} is decided after {found[0]} of the {len(trace)} steps "
            "that should be the fewest"
        )
    return replayed


def _confirm_lasso(system: TransitionSystem, prop: Property, replayed: Replay) -> None:
    states, loop = replayed.states, replayed.trace.loop
    if loop is None or states[loop] != states[-1]:
        raise NotReproduced(f"the trace against {prop.name} does not return to a state")
    avoids = [
        prop.goal is None or not Valuation(system, state).true(prop.goal)
        for state in states
    ]
    triggers = [
        number
        for number, state in enumerate(states)
        if Valuation(system, state).true(prop.formula)
        and all(avoids[min(number, loop) :])
    ]
    if not triggers:
        raise NotReproduced(
            f"the trace against {prop.name} meets the goal, or never needs it"
        )
    taken = {t.step for t in replayed.taken[loop:]}
    for fair in prop.fair:
        action = system.action_by_name[fair.action]
        for raw in action.valuations():
            possible = [
                broken(system, action, state, raw) is None
                and successor(system, action, state, raw) is not None
                for state in states[loop:]
            ]
            starved = any(possible) if fair.strong else all(possible)
            if starved and Step(action.name, raw) not in taken:
                raise NotReproduced(
                    f"the trace against {prop.name} is unfair: it never takes "
                    f"{show_step(system, Step(action.name, raw))}"
                )


def confirm_defect(compiled: Compiled, defect: Defect) -> Replay:
    """`replay` up to the last step, and check that this step breaks the model
    (without steps: the initial state does), for CPython and for the IR."""
    system, trace = compiled.system, defect.trace
    if not trace.steps:
        check_initial(system, trace.initial)
        cell = out_of_range(system, trace.initial)
        if cell is None:
            raise NotReproduced(f"the initial state is not a defect: {defect.message}")
        return Replay(trace, (), None, f"{cell} starts outside its range")
    *before, last = trace.steps
    check_initial(system, trace.initial)
    runner = Runner(compiled)
    taken = _take_all(runner, trace.initial, tuple(before))
    said, _ = _read(system, runner.state, last)
    try:
        runner.take(last)
    except MODEL_IS_WRONG as e:
        if not said:
            raise ReplayDisagrees(
                f"CPython refuses {show_step(system, last)} ({e}), "
                f"but the IR does not, in\n{show_state(system, runner.state)}"
            ) from e
        text = f"{type(e).__name__}: {e}" if str(e) else type(e).__name__
        return Replay(trace, taken, last, text)
    except Disabled:
        pass
    verdict = ReplayDisagrees if said else NotReproduced
    raise verdict(
        f"{show_step(system, last)} breaks nothing under CPython "
        f"({said or defect.message}) in\n{show_state(system, runner.state)}"
    )


def confirm_deadlock(compiled: Compiled, trace: Trace) -> Replay:
    """`replay`, and check that no action is enabled at the end."""
    replayed = replay(compiled, trace)
    end = replayed.states[-1]
    for action in compiled.system.actions:
        for raw in action.valuations():
            said, after = _read(compiled.system, end, Step(action.name, raw))
            if said or after is not None:
                call = show_step(compiled.system, Step(action.name, raw))
                raise NotReproduced(f"{call} is possible after the last step")
    return replayed


def _read(
    system: TransitionSystem, state: State, step: Step
) -> tuple[str, tuple[State, int | None] | None]:
    """Return how a step breaks the model according to the IR (or nothing), and
    the successor (None if the guard is false)."""
    action = system.action_by_name[step.action]
    try:
        obligation = broken(system, action, state, step.arguments)
        if obligation is not None:
            return obligation.message or obligation.kind, None
        after = successor(system, action, state, step.arguments)
    except Undefined as e:
        raise ReplayDisagrees(
            f"{show_step(system, step)}: the IR reads a table outside its index "
            f"domain, and no obligation forbids it ({e}) in\n"
            f"{show_state(system, state)}"
        ) from e
    cell = None if after is None else out_of_range(system, after[0])
    return (f"{cell} leaves its range" if cell else ""), after


def _take_all(
    runner: Runner, initial: State, steps: tuple[Step, ...]
) -> tuple[ReplayedStep, ...]:
    system = runner.compiled.system
    runner.load(initial)
    if runner.state != initial:
        raise ReplayDisagrees(
            f"CPython holds another initial state:\n{show_state(system, runner.state)}"
        )
    taken: list[ReplayedStep] = []
    for number, step in enumerate(steps, 1):
        before, refusal = runner.state, ""
        said, ours = _read(system, before, step)
        try:
            result, raised = runner.take(step), ""
        except Disabled as e:
            result, raised, refusal = None, _DISABLED, _refusal(e)
        except MODEL_IS_WRONG as e:
            result, raised = None, f"{type(e).__name__}: {e}"
        read = said or (_DISABLED if ours is None else "")
        where = f"step {number}, {show_step(system, step)}"
        if raised or read:
            at = f"in\n{show_state(system, before)}"
            if raised and read and (raised == _DISABLED) == (read == _DISABLED):
                why = refusal if raised == _DISABLED else raised
                raise NotReproduced(f"{where}: {why} {at}", number)
            raise ReplayDisagrees(
                f"{where}: {raised or 'possible'} under CPython, "
                f"{read or 'possible'} in the IR, {at}"
            )
        assert ours is not None
        suspended = runner.compiled.suspended(step.action, step.arguments, ours[0])
        if suspended or runner.stopped is not None:
            ours = ours[0], None
        _same_assertions(runner, before, step, result, ours[0])
        if ours != (runner.state, result):
            raise ReplayDisagrees(
                f"{where}: CPython and the IR differ\n"
                + _difference(system, step, (runner.state, result), ours)
            )
        taken.append(ReplayedStep(step, result, runner.state))
    return tuple(taken)


def _same_assertions(
    runner: Runner, before: State, step: Step, result: int | None, after: State
) -> None:
    """Check that CPython and the IR agree on the kernel's assertions in the step."""
    compiled = runner.compiled
    broken_ = {
        p.span.line
        for p in compiled.assertions
        if p.kind.of_steps
        and p.span is not None
        and breaks_step(compiled.system, p, before, step, result, after)
    }
    if broken_ != runner.asserted:
        raise ReplayDisagrees(
            f"{show_step(compiled.system, step)}: the kernel's assertions in lines "
            f"{sorted(runner.asserted)} fail under CPython, {sorted(broken_)} in the "
            f"IR, in\n{show_state(compiled.system, before)}"
        )


def _difference(
    system: TransitionSystem,
    step: Step,
    cpython: tuple[State, int | None],
    ours: tuple[State, int | None],
) -> str:
    lines = [
        f"  {cell.name}: {show_raw(cell.variable.element, a)} under CPython, "
        f"{show_raw(cell.variable.element, b)} in the IR"
        for cell, a, b in zip(system.cells, cpython[0], ours[0], strict=True)
        if a != b
    ]
    action = system.action_by_name[step.action]
    if cpython[1] != ours[1]:
        lines.append(
            f"  result: {show_result(action, cpython[1])} under CPython, "
            f"{show_result(action, ours[1])} in the IR"
        )
    for whose, (state, _) in (("CPython's", cpython), ("the IR's", ours)):
        lines += [f"{whose} state:", show_state(system, state)]
    return "\n".join(lines)


def is_initial(system: System, state: State) -> bool:
    """Return whether the state is an initial state of the system."""
    if len(state) != len(system.cells):
        return False
    at = Valuation(system, state)
    for variable in system.variables:
        if variable.init is None:
            continue
        if at.value(variable.now) != Valuation(system, ()).value(variable.init):
            return False
    free = [c for c in system.cells if c.variable.init is None]
    for cell in free:
        raw = state[system.cell_of[cell.variable.name, cell.index]]
        lo, hi = cell.variable.lo, cell.variable.hi
        if (lo is not None and raw < at.raw(lo)) or (
            hi is not None and raw > at.raw(hi)
        ):
            return False
    return at.true(system.initial)


def check_initial(system: System, state: State) -> None:
    """Raise ReplayDisagrees if the state is no initial state of the system."""
    if not is_initial(system, state):
        raise NotReproduced(
            f"a trace does not start in an initial state:\n{show_state(system, state)}",
            0,
        )


# --- what decides a property ----------------------------------------------


def deciding(system: System, prop: Property, replayed: Replay) -> list[int]:
    """Return every number of steps after which the run decides the property: an
    invariant is false there, a reachable formula true, or a step property false
    of the step that ends there."""
    if prop.kind.of_steps:
        return [
            number
            for number, ((before, after), taken) in enumerate(
                zip(pairwise(replayed.states), replayed.taken, strict=True), 1
            )
            if breaks_step(system, prop, before, taken.step, taken.result, after)
        ]
    return [
        number
        for number, state in enumerate(replayed.states)
        if decided_by(system, prop, state)
    ]


def decided_by(system: System, prop: Property, state: State) -> bool:
    """Return whether a state violates the invariant, or is the witness."""
    return Valuation(system, state).true(prop.formula) is prop.kind.wants_witness


def breaks_step(
    system: System,
    prop: Property,
    before: State,
    step: Step,
    result: int | None,
    after: State,
) -> bool:
    """Return whether a step violates the step property."""
    if prop.action not in (None, step.action):
        return False
    at = at_step(system, before, step, result, after)
    return not at.true(prop.formula)


def at_step(
    system: System,
    before: State,
    step: Step,
    result: int | None,
    after: State,
) -> Valuation:
    """Return the valuation for a formula over one step."""
    action = system.signatures[step.action]
    bound = arguments(action, step.arguments)
    if result is not None:
        bound[action.returned] = result
    return Valuation(system, before, after, bound)


# --- words -----------------------------------------------------------------


def show_step(system: TransitionSystem, step: Step, result: int | None = None) -> str:
    """Return the step as a call: ``touch(v0, 2, write=true) -> OK``."""
    action = system.action_by_name[step.action]
    arguments_text = ", ".join(
        show_argument(p, show_raw(p.local.sort, r))
        for p, r in zip(action.parameters, step.arguments, strict=True)
        if is_shown(p, r)
    )
    call = f"{step.action}({arguments_text})"
    return call if result is None else f"{call} -> {show_result(action, result)}"


def show_argument(parameter: Parameter, value: str) -> str:
    """Return an argument as a call has it: with its name, if ``value`` says too
    little without."""
    is_named = parameter.implicit or parameter.local.sort is BOOL
    return f"{parameter.name}={value}" if is_named else value


def is_shown(parameter: Parameter, raw: int) -> bool:
    """Return whether calls mention the parameter where it has the raw value. One
    that can have only one value, because its feature is off, is left out, and so
    is the call that fails where none does."""
    if parameter.implicit:
        return raw != 0
    return parameter.local.sort is not BOOL or len(parameter.domain) > 1


def show_result(action: Action, result: int | None) -> str:
    """Return the action's raw result as the user writes it."""
    if result is None or action.result is None:
        return "nothing"
    return show_raw(action.result.sort, result)


def show_state(system: System, state: State) -> str:
    """Return the state as text, one line for each cell."""
    cells = named(system, state).items()
    return "\n".join(f"  {name} = {text}" for name, text in cells)


def named(system: System, state: State) -> Mapping[str, str]:
    """Return the value of each cell as the user writes it, by the cell's name."""
    return {
        cell.name: show_raw(cell.variable.element, raw)
        for cell, raw in zip(system.cells, state, strict=False)
    }
