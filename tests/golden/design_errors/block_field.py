from poolproof.model.language import *


class Pool(Block):
    def __init__(self, size):
        self.size = size
        self.free = var(Int(0, size), init=3)


class Wrong(Design):
    pool = Pool(Bound("B", 2))
