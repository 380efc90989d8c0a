# SPDX-License-Identifier: GPL-2.0-only
"""hugetlb: Linux 6.12, other versions, on CMA, and bugs that it once had."""

from poolproof.model.designs.hugetlb.linux_6_12 import Hugetlb

__all__ = ["Hugetlb"]
