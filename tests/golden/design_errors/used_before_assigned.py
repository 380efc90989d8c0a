from poolproof.model.language import *

LIMIT = 3


class Wrong(Design):
    count = var(Int(0, 3))

    @action
    def act(self):
        self.count = LIMIT
        LIMIT = 2
