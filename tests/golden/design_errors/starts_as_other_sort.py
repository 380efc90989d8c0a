from poolproof.model.language import *


class Wrong(Design):
    flag = var(Bool(), init=0)

    @action
    def act(self):
        self.flag = True
