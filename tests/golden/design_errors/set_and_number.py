from poolproof.model.language import *

NODES = Scalarset("NODES", 2, prefix="n")


class Wrong(Design):
    mask = var(SetOf(NODES))
    count = var(Int(0, 3))

    @action
    def act(self):
        require(self.mask - self.count == set())
