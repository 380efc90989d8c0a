# SPDX-License-Identifier: GPL-2.0-only
"""The properties that a state, or a step, decides."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from poolproof.checker.backends import python as lower
from poolproof.checker.backends.columns import CellSource, Columns, first_steps
from poolproof.checker.backends.python import Transition
from poolproof.checker.core.property import Property
from poolproof.checker.core.system import Action, State, TransitionSystem

OfStep = Callable[[State, Transition], Sequence[str]]
"""A function of a state and a step from it: the names of the step properties
that the step violates."""


LOOK_BACK = 1 << 18
"""States that are looked at again, at most, for properties that only watch. The limit
is a number of states, so that no clock decides."""


def look_back(
    system: TransitionSystem, watchers: Sequence[Property], states: CellSource
) -> dict[str, list[bool]]:
    """Return for each property that only watches which of its antecedents were true
    of a step from these states; nothing if there are more than LOOK_BACK."""
    if not watchers or states.count > LOOK_BACK:
        return {}
    columns = Columns(system, states)
    seen = {}
    for p in watchers:
        assert p.action is not None, "who watches all actions sees nothing"
        action = system.action_by_name[p.action]
        seen[p.name] = first_steps(action, p.antecedents, columns)
    return seen


class Watch:
    """The properties that one state or one step decides: by a violation, or as a
    witness. ``seen`` maps each property to which of its antecedents came true; of
    those that only watch, once `look_back` is called. Raise ValueError for a
    property that only a run decides."""

    def __init__(
        self, system: TransitionSystem, properties: Sequence[Property]
    ) -> None:
        for p in properties:
            if p.kind.of_runs:
                raise ValueError(f"no state and no step decides `{p.kind.value}`")
        self.system = system
        self.watchers = [p for p in properties if p.watches]
        properties = [p for p in properties if not p.watches]
        self.seen = {p.name: [False] * len(p.antecedents) for p in properties}
        self.steps = [p for p in properties if p.kind.of_steps]
        mine = [p for p in properties if p.kind.of_states]
        self.names = [p.name for p in mine]
        self.truths = lower.predicates(system, [p.deciding for p in mine])
        self.of_states = _Antecedents(mine, self.seen)
        self.antecedents = lower.predicates(system, self.of_states.formulas)

    def state(self, state: State) -> Sequence[str]:
        """Return the names of the properties that the state decides."""
        if self.of_states.pending:
            self.of_states.note(self.antecedents(state))
        hits = self.truths(state)
        if True not in hits:
            return ()
        return [n for n, hit in zip(self.names, hits, strict=True) if hit]

    def look_back(self, states: CellSource) -> None:
        """Note what the properties that only watch saw in these states."""
        self.seen |= look_back(self.system, self.watchers, states)

    def of_step(self, action: Action) -> OfStep | None:
        """Return what the action's steps violate; None if no property is about
        them."""
        mine = [p for p in self.steps if p.about(action)]
        if not mine:
            return None
        names = [p.name for p in mine]
        formulas = [p.formula for p in mine]
        truths = lower.step_predicates(self.system, action, formulas)
        antecedents = _Antecedents(mine, self.seen)
        holds = lower.step_predicates(self.system, action, antecedents.formulas)

        def violated(state: State, taken: Transition) -> Sequence[str]:
            arguments, after, result, _ = taken
            if antecedents.pending:
                antecedents.note(holds(state, after, arguments, result))
            good = truths(state, after, arguments, result)
            if False not in good:
                return ()
            return [n for n, fine in zip(names, good, strict=True) if not fine]

        return violated


class _Antecedents:
    """The antecedents that have not come true yet, by number."""

    def __init__(
        self, properties: Sequence[Property], seen: dict[str, list[bool]]
    ) -> None:
        every = [
            (p.name, k, a) for p in properties for k, a in enumerate(p.antecedents)
        ]
        self.formulas = [a for _, _, a in every]
        self.places = [(seen[name], k) for name, k, _ in every]
        self.pending = list(range(len(every)))

    def note(self, values: Sequence[bool]) -> None:
        if True in values:
            for number in [n for n in self.pending if values[n]]:
                of, k = self.places[number]
                of[k] = True
                self.pending.remove(number)
