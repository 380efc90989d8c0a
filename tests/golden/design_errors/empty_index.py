from poolproof.model.language import *


class Wrong(Design):
    used = table(Int(1, 0), Bool())

    @action
    def act(self):
        self.used[0] = True
