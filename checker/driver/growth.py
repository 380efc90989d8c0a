# SPDX-License-Identifier: GPL-2.0-only
"""Extrapolation of a count over several bounds, from small values to larger ones.

Along one bound, each value multiplies the count by a factor. The count of a scalarset
with symmetry, or of a pool, is a polynomial, whose factors fall towards 1; that of
other sets has a constant factor. In both cases the reciprocals of the factors'
logarithms are on a line, so the next factor continues that line. Where two bounds
grow, each contributes its factor, times an interaction of the two. So a point that
is above known ones in two bounds is predicted from such pairs, not from the lines.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Iterator, Mapping
from itertools import combinations, product

Point = tuple[int, ...]
"""A value of each bound."""


def below(point: Point) -> Iterator[Point]:
    """Yield the points that have one bound less by one."""
    for k in range(len(point)):
        yield _less(point, k)


def predicted(known: Mapping[Point, float], at: Point) -> float | None:
    """Return the count at a point: the known one, or a prediction from smaller points;
    None if there are none."""
    logs = {p: math.log(max(n, 1)) for p, n in known.items()}
    if at not in logs and logs and not all(p in logs for p in below(at)):
        _fill(logs, at)
    found = logs.get(at, _from_neighbours(logs, at))
    return None if found is None else math.exp(min(found, _MOST))


_MOST = 700.0
"""Upper limit on a logarithm, beyond what any machine can hold."""


def _fill(logs: dict[Point, float], at: Point) -> None:
    """Predict the points up to ``at`` from their neighbours, the smaller ones
    first."""
    least = [min(p[k] for p in logs) for k in range(len(at))]
    ends = (range(lo, hi + 1) for lo, hi in zip(least, at, strict=True))
    for point in sorted(product(*ends), key=sum):
        guess = None if point in logs else _from_neighbours(logs, point)
        if guess is not None:
            logs[point] = guess


def _from_neighbours(logs: Mapping[Point, float], at: Point) -> float | None:
    """Return the mean of the predictions from pairs of bounds; from single bounds if
    there are none of pairs."""
    guesses = [*_by_two(logs, at)] or [*_by_one(logs, at)]
    if guesses:
        return sum(guesses) / len(guesses)
    return max((logs[p] for p in below(at) if p in logs), default=None)


def steps_beyond(known: Collection[Point], at: Point) -> int | None:
    """Return the distance from a point to the nearest known one below it, the sum of
    the differences of all bounds; None if there is no such point."""
    return min((sum(at) - sum(p) for p in known if within(p, at)), default=None)


def missed_by(known: Mapping[Point, float], steps: int) -> float | None:
    """Return the largest factor by which predictions over this many steps miss known
    points; None if no known point can be predicted over that distance."""
    worst = None
    for point, right in known.items():
        before = {
            p: n
            for p, n in known.items()
            if within(p, point) and sum(p) <= sum(point) - steps
        }
        if len(before) < 2 or steps_beyond(before, point) != steps:
            continue
        guess = predicted(before, point)
        if guess is not None:
            worst = max(worst or 1.0, guess / max(right, 1), max(right, 1) / guess)
    return worst


def within(small: Point, large: Point) -> bool:
    """Return whether no bound of the small point is above that of the large one."""
    return all(a <= b for a, b in zip(small, large, strict=True))


def _by_one(logs: Mapping[Point, float], at: Point) -> Iterator[float]:
    for k in range(len(at)):
        line = [logs.get(_less(at, k, by)) for by in (1, 2, 3)]
        last, before, first = line
        if last is None or before is None:
            continue
        growth = last - before
        earlier = None if first is None else before - first
        yield last + _next(earlier, growth)


def _next(earlier: float | None, growth: float) -> float:
    """Return the growth of the logarithm that follows these two."""
    if earlier is None or earlier <= 0 or growth <= 0:
        return max(growth, 0.0)
    if growth < earlier:
        return 1 / (2 / growth - 1 / earlier)
    return growth + (growth - earlier)


def _by_two(logs: Mapping[Point, float], at: Point) -> Iterator[float]:
    for j, k in combinations(range(len(at)), 2):
        corners = [logs.get(p) for p in (_less(at, j), _less(at, k))]
        corner = logs.get(_less(_less(at, j), k))
        if None in corners or corner is None:
            continue
        found = [_together(logs, p, j, k) for p in (_less(at, j), _less(at, k))]
        more = [m for m in found if m is not None]
        sides = sum(c for c in corners if c is not None)
        yield sides - corner + (sum(more) / len(more) if more else 0.0)


def _together(logs: Mapping[Point, float], at: Point, j: int, k: int) -> float | None:
    """Return the interaction of two bounds at a point, as a logarithm."""
    points = (at, _less(at, j), _less(at, k), _less(_less(at, j), k))
    if not all(p in logs for p in points):
        return None
    here, left, right, corner = (logs[p] for p in points)
    return here - left - right + corner


def _less(point: Point, k: int, by: int = 1) -> Point:
    return (*point[:k], point[k] - by, *point[k + 1 :])
