# SPDX-License-Identifier: GPL-2.0-only
"""Huge folios that are split, mm/memcontrol.c."""

from poolproof.model.designs.bug import Bug
from poolproof.model.designs.probes.swap_space import (
    MEMCG,
    PAGES,
    RANGES,
    SPLIT,
    SwapSpace,
)
from poolproof.model.language import Bool, table


class Beforee1baddf8475b(SwapSpace):
    """ "mm/memcg: set memcg when splitting page": of a high-order page that was split
    only the first page kept its memcg, so the others were never uncharged
    (split_page). Here it is a huge folio that cannot be swapped out whole."""

    bug = Bug(
        "e1baddf8475b",
        "5.12",
        "pages of a split high-order page are never uncharged",
        trigger="memcg",
        bounds={"V": 1, "clusters": 1, "K": 2, "limit": 2, "swap_max": 1, "others": 0},
        detected="swap_memcg.memory_exact",
    )

    tail = table(RANGES, PAGES, Bool(), when=MEMCG, doc="split off, without a memcg")

    def swap_out(self, range_, cluster, reclaimed):
        result = super().swap_out(range_, cluster, reclaimed)
        if result is SPLIT:
            for p in PAGES:
                self.tail[range_, p] = p > 0
        return result

    def drop(self, range_, page):
        if self.tail[range_, page]:
            self.memory.try_charge(self.cgroup(range_), 1)
        self.tail[range_, page] = False
        super().drop(range_, page)
