# SPDX-License-Identifier: GPL-2.0-only
"""Huge pages that nobody can move any more."""

from typing import Any

from poolproof.model.blocks.folio import RestoringFolios
from poolproof.model.language import Bool, table


class StuckFolios(RestoringFolios):
    """Folios that may be ``stuck``: without hugetlb_migratable while they are mapped.
    Only pages that replaced one by ``soft_offline`` are."""

    def __init__(self, owners: Any, pages: Any, soft_offline: Any, *rest: Any) -> None:
        super().__init__(owners, pages, *rest)
        self.soft_offline = soft_offline
        self.stuck = table(owners, pages, Bool(), when=soft_offline)

    def set(self, owner, page, node, cg, cg_rsvd):
        super().set(owner, page, node, cg, cg_rsvd)
        if self.soft_offline:
            self.stuck[owner, page] = False

    def copy(self, owner, to, page):
        super().copy(owner, to, page)
        if self.soft_offline:
            self.stuck[to, page] = self.stuck[owner, page]
