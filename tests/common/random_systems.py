# SPDX-License-Identifier: GPL-2.0-only
"""Small random transition systems, and what is true of them.

`cases()` is a hypothesis strategy for a `Case`: a system of a few variables
(narrow, wide and wrapping counters, booleans, enums, scalarset elements with
and without none, sets, tables over one or two domains), actions with
parameters, results and obligations, and properties of every kind. Many of
them deadlock, have no initial state, never fire an action, leave a range or
read outside a table: whatever an engine must get right.

`explore(system, properties)` is the reference that every engine is compared
with: breadth-first over `checker.core.evaluate`, one state at a time. Its rules,
which are the contract of all engines:

- In each state every action is tried with all arguments. If one of its
  obligations is false there (checked in order, before the guard), that is a
  defect: its trace has the offending step last, and the step is not taken.
- A step whose target leaves a declared range is a defect likewise (named by
  the variable); the target is not entered, and no property is asked of the
  step. An initial state outside its range is a defect of length 0.
  What an engine says of the other properties of a system with defects is its
  own business: runs may end at the defect, or the engine may give up.
- Everything else is a transition. A state without transition and without
  defect is a deadlock, and its properties count like any other state's.
- `leads to` is asked of a system without defects, by `avoidable`.
- An invariant is violated, a reachable property witnessed, at the depth of
  the first state where it is; a step property at the depth of the state the
  step leads to.

With ``symmetric=True`` no expression names an element of a scalarset, so that
the interchangeable ones really are. `orbit` and `count_orbits` say how many
states remain under all permutations of them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from itertools import combinations, permutations, product
from typing import Any

from hypothesis import strategies as st

from poolproof.checker.core import evaluate, ir
from poolproof.checker.core.evaluate import Valuation, arguments
from poolproof.checker.core.ir import (
    BOOL,
    INT,
    Domain,
    EnumSort,
    Expr,
    ScalarSort,
    SetSort,
    Sort,
    TableSort,
    num,
)
from poolproof.checker.core.property import Fairness, Kind, Property
from poolproof.checker.core.system import (
    Action,
    Obligation,
    Parameter,
    State,
    TransitionSystem,
    Variable,
)
from poolproof.checker.core.verdict import Outcome, Shown, Step, Trace

# --- the reference ---------------------------------------------------------


@dataclass
class Exploration:
    """Everything `explore` found. ``complete`` is false where ``limit``
    states were not enough: then nothing else in here is meaningful."""

    complete: bool = True
    states: int = 0
    transitions: int = 0
    """(state, action, arguments) that are taken; several may lead to one state."""
    depth: int = 0
    """Steps from the initial states to the farthest state."""
    found: dict[str, int] = field(default_factory=dict)
    """Property -> shortest depth of a violation (reachable: of a witness).
    A property that is missing holds (reachable: has no witness)."""
    defects: dict[tuple[str, str], int] = field(default_factory=dict)
    """(action, message of its obligation) or ("", variable that leaves its
    range) -> length of the shortest trace that ends in it."""
    deadlocks: int = 0
    deadlock_depth: int | None = None
    fired: dict[str, int] = field(default_factory=dict)
    results: dict[tuple[str, int], int] = field(default_factory=dict)
    antecedents: dict[str, tuple[bool, ...]] = field(default_factory=dict)
    """Which antecedents of each property were true in some state (or step)."""
    reached: dict[State, int] = field(default_factory=dict)
    """Every reachable state and its depth."""


def explore(
    system: TransitionSystem, properties: Iterable[Property], limit: int = 300
) -> Exploration:
    """The exact answers, by brute force. See the module's text for the rules."""
    properties = tuple(properties)
    found = Exploration(fired={a.name: 0 for a in system.actions})
    found.antecedents = {p.name: (False,) * len(p.antecedents) for p in properties}

    def ask(at: Valuation, depth: int, which: Callable[[Property], bool]) -> None:
        for p in properties:
            if not which(p):
                continue
            good = at.true(p.formula)
            if good is (p.kind is Kind.REACHABLE):
                found.found.setdefault(p.name, depth)
            found.antecedents[p.name] = tuple(
                known or at.true(a)
                for known, a in zip(
                    found.antecedents[p.name], p.antecedents, strict=True
                )
            )

    def enter(state: State, depth: int, frontier: list[State]) -> bool:
        if state in found.reached:
            return True
        outside = leaves(system, state)
        if outside is not None:
            found.defects.setdefault(("", outside), depth)
            return False
        found.reached[state] = depth
        found.depth = depth
        frontier.append(state)
        ask(Valuation(system, state), depth, lambda p: p.kind is not Kind.STEP)
        return True

    frontier: list[State] = []
    for state in evaluate.initial_states(system):
        enter(state, 0, frontier)
    depth = 0
    while frontier:
        depth += 1
        new: list[State] = []
        for state in frontier:
            if len(found.reached) > limit:
                found.complete = False
                return found
            stuck = True
            for action in system.actions:
                for raw in action.valuations():
                    broken = evaluate.broken(system, action, state, raw)
                    if broken is not None:
                        stuck = False
                        key = action.name, broken.message
                        found.defects.setdefault(key, depth)
                        continue
                    step = evaluate.successor(system, action, state, raw)
                    if step is None:
                        continue
                    stuck = False
                    after, result = step
                    if not enter(after, depth, new):
                        continue
                    found.transitions += 1
                    found.fired[action.name] += 1
                    bound = arguments(action, raw)
                    if result is not None:
                        key2 = action.name, result
                        found.results[key2] = found.results.get(key2, 0) + 1
                    at = Valuation(system, state, after, bound)
                    name = action.name

                    def about(p: Property, name: str = name) -> bool:
                        return p.kind is Kind.STEP and p.action in (None, name)

                    for p in properties:
                        for x in {p.formula, *p.antecedents}:
                            for free in x.free:
                                if free.data[0] == "result" and result is not None:
                                    at.locals[free] = result
                    ask(at, depth, about)
            if stuck:
                found.deadlocks += 1
                if found.deadlock_depth is None:
                    found.deadlock_depth = depth - 1
        frontier = new
    found.states = len(found.reached)
    return found


