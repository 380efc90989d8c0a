# SPDX-License-Identifier: GPL-2.0-only
"""The review: its specs, and its scenarios."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from poolproof.checker.core.diagnostic import UserError
from poolproof.checker.core.verdict import Budget, Silent
from poolproof.checker.driver.check import Request
from poolproof.checker.driver.designs import (
    designs_named,
    shipped_scenarios,
    specs_for,
)
from poolproof.checker.driver.size import Sized, find_size, scenarios_on
from poolproof.checker.spec import parse
from poolproof.checker.spec.page import Page
from poolproof.checker.spec.syntax import Spec


@dataclass(frozen=True)
class LeastPools:
    """The answers of `size`: by scenario, as FILE.NAME without the file's folder
    and ending, and by design."""

    found: Mapping[tuple[str, str], Sized]


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
    page: Page,
    given: Sequence[str],
    seen: Collection[str],
    budget: Budget,
    interrupted: Callable[[], bool],
) -> LeastPools:
    """Return the least pools of the page's scenarios on those of the ``given``
    designs (all, if there are none) whose references are in ``seen``, as far as
    Ctrl-C lets it come."""
    found: dict[tuple[str, str], Sized] = {}
    wanted = {w.text for u in page.upgrades for w in u.scenarios}
    files = {name.partition(".")[0] for name in wanted}
    specs = [parse(p) for p in shipped_scenarios() if Path(p).stem in files]
    with contextlib.suppress(KeyboardInterrupt):
        for spec in specs:
            for scenario, known in scenarios_on(spec, given):
                name = f"{Path(spec.file).stem}.{scenario.name.text}"
                if interrupted():
                    break
                if known.reference in seen and name in wanted:
                    found[name, known.name] = find_size(
                        scenario, spec, known.cls, {}, budget, Silent()
                    )
    return LeastPools(found)
