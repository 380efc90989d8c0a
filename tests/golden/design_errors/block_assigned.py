from poolproof.model.language import *


class Pool(Block):
    free = var(Int(0, 3))


class Wrong(Design):
    pool = Pool()

    @action
    def act(self):
        self.pool = 3