@dataclass
class Runs:
    """The reachable states by number, and the steps between them."""

    states: list[State] = field(default_factory=list)
    steps: list[list[tuple[Step, int]]] = field(default_factory=list)


def runs(system: TransitionSystem, reached: Iterable[State]) -> Runs:
    """All steps between these states; they must be all that are reachable."""
    found = Runs(list(reached))
    number = {state: k for k, state in enumerate(found.states)}
    for state in found.states:
        steps = []
        for action in system.actions:
            for raw in action.valuations():
                step = evaluate.successor(system, action, state, raw)
                if step is not None:
                    steps.append((Step(action.name, raw), number[step[0]]))
        found.steps.append(steps)
    return found


def avoidable(
    system: TransitionSystem, graph: Runs, p: Property, most: int = 10
) -> bool | None:
    """Whether some fair run has the formula of a `leads to` and from there on
    never the goal: a set of states in which a run can stay, visiting all of
    them and taking each step inside. Looks at all sets; None where there are
    more than ``most`` states without the goal after the formula."""
    goal = ir.FALSE if p.goal is None else p.goal
    avoiding = {
        k for k, s in enumerate(graph.states) if not Valuation(system, s).true(goal)
    }
    near = {k for k in avoiding if Valuation(system, graph.states[k]).true(p.formula)}
    new = list(near)
    while new:
        for _, t in graph.steps[new.pop()]:
            if t in avoiding and t not in near:
                near.add(t)
                new.append(t)
    if len(near) > most:
        return None
    return any(
        _stays(graph, frozenset(chosen), p.fair)
        for size in range(1, len(near) + 1)
        for chosen in combinations(sorted(near), size)
    )


