from poolproof.model.language import *


class Wrong(Design):
    count = var(Counter(2))

    @observer
    def seen(self):
        bug_on(self.count == 2)
        return self.count

    @action
    def act(self):
        self.count += 1
