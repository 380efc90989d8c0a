from poolproof.model.language import *

NODES = Scalarset("NODES", 2, prefix="n")
VMAS = Scalarset("VMAS", 2, prefix="v")


class Wrong(Design):
    used = table(NODES, Int(0, 3))

    @action
    def act(self, vma: VMAS):
        self.used[vma] = 0
