# SPDX-License-Identifier: GPL-2.0-only
"""One search of the reference pool by the native engine, told as JSON.

    python -m bench.ours B V P SYMMETRY THREADS UNTIL [compiled]

With `compiled`, the program is compiled for good first, and `search` is the
time that it runs.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

from bench.pool import Pool
from poolproof.checker.backends.c import program as lower
from poolproof.checker.backends.c.build import FAST, Build
from poolproof.checker.core.verdict import Budget, Violated
from poolproof.checker.engines.native import native, usable_symmetry
from poolproof.checker.frontend.design import compile_design
from poolproof.checker.passes.reduce import reduce
from poolproof.checker.passes.symmetry import Symmetry
from poolproof.checker.spec.parse import parse
from poolproof.checker.spec.resolve import resolve

INVARIANTS = ("resv_exact", "free_exact", "usage_exact", "resv_backed", "no_sigbus")
"""What every peer checks, where it checks anything."""


class Last:
    """Keeps the figures of the last report."""

    seconds = 0.0

    def progress(self, **figures: int | float | str) -> None:
        self.seconds = float(figures["seconds"])


def main() -> None:
    b, v, p, symmetry, threads, until = map(int, sys.argv[1:7])
    pool = compile_design(Pool, {"B": b, "V": v, "P": p})
    resolved = resolve(parse(Path(__file__).parent / "pool.spec"), pool)
    asked = tuple(x for x in resolved.properties if x.name in INVARIANTS)
    if until:
        asked = asked[-1:]
    small = reduce(pool.system, asked)
    if sys.argv[7:]:
        found = Symmetry((), (), ())
        if symmetry:
            found = usable_symmetry(small.system, small.properties)
        lowered = lower.lower(small.system, small.properties, found)
        build = Build(lowered.text, lowered.layout.words, FAST)
        if not build.done:
            build.start()
            build.finish()
    last = Last()
    outcome = native(
        small.system,
        small.properties,
        Budget(symmetry=bool(symmetry), threads=threads),
        last,
        until_decided=bool(until),
    )
    verdict = outcome.verdicts["no_sigbus"]
    assert isinstance(verdict, Violated)
    s = outcome.statistics
    figures = {
        "states": s.states,
        "depth": s.depth,
        "sigbus": len(verdict.trace),
        "search": last.seconds,
        "memory": s.memory,
    }
    print(json.dumps(figures))


if __name__ == "__main__":
    main()
