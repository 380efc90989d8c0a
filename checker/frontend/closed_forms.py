# SPDX-License-Identifier: GPL-2.0-only
"""Loops over a domain whose size is open, as closed forms.

The body is executed once, for an unknown element x. A *turn* is one iteration. Each
changed variable is a *head*: its value when the turn begins. The value of a variable
after the loop follows from what one turn does to its head:

- a table changed in x's row only, which reads changed tables in x's row only:
  each row is changed by its own turn (`ir.row_wise`);
- h + d(x), d free of heads: the value before and the sum of d over the domain;
  also a table's cell, at whatever index;
- h or c(x), h and c(x): any, all;
- min and max with 0 or -1 around the head ("a clamp"), where no turn lowers it:
  folded away, with the obligation that the value is not below zero before;
- a value that depends neither on heads nor on x: that value, for the domain is not
  empty;
- c(x) ? f : h, f free of x: f if c holds of some x; with f(x), and x a number: f of
  the last x with c; with f(x), and "x == t" a part of c: f(t) if c holds of some x;
- h == none and c(x) ? f(x) : h: f of the first x with c (`first`);
- min(h, d(x)), max(h, d(x)), d between two constants: how many of the numbers between
  them no d(x) is beyond.

Anything else raises `NotClosed`, which names the line. The order of turns matters
only for "first" and "last". tests/agreement/test_any_size.py substitutes sizes and
compares each system with the unrolled one.
"""

from __future__ import annotations

import ast
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from poolproof.checker.core import ir
from poolproof.checker.core.diagnostic import UserError
from poolproof.checker.core.ir import BOOL, INT, Expr, OpenDomain, TableSort
from poolproof.checker.core.ranges import Ranges
from poolproof.checker.core.system import Span
from poolproof.checker.elaborate import operators
from poolproof.checker.elaborate.values import Operand, Pending
from poolproof.checker.frontend.cursor import (
    Cursor,
    Effects,
    Flow,
    Store,
    Unusable,
    Value,
)
from poolproof.checker.frontend.deciding import Deciding
from poolproof.checker.frontend.turns import (
    Unclamped,
    added_to,
    at_cell,
    certain,
    decided,
    pointed,
    rewritten,
    without,
)

_ROUNDS = 8
"""Executions of a body, at most, until no further variable changes."""


class NotClosed(UserError):
    """A use of a domain whose size is open has no closed form. ``params`` are the
    bounds that decide the domain's size."""

    def __init__(self, span: Span | None, domain: OpenDomain, why: str) -> None:
        super().__init__(span, why)
        self.domain, self.params = domain, params_of(domain)

    def __reduce__(self) -> Any:
        return NotClosed, (self.span, self.domain, self.message)


def params_of(domain: OpenDomain) -> frozenset[str]:
    """Return the names of the open bounds that decide the domain's size."""
    return frozenset(e.data for e in ir.subterms(domain.end) if e.op == "param")


@dataclass
class _Turn:
    """One turn of a loop over an open domain: ``before`` is the state as it
    begins, with heads, and ``after`` as it ends."""

    x: Expr
    before: Store
    after: Store


