from poolproof.model.language import *


class Wrong(Design):
    count = var(Int(0, 3))

    @action
    def act(self):
        async def less(n):
            return n - 1

        self.count = 0
