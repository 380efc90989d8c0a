from poolproof.model.language import *

TASKS = Scalarset("TASKS", 2, prefix="t")
VMAS = Scalarset("VMAS", 2, prefix="v")


class Wrong(Design):
    count = var(Int(0, 3))
    any_count = var(Int(0))
    flag = var(Bool())

    def step(self):
        yield "stepped"
        return 1

    def plain(self):
        return 1

    # === no_task
    @action
    # 5: act yields, but none of its parameters is the task: call one `t`, or write @action(task="NAME")
    def act(self, vma: VMAS):
        yield

    # === task_is_no_parameter
    @action(task="tsk")
    # 5: act: task='tsk': no such parameter (did you mean 'task'?)
    def act(self, task: TASKS):
        yield

    # === two_sorts_of_tasks
    @action
    def act(self, t: TASKS):
        yield

    @action(task="vma")
    # 5: the tasks of other are VMAS, those of act TASKS: all actions that yield must have the same tasks
    def other(self, vma: VMAS):
        yield

    # === in_an_observer
    @observer
    def look(self):
        # 9: `yield` has its place in actions, and in methods that they yield from
        yield
        return self.count

    # === in_an_expression
    @action
    def act(self, t: TASKS):
        # 27: `yield` is a statement of its own, or the right side of an assignment: to keep an old value, give it a name before
        self.count = 1 + (yield)

    # === in_an_augmented_assignment
    @action
    def act(self, t: TASKS):
        # 9: `yield` is a statement of its own, or the right side of an assignment: to keep an old value, give it a name before
        self.count -= yield

    # === delegated_in_an_expression
    @action
    def act(self, t: TASKS):
        # 27: `yield` is a statement of its own, or the right side of an assignment: to keep an old value, give it a name before
        self.count = 1 + (yield from self.step())

    # === no_label
    @action
    def act(self, t: TASKS):
        # 15: a `yield` gives its place a name: write `yield "lock dropped"`
        yield self.count

    # === received_without_a_domain
    @action
    def act(self, t: TASKS):
        # 9: say what the next step may bring: write `name: DOMAIN = yield`
        fails = yield "allocation"
        self.flag = fails

    # === received_into_a_field
    @action
    def act(self, t: TASKS):
        # 9: say what the next step may bring: write `name: DOMAIN = yield`
        self.flag = yield "allocation"

    # === received_from_a_python_type
    @action
    def act(self, t: TASKS):
        # 16: bool is not a domain: write Bool()
        fails: bool = yield "allocation"
        self.flag = fails

    # === received_from_an_open_range
    @action
    def act(self, t: TASKS):
        # 15: integers 0..inf is not a finite domain: give it both ends
        more: Int(0) = yield "allocation"
        self.count = more

    # === received_as_the_task
    @action
    def act(self, t: TASKS):
        # 21: 't' is the task: choose another name
        t: Bool() = yield "allocation"
        self.flag = t

    # === called_like_a_method
    @action
    def act(self, t: TASKS):
        yield
        # 9: step yields: write `yield from self.step(...)` in a statement of its own
        self.step()

    # === delegated_to_what_does_not_yield
    @action
    def act(self, t: TASKS):
        # 20: plain has no `yield`: write `self.plain(...)`
        yield from self.plain()

    # === delegated_to_no_call
    @action
    def act(self, t: TASKS):
        # 9: write `yield from self.method(...)`
        yield from self.step

    # === range_not_known
    @action
    def act(self, t: TASKS):
        old = self.any_count
        # 9: 'old' is kept across this yield, and its range is not known: write `old: Int(0, 3) = ...` where it is assigned
        yield "lock dropped"
        self.any_count = old + 1

    # === wrapping_local
    @action
    def act(self, t: TASKS):
        # 9: 'old' is kept across a `yield`: write Int(lo, hi)
        old: Wrapping(2) = self.any_count
        yield "lock dropped"
        self.any_count = old + 1

    # === local_of_one_path
    @action
    def act(self, t: TASKS):
        if self.flag:
            old = self.count
        yield "lock dropped"
        # 22: 'old' has a value on some paths only: give it one before the `if`
        self.count = old

    # === local_of_two_kinds
    @action
    def act(self, t: TASKS):
        if self.flag:
            old = self.count
            yield from self.step()
        else:
            old = self.flag
        yield "lock dropped"
        # 22: 'old' has values of two kinds on two paths
        self.count = old

    # === loop_variable_assigned
    @action
    def act(self, t: TASKS):
        for k in range(2):
            k = 0
            # 13: 'k' is what the loop runs over: assign to another name
            yield "lock dropped"
            self.count = k

    # === calls_itself
    @action
    def act(self, t: TASKS):
        yield from self.turn()

    def turn(self):
        yield "turned"
        # 20: turn calls itself: loop over a domain instead
        yield from self.turn()

    # === place_is_a_field
    # 5: place says where a task stands in an action that yields: give the field another name
    place = var(Int(0, 3))

    @action
    def act(self, t: TASKS):
        yield
