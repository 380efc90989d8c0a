# SPDX-License-Identifier: GPL-2.0-only
"""A check as a function.

    >>> from poolproof import check
    >>> verdicts = check("SurplusPages", "hugetlb_surplus_race", T=2)
    >>> verdicts["limited"].verdict
    'violated'
    >>> print(verdicts["limited"].run)

Values of scalarsets are given to an instance of a design by name or position:
``pool.mmap("v0")`` and ``pool.mmap(0)``.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from poolproof.checker.core.diagnostic import UserError
from poolproof.checker.core.verdict import Budget, Shown, Silent
from poolproof.checker.driver.check import engines
from poolproof.checker.driver.designs import DesignRef, find_spec
from poolproof.checker.driver.judging import CheckResult, ExpectationStatus, expectation
from poolproof.checker.driver.kept import ANEW, KEPT
from poolproof.checker.driver.task import Request
from poolproof.checker.evidence.replay import show_step
from poolproof.checker.reports.cases import Case, case_of, cases
from poolproof.checker.reports.check import answer_run, check_report
from poolproof.checker.spec import Spec, parse, parse_text
from poolproof.model.language import Design

__all__ = ["UserError", "Verdict", "Verdicts", "check"]


@dataclass(frozen=True)
class Verdict:
    """The answer for one property.

    ``verdict`` is "holds", "violated", "reachable", "unreachable", "vacuous" or
    "unknown". ``ok``: it is what the spec expects, and is known. ``text`` is the
    verdict in one line. ``calls`` are the steps of the run that shows it, as text,
    and ``run`` is that run in full; both are empty if there is none.
    """

    name: str
    verdict: str
    ok: bool
    text: str
    calls: tuple[str, ...]
    run: str

    def __str__(self) -> str:
        return f"{self.name}: {self.text}"


class Verdicts(Mapping[str, Verdict]):
    """The answers of a check, by the property's name. ``ok``: all are what the spec
    expects, and the design itself is not wrong. ``errors`` are what is wrong with the
    design or the spec. ``missing`` are the properties that do not apply, each with
    what the design lacks. As text, the report that ``poolproof check`` prints."""

    def __init__(self, checked: CheckResult) -> None:
        self._report = "\n".join(check_report(checked, {}, verbose=False))
        self._verdicts = {v.name: v for v in _verdicts(checked)}
        self.missing: Mapping[str, str] = dict(checked.task.resolved.missing)
        wrong = list(cases(checked))[len(checked.answers) + len(self.missing) :]
        self.errors = tuple(map(_error, wrong))
        self.ok = not self.errors and all(v.ok for v in self._verdicts.values())

    def __getitem__(self, name: str) -> Verdict:
        return self._verdicts[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._verdicts)

    def __len__(self) -> int:
        return len(self._verdicts)

    def __str__(self) -> str:
        return self._report


def _error(case: Case) -> str:
    return "\n".join([case.message, *case.lines])


def _verdicts(checked: CheckResult) -> Iterator[Verdict]:
    for answer in checked.answers:
        system, replayed = checked.task.compiled.system, answer.replay
        calls: tuple[str, ...] = ()
        run = ""
        if replayed is not None and isinstance(answer.verdict, Shown):
            calls = tuple(show_step(system, t.step, t.result) for t in replayed.taken)
            run = "\n".join(answer_run(checked.task, answer))
        yield Verdict(
            name=answer.prop.name,
            verdict=expectation(answer.verdict),
            ok=answer.status is ExpectationStatus.MET,
            text=case_of(checked, answer).message,
            calls=calls,
            run=run,
        )


def check(  # noqa: PLR0913
    design: type[Design] | str | None,
    spec: str,
    *,
    engine: str = "auto",
    seconds: float | None = 60.0,
    depth: int | None = None,
    without: Sequence[str] = (),
    having: Sequence[str] = (),
    cache: bool = True,
    **bounds: int,
) -> Verdicts:
    """Return the answers of a spec about a design.

    ``design`` is a class, or what --design takes; None if the spec names one
    design. ``spec`` is a file, the name of a shipped spec, or the text of a spec,
    which begins with ``spec "``. ``bounds`` are sizes by name (``V=3``), ``without``
    and ``having`` features. ``seconds`` is the time for each engine, ``depth`` the
    length of the longest run; None is no limit. With ``cache``, what did not change
    since an earlier call is not searched again.

    Raise UserError for a mistake in the design, the spec or the call.
    """
    text = _spec(spec)
    designs = () if design is None else (_reference(design),)
    request = Request(
        designs, bounds=bounds, without=tuple(without), having=tuple(having)
    )
    if engine not in engines():
        raise UserError(None, f"engine {engine}: there are {', '.join(engines())}")
    checks = KEPT if cache else ANEW
    tasks = checks.prepare(text, request)
    if len(tasks) != 1:
        names = ", ".join(task.known.name for task in tasks)
        raise UserError(None, f"{text.file} is for {names}: which design?")
    budget = Budget(seconds=seconds, depth=depth)
    checked = checks.run(tasks[0], engine, budget, Silent(), lambda: False)
    return Verdicts(checked)


def _reference(design: type[Design] | str) -> str | DesignRef:
    if isinstance(design, str):
        return design
    return DesignRef(design, f"{design.__module__}:{design.__qualname__}")


def _spec(spec: str) -> Spec:
    if spec.lstrip().startswith('spec "') or "\n" in spec:
        return parse_text(spec)
    return parse(find_spec(spec))
