# SPDX-License-Identifier: GPL-2.0-only
"""Which cited functions a kernel tree has otherwise, as text of 75 columns."""

from __future__ import annotations

from collections.abc import Iterator

from poolproof.checker.core.text import count
from poolproof.checker.driver.drift import Drift, DriftCount, difference
from poolproof.checker.linux.anchors import Source
from poolproof.checker.reports.text import indented, wrapped


def drift_report(
    found: DriftCount, version: str, new: Source, old: Source | None
) -> Iterator[str]:
    """Yield what drifted, and who cites it; with an ``old`` tree, the difference (its
    lines are as long as the kernel's)."""
    drifted = found.drifted
    yield f"{version}: {count(found.same + len(drifted), 'cited function')}"
    yield f"  {found.same} as cited, {len(drifted)} not"
    for one in drifted:
        yield ""
        yield from wrapped(_drift(one), "", "    ")
        yield from indented("cited by " + ", ".join(_cited(one)))
        if old is not None:
            yield from (f"  {line}".rstrip() for line in difference(one.name, old, new))


def _drift(one: Drift) -> str:
    if one.gone:
        return f"{one.name}: cited from {one.version}, gone"
    like = f", is as in {one.like[0]}" if one.like else ", is another"
    return f"{one.name}: cited from {one.version}{like}"


def _cited(one: Drift) -> dict[str, None]:
    """Each citing method with its line."""
    return dict.fromkeys(
        f"{c.owner.__name__}{f'.{c.method.__name__}' if c.method else ''}"
        + (f" ({c.span.file}:{c.span.line})" if c.span else "")
        for c in one.citations
    )