def _stays(graph: Runs, inside: frozenset[int], fair: Sequence[Fairness]) -> bool:
    """Whether a run may visit all these states, and no other, for ever."""
    to = {k: {t for _, t in graph.steps[k] if t in inside} for k in inside}
    back = {k: {s for s in inside if k in to[s]} for k in inside}
    for ways in (to, back):
        seen, new = {min(inside)}, [min(inside)]
        while new:
            fresh = ways[new.pop()] - seen
            seen |= fresh
            new += fresh
        if seen != inside:
            return False
    taken = {s for k in inside for s, t in graph.steps[k] if t in inside}
    possible = [{s for s, _ in graph.steps[k]} for k in inside]
    for f in fair:
        mine = {s for here in possible for s in here if s.action == f.action}
        due = mine if f.strong else {s for s in mine if all(s in p for p in possible)}
        if due - taken:
            return False
    return True


def leaves(system: TransitionSystem, state: State) -> str | None:
    """The first variable of which a cell is outside its declared range."""
    cell = evaluate.out_of_range(system, state)
    return None if cell is None else cell.split("[")[0]


def run(system: TransitionSystem, trace: Trace) -> list[State]:
    """The states of a trace; fails where it is not a run of the system."""
    assert trace.initial in evaluate.initial_states(system)
    states = [trace.initial]
    for step in trace.steps:
        action = system.action_by_name[step.action]
        broken = evaluate.broken(system, action, states[-1], step.arguments)
        assert broken is None, broken
        after = evaluate.successor(system, action, states[-1], step.arguments)
        assert after is not None, f"{step} is not enabled in {states[-1]}"
        states.append(after[0])
    return states


def last_step(system: TransitionSystem, trace: Trace) -> tuple[Valuation, Step]:
    """The trace's last step as a valuation over both its states."""
    states, step = run(system, trace), trace.steps[-1]
    action = system.action_by_name[step.action]
    at = Valuation(system, states[-2], states[-1], arguments(action, step.arguments))
    if isinstance(action.result, Expr):
        raw = Valuation(system, states[-2], None, at.locals).raw(action.result)
        at.locals[action.returned] = raw
    return at, step


# --- symmetry, by brute force ------------------------------------------------


def orbit(system: TransitionSystem, state: State) -> set[State]:
    """All states that permuting the interchangeable scalarsets makes of one."""
    sorts = system.scalars
    choices = (permutations(range(s.size)) for s in sorts)
    return {
        permuted(system, state, dict(zip(sorts, chosen, strict=True)))
        for chosen in product(*choices)
    }


def permuted(
    system: TransitionSystem,
    state: State,
    by: dict[ScalarSort, tuple[int, ...]],
) -> State:
    """The state with element k of each scalarset renamed to ``by[sort][k]``."""

    def rename(sort: Sort, raw: int) -> int:
        match sort:
            case ScalarSort() if sort in by and 0 <= raw < sort.size:
                return by[sort][raw]
            case SetSort(domain=domain):
                members = (v for k, v in enumerate(domain) if raw >> k & 1)
                return sum(1 << (rename(domain.sort, v) - domain.lo) for v in members)
        return raw

    cells = list(state)
    for cell, raw in zip(system.cells, state, strict=True):
        v = cell.variable
        index = tuple(
            rename(d.sort, i) for d, i in zip(v.index, cell.index, strict=True)
        )
        cells[system.cell_of[v.name, index]] = rename(v.element, raw)
    return tuple(cells)


def count_orbits(system: TransitionSystem, states: Iterable[State]) -> int:
    """The number of orbits of a set of states that is closed under them."""
    left, count = set(states), 0
    while left:
        left -= orbit(system, next(iter(left)))
        count += 1
    return count


# --- random expressions --------------------------------------------------------


@dataclass(frozen=True)
class Case:
    """One random system and what is asked of it."""

    system: TransitionSystem
    properties: tuple[Property, ...]

    def __repr__(self) -> str:
        lines = [
            f"{v.name}: {v.sort} in {v.lo}..{v.hi} init {v.init}"
            for v in self.system.variables
        ]
        lines.append(f"initial {self.system.initial}")
        for a in self.system.actions:
            given = ", ".join(
                f"{p.local} in {p.domain.lo}..{p.domain.hi}" for p in a.parameters
            )
            lines.append(f"{a.name}({given}) if {a.guard} returns {a.result}")
            lines += [f"    {n}' = {e}" for n, e in a.updates.items()]
            lines += [f"    {o.kind}: {o.formula}" for o in a.obligations]
        for p in self.properties:
            on = f" on {p.action}" if p.action else ""
            lines.append(f"{p.name} {p.kind.value}{on}: {p.formula}")
        return "\n".join(("", *lines))


