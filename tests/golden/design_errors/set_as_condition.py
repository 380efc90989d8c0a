from poolproof.model.language import *

NODES = Scalarset("NODES", 2, prefix="n")


class Wrong(Design):
    mask = var(SetOf(NODES))

    @action
    def act(self):
        require(self.mask)
