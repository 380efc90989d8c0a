# SPDX-License-Identifier: GPL-2.0-only
"""Invariants that specs state about a design: guesses for the lemmas of a proof.

Specs of one design overlap: an invariant of one may be the lemma that the proof of
another's property needs. An engine proves a guess before it uses it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from functools import cache
from pathlib import Path

from poolproof.checker.core import ir
from poolproof.checker.core.compiled import Compiled
from poolproof.checker.core.diagnostic import UserError
from poolproof.checker.core.ir import Expr
from poolproof.checker.driver.designs import shipped_specs
from poolproof.checker.spec import Spec, parse, resolve
from poolproof.checker.spec.heirs import lineage, nearest_named

_MOST = 40
"""Upper limit on the invariants of one design. Those that many specs state come first;
a spec of several designs counts less."""


def with_stated(compiled: Compiled, spec: Spec) -> Compiled:
    """Return the design with the invariants that the shipped specs, and those in the
    folder of ``spec``, state about it."""
    weights: dict[Expr, float] = {}
    for other in _specs_of(compiled.source, spec):
        for e in dict.fromkeys(_invariants(other, compiled)):
            weights[e] = weights.get(e, 0) + 1 / len(other.designs)
    ranked = sorted(weights, key=weights.__getitem__, reverse=True)
    return replace(compiled, stated=tuple(ranked[:_MOST]))


def texts_of(cls: type, spec: Spec) -> Iterator[tuple[str, str]]:
    """Yield the path and the text of each other spec that `with_stated` may read:
    those that mention the design."""
    beside = sorted(str(p) for p in Path(spec.file).parent.glob("*.spec"))
    paths = {Path(p).resolve(): p for p in (*shipped_specs(), *beside)}
    names = re.compile(rf"\b({'|'.join(map(re.escape, lineage(cls)))})\b")
    for path in paths.values():
        if Path(path).resolve() == Path(spec.file).resolve():
            continue
        try:
            text = Path(path).read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError):
            continue
        if names.search(text):
            yield path, text


def _specs_of(cls: type, spec: Spec) -> Iterator[Spec]:
    for path, text in texts_of(cls, spec):
        other = _parsed(path, text)
        if other and nearest_named(cls, (w.text for w in other.designs)):
            yield other


@cache
def _parsed(path: str, _text: str) -> Spec | None:
    """Return the spec in the file with this text; None if it has a mistake, which is
    not for this check to report."""
    try:
        return parse(path)
    except UserError:
        return None


def _invariants(spec: Spec, compiled: Compiled) -> Iterator[Expr]:
    """Yield the conjuncts of the spec's invariants, except those that it expects to be
    violated."""
    try:
        properties = resolve(spec, compiled).properties
    except (UserError, ir.SortError):
        return
    for p in properties:
        bad = p.expect is not None and p.expect.verdict != "holds"
        if p.kind.of_states and p.kind.safety and not p.assertion and not bad:
            formula = ir.and_(ir.defined(p.formula), p.formula)
            parts = formula.args if formula.op == "and" else (formula,)
            yield from (e for e in parts if e is not ir.TRUE)
