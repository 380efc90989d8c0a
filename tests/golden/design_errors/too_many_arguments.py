from poolproof.model.language import *


class Wrong(Design):
    count = var(Int(0, 3))

    @action
    def act(self):
        self.take(1, 2)

    def take(self, n):
        self.count -= n
