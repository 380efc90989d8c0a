from poolproof.model.language import *


class Wrong(Design):
    used = table(Scalarset("NODES", 2), Bool())
    home = table(Scalarset("NODES", 3), Bool())
