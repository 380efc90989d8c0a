from poolproof.model.language import *


class Wrong(Design):
    count = var(Int(0, 3))
    flag = var(Bool())

    @action
    def act(self):
        if self.flag and self.take():
            self.flag = False

    def take(self):
        self.count -= 1
        return True
