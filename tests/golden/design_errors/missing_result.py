from enum import Enum

from poolproof.model.language import *


class Errno(Enum):
    OK = 0
    ENOMEM = 1


class Wrong(Design):
    count = var(Int(0, 3))

    @action
    def act(self) -> Errno:
        self.count = 0
