from poolproof.model.language import *


def make():
    total = 0

    class Wrong(Design):
        count = var(Int(0, 3))

        @action
        def act(self):
            nonlocal total
            total += 1

    return Wrong


Wrong = make()
