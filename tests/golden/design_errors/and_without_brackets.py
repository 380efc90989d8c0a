from poolproof.model.language import *


class Wrong(Design):
    count = var(Int(0, 3))
    flag = var(Bool())

    @action
    def act(self):
        require(self.flag & self.count > 0)
