from poolproof.model.language import *


class Right(Design):
    count = var(Int(0, 3))


class Wrong(Right):
    @action
    def act(self):
        super().act()
