from poolproof.model.language import *

NODES = Scalarset("NODES", 2, prefix="n")


class Wrong(Design):
    count = var(Int(0, 3))

    @action
    def act(self):
        require(sum(self.take() for n in NODES) > 0)

    def take(self):
        self.count -= 1
        return 1
