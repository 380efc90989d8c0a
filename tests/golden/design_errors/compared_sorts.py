from poolproof.model.language import *

NODES = Scalarset("NODES", 2, prefix="n")
VMAS = Scalarset("VMAS", 2, prefix="v")


class Wrong(Design):
    home = table(VMAS, Maybe(NODES))

    @action
    def act(self, vma: VMAS):
        require(self.home[vma] == vma)
