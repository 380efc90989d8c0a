# SPDX-License-Identifier: GPL-2.0-only
"""Actions and properties as C."""

from __future__ import annotations

from collections.abc import Sequence

from poolproof.checker.backends.c.copies import CopyWriter
from poolproof.checker.backends.c.expressions import (
    CWriter,
)
from poolproof.checker.backends.c.instances import Counting, Instance
from poolproof.checker.backends.c.loops import LoopWriter
from poolproof.checker.core.ir import (
    FALSE,
)
from poolproof.checker.core.system import (
    Action,
)


class Steps(CopyWriter, LoopWriter):
    """Prints the functions that read and make states: small actions as copies, large
    ones as loops."""

    def check(self) -> str:
        """C: which state properties fail (or are witnessed) in a state."""
        w = CWriter(self.layout, self.bounds)
        bad = [p.deciding for p in self.properties if p.kind.of_states]
        bad = list(self.prepared(*bad))
        w.share(*bad)
        for k, e in enumerate(bad):
            if e is not FALSE:
                w.line(f"if (UNLIKELY({w.text(e)})) event(T, {k}, s, 0);")
        for k, (name, j) in enumerate(self.antecedents):
            p = next(p for p in self.properties if p.name == name)
            if p.kind.of_states:
                self.note_antecedent(w, k, *self.prepared(p.antecedents[j]))
        return self.function("void check(Thread *T, const u64 *s)", w)

    def expand(self, name: str, actions: Sequence[Action], small: set[str]) -> str:
        """C: all steps of some actions from a state."""
        w = CWriter(self.layout, self.bounds)
        w.line("u32 n = o->n;")
        w.line("u32 *const id = o->id;")
        for k in range(self.layout.words):
            w.line(f"u64 *const o{k} = o->w[{k}];")
        special: list[Instance] = []
        counted: list[Counting] = []
        loops: list[Action] = []
        for a in actions:
            if a.name in small:
                special.extend(self.instances(a))
                counted.extend(self.countings(a))
            else:
                loops.append(a)
        for i in special:
            self.early(w, i)
        self.tree(w, [*special, *counted], ())
        for a in loops:
            self.loop(w, a)
            self.count_cuts(w, a)
        return self.function(
            f"void {name}(Thread *T, const u64 *restrict s, Out *restrict o)",
            w,
            "\to->n = n;\n",
        )