_NESTED = 20
"""Tables that are read at an index of which each is read in another, at most:
hypothesis repeats a choice that was of interest, and would never end."""


class Grammar:
    """Draws expressions of any sort over given leaves.

    ``draw`` is hypothesis' own; ``leaves`` are closed terms that may be used
    as they are, ``tables`` terms to select from. Names of binders are
    numbered, so that they are unique within a system. ``build`` has the
    constructors: those of `checker.core.ir`, or others of the same names.
    """

    build: Any = ir

    def __init__(
        self,
        draw: st.DrawFn,
        leaves: Iterable[Expr] = (),
        tables: Iterable[Expr] = (),
        symmetric: bool = False,
        sorts: Sequence[Sort] = (),
        domains: Sequence[Domain] = (),
        counter: list[int] | None = None,
    ) -> None:
        self.nested = 0
        self.draw = draw
        self.leaves = list(leaves)
        self.tables = list(tables)
        self.symmetric = symmetric
        self.sorts = list(sorts) or [BOOL, INT]
        self.domains = list(domains)
        self.counter = counter if counter is not None else [0]

    def pick(self, *options: object) -> object:
        return self.draw(st.sampled_from(options))

    def chance(self, one_in: int) -> bool:
        return self.draw(st.integers(1, one_in)) == 1

    def with_leaf(self, leaf: Expr) -> Grammar:
        inner = Grammar(
            self.draw,
            (*self.leaves, leaf),
            self.tables,
            self.symmetric,
            self.sorts,
            self.domains,
            self.counter,
        )
        inner.build = self.build
        return inner

    def expr(self, sort: Sort, depth: int) -> Expr:
        """A random expression of ``sort``."""
        match sort:
            case _ if depth <= 0:
                return self.leaf(sort)
            case _ if sort is BOOL:
                return self.boolean(depth)
            case _ if sort is INT:
                return self.integer(depth)
            case SetSort():
                return self.set(sort, depth)
        if self.chance(3):
            return self.build.ite(
                self.boolean(depth - 1),
                self.expr(sort, depth - 1),
                self.expr(sort, depth - 1),
            )
        return self.leaf(sort)

    def leaf(self, sort: Sort) -> Expr:
        options = [x for x in self.leaves if x.sort is sort]
        tables = [
            t
            for t in self.tables
            if isinstance(t.sort, TableSort) and t.sort.element is sort
        ]
        if tables and self.nested < _NESTED and self.chance(2):
            return self.cell(self.draw(st.sampled_from(tables)))
        if options and not self.chance(4):
            return self.draw(st.sampled_from(options))
        return self.constant(sort)

    def cell(self, table: Expr) -> Expr:
        """table[index], now and then outside the table."""
        assert isinstance(table.sort, TableSort)
        self.nested += 1
        index = [self.element(d) for d in table.sort.index]
        self.nested -= 1
        return self.build.select(table, *index)

    def element(self, domain: Domain) -> Expr:
        """An expression of the domain's sort that is mostly in the domain."""
        inside = [
            x
            for x in self.leaves
            if x.sort is domain.sort
            and x.op == "local"
            and x.data[1].lo >= domain.lo
            and x.data[1].hi <= domain.hi
        ]
        way = self.draw(st.integers(0, 19))
        if inside and way < 13:
            return self.draw(st.sampled_from(inside))
        anything = self.leaf(domain.sort)
        if way < 19 and not self.certain(anything, domain):
            if domain.sort is INT:
                size = ir.num(len(domain))
                return self.build.add(self.build.mod(anything, size), ir.num(domain.lo))
            if not (self.symmetric and isinstance(domain.sort, ScalarSort)):
                raw = self.draw(st.integers(domain.lo, domain.hi))
                ok = self.build.or_(
                    *(self.build.eq(anything, ir.const(domain.sort, v)) for v in domain)
                )
                return self.build.ite(ok, anything, ir.const(domain.sort, raw))
        return anything

    @staticmethod
    def certain(e: Expr, domain: Domain) -> bool:
        lo, hi = e.interval
        return lo is not None and hi is not None and lo in domain and hi in domain

    def constant(self, sort: Sort) -> Expr:
        match sort:
            case _ if sort is BOOL:
                return ir.boolean(self.draw(st.booleans()))
            case _ if sort is INT:
                return ir.num(self.draw(st.integers(-2, 4)))
            case EnumSort(labels=labels):
                return ir.const(sort, self.draw(st.integers(0, len(labels) - 1)))
            case ScalarSort(size=size):
                low = size if self.symmetric else 0
                return ir.const(sort, self.draw(st.integers(low, size)))
            case SetSort(domain=domain):
                full = (1 << len(domain)) - 1
                if self.symmetric and isinstance(domain.sort, ScalarSort):
                    return ir.const(sort, self.draw(st.sampled_from((0, full))))
                return ir.const(sort, self.draw(st.integers(0, full)))
            case TableSort():
                return self.build.fill(sort, self.constant(sort.element))
        raise AssertionError(sort)

    def boolean(self, depth: int) -> Expr:
        if depth <= 0:
            return self.leaf(BOOL)
        d = depth - 1
        match self.draw(st.integers(0, 13)):
            case 0:
                return self.build.not_(self.boolean(d))
            case 1 | 2:
                return self.build.and_(*(self.boolean(d) for _ in range(self.few(3))))
            case 3:
                return self.build.or_(*(self.boolean(d) for _ in range(self.few(3))))
            case 4 | 5:
                sort = self.draw(st.sampled_from(self.sorts))
                return self.build.eq(self.expr(sort, d), self.expr(sort, d))
            case 6:
                return self.build.lt(self.integer(d), self.integer(d))
            case 7:
                return self.build.le(self.integer(d), self.integer(d))
            case 8:
                return self.build.ite(self.boolean(d), self.boolean(d), self.boolean(d))
            case 9 if self.set_sorts():
                s = self.draw(st.sampled_from(self.set_sorts()))
                return self.build.member(self.expr(s.domain.sort, d), self.set(s, d))
            case 10 | 11 if self.domains:
                op = str(self.pick("all", "any"))
                return self.aggregate(op, BOOL, d)
            case 12 if len(self.tables) > 1 or (self.tables and self.chance(2)):
                t = self.draw(st.sampled_from(self.tables))
                return self.build.eq(t, self.table(t, d))
        return self.leaf(BOOL)

    def atom(self) -> Expr:
        """A cell of the state with a certain value."""
        cells = list(self.leaves)
        if self.tables and (not cells or self.chance(2)):
            cells = [self.cell(self.draw(st.sampled_from(self.tables)))]
        x = self.draw(st.sampled_from(cells))
        return self.build.eq(x, self.constant(x.sort))

    def few(self, most: int) -> int:
        return self.draw(st.integers(1, most))

    def integer(self, depth: int) -> Expr:
        if depth <= 0:
            return self.leaf(INT)
        d = depth - 1
        match self.draw(st.integers(0, 12)):
            case 0 | 1:
                terms = [self.integer(d) for _ in range(1 + self.few(2))]
                return self.build.add(*terms)
            case 2:
                return self.build.sub(self.integer(d), self.integer(d))
            case 3:
                return self.build.mul(self.integer(d), self.leaf(INT))
            case 4:
                return self.build.div(self.integer(d), ir.num(self.few(4)))
            case 5:
                return self.build.mod(self.integer(d), ir.num(self.few(4)))
            case 6:
                return self.build.min_(self.integer(d), self.integer(d))
            case 7:
                return self.build.max_(self.integer(d), self.integer(d))
            case 8:
                return self.build.ite(self.boolean(d), self.integer(d), self.integer(d))
            case 9 if self.set_sorts():
                s = self.draw(st.sampled_from(self.set_sorts()))
                return self.build.card(self.set(s, d))
            case 10 if self.domains:
                return self.aggregate("sum", INT, d)
        return self.leaf(INT)

    def set_sorts(self) -> list[SetSort]:
        return [s for s in self.sorts if isinstance(s, SetSort)]

    def set(self, sort: SetSort, depth: int) -> Expr:
        d = depth - 1
        if depth > 0:
            match self.draw(st.integers(0, 6)):
                case 0:
                    return self.build.union(self.set(sort, d), self.set(sort, d))
                case 1:
                    return self.build.inter(self.set(sort, d), self.set(sort, d))
                case 2:
                    return self.build.diff(self.set(sort, d), self.set(sort, d))
                case 3:
                    return self.build.single(self.element(sort.domain), sort.domain)
                case 4:
                    return self.aggregate("setof", BOOL, d, sort.domain)
        return self.leaf(sort)

    def aggregate(
        self, op: str, body: Sort, depth: int, domain: Domain | None = None
    ) -> Expr:
        self.counter[0] += 1
        over = domain or self.draw(st.sampled_from(self.domains))
        binder = ir.local(f"x#{self.counter[0]}", over)
        inner = self.with_leaf(binder).expr(body, depth)
        return self.build.aggregate(op, binder, inner)

    def table(self, table: Expr, depth: int) -> Expr:
        """The table with a few cells changed, some under a condition."""
        assert isinstance(table.sort, TableSort)
        value = table
        for _ in range(self.few(2)):
            at = [self.element(d) for d in table.sort.index]
            changed = self.build.store(value, *at, self.expr(table.sort.element, depth))
            if self.chance(3):
                changed = self.build.ite(self.boolean(depth), changed, value)
            value = changed
        return value


