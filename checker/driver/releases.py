# SPDX-License-Identifier: GPL-2.0-only
"""The same run on the designs of other releases of the kernel."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from poolproof.checker.core.diagnostic import UserError
from poolproof.checker.core.system import TransitionSystem
from poolproof.checker.driver.designs import DesignRef, shipped_designs
from poolproof.checker.driver.drift import RELEASE
from poolproof.checker.driver.stored import Replayed
from poolproof.checker.evidence.replay import NotReproduced, confirm
from poolproof.checker.frontend.design import compile_design
from poolproof.checker.spec import parse, resolve


@dataclass(frozen=True)
class Elsewhere:
    """A release, its design, and whether the run shows there what it shows."""

    release: str
    known: DesignRef
    shown: bool


def elsewhere(replayed: Replayed) -> tuple[Elsewhere, ...]:
    """Return what the run shows on the shipped designs of the same family that
    name a release, the oldest first; its own design is among them, if it does.
    Designs that the property does not apply to are left out."""
    found = (
        Elsewhere(release, known, shown)
        for release, known in _family(replayed.compiled.source)
        if (shown := _shows(replayed, known)) is not None
    )
    return tuple(sorted(found, key=lambda e: [int(n) for n in e.release.split(".")]))


def _family(design: type) -> Iterator[tuple[str, DesignRef]]:
    """The shipped designs that have a shipped base in common with the design,
    each with the release that its own docstring names."""
    bases = [k.cls for k in shipped_designs() if issubclass(design, k.cls)]
    root = bases[0] if bases else design
    for base in bases:
        root = base if issubclass(root, base) else root
    for known in shipped_designs():
        own = vars(known.cls).get("__doc__") or ""
        if issubclass(known.cls, root) and (named := RELEASE.search(own)):
            yield named[1], known


def _shows(replayed: Replayed, known: DesignRef) -> bool | None:
    heading, own = replayed.heading, replayed.compiled
    if known.cls is own.source:
        return True
    try:
        compiled = compile_design(
            known.cls, heading.bounds, heading.without, heading.having
        )
        asked = resolve(parse(heading.spec), compiled).properties
        prop = next((p for p in asked if p.name == heading.property), None)
        if prop is None or _shape(own.system) != _shape(compiled.system):
            return None
        confirm(compiled, prop, replayed.replay.trace, False)
    except NotReproduced:
        return False
    except UserError:
        return None
    return True


def _shape(system: TransitionSystem) -> tuple[object, ...]:
    """Return what states and steps of two systems must have in common."""
    actions = {
        name: tuple(p.name for p in action.parameters)
        for name, action in system.action_by_name.items()
    }
    return tuple(c.name for c in system.cells), actions
