"""The review: what it asks beside the checks of all specs on all designs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from poolproof.checker.driver.size import Sized
from poolproof.checker.spec.syntax import Spec

SCENARIOS = "specs/scenarios/hot_upgrade_4.scenario"
"""The scenarios that the page has a row for."""


@dataclass(frozen=True)
class LeastPools:
    """What `size` found: by scenario and design."""

    spec: Spec
    found: Mapping[tuple[str, str], Sized]

    @property
    def designs(self) -> list[str]:
        return list(dict.fromkeys(design for _, design in self.found))
