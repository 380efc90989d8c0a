from poolproof.model.language import *

NODES = Scalarset("NODES", 2, prefix="n")
VMAS = Scalarset("VMAS", 2, prefix="v")


class Wrong(Design):
    mask = var(SetOf(NODES))

    @action
    def act(self, vma: VMAS):
        self.mask = {vma}
