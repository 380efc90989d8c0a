from poolproof.model.language import *


# === any_of_open_range
class Wrong(Design):
    # 5: count: init=ANY needs a finite range
    count = var(Natural(), init=ANY)

    @action
    def act(self):
        self.count = 0


# === async
class Wrong(Design):
    count = var(Int(0, 3))

    # 1: Wrong.act is not a plain method: write `def`, with no decorator but @action and @observer
    @action
    async def act(self):
        self.count = 0


# === block_assigned
class Pool(Block):
    free = var(Int(0, 3))


class Wrong(Design):
    pool = Pool()

    @action
    def act(self):
        # 9: pool is a block: assign to its fields
        self.pool = 3


# === block_field
class Pool(Block):
    def __init__(self, size):
        self.size = size
        # 9: pool.free: it starts as 3, outside integers 0..2
        self.free = var(Int(0, size), init=3)


class Wrong(Design):
    pool = Pool(Bound("B", 2))


# === bound_negative
B = Bound("B", 2)
FORK = Feature("fork")
CALL = {"bounds": {"B": -1}}


# 1: B = -1: B is at least 1
class Wrong(Design):
    count = var(Int(0, B), when=FORK)


# === bound_not_a_number
B = Bound("B", 2)
FORK = Feature("fork")
CALL = {"bounds": {"B": True}}


# 1: B = True: a bound is a number
class Wrong(Design):
    count = var(Int(0, B), when=FORK)


# === bound_unknown
B = Bound("B", 2)
FORK = Feature("fork")
CALL = {"bounds": {"b": 2}}


# 1: Wrong has no bound 'b' (did you mean 'B'?)
class Wrong(Design):
    count = var(Int(0, B), when=FORK)


# === bound_zero
B = Bound("B", 2)
FORK = Feature("fork")
CALL = {"bounds": {"B": 0}}


# 1: B = 0: B is at least 1
class Wrong(Design):
    count = var(Int(0, B), when=FORK)


# === bug_on_in_observer
class Wrong(Design):
    count = var(Counter(2))

    @observer
    def seen(self):
        # 9: bug_on() is allowed only in actions
        bug_on(self.count == 2)
        return self.count

    @action
    def act(self):
        self.count += 1


# === bug_on_without_condition
class Wrong(Design):
    count = var(Counter(2))

    @action
    def act(self):
        # 16: no strings: name an Enum's member
        bug_on("no count")


# === builtin_domain
class Wrong(Design):
    # 5: flag: bool is not a domain: write Bool()
    flag = var(bool)

    @action
    def act(self):
        self.flag = True


# === counter_parameter
class Wrong(Design):
    count = var(Counter(2))

    @action
    # 19: a Counter is a field's domain: write Int(0, hi)
    def act(self, by: Counter(2)):
        self.count += by


# === decorated
def twice(method):
    # 1: twice.<locals>.both is not a plain method: write `def`, with no decorator but @action and @observer
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


# === empty_field
class Wrong(Design):
    # 5: count: integers 3..1 is empty
    count = var(Int(3, 1))

    @action
    def act(self):
        self.count = 0


# === empty_index
class Wrong(Design):
    # 5: used: its index, integers 1..0, is empty
    used = table(Int(1, 0), Bool())

    @action
    def act(self):
        self.used[0] = True


# === empty_scalarset
EMPTY = Scalarset("EMPTY", 0)


class Wrong(Design):
    # 5: used: its index, EMPTY, is empty
    used = table(EMPTY, Bool())

    @action
    def act(self):
        return


# === feature_unknown
B = Bound("B", 2)
FORK = Feature("fork")
CALL = {"without": ("frok",)}


# 1: Wrong has no feature 'frok' (did you mean 'fork'?)
class Wrong(Design):
    count = var(Int(0, B), when=FORK)


# === fields_in_init
class Wrong(Design):
    def __init__(self):
        self.count = var(Int(0, 3))

    @action
    def act(self):
        # 9: Wrong has no 'count'; there is act. A design's __init__ is not read: write count = var(DOMAIN) in the class body
        self.count = 0


# === float_size
class Wrong(Design):
    # 5: count: 0.5 is not a size: write a number or a Bound
    count = var(Int(0, 0.5))

    @action
    def act(self):
        self.count = 0


# === in_open_range
ALL = Natural()


class Wrong(Design):
    count = var(Int(0, 3))

    @action
    def act(self):
        # 31: integers 0..inf is not a finite domain: give it both ends
        require(self.count in ALL)


# === initial_is_no_condition
class Wrong(Design):
    count = var(Int(0, 3), init=ANY)

    # 5: initial(self) returns a condition
    def initial(self):
        return self.count


# === int_outside_set
PAGES = Int(0, 2)


class Wrong(Design):
    pages = var(SetOf(PAGES))

    @action
    def act(self):
        # 9: `3` is not in 0..2, the domain of this set
        self.pages = {3}


# === lambda_method
class Wrong(Design):
    count = var(Int(0, 3))
    # 1: Wrong.<lambda> is not a plain method: write `def`, with no decorator but @action and @observer
    act = action(lambda self: None)


# === loop_over_open_range
ALL = Natural()


class Wrong(Design):
    count = var(Int(0, 3))

    @action
    def act(self):
        # 18: integers 0..inf is not a finite domain: give it both ends
        for k in ALL:
            self.count = 0


