from poolproof.model.language import *

NODES = Scalarset("NODES", 2, prefix="n")


class Wrong(Design):
    count = var(Int(0, 3))

    @action
    def act(self):
        pages = {n: 0 for n in NODES}
        self.count = 0
