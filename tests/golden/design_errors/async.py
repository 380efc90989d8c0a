from poolproof.model.language import *


class Wrong(Design):
    count = var(Int(0, 3))

    @action
    async def act(self):
        self.count = 0