@dataclass
class OpenLoop:
    """``for name in domain: body``; ``turn`` executes the body."""

    cursor: Cursor
    name: str
    domain: OpenDomain
    node: ast.AST
    turn: Callable[[Cursor], Flow]

    def __post_init__(self) -> None:
        self.effects = self.cursor.effects
        self.span = self.cursor.at(self.node).span
        self.number = next(self.effects.fresh)
        self.x = ir.local(f"{self.name}#{self.number}", self.domain)

    def refusal(self, why: str, span: Span | None = None) -> NotClosed:
        return NotClosed(span or self.span, self.domain, why)

    def run(self) -> None:
        """Execute the loop: the cursor's store becomes that after it."""
        if self.effects.choices is not None:
            raise self.refusal("a loop where calls may fail")
        marks = _Marks.of(self.effects)
        heads: dict[tuple[str, bool], Value] = {}
        for _ in range(_ROUNDS):
            marks.restore(self.effects)
            turn = self.one_turn(heads)
            more = self.more_heads(turn, heads)
            if not more:
                break
            heads |= more
        else:
            raise self.refusal("the loop changes too many variables one after another")
        _Closing(self, heads, turn, marks).close()

    def one_turn(self, heads: Mapping[tuple[str, bool], Value]) -> _Turn:
        store = self.cursor.store.copy()
        for (name, is_local), head in heads.items():
            (store.locals if is_local else store.vars)[name] = head
        before = store.copy()
        store.locals[self.name] = self.x
        here = Cursor(self.effects, self.cursor.frame, store, self.cursor.pc)
        try:
            flow = self.turn(here)
        except NotClosed:
            raise
        except (UserError, ir.SortError) as mistake:
            span = mistake.span if isinstance(mistake, UserError) else None
            why = str(getattr(mistake, "message", mistake))
            raise self.refusal(why, span) from None
        if flow.returned is not ir.FALSE or flow.live is not ir.TRUE:
            raise self.refusal("the loop returns")
        return _Turn(self.x, before, flow.store)

    def more_heads(
        self, turn: _Turn, heads: Mapping[tuple[str, bool], Value]
    ) -> dict[tuple[str, bool], Value]:
        """Heads for what the turn changes and what has none yet."""
        found: dict[tuple[str, bool], Value] = {}
        for name, now in turn.after.vars.items():
            if now is not turn.before.vars[name] and (name, False) not in heads:
                found[name, False] = self.head(name, turn.before.vars[name])
        for name, value in turn.after.locals.items():
            old = turn.before.locals.get(name)
            known = isinstance(old, Expr | Pending) and (name, True) not in heads
            if name == self.name:
                continue
            if known and value is not old and value != old:
                sort = next((v.sort for v in (old, value) if isinstance(v, Expr)), None)
                if sort is None:
                    raise self.refusal(f"`{name}` changes, but has no sort yet")
                found[name, True] = ir.var(f"{name}'{self.number}", sort)
        return found

    def head(self, name: str, before: Expr) -> Expr:
        """A symbol for the variable; a table over closed domains has one for
        each cell."""
        sort = before.sort
        if not isinstance(sort, TableSort) or _is_open(sort):
            return ir.var(f"{name}@{self.number}", sort)
        table = before
        for k, index in enumerate(ir.index_space(sort)):
            cell = ir.var(f"{name}@{self.number}.{k}", sort.element)
            table = ir.store(table, *index, cell)
        return table


def _is_open(sort: TableSort) -> bool:
    return any(isinstance(d, OpenDomain) for d in sort.index)


@dataclass(frozen=True)
class _Marks:
    """The numbers of effects that an action had collected before a loop."""

    guards: int
    obligations: int
    assertions: int
    assumptions: int
    running: Expr

    @classmethod
    def of(cls, effects: Effects) -> _Marks:
        return cls(
            len(effects.guards),
            len(effects.obligations),
            len(effects.assertions),
            len(effects.assumptions),
            effects.running,
        )

    def restore(self, effects: Effects) -> None:
        del effects.guards[self.guards :]
        del effects.obligations[self.obligations :]
        del effects.assertions[self.assertions :]
        del effects.assumptions[self.assumptions :]
        effects.running = self.running


_GONE = Unusable("the value of a loop's last iteration")


