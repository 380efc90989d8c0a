# SPDX-License-Identifier: GPL-2.0-only
"""Designs for proofs at open sizes: each form that a loop may have, each trap,
and random ones as text."""

from __future__ import annotations

from random import Random

from poolproof.model.language import (
    Bool,
    Bound,
    Design,
    Int,
    Maybe,
    Scalarset,
    SetOf,
    action,
    observer,
    table,
    var,
)
from poolproof.model.language import require as require

V = Bound("V", 2, doc="rows")
P = Bound("P", 2, doc="columns")
B = Bound("B", 2, least=0, doc="pages at the start")
ROWS = Scalarset("ROWS", V, prefix="r")
PLACES = Int(0, P - 1)
ENDS = Int(1, P)
DEEP = Int(-2, P - 1)
SIDES = Scalarset("SIDES", 2, prefix="s", ordered=True)


class Booked(Design):
    """Pages that rows reserve, take one by one, and give back."""

    free = var(Int(0, B), init=B)
    reserved = var(Int(0, B))
    size = table(ROWS, Int(0, P))
    taken = table(ROWS, PLACES, Bool())

    @action
    def reserve(self, row: ROWS, places: ENDS) -> bool:
        require(self.size[row] == 0)
        if self.free - self.reserved < places:
            return False
        self.size[row] = places
        self.reserved += places
        return True

    @action
    def take(self, row: ROWS, place: PLACES):
        require(place < self.size[row] and not self.taken[row, place])
        self.taken[row, place] = True
        self.free -= 1
        self.reserved -= 1

    @action
    def give_back(self, row: ROWS):
        require(self.size[row] > 0)
        for p in PLACES:
            if self.taken[row, p]:
                self.taken[row, p] = False
                self.free += 1
            elif p < self.size[row]:
                self.reserved -= 1
        self.size[row] = 0


class Forms(Design):
    """Every loop has a closed form."""

    count = var(Int(-1), init=0)
    free = var(Int(), init=B)
    flag = var(Bool())
    full = var(Bool(), init=True)
    live = table(ROWS, Bool())
    end = table(ROWS, Int(0, P))
    box = table(ROWS, PLACES, Bool())

    @observer
    def boxes(self) -> Int():
        return sum(1 for r in ROWS for p in PLACES if self.box[r, p])

    @action
    def put(self, row: ROWS, place: PLACES):
        if not self.box[row, place]:
            self.box[row, place] = True
            self.live[row] = True
            self.free -= 1
            self.end[row] = max(self.end[row], place + 1)
            self.change(1)

    def change(self, by):
        """A count that is stuck at -1 once it was wrong: a clamp."""
        new = self.count + by
        self.count = -1 if self.count < 0 or new < 0 else new

    @action
    def clear(self, row: ROWS):
        """A row, by one loop inside a helper."""
        require(self.live[row])
        self.clear_row(row)
        self.live[row] = False

    def clear_row(self, row):
        gone = 0
        for p in PLACES:
            if self.box[row, p]:
                self.box[row, p] = False
                self.free += 1
                gone += 1
        self.end[row] = 0
        self.change(-gone)

    @action
    def clear_all(self):
        """Two loops, one inside the other."""
        for r in ROWS:
            self.clear_place(r)
            self.live[r] = False
        self.count = 0

    def clear_place(self, row):
        for p in PLACES:
            if self.box[row, p]:
                self.box[row, p] = False
                self.free += 1
        self.end[row] = 0

    @action
    def column(self, place: PLACES):
        """The same place of all rows: a clamp in a loop that raises it."""
        for r in ROWS:
            if not self.box[r, place]:
                self.box[r, place] = True
                self.live[r] = True
                self.end[r] = max(self.end[r], place + 1)
                self.free -= 1
                self.change(1)

    @action
    def look(self):
        """any and all, and a value that every turn gives."""
        self.flag = False
        self.full = True
        for r in ROWS:
            for p in PLACES:
                self.flag = self.flag or self.box[r, p]
                self.full = self.full and self.box[r, p]


