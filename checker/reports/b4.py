# SPDX-License-Identifier: GPL-2.0-only
"""The answer to b4, as the check command of one patch.

b4 gives a mail on standard input. For `am` and `prep` a line that is printed is a
warning, one with `ERROR:` in it a failure; nothing and exit 0 is a success. For
`review` the answer is a JSON array, with an object for each result; an empty one
says nothing of the patch.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence

from poolproof.checker.core.text import count
from poolproof.checker.driver.judging import CheckResult, ExpectationStatus
from poolproof.checker.driver.patch import Modelled
from poolproof.checker.reports.words import short

ERROR = "ERROR: "


def modelled_lines(which: Sequence[Modelled]) -> Iterator[str]:
    """Return a warning for each touched function that designs model."""
    found: dict[str, dict[str, None]] = {}
    for m in which:
        for place in m.places:
            if place.actions:
                found.setdefault(place.touched.name, {})[m.known.name] = None
    for name, designs in found.items():
        first, *others = designs
        more = f" and {len(others)} more" if others else ""
        yield f"{name}: modelled by {first}{more}"


def unknown_lines(
    done: Sequence[CheckResult], left: int, seconds: float
) -> Iterator[str]:
    """Yield a warning if some specs were not run, or not to the end: silence would
    mean that they came out well."""
    open_ = [c for c in done if _open(c)]
    if left or open_:
        specs = count(len(done) + left, "spec")
        yield (
            f"{left + len(open_)} of {specs} not known within {seconds:g} seconds: "
            "see poolproof patch FILE --design ..."
        )


def _open(checked: CheckResult) -> bool:
    """Return whether more time may say more. A mistake of the spec is no such
    answer."""
    return not checked.mistakes and any(
        a.status is ExpectationStatus.OPEN for a in checked.answers
    )


def as_json(lines: Sequence[str]) -> str:
    """Return the lines as one result for `b4 review`, with the status of the worst."""
    if not lines:
        return "[]\n"
    failed = any(line.startswith(ERROR) for line in lines)
    first, *_ = sorted(lines, key=lambda line: not line.startswith(ERROR))
    result = {
        "tool": "poolproof",
        "status": "fail" if failed else "warn",
        "summary": first.removeprefix(ERROR),
        "details": "\n".join(lines),
    }
    return json.dumps([result], indent=2) + "\n"


def violated_lines(done: Sequence[CheckResult]) -> Iterator[str]:
    """Return an error for each property that is not as expected, and for each mistake
    in a design or a spec that some run showed."""
    for checked in done:
        for answer in checked.answers:
            if answer.status is ExpectationStatus.UNMET:
                yield (
                    f"{ERROR}{checked.task.spec.file}: {answer.prop.name} on "
                    f"{checked.task.known.name}: "
                    f"{short(answer.verdict, answer.prop.kind)}, "
                    f"expected: {answer.expected}"
                )
        for defect, _ in checked.defects:
            yield f"{ERROR}{checked.task.known.name}: {defect.message}"
        for mistake in checked.mistakes:
            yield f"{ERROR}{mistake}"
