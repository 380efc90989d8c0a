from poolproof.model.language import *


class Wrong(Design):
    count = var(Counter(2))

    @action
    def act(self, by: Counter(2)):
        self.count += by
