# SPDX-License-Identifier: GPL-2.0-only
"""The review: its specs, and its scenarios."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace

from poolproof.checker.core.diagnostic import UserError
from poolproof.checker.core.verdict import Budget, Silent
from poolproof.checker.driver.check import Request
from poolproof.checker.driver.designs import ROOT, designs_named, specs_for
from poolproof.checker.driver.size import Sized, find_size, scenarios_on
from poolproof.checker.spec import parse
from poolproof.checker.spec.syntax import Spec

SCENARIOS = "specs/scenarios/hot_upgrade_4.scenario"
"""The scenarios with a row on the page."""


@dataclass(frozen=True)
class LeastPools:
    """The answers of `size` by scenario and design."""

    spec: Spec
    found: Mapping[tuple[str, str], Sized]

    @property
    def designs(self) -> list[str]:
        return list(dict.fromkeys(design for _, design in self.found))


def requests(specs: Sequence[Spec], request: Request) -> list[tuple[Spec, Request]]:
    """Return the specs that are for the request's designs (all, if it names
    none), each with what is asked of it. Raises UserError if there are none."""
    found = []
    wanted = [k for r in request.designs for k in designs_named(r)]
    for_each = {k.reference: specs_for(specs, k) for k in wanted}
    for spec in specs:
        mine = tuple(r for r, some in for_each.items() if spec in some)
        if not request.designs:
            found.append((spec, request))
        elif mine:
            found.append((spec, replace(request, designs=mine)))
    if not found:
        raise UserError(None, "no shipped spec is for " + ", ".join(request.designs))
    return found


def least_pools(
    given: Sequence[str],
    seen: Collection[str],
    budget: Budget,
    interrupted: Callable[[], bool],
) -> LeastPools:
    """Return the least pools of SCENARIOS on those of the ``given`` designs
    (all, if there are none) whose references are in ``seen``, as far as
    Ctrl-C lets it come."""
    spec = parse(str(ROOT / SCENARIOS))
    found: dict[tuple[str, str], Sized] = {}
    with contextlib.suppress(KeyboardInterrupt):
        for scenario, known in scenarios_on(spec, given):
            if interrupted():
                break
            if known.reference in seen:
                found[scenario.name.text, known.name] = find_size(
                    scenario, spec, known.cls, {}, budget, Silent()
                )
    return LeastPools(spec, found)
