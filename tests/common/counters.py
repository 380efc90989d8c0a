# SPDX-License-Identifier: GPL-2.0-only
"""The text of two small designs, for tests of files, commands and reports."""

COUNTER = """\
from poolproof.model.language import *


class D(Design):
    x = var(Int(0, 3))

    @action
    def up(self):
        require(self.x < 3)
        self.x += 1
"""
"""D counts to 3 by `up`."""

COUNTERS = (
    COUNTER
    + """

class E(Design):
    y = var(Int(0, 1))

    @action
    def up(self):
        self.y = 1
"""
)
"""D, and E, whose `up` sets y for good."""
