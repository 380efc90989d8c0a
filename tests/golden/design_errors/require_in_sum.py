from poolproof.model.language import *

NODES = Scalarset("NODES", 2, prefix="n")


class Wrong(Design):
    used = table(NODES, Int(0, 3))

    @action
    def act(self):
        require(all(self.has(n) for n in NODES))

    def has(self, node):
        require(self.used[node] < 3)
        return self.used[node] > 0
