from poolproof.model.language import *


class Wrong(Design):
    count = var(Counter(2))

    @action
    def act(self):
        bug_on("no count")
