from poolproof.model.language import *

N = Bound("N", 2)
NODES = Scalarset("NODES", N)
CALL = {"symbolic": frozenset(("N",))}


class Wrong(Design):
    used = table(NODES, Bool())
