# SPDX-License-Identifier: GPL-2.0-only
"""A design of a few cells with one of everything that a run can show: starts
to choose from, sets, switches, results, strips, and three ways to be wrong."""

from enum import Enum

from poolproof.model.language import (
    ANY,
    Bool,
    Bound,
    Design,
    Feature,
    Given,
    Int,
    Maybe,
    Scalarset,
    SetOf,
    action,
    require,
    table,
    var,
)


class Answer(Enum):
    """What `put` says."""

    OK = 0
    FULL = 1


R = Bound("R", 2, doc="rows")
FORCE = Feature("force", False, "put into a full row")
BROKEN = Feature("broken", False, "actions that break the model")

ROWS = Scalarset("ROWS", R, prefix="r")
OWNERS = Scalarset("OWNERS", 2, prefix="w")
PLACES = Int(0, 2)


class Shelf(Design):
    """Boxes in rows."""

    left = var(Int(0, 3), init=ANY)
    shut = var(SetOf(ROWS))
    box = table(ROWS, PLACES, Maybe(OWNERS))
    alarm = var(Bool())

    def initial(self):
        return self.left == 1 or self.left == 3

    @action(kernel="mm/shelf.c:shelf_put")
    def put(
        self, row: ROWS, owner: OWNERS, force: Given(FORCE, Bool(), False)
    ) -> Answer:
        require(row not in self.shut)
        if self.left == 0:
            self.alarm = force
            return Answer.FULL
        require(any(self.box[row, p] is None for p in PLACES))
        self.left -= 1
        done = False
        for p in PLACES:
            if not done and self.box[row, p] is None:
                self.box[row, p] = owner
                done = True
        return Answer.OK

    @action
    def close(self, rows: SetOf(ROWS)):
        require(rows != self.shut)
        self.shut = rows

    @action(when=BROKEN)
    def overdraw(self):
        require(self.left == 0)
        self.left -= 1

    @action(when=BROKEN)
    def demand(self):
        assert not self.alarm, "nobody may ring"

    @action(when=BROKEN)
    def pick(self, row: ROWS, at: Int(0, 3)):
        self.alarm = self.box[row, at] is not None
