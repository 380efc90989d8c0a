# SPDX-License-Identifier: GPL-2.0-only
"""Permutations of two views at once that change nothing for the user.

A scalarset may be permuted if both systems have it and hold it to be
interchangeable, if no reading tells its elements apart, and if a call has it at the
same place for both. Scalarsets of one system alone are left as they are.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from math import factorial

from poolproof.checker.core.ir import Expr, ScalarSort, Sort, scalarsets
from poolproof.checker.core.limits import tick
from poolproof.checker.core.remembered import Remembered
from poolproof.checker.core.system import State
from poolproof.checker.engines.visible import Form, View
from poolproof.checker.passes.equivariance import Equivariance, partial_domain
from poolproof.checker.passes.symmetry import find_symmetry, group, mover

_MOST = 200
"""Permutations that are tried for each state."""

_REMEMBERED = 50_000
"""Upper limit on the states whose least image is remembered."""


class Joint:
    """The permutations that two views have in common."""

    def __init__(self, left: View, right: View, wanted: bool = True) -> None:
        self.sorts = tuple(_common(left, right)) if wanted else ()
        self._moves = [
            (mover(left.system, by), mover(right.system, by))
            for by in group(self.sorts)
        ]
        self._least = Remembered(self._find_least, _REMEMBERED)

    def form(
        self, state: State, states: Sequence[State]
    ) -> tuple[State, Sequence[State]]:
        """Return the least image of a state, and the least image of a set by one of
        the permutations that give it."""
        least, ways = self._least[state]
        if len(ways) == 1:
            move = self._moves[ways[0]][1]
            return least, [tuple(move(s)) for s in states]
        tick(len(ways) * len(states))
        images = (sorted([tuple(self._moves[k][1](s)) for s in states]) for k in ways)
        return least, min(images)

    def _find_least(self, state: State) -> tuple[State, tuple[int, ...]]:
        tick(len(self._moves))
        images = [move(state) for move, _ in self._moves]
        least = min(images)
        return tuple(least), tuple([k for k, i in enumerate(images) if i == least])


def _common(left: View, right: View) -> Iterator[ScalarSort]:
    """Yield the scalarsets that may be permuted in both, as long as there are not too
    many permutations."""
    number = 1
    allowed = [find_symmetry(v.system, (), indices=False).sorts for v in (left, right)]
    for sort in sorted(allowed[0], key=lambda s: s.size):
        if sort not in allowed[1] or number * factorial(sort.size) > _MOST:
            continue
        if _same_places(left, right, sort) and all(
            _is_blind(v, sort) for v in (left, right)
        ):
            number *= factorial(sort.size)
            yield sort


def _is_blind(view: View, sort: ScalarSort) -> bool:
    """Return whether readings and stops do not tell the elements apart."""
    check = Equivariance(sort)
    seen: list[Expr] = list(view.stops.values())
    for reading in view.readings.values():
        if sort in scalarsets(reading.value.sort):
            return False
        seen += [reading.value, reading.defined]
    return all(partial_domain(e, sort) is None and check.equivariant(e) for e in seen)


def _same_places(left: View, right: View, sort: ScalarSort) -> bool:
    """Return whether the calls' arguments over a sort are the same for both, all its
    elements, and no other parameter over it is fixed."""
    for name, forms in left.calls.items():
        every = (*forms, *right.calls[name])
        places = {tuple(_is_over(f, k, sort) for k in f.places) for f in every}
        if len(places) > 1:
            return False
        for form in every:
            over = [_is_over(form, k, sort) for k in form.places]
            for k, within, mine in zip(form.places, form.within, over, strict=True):
                domain = form.action.parameters[k].domain
                if mine and (within[0], within[-1]) != (domain.lo, domain.hi):
                    return False
            if any(_is_over(form, k, sort) for k in form.fixed):
                return False
    return True


def _is_over(form: Form, place: int, sort: Sort) -> bool:
    domain = form.action.parameters[place].domain
    return any(s is sort for s in scalarsets(domain.sort))
