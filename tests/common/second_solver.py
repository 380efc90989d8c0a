# SPDX-License-Identifier: GPL-2.0-only
"""SMT-LIB 2 scripts, answered by cvc5 and by a z3 that knows nothing else."""

from __future__ import annotations

from typing import Any

import cvc5
import z3

Cvc5: Any = cvc5

_UNEXPECTED = '(error "Expected result unsat but got sat")'
"""How cvc5 says `sat` where the script's status is `unsat`."""


def cvc5_says(script: str, seconds: float = 20.0) -> str:
    """What cvc5 prints, as strict about the standard as it can be: 'sat',
    'unsat' or 'unknown' for a script with one question."""
    solver = Cvc5.Solver(Cvc5.TermManager())
    solver.setOption("strict-parsing", "true")
    solver.setOption("tlimit-per", str(int(seconds * 1000)))
    parser = Cvc5.InputParser(solver)
    parser.setStringInput(Cvc5.InputLanguage.SMT_LIB_2_6, script, "script")
    symbols = parser.getSymbolManager()
    printed = ""
    while not (command := parser.nextCommand()).isNull():
        printed += command.invoke(solver, symbols)
    printed = printed.strip()
    return "sat" if printed == _UNEXPECTED else printed


def z3_says(script: str, seconds: float = 20.0) -> str:
    """The same from z3, in a context of its own."""
    solver = z3.Solver(ctx=z3.Context())
    solver.set("timeout", int(seconds * 1000))
    solver.from_string(script)
    return str(solver.check())
