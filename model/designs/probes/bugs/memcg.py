# SPDX-License-Identifier: GPL-2.0-only
"""Cgroups that go: mm/hugetlb_cgroup.c."""

from poolproof.model.blocks.memcg import Cgroups
from poolproof.model.designs.bug import Bug
from poolproof.model.designs.probes.memcg_tree import RSVD, MemcgTree
from poolproof.model.language import made_like


class WaitsForReservations(Cgroups):
    """A cgroup goes offline once nothing at all is charged to it.

    Hook: ``has_reservations(cgroup)``.
    """

    def can_offline(self, cgroup):
        return super().can_offline(cgroup) and not self.design.has_reservations(cgroup)


class Before7a5bde37983d(MemcgTree):
    """ "hugetlb_cgroup: fix offline of hugetlb cgroup with reservations": css_offline
    went on until nothing was charged, and reservations do not move to the parent
    (hugetlb_cgroup_have_usage)."""

    bug = Bug(
        "7a5bde37983d",
        "5.10",
        "a cgroup with reservations never goes offline",
        trigger="rsvd",
        having="offline",
        bounds={"C": 1, "T": 1, "F": 1, "P": 1, "B": 1, "CG_RSVD": 1},
        detected="memcg_zombie.m7_offline",
    )

    cgroups = made_like(MemcgTree.cgroups, WaitsForReservations)

    def has_reservations(self, cgroup):
        return RSVD and self.rsvd.usage[cgroup] > 0
