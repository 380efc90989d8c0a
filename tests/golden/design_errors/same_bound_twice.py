from poolproof.model.language import *


class Wrong(Design):
    count = var(Int(0, Bound("B", 2)))
    more = var(Int(0, Bound("B", 3)))
