# SPDX-License-Identifier: GPL-2.0-only
"""A design whose tables are indexed by every sort there is, and written and
read at indices that have a value only under a guard."""

from enum import Enum

from poolproof.model.language import (
    Bool,
    Design,
    Int,
    Maybe,
    Scalarset,
    SetOf,
    Wrapping,
    action,
    table,
    var,
)


class Colour(Enum):
    """Three labels."""

    RED = 0
    GREEN = 1
    BLUE = 2


THINGS = Scalarset("INDEX_THINGS", 2, prefix="t")
VALUE = Int(0, 3)


class Indices(Design):
    """Where each thing points to, in six sorts, and what is found there."""

    who = var(Maybe(THINGS))
    flag = table(THINGS, Bool())
    slot = table(THINGS, Int(-1, 1))
    colour = table(THINGS, Colour)
    friend = table(THINGS, Maybe(THINGS))
    clock = table(THINGS, Wrapping(1))
    by_flag = table(Bool(), VALUE)
    by_slot = table(Int(-1, 1), VALUE)
    by_colour = table(Colour, VALUE)
    by_thing = table(THINGS, VALUE)
    by_maybe = table(Maybe(THINGS), VALUE)
    by_clock = table(Wrapping(1), VALUE)
    by_two = table(Bool(), THINGS, Bool())

    @action
    def choose(self, who: Maybe(THINGS)):
        self.who = who

    @action
    def point(self, who: THINGS, flag: Bool(), slot: Int(-1, 1), clock: Wrapping(1)):
        self.flag[who] = flag
        self.slot[who] = slot
        self.clock[who] = clock

    @action
    def paint(self, who: THINGS, colour: Colour, friend: Maybe(THINGS)):
        self.colour[who] = colour
        self.friend[who] = friend

    @action
    def at_flag(self):
        if self.who is not None:
            self.by_flag[self.flag[self.who]] = 2

    @action
    def at_slot(self):
        if self.who is not None:
            self.by_slot[self.slot[self.who]] = 2

    @action
    def at_colour(self):
        if self.who is not None:
            self.by_colour[self.colour[self.who]] = 2

    @action
    def at_thing(self):
        if self.who is not None and self.friend[self.who] is not None:
            self.by_thing[self.friend[self.who]] = 2

    @action
    def at_maybe(self):
        if self.who is not None:
            self.by_maybe[self.friend[self.who]] = 2

    @action
    def at_clock(self):
        if self.who is not None:
            self.by_clock[self.clock[self.who]] = 2

    @action
    def at_two(self, value: Bool(), other: THINGS):
        if self.who is not None and self.friend[self.who] is not None:
            self.by_two[self.flag[self.who], self.friend[self.who]] = value
        else:
            self.by_two[value, other] = not value

    @action
    def one_or_other(self, flag: Bool()):
        """Both branches write, one of them where the other has no index."""
        if self.who is None:
            self.by_flag[flag] = 1
        else:
            self.by_flag[self.flag[self.who]] = 3
            self.by_flag[not self.flag[self.who]] = self.by_flag[flag]

    @action
    def move(self):
        if self.who is not None:
            self.by_slot[self.slot[self.who]] = self.by_flag[self.flag[self.who]]
            self.by_flag[self.flag[self.who]] = self.by_colour[self.colour[self.who]]


class Careless(Indices):
    """The same, and an index that nothing guards."""

    @action
    def unguarded(self):
        self.by_flag[self.flag[self.who]] = 1


class Elements(Design):
    """Sets of labels and of flags, made of elements under a guard."""

    who = var(Maybe(THINGS))
    flag = table(THINGS, Bool())
    colour = table(THINGS, Colour)
    flags = var(SetOf(Bool()))
    colours = var(SetOf(Colour))

    @action
    def choose(self, who: Maybe(THINGS), flag: Bool(), colour: Colour):
        self.who = who
        if who is not None:
            self.flag[who] = flag
            self.colour[who] = colour

    @action
    def add(self):
        if self.who is not None:
            self.flags |= {self.flag[self.who]}
            if self.flag[self.who] in self.flags:
                self.colours |= {self.colour[self.who]}

    @action
    def drop(self):
        if self.who is not None and self.colour[self.who] in self.colours:
            self.flags -= {not self.flag[self.who]}
