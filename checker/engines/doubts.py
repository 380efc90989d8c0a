# SPDX-License-Identifier: GPL-2.0-only
"""Doubts about a symmetry that z3 settles; its answers are kept in the cache.

`find_symmetry` is in doubt where an action names elements of a scalarset, as a loop
over them does that was unrolled. The search need not watch an action that
`equivariant` says yes to.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Iterator
from functools import cache
from pathlib import Path

from poolproof.checker.core.cache import content, keep, own_folder
from poolproof.checker.core.digest import digest
from poolproof.checker.core.ir import Expr
from poolproof.checker.core.limits import doing
from poolproof.checker.core.property import Property
from poolproof.checker.core.ranges import declared
from poolproof.checker.core.system import TransitionSystem
from poolproof.checker.passes.symmetry import Doubt

_YES, _NO = b"equivariant", b"not known to be"
"""The content of a cached answer."""

_SOURCES = ("backends/smt.py", "engines/equivariant.py", "passes/equivariance.py")
"""What an answer depends on besides the system and z3."""

_answers: dict[str, bool] = {}


def unfounded(
    system: TransitionSystem, properties: Iterable[Property], doubts: Iterable[Doubt]
) -> frozenset[Doubt]:
    """Return the doubts that are unfounded: the action is equivariant under the
    scalarset's permutations, in all states within their ranges. Without z3, none."""
    if not (asked := tuple(doubts)):
        return frozenset()
    try:
        _versions()
    except ModuleNotFoundError:
        return frozenset()
    mine = tuple(p for p in properties if p.assertion)
    with doing("settling the symmetry"):
        return frozenset(d for d in asked if _answer(system, mine, d))


def _answer(
    system: TransitionSystem, assertions: tuple[Property, ...], doubt: Doubt
) -> bool:
    sort, name = doubt
    mine = tuple(p for p in assertions if p.action == name)
    key = digest(_read(system, mine, name), sort.name, _ranges(system), _versions())
    if key in _answers:
        return _answers[key]
    with contextlib.suppress(OSError):
        kept = content(own_folder() / key)
        if kept is not None:
            _answers[key] = kept == _YES
            return _answers[key]
    from poolproof.checker.engines.equivariant import equivariant

    answer = equivariant(system, mine, system.action_by_name[name], sort)
    if answer is None:
        return False
    _answers[key] = answer
    with contextlib.suppress(OSError):
        keep(own_folder() / key, _YES if answer else _NO)
    return answer


def _read(
    system: TransitionSystem, assertions: tuple[Property, ...], name: str
) -> Iterator[Expr]:
    """Yield the expressions that the question is about."""
    action = system.action_by_name[name]
    yield from (p.local for p in action.parameters)
    for variable, update in action.updates.items():
        yield system.by_name[variable].now
        yield update
    yield from (f.expr for f in action.formulas())
    yield from (p.formula for p in assertions)


def _ranges(system: TransitionSystem) -> str:
    return repr([(v.name, declared(v)) for v in system.variables])


@cache
def _versions() -> str:
    """Return what an answer depends on besides the system. Raise ModuleNotFoundError
    without z3."""
    from importlib.metadata import version  # slow, and most systems have no doubts

    checker = Path(__file__).parents[1]
    texts = [(checker / name).read_text(encoding="utf-8") for name in _SOURCES]
    return "\0".join([version("z3-solver"), *texts])
