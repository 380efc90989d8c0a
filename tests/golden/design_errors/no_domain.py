from poolproof.model.language import *


class Wrong(Design):
    count = var(3)

    @action
    def act(self):
        self.count = 0