@dataclass
class _Closing:
    """From one turn to the state after the loop."""

    loop: OpenLoop
    heads: Mapping[tuple[str, bool], Value]
    turn: _Turn
    marks: _Marks

    def __post_init__(self) -> None:
        self.x, self.domain = self.loop.x, self.loop.domain
        self.deciding = Deciding(self.x, self.has_heads)
        self.start = self.loop.cursor.store
        self.symbols: dict[Expr, Expr] = {}
        """Each head that is no open table, with its value before the loop."""
        self.rows: dict[Expr, tuple[int, Expr]] = {}
        """Each head of a table that is changed row by row: which of its
        indices is x, and the table before the loop."""
        self.grown: dict[Expr, Expr] = {}
        """Heads of numbers that turns move one way only, each with the least value
        that it may have as turn x begins."""
        self.tables: dict[Expr, Expr] = {}
        """Each head of an open table, with the table before the loop."""

    def close(self) -> None:
        self.refuse_effects()
        self.collect()
        for head, before in self.tables.items():
            after = pointed(self.turn.after.vars[self.name_of(head)])
            for k, domain in enumerate(_table(head).index):
                if domain == self.domain and self.only_row(head, after, k):
                    self.rows[head] = k, before
                    break
        after_vars: dict[str, Expr] = {}
        after_locals: dict[str, Value] = {}
        for (name, is_local), head in self.heads.items():
            if is_local:
                after_locals[name] = self.local(name, head)
            else:
                after_vars[name] = self.variable(name, head)
        self.obligations()
        self.start.vars.update(after_vars)
        self.start.locals.update(after_locals)
        for name in self.turn.after.locals:
            kept = isinstance(self.start.locals.get(name), Expr | Pending)
            if not kept and name not in after_locals:
                self.start.locals[name] = _GONE
        self.start.locals[self.loop.name] = _GONE

    def refuse_effects(self) -> None:
        effects, marks = self.loop.effects, self.marks
        for found, mark, what in (
            (effects.guards, marks.guards, "require() or assume()"),
            (effects.assertions, marks.assertions, "bug_on() or warn_on()"),
        ):
            if len(found) > mark:
                raise self.loop.refusal(f"{what} in a loop")

    def collect(self) -> None:
        for (name, is_local), head in self.heads.items():
            if is_local:
                value = self.typed(self.start.locals[name], head)
                if value is None:
                    raise self.loop.refusal(f"`{name}` changes its sort")
                self.symbols[head] = value
                continue
            before = self.start.vars[name]
            if not isinstance(head.sort, TableSort):
                self.symbols[head] = before
            elif _is_open(head.sort):
                self.tables[head] = before
            else:
                for index in ir.index_space(head.sort):
                    cell = ir.select(head, *index)
                    self.symbols[cell] = ir.select(before, *index)

    def typed(self, value: Value, head: Expr) -> Expr | None:
        """Return the value of a local as one of the head's sort; None if it is none."""
        if isinstance(value, Pending):
            at = self.loop.cursor.at(None)
            value = operators.coerce(Operand(value), head.sort, at)
        return value if isinstance(value, Expr) else None

    def name_of(self, head: Expr) -> str:
        return next(n for (n, _), h in self.heads.items() if h is head)

    # -- tables, row by row --

    def only_row(self, head: Expr, after: Expr, k: int) -> bool:
        """Return whether a turn changes no row of the table but x's, x being index
        k."""
        binders = self.binders(head)
        same = ir.select(head, *binders)
        cell = pointed(ir.select(after, *binders))
        other = without(cell, binders[k], self.x)
        return other is same or at_cell(other, head, binders, same, frozenset()) is same

    def binders(self, head: Expr) -> list[Expr]:
        number = next(self.loop.effects.fresh)
        return [
            ir.local(f"cell{j}#{number}", d) for j, d in enumerate(_table(head).index)
        ]

    def at_start(self, e: Expr) -> Expr:
        """e with what the loop has not changed yet as it was before the loop: x's
        row of the tables that are changed row by row."""

        def cell_before(node: Expr) -> Expr | None:
            if node.op == "select" and (row := self.rows.get(node.args[0])):
                k, before = row
                if node.args[1 + k] is self.x:
                    return ir.select(before, *node.args[1:])
            return None

        return rewritten(e, cell_before)

    def has_heads(self, e: Expr) -> bool:
        return any(
            n in self.symbols or n in self.tables
            for n in ir.subterms(e)
            if n.op == "var"
        )

    def variable(self, name: str, head: Expr) -> Expr:
        after = self.turn.after.vars[name]
        if head in self.rows:
            return self.each_row(name, head, after)
        if head in self.tables:
            return self.each_cell(name, head, after)
        if not isinstance(head.sort, TableSort):
            return self.scalar(f"`{name}`", head, after)
        table = self.start.vars[name]
        for index in ir.index_space(head.sort):
            cell = ir.select(head, *index)
            value = self.scalar(f"`{name}`", cell, ir.select(after, *index))
            table = ir.store(table, *index, value)
        return table

    def each_row(self, name: str, head: Expr, after: Expr) -> Expr:
        k, before = self.rows[head]
        sort = _table(head)

        def cell(*index: Expr) -> Expr:
            binders = self.binders(head)
            inside = [self.x if j == k else b for j, b in enumerate(binders)]
            value = self.at_start(pointed(ir.select(after, *inside)))
            if self.has_heads(value):
                raise self.loop.refusal(
                    f"`{name}` depends on other iterations of the loop"
                )
            by = {b: i for b, i in zip(binders, index, strict=True)}
            by[self.x] = index[k]
            return ir.substitute(value, by)

        table = ir.row_wise(sort, cell)
        return before if table is head else table

    def each_cell(self, name: str, head: Expr, after: Expr) -> Expr:
        """A table of which a turn changes cells by adding to them."""
        before = self.tables[head]

        def cell(*index: Expr) -> Expr:
            binders = self.binders(head)
            old = ir.select(head, *binders)
            symbol = ir.var(f"{name}@cell{self.loop.number}", old.sort)
            whole = pointed(ir.select(after, *binders))
            value = at_cell(whole, head, binders, symbol, frozenset())
            self.symbols[symbol] = ir.select(before, *binders)
            closed = self.scalar(f"`{name}`", symbol, value)
            del self.symbols[symbol]
            return ir.substitute(closed, dict(zip(binders, index, strict=True)))

        return ir.row_wise(_table(head), cell)

    # -- values --

    def local(self, name: str, head: Expr) -> Value:
        """A local after the loop: only its use is refused where it has no
        closed form."""
        value = self.typed(self.turn.after.locals[name], head)
        if value is None:
            return _GONE
        try:
            return self.scalar(f"`{name}`", head, value)
        except NotClosed as refused:
            return Unusable(f"no closed form: {refused.message}")

    def scalar(self, called: str, head: Expr, value: Expr) -> Expr:
        before = self.symbols[head]
        value = self.at_start(pointed(value))
        found = self.closed(head, value, before)
        if found is None:
            found = self.closed(head, decided(value), before)
        if found is None:
            raise self.loop.refusal(
                f"{called} depends on earlier iterations of the loop"
            )
        return found

    def closed(self, head: Expr, value: Expr, before: Expr) -> Expr | None:
        """The closed form of a value that is ``before`` when the loop starts."""
        if value is head:
            return before
        if head.sort is BOOL:
            found = self.truth(head, value, before)
        elif head.sort is INT:
            found = self.number(head, value, before)
        else:
            found = None
        if found is None and not self.has_heads(value) and self.x not in value.free:
            found = value
        return found or self.deciding.after(head, value, before)

    def truth(self, head: Expr, value: Expr, before: Expr) -> Expr | None:
        yes = ir.substitute(value, {head: ir.TRUE})
        no = ir.substitute(value, {head: ir.FALSE})
        if yes is ir.TRUE and not self.has_heads(no):
            return ir.or_(before, ir.aggregate("any", self.x, no))
        if no is ir.FALSE and not self.has_heads(yes):
            return ir.and_(before, ir.aggregate("all", self.x, yes))
        return None

    def number(self, head: Expr, value: Expr, before: Expr) -> Expr | None:
        added = added_to(head, value)
        if added is None:
            extreme = self.deciding.extreme(head, value, before)
            return extreme or self.clamped(head, value, before)
        if self.has_heads(added):
            return None
        return self.counted(head, added, before)

    def counted(self, head: Expr, added: Expr, before: Expr) -> Expr:
        least, most = Ranges({}).of(added)
        after = ir.add(before, ir.aggregate("sum", self.x, added))
        if least is not None and least >= 0:
            self.grown[head] = before
        elif most is not None and most <= 0:
            self.grown[head] = ir.sub(after, added)
        return after

    def clamped(self, head: Expr, value: Expr, before: Expr) -> Expr | None:
        """A number that would be kept at a value below zero, and is never there.
        Either no turn lowers it, or no turn raises it."""
        (folded,) = Ranges({head.data[0]: (0, None)}).decide(value)
        added = added_to(head, folded)
        if added is not None and not self.has_heads(added):
            least = Ranges({}).of(added)[0]
            if least is not None and least >= 0:
                self.owe(ir.le(ir.num(0), before), "a count below zero")
                return self.counted(head, added, before)
        unclamped = Unclamped(head, value)
        added = added_to(head, unclamped.value)
        if added is None or self.has_heads(added) or not unclamped.whole:
            return None
        falls = ir.aggregate("all", self.x, ir.le(added, ir.num(0)))
        after = ir.add(before, ir.aggregate("sum", self.x, added))
        least_before = ir.sub(after, added)
        for asked, step in unclamped.asked:
            if self.has_heads(step) or self.has_heads(asked):
                return None
            low = ir.le(ir.num(0), ir.add(least_before, step))
            lowest = ir.implies(asked, low)
            self.owe(
                ir.aggregate("all", self.x, lowest), "a count that falls below zero"
            )
        self.owe(ir.le(ir.num(0), before), "a count below zero")
        self.owe(falls, "a count that some iterations raise")
        self.grown[head] = least_before
        return after

    def owe(self, truth: Expr, what: str) -> None:
        loop = self.loop
        loop.effects.oblige(
            "loop",
            loop.cursor.pc,
            truth,
            f"the loop has {what}",
            loop.span,
            params_of(loop.domain),
        )

    # -- what must hold in each turn --

    def from_start(self, formula: Expr) -> Expr:
        """``0 <= h + d`` with the least value that h may have as the turn begins."""
        parts = []
        for part in formula.args if formula.op == "or" else (formula,):
            if part.op == "le" and part.args[0] is ir.num(0):
                for head, least in self.grown.items():
                    if added_to(head, part.args[1]) is not None:
                        part = ir.substitute(part, {head: least})
            parts.append(part)
        return ir.or_(*parts)

    def obligations(self) -> None:
        effects, first = self.loop.effects, self.marks.obligations
        for k in range(first, len(effects.obligations)):
            number, due = effects.obligations[k]
            if self.x not in due.formula.free and not self.has_heads(due.formula):
                continue
            formula = self.at_start(pointed(due.formula))
            if due.kind == "loop":
                formula = self.from_start(formula)
            if self.has_heads(formula) and certain(formula, self.inside()):
                formula = ir.TRUE
            if self.has_heads(formula):
                raise self.loop.refusal(
                    f"whether `{due.message}` depends on earlier iterations", due.span
                )
            every = ir.aggregate("all", self.x, formula)
            effects.obligations[k] = number, replace(due, formula=every)

    def inside(self) -> list[Expr]:
        """What x's domain says of it, if it is a number."""
        if self.x.sort is not INT:
            return []
        least, last = ir.num(self.domain.lo), self.domain.end
        return [ir.le(least, self.x), ir.le(self.x, last)]


def _table(e: Expr) -> TableSort:
    assert isinstance(e.sort, TableSort)
    return e.sort
