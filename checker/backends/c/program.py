# SPDX-License-Identifier: GPL-2.0-only
"""The IR as a C program: the half that is particular to one system.

checker/backends/c/search.c is the search that it is compiled with. A state is
a few 64-bit words; every cell is a bit field as wide as its declared range
needs (layout.py). expressions.py, steps.py, successor.py and canonical.py print
the parts.
"""

from __future__ import annotations

import math

from poolproof.checker.backends.c.canonical import canonical_text
from poolproof.checker.backends.c.expressions import row
from poolproof.checker.backends.c.layout import (
    OPEN_BITS,
    Unsupported,
    lay_out,
    widths,
)
from poolproof.checker.backends.c.lowered import Cut, Event, Lowered
from poolproof.checker.backends.c.steps import Steps
from poolproof.checker.core.property import Property
from poolproof.checker.core.system import TransitionSystem
from poolproof.checker.passes.symmetry import Symmetry

__all__ = ["OPEN_BITS", "Cut", "Event", "Lowered", "Unsupported", "lower", "widths"]


def lower(
    system: TransitionSystem, properties: tuple[Property, ...], found: Symmetry
) -> Lowered:
    """Return the system, which has no rigid params, as C that includes canon.h
    and search.h."""
    held = widths(system)
    layout = lay_out(system, held.ranges, found)
    made = Steps(system, properties, held, layout)
    doubted = {name for _, name in found.doubts}
    small = made.small()
    actions = system.actions
    sure = [a for a in actions if a.name not in doubted]
    rest = [a for a in actions if a.name in doubted]
    functions = [made.check(), made.expand("expand", sure, small)]
    functions.append(made.expand("doubted", rest, small))
    symmetric = bool(found.sorts or found.indices)
    if symmetric:
        functions.append(canonical_text(layout, found))
    doubtful = {sort for sort, _ in found.doubts}
    members = math.prod(math.factorial(sort.size) for sort in doubtful)
    widest = max(-made.least, made.most)
    if widest >= 1 << 126:
        raise Unsupported("an expression needs more than 126 bits")
    value = "int" if widest < 1 << 30 else "long long" if widest < 1 << 62 else ""
    kinds = {
        "wanted": [e.kind in ("state", "step") for e in made.events],
        "is_open": [e.kind == "open" for e in made.events],
        "by_step": [e.by_step for e in made.events],
    }
    deadlock = next(k for k, e in enumerate(made.events) if e.kind == "deadlock")
    head = [
        f"/* {system.name}: {len(made.steps)} steps */\n",
        f"#define WORDS {layout.words}",
        f"#define EACH_WORD(DO) {' '.join(f'DO({k})' for k in range(layout.words))}",
        f"#define VALUE {value or '__int128'}",
        *(["#define SYMMETRIC"] if symmetric else []),
        '#include "canon.h"\n',
        layout.text(),
    ]
    if any("cell_word[" in f for f in functions):
        head.append(row("cell_word", (s.word for s in layout.slots)))
        head.append(row("cell_shift", (s.shift for s in layout.slots)))
    head.extend(row(name, map(int, of)) for name, of in kinds.items())
    head.append(
        f"const struct model model = {{ {len(made.steps)}, {len(made.counters)}, "
        f"{len(made.antecedents)}, {len(made.events)}, {deadlock}, {int(symmetric)}, "
        f"{members - 1}, {', '.join(kinds)} }};\n"
    )
    return Lowered(
        "\n".join([*head, *functions]),
        layout,
        tuple(made.events),
        made.steps,
        made.results,
        tuple(made.counters),
        tuple(made.antecedents),
    )
