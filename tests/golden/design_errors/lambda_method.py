from poolproof.model.language import *


class Wrong(Design):
    count = var(Int(0, 3))
    act = action(lambda self: None)
