from poolproof.model.language import *

NODES = Scalarset("NODES", 2, prefix="n")


class Wrong(Design):
    first = var(NODES)

    @action
    def act(self, node: NODES):
        self.first = node
