from poolproof.model.language import *

VMAS = Scalarset("VMAS", 2, prefix="v")
PAGES = Int(0, 2)


class Wrong(Design):
    page = table(VMAS, PAGES, Bool())

    @action
    def act(self, vma: VMAS):
        self.page[vma] = True
