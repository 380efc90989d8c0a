from poolproof.model.language import *

NODES = Scalarset("NODES", 2, prefix="n")
VMAS = Scalarset("VMAS", 2, prefix="v")
PAGES = Int(0, 2)


class Wrong(Design):
    count = var(Int(0, 3))
    flag = var(Bool())
    mask = var(SetOf(NODES))
    used = table(NODES, Int(0, 3))
    home = table(VMAS, Maybe(NODES))
    page = table(VMAS, PAGES, Bool())

    # === and_for_conditions
    @action
    def act(self):
        # 17: `&` is for sets; between conditions write `and`
        require(self.flag & (self.count > 0))

    # === and_without_brackets
    @action
    def act(self):
        # 17: `&` is for sets; between conditions write `and`
        require(self.flag & self.count > 0)

    # === any_of_numbers
    @action
    def act(self):
        # 17: `self.used[n]` is an int, and a condition is needed here: compare it, as in `self.used[n] > 0`
        require(any(self.used[n] for n in NODES))

    # === attribute_of_number
    @action
    def act(self):
        # 17: an int has no attribute 'real'
        require(self.count.real > 0)

    # === bool_for_int
    @action
    def act(self):
        # 9: `True` is a bool, and a number is needed here: write `1 if ... else 0`
        self.count = True

    # === builtin_as_value
    @action
    def act(self):
        # 20: 'min' is not a value here
        smallest = min
        self.count = 0

    # === compared_sorts
    @action
    def act(self, vma: VMAS):
        # 35: `self.home[vma]` is an element of NODES and `vma` is an element of VMAS: they cannot be compared
        require(self.home[vma] == vma)

    # === conditional_of_two_sorts
    @action
    def act(self):
        # 22: `None` is the absent element of a Scalarset, and a number is needed here
        self.count = 1 if self.flag else None

    # === constant_index
    @action
    def act(self, vma: VMAS):
        # 24: `3` is not in PAGES (0..2), the domain of `page`
        self.page[vma, 3] = True

    # === division
    @action
    def act(self):
        # 22: only +, -, *, // and % on numbers
        self.count = 3 / self.count

    # === empty_loop
    @action
    def act(self):
        for k in range(0):
            left = k
        # 22: 'left' has no value yet
        self.count = left

    # === field_of_a_number
    @action
    def act(self):
        # 9: an int has no field 'pages'
        self.count.pages = 1

    # === floor_division
    @action
    def act(self):
        # 22: `//` needs a number above 0 on its right, not `self.count`
        self.count = 3 // self.count

    # === in_a_number
    @action
    def act(self):
        # 31: `3` is an int, and a set or a domain is needed here
        require(self.count in 3)

    # === index_of_local
    @action
    def act(self):
        pages = self.count
        # 22: only tables have an index: self.table[i] or self.table[i, j]
        self.count = pages[0]

    # === index_of_scalar
    @action
    def act(self):
        # 20: count is not a table: it has no index
        self.count[0] = 1

    # === int_as_condition
    @action
    def act(self):
        # 12: `self.count` is an int, and a condition is needed here: compare it, as in `self.count > 0`
        if self.count:
            self.count = 0

    # === int_compared_with_bool
    @action
    def act(self):
        # 31: `self.count` is an int and `True` is a bool: they cannot be compared
        require(self.count == True)

    # === int_for_bool
    @action
    def act(self):
        # 9: `1` is an int, and a condition is needed here: compare it, as in `1 > 0`
        self.flag = 1

    # === len_of_number
    @action
    def act(self):
        # 22: `self.count` is an int, and a set or a domain is needed here
        self.count = len(self.count)

    # === loop_over_number
    @action
    def act(self):
        # 18: `self.count` is an int: loop over a domain
        for k in self.count:
            self.count = k

    # === loop_over_set
    @action
    def act(self):
        # 18: a set has no order: loop over its domain and test `in`
        for n in self.mask:
            self.used[n] = 0

    # === maybe_as_condition
    @action
    def act(self, vma: VMAS):
        # 17: `self.home[vma]` is an element of NODES, and a condition is needed here: compare it, as in `self.home[vma] is not None`
        require(self.home[vma])

    # === min_of_bool
    @action
    def act(self):
        # 29: `self.flag` is a bool, and a number is needed here: write `1 if ... else 0`
        self.count = min(1, self.flag)

    # === missing_index
    @action
    def act(self, vma: VMAS):
        # 19: `page` takes 2 indices, not 1: it is a table over VMAS, PAGES
        self.page[vma] = True

    # === negative_of_bool
    @action
    def act(self):
        # 23: `self.flag` is a bool, and a number is needed here: write `1 if ... else 0`
        self.count = -self.flag

    # === none_as_index
    @action
    def act(self):
        # 19: `None` is not in NODES (n0..n1), the domain of `used`
        self.used[None] = 0

    # === none_for_int
    @action
    def act(self):
        # 9: `None` is the absent element of a Scalarset, and a number is needed here
        self.count = None

    # === none_in_set
    @action
    def act(self):
        # 21: no None in a set
        self.mask = {None}

    # === or_for_conditions
    @action
    def act(self):
        # 17: `|` is for sets; between conditions write `or`
        require(self.flag | (self.count > 0))

    # === order_of_elements
    @action
    def act(self, a: NODES, b: NODES):
        # 21: `<` compares numbers, and `a` is an element of NODES
        require(a < b)

    # === other_scalarset
    @action
    def act(self, vma: VMAS):
        # 19: `vma` is an element of VMAS, and an element of NODES is needed here
        self.used[vma] = 0

    # === range_of_state
    @action
    def act(self):
        # 18: write range(n) or range(a, b) of constants, and test inside the loop
        for k in range(self.count):
            self.count = k

    # === set_and_number
    @action
    def act(self):
        # 17: `self.mask` is a set of NODES and `self.count` is an int: they cannot be joined
        require(self.mask - self.count == set())

    # === set_as_condition
    @action
    def act(self):
        # 17: `self.mask` is a set of NODES, and a condition is needed here: compare it, as in `len(self.mask) > 0`
        require(self.mask)

    # === set_method
    @action
    def act(self):
        for n in NODES:
            # 13: a set of NODES has no method 'add': sets have |, & and -, write | {x}
            self.mask.add(n)

    # === set_of_generator
    @action
    def act(self):
        # 21: write {x for x in DOMAIN if condition}
        self.mask = set(n for n in NODES)

    # === set_of_other_elements
    @action
    def act(self, vma: VMAS):
        # 9: `vma` is an element of VMAS, and an element of NODES is needed here
        self.mask = {vma}

    # === set_plus
    @action
    def act(self, node: NODES):
        # 21: sets have |, & and -
        self.mask = self.mask + {node}

    # === sum_of_sets
    @action
    def act(self):
        # 17: `self.mask` is a set of NODES, and a number is needed here
        require(sum(self.mask for n in NODES) > 0)

    # === table_as_value
    @action
    def act(self):
        # 22: used is a table: read used[...]
        self.count = self.used

    # === two_sorts
    @action
    def act(self):
        if self.count > 1:
            left = self.count
        else:
            left = False
        # 22: 'left' has an int on one path and a bool on another
        self.count = left

    # === unbound_on_one_path
    @action
    def act(self):
        if self.count > 1:
            left = self.count - 1
        # 22: 'left' has a value on some paths only: give it one before the `if`
        self.count = left

    # === unknown_field
    @action
    def act(self):
        # 9: Wrong has no 'cuont' (did you mean 'count'?)
        self.cuont += 1

    # === unknown_function
    @action
    def act(self):
        # 9: no 'requires' here (did you mean 'require'?)
        requires(self.count > 0)

    # === unknown_name
    @action
    def act(self):
        # 22: no 'cuont' here (did you mean 'self.count'?)
        self.count = cuont + 1

    # === whole_table
    @action
    def act(self):
        # 9: used is a table: assign to used[...] entry by entry
        self.used = 0
