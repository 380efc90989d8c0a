from poolproof.model.language import *


def twice(method):
    def both(*arguments):
        method(*arguments)
        method(*arguments)

    both.__name__ = method.__name__
    return both


class Wrong(Design):
    count = var(Int(0, 3))

    @action
    @twice
    def act(self):
        self.count += 1
