from poolproof.model.language import *


class Wrong(Design):
    LIMIT = 3

    @action
    def act(self):
        self.LIMIT = 4
