from poolproof.model.language import *


class Wrong(Design):
    count = var(Int(0, 3), init=4)

    @action
    def act(self):
        self.count = 0