# --- random systems --------------------------------------------------------------


RESULT = ir.enum_sort("Errno", ("OK", "ENOMEM", "EINVAL"))


@st.composite
def cases(
    draw: st.DrawFn,
    symmetric: bool = False,
    defects: bool = True,
    kinds: tuple[Kind, ...] = (Kind.INVARIANT, Kind.STEP, Kind.REACHABLE),
) -> Case:
    """A random system with properties of these kinds. Without ``defects`` it
    has no obligations and every range is kept."""
    size = draw(st.integers(1, 3))
    things = ir.scalar_sort("THINGS", size, "t")
    nodes = ir.scalar_sort("NODES", 2, "n")
    mood = ir.enum_sort("Mood", ("GOOD", "BAD", "UGLY"))
    start = draw(st.integers(-1, 1))
    thing_d, node_d = Domain(things, 0, size - 1), Domain(nodes, 0, 1)
    slots = Domain(INT, start, start + draw(st.integers(0, 2)))
    domains = [thing_d, node_d, slots, Domain(BOOL, 0, 1), Domain(mood, 0, 2)]
    elements: list[Sort] = [BOOL, INT, INT, mood, things, nodes]
    elements += [ir.set_sort(thing_d), ir.set_sort(slots)]
    counter = [0]

    variables = [
        _variable(draw, f"x{k}", domains, elements, symmetric)
        for k in range(4 - draw(st.integers(0, 3)))
    ]
    while _cells(variables) > 9 and len(variables) > 1:
        variables.pop()
    variables = _few_initial_states(variables)

    def grammar(*more: Expr, primed: bool = False) -> Grammar:
        now = [v.now for v in variables] + [v.next for v in variables if primed]
        return Grammar(
            draw,
            [x for x in now if not isinstance(x.sort, TableSort)] + list(more),
            [x for x in now if isinstance(x.sort, TableSort)],
            symmetric,
            list(dict.fromkeys(elements)),
            domains,
            counter,
        )

    actions = tuple(
        _action(draw, f"act{k}", variables, domains, grammar, defects)
        for k in range(3 - draw(st.integers(0, 2)))
    )
    initial = ir.TRUE
    if draw(st.integers(0, 5)) == 5:
        formula = grammar().boolean(2)
        initial = ir.and_(ir.defined(formula), formula)
    system = TransitionSystem("random", tuple(variables), actions, initial, {}, {})
    properties = tuple(
        _property(draw, f"p{k}", system, grammar, kinds)
        for k in range(draw(st.integers(1, 4)))
    )
    return Case(system, properties)