class Falls(Design):
    """A count that loops lower, and that is stuck at -1 once it was wrong. It never
    is: each box is counted when it is put."""

    count = var(Int(-1), init=0)
    box = table(ROWS, PLACES, Bool())

    def change(self, by):
        new = self.count + by
        self.count = -1 if self.count < 0 or new < 0 else new

    @observer
    def boxes(self) -> Int():
        return sum(1 for r in ROWS for p in PLACES if self.box[r, p])

    @action
    def put(self, row: ROWS, place: PLACES):
        require(not self.box[row, place])
        self.box[row, place] = True
        self.counted()

    def counted(self):
        self.change(1)

    @action
    def clear(self, row: ROWS):
        for p in PLACES:
            if self.box[row, p]:
                self.box[row, p] = False
                self.change(-1)

    @action
    def clear_all(self):
        for r in ROWS:
            gone = sum(1 for p in PLACES if self.box[r, p])
            self.change(-gone)
        for r in ROWS:
            for p in PLACES:
                self.box[r, p] = False


class Stuck(Falls):
    """The same, and the count is wrong: a box is not counted. What is true of the
    closed form is not true of the design."""

    def counted(self):
        pass


class Masks(Design):
    """Sets over a domain that is closed."""

    allowed = table(ROWS, SetOf(SIDES))
    common = var(SetOf(SIDES))
    side = table(ROWS, PLACES, Maybe(SIDES))

    @action
    def allow(self, row: ROWS, sides: SetOf(SIDES)):
        self.allowed[row] = sides
        for p in PLACES:
            there = self.side[row, p]
            if there is not None and there not in sides:
                self.side[row, p] = None

    @action
    def put(self, row: ROWS, place: PLACES, side: SIDES):
        require(side in self.allowed[row] - self.common)
        self.side[row, place] = side

    @action
    def block(self, sides: SetOf(SIDES)):
        self.common = self.common | sides


class Beyond(Design):
    """A count leaves its range, by an action that nothing stops."""

    count = var(Int(0, 2), init=0)
    live = table(ROWS, Bool())

    @action
    def start(self, row: ROWS):
        self.live[row] = True
        self.count += 1


LATE = 1200
"""More steps than the visited states are away."""


class Chain(Design):
    """A row's links are put one behind the other. ``late`` is true far away only."""

    link = table(ROWS, Int(0, 2), Bool())
    steps = var(Int(0), init=0)
    late = var(Bool())

    @action
    def put(self, row: ROWS, at: Int(0, 2)):
        require(at == 0 or self.link[row, max(at - 1, 0)])
        self.link[row, at] = True

    @action
    def take(self, row: ROWS, at: Int(0, 2)):
        require(at == 2 or not self.link[row, min(at + 1, 2)])
        self.link[row, at] = False

    @action
    def wait(self):
        self.steps += 1
        self.late = self.steps >= LATE


class Apart(Design):
    """Two numbers are the same in all states that a small search visits."""

    x = var(Int(), init=0)
    y = var(Int(), init=0)
    live = table(ROWS, Bool())

    @action
    def count(self):
        self.x += 1
        self.y += 1 if self.x < 2 * LATE else 0

    @action
    def start(self, row: ROWS):
        require(self.x != self.y)
        self.live[row] = True


class Owners(Design):
    """A count for each row."""

    owner = table(ROWS, PLACES, Maybe(ROWS))
    owned = table(ROWS, Int())

    @action
    def own(self, row: ROWS, place: PLACES, other: Maybe(ROWS)):
        """A count for each row, changed at a row that the loop's depends on."""
        for p in PLACES:
            if p >= place:
                old = self.owner[row, p]
                if old is not None:
                    self.owned[old] -= 1
                self.owner[row, p] = other
                if other is not None:
                    self.owned[other] += 1


class Homes(Design):
    """Rows with numbers, and places that may name a row."""

    home = table(PLACES, Maybe(ROWS))
    used = table(ROWS, Int(), init=0)
    free = table(ROWS, Int(), init=0)
    whole = table(ROWS, Int(), init=0)
    total = var(Int(), init=0)

    @action
    def grow(self, row: ROWS):
        self.free[row] += 1
        self.whole[row] += 1
        self.total += 1

    @action
    def take(self, row: ROWS, place: PLACES):
        require(self.home[place] is None and self.free[row] > 0)
        self.home[place] = row
        self.free[row] -= 1
        self.used[row] += 1

    @action
    def drop(self, place: PLACES):
        row = self.home[place]
        require(row is not None)
        self.home[place] = None
        self.used[row] -= 1
        self.free[row] += 1


