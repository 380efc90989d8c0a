from poolproof.model.language import *


class Wrong(Design):
    count = var(Wrapping(0))

    @action
    def act(self):
        self.count = 0