Grammars = Callable[..., Grammar]


def _variable(
    draw: st.DrawFn,
    name: str,
    domains: Sequence[Domain],
    elements: Sequence[Sort],
    symmetric: bool,
) -> Variable:
    element = draw(st.sampled_from(elements))
    plain = Grammar(draw, symmetric=symmetric)
    match element:
        case _ if element is BOOL:
            lo, hi = 0, 1
        case _ if element is INT:
            lo, hi = draw(
                st.sampled_from(
                    ((0, 1), (0, 2), (0, 3), (-2, 1), (1, 2), (0, 2**33), (-400, 900))
                )
            )
        case EnumSort(labels=labels):
            lo, hi = 0, len(labels) - 1
        case ScalarSort(size=size):
            lo, hi = 0, size - (0 if symmetric else draw(st.integers(0, 1)))
        case SetSort(domain=domain):
            lo, hi = 0, (1 << len(domain)) - 1
        case _:
            raise AssertionError(element)
    sort, init = element, _initial(draw, plain, element, lo, hi)
    if draw(st.integers(0, 1)):
        index = tuple(draw(st.lists(st.sampled_from(domains), min_size=1, max_size=2)))
        sort = ir.table_sort(index, element)
        if init is not None and draw(st.booleans()):
            init = ir.fill(sort, init)
            indexed_by_thing = any(isinstance(d.sort, ScalarSort) for d in index)
            if not (symmetric and indexed_by_thing):
                at = next(iter(ir.index_space(sort)))
                other = _initial(draw, plain, element, lo, hi)
                init = init if other is None else ir.store(init, *at, other)
    return Variable(name, sort, num(lo), num(hi), init)


