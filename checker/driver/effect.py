"""Whether a feature changes anything that a design can do.

Two systems that agree on their initial states, and on every step from each
state that both reach, have the same runs (by induction over their length). A
verdict about the one with the feature then says nothing about the feature.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from poolproof.checker.backends import python as lower
from poolproof.checker.core.evaluate import initial_states
from poolproof.checker.core.system import State, TransitionSystem

Step = tuple[str, tuple[int, ...], int | None, State | None]
"""Action, arguments, result, and what both systems have of the state
after it (None: an obligation fails). All raw: features change no size."""


def has_effect(
    off: TransitionSystem,
    on: TransitionSystem,
    states: int,
    over: Callable[[], bool] = lambda: False,
) -> bool | None:
    """Return whether ``on`` has other runs than ``off``, the same design
    without the feature. None: not decided within so many states or in time."""
    if (off.variables, off.actions, off.initial) == (
        on.variables,
        on.actions,
        on.initial,
    ):
        return False
    common = {c.name for c in off.cells} & {c.name for c in on.cells}
    one, other = _Side(off, common), _Side(on, common)
    begin, begins = one.initial(), other.initial()
    if begin.keys() != begins.keys():
        return True
    todo = [(begin[m], begins[m]) for m in begin]
    seen = set(begin)
    for a, b in todo:
        if over() or len(seen) > states:
            return None
        was, now = one.steps(a), other.steps(b)
        if was.keys() != now.keys() or one.moved or other.moved:
            return True
        for step, after in was.items():
            if step[-1] is not None and step[-1] not in seen:
                seen.add(step[-1])
                todo.append((after, now[step]))
    return one.moved or other.moved


@dataclass
class _Side:
    """One of the two systems, seen through the cells that both have.
    ``moved``: another cell of its own has had two values."""

    system: TransitionSystem
    common: set[str]
    moved: bool = False
    alone: set[State] = field(default_factory=set)

    def __post_init__(self) -> None:
        number = {c.name: k for k, c in enumerate(self.system.cells)}
        self.shared = [number[name] for name in sorted(self.common)]
        self.own = [k for name, k in number.items() if name not in self.common]
        self.actions = [
            (a, lower.successors(self.system, a)) for a in self.system.actions
        ]

    def initial(self) -> dict[State, State]:
        return {self.seen(s): s for s in initial_states(self.system)}

    def seen(self, state: State) -> State:
        """What both systems have of a state."""
        self.alone.add(tuple(state[k] for k in self.own))
        self.moved = len(self.alone) > 1
        return tuple(state[k] for k in self.shared)

    def steps(self, state: State) -> dict[Step, State]:
        """The steps from a state, and the states after them."""
        found: dict[Step, State] = {}
        for action, successors in self.actions:
            for given, after, result, broken in successors(state):
                if broken is not None:  # the state after it means nothing
                    found[action.name, given, None, None] = state
                else:
                    found[action.name, given, result, self.seen(after)] = after
        return found
