from __future__ import annotations

from poolproof.model.language import *

NODES = Scalarset("NODES", 2)


class Wrong(Design):
    used = table(NODES, Bool())

    @action
    def act(self, node: NODSE):
        self.used[node] = True
