# SPDX-License-Identifier: GPL-2.0-only
"""The sets of features with which a property is known to be violated.

They stand beside the spec, in a file of its name that ends in .triples:

    for Hugetlb, Hugetlb70
    # why
    resv_backed with inject, surplus

Each line is one smallest set, without what its features need. `for` says of which
designs; lines for a base are for its heirs, as in a spec.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from poolproof.checker.core.diagnostic import UserError
from poolproof.checker.core.property import Property
from poolproof.checker.core.system import Span
from poolproof.checker.core.user_file import read_text
from poolproof.checker.spec import Spec
from poolproof.checker.spec.heirs import nearest_named
from poolproof.model.language import Design

_LINE = re.compile(r"(for|[^\W\d][\w.]*\s+with)\s+(\w+(?:\s*,\s*\w+)*)")


@dataclass(frozen=True)
class KnownSet:
    """A smallest set of ``features`` that violates ``name``, of these designs."""

    designs: tuple[str, ...]
    name: str
    features: tuple[str, ...]


def known_sets(
    spec: Spec, design: type[Design], prop: Property
) -> tuple[tuple[str, ...], ...]:
    """Return the sets with which the property is expected to be violated. Raise
    UserError for a line that is neither `for` nor `NAME with FEATURES`."""
    path = str(Path(spec.file).with_suffix(".triples"))
    if not Path(path).is_file():
        return ()
    lines = _read(path, read_text(path, "known sets"))
    names = {name for line in lines for name in line.designs}
    nearest = nearest_named(design, names)
    return tuple(
        line.features
        for line in lines
        if nearest in line.designs and line.name == prop.name
    )


@cache
def _read(path: str, text: str) -> Sequence[KnownSet]:
    designs: tuple[str, ...] = ()
    found: list[KnownSet] = []
    for number, whole in enumerate(text.splitlines(), 1):
        line = whole.partition("#")[0].strip()
        if not line:
            continue
        match = _LINE.fullmatch(line)
        if match is None:
            raise UserError(
                Span(path, number, 1), "write `for DESIGN`, or `PROPERTY with FEATURES`"
            )
        names = tuple(re.split(r"\s*,\s*", match[2]))
        if match[1] == "for":
            designs = names
        elif not designs:
            raise UserError(Span(path, number, 1), "write `for DESIGN` above this")
        else:
            found.append(KnownSet(designs, match[1].split()[0], names))
    return tuple(found)
