from poolproof.model.language import *


class Wrong(Design):
    count = var(Int(3, 1))

    @action
    def act(self):
        self.count = 0
