from poolproof.model.language import *


class Wrong(Design):
    count = var(Int(0, 3))

    @action
    def act(self):
        match self.count:
            case 0:
                self.count = 1
