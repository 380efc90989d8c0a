from poolproof.model.language import *

FORK = Feature("fork", False)
NODES = Scalarset("NODES", 2, prefix="n")
VMAS = Scalarset("VMAS", 2, prefix="v")


class Pool(Block):
    spare = var(Int(0, 3))


class Wrong(Design):
    count = var(Int(0, 3))
    flag = var(Bool())
    mask = var(SetOf(NODES))
    used = table(NODES, Int(0, 3))
    home = table(VMAS, Maybe(NODES))
    copies = var(Int(0, 3), when=FORK)
    pages = table(VMAS, Int(0, 3), when=FORK)
    pool = Pool()

    @action
    def act(self, vma: VMAS, node: Maybe(NODES), n: Int(0, 3)):
        self.used[node] -= n

    @action(when=FORK)
    def fork(self):
        self.copies += 1


design = Wrong()
v0, v1 = (Element("VMAS", "v", k) for k in range(2))
n0, n1, n2 = (Element("NODES", "n", k) for k in range(3))


def run():
    design.step("act", v0, n1, 2)
