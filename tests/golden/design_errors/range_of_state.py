from poolproof.model.language import *

NODES = Scalarset("NODES", 2, prefix="n")


class Wrong(Design):
    used = table(NODES, Int(0, 3))
    count = var(Int(0, 3))

    @action
    def act(self):
        for k in range(self.count):
            self.count = k
