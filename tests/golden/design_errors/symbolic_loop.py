from poolproof.model.language import *

B = Bound("B", 2)
CALL = {"symbolic": frozenset(("B",))}


class Wrong(Design):
    count = var(Int(0, B))

    @action
    def act(self):
        for k in range(B):
            self.count += 1
