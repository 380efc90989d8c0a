from poolproof.model.language import *


class Wrong(Design):
    mask = var(SetOf(Natural()))

    @action
    def act(self):
        self.mask = set()