class Choices(Design):
    """The first or last element with something, and the least and greatest of small
    numbers."""

    home = table(PLACES, Maybe(ROWS))
    used = table(ROWS, Int(), init=0)
    low = table(ROWS, Int(0, 3), init=0)
    start = var(Int(0, P), init=0)
    end = var(Int(0, P), init=0)
    least = var(Int(0, 5), init=5)
    most = var(Int(-1, 3), init=-1)
    kept = var(Int(0, 9), init=9)
    other = var(Maybe(ROWS))

    def unused(self):
        """The first row that no place names, or None."""
        found = None
        for r in ROWS:
            if found is None and self.used[r] == 0:
                found = r
        return found

    def rank(self, row):
        if self.used[row] == 0:
            return 0
        return 2 if self.low[row] < 2 else 3

    @observer
    def some_unused(self) -> Bool():
        return self.unused() is not None

    @observer
    def homes(self) -> Int():
        return sum(1 for p in PLACES if self.home[p] is not None)

    @action
    def put(self, place: PLACES):
        """One loop finds a row, the other changes it."""
        require(self.home[place] is None)
        found = self.unused()
        for r in ROWS:
            if r == found:
                self.used[r] += 1
        self.home[place] = found

    @action
    def pick(self):
        """The second loop looks only if the first finds nothing."""
        found = None
        for r in ROWS:
            if found is None and self.used[r] > 1:
                found = r
        for r in ROWS:
            if found is None and self.low[r] == 3:
                found = r
        self.other = found

    @action
    def share(self, row: ROWS, place: PLACES):
        if self.home[place] is None:
            self.used[row] += 1
            self.home[place] = row

    @action
    def drop(self, row: ROWS, place: PLACES):
        """The first other place of the row, found by a loop over all, loses it."""
        require(self.home[place] == row)
        self.home[place] = None
        self.used[row] -= 1
        self.low[row] = min(self.low[row] + 1, 3)

    @action
    def look(self, row: ROWS):
        """The last place of a row before the end, and the first from there on."""
        self.start = 0
        for p in PLACES:
            if self.home[p] == row:
                self.start = p + 1
        self.end = P
        for k in PLACES:
            p = P - 1 - k
            if self.home[p] is not None and p >= self.start:
                self.end = p

    @action
    def measure(self):
        least = 5
        most = -1
        kept = self.kept
        for r in ROWS:
            least = min(least, self.rank(r))
            most = max(3 - self.rank(r), most)
            if self.low[r] == 2:
                kept = 4
        self.least = least
        self.most = most
        self.kept = kept


class Moves(Design):
    """Loops of which one turn at most does something."""

    used = table(ROWS, PLACES, Int(0, 3), init=0)
    ends = table(PLACES, Int(-1, P - 1), init=-1)
    taken = var(Int(0, 3), init=0)
    last = var(Int(-1, P - 1), init=-1)

    @action
    def put(self, row: ROWS, place: PLACES):
        self.used[row, place] = min(self.used[row, place] + 1, 3)
        self.ends[place] = place

    @action
    def take(self, row: ROWS, other: Maybe(ROWS), place: PLACES):
        """All of a row's place, which goes to another row."""
        left = self.taken
        for r in ROWS:
            if r == other and self.used[r, place] > 0:
                left = self.used[r, place]
                self.used[r, place] = 0
        if other is not None:
            self.used[row, place] = left
        self.taken = left

    @action
    def close(self, place: PLACES, limit: PLACES):
        """Nothing changes if the place is beyond the limit."""
        for p in PLACES:
            if p == place and p <= limit:
                self.last = self.ends[p]
                self.ends[p] = -1


