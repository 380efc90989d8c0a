from poolproof.model.language import *


class Wrong(Design):
    count = var(Int(0, 3), init=ANY)

    def initial(self):
        return self.count
