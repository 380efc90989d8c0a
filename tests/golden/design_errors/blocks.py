from poolproof.model.language import *

PAGES = Int(0, 1)


class Pins(Block):
    pages = domain()

    def __init__(self, pages):
        self.pages = pages
        self.pinned = table(pages, Bool())

    @action
    def pin(self, page: pages):
        self.pinned[page] = True


# === action_of_block_and_design
class Wrong(Design):
    # 5: pin is an action or observer of pins, and of the design Wrong itself: write `pins_pin = pins.pin` to give it another name, or `pin = None` to have none
    pins = Pins(PAGES)

    @action
    def pin(self):
        pass


# === action_of_block_no_domain
class Pool(Block):
    pages = domain()
    used = table(PAGES, Bool())

    @action
    # 20: pages is not given: set self.pages in __init__
    def take(self, page: pages):
        self.used[page] = True


class Wrong(Design):
    pool = Pool()


# === action_of_block_unknown_feature
class Pool(Block):
    used = table(PAGES, Bool())

    @action(when="usage")
    # 5: when='usage': no 'usage' here (did you mean 'used'?)
    def take(self, page: PAGES):
        self.used[page] = True


class Wrong(Design):
    pool = Pool()


# === action_of_no_block
PINS = Pins(PAGES)


class Wrong(Design):
    free = var(Bool())
    # 5: pin: only a method of a block that the design has can become one of the design's
    pin = PINS.pin


# === action_of_two_blocks
class Wrong(Design):
    pins = Pins(PAGES)
    # 5: pin is an action or observer of loans, and of pins: write `loans_pin = loans.pin` to give it another name, or `pin = None` to have none
    loans = Pins(PAGES)


# === action_of_block_named_step
class Pool(Block):
    used = var(Bool())

    @action
    def step(self):
        self.used = True


class Wrong(Design):
    # 5: step is an action or observer of pool, and of the design Wrong itself: write `pool_step = pool.step` to give it another name, or `step = None` to have none
    pool = Pool()


# === block_with_a_design
class Pool(Block):
    def __init__(self, design):
        self.used = var(Bool())
        # 9: pool.design: in a block's methods self.design is the design; give the block's own attribute another name
        self.design = design

    @action
    def take(self):
        self.used = True


class Wrong(Design):
    pool = Pool(0)


# === hook_assigned
class Pool(Pins):
    def pin(self, page):
        # 9: free is the design's own: a block calls methods of its design, like `self.design.get_free()`
        self.design.free += 1


class Wrong(Design):
    pins = Pool(PAGES)
    free = var(Int(0, 1))


# === hook_missing
class Pool(Pins):
    def pin(self, page):
        # 17: Wrong has no method 'may_pin', which its block calls: write `def may_pin(self, ...)` (did you mean 'may_pins'?)
        require(self.design.may_pin(page))


class Wrong(Design):
    pins = Pool(PAGES)

    def may_pins(self, page):
        return page > 0


# === hook_read
class Pool(Pins):
    def pin(self, page):
        # 17: free is the design's own: a block calls methods of its design, like `self.design.get_free()`
        require(self.design.free > 0)


class Wrong(Design):
    pins = Pool(PAGES)
    free = var(Int(0, 1))
