from poolproof.model.language import *


class Wrong(Design):
    count = var(Int(0, 3))

    @action
    def act(self):
        try:
            self.count -= 1
        except* ModelError:
            self.count = 0
