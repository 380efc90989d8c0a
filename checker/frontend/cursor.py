# SPDX-License-Identifier: GPL-2.0-only
"""Where symbolic execution is: the method, the store, the path condition."""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import cache, cached_property
from types import FunctionType
from typing import Any

from poolproof.checker.core import ir
from poolproof.checker.core.diagnostic import UserError
from poolproof.checker.core.ir import Expr
from poolproof.checker.core.ranges import Ranges
from poolproof.checker.core.source import span_of
from poolproof.checker.core.system import (
    Assumption,
    BranchSide,
    Obligation,
    Span,
    Variable,
)
from poolproof.checker.elaborate.operators import choose
from poolproof.checker.elaborate.values import (
    Operand,
    Pending,
    Site,
    lies_in,
)
from poolproof.checker.frontend.failures import Choices
from poolproof.model.language import (
    Arithmetic,
    Binding,
    Bound,
    Design,
    Domain,
    Feature,
    Slot,
    Values,
    closure,
    forwarded,
    resolved,
)

# --- values that only designs have -----------------------------------------


@dataclass(frozen=True)
class Ref:
    """The design itself (prefix "") or one of its blocks ("pool."); with
    ``hooks`` it is the `self.design` of a block."""

    owner: Any
    cls: type
    prefix: str
    hooks: bool = False


Side = tuple[Span, Span, str]
"""What a `BranchSide` is, but for when it is taken."""


@dataclass(frozen=True)
class Unusable:
    """A local that has no value on some path, or values of two sorts."""

    why: str


@dataclass(frozen=True)
class Tuple:
    """(a, b): only on the right of `in`."""

    items: tuple[Any, ...]


def forwarded_to(this: Ref, function: FunctionType) -> tuple[Ref, FunctionType]:
    """Return the block and its method that a method of a design stands for;
    the two themselves if the design's text has it."""
    link = forwarded(function)
    if link is None:
        return this, function
    block, method = resolved(this.owner, function)
    return Ref(block, type(block), f"{this.prefix}{link.block}."), method


Value = Any  # Expr, Pending, Ref, Unusable, Tuple, Values, an Enum class, None

NOTHING = object()
"""The meaning of a name that has none."""


def describe(value: Value) -> str:
    """Return what messages call a value that no other language has."""
    match value:
        case None:
            return "nothing"
        case Ref():
            return f"the {'design' if issubclass(value.cls, Design) else 'block'}"
        case Values():
            return f"the domain {value}"
        case Unusable(why):
            return why
        case type():
            return f"the class {value.__name__}"
        case _:
            return "a tuple"


# --- what a method does ---------------------------------------------------


@dataclass(frozen=True)
class KernelAssertion:
    """A `bug_on` or `warn_on` (``kind``) in the method that ``where`` names,
    as in ``mm.exit_mmap``. ``held``: its condition is false if it is met."""

    kind: str
    where: str
    text: str
    held: Expr
    span: Span


@dataclass
class Effects:
    """The effects that executing one action or observer collects."""

    binding: Binding
    slots: Mapping[str, Slot]
    variables: Mapping[str, Variable]
    ranges: Ranges
    """Those of the variables: no state outside is explored, since leaving one
    is an obligation of its own."""
    fresh: Iterator[str]
    design: Ref
    """What `self.design` means in a block's methods."""
    may_require: bool = True
    guards: list[Expr] = field(default_factory=list)
    obligations: list[tuple[int, Obligation]] = field(default_factory=list)
    """Each with the number of guards that came before it."""
    assertions: list[KernelAssertion] = field(default_factory=list)
    assumptions: list[Assumption] = field(default_factory=list)
    sides: dict[Side, list[Expr]] = field(default_factory=dict)
    """When control takes each side of a condition, once for each time that it comes
    there: in a loop, or in a helper that is called twice."""
    running: Expr = ir.TRUE
    """No `bug_on` so far has ended the action."""
    choices: Choices | None = None
    """Which call fails, in a design in which some do."""
    skippable: int = 0
    """Within how many expressions we are that Python may skip."""

    def oblige(
        self,
        kind: str,
        pc: Expr,
        truth: Expr,
        message: str,
        span: Span | None,
        turns: frozenset[str] = frozenset(),
    ) -> None:
        """Note that ``truth`` must hold where the path condition does. ``turns``:
        see `Obligation`."""
        formula = ir.implies(ir.and_(self.running, pc), truth)
        if formula is not ir.TRUE:
            due = Obligation(kind, formula, message, span, turns=turns)
            self.obligations.append((len(self.guards), due))

    def fork(self, side: Side, taken: Expr) -> None:
        """Note that control takes the side where ``taken`` is true."""
        self.sides.setdefault(side, []).append(ir.and_(self.running, taken))

    def branches(self) -> Iterator[BranchSide]:
        """Yield the sides of conditions, one for each place."""
        for side, taken in self.sides.items():
            yield BranchSide(*side, ir.or_(*taken))


