# SPDX-License-Identifier: GPL-2.0-only
"""Bugs that a kernel once had: what the catalogue says of each.

An entry of the catalogue is a design in a module of a package ``bugs``, with a
`Bug` as its attribute ``bug``. It inherits the design with the fix and overrides
what the fix changed, so it is the kernel of that design with one old bug, not
the kernel of its time. A bug that no design can have yet is a `Bug` of such a
module by itself, with what is missing in ``lacks``.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Bug:
    """One bug. ``commit`` is the fix, 12 hex digits, or the message that proposes
    it; with a ``?``, the hash was not looked up. ``release`` is the first one with the
    fix ("": none yet).

    The bug shows at ``bounds``, with the features ``having`` and at least one of
    ``trigger`` (all of them are turned on); without any of the triggers it changes
    nothing. Both are written as names with spaces between. A trigger may be a bound,
    too, like ``failures``: without it, it is 0. ``detected`` is the
    shipped spec and the property that is violated there: SPEC.PROPERTY.
    """

    commit: str
    release: str
    symptom: str
    trigger: str = ""
    having: str = ""
    bounds: Mapping[str, int] = field(default_factory=dict)
    detected: str = ""
    lacks: str = ""

    @property
    def features(self) -> tuple[str, ...]:
        """What is on where the bug shows."""
        on = dict.fromkeys((*self.having.split(), *self.trigger.split()))
        return tuple(name for name in on if name not in self.bounds)

    @property
    def untriggered(self) -> dict[str, int]:
        """The bounds without the triggers that are bounds."""
        off = self.trigger.split()
        return {n: 0 if n in off else v for n, v in self.bounds.items()}