def _cells(variables: Iterable[Variable]) -> int:
    return sum(1 for v in variables for _ in product(*v.index))


def _few_initial_states(variables: Iterable[Variable]) -> list[Variable]:
    """The variables, those of any initial value only while there are few."""
    kept, starts = [], 1
    for v in variables:
        if v.init is None:
            assert v.lo is not None
            assert v.hi is not None
            starts *= (v.hi.data - v.lo.data + 1) ** _cells((v,))
            if starts > 24:
                starts = 24
                v = replace(v, init=ir.const(v.element, v.lo.data))
        kept.append(v)
    return kept


def _initial(
    draw: st.DrawFn, plain: Grammar, sort: Sort, lo: int, hi: int
) -> Expr | None:
    if hi - lo < 4 and draw(st.integers(0, 3)) == 0:
        return None
    if isinstance(sort, ScalarSort | SetSort):
        value = plain.constant(sort)
        return value if value.data <= hi or draw(st.integers(0, 9)) == 0 else None
    return ir.const(sort, draw(st.integers(lo, min(hi, lo + 9))))


def _kept(v: Variable, value: Expr, careless: bool) -> Expr:
    """``value`` made to fit the variable's range, unless careless."""
    assert v.lo is not None
    assert v.hi is not None
    lo, hi = v.lo.data, v.hi.data
    if careless:
        return value
    if v.element is INT:
        return ir.add(ir.mod(ir.sub(value, num(lo)), num(hi - lo + 1)), num(lo))
    if isinstance(v.element, ScalarSort) and hi < v.element.size:
        none = ir.const(v.element, v.element.size)
        return ir.ite(ir.eq(value, none), ir.const(v.element, 0), value)
    return value


