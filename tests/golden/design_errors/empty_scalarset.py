from poolproof.model.language import *

EMPTY = Scalarset("EMPTY", 0)


class Wrong(Design):
    used = table(EMPTY, Bool())

    @action
    def act(self):
        return
