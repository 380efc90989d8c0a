from poolproof.model.language import *

RATIO = 0.5


class Wrong(Design):
    count = var(Int(0, 3))

    @action
    def act(self):
        self.count = RATIO