def _action(
    draw: st.DrawFn,
    name: str,
    variables: Sequence[Variable],
    domains: Sequence[Domain],
    grammar: Grammars,
    defects: bool,
) -> Action:
    given: list[Domain] = []
    flags = Domain(BOOL, 0, 1), Domain(BOOL, 1, 1)
    for d in draw(st.lists(st.sampled_from((*domains, *flags)), max_size=2)):
        if isinstance(d.sort, ScalarSort) and draw(st.integers(0, 3)) == 0:
            d = Domain(d.sort, 0, d.sort.size)
        given.append(d)
    parameters = tuple(
        Parameter(f"a{k}", ir.local(f"a{k}#{name}", d)) for k, d in enumerate(given)
    )
    g = grammar(*(p.local for p in parameters))
    guard = g.boolean(2) if draw(st.integers(0, 2)) == 2 else ir.TRUE
    careless = defects and draw(st.integers(0, 14)) == 7
    updates: dict[str, Expr] = {}
    for v in draw(st.lists(st.sampled_from(variables), min_size=1, max_size=3)):
        if v.index:
            value: Expr = g.tables[0]
            value = v.now
            for _ in range(draw(st.integers(1, 2))):
                at = [g.element(d) for d in v.index]
                new = _kept(v, g.expr(v.element, 2), careless)
                changed = ir.store(value, *at, new)
                if draw(st.integers(0, 2)) == 0:
                    changed = ir.ite(g.boolean(1), changed, value)
                value = changed
        else:
            value = _kept(v, _towards(draw, g, v), careless)
        if value is not v.now:
            updates[v.name] = value
    result = g.expr(RESULT, 2) if draw(st.booleans()) else None
    read = ir.and_(
        *(ir.defined(u) for u in updates.values()),
        ir.TRUE if result is None else ir.defined(result),
    )
    if not defects:
        guard = ir.and_(ir.defined(guard), guard, read)
        return Action(name, parameters, guard, updates, result)
    obligations = []
    if (early := ir.defined(guard)) is not ir.TRUE:
        obligations.append(
            Obligation("index", early, f"{name} guard index", None, early=True)
        )
    if (inside := ir.implies(guard, read)) is not ir.TRUE:
        obligations.append(
            Obligation("index", ir.implies(early, inside), f"{name} update index", None)
        )
    if draw(st.integers(0, 9)) == 7:
        claim = g.boolean(2)
        claim = ir.implies(ir.and_(early, guard, ir.defined(claim)), claim)
        obligations.append(Obligation("assert", claim, f"{name} assert", None))
    return Action(name, parameters, guard, updates, result, tuple(obligations))


def _towards(draw: st.DrawFn, g: Grammar, v: Variable) -> Expr:
    """A new value of a scalar variable: often a small step from the old."""
    if v.element is INT and draw(st.integers(0, 3)):
        return ir.add(v.now, num(draw(st.sampled_from((1, 1, -1, 2)))))
    return g.expr(v.element, 2)


def _property(
    draw: st.DrawFn,
    name: str,
    system: TransitionSystem,
    grammar: Grammars,
    kinds: tuple[Kind, ...],
) -> Property:
    kind = draw(st.sampled_from(kinds))
    if kind is Kind.LEADS_TO:
        claim, goal = (
            _asked(draw, name, Kind.REACHABLE, grammar(), None) for _ in range(2)
        )
        fair = tuple(
            Fairness(a.name, draw(st.booleans()))
            for a in system.actions
            if draw(st.integers(0, 2))
        )
        return replace(claim, kind=kind, goal=goal.formula, fair=fair, antecedents=())
    if kind is not Kind.STEP:
        return _asked(draw, name, kind, grammar(), None)
    action = draw(st.sampled_from((None, *system.actions)))
    more: list[Expr] = []
    if action is not None:
        more += [p.local for p in action.parameters]
        if action.result is not None:
            more.append(action.returned)
    g = grammar(*more, primed=True)
    return _asked(draw, name, kind, g, None if action is None else action.name)


def _asked(
    draw: st.DrawFn, name: str, kind: Kind, g: Grammar, action: str | None
) -> Property:
    def formula() -> Expr:
        """Any formula, or (not) one corner of the states."""
        way = g.draw(st.integers(0, 2))
        if way == 0:
            f = g.boolean(3)
            return ir.implies(ir.defined(f), f)
        corner = ir.and_(*(g.atom() for _ in range(1 + g.few(2))))
        corner = ir.and_(ir.defined(corner), corner)
        return corner if kind is Kind.REACHABLE else ir.not_(corner)

    antecedents = tuple(formula() for _ in range(draw(st.integers(0, 1))))
    return Property(name, kind, formula(), action, antecedents)


def depths_of(outcome: Outcome) -> dict[str, int]:
    """Return the length of each run that an engine shows, by property."""
    return {
        name: len(v.trace)
        for name, v in outcome.verdicts.items()
        if isinstance(v, Shown)
    }
