from poolproof.model.language import *


class Wrong(Design):
    count = var(Int(0, 3))
    flag = var(Bool())

    @action
    def act(self):
        self.count = 1 if self.flag else None
