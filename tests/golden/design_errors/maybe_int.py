from poolproof.model.language import *


class Wrong(Design):
    count = var(Maybe(Int(0, 1)))

    @action
    def act(self):
        self.count = None
