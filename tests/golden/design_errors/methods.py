from enum import Enum

from poolproof.model.language import *

NODES = Scalarset("NODES", 2, prefix="n")
VMAS = Scalarset("VMAS", 2, prefix="v")
PAGES = Int(0, 2)


class Errno(Enum):
    OK = 0
    ENOMEM = 1


class Wrong(Design):
    count = var(Int(0, 3))
    flag = var(Bool())
    mask = var(SetOf(NODES))
    used = table(NODES, Int(0, 3))
    home = table(VMAS, Maybe(NODES))
    page = table(VMAS, PAGES, Bool())

    # === action_named_step
    @action
    # 5: step is a method of Design itself: call the action otherwise
    def step(self):
        self.count = 0

    # === annotation_is_no_domain
    @action
    # 19: int is not a domain: write Int(lo, hi)
    def act(self, n: int):
        self.count = n

    # === bare_return
    @action
    # 5: act returns nothing on one path and a label of Errno on another
    def act(self) -> Errno:
        if self.count > 0:
            return
        return Errno.OK

    # === call_of_field
    @action
    def act(self):
        # 9: 'count' is not a method of Wrong
        self.count()

    # === helper_result_in_local
    @action
    def act(self):
        # 9: this call returns nothing to assign
        left = self.less()

    def less(self):
        self.count -= 1

    # === helper_without_result
    @action
    def act(self):
        # 9: `self.less()` returns nothing, and a number is needed here
        self.count = self.less()

    def less(self):
        self.count -= 1

    # === keyword_parameter
    @action
    # 22: parameter 'node': no *, ** and / among parameters
    def act(self, *, node: NODES):
        self.used[node] = 0

    # === method_not_called
    @action
    def act(self):
        # 17: empty is a method: call it
        require(self.empty)

    def empty(self):
        return self.count == 0

    # === missing_annotation
    @action
    # 19: parameter 'node' has no domain: annotate it, like `node: DOMAIN`
    def act(self, node):
        self.used[node] = 0

    # === missing_result
    @action
    # 5: act returns nothing: return a value of Errno
    def act(self) -> Errno:
        self.count = 0

    # === mutation_in_condition
    @action
    def act(self):
        # 26: `self.take()` changes the state inside an expression: make it a statement of its own
        if self.flag and self.take():
            self.flag = False

    def take(self):
        self.count -= 1
        return True

    # === mutation_in_sum
    @action
    def act(self):
        # 17: this changes the state for each element: write a `for`
        require(sum(self.take() for n in NODES) > 0)

    def take(self):
        self.count -= 1
        return 1

    # === no_self
    @observer
    # 5: a method takes self first
    def act():
        return 1

    # === observer_changes
    @observer
    # 5: act changes count: an observer only looks
    def act(self):
        self.count -= 1
        return self.count

    # === observer_without_result
    @observer
    # 5: act returns nothing: an observer returns a value
    def act(self):
        assert self.count >= 0

    # === open_parameter
    @action
    # 19: integers 0..inf is not a finite domain: give it both ends
    def act(self, n: Natural()):
        self.count = n

    # === assume_in_observer
    @observer
    def act(self):
        # 9: assume() is allowed only in actions
        assume(self.count > 0, "some page")
        return self.count

    # === assume_in_sum
    @action
    def act(self):
        # 17: no require() or assume() inside: write require(all(...))
        require(sum(self.seen(n) for n in NODES) > 0)

    def seen(self, node):
        assume(self.used[node] < 3, "few are used")
        return self.used[node]

    # === assume_nothing
    @action
    def act(self):
        # 9: an assumption needs a reason: write one, like "no fork"
        assume(self.count > 0, " ")

    # === assume_a_number
    @action
    def act(self):
        # 9: write assume(condition, "why"): a text that completes "assuming ..."
        assume(self.count > 0, self.count)

    # === assume_without_a_reason
    @action
    def act(self):
        # 9: write assume(condition, "why"): a text that completes "assuming ..."
        assume(self.count > 0)

    # === recursion
    @action
    def act(self):
        self.less()

    def less(self):
        if self.count > 0:
            self.count -= 1
            # 13: less calls itself: loop over a domain instead
            self.less()

    # === require_in_observer
    @observer
    def act(self):
        # 9: require() is allowed only in actions
        require(self.count > 0)
        return self.count

    # === require_in_sum
    @action
    def act(self):
        # 17: no require() or assume() inside: write require(all(...))
        require(all(self.has(n) for n in NODES))

    def has(self, node):
        require(self.used[node] < 3)
        return self.used[node] > 0

    # === require_two
    @action
    def act(self):
        # 9: require(condition) takes one condition
        require(self.count > 0, "no page")

    # === result_is_no_domain
    @action
    # 5: what act returns: float is not a domain: write Int(lo, hi), Bool(), an Enum class, Scalarset(...), Maybe(...), SetOf(...), Wrapping(bits), Counter(hi)
    def act(self) -> float:
        return self.count

    # === results_of_two_sorts
    @action
    # 5: act returns a label of Errno on one path and an int on another
    def act(self) -> Errno:
        if self.count > 0:
            return Errno.OK
        return 0

    # === return_on_some_paths
    @action
    # 5: act returns a value on some paths only: return one at the end, too
    def act(self) -> Errno:
        if self.count > 0:
            return Errno.OK

    # === too_many_arguments
    @action
    def act(self):
        # 9: take: too many positional arguments
        self.take(1, 2)

    def take(self, n):
        self.count -= n

    # === undefined_annotation
    @action
    # 19: no 'NODE' here (did you mean 'NODES'?)
    def act(self, node: "NODE"):
        self.used[node] = 0

    # === unknown_domain
    @action
    def act(self):
        # 18: no 'NODE' here (did you mean 'NODES'?)
        for n in NODE:
            self.used[n] = 0

    # === unknown_label
    @action
    def act(self) -> Errno:
        # 16: Errno has no 'ENOMEN' (did you mean 'ENOMEM'?)
        return Errno.ENOMEN

    # === unknown_method
    @action
    def act(self):
        # 9: Wrong has no 'tkae' (did you mean 'take'?)
        self.tkae(1)

    def take(self, n):
        self.count -= n

    # === wrong_result
    @action
    # 5: what act returns is an int, and a label of Errno is needed here
    def act(self) -> Errno:
        return 0

    # === may_fail_name
    @action
    def act(self):
        # 12: the call's name is words, like may_fail("kmalloc of a file_region"): no commas, brackets or quotes
        if may_fail("kmalloc()"):
            self.flag = False

    # === may_fail_nameless
    @action
    def act(self):
        # 12: write may_fail("the call that fails")
        if may_fail():
            self.flag = False

    # === may_fail_observer
    @observer
    def act(self) -> Bool():
        # 16: may_fail() is allowed only in actions
        return may_fail("kmalloc")

    # === may_fail_skipped
    @action
    def act(self):
        # 26: Python may skip may_fail() here: write `if may_fail(...):` within the other condition, or assign it first
        if self.flag and may_fail("kmalloc"):
            self.flag = False
