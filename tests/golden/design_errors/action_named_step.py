from poolproof.model.language import *


class Wrong(Design):
    count = var(Int(0, 3))

    @action
    def step(self):
        self.count = 0
