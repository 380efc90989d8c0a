from poolproof.model.language import *

B = Bound("B", 2)
FORK = Feature("fork")
CALL = {"bounds": {"B": -1}}


class Wrong(Design):
    count = var(Int(0, B), when=FORK)
