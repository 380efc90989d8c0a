# SPDX-License-Identifier: GPL-2.0-only
"""What `expect` may say of a claim."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from poolproof.checker.core.diagnostic import UserError
from poolproof.checker.core.property import Kind
from poolproof.checker.spec.names import suggestion
from poolproof.checker.spec.syntax import Expect, Word, once


def check_expectations(expects: Sequence[Expect], kind: Kind) -> None:
    """Raise UserError if an expectation does not fit the kind of property, or if two
    are about the same design under the same label."""
    for e in expects:
        _check_verdict(e, kind)
    once((w for e in expects for w in _named(e)), "has two expectations")
    once(
        (
            Word("expect", e.span)
            for e in expects
            if not (e.designs or e.labels or e.actions)
        ),
        "stands twice: say which designs, as in `expect holds for Hugetlb`, or "
        "which bounds, as in `expect holds under wide`",
    )


def _named(e: Expect) -> Iterator[Word]:
    """Yield each design with each label that an expectation names."""
    for a in e.actions or (Word("", e.span),):
        on = f"on {a.text} " if a.text else ""
        if not e.labels:
            yield from (Word(f"{on}{d.text}", d.span) for d in e.designs)
        if on and not (e.labels or e.designs):
            yield Word(on.strip(), a.span)
        for label in e.labels:
            under = f"under {label.text}"
            yield from (Word(f"{on}{d.text} {under}", label.span) for d in e.designs)
            if not e.designs:
                yield Word(f"{on}{under}", label.span)


def check_no_actions(expects: Iterable[Expect]) -> None:
    """Raise UserError for an expectation of an action where the claim is about one
    action or none."""
    for word in (a for e in expects for a in e.actions):
        raise UserError(
            word.span,
            "`on` names one action of a property that is about several: "
            "`step NAME on failure`",
        )


def _check_verdict(e: Expect, kind: Kind) -> None:
    good, bad = kind.outcomes
    if e.verdict not in (good, bad, "vacuous", "unknown"):
        can = f"is {good}, {bad}" if kind.wants_witness else "holds, is violated"
        raise UserError(e.span, f"{kind.noun} {can}, vacuous or unknown")


def check_designs(expects: Iterable[Expect], designs: Sequence[Word]) -> None:
    """Raise UserError for an expectation of a design that the spec is not for."""
    known = [d.text for d in designs]
    for word in (d for e in expects for d in e.designs):
        if known and word.text not in known:
            raise UserError(
                word.span,
                f"`{word.text}` is not among the designs of this spec: "
                + ", ".join(known),
            )


def check_labels(expects: Iterable[Expect], known: Sequence[str]) -> None:
    """Raise UserError for an expectation under bounds that the spec does not have."""
    for word in (label for e in expects for label in e.labels):
        if word.text not in known:
            raise UserError(
                word.span,
                f"no bounds of this spec are labelled `{word.text}`"
                f"{suggestion(word.text, known)}: "
                f"{'there are ' + ', '.join(known) if known else 'none has a label'}",
            )
