# SPDX-License-Identifier: GPL-2.0-only
"""A transition system: variables, initial states, actions, obligations.

This is what the frontend produces and every engine consumes. It knows
nothing of huge pages. All expressions are over *unprimed* variables, the
action's own parameters and rigid params, unless said otherwise.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from enum import Enum
from functools import cached_property
from itertools import product

from poolproof.checker.core.ir import (
    TRUE,
    Domain,
    Expr,
    ScalarSort,
    Sort,
    TableSort,
    changes_of,
    const,
    local,
    scalarsets,
    show_raw,
    var,
)
from poolproof.checker.core.limits import tick

State = tuple[int, ...]
"""The raw values of all cells, in the order of `TransitionSystem.cells`."""


@dataclass(frozen=True)
class Span:
    """A place in the user's text: 1-based line and column."""

    file: str
    line: int
    column: int

    def __str__(self) -> str:
        return f"{self.file}:{self.line}:{self.column}"


@dataclass(frozen=True)
class Variable:
    """A state variable, scalar or table.

    ``lo``/``hi`` bound the raw value of each cell (params may occur; None is
    unbounded). They are an obligation on every state, never an assumption.
    ``init`` is the initial value of every cell (an expression over params),
    a table-sorted expression, or None: any value of the range.
    """

    name: str
    sort: Sort
    lo: Expr | None
    hi: Expr | None
    init: Expr | None
    span: Span | None = None
    named: tuple[Domain, ...] = field(default=(), compare=False)
    """The index domains of a table, with the names in its design; those of its sort
    have none, because equal sorts are one object."""

    @property
    def index(self) -> tuple[Domain, ...]:
        over = self.sort.index if isinstance(self.sort, TableSort) else ()
        return self.named if self.named == over else over

    @property
    def element(self) -> Sort:
        return self.sort.element if isinstance(self.sort, TableSort) else self.sort

    def formulas(self) -> Iterator[Formula]:
        """The expressions of the declaration with their roles."""
        of = {Role.LEAST: self.lo, Role.MOST: self.hi, Role.INIT: self.init}
        for role, expr in of.items():
            if expr is not None:
                yield Formula(role, expr, variable=self.name)

    def map(self, f: Callable[[Expr], Expr]) -> Variable:
        """The variable with ``f`` applied to every expression."""
        lo, hi, init = (
            None if e is None else f(e) for e in (self.lo, self.hi, self.init)
        )
        return replace(self, lo=lo, hi=hi, init=init)

    @property
    def now(self) -> Expr:
        return var(self.name, self.sort)

    @property
    def next(self) -> Expr:
        return var(self.name, self.sort, primed=True)


@dataclass(frozen=True)
class Parameter:
    """An action's parameter; ``local`` stands for it in expressions. One that is
    ``implicit`` is in no design's text: which call of the action fails, 0 for
    none. It comes last."""

    name: str
    local: Expr
    implicit: bool = False

    @property
    def domain(self) -> Domain:
        domain: Domain = self.local.data[1]
        return domain


@dataclass(frozen=True)
class Obligation:
    """``formula`` must be true in every reachable state, for every value of
    the action's parameters. ``kind`` is 'assert', 'index', or 'loop': an assumption
    of the closed form of a loop over an open domain, with ``turns``, the open
    bounds that decide the number of its turns. Where ``early`` is false the formula
    is trivially true unless the guard holds."""

    kind: str
    formula: Expr
    message: str
    span: Span | None
    early: bool = False
    turns: frozenset[str] = frozenset()

    @property
    def says(self) -> tuple[str, Span | None]:
        """The message of a search where it fails. To a search, obligations of an action
        with the same message are one."""
        return self.message, self.span


@dataclass(frozen=True)
class Assumption:
    """An `assume` of an action. ``cut``: every guard before it holds, and it does
    not; so a step is cut by at most one assumption. The action's guard implies
    that ``cut`` is false. ``why`` completes "assuming ..."."""

    why: str
    cut: Expr
    span: Span | None = None


@dataclass(frozen=True)
class BranchSide:
    """One side of an `if`, or of `a if c else b`, in the text of an action or of a
    helper that it calls. ``taken`` is true of the steps that go there: where the
    action's guard holds, over the state before the step and the arguments. ``span``
    is the side's first line; where there is no `else`, that of the `if` itself, and
    ``what`` says so. ``site`` is the `if`: it is reached if one of its sides is."""

    span: Span
    site: Span
    what: str
    taken: Expr


@dataclass(frozen=True)
class Signature:
    """How an action is called, and what it returns. ``returns`` is the sort of that,
    None if it returns nothing. ``results`` are the raw values among which it is chosen;
    none if the action returns nothing, or what is not one of a few constants."""

    name: str
    parameters: tuple[Parameter, ...]
    returns: Sort | None
    results: tuple[int, ...]

    @cached_property
    def returned(self) -> Expr:
        """The local by which formulas about a step mention the result. Raises
        ValueError for an action without one."""
        return _returned(self.name, self.returns)


