from poolproof.model.language import *

ALL = Natural()


class Wrong(Design):
    count = var(Int(0, 3))

    @action
    def act(self):
        for k in ALL:
            self.count = 0
