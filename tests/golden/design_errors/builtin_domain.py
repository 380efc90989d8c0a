from poolproof.model.language import *


class Wrong(Design):
    flag = var(bool)

    @action
    def act(self):
        self.flag = True
