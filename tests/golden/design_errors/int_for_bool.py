from poolproof.model.language import *


class Wrong(Design):
    flag = var(Bool())

    @action
    def act(self):
        self.flag = 1