@dataclass(frozen=True)
class Action:
    """A guarded simultaneous update.

    ``updates`` maps a variable's name to its next value as an expression of
    the variable's sort; a variable that is missing keeps its value. A
    table's next value is always the table's variable under zero or more
    `store`s (innermost first), whose indices and values are over the state
    before the step. ``result`` is what the action returns, or None.
    """

    name: str
    parameters: tuple[Parameter, ...]
    guard: Expr
    updates: Mapping[str, Expr]
    result: Expr | None
    obligations: tuple[Obligation, ...] = ()
    kernel: str = ""
    doc: str = ""
    span: Span | None = None
    assumptions: tuple[Assumption, ...] = ()

    @property
    def returns(self) -> Sort | None:
        """See `Signature`."""
        return None if self.result is None else self.result.sort

    @cached_property
    def returned(self) -> Expr:
        """See `Signature.returned`."""
        return _returned(self.name, self.returns)

    @cached_property
    def results(self) -> tuple[int, ...]:
        """See `Signature`."""
        return () if self.result is None else tuple(sorted(set(_chosen(self.result))))

    def signature(self) -> Signature:
        """Return the action without its formulas."""
        return Signature(self.name, self.parameters, self.returns, self.results)

    def valuations(self) -> Iterator[tuple[int, ...]]:
        """All arguments, as raw values, last parameter fastest."""
        for raw in product(*(p.domain for p in self.parameters)):
            tick()
            yield raw

    def constants(self, arguments: Iterable[int]) -> dict[Expr, Expr]:
        """Return the parameters, each with its argument (a raw value) as a constant."""
        return {
            p.local: const(p.local.sort, raw)
            for p, raw in zip(self.parameters, arguments, strict=True)
        }

    def call(self, arguments: Iterable[int]) -> str:
        """Return the action with its arguments (raw values), as a user writes it."""
        sorts = (p.local.sort for p in self.parameters)
        return f"{self.name}({', '.join(map(show_raw, sorts, arguments))})"

    def formulas(self) -> Iterator[Formula]:
        """Every expression of the action with its role."""
        yield Formula(Role.GUARD, self.guard, action=self)
        for name, update in self.updates.items():
            yield Formula(Role.UPDATE, update, action=self, variable=name)
        if self.result is not None:
            yield Formula(Role.RESULT, self.result, action=self)
        for due in self.obligations:
            yield Formula(Role.OBLIGATION, due.formula, action=self)
        for assumed in self.assumptions:
            yield Formula(Role.ASSUMPTION, assumed.cut, action=self)

    def map(self, f: Callable[[Expr], Expr]) -> Action:
        """The action with ``f`` applied to every expression."""
        return replace(
            self,
            guard=f(self.guard),
            updates={name: f(update) for name, update in self.updates.items()},
            result=None if self.result is None else f(self.result),
            obligations=tuple(
                replace(due, formula=f(due.formula)) for due in self.obligations
            ),
            assumptions=tuple(
                replace(assumed, cut=f(assumed.cut)) for assumed in self.assumptions
            ),
        )


def _returned(action: str, sort: Sort | None) -> Expr:
    if sort is None:
        raise ValueError(f"{action} returns nothing")
    size = len(getattr(sort, "labels", (0, 1)))
    return local("result", Domain(sort, 0, size - 1, "result"))


def _chosen(e: Expr) -> Iterator[int]:
    """The constants that an if-then-else chooses from."""
    if e.is_const:
        yield e.data
    elif e.op == "ite":
        yield from _chosen(e.args[1])
        yield from _chosen(e.args[2])


class Role(Enum):
    """The role of a formula in its system."""

    INITIAL = "initial state"
    LEAST = "least value"
    MOST = "greatest value"
    INIT = "initial value"
    GUARD = "guard"
    UPDATE = "update"
    RESULT = "result"
    OBLIGATION = "obligation"
    ASSUMPTION = "assumption"


@dataclass(frozen=True)
class Formula:
    """An expression of a system: its role, the action it belongs to (None:
    the system's own), and the variable that it bounds, starts or updates."""

    role: Role
    expr: Expr
    action: Action | None = None
    variable: str = ""

    @property
    def where(self) -> str:
        """Its name in a message: the action, or the role."""
        if self.action is not None:
            return self.action.name
        if self.variable:
            return f"the {self.role.value} of {self.variable}"
        return f"the {self.role.value}"


Write = tuple[tuple[Expr, ...], Expr]
"""An index (none: the whole variable), and the value that is stored there."""