class Charges(Design):
    """Places charged to a side and to all above it. What was charged to a side may go
    to the one above."""

    paid_by = table(ROWS, PLACES, Maybe(SIDES), init=None)
    full = table(ROWS, PLACES, Bool())
    above = table(SIDES, Maybe(SIDES), init=None)
    usage = table(SIDES, Int(), init=0)

    def change(self, side, by):
        s = side
        for _ in SIDES:
            if s is not None:
                self.usage[s] += by
                s = self.above[s]

    @action
    def hang(self, side: SIDES, other: SIDES):
        require(side != other and self.above[other] is None)
        require(self.usage[side] == 0 and self.above[side] is None)
        self.above[side] = other

    @action
    def put(self, row: ROWS, place: PLACES, side: SIDES):
        require(not self.full[row, place])
        self.full[row, place] = True
        self.paid_by[row, place] = side
        self.change(side, 1)

    @action
    def empty(self, row: ROWS):
        """Each place ends up empty. Earlier turns decide only whether the places beside
        it are read."""
        for p in PLACES:
            if self.full[row, p]:
                before = p > 0 and self.full[row, p - 1]
                after = p < P - 1 and self.full[row, p + 1]
                if before and self.paid_by[row, p - 1] is not None and after:
                    self.full[row, p] = False
                self.change(self.paid_by[row, p], -1)
                self.paid_by[row, p] = None
                self.full[row, p] = False

    @action
    def move_up(self, side: SIDES):
        for r in ROWS:
            for p in PLACES:
                if self.paid_by[r, p] == side:
                    self.usage[side] -= 1
                    self.paid_by[r, p] = self.above[side]


class Trap(Design):
    """What is in every trap."""

    count = var(Int(), init=0)
    limit = var(Int(), init=1)
    live = table(ROWS, Bool())
    box = table(ROWS, PLACES, Bool())
    first = var(Maybe(ROWS))

    @observer
    def boxes(self) -> Int():
        return sum(1 for r in ROWS for p in PLACES if self.box[r, p])


class ReadsOtherRow(Trap):
    """It looks like a map."""

    @action
    def shift(self, row: ROWS):
        for r in ROWS:
            self.live[r] = not self.live[row]


class WritesOtherRow(Trap):
    @action
    def spread(self, row: ROWS):
        for r in ROWS:
            if self.live[r]:
                self.live[row] = not self.live[row]


class ReadsNextPlace(Trap):
    @action
    def shift(self, row: ROWS):
        for p in PLACES:
            self.box[row, p] = p + 1 < P and self.box[row, min(p + 1, P - 1)]


class MayReadBeyond(Trap):
    """Earlier turns decide whether a place beyond the last is read."""

    @action
    def look(self, row: ROWS):
        for p in PLACES:
            beside = p > 0 and self.box[row, p - 1] and self.box[row, p + 1]
            self.box[row, p] = False
            if beside:
                self.box[row, p] = False


class CountsUpToLimit(Trap):
    @action
    def fill(self):
        for r in ROWS:
            if self.count < self.limit:
                self.live[r] = True
                self.count += 1


class Doubles(Trap):
    @action
    def double(self):
        for _r in ROWS:
            self.count += self.count + 1


class Saturates(Trap):
    """A clamp in a loop that lowers the count, and is met."""

    @action
    def drop(self):
        for r in ROWS:
            if self.live[r]:
                self.count = max(0, self.count - 1)


class Last(Trap):
    @action
    def last(self):
        for r in ROWS:
            self.first = r


class FirstBelowZero(Trap):
    """The first of numbers of which one is -1, which elsewhere stands for none."""

    deep = table(DEEP, Bool())
    wet = var(Bool())

    @action
    def fill(self, depth: DEEP):
        self.deep[depth] = True

    @action
    def look(self):
        self.count = P
        for k in DEEP:
            depth = P - 3 - k
            if self.deep[depth]:
                self.count = depth
        self.wet = self.count == -1


class Requires(Trap):
    @action
    def all_live(self):
        for r in ROWS:
            require(self.live[r])
        self.count += 1


class Toggles(Trap):
    """A flag that each turn turns."""

    flag = var(Bool())

    @action
    def turn(self):
        for r in ROWS:
            if self.live[r]:
                self.flag = not self.flag


TRAPS = (
    ReadsOtherRow,
    WritesOtherRow,
    ReadsNextPlace,
    MayReadBeyond,
    CountsUpToLimit,
    Doubles,
    Saturates,
    Last,
    FirstBelowZero,
    Requires,
    Toggles,
)

