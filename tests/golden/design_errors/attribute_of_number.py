from poolproof.model.language import *


class Wrong(Design):
    count = var(Int(0, 3))

    @action
    def act(self):
        require(self.count.real > 0)
