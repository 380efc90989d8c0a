# SPDX-License-Identifier: GPL-2.0-only
"""The answers of a check as test cases, for other tools: JUnit's XML, and KTAP.

A property is a case. It passes if it came out as expected; what is not known, or
vacuous, does not. One that does not apply to the design is skipped. So that the
same answers make the same text, no times are written.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import Enum
from xml.etree import ElementTree

from poolproof.checker.driver.judging import (
    CheckResult,
    ExpectationStatus,
    PropertyResult,
)
from poolproof.checker.reports.check import answer_run, settings
from poolproof.checker.reports.text import broken_by, run
from poolproof.checker.reports.words import sentence


class CaseStatus(Enum):
    """The status of a case, as tools count them."""

    PASSED = "passed"
    FAILED = "failed"
    UNKNOWN = "unknown"
    """Neither: a budget was spent, or an error keeps it from being known."""
    SKIPPED = "skipped"


@dataclass(frozen=True)
class Case:
    """A property. ``message`` is its verdict in one line, ``lines`` are the run that
    shows it, if it did not pass."""

    name: str
    status: CaseStatus
    message: str
    lines: tuple[str, ...] = ()


_STATUS = {
    ExpectationStatus.MET: CaseStatus.PASSED,
    ExpectationStatus.UNMET: CaseStatus.FAILED,
    ExpectationStatus.VACUOUS: CaseStatus.FAILED,
    ExpectationStatus.OPEN: CaseStatus.UNKNOWN,
}

DESIGN = "the design"
"""The case that fails if the design itself is wrong."""


def suite_name(checked: CheckResult) -> str:
    """Return ``FILE DESIGN, BOUNDS``."""
    task = checked.task
    return f"{task.spec.file} {task.known.name}, {settings(task)}"


def cases(checked: CheckResult) -> Iterator[Case]:
    """Yield a case for each property, for each that does not apply, and for each
    error of the design or the spec."""
    task = checked.task
    for answer in checked.answers:
        yield case_of(checked, answer)
    for name, why in task.resolved.missing.items():
        yield Case(name, CaseStatus.SKIPPED, f"n/a: {why}")
    for defect, replayed in checked.defects:
        lines = run(task.compiled, replayed)
        lines += broken_by(replayed, defect.message, defect.obligation)
        yield Case(DESIGN, CaseStatus.FAILED, defect.message, tuple(lines))
    for mistake in checked.mistakes:
        yield Case("the spec", CaseStatus.FAILED, str(mistake))


def case_of(checked: CheckResult, answer: PropertyResult) -> Case:
    """Return the case of one property."""
    message = sentence(answer.verdict, answer.prop.kind, {})
    status = _STATUS[answer.status]
    if status is CaseStatus.FAILED:
        message += f"; expected: {answer.expected}"
    lines: Sequence[str] = ()
    if status is not CaseStatus.PASSED and answer.replay is not None:
        lines = answer_run(checked.task, answer)
    return Case(answer.prop.name, status, message, tuple(lines))


# --- JUnit ----------------------------------------------------------------

_ELEMENTS = {
    CaseStatus.FAILED: "failure",
    CaseStatus.UNKNOWN: "error",
    CaseStatus.SKIPPED: "skipped",
}


def junit(done: Sequence[CheckResult]) -> str:
    """Return the checks as JUnit's XML, a suite for each spec on each design."""
    root = ElementTree.Element("testsuites", name="poolproof")
    for checked in done:
        some = list(cases(checked))
        suite = ElementTree.SubElement(root, "testsuite", name=suite_name(checked))
        suite.set("tests", str(len(some)))
        for status, plural in (
            (CaseStatus.FAILED, "failures"),
            (CaseStatus.UNKNOWN, "errors"),
            (CaseStatus.SKIPPED, "skipped"),
        ):
            suite.set(plural, str(sum(c.status is status for c in some)))
        for case in some:
            name = f"{checked.task.spec.file}.{checked.task.known.name}"
            item = ElementTree.SubElement(
                suite, "testcase", classname=name, name=case.name
            )
            if case.status is CaseStatus.PASSED:
                continue
            what = ElementTree.SubElement(
                item, _ELEMENTS[case.status], message=case.message
            )
            what.text = "\n".join(case.lines) or None
    ElementTree.indent(root)
    text = ElementTree.tostring(root, encoding="unicode")
    return f'<?xml version="1.0" encoding="UTF-8"?>\n{text}\n'


# --- KTAP -----------------------------------------------------------------


def ktap(done: Sequence[CheckResult]) -> str:
    """Return the checks as KTAP (Documentation/dev-tools/ktap.rst): a test for each
    spec on each design, and in it one for each property."""
    lines = ["KTAP version 1", f"1..{len(done)}"]
    for number, checked in enumerate(done, 1):
        some = list(cases(checked))
        inner = ["KTAP version 1", f"1..{len(some)}"]
        for k, case in enumerate(some, 1):
            inner += _ktap_case(k, case)
        bad = (CaseStatus.FAILED, CaseStatus.UNKNOWN)
        failed = any(case.status in bad for case in some)
        lines += [f"  {line}".rstrip() for line in inner]
        lines.append(_result(not failed, number, suite_name(checked)))
    return "\n".join(lines) + "\n"


def _ktap_case(number: int, case: Case) -> list[str]:
    skipped = case.status is CaseStatus.SKIPPED
    line = _result(skipped or case.status is CaseStatus.PASSED, number, case.name)
    if skipped:
        return [f"{line} # SKIP {case.message}"]
    if case.status is CaseStatus.PASSED:
        return [line]
    return [f"# {text}" for text in (case.message, *case.lines)] + [line]


def _result(good: bool, number: int, name: str) -> str:
    return f"{'ok' if good else 'not ok'} {number} {name.replace('#', '')}"
