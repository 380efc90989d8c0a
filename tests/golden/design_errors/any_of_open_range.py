from poolproof.model.language import *


class Wrong(Design):
    count = var(Natural(), init=ANY)

    @action
    def act(self):
        self.count = 0
