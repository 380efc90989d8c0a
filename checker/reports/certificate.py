# SPDX-License-Identifier: GPL-2.0-only
"""The certificates of a check as files for other solvers."""

from __future__ import annotations

import textwrap
from pathlib import Path

from poolproof.checker.core.bounds import show_bounds
from poolproof.checker.core.text import WIDTH
from poolproof.checker.core.verdict import Certificate, Holds
from poolproof.checker.driver.check import open_sizes
from poolproof.checker.driver.judging import CheckResult
from poolproof.checker.reports.words import from_least


def certificate_files(checked: CheckResult) -> dict[str, str]:
    """Return path -> text of an SMT-LIB 2 script, for each question of each
    certificate. The paths are relative: a folder for each certificate."""
    names: dict[Certificate, list[str]] = {}
    for outcome in checked.outcomes:
        for name, verdict in outcome.verdicts.items():
            if isinstance(verdict, Holds) and verdict.certificate is not None:
                names.setdefault(verdict.certificate, []).append(name)
    if not names:
        return {}
    from poolproof.checker.engines.smtlib import questions

    task = checked.task
    if task.any_size:
        return _any_size_files(checked, names)
    compiled, resolved = open_sizes(task)
    known = {p.name: p for p in (*resolved.properties, *resolved.obligations)}
    files: dict[str, str] = {}
    for number, (certificate, proved) in enumerate(names.items(), 1):
        folder = f"{task.known.name}.{Path(task.spec.file).stem}"
        if len(names) > 1:
            folder += f".{number}"
        fixed = {
            k: v for k, v in compiled.bounds.items() if k not in certificate.params
        }
        about = [
            f"{task.known.name} on {Path(task.spec.file).name}",
            *textwrap.wrap(f"bounds: {show_bounds(fixed) or 'none'}", WIDTH - 2),
            *(
                f"for any {from_least(n, compiled.system.least[n])}"
                for n in certificate.params
            ),
            *textwrap.wrap(f"shown: {', '.join(proved)}", WIDTH - 2),
        ]
        claimed = [known[name] for name in proved]
        for q in questions(compiled.system, claimed, certificate, about):
            files[f"{folder}/{q.name}.smt2"] = q.text
    return files


def _any_size_files(
    checked: CheckResult, names: dict[Certificate, list[str]]
) -> dict[str, str]:
    """The scripts of proofs for any number of elements, each with what they show
    together, and the lemmas as text."""
    task = checked.task
    folder = f"{task.known.name}.{Path(task.spec.file).stem}"
    files: dict[str, str] = {}
    for certificate, proved in names.items():
        about = [
            f"{task.known.name} on {Path(task.spec.file).name}",
            *textwrap.wrap(f"for any {', '.join(certificate.params)}", WIDTH - 2),
            *(f"with {relation}" for relation in certificate.relations),
            *textwrap.wrap(f"shown: {', '.join(proved)}", WIDTH - 2),
            "with the lemmas",
            *certificate.lemmas,
        ]
        comment = "".join(f"; {line}\n" for line in about)
        for number, text in enumerate(certificate.questions):
            files[f"{folder}/question_{number:03}.smt2"] = comment + text
    return files
