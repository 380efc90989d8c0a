from poolproof.model.language import *


class Wrong(Design):
    count = var(Int(0, 3))

    @observer
    def act(self):
        self.count -= 1
        return self.count