def writes(update: Expr) -> list[Write]:
    """Return the changes that a variable's update makes, in order."""
    base, found = changes_of(update)
    if base.op == "var" and isinstance(base.sort, TableSort):
        return found
    return [((), base), *found]


def conjuncts(e: Expr) -> tuple[Expr, ...]:
    """Return the conjuncts of e, a bool."""
    return e.args if e.op == "and" else () if e is TRUE else (e,)


@dataclass(frozen=True)
class Cell:
    """One scalar of the state: a variable, or one entry of a table."""

    variable: Variable
    index: tuple[int, ...]

    @property
    def name(self) -> str:
        if not self.index:
            return self.variable.name
        indices = (
            show_raw(d.sort, i)
            for d, i in zip(self.variable.index, self.index, strict=True)
        )
        return f"{self.variable.name}[{', '.join(indices)}]"


class System(ABC):
    """The variables of a system, its initial states and how its actions are called:
    all that it takes to run it under CPython, and to evaluate formulas in its states.
    """

    variables: tuple[Variable, ...]
    initial: Expr

    @property
    @abstractmethod
    def signatures(self) -> Mapping[str, Action | Signature]:
        """How each action is called, by its name."""

    @cached_property
    def by_name(self) -> dict[str, Variable]:
        return {v.name: v for v in self.variables}

    @cached_property
    def cells(self) -> tuple[Cell, ...]:
        """The layout of a `State`: variables in order, tables row-major."""
        return tuple(
            Cell(v, index) for v in self.variables for index in product(*v.index)
        )

    @cached_property
    def layout(self) -> tuple[tuple[str, tuple[Domain, ...]], ...]:
        """What decides the cells: systems of one layout have equal `cell_of`."""
        return tuple((v.name, v.index) for v in self.variables)

    @cached_property
    def cell_of(self) -> dict[tuple[str, tuple[int, ...]], int]:
        """(variable, raw index) -> position in a `State`."""
        return {(c.variable.name, c.index): k for k, c in enumerate(self.cells)}


@dataclass(frozen=True)
class Outline(System):
    """A system without the formulas of its actions, which are nearly all of it."""

    variables: tuple[Variable, ...]
    calls: tuple[Signature, ...]
    initial: Expr
    assumptions: tuple[str, ...]

    @cached_property
    def signatures(self) -> Mapping[str, Signature]:
        return {call.name: call for call in self.calls}


@dataclass(frozen=True)
class TransitionSystem(System):
    """The input of every engine. ``initial`` constrains the initial states
    beyond each variable's ``init``. ``least`` gives, for each rigid param,
    the smallest value it may take (None: any integer). ``lacking`` has the
    assumptions that hold because features are off."""

    name: str
    variables: tuple[Variable, ...]
    actions: tuple[Action, ...]
    initial: Expr
    least: Mapping[str, int | None]
    bounds: Mapping[str, int]
    lacking: tuple[str, ...] = ()

    def formulas(self) -> Iterator[Formula]:
        """Every expression of the system with its role: the initial states',
        the declarations', the actions'. An algorithm that must see all of a
        system goes through here, so that a new part cannot be overlooked."""
        yield Formula(Role.INITIAL, self.initial)
        for v in self.variables:
            yield from v.formulas()
        for a in self.actions:
            yield from a.formulas()

    def map(self, f: Callable[[Expr], Expr]) -> TransitionSystem:
        """The system with ``f`` applied to every expression."""
        return replace(
            self,
            variables=tuple(v.map(f) for v in self.variables),
            actions=tuple(a.map(f) for a in self.actions),
            initial=f(self.initial),
        )

    @cached_property
    def cutting(self) -> tuple[str, ...]:
        """The reasons of all `assume`s, each once, in the order of the text."""
        every = (assumed.why for a in self.actions for assumed in a.assumptions)
        return tuple(dict.fromkeys(every))

    @property
    def assumptions(self) -> tuple[str, ...]:
        """Everything that the system assumes, each once: for want of a feature,
        and by an `assume`."""
        return tuple(dict.fromkeys((*self.lacking, *self.cutting)))

    @cached_property
    def action_by_name(self) -> dict[str, Action]:
        return {a.name: a for a in self.actions}

    @property
    def signatures(self) -> Mapping[str, Action]:
        return self.action_by_name

    def outline(self) -> Outline:
        """Return the system without the formulas of its actions."""
        calls = tuple(a.signature() for a in self.actions)
        return Outline(self.variables, calls, self.initial, self.assumptions)

    @cached_property
    def scalars(self) -> tuple[ScalarSort, ...]:
        """The scalarsets that the system claims to be interchangeable."""
        sorts = [v.sort for v in self.variables]
        sorts += [p.local.sort for a in self.actions for p in a.parameters]
        every = (s for sort in sorts for s in scalarsets(sort))
        return tuple(dict.fromkeys(s for s in every if s.interchangeable))
