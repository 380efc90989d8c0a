# SPDX-License-Identifier: GPL-2.0-only
"""The shortest counterexample to `leads to`: a prefix and a fair loop.

The graph is complete and finite. Its nodes are numbers, and an edge has a
label: an action with its arguments. A counterexample is a path from an
initial node to the *entry*, and a closed walk from the entry to itself.

- The formula is true at some node of the prefix (the entry counts), and the
  goal is false there and from there on.
- The walk is fair. Weak fairness of an action: each of its labels is taken on
  the walk, or impossible at some node of it. Strong fairness: each label is
  taken on the walk, or impossible at all its nodes. A walk without steps is a
  run that stops at the entry; every label that is possible there is refused
  for ever, so it is fair iff no fair action is possible at the entry.

What is minimised: the number of steps of the prefix, and among the
counterexamples with a shortest prefix, the number of steps of the loop. Their
sum need not be the least possible: a longer prefix may lead to a shorter loop.

Prefix. The entry must be on a fair closed walk, and is on one iff it is in a
fair component: every node of a fair component is on the walk that visits all
of it, and a fair closed walk survives inside some component when nodes are
removed for strong fairness, since each label that is possible on the walk is
also taken on it. So breadth-first search over pairs (node, whether the formula
has been true since the goal was) finds the least number of steps after which
such an entry is reached with the formula true; every entry at that depth is
kept.

Loop. A walk from the entry is a path in the product of the component with
what fairness has seen so far: the weak labels that are neither taken nor
found impossible yet, the strong labels that were possible and are not taken
yet (owed), and the strong labels already taken. Fairness of the closed walk
depends on nothing else, so a shortest path back to the entry with nothing
left is a shortest fair closed walk. A* is exact with a consistent lower
bound: the distance back to the entry in the component, or the number of
labels owed, since one step takes one label. Entries are tried with growing
limits on the length, so that one with a short loop ends the search.

The product is exponential in the number of labels. After _WORK visits the
search ends with the shortest walk that it knows (first a greedy one, which
serves one label after the other), and ``shortest`` is false.
"""

from __future__ import annotations

import heapq
from collections import deque
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple, TypeVar

from poolproof.checker.core.limits import tick
from poolproof.checker.core.property import Fairness

Label = tuple[str, tuple[int, ...]]
"""One action with its raw arguments."""

Edges = Sequence[Sequence[tuple[Label, int]]]
"""For each node, its outgoing edges: label and target."""

_WORK = 1_000_000
"""Visits of product nodes that the search for a loop may spend."""


@dataclass(frozen=True)
class Lasso:
    """A run from node ``start``; after its ``loop``-th step it repeats the
    rest for ever. ``shortest``: in prefix, and then in loop."""

    start: int
    steps: tuple[Label, ...]
    loop: int
    shortest: bool


def lasso(
    edges: Edges,
    starts: Iterable[int],
    triggers: set[int],
    avoiding: set[int],
    components: Iterable[set[int]],
    fair: Sequence[Fairness],
) -> Lasso:
    """Return the counterexample that the module's text describes.

    ``avoiding`` are the nodes without the goal, ``triggers`` those of them with
    the formula; ``components`` the fair components within ``avoiding``, all
    that are reachable from ``triggers``, and at least one.
    """
    components = list(components)
    component_of = {k: c for c in components for k in c}
    prefixes = _prefixes(edges, starts, triggers, avoiding, component_of)
    search = _Walks(edges, fair)
    loop, shortest = search.best([(entry, component_of[entry]) for entry in prefixes])
    start, prefix = prefixes[loop.entry]
    return Lasso(start, (*prefix, *loop.steps), len(prefix), shortest)


def _prefixes(
    edges: Edges,
    starts: Iterable[int],
    triggers: set[int],
    avoiding: set[int],
    entries: Iterable[int],
) -> dict[int, tuple[int, list[Label]]]:
    """Entry -> (initial node, labels of a shortest prefix), for every entry
    at the least depth."""
    wanted = {(k, True) for k in entries}
    came: dict[tuple[int, bool], tuple[tuple[int, bool], Label] | None] = {}
    level = []
    for k in starts:
        node = k, k in triggers
        came[node] = None
        level.append(node)
    while level:
        if found := [node for node in level if node in wanted]:
            ways = {node: _way(came, node) for node in found}
            return {
                node[0]: (start[0], [label for label, _ in way])
                for node, (start, way) in ways.items()
            }
        following = []
        tick(4 * len(level))
        for node in level:
            k, due = node
            for label, t in edges[k]:
                after = t, t in avoiding and (due or t in triggers)
                if after not in came:
                    came[after] = node, label
                    following.append(after)
        level = following
    raise AssertionError("no fair component is reachable")


_Node = TypeVar("_Node")


def _way(
    came: Mapping[_Node, tuple[_Node, Label] | None], node: _Node
) -> tuple[_Node, list[tuple[Label, _Node]]]:
    """Return where the way to a node begins, and its edges."""
    edges: list[tuple[Label, _Node]] = []
    while (step := came[node]) is not None:
        before, label = step
        edges.append((label, node))
        node = before
    return node, edges[::-1]


@dataclass(frozen=True)
class _Loop:
    entry: int
    steps: tuple[Label, ...]


class _Seen(NamedTuple):
    """A position of a walk: the node, and what fairness has seen so far, as
    bit masks over labels."""

    node: int
    unserved: int
    owed: int
    taken: int

    @property
    def done(self) -> bool:
        return not (self.unserved or self.owed)


