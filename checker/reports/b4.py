# SPDX-License-Identifier: GPL-2.0-only
"""The answer to b4, as the check command of one patch.

b4 gives a mail on standard input. A line that is printed is a warning, one with
`ERROR:` in it a failure; nothing and exit 0 is a success.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from poolproof.checker.driver.judging import CheckResult, ExpectationStatus
from poolproof.checker.driver.patch import Modelled
from poolproof.checker.reports.words import short


def modelled_lines(which: Sequence[Modelled]) -> Iterator[str]:
    """A warning for each touched function that designs model."""
    found: dict[str, dict[str, None]] = {}
    for m in which:
        for place in m.places:
            if place.actions:
                found.setdefault(place.touched.name, {})[m.known.name] = None
    for name, designs in found.items():
        first, *others = designs
        more = f" and {len(others)} more" if others else ""
        yield f"{name}: modelled by {first}{more}"


def violated_lines(done: Sequence[CheckResult]) -> Iterator[str]:
    """An error for each property that is not as expected."""
    for checked in done:
        for answer in checked.answers:
            if answer.status is ExpectationStatus.UNMET:
                yield (
                    f"ERROR: {checked.task.spec.file}: {answer.prop.name} on "
                    f"{checked.task.known.name}: "
                    f"{short(answer.verdict, answer.prop.kind)}, "
                    f"expected: {answer.expected}"
                )
        for defect, _ in checked.defects:
            yield f"ERROR: {checked.task.known.name}: {defect.message}"
