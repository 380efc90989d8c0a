from poolproof.model.language import *

PAGES = Int(0, 2)


class Wrong(Design):
    pages = var(SetOf(PAGES))

    @action
    def act(self):
        self.pages = {3}