# --- state during execution -----------------------------------------------


@dataclass
class Store:
    """Current values of state variables and of the method's locals."""

    vars: dict[str, Expr]
    locals: dict[str, Value]

    def copy(self) -> Store:
        return Store(dict(self.vars), dict(self.locals))


@dataclass(frozen=True)
class Frame:
    """The method being executed: whose it is and where it was written."""

    this: Ref
    function: FunctionType
    file: str
    tree: ast.FunctionDef

    @cached_property
    def scope(self) -> dict[str, Any]:
        """The names around the method: of its module, and of the function
        that its class is written in."""
        return {**self.function.__globals__, **closure(self.function)}

    def outer(self, name: str) -> Any:
        """Return what a name that is not a local means, or NOTHING."""
        if name in self.function.__code__.co_freevars:
            return closure(self.function).get(name, NOTHING)
        return self.function.__globals__.get(name, NOTHING)


@dataclass(eq=False, slots=True)
class Cursor:
    """A point of the execution: ``store`` there, under the condition ``pc``."""

    effects: Effects
    frame: Frame
    store: Store
    pc: Expr

    def under(self, condition: Expr) -> Cursor:
        """Return the same point on the paths where the condition holds."""
        if condition is ir.TRUE:
            return self
        pc = ir.and_(self.pc, condition)
        return Cursor(self.effects, self.frame, self.store, pc)

    def fork(self, node: ast.If | ast.IfExp, c: Expr) -> None:
        """Note both sides of a condition, unless it is an observer's, or decided by
        the features."""
        if not self.effects.may_require or (c.is_const and not self.sized(node.test)):
            return
        sides = _sides(self.frame.file, node)
        for side, truth in zip(sides, (c, ir.not_(c)), strict=True):
            self.effects.fork(side, ir.and_(self.pc, truth))

    def sized(self, test: ast.expr) -> bool:
        """Return whether a condition that is decided mentions sizes or numbers, but no
        feature: other bounds may decide it differently."""
        found = False
        for name, of_self in _named(test):
            if of_self:
                value = getattr(self.frame.this.owner, name, None)
            elif name in self.store.locals:
                local = self.store.locals[name]
                found |= isinstance(local, Expr) and local.sort is ir.INT
                continue
            else:
                value = self.frame.outer(name)
            if isinstance(value, Feature):
                return False
            found |= isinstance(value, Bound | Arithmetic | Domain)
        return found

    def apart(self) -> Cursor:
        """Return this point with a store of its own."""
        return Cursor(self.effects, self.frame, self.store.copy(), self.pc)

    def at(self, node: ast.AST | None, shows: ast.AST | None = None) -> Written:
        """Return the site of a syntax node; messages quote ``shows``."""
        return Written(self, node, shows)

    def either(self, c: Expr, a: Value, b: Value) -> Value:
        """Return the value that is ``a`` where c holds, else ``b``. If the two have no
        common sort, return an Unusable, which is an error only if it is used."""
        simple = not isinstance(a, Expr) and not isinstance(b, Expr)
        if a is b or (simple and a == b):
            return a
        alike = isinstance(a, Expr) and isinstance(b, Expr) and a.sort is b.sort
        if alike and not isinstance(a.sort, ir.TableSort):
            return ir.ite(c, a, b)
        for x in (a, b):
            if isinstance(x, Unusable):
                return x
        at = self.at(None)
        two = Unusable(
            f"{at.described(a)} on one path and {at.described(b)} on another"
        )
        if not all(isinstance(x, Expr | Pending) for x in (a, b)):
            return two
        then, otherwise = at.under(c), at.under(ir.not_(c))
        try:
            return choose(c, Operand(a, then), Operand(b, otherwise), at)
        except UserError:
            return two


