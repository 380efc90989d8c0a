# SPDX-License-Identifier: GPL-2.0-only
"""The designs and specs there are, and one design, as plain text."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby
from pathlib import Path

from poolproof.checker.core.text import count
from poolproof.checker.driver.designs import DesignRef
from poolproof.checker.frontend.design import compile_design
from poolproof.checker.reports.text import indented, table, wrapped
from poolproof.checker.spec.syntax import Spec
from poolproof.model.language import Feature, declared


def catalogue(designs: Sequence[DesignRef], specs: Sequence[Spec]) -> list[str]:
    """Return the designs, and the specs by folder. ``specs`` are sorted by
    their paths."""
    rows = [(k.name, _first_line(k.cls.__doc__)) for k in designs]
    lines = ["designs (poolproof list --design NAME shows more)"]
    lines += table(("", ""), rows)
    for folder, some in groupby(specs, key=lambda s: str(Path(s.file).parent)):
        titles = [(Path(s.file).stem, f"{s.title} ({_counted(s)})") for s in some]
        lines += ["", folder, *table(("", ""), titles)]
    return lines


def _counted(spec: Spec) -> str:
    if spec.scenarios and not spec.claims:
        return count(len(spec.scenarios), "scenario")
    if not spec.claims and (spec.calls or spec.observed):
        parts = [count(len(spec.calls), "call")] if spec.calls else ["all calls"]
        return ", ".join([*parts, count(len(spec.observed), "value")])
    return count(len(spec.claims), "property")


def design_text(known: DesignRef) -> list[str]:
    """Return a design's bounds, features and actions."""
    cls = known.cls
    bounds, features = declared(cls)
    system = compile_design(
        cls, having=[n for n, f in features.items() if not f.default]
    ).system
    lines = wrapped(known.reference)
    lines += wrapped(_first_line(cls.__doc__), "  ", "  ") if cls.__doc__ else []
    for text in cls.assumed:
        lines += indented(f"assumed: {text}")
    if bounds:
        rows = [(n, str(b.default), b.doc) for n, b in sorted(bounds.items())]
        lines += ["", "bounds, their defaults", *table(("", "", ""), rows)]
    if features:
        switches = [
            (n, "on" if f.default else "off", _needs_text(f))
            for n, f in sorted(features.items())
        ]
        lines += ["", "features, their defaults", *table(("", "", ""), switches)]
    actions = [
        (f"{a.name}({', '.join(p.name for p in a.parameters)})", a.kernel)
        for a in system.actions
    ]
    return [*lines, "", "actions", *table(("", ""), actions)]


def _first_line(doc: str | None) -> str:
    return " ".join((doc or "").strip().partition("\n\n")[0].split())


def _needs_text(feature: Feature) -> str:
    """Return the description of a feature, and the features that it needs."""
    needs = ", ".join(str(need) for need in feature.needs)
    return f"{feature.doc}; needs {needs}" if needs else feature.doc
