from __future__ import annotations

from poolproof.model.language import *


# === string_annotation
NODES = Scalarset("NODES", 2)


class Wrong(Design):
    used = table(NODES, Bool())

    @action
    # 19: no 'NODSE' here (did you mean 'NODES'?)
    def act(self, node: NODSE):
        self.used[node] = True
