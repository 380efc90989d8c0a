# SPDX-License-Identifier: GPL-2.0-only
"""Trace inclusion of two processes: what can one show that the other cannot?

The search is the subset construction. It visits pairs of a state of the left side
and the set of all states in which the right side may be after the same calls with
the same results. Both sides may take silent steps at any time. The left side differs
where it shows something that no state of the set can show. Nothing is approximated:
a completed search has every class of differences, each with the fewest calls.

Of the pairs that differ only by a permutation of elements that both sides treat as
interchangeable, one is visited. A pair is visited even if its set includes that of
another visited pair: it differs later, and so perhaps in another way.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass, field

from poolproof.checker.core.limits import Spent, look, tick
from poolproof.checker.core.remembered import Remembered
from poolproof.checker.core.text import count as count_of
from poolproof.checker.core.verdict import INTERRUPTED, Budget, Reporter, Step, Trace
from poolproof.checker.engines.joint import Joint
from poolproof.checker.engines.visible import GONE, Event, Move, Shown, ViewGraph

_BATCH = 1024
"""Pairs between two reports of progress."""

_REMEMBERED = 8_000
"""Upper limit on the sets whose moves are remembered."""

_PAIRS = 500_000
"""Upper limit on the pairs whose representative is remembered."""

Class = tuple[str, Shown, frozenset[Shown]]
"""The name of a call or reading, what the left side shows, and all that the right side
can show instead; empty if the right side cannot take the call."""


@dataclass(frozen=True)
class TraceDifference:
    """A shortest run of one class. ``seen`` are the calls with what they show on the
    left; the last one shows something else on the right, or is not possible there.
    ``left`` is the run of the left side, ``right`` one of the right side that shows
    the same up to there, with its own last step if there is one."""

    of: Class
    seen: tuple[tuple[Event, Shown], ...]
    left: Trace
    right: Trace

    @property
    def reading(self) -> bool:
        """Return whether the difference is in a reading, not in a call."""
        return self.seen[-1][0][1] is None


@dataclass
class Included:
    """The result of a search. Values that differ when they are read are one class for
    each reading. ``pairs`` were visited, of ``states`` of the left side and of
    ``sets`` of states of the right; ``depth`` is the most calls that were made.
    ``both`` are the calls, with what they showed on both sides. ``assumed`` counts, by
    reason, the calls of which nothing is known because an `assume` of the right side
    leaves them out. ``stopped`` says why the search is not complete."""

    differences: list[TraceDifference] = field(default_factory=list)
    both: frozenset[tuple[str, Shown]] = frozenset()
    assumed: dict[str, int] = field(default_factory=dict)
    pairs: int = 0
    states: int = 0
    sets: int = 0
    largest: int = 0
    """The most states in a set."""
    depth: int = 0
    stopped: str = ""
    cut: BaseException | None = None

    @property
    def complete(self) -> bool:
        return not self.stopped


def include(
    left: ViewGraph, right: ViewGraph, budget: Budget, report: Reporter
) -> Included:
    """Return the differences of the left side from the right one; the processes have
    one alphabet. With ``budget.depth``, return those within as many calls. Raise
    `Erroneous` where a model is in error."""
    return _PairSearch(left, right, budget, report).run()


Shows = dict[int, int]
"""The number of the set of all states after an event, for each thing that it may
show."""


class _Sets:
    """Sets of states of a process, numbered. Those that are ``closed`` have all that
    silent steps lead to."""

    def __init__(self, process: ViewGraph) -> None:
        self.process = process
        self.members: list[frozenset[int]] = []
        self._numbers: dict[frozenset[int], int] = {}
        self._closed = Remembered(self._find_closed)
        self.after = Remembered(self._find, _REMEMBERED).__getitem__
        """Of a closed set, for each event that some member allows: what it may show,
        with the set after it before silent steps."""

    def number(self, states: frozenset[int]) -> int:
        """Return the number of a set."""
        found = self._numbers.get(states)
        if found is None:
            found = self._numbers[states] = len(self.members)
            self.members.append(states)
            tick(len(states))
        return found

    def closed(self, number: int) -> int:
        """Return the number of the set with all that silent steps lead to."""
        if not self.process.view.silent:
            return number
        return self._closed[number]

    def _find_closed(self, number: int) -> int:
        every = (self.process.reach(k) for k in self.members[number])
        found = self.number(frozenset().union(*every))
        self._closed[found] = found
        return found

    def _find(self, number: int) -> dict[int, Shows]:
        states: dict[int, dict[int, set[int]]] = {}
        for member in self.members[number]:
            for event, shown, after in self.process.moves(member):
                states.setdefault(event, {}).setdefault(shown, set()).add(after)
        return {
            event: {
                s: GONE if GONE in some else self.number(frozenset(some))
                for s, some in shown.items()
            }
            for event, shown in states.items()
        }


Pair = tuple[int, int]
"""The numbers of a state of the left side and of a set of the right one."""

_SILENT = -1
"""In place of an event: a silent step of the left side."""


class _PairSearch:
    joint: Joint
    """The symmetries of both sides: `run` finds them, since that may end, too."""

    def __init__(
        self, left: ViewGraph, right: ViewGraph, budget: Budget, report: Reporter
    ) -> None:
        self.left, self.right = left, right
        self.budget, self.report = budget, report
        self.sets = _Sets(right)
        self.parents: dict[Pair, tuple[Pair, int, int] | None] = {}
        """The pair before, the event, and what it showed."""
        self.stand = Remembered(self._stands, _PAIRS)
        """Which pair stands for all that differ from one by a permutation, its set
        closed; of those met of late."""
        self.found = Included()
        self.classes: set[object] = set()
        self.reasons = Remembered(self._left_out)
        """Why an `assume` of the right side leaves a call out, by set and event."""
        self.both: set[tuple[int, int]] = set()
        self.later: set[Pair] = set()
        """The pairs one call further than the level that is expanded."""
        self.more = False
        """Whether there are calls beyond the budget's depth."""
        self.begin = time.monotonic()

    def run(self) -> Included:
        found = self.found
        try:
            views = self.left.view, self.right.view
            self.joint = Joint(*views, self.budget.symmetry)
            level: list[Pair] = []
            if starts := frozenset(self.right.starts()):
                for start in self.left.starts():
                    self.reach(None, start, self.sets.number(starts), level)
            while level and not found.stopped:
                level = self.next(level)
        except KeyboardInterrupt as cut:
            found.stopped, found.cut = INTERRUPTED, cut
        except Spent as cut:
            found.stopped, found.cut = str(cut), cut
        found.pairs = len(self.parents)
        found.states = len({state for state, _ in self.parents})
        events, texts = self.left.alphabet.events, self.left.alphabet.shown
        found.both = frozenset((events[e][0], texts[s]) for e, s in self.both)
        sets = {number for _, number in self.parents}
        found.sets = len(sets)
        found.largest = max((len(self.sets.members[k]) for k in sets), default=0)
        return found

    # -- pairs --

    def _stands(self, pair: Pair) -> Pair:
        state, number = pair
        if self.joint.sorts:
            members = self.sets.members[number]
            left, right = self.joint.form(
                self.left.states[state], [self.right.states[k] for k in members]
            )
            state = self.left.number(left)
            number = self.sets.number(frozenset(map(self.right.number, right)))
        return state, self.sets.closed(number)

    def reach(
        self,
        parent: tuple[Pair, int, int] | None,
        state: int,
        number: int,
        level: list[Pair],
        further: bool = False,
    ) -> None:
        """Add a pair to a level, if it is new, and all that silent steps of the left
        side lead to. One that was put off to the next level (``further``) comes
        before, if a reading leads to it."""
        left = [(parent, state, number)]
        for before, at, among in left:
            pair = self.stand[at, among]
            if pair in self.parents and (further or pair not in self.later):
                continue
            self.parents[pair] = before
            if further:
                self.later.add(pair)
            else:
                self.later.discard(pair)
            level.append(pair)
            if self.left.view.silent:
                silent = self.left.silent(pair[0])
                left += [((pair, _SILENT, _SILENT), s, pair[1]) for s in silent]

    def next(self, level: list[Pair]) -> list[Pair]:
        """Return the pairs one call further than these. What is read takes no call:
        it only says more of the right side."""
        found, budget = self.found, self.budget
        further: list[Pair] = []
        beyond = budget.depth is not None and found.depth >= budget.depth
        most = float("inf") if budget.states is None else budget.states
        for count, pair in enumerate(level):
            if count % _BATCH == 0:
                self.progress(len(level))
            if len(self.parents) >= most:
                found.stopped = f"the budget of {budget.states:,} states"
                return []
            self.expand(pair, level, further, beyond)
        if self.more:
            found.stopped = f"the budget of {count_of(budget.depth or 0, 'call')}"
            return []
        # a reading may have led to some of them without the call
        further = [pair for pair in further if pair in self.later]
        self.later.clear()
        if further:
            found.depth += 1
        return further

    def expand(
        self, pair: Pair, same: list[Pair], further: list[Pair], beyond: bool
    ) -> None:
        """Take all calls and readings of a pair."""
        state, number = pair
        moves = self.left.moves(state)
        tick(len(moves))
        after = self.sets.after(number)
        events, both = self.left.alphabet.events, self.both
        for move in moves:
            event, shown, target = move
            reading = events[event][1] is None
            if beyond and not reading:
                self.more = True
                continue
            theirs = after.get(event, {})
            to = theirs.get(shown)
            if to is None:
                self.differ(pair, move, theirs)
                continue
            if reading:
                if to != number:  # it says which states are possible
                    self.reach((pair, event, shown), target, to, same)
                continue
            both.add((event, shown))
            if target != GONE and to != GONE:
                self.reach((pair, event, shown), target, to, further, True)

    # -- differences --

    def differ(self, pair: Pair, move: Move, theirs: Shows) -> None:
        """Note what the left side shows and the right one cannot, unless one like it
        is known, or something is left out of the right side."""
        event, shown, _ = move
        name, call = self.left.alphabet.events[event]
        key = name if call is None else (name, shown, frozenset(theirs))
        if key in self.classes:
            return
        why = self.reasons[pair[1], event]
        if why:
            self.found.assumed[why] = self.found.assumed.get(why, 0) + 1
            return
        self.classes.add(key)
        self.found.differences.append(self.difference(pair, move, theirs))

    def _left_out(self, of: tuple[int, int]) -> str:
        """Return why an `assume` leaves a call out in some state of a set, or ""."""
        number, event = of
        members = sorted(self.sets.members[number])
        return next(filter(None, (self.right.assumed(k, event) for k in members)), "")

    def difference(self, pair: Pair, move: Move, theirs: Shows) -> TraceDifference:
        """Return the run to a move of a pair that the right side cannot make."""
        alphabet = self.left.alphabet
        events, texts = alphabet.events, alphabet.shown
        name = events[move[0]][0]
        start, way, (state, number) = self.walk(pair)
        after = self.sets.after(self.sets.closed(number))
        last = next(
            m
            for m in self.left.moves(state)
            if events[m[0]][0] == name
            and m[1] == move[1]
            and set(after.get(m[0], {})) == set(theirs)
        )
        way.append((state, last))
        seen = [m[:2] for _, m in way if m[0] != _SILENT]
        steps = tuple(s for at, m in way for s in _step(self.left, at, m))
        return TraceDifference(
            (name, texts[move[1]], frozenset(texts[s] for s in theirs)),
            tuple((events[e], texts[s]) for e, s in seen),
            Trace(self.left.states[start], steps),
            self.follow(seen),
        )

    def walk(self, pair: Pair) -> tuple[int, list[tuple[int, Move]], Pair]:
        """Return a run to a pair: the start of the left side, its moves from each
        state, and where it ends. Of the way there it is only known which pairs it
        passes, up to permutations."""
        passed: list[tuple[Pair, int, int]] = []
        at = pair
        while (parent := self.parents[at]) is not None:
            passed.append((at, parent[1], parent[2]))
            at = parent[0]
        starts = self.sets.number(frozenset(self.right.starts()))
        start = next(s for s in self.left.starts() if self.stand[s, starts] == at)
        here = start, starts
        way: list[tuple[int, Move]] = []
        for to, event, shown in reversed(passed):
            move, after = next(
                (m, p) for m, p in self.ways(here, event, shown) if self.stand[p] == to
            )
            way.append((here[0], move))
            here = after
        return start, way, here

    def ways(self, here: Pair, event: int, shown: int) -> Iterator[tuple[Move, Pair]]:
        """Yield the moves that are such an event, up to permutations."""
        state, number = here
        if event == _SILENT:
            closed = self.sets.closed(number)
            for after in self.left.silent(state):
                yield (_SILENT, _SILENT, after), (after, closed)
            return
        events = self.left.alphabet.events
        name, call = events[event]
        shows = self.sets.after(self.sets.closed(number))
        for move in self.left.moves(state):
            other, arguments = events[move[0]]
            if other == name and (call is None) == (arguments is None):
                to = shows.get(move[0], {}).get(shown, GONE)
                if move[1] == shown and move[2] != GONE and to != GONE:
                    yield move, (move[2], to)

    def follow(self, seen: list[tuple[int, int]]) -> Trace:
        """Return a run of the right side that shows the same but for the last, which
        is its own, or is missing where it is not possible."""
        *before, (last, _) = seen
        right = self.right
        ways: dict[int, _Way] = {s: (s, ()) for s in right.starts()}
        self.settle(ways)
        for event, shown in before:
            further: dict[int, _Way] = {}
            for state, (start, steps) in ways.items():
                for move in right.moves(state):
                    if move[:2] == (event, shown) and move[2] not in further:
                        more = _step(right, state, move)
                        further[move[2]] = start, (*steps, *more)
            ways = further
            self.settle(ways)
        for state, (start, steps) in ways.items():
            for move in right.moves(state):
                if move[0] == last:
                    more = _step(right, state, move)
                    return Trace(right.states[start], (*steps, *more))
        start, steps = next(iter(ways.values()))
        return Trace(right.states[start], steps)

    def settle(self, ways: dict[int, _Way]) -> None:
        """Add the states that silent steps lead to, the nearest first."""
        if not self.right.view.silent:
            return
        left = list(ways)
        for state in left:
            start, steps = ways[state]
            for after in self.right.silent(state):
                if after not in ways:
                    step = self.right.silent_step(state, after)
                    ways[after] = start, (*steps, step)
                    left.append(after)

    def progress(self, frontier: int) -> None:
        self.report.progress(
            states=len(self.parents),
            depth=self.found.depth,
            frontier=frontier,
            seconds=time.monotonic() - self.begin,
        )
        look()


_Way = tuple[int, tuple[Step, ...]]
"""A start of the right side, and steps from it."""


def _step(process: ViewGraph, state: int, move: Move) -> tuple[Step, ...]:
    """Return the step of a move; none of a reading, or a call that changes nothing."""
    event, _, after = move
    if event == _SILENT:
        return (process.silent_step(state, after),)
    step = process.step(state, move)
    return () if step is None else (step,)
