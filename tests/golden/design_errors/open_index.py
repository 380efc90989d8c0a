from poolproof.model.language import *


class Wrong(Design):
    used = table(Natural(), Bool())

    @action
    def act(self):
        self.used[0] = True