HEAD = """
from poolproof.model.language import *

V = Bound("V", 2)
P = Bound("P", 2)
ROWS = Scalarset("ROWS", V, prefix="r")
PLACES = Int(0, P - 1)
SIDES = Scalarset("SIDES", 2, prefix="s", ordered=True)


class Random(Design):
    count = var(Int(), init=0)
    lives = var(Int(), init=0)
    flag = var(Bool())
    live = table(ROWS, Bool())
    end = table(ROWS, Int(0, P))
    held = table(ROWS, Int(), init=0)
    box = table(ROWS, PLACES, Bool())
    home = table(PLACES, Maybe(ROWS))
    used = table(ROWS, Int(), init=0)
    marks = table(ROWS, SetOf(SIDES))
    common = var(SetOf(SIDES))

    @observer
    def homed(self) -> Int():
        return sum(1 for p in PLACES if self.home[p] is not None)

    @observer
    def all_used(self) -> Int():
        return sum(self.used[r] for r in ROWS)

    @observer
    def boxes(self) -> Int():
        return sum(1 for r in ROWS for p in PLACES if self.box[r, p])

    @observer
    def alive(self) -> Int():
        return sum(1 for r in ROWS if self.live[r])

    @observer
    def all_held(self) -> Int():
        return sum(self.held[r] for r in ROWS)
"""

SPEC = """
spec "random"
for Random
invariant counted "c": count == boxes()
invariant lives_counted "l": lives == alive()
invariant held_counted "h": all_held() == count
invariant positive "p": count >= 0 and lives >= 0
invariant boxes_live "b": all(r in ROWS, p in PLACES: box[r, p] implies live[r])
invariant boxes_before "e": all(r in ROWS, p in PLACES: box[r, p] implies p < end[r])
invariant held_live "d": all(r in ROWS: live[r] or held[r] == 0)
invariant flagged "f": flag or count == 0
invariant few "w": lives <= count
invariant nothing "n": all(r in ROWS: not live[r]) implies count == 0
invariant half "i": 2 * count >= all_held()
invariant used_counted "u": all_used() == homed()
invariant used_each "v": all(r in ROWS: used[r] == count(p in PLACES: home[p] == r))
invariant home_lives "m": all(p in PLACES, r in ROWS: home[p] == r implies live[r])
invariant has_home "s": all(p in PLACES: any(r in ROWS: home[p] == r))
invariant some_used "a": homed() > 0 implies any(r in ROWS: used[r] > 0)
invariant marked "k": all(r in ROWS: len(marks[r]) > 0 implies live[r])
invariant marks_common "o": all(r in ROWS: marks[r] <= common)
"""


def random_text(random: Random) -> str:
    """Return the text of a design with three random actions. Half of what they do
    keeps books as the properties of `SPEC` want it."""
    parts = [HEAD]
    for k in range(3):
        takes = random.choice(("row: ROWS", "row: ROWS, place: PLACES"))
        takes += ", sides: SetOf(SIDES)"
        parts.append(f"\n    @action\n    def act{k}(self, {takes}):")
        body = _block(random, "place" in takes, 2)
        parts += [f"        {line}" for line in body]
    return "\n".join(parts) + "\n"


def _pick(random: Random, *options: str) -> str:
    return random.choice(options)


def _take(random: Random, row: str, place: str) -> list[str]:
    """A box is put at a place: with its books, or without one of them."""
    books = [
        "self.count += 1",
        f"self.held[{row}] += 1",
        f"self.end[{row}] = max(self.end[{row}], {place} + 1)",
        "self.flag = True",
        f"self.lives += 0 if self.live[{row}] else 1",
        f"self.live[{row}] = True",
    ]
    if random.random() < 0.3:
        books.remove(random.choice(books))
    return [
        f"if not self.box[{row}, {place}]:",
        *(f"    {b}" for b in (f"self.box[{row}, {place}] = True", *books)),
    ]


def _drop(random: Random, row: str, place: str) -> list[str]:
    books = ["self.count -= 1", f"self.held[{row}] -= 1"]
    if random.random() < 0.3:
        books.remove(random.choice(books))
    return [
        f"if self.box[{row}, {place}]:",
        *(f"    {b}" for b in (f"self.box[{row}, {place}] = False", *books)),
    ]


