from poolproof.model.language import *


class Right(Design):
    count = var(Int(0, 3))

    @action
    def act(self):
        self.less()

    def less(self):
        self.count -= 1


class Wrong(Right):
    less = None
