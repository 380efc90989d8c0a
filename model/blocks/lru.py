# SPDX-License-Identifier: GPL-2.0-only
"""Pages that reclaim skips for now: those touched since it last looked, and those
that somebody has taken off their LRU list (mm/vmscan.c, v6.12).

Less literal than the kernel: there is one list, and reclaim may look at any of its
pages; the accessed bit that the first fault leaves is already cleared
(mm/vmscan.c:folio_check_references looks twice); an isolated page is put back before
its holder gives it up. Left out: MGLRU, active and inactive lists, dirty
pages and their writeback.
"""

from typing import Any

from poolproof.model.language import Block, Bool, action, domain, require, table


class Lru(Block):
    """Accessed and isolated pages among those that ``holders`` have at ``indices``.

    Hook: ``has_page(holder, index)``, whether there is a page.
    """

    holders, indices = domain(), domain()

    def __init__(self, holders: Any, indices: Any, when: Any) -> None:
        self.holders, self.indices, self.when = holders, indices, when
        self.referenced = table(
            holders, indices, Bool(), when=when, doc="touched since the last scan"
        )
        self.isolated = table(holders, indices, Bool(), when=when)

    def may_take(self, holder, index):
        """Return whether reclaim takes the page now.
        mm/vmscan.c:isolate_lru_folios, folio_check_references."""
        return not self.referenced[holder, index] and not self.isolated[holder, index]

    def forget(self, holder, index):
        self.referenced[holder, index] = False
        self.isolated[holder, index] = False

    def move(self, holder, new, index):
        """The page moves from one holder to another."""
        self.referenced[new, index] = self.referenced[holder, index]
        self.isolated[new, index] = self.isolated[holder, index]
        self.forget(holder, index)

    @action(kernel="mm/rmap.c:folio_referenced_one", when="when", silent=True)
    def access(self, holder: holders, index: indices):
        """The CPU sets the accessed bit."""
        require(self.design.has_page(holder, index))
        require(not self.referenced[holder, index])
        self.referenced[holder, index] = True

    @action(kernel="mm/vmscan.c:folio_check_references", when="when", silent=True)
    def age(self, holder: holders, index: indices):
        """A scan clears the bit, and keeps the page this time."""
        require(self.referenced[holder, index] and not self.isolated[holder, index])
        self.referenced[holder, index] = False

    @action(kernel="mm/vmscan.c:folio_isolate_lru", when="when", silent=True)
    def isolate(self, holder: holders, index: indices):
        """Migration, compaction or khugepaged takes the page off its list."""
        require(self.design.has_page(holder, index))
        require(not self.isolated[holder, index])
        self.isolated[holder, index] = True

    @action(kernel="mm/vmscan.c:folio_putback_lru", when="when", silent=True)
    def putback(self, holder: holders, index: indices):
        require(self.isolated[holder, index])
        self.isolated[holder, index] = False
