from poolproof.model.language import *


class Wrong(Design):
    count = var(Int(0, 3))

    @action
    def act(self):
        require((left := self.count) > 0)
        self.count = left - 1
