from poolproof.model.language import *


class Wrong(Design):
    count = var(Int(0, 3))

    @action
    def act(self):
        pages = [1, 2]
        self.count = pages[0]
