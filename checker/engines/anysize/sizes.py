# SPDX-License-Identifier: GPL-2.0-only
"""Small sizes of a system with open ones, for searches that guesses come from."""

from __future__ import annotations

from poolproof.checker.core import ir
from poolproof.checker.core.ir import OpenDomain
from poolproof.checker.core.system import TransitionSystem


def small_sizes(system: TransitionSystem) -> list[dict[str, int]]:
    """Return sizes to try guesses at: the least, each bound at two alone, and all at
    two. Bounds that decide no domain are two."""
    decide = {e.data for d in domains(system) for e in ir.subterms(d.end)}
    least = {
        n: max(1, few or 0) if n in decide else max(2, few or 0)
        for n, few in system.least.items()
    }
    more = [{**least, n: max(2, least[n])} for n in least if n in decide]
    chosen = [least, *more, {n: max(2, few) for n, few in least.items()}]
    amounts = [n for n in least if n not in decide]
    for k, sizes in enumerate(chosen):
        for i, n in enumerate(amounts):  # so that no two are always the same
            sizes[n] += k * (i + k) % 2
    return chosen


def domains(system: TransitionSystem) -> list[OpenDomain]:
    """Return the open domains of the system."""
    found = [d for v in system.variables for d in v.index]
    found += [p.domain for a in system.actions for p in a.parameters]
    return [d for d in dict.fromkeys(found) if isinstance(d, OpenDomain)]
