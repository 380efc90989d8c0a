from poolproof.model.language import *

NODES = Scalarset("NODES", 2, prefix="n")


class Wrong(Design):
    mask = var(SetOf(NODES))
    used = table(NODES, Int(0, 3))

    @action
    def act(self):
        for n in self.mask:
            self.used[n] = 0