@cache
def _sides(file: str, node: ast.If | ast.IfExp) -> tuple[Side, Side]:
    """Return the places of both sides of a condition."""
    site = span_of(file, node)

    def place(side: ast.expr | list[ast.stmt]) -> Side:
        if isinstance(side, ast.expr):
            return span_of(file, side), site, ast.unparse(side)
        return (
            (span_of(file, side[0]), site, "") if side else (site, site, "never false")
        )

    return place(node.body), place(node.orelse)


@cache
def _named(test: ast.expr) -> tuple[tuple[str, bool], ...]:
    """Return the names in a condition, each with whether it is one of `self`."""
    found = []
    for node in ast.walk(test):
        match node:
            case ast.Name(name):
                found.append((name, False))
            case ast.Attribute(ast.Name("self"), name):
                found.append((name, True))
    return tuple(found)


@dataclass(eq=False)
class Written(Site):
    """A site in a method. ``shows`` is the text that messages quote, where
    that is not the node's own, or how they call the value."""

    cursor: Cursor
    node: ast.AST | None
    shows: ast.AST | str | None = None
    called: str = ""

    none = "None"
    unequal = "is not"
    lenient = True
    keeps_writing = False

    @property
    def span(self) -> Span | None:
        if self.node is None:
            return None
        return span_of(self.cursor.frame.file, self.node)

    @property
    def reached(self) -> bool:
        return self.cursor.pc is ir.TRUE

    def code(self, value: Value) -> str:
        shows = self.shows or self.node
        if isinstance(shows, ast.AST):
            return ast.unparse(shows)
        return shows or (ir.show(value) if isinstance(value, Expr) else "this")

    def named(self, value: Value) -> str:
        return self.called or super().named(value)

    def described(self, value: Value) -> str:
        if isinstance(value, Expr | Pending):
            return super().described(value)
        return describe(value)

    def inside(self, e: Expr, domain: ir.Domain) -> Expr:
        kept = self.cursor.effects.ranges.inside(e, domain)
        return ir.TRUE if kept else lies_in(e, domain)

    def oblige(
        self, _e: Expr, _domain: ir.Domain, inside: Expr, message: str, /
    ) -> None:
        self.due("index", inside, message)

    def due(self, kind: str, truth: Expr, message: str) -> None:
        """Note an obligation of the kind, which must hold wherever this site is
        reached."""
        self.cursor.effects.oblige(kind, self.cursor.pc, truth, message, self.span)

    def under(self, condition: Expr) -> Written:
        return replace(self, cursor=self.cursor.under(condition))

    def naming(self, code: str) -> Written:
        return replace(self, shows=code)


@dataclass
class Flow:
    """Where control goes from a block: on (under ``live``, with ``store``),
    or out by return (under ``returned``)."""

    live: Expr
    store: Store
    returned: Expr = ir.FALSE
    at_return: dict[str, Expr] = field(default_factory=dict)
    value: Value = None


def merge_vars(c: Expr, a: dict[str, Expr], b: dict[str, Expr]) -> dict[str, Expr]:
    """Return the state that is ``a`` where c holds, else ``b``."""
    return {name: ir.ite(c, a[name], b[name]) for name in a}
