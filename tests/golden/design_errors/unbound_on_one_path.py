from poolproof.model.language import *


class Wrong(Design):
    count = var(Int(0, 3))

    @action
    def act(self):
        if self.count > 1:
            left = self.count - 1
        self.count = left
