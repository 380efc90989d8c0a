from poolproof.model.language import *


class Pool(Block):
    free = var(Int(0, 3))

    @action
    def take(self):
        self.free -= 1


class Wrong(Design):
    pool = Pool()
