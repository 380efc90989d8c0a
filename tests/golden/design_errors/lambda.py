from poolproof.model.language import *


class Wrong(Design):
    count = var(Int(0, 3))

    @action
    def act(self):
        less = lambda n: n - 1
        self.count = less(self.count)
