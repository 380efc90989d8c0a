# SPDX-License-Identifier: GPL-2.0-only
"""A task with as many sizes open as its text allows.

A bound stays at its size where the design, or a property, does something with a
domain of that size that has no closed form. The reason has the line.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from poolproof.checker.core import ir
from poolproof.checker.core.compiled import Compiled
from poolproof.checker.core.diagnostic import UserError
from poolproof.checker.core.system import Obligation, Span
from poolproof.checker.frontend.closed_forms import NotClosed
from poolproof.checker.frontend.design import compile_design
from poolproof.checker.spec import Resolved, Sizes, Spec, resolve
from poolproof.model.language import Design

ALL = "all"
"""The name that stands for every bound."""


@dataclass(frozen=True)
class KeptBound:
    """A bound that stays at its size, and why."""

    name: str
    size: int
    why: str
    span: Span | None

    def __str__(self) -> str:
        where = f"{self.span.file}:{self.span.line}: " if self.span else ""
        return f"{self.name} stays at {self.size}: {where}{self.why}"


@dataclass(frozen=True)
class Opened:
    """A compiled design and a spec's properties with open sizes; ``kept`` are
    the bounds that were wanted open and are not."""

    compiled: Compiled
    resolved: Resolved
    kept: tuple[KeptBound, ...]


def opened(
    cls: type[Design],
    spec: Spec,
    sizes: Sizes,
    closed: Compiled,
    wanted: Iterable[str],
    before: Iterable[KeptBound] = (),
) -> Opened:
    """Return the design with the wanted bounds open, as far as possible; ``closed``
    is the same design without open bounds. Those of ``before`` stay."""
    kept = {k.name: k for k in before}
    names = frozenset(closed.bounds) if ALL in wanted else frozenset(wanted)
    names -= frozenset(kept)
    asked = {p.name for p in resolve(spec, closed).properties}

    def keep(some: Iterable[str], why: str, span: Span | None) -> frozenset[str]:
        for name in sorted(some):
            kept[name] = KeptBound(name, closed.bounds[name], why, span)
        return names - frozenset(some)

    while True:
        try:
            compiled = compile_design(
                cls, sizes.bounds, sizes.without, sizes.having, names, True
            )
            resolved = resolve(spec, compiled)
        except NotClosed as refused:
            names = keep(refused.params & names, refused.message, refused.span)
            continue
        except (UserError, ir.SortError) as mistake:
            message = getattr(mistake, "message", str(mistake))
            span = getattr(mistake, "span", None)
            names = keep(
                _in_the_way(cls, spec, sizes, names, str(mistake)), message, span
            )
            continue
        lost = asked - {p.name for p in resolved.properties}
        if lost and compiled.refused:
            first = next(iter(compiled.refused.values()))
            names = keep(first.params & names, first.message, first.span)
            continue
        used = params(compiled, resolved)
        if used == names:
            return Opened(compiled, resolved, tuple(kept.values()))
        names = used


def kept_for(loop: Obligation, closed: Compiled) -> Iterator[KeptBound]:
    """Yield the bounds of a loop that stay at their sizes, because an assumption of its
    closed form is not proved."""
    why = f"no proof excludes that {loop.message}"
    for name in sorted(loop.turns):
        yield KeptBound(name, closed.bounds[name], why, loop.span)


def _in_the_way(
    cls: type[Design],
    spec: Spec,
    sizes: Sizes,
    names: frozenset[str],
    mistake: str,
) -> frozenset[str]:
    """Return the first bound without which there is no such mistake; all of them
    if there is none."""
    for name in sorted(names):
        try:
            resolve(
                spec,
                compile_design(
                    cls, sizes.bounds, sizes.without, sizes.having, names - {name}, True
                ),
            )
        except (UserError, ir.SortError) as other:
            if str(other) == mistake:
                continue
        return frozenset({name})
    return names


def params(compiled: Compiled, resolved: Resolved) -> frozenset[str]:
    """Return the open bounds that occur in a system, its domains included, or in
    its properties."""
    system = compiled.system
    roots = [f.expr for f in system.formulas()]
    roots += [e for p in resolved.properties for e in p.formulas()]
    roots += [p.local for a in system.actions for p in a.parameters]
    domains = [d for v in system.variables for d in v.index]
    binding = (e for e in ir.subterms(*roots) if e.op in {"local", *ir.BINDERS})
    domains += [e.data[1] for e in binding]
    ends = [d.end for d in set(domains) if isinstance(d, ir.OpenDomain)]
    every = ir.subterms(*roots, *ends)
    return frozenset(e.data for e in every if e.op == "param")