# === maybe_int
class Wrong(Design):
    # 5: count: Maybe(integers 0..1): only a Scalarset can be absent
    count = var(Maybe(Int(0, 1)))

    @action
    def act(self):
        self.count = None


# === needs_initial
NODES = Scalarset("NODES", 2, prefix="n")


class Wrong(Design):
    # 5: first: a field over NODES needs an initial value: make it Maybe(NODES), or init=ANY
    first = var(NODES)

    @action
    def act(self, node: NODES):
        self.first = node


# === no_bits
class Wrong(Design):
    # 5: count: Wrapping(0): a number of bits, like 64
    count = var(Wrapping(0))

    @action
    def act(self):
        self.count = 0


# === no_domain
class Wrong(Design):
    # 5: count: 3 is not a domain: write Int(lo, hi), Bool(), an Enum class, Scalarset(...), Maybe(...), SetOf(...), Wrapping(bits), Counter(hi)
    count = var(3)

    @action
    def act(self):
        self.count = 0


# === nonlocal
def make():
    total = 0

    class Wrong(Design):
        count = var(Int(0, 3))

        @action
        def act(self):
            # 13: an action changes fields only: declare one with var()
            nonlocal total
            total += 1

    return Wrong


Wrong = make()


# === not_a_field
class Wrong(Design):
    LIMIT = 3

    @action
    def act(self):
        # 9: LIMIT is not a field of Wrong: declare it with var() or table()
        self.LIMIT = 4


# === off_field_written
FORK = Feature("fork", False)


class Wrong(Design):
    copies = var(Int(0, 3), when=FORK)

    @action
    def act(self):
        # 9: copies is off and cannot change: write it under `if FEATURE:`
        self.copies = 1


# === open_index
class Wrong(Design):
    # 5: used: integers 0..inf is not an index: give the domain both ends
    used = table(Natural(), Bool())

    @action
    def act(self):
        self.used[0] = True


# === removed_helper
class Right(Design):
    count = var(Int(0, 3))

    @action
    def act(self):
        # 9: 'less' is not a method of Wrong
        self.less()

    def less(self):
        self.count -= 1


class Wrong(Right):
    less = None


# === same_bound_twice
# 1: two different Bounds are called 'B'
class Wrong(Design):
    count = var(Int(0, Bound("B", 2)))
    more = var(Int(0, Bound("B", 3)))


# === same_scalarset_twice
# 1: two different Scalarsets are called 'NODES'
class Wrong(Design):
    used = table(Scalarset("NODES", 2), Bool())
    home = table(Scalarset("NODES", 3), Bool())


# === set_of_open_range
class Wrong(Design):
    # 5: mask: SetOf(integers 0..inf): give the domain both ends
    mask = var(SetOf(Natural()))

    @action
    def act(self):
        self.mask = set()


# === sets_of_two_domains
NODES = Scalarset("NODES", 2, prefix="n")
VMAS = Scalarset("VMAS", 2, prefix="v")


class Wrong(Design):
    mask = var(SetOf(NODES))
    others = var(SetOf(VMAS))

    @action
    def act(self):
        # 21: `self.mask` is a set of NODES and `self.others` is a set of VMAS: they cannot be joined
        self.mask = self.mask | self.others


# === starts_as_other_sort
class Wrong(Design):
    # 5: flag: it starts as 0, no value of bool
    flag = var(Bool(), init=0)

    @action
    def act(self):
        self.flag = True


# === starts_outside
class Wrong(Design):
    # 5: count: it starts as 4, outside integers 0..3
    count = var(Int(0, 3), init=4)

    @action
    def act(self):
        self.count = 0


# === super_above_nothing
class Right(Design):
    count = var(Int(0, 3))


class Wrong(Right):
    @action
    def act(self):
        # 9: 'act' is not a method of a base class of Wrong
        super().act()


# === symbolic_loop
B = Bound("B", 2)
CALL = {"symbolic": frozenset(("B",))}


class Wrong(Design):
    count = var(Int(0, B))

    @action
    def act(self):
        # 18: write range(n) or range(a, b) of constants, and test inside the loop
        for k in range(B):
            self.count += 1


# === symbolic_size
N = Bound("N", 2)
NODES = Scalarset("NODES", N)
CALL = {"symbolic": frozenset(("N",))}


class Wrong(Design):
    # 5: used: the size of NODES cannot stay symbolic
    used = table(NODES, Bool())


# === syntax_in_annotation
NODES = Scalarset("NODES", 2)


class Wrong(Design):
    used = table(NODES, Bool())

    @action
    # 19: annotation 'NODES or': invalid syntax
    def act(self, node: "NODES or"):
        self.used[node] = True


# === unusable_constant
RATIO = 0.5


class Wrong(Design):
    count = var(Int(0, 3))

    @action
    def act(self):
        # 22: 0.5 is not an integer: count pages
        self.count = RATIO


# === used_before_assigned
LIMIT = 3


class Wrong(Design):
    count = var(Int(0, 3))

    @action
    def act(self):
        # 22: 'LIMIT' has no value yet
        self.count = LIMIT
        LIMIT = 2


# === warn_on_inside
THINGS = Scalarset("THINGS", 2)


class Wrong(Design):
    count = table(THINGS, Counter(2))

    def looked(self, thing):
        warn_on(self.count[thing] == 2)
        return self.count[thing]

    @action
    def act(self):
        # 17: no bug_on() or warn_on() inside: write bug_on(any(...))
        require(sum(self.looked(t) for t in THINGS) > 0)
