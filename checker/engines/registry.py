# SPDX-License-Identifier: GPL-2.0-only
"""The engines, a row for each, and the only way to run one.

A new engine is one file and one row: the function `NAME` (see verdict.Engine)
of `checker/engines/NAME.py`, and a `EngineRow` that says which kinds of property it
decides. `ask` gives an engine nothing else; other properties are Unknown, and
those that hold because nothing happens are Vacuous. The command line's help and
README's table are made from these rows, or compared with them.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from importlib import import_module
from importlib.util import find_spec
from typing import Any

from poolproof.checker.core.compiled import Compiled
from poolproof.checker.core.diagnostic import UserError
from poolproof.checker.core.limits import Spent
from poolproof.checker.core.property import FINITE, SAFETY, Kind, Property
from poolproof.checker.core.system import TransitionSystem
from poolproof.checker.core.vacuity import judged
from poolproof.checker.core.verdict import (
    Budget,
    Engine,
    Outcome,
    Reporter,
    Statistics,
    Unknown,
)
from poolproof.checker.engines.reduced import reduced
from poolproof.checker.passes.reduce import Reduction


@dataclass(frozen=True)
class Need:
    """A requirement outside the checker: ``what`` it is, how to ``get`` it, and
    whether it is there."""

    what: str
    get: str
    there: Callable[[], bool]


def _compiler() -> bool:
    from poolproof.checker.backends.c.build import compiler

    return compiler() is not None


COMPILER = Need("a C compiler", "install gcc or clang", _compiler)


def _library(name: str, package: str) -> Need:
    return Need(name, f"pip install {package}", lambda: find_spec(name) is not None)


Z3 = _library("z3", "z3-solver")
HYPOTHESIS = _library("hypothesis", "hypothesis")
NETWORKX = _library("networkx", "networkx")


@dataclass(frozen=True)
class EngineRow:
    """An engine. ``help`` is its line in the command's help, ``answers`` and
    ``use`` are README's. An engine without a line of help is a stage of
    others, and no choice of --engine. ``rest`` is the stage that answers, where
    a user chose this engine, what it does not decide. ``of_design``: its function
    makes an engine from a compiled design, because it runs the class itself.
    ``reductions`` are those of its system that leave its answers as they are."""

    name: str
    decides: frozenset[Kind]
    needs: tuple[Need, ...] = ()
    help: str = ""
    answers: str = ""
    use: str = ""
    rest: str = ""
    function: str = ""
    of_design: bool = False
    reductions: frozenset[Reduction] = frozenset()


_ALL = frozenset(Reduction)

ROWS: tuple[EngineRow, ...] = (
    EngineRow(
        "explicit",
        FINITE,
        help="every state, breadth first, in Python",
        answers="every state, shortest traces, exact counts; Python",
        use="the oracle",
        rest="liveness",
        reductions=_ALL,
    ),
    EngineRow(
        "native",
        FINITE,
        (COMPILER,),
        help="the same in generated C (needs a C compiler)",
        answers="the same, in generated C, on all cores",
        use="anything large",
        rest="liveness",
        reductions=_ALL,
    ),
    EngineRow("exhaustive", FINITE, rest="liveness", reductions=_ALL),
    EngineRow(
        "liveness",
        frozenset(Kind) - FINITE,
        (NETWORKX,),
        reductions=frozenset({Reduction.BOUNDS, Reduction.CONE}),
    ),
    EngineRow(
        "bmc",
        FINITE,
        (Z3,),
        help="runs of growing length, with z3",
        answers="shortest traces with z3, no claim beyond its depth",
        use="deep bounds",
        reductions=frozenset({Reduction.CONE}),
    ),
    EngineRow(
        "prove",
        SAFETY,
        (Z3,),
        help="induction with z3, bounds left open",
        answers="induction with z3, a certificate for any size",
        use="`B` left open",
    ),
    EngineRow("anysize", SAFETY, (Z3,), function="anysize_of", of_design=True),
    EngineRow(
        "fuzz",
        FINITE,
        (HYPOTHESIS,),
        help="random runs of the Python class, shrunk; any bounds",
        answers="random runs of the class under hypothesis, shrunk",
        use="huge bounds",
        function="fuzz_engine",
        of_design=True,
    ),
)


def row(name: str) -> EngineRow:
    """Return the row of that name. Raise KeyError if there is none."""
    return {row.name: row for row in ROWS}[name]


def choices() -> tuple[EngineRow, ...]:
    """Return the engines that a user may choose."""
    return tuple(r for r in ROWS if r.help)


def every_state(kind: Kind) -> str:
    """Return the Python engine that visits every state and decides the kind."""
    return "liveness" if kind.of_runs else "explicit"


def ask(
    name: str,
    system: TransitionSystem,
    properties: Sequence[Property],
    budget: Budget,
    report: Reporter,
    compiled: Compiled | None = None,
) -> Outcome:
    """Run an engine on the properties that it decides; the others are Unknown.
    ``compiled`` is the design of the system, if it has one. Raise UserError if
    something that the engine needs is missing."""
    engine = row(name)
    _check_needs(engine)
    mine = tuple(p for p in properties if p.kind in engine.decides)
    others = {
        p.name: Unknown(f"{name} does not decide `{p.kind.value}`{_instead(p.kind)}")
        for p in properties
        if p.kind not in engine.decides
    }
    if others and not mine:
        return Outcome(name, others)
    run = reduced(engine_of(name, compiled), engine.reductions)
    outcome = within_budget(name, run)(system, mine, budget, report)
    outcome = judged(system, mine, outcome)
    return replace(outcome, verdicts={**outcome.verdicts, **others})


def _check_needs(engine: EngineRow) -> None:
    for need in engine.needs:
        if not need.there():
            free = [r.name for r in choices() if not r.needs]
            raise UserError(
                None,
                f"{engine.name} needs {need.what}: {need.get}, "
                f"or --engine {' or '.join(free)}",
            )


def _instead(kind: Kind) -> str:
    able = [
        r.name
        for r in choices()
        if kind in r.decides or (r.rest and kind in row(r.rest).decides)
    ]
    return f": use {', '.join((*able, 'auto'))}"


def engine_of(name: str, compiled: Compiled | None = None) -> Engine:
    """Return the engine's function, `within_budget`. Libraries are loaded only
    now. Raise ValueError if it needs a compiled design and has none."""
    engine = row(name)
    module = import_module(f"{__package__}.{engine.name}")
    found: Any = getattr(module, engine.function or engine.name)
    if engine.of_design:
        if compiled is None:
            raise ValueError(f"{name} runs the class of a compiled design")
        found = found(compiled)

    return within_budget(name, found)


def within_budget(name: str, engine: Callable[..., Outcome]) -> Engine:
    """Return the engine, held to the time and the memory of its budget. Where it
    does not say itself what it knows by then, every property is Unknown, with the
    phase that used the budget up."""

    def held(
        system: TransitionSystem,
        properties: tuple[Property, ...],
        budget: Budget,
        report: Reporter,
        **more: Any,
    ) -> Outcome:
        begin = time.monotonic()
        try:
            with budget.limited():
                return engine(system, properties, budget, report, **more)
        except Spent as spent:
            verdicts = {p.name: Unknown(str(spent)) for p in properties}
            seconds = time.monotonic() - begin
            return Outcome(name, verdicts, (), Statistics(seconds=seconds))

    return held
