from poolproof.model.language import *


class Wrong(Design):
    count = var(Int(0, 0.5))

    @action
    def act(self):
        self.count = 0