class _Walks:
    """Short fair closed walks in one graph under one set of assumptions."""

    def __init__(self, edges: Edges, fair: Sequence[Fairness]) -> None:
        self.edges = edges
        self.weak = {f.action for f in fair if not f.strong}
        self.strong = {f.action for f in fair if f.strong}
        self.bits: dict[Label, int] = {}
        self.masks: dict[int, tuple[int, int]] = {}
        self.left = _WORK

    def best(self, entries: Sequence[tuple[int, set[int]]]) -> tuple[_Loop, bool]:
        """Return a shortest loop over all entries, and whether it is known to
        be one."""
        stops = (k for k, _ in entries if self.start(k).done)
        if (stop := next(stops, None)) is not None:
            return _Loop(stop, ()), True
        best = self.greedy(*entries[0])
        limit = 0
        while limit < len(best.steps) - 1:
            limit = max(1, 2 * limit)
            below = min(limit, len(best.steps) - 1)
            for entry, component in entries:
                found = self.shortest(entry, component, below)
                if found is not None:
                    best = found
                    below = len(best.steps) - 1
                if self.left <= 0:
                    return best, False
        return best, True

    def bit(self, label: Label) -> int:
        return self.bits.setdefault(label, 1 << len(self.bits))

    def possible(self, k: int) -> tuple[int, int]:
        """The weak and the strong labels that are possible at a node."""
        if k not in self.masks:
            weak = strong = 0
            for label, _ in self.edges[k]:
                if label[0] in self.weak:
                    weak |= self.bit(label)
                if label[0] in self.strong:
                    strong |= self.bit(label)
            self.masks[k] = weak, strong
        return self.masks[k]

    def start(self, entry: int) -> _Seen:
        weak, strong = self.possible(entry)
        return _Seen(entry, weak, strong, 0)

    def step(self, seen: _Seen, label: Label, target: int) -> _Seen:
        weak, strong = self.possible(target)
        taken = seen.taken
        mine = self.bits.get(label, 0)
        if label[0] in self.strong:
            taken |= mine
        return _Seen(
            target,
            seen.unserved & weak & ~mine,
            (seen.owed | strong) & ~taken,
            taken,
        )

    def greedy(self, entry: int, component: set[int]) -> _Loop:
        """A fair closed walk: to the nearest label that is not served, again
        and again, and back. Each round serves a label for good, so it ends."""
        seen, steps = self.start(entry), []
        while True:
            here = seen
            way = self.nearest(seen, entry, component)
            for label, target in way:
                seen = self.step(seen, label, target)
                steps.append(label)
            if seen.done and seen.node == entry:
                return _Loop(entry, tuple(steps))
            assert way, "the component was fair"
            assert seen != here, "the component was fair"

    def nearest(
        self, seen: _Seen, entry: int, component: set[int]
    ) -> list[tuple[Label, int]]:
        """The shortest way on which something is served; back to the entry
        where nothing is left."""
        came: dict[int, tuple[int, Label] | None] = {seen.node: None}
        queue = deque([seen.node])
        while queue:
            k = queue.popleft()
            tick(4)
            for label, t in self.edges[k]:
                if t not in component:
                    continue
                mine = self.bits.get(label, 0)
                served = mine & (seen.unserved | seen.owed) or (
                    seen.unserved & ~self.possible(t)[0]
                )
                if served or (seen.done and t == entry):
                    return [*_way(came, k)[1], (label, t)]
                if t not in came:
                    came[t] = k, label
                    queue.append(t)
        raise AssertionError("the component was fair")

    def shortest(self, entry: int, component: set[int], limit: int) -> _Loop | None:
        """A shortest fair closed walk of 1 to ``limit`` steps, or None: there
        is none, or the work is spent."""
        home = self.distances(entry, component, limit)
        first = self.start(entry)
        came: dict[_Seen, tuple[_Seen, Label] | None] = {first: None}
        steps = {first: 0}
        number = 0
        heap = [(0, number, first)]
        closed: set[_Seen] = set()
        while heap and self.left > 0:
            _, _, seen = heapq.heappop(heap)
            tick(10)
            if seen in closed:
                continue
            closed.add(seen)
            if seen.done and seen.node == entry:
                _, way = _way(came, seen)
                return _Loop(entry, tuple(label for label, _ in way))
            for label, t in self.edges[seen.node]:
                if t not in home:
                    continue
                self.left -= 1
                after, so_far = self.step(seen, label, t), steps[seen] + 1
                total = so_far + max(home[t], after.owed.bit_count())
                if total <= limit and so_far < steps.get(after, limit + 1):
                    steps[after] = so_far
                    came[after] = seen, label
                    number += 1
                    heapq.heappush(heap, (total, number, after))
        return None

    def distances(self, entry: int, component: set[int], limit: int) -> dict[int, int]:
        """Steps back to the entry within the component, from the nodes that
        are on a closed walk of at most ``limit`` steps through it."""
        there = {entry: 0}
        queue = deque([entry])
        backward: dict[int, list[int]] = {}
        while queue:
            k = queue.popleft()
            for _, t in self.edges[k]:
                if t not in component:
                    continue
                self.left -= 1
                backward.setdefault(t, []).append(k)
                if t not in there and there[k] < limit:
                    there[t] = there[k] + 1
                    queue.append(t)
        home = {entry: 0}
        queue = deque([entry])
        while queue:
            k = queue.popleft()
            for t in backward.get(k, ()):
                if t not in home and there[t] + home[k] + 1 <= limit:
                    home[t] = home[k] + 1
                    queue.append(t)
        return home
