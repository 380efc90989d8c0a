# SPDX-License-Identifier: GPL-2.0-only
"""The number of a table's cell in the text of a program, from its index; and that of
an element's bit in a set."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from poolproof.checker.core.interval import inside
from poolproof.checker.core.ir import Domain, Expr


def cell_number(
    first: int,
    domains: Sequence[Domain],
    index: Sequence[Expr],
    texts: Sequence[str],
    test: Callable[[str, Domain], str],
    false: str,
) -> tuple[str, list[str]]:
    """Return the text of the cell's number, and the conditions under which there is
    such a cell. ``first`` is the number of the table's first cell; ``texts`` are those
    of the index; ``test`` gives the text of "the value is in the domain"; ``false`` is
    the text of a false condition."""
    base, stride = first, 1
    terms: list[str] = []
    checks: list[str] = []
    for d, i, text in reversed(list(zip(domains, index, texts, strict=True))):
        if i.is_const:
            base += (i.data - d.lo) * stride
            if i.data not in d:
                checks.append(false)
        else:
            base -= d.lo * stride
            terms.append(text if stride == 1 else f"{text} * {stride}")
            if not inside(i.interval, d):
                checks.append(test(text, d))
        stride *= len(d)
    return " + ".join([*terms, str(base)] if base or not terms else terms), checks


def bit_number(
    element: Expr, text: str, domain: Domain, test: Callable[[str, Domain], str]
) -> tuple[str, str]:
    """Return the text of the number of the element's bit, and the condition that it
    has one (empty: always). ``text`` and ``test`` are as in `cell_number`. What has a
    name is computed wherever it stands, even for a value outside the domain."""
    return (
        f"({text} - {domain.lo})" if domain.lo else text,
        "" if inside(element.interval, domain) else test(text, domain),
    )
