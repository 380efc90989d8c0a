# SPDX-License-Identifier: GPL-2.0-only
"""hugetlb with several tasks that interleave where a lock is dropped."""

from poolproof.model.designs.hugetlb.steps.hugetlb import HugetlbSteps
from poolproof.model.designs.hugetlb.steps.locks import STEPS

__all__ = ["STEPS", "HugetlbSteps"]
