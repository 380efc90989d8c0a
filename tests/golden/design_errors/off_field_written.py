from poolproof.model.language import *

FORK = Feature("fork", False)


class Wrong(Design):
    copies = var(Int(0, 3), when=FORK)

    @action
    def act(self):
        self.copies = 1
