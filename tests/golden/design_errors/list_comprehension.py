from poolproof.model.language import *

NODES = Scalarset("NODES", 2, prefix="n")


class Wrong(Design):
    count = var(Int(0, 3))

    @action
    def act(self):
        self.count = len([n for n in NODES])
