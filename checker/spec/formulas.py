# SPDX-License-Identifier: GPL-2.0-only
"""The formulas of a spec as expressions.

Formulas are read from the left: in `a and b`, `a or b`, `a implies b`,
`b if a else c`, what stands to the right counts only where `a` lets it.
"""

from __future__ import annotations

from poolproof.checker.core import ir
from poolproof.checker.core.ir import Domain, Expr, SetSort, Sort
from poolproof.checker.elaborate import operators
from poolproof.checker.elaborate.values import Display, Missing, Operand, Pending
from poolproof.checker.spec.meanings import Meanings
from poolproof.checker.spec.names import listed
from poolproof.checker.spec.reading import Env, Local, Reading, closed
from poolproof.checker.spec.syntax import (
    Aggregate,
    Binary,
    Binder,
    CallExpr,
    Compare,
    Expression,
    IfElse,
    Index,
    Junction,
    Literal,
    Name,
    Numeral,
    Range,
    SetDisplay,
    Unary,
    start,
)

_MOST_VALUES = 4096
"""Upper limit on a range that is quantified over: backends write it out."""


class Formulas:
    """Reads expressions. ``strong``: the expression stands where the property
    needs it to be true, so that an antecedent in it can be vacuous."""

    def __init__(self, reading: Reading) -> None:
        self.reading = reading
        self.meanings = Meanings(reading, self.read)

    def read(self, e: Expression, env: Env, strong: bool = False) -> Operand:
        """Return the value of an expression; its sort may still be open."""
        found = self.value(e, env, strong)
        if isinstance(found, Operand):
            if isinstance(found.value, Pending):
                return found
            found = found.value
        return Operand(found, self.reading.at(e))

    def sorted(
        self, e: Expression, env: Env, want: Sort | None, strong: bool = False
    ) -> Expr:
        """Return the expression, which must have the sort."""
        return operators.coerce(self.read(e, env, strong), want, self.reading.at(e))

    def truth(self, e: Expression, env: Env, strong: bool = False) -> Expr:
        """Return the expression, which must be a condition."""
        return self.sorted(e, env, ir.BOOL, strong)

    def value(self, e: Expression, env: Env, strong: bool) -> Expr | Pending | Operand:
        match e:
            case Numeral() | Literal():
                return _constant(e)
            case Name() | Index() | CallExpr():
                return self.meanings.value(e, env, strong)
            case Aggregate():
                return self.aggregate(e, env, strong)
            case Junction():
                return self.junction(e, env, strong)
            case Unary(operator="not", operand=operand):
                return ir.not_(self.truth(operand, env))
            case Unary(operand=operand):
                return ir.neg(self.sorted(operand, env, ir.INT))
            case Binary():
                return self.binary(e, env, strong)
            case Compare():
                return self.comparison(e, env)
            case IfElse():
                return self.choice(e, env)
            case SetDisplay(elements=elements):
                return Display(tuple(self.read(x, env) for x in elements))

    # -- conditions --

    def junction(self, e: Junction, env: Env, strong: bool) -> Expr:
        parts: list[Expr] = []
        outside = self.reading.around
        conjunction = e.operator == "and"
        strong = strong and conjunction
        for part in e.parts:
            value = self.truth(part, env, strong)
            parts.append(value)
            holds = value if conjunction else ir.not_(value)
            self.reading.around += (("and" if strong else "if", holds),)
        self.reading.around = outside
        return ir.and_(*parts) if conjunction else ir.or_(*parts)

    def binary(self, e: Binary, env: Env, strong: bool) -> Expr:
        match e.operator:
            case "implies":
                return self.implication(e.left, e.right, env, strong)
            case "iff":
                return ir.eq(self.truth(e.left, env), self.truth(e.right, env))
        a, b = self.read(e.left, env), self.read(e.right, env)
        return operators.arithmetic(e.operator, a, b, self.reading.at(e.span))

    def implication(
        self, left: Expression, right: Expression, env: Env, strong: bool
    ) -> Expr:
        a = self.truth(left, env)
        if strong:
            self.reading.presume(self.antecedent(left, a, env))
        with self.reading.where(("if", a)):
            b = self.truth(right, env, strong)
        return ir.implies(a, b)

    def antecedent(self, left: Expression, a: Expr, env: Env) -> Expr:
        """Return the existential closure of an antecedent. Conjuncts of the
        property to its left are left out, unless it needs their guard."""
        reading = self.reading
        around, needs = reading.around, dict(reading.needs)
        reading.around = tuple((what, e) for what, e in around if what != "and")
        self.truth(left, env)
        if reading.needs != needs:
            reading.around, reading.needs = around, needs
        found = reading.total(closed(a, reading.around, "any"))
        reading.around = around
        return found

    def choice(self, e: IfElse, env: Env) -> Expr | Pending:
        c = self.truth(e.condition, env)
        with self.reading.where(("if", c)):
            a = self.read(e.then, env)
        with self.reading.where(("if", ir.not_(c))):
            b = self.read(e.otherwise, env)
        found: Expr | Pending = operators.choose(c, a, b, self.reading.at(e))
        return found

    def comparison(self, e: Compare, env: Env) -> Expr:
        if any(r.operator.endswith("in") for r in e.relations):
            if len(e.relations) > 1:
                raise self.reading.mistake(
                    e.relations[1].span, "put parentheses around the part with `in`"
                )
            inside = self.membership(e.operands[0], e.operands[1], env)
            return inside if e.relations[0].operator == "in" else ir.not_(inside)
        read = [self.read(x, env) for x in e.operands]
        values = operators.alike(read, self.reading.at(e))
        xs = [Operand(v, x.site) for v, x in zip(values, read, strict=True)]
        return ir.and_(
            *(
                operators.related(r.operator, a, b, self.reading.at(r.span))
                for r, a, b in zip(e.relations, xs, xs[1:], strict=False)
            )
        )

    def membership(self, left: Expression, right: Expression, env: Env) -> Expr:
        x = self.read(left, env)
        of = self.meanings.collection(right, env)
        return operators.member(x, of, self.reading.at(right))

    # -- binders --

    def aggregate(self, e: Aggregate, env: Env, strong: bool) -> Expr:
        reading = self.reading
        outside, depth = reading.around, reading.depth
        bound: list[tuple[Expr, Expr]] = []
        for binder in e.binders:
            domain, chosen = self.over(binder, env)
            for word in binder.names:
                reading.depth += 1
                local = ir.local(f"{word.text}#spec{reading.depth}", domain)
                member = ir.TRUE if chosen is None else ir.member(local, chosen)
                reading.around += (("for", local), ("if", member))
                bound.append((local, member))
                env = env.within({word.text: Local(local, "a bound name")})
        body = self.read(e.body, env, strong and e.operator == "all")
        reading.around, reading.depth = outside, depth
        return operators.aggregate(e.operator, bound, body, reading.at(e.span))

    def over(self, binder: Binder, env: Env) -> tuple[Domain, Expr | None]:
        """Return the domain of a binder, and the set that it is limited to."""
        if isinstance(binder.over, Range):
            return self.range(binder.over, env), None
        over, names = binder.over, self.reading.names
        domain = self.meanings.domain(over, env)
        if domain is not None:
            return domain, None
        if isinstance(over, Name) and not self.meanings.known(over.text, env):
            names.domain(over.text, over.span)
        at = self.reading.at(over)
        values = self.sorted(over, env, None)
        if not isinstance(values.sort, SetSort):
            raise at.mistake(
                f"{at.named(values)} is {at.described(values)}, and a domain is "
                f"needed here: it is one of {listed(names.domains)}"
            )
        return values.sort.domain, values

    def range(self, over: Range, env: Env) -> Domain:
        """Return the domain that ``lo..hi`` is."""
        lo, hi = (self.sorted(end, env, ir.INT) for end in (over.lo, over.hi))
        for text, end in ((over.lo, lo), (over.hi, hi)):
            if not end.is_const:
                raise self.reading.mistake(
                    start(text),
                    f"`{ir.show(end)}` is not a constant: take a domain, and say in "
                    "the formula which of its values count",
                )
        if hi.data - lo.data >= _MOST_VALUES:
            raise self.reading.mistake(
                over.span,
                f"this range has {hi.data - lo.data + 1} values; up to "
                f"{_MOST_VALUES} can be written out",
            )
        return Domain(ir.INT, lo.data, max(hi.data, lo.data - 1))


def _constant(e: Numeral | Literal) -> Expr | Pending:
    if isinstance(e, Numeral):
        return ir.num(e.value)
    return Missing() if e.text == "none" else ir.boolean(e.text == "true")
