from poolproof.model.language import *

PAGES = Int(0, 2)


class Wrong(Design):
    count = var(Int(0, 3))

    @action
    def act(self):
        require(self.count in (1, *PAGES))
