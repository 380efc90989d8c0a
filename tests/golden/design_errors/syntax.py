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

    # === absolute
    @action
    def act(self):
        # 22: abs() cannot be called in an action: write max(x, -x)
        self.count = abs(self.count - 2)

    # === annotation_only
    @action
    def act(self):
        # 9: give the variable a value
        left: int
        self.count = 0

    # === any_without_for
    @action
    def act(self):
        # 17: write any(... for x in DOMAIN)
        require(any(self.count > 0))

    # === assert_tuple
    @action
    def act(self):
        # 9: a tuple is always true: write assert condition, message
        assert (self.count > 0, "no page")

    # === augmented_unbound
    @action
    def act(self):
        # 9: 'left' has no value yet
        left += 1
        self.count = left

    # === break
    @action
    def act(self):
        for n in NODES:
            if self.used[n] > 0:
                # 17: no `break`: put the loop into a helper method and return
                break

    # === chained_targets
    @action
    def act(self):
        # 9: assign to one target at a time
        left = self.count = 0

    # === continue
    @action
    def act(self):
        for n in NODES:
            if self.used[n] == 0:
                # 17: no `continue`: put the rest of the body under an `if`
                continue
            self.used[n] -= 1

    # === del
    @action
    def act(self):
        # 9: no `del`: assign None, False or the empty set
        del self.count

    # === dict
    @action
    def act(self):
        # 17: no dict: use a table over a domain
        pages = {0: 1}
        self.count = pages[0]

    # === dict_comprehension
    @action
    def act(self):
        # 17: no dict: use a table over a domain
        pages = {n: 0 for n in NODES}
        self.count = 0

    # === f_string
    @action
    def act(self):
        # 16: no strings: name an Enum's member
        name = f"{self.count}"

    # === float
    @action
    def act(self):
        # 22: 0.5 is not an integer: count pages
        self.count = 0.5

    # === for_else
    @action
    def act(self):
        # 9: write `for name in DOMAIN:` (one name, no else)
        for n in NODES:
            self.used[n] = 0
        else:
            self.used[n] = 1

    # === for_pair
    @action
    def act(self):
        # 9: write `for name in DOMAIN:` (one name, no else)
        for n, m in NODES:
            self.used[n] = 0

    # === from_import
    @action
    def act(self):
        # 9: import at the top of the file
        from math import floor

        self.count = floor(1)

    # === function_call
    @action
    def act(self):
        # 9: print() cannot be called in an action: run it under pdb instead
        print(self.count)

    # === generator
    @action
    def act(self):
        # 16: only inside sum(), any() or all()
        free = (self.used[n] for n in NODES)

    # === global
    @action
    def act(self):
        # 9: an action changes fields only: declare one with var()
        global TOTAL
        self.count = 0

    # === import
    @action
    def act(self):
        # 9: import at the top of the file
        import math

        self.count = math.floor(1.5)

    # === invert
    @action
    def act(self):
        # 17: no ~: write `not`, or DOMAIN minus the set
        require(~self.flag)

    # === is_for_elements
    @action
    def act(self, vma: VMAS, node: NODES):
        # 35: `is` is for None: write `==`
        require(self.home[vma] is node)

    # === is_for_numbers
    @action
    def act(self):
        # 31: `is` is for None: write `==`
        require(self.count is 1)

    # === lambda
    @action
    def act(self):
        # 16: no lambda: write a helper method
        less = lambda n: n - 1
        self.count = less(self.count)

    # === list
    @action
    def act(self):
        # 17: no list: use a table over a domain, a set, or sum, any, all
        pages = [1, 2]
        self.count = pages[0]

    # === list_comprehension
    @action
    def act(self):
        # 26: no list: use a table over a domain, a set, or sum, any, all
        self.count = len([n for n in NODES])

    # === match
    @action
    def act(self):
        # 9: no `match`: use if/elif/else
        match self.count:
            case 0:
                self.count = 1

    # === min_of_one
    @action
    def act(self):
        # 17: `min` takes two numbers or more: write `min(a, b)`
        require(min(self.used[n] for n in NODES) > 0)

    # === nested_async
    @action
    def act(self):
        # 9: no nested function: write a helper method
        async def less(n):
            return n - 1

        self.count = 0

    # === nested_class
    @action
    def act(self):
        # 9: no nested class: write a Block
        class Less:
            pass

        self.count = 0

    # === nested_function
    @action
    def act(self):
        # 9: no nested function: write a helper method
        def less(n):
            return n - 1

        self.count = less(self.count)

    # === no_effect
    @action
    def act(self):
        # 9: this expression has no effect: assign it, or require() it
        self.count == 1

    # === power
    @action
    def act(self):
        # 22: only +, -, *, // and % on numbers
        self.count = 2 ** self.count

    # === raise
    @action
    def act(self):
        if self.count == 0:
            # 13: no `raise`: return an errno, or assert
            raise ModelError

    # === slice
    @action
    def act(self):
        # 19: no slice: loop over the index domain
        self.used[0:1] = 0

    # === star_parameter
    @action
    def act(self):
        # 9: take: no *, ** and / among parameters
        self.take()

    def take(self, *pages):
        self.count -= 1

    # === star_star
    @action
    def act(self):
        # 9: name each argument: ** is not accepted
        self.take(**self.count)

    def take(self, n):
        self.count -= n

    # === starred
    @action
    def act(self):
        # 9: name each argument: * is not accepted
        self.take(*self.count)

    def take(self, n):
        self.count -= n

    # === starred_tuple
    @action
    def act(self):
        # 35: no *: name each value
        require(self.count in (1, *PAGES))

    # === string
    @action
    def act(self):
        # 16: no strings: name an Enum's member
        name = "n0"

    # === subset
    @action
    def act(self, nodes: SetOf(NODES)):
        # 30: write len(a - b) == 0 for: a is a subset of b
        require(self.mask <= nodes)

    # === try
    @action
    def act(self):
        # 9: no `try`: return an errno
        try:
            self.count -= 1
        except ModelError:
            self.count = 0

    # === try_star
    @action
    def act(self):
        # 9: no `try`: return an errno
        try:
            self.count -= 1
        except* ModelError:
            self.count = 0

    # === two_targets
    @action
    def act(self):
        # 9: assign to one target at a time
        self.count, self.flag = 0, False

    # === walrus
    @action
    def act(self):
        # 18: assign in a statement of its own
        require((left := self.count) > 0)
        self.count = left - 1

    # === while
    @action
    def act(self):
        # 9: `while` has no bound: use `for x in DOMAIN`
        while self.count > 0:
            self.count -= 1

    # === with
    @action
    def act(self):
        # 9: no `with`: an action is one critical section already
        with self.count:
            self.count = 0
