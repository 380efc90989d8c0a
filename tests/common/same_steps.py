# SPDX-License-Identifier: GPL-2.0-only
"""Whether two systems take the same steps."""

from __future__ import annotations

from random import Random

from poolproof.checker.core.evaluate import broken, initial_states, successor
from poolproof.checker.core.system import State, TransitionSystem


def same_steps(a: TransitionSystem, b: TransitionSystem, states: int) -> set[State]:
    """Return states that both reach, by the same steps; at least so many, if there
    are."""
    seen = set(initial_states(a))
    assert seen == set(initial_states(b))
    todo, random = list(seen), Random(1)
    while todo and len(seen) < states:
        state = todo.pop(random.randrange(len(todo)))
        for mine, other in zip(a.actions, b.actions, strict=True):
            for raw in mine.valuations():
                after = successor(a, mine, state, raw)
                assert after == successor(b, other, state, raw), (mine.name, raw, state)
                wrong = broken(a, mine, state, raw)
                # a loop's own obligations are of the closed form only
                other_wrong = broken(b, other, state, raw)
                assert wrong is None or other_wrong is not None
                if after is not None and after[0] not in seen:
                    seen.add(after[0])
                    todo.append(after[0])
    return seen
