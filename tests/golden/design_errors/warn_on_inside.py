from poolproof.model.language import *

THINGS = Scalarset("THINGS", 2)


class Wrong(Design):
    count = table(THINGS, Counter(2))

    def looked(self, thing):
        warn_on(self.count[thing] == 2)
        return self.count[thing]

    @action
    def act(self):
        require(sum(self.looked(t) for t in THINGS) > 0)