def _settle(random: Random, row: str, place: str) -> list[str]:
    """A place gets a home, with its books, or without one of them."""
    books = [f"self.used[{row}] += 1", f"self.live[{row}] = True"]
    if random.random() < 0.3:
        books.remove(random.choice(books))
    return [
        f"if self.home[{place}] is None:",
        *(f"    {b}" for b in (f"self.home[{place}] = {row}", *books)),
    ]


def _leave(random: Random, row: str, place: str) -> list[str]:
    """A place loses its home if it is ``row``, or whatever it is."""
    if random.random() < 0.5:
        test, whose = f"self.home[{place}] == {row}", row
    else:
        test, whose = f"self.home[{place}] is not None", f"self.home[{place}]"
    kept = random.random() < 0.8
    return [
        f"if {test}:",
        *([f"    self.used[{whose}] -= 1"] if kept else []),
        f"    self.home[{place}] = None",
    ]


def _mark(random: Random, row: str, place: str) -> list[str]:
    del place
    books = ["self.common = self.common | sides", f"self.live[{row}] = True"]
    if random.random() < 0.3:
        books.remove(random.choice(books))
    change = _pick(random, "| sides", "& sides", "- self.common", "- sides")
    return [f"self.marks[{row}] = self.marks[{row}] {change}", *books]


def _first_row(random: Random, place: str) -> list[str]:
    """The first row with something, which another loop then changes."""
    test = _pick(random, "not self.live[r]", "self.used[r] == 0", "r != row")
    inner = random.choice((_take, _drop, _settle, _leave))(random, "r", place)
    return [
        "found = None",
        "for r in ROWS:",
        f"    if found is None and {test}:",
        "        found = r",
        "for r in ROWS:",
        "    if r == found:",
        *(f"        {line}" for line in inner),
    ]


def _last_place(random: Random, place: str) -> list[str]:
    """The last place of the row with something, or the given one."""
    test = _pick(random, "self.box[row, p]", "self.home[p] == row")
    inner = random.choice((_take, _drop, _settle, _leave))(random, "row", "last")
    return [
        f"last = {place}",
        "for p in PLACES:",
        f"    if {test}:",
        "        last = p",
        *inner,
    ]


def _block(random: Random, has_place: bool, depth: int) -> list[str]:
    lines: list[str] = []
    for _ in range(random.choice((1, 1, 2))):
        lines += _statement(random, has_place, depth)
    return lines


def _statement(random: Random, has_place: bool, depth: int) -> list[str]:
    row = "row"
    place = "place" if has_place else "0"
    kind = random.randrange(17)
    if kind > 13:
        return random.choice((_first_row, _last_place))(random, place)
    if kind > 9:
        return random.choice((_settle, _leave, _mark))(random, row, place)
    if kind < 3:
        return _take(random, row, place)
    if kind < 5:
        return _drop(random, row, place)
    if kind == 5 and depth:
        inner = random.choice((_take, _drop, _settle, _leave))(random, row, "p")
        test = _pick(
            random, "p < self.end[row]", "p >= self.end[row]", "self.live[row]"
        )
        return [
            "for p in PLACES:",
            f"    if {test}:",
            *(f"        {line}" for line in inner),
        ]
    if kind == 6 and depth:
        inner = random.choice((_take, _drop))(random, "r", place)
        test = _pick(random, "r != row", "self.live[r]", "self.end[r] > 0", "True")
        return [
            "for r in ROWS:",
            f"    if {test}:",
            *(f"        {line}" for line in inner),
        ]
    if kind == 7:
        test = _pick(random, "self.flag", "self.live[row]", "self.count > 0")
        return [
            f"if {test}:",
            *(f"    {line}" for line in _statement(random, has_place, depth - 1)),
        ]
    if kind == 8:
        return [
            "if all(not self.box[row, p] for p in PLACES) and self.live[row]:",
            "    self.live[row] = False",
            *(["    self.lives -= 1"] if random.random() < 0.7 else []),
            *(["    self.end[row] = 0"] if random.random() < 0.5 else []),
        ]
    return ["self.flag = any(self.box[r, p] for r in ROWS for p in PLACES)"]
