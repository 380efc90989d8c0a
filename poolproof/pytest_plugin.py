# SPDX-License-Identifier: GPL-2.0-only
"""pytest collects .spec files: a test for each property on each design.

A test fails if the property does not come out as the spec expects, is vacuous, or
is not known; the failure is the run that shows it. A property that does not apply
to the design is skipped. The spec's designs are found as `poolproof check` finds
them: in a Python file of the spec's name beside it, and among the shipped ones.

In the ini file, `poolproof_engine` and `poolproof_seconds` set the engine, which is
`auto` otherwise, and the seconds for each engine, 60 otherwise.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from poolproof.checker.reports.cases import Case

_HEAD = b'\nspec "'


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addini("poolproof_engine", "the engine for .spec files", default="auto")
    parser.addini("poolproof_seconds", "seconds for each engine", default="60")


def pytest_collect_file(
    file_path: Path, parent: pytest.Collector
) -> pytest.Collector | None:
    """Collect the specs of poolproof: other tools have .spec files, too."""
    if file_path.suffix != ".spec":
        return None
    try:
        ours = _HEAD in b"\n" + file_path.read_bytes()
    except OSError:
        return None
    return SpecFile.from_parent(parent, path=file_path) if ours else None


class NotAsExpected(Exception):
    """A property did not come out as expected; the text is the run."""


class SpecFile(pytest.File):
    """A spec: a test for each property, on each design that it is for."""

    def collect(self) -> Iterator[pytest.Item]:
        from poolproof.checker.core.diagnostic import UserError
        from poolproof.checker.driver.designs import designs_for
        from poolproof.checker.spec import parse

        try:
            spec = parse(os.path.relpath(self.path))
            designs = designs_for(spec, ())
        except UserError as mistake:
            raise self.CollectError(str(mistake)) from None
        for known in designs:
            for claim in spec.claims:
                name = claim.name.text
                yield PropertyItem.from_parent(
                    self, name=f"{name}[{known.name}]", asked=(known.name, name)
                )
            rest = f"design[{known.name}]"
            yield PropertyItem.from_parent(self, name=rest, asked=(known.name, ""))

    @cached_property
    def cases(self) -> dict[tuple[str, str], list[Case]]:
        """The cases by design and property; by '' what no property of the spec asks:
        the kernel's assertions, and whether the design is right."""
        from poolproof.checker.commands.options import NO_CACHE
        from poolproof.checker.core.verdict import Budget, Silent
        from poolproof.checker.driver.kept import ANEW, KEPT
        from poolproof.checker.driver.task import Request
        from poolproof.checker.reports.cases import cases
        from poolproof.checker.spec import parse

        checks = ANEW if os.environ.get(NO_CACHE) else KEPT
        spec = parse(os.path.relpath(self.path))
        engine = str(self.config.getini("poolproof_engine"))
        budget = Budget(seconds=float(self.config.getini("poolproof_seconds")))
        claims = {claim.name.text for claim in spec.claims}
        found: dict[tuple[str, str], list[Case]] = {}
        for task in checks.prepare(spec, Request()):
            checked = checks.run(task, engine, budget, Silent(), lambda: False)
            for case in cases(checked):
                whole = case.name.partition(".")[0]
                name = next((n for n in (case.name, whole) if n in claims), "")
                found.setdefault((task.known.name, name), []).append(case)
        return found


class PropertyItem(pytest.Item):
    """One property of a spec on one design."""

    def __init__(self, *, asked: tuple[str, str], **more: Any) -> None:
        super().__init__(**more)
        self.asked = asked

    def runtest(self) -> None:
        from poolproof.checker.reports.cases import CaseStatus

        assert isinstance(self.parent, SpecFile)
        some = self.parent.cases.get(self.asked, [])
        bad = (CaseStatus.FAILED, CaseStatus.UNKNOWN)
        wrong = [c for c in some if c.status in bad]
        if wrong:
            texts = ["\n".join([f"{c.name}: {c.message}", *c.lines]) for c in wrong]
            raise NotAsExpected("\n\n".join(texts))
        if some and all(c.status is CaseStatus.SKIPPED for c in some):
            pytest.skip(some[0].message)

    def repr_failure(
        self, excinfo: pytest.ExceptionInfo[BaseException], style: Any = None
    ) -> Any:
        from poolproof.checker.core.diagnostic import UserError

        if isinstance(excinfo.value, NotAsExpected | UserError):
            return str(excinfo.value)
        return super().repr_failure(excinfo, style)

    def reportinfo(self) -> tuple[Path, int | None, str]:
        return self.path, None, self.name
