"""A spec over one compiled design: properties as formulas.

Definitions are macros: `let` bodies are read again wherever they are used, so
an argument may be anything, `none` and labels included. Formulas are read
from the left: in `a and b`, `a or b`, `a implies b`, `b if a else c`, what
stands to the right counts only where `a` lets it. A table index that nothing
to its left keeps inside the domain is an *obligation*: a hidden property
whose violation is a mistake of the spec. The formula itself is then "every
index is inside, and ...", so no engine ever reads outside a table.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import cached_property

from poolproof.checker.core import ir
from poolproof.checker.core.compiled import Compiled, Observer
from poolproof.checker.core.diagnostic import UserError
from poolproof.checker.core.ir import (
    Domain,
    EnumSort,
    Expr,
    ScalarSort,
    SetSort,
    Sort,
    TableSort,
)
from poolproof.checker.core.property import (
    Expectation,
    Fairness,
    Kind,
    Property,
)
from poolproof.checker.core.ranges import Ranges
from poolproof.checker.core.system import Action, Span
from poolproof.checker.spec.heirs import nearest_named
from poolproof.checker.spec.names import (
    MissingName,
    Names,
    listed,
    sort_text,
    suggestion,
)
from poolproof.checker.spec.syntax import (
    Aggregate,
    Binary,
    Binder,
    Bounds,
    Call,
    Claim,
    Compare,
    Display,
    Expect,
    Expression,
    IfElse,
    Index,
    Junction,
    Let,
    Literal,
    Name,
    Number,
    Range,
    Relation,
    Spec,
    Unary,
    Word,
    start,
)
from poolproof.model.language import (
    Bound,
    Design,
    Feature,
    ModelError,
    action_methods,
    bind,
    declared,
    outside,
    slots,
    with_needs,
)

_MOST_VALUES = 4096
"""Of a range that is quantified over: backends write it out."""

_MOST_USES = 5000
"""Of definitions in one property: they are macros."""


@dataclass(frozen=True)
class Resolved:
    """A spec's meaning for one design.

    ``missing``: properties that do not apply, and which name the design
    lacks ("no resv"). ``obligations``: invariants (or step properties) that
    say that the formulas are defined; check them with the properties. One
    that is violated is a mistake of the spec, with ``span`` and ``title``
    (what to write) to say so; nothing is then known of the property that
    ``owner`` of the obligation's name gives.
    """

    properties: tuple[Property, ...]
    missing: dict[str, str]
    obligations: tuple[Property, ...]

    @staticmethod
    def owner(obligation: str) -> str:
        """The name of the property that an obligation belongs to."""
        return obligation.partition("@")[0]


def resolve(spec: Spec, compiled: Compiled) -> Resolved:
    """The spec's properties for one design. Raises UserError for whatever is
    wrong in any design; a name this one lacks only makes a property n/a."""
    return _resolve(spec, compiled)[0]


def resolve_all(spec: Spec, designs: Sequence[Compiled]) -> tuple[Resolved, ...]:
    """`resolve` for each of the designs a spec is for. Raises UserError for a
    property that applies to none of them: its names are misspelt."""
    resolved, lacking = [], []
    for compiled in designs:
        found, lacks = _resolve(spec, compiled)
        resolved.append(found)
        lacking.append(lacks)
    for claim in spec.claims:
        reasons = [lacks.get(claim.name.text) for lacks in lacking]
        first = next(iter(reasons), None)
        if first is not None and all(r is not None and not r.off for r in reasons):
            raise first.mistake
    _assertions_exist(spec, designs)
    return tuple(resolved)


def _assertions_exist(spec: Spec, designs: Sequence[Compiled]) -> None:
    """Raises UserError for an expectation of an assertion that no design has,
    whatever its features."""
    here = [p.name for c in designs for p in c.assertions]
    for stated in spec.assertions:
        name = stated.name.text
        if name in here or any(_may_assert(c, name) for c in designs):
            continue
        shown = listed(c.source.__name__ for c in designs)
        raise UserError(
            stated.name.span,
            f"{shown} has no kernel assertion `{name}`{suggestion(name, here)}: "
            f"there is {listed(here) if here else 'none'}",
        )


def _may_assert(compiled: Compiled, name: str) -> bool:
    """Whether an assertion of that name may be there with other features."""
    kind, _, rest = name.partition(".")
    if kind == "counter":
        binding = bind(compiled.source, {})
        known = [s.name for s in slots(compiled.source, binding) if s.values.counter]
        return rest in known
    action, _, where = rest.partition(".")
    return (
        bool(where)
        and kind in ("bug_on", "warn_on")
        and (action in action_methods(compiled.source))
    )


def _asserted(spec: Spec, compiled: Compiled) -> Iterator[Property]:
    """What the design brings along, with what the spec expects of it."""
    stated = {a.name.text: a.expects for a in spec.assertions}
    for p in compiled.assertions:
        expects = stated.get(p.name, ())
        yield replace(p, expect=_expected(spec, compiled.source, expects))


def _expected(
    spec: Spec, source: type, expects: Sequence[Expect]
) -> Expectation | None:
    """Return what is stated of the design, or of the nearest base that the
    spec is for."""
    stated = {d.text: e for e in expects for d in e.designs}
    others = next((e for e in expects if not e.designs), None)
    named = [word.text for word in spec.designs]
    name = nearest_named(source, named or stated)
    e = others if name is None else stated.get(name, others)
    return None if e is None else Expectation(e.verdict, e.depth, e.span)


def _resolve(spec: Spec, compiled: Compiled) -> tuple[Resolved, dict[str, MissingName]]:
    names = Names(compiled)
    for let in spec.lets:
        what = names.kind_of(let.name.text)
        if what:
            raise UserError(
                let.name.span,
                f"`{let.name.text}` is {what} of {names.design} already: "
                "choose another name",
            )
    properties: list[Property] = []
    obligations: list[Property] = []
    lacks: dict[str, MissingName] = {}
    for claim in spec.claims:
        reading = _Reading(spec, names, claim)
        try:
            properties.append(reading.property())
            obligations += reading.obligations()
        except MissingName as reason:
            lacks[claim.name.text] = reason
        except RecursionError:
            raise UserError(claim.span, "this formula is nested too deeply") from None
        except ir.SortError as e:
            raise UserError(start(claim.formula), str(e)) from None
    properties += _asserted(spec, compiled)
    missing = {name: reason.what for name, reason in lacks.items()}
    return Resolved(tuple(properties), missing, tuple(obligations)), lacks


# --- bounds ---------------------------------------------------------------


@dataclass(frozen=True)
class Sizes:
    """What a bounds line sets of one design, as compile_design takes it. What
    the features need is in ``having``, too, after those that are named."""

    bounds: Mapping[str, int]
    without: tuple[str, ...]
    having: tuple[str, ...]


def sizes(
    spec: Spec, designs: Sequence[type[Design]], label: str = ""
) -> tuple[Sizes, ...]:
    """The spec's first bounds (or those of a label) for each design: each
    gets what it has. Raises UserError for a bound or feature that none has,
    and for a size below what a design can be."""
    chosen = _bounds(spec, label)
    if chosen is None:
        return tuple(Sizes({}, (), ()) for _ in designs)
    known = [declared(cls) for cls in designs]
    all_bounds = {n: b for bounds, _ in known for n, b in bounds.items()}
    all_features = {n: f for _, features in known for n, f in features.items()}
    shown = listed(cls.__name__ for cls in designs)
    for setting in chosen.settings:
        name, value = setting.name.text, setting.value
        if name not in all_bounds:
            raise _no_size(setting.name.span, "bound", name, all_bounds, shown)
        for cls, (bounds, _) in zip(designs, known, strict=True):
            reason = outside(cls, bounds[name], value) if name in bounds else ""
            if reason:
                raise UserError(setting.name.span, f"{name} = {value}: {reason}")
    for word in (*chosen.without, *chosen.having):
        if word.text not in all_features:
            raise _no_size(word.span, "feature", word.text, all_features, shown)
    return tuple(_sizes(chosen, *mine) for mine in known)


def _sizes(
    chosen: Bounds, bounds: Mapping[str, Bound], features: Mapping[str, Feature]
) -> Sizes:
    """What is the design's own of a bounds line, and what its features need."""
    without = tuple(w.text for w in chosen.without if w.text in features)
    named = {w.text: w for w in chosen.having if w.text in features}
    for name, word in named.items():
        try:
            with_needs(features, (name,), without)
        except ModelError as e:
            raise UserError(word.span, str(e)) from None
    return Sizes(
        {s.name.text: s.value for s in chosen.settings if s.name.text in bounds},
        without,
        with_needs(features, tuple(named), without),
    )


def _bounds(spec: Spec, label: str) -> Bounds | None:
    if not label:
        return spec.bounds[0] if spec.bounds else None
    for bounds in spec.bounds:
        if bounds.label == label:
            return bounds
    known = listed(b.label for b in spec.bounds if b.label)
    raise UserError(
        Span(spec.file, 1, 1), f"there are no bounds `{label}` here; there are {known}"
    )


def _no_size(
    span: Span, what: str, name: str, known: Mapping[str, Bound | Feature], shown: str
) -> UserError:
    return UserError(
        span,
        f"unknown {what} `{name}`{suggestion(name, known)}: "
        f"{shown} has {listed(known)}",
    )


def constant(
    spec: Spec, names: Names, e: Expression, want: Sort, scope: Mapping[str, int]
) -> int:
    """The raw value of an expression that depends on no state; ``scope`` are
    numbers by name. Raises UserError, or MissingName, for anything else."""
    claim = Claim(Kind.INVARIANT, Word("", start(e)), "", None, e, "", ())
    meant = {n: _Local(ir.num(k), "a bound name") for n, k in scope.items()}
    value = _Reading(spec, names, claim).sorted(e, _Env(meant, 0), want)
    if not value.is_const:
        raise UserError(start(e), f"`{ir.show(value)}` is no constant")
    raw: int = value.data
    return raw


# --- meanings of names ----------------------------------------------------


@dataclass(frozen=True)
class _Local:
    """A bound name or an action's parameter."""

    expr: Expr
    what: str


@dataclass(frozen=True)
class _Closure:
    """A definition's argument: text, and what its names mean."""

    text: Expression
    env: _Env


@dataclass(frozen=True)
class _Env:
    """What names mean at one place of the text.

    ``primed``: state is that after the step. ``deep``: arguments of the
    definitions around too (in ``unchanged(x)`` and ``x'``). ``lets``: how
    many of the spec's definitions are visible.
    """

    scope: Mapping[str, _Local | _Closure]
    lets: int
    primed: bool = False
    deep: bool = False

    def within(self, names: Mapping[str, _Local | _Closure]) -> _Env:
        return replace(self, scope={**self.scope, **names})


# --- one property ---------------------------------------------------------


class _Reading:
    """Reads one claim. ``stack`` holds what is around the place being read:
    binders ("for"), and conditions that hold there ("if"; "and" where they
    are conjuncts of the whole property)."""

    def __init__(self, spec: Spec, names: Names, claim: Claim) -> None:
        self.spec, self.names, self.claim = spec, names, claim
        self.action: Action | None = None
        self.stack: list[tuple[str, Expr]] = []
        self.depth = 0
        self.needs: dict[Span, tuple[str, Expr]] = {}
        self.antecedents: dict[Expr, None] = {}
        self.using: list[tuple[str, Span]] = []
        self.uses = 0

    # -- results --

    def property(self) -> Property:
        claim = self.claim
        scope = self.parameters()
        place = (claim.span.line, claim.span.column)
        visible = sum(
            (t.name.span.line, t.name.span.column) < place for t in self.spec.lets
        )
        strong = claim.kind.safety
        body = self.truth(claim.formula, _Env(scope, visible), strong)
        goal = None
        if claim.goal is not None:
            goal = self.truth(claim.goal, _Env(scope, visible))
            if body is not ir.TRUE:
                self.antecedents[body] = None
        fair = tuple(
            Fairness(self.names.action(f.action.text, f.action.span).name, f.strong)
            for f in claim.fair
        )
        return Property(
            name=claim.name.text,
            kind=claim.kind,
            formula=self.running(self.total(body)),
            action=None if self.action is None else self.action.name,
            antecedents=tuple(self.antecedents),
            title=claim.title,
            source=claim.source or self.spec.source,
            expect=_expected(self.spec, self.names.source, claim.expects),
            span=claim.span,
            goal=None if goal is None else self.total(goal),
            fair=fair,
        )

    def running(self, formula: Expr) -> Expr:
        """A step that ends at a `bug_on` returns nothing, and nobody sees
        what it did: only the `bug_on` itself is about it."""
        if self.action is None:
            return formula
        return ir.or_(self.names.compiled.stops(self.action.name), formula)

    def parameters(self) -> dict[str, _Local | _Closure]:
        on = self.claim.on
        if on is None:
            return {}
        self.action = self.names.action(on.action.text, on.action.span)
        known = {p.name: p.local for p in self.action.parameters}
        scope: dict[str, _Local | _Closure] = {}
        for a in on.arguments:
            name = a.parameter.text
            if name not in known:
                raise MissingName(
                    f"no parameter {name} of {self.action.name}",
                    a.parameter.span,
                    f"`{self.action.name}` has no parameter `{name}`"
                    f"{suggestion(name, known)}: it has {', '.join(known) or 'none'}",
                )
            scope[a.alias.text] = _Local(known[name], "a parameter")
        return scope

    def obligations(self) -> Iterator[Property]:
        """Each says: where the indices read before it are inside, so is this
        one."""
        before: list[Expr] = []
        kind = Kind.STEP if self.claim.kind.of_steps else Kind.INVARIANT
        for span, (message, inside) in self.needs.items():
            yield Property(
                name=f"{self.claim.name.text}@{span.line}:{span.column}",
                kind=kind,
                formula=self.running(ir.implies(ir.and_(*before), inside)),
                action=None if self.action is None else self.action.name,
                title=message,
                span=span,
            )
            before.append(inside)

    def total(self, formula: Expr) -> Expr:
        return ir.and_(*(inside for _, inside in self.needs.values()), formula)

    # -- where we are --

    @contextmanager
    def where(self, *conditions: Expr) -> Iterator[None]:
        """What is read inside counts where the conditions hold."""
        self.stack += [("if", c) for c in conditions]
        yield
        del self.stack[len(self.stack) - len(conditions) :]

    def closed(self, formula: Expr, op: str) -> Expr:
        """The formula for all (or any) values around it."""
        join: Callable[[Expr, Expr], Expr] = ir.implies if op == "all" else ir.and_
        for what, e in reversed(self.stack):
            formula = (
                ir.aggregate(op, e, formula) if what == "for" else join(e, formula)
            )
        return formula

    def mistake(self, span: Span, message: str) -> UserError:
        if self.using:
            name, at = self.using[0]
            message += f" (in `{name}`, used in line {at.line})"
        return UserError(span, message)

    # -- sorts --

    def truth(self, e: Expression, env: _Env, strong: bool = False) -> Expr:
        """A condition. ``strong``: it stands where the property needs it to
        be true, so that an antecedent in it can be vacuous."""
        return self.sorted(e, env, ir.BOOL, strong)

    def number(self, e: Expression, env: _Env) -> Expr:
        return self.sorted(e, env, ir.INT)

    def sorted(
        self, e: Expression, env: _Env, want: Sort, strong: bool = False
    ) -> Expr:
        """The expression, which must have the sort."""
        return self.checked(e, self.expr(e, env, want, strong), want)

    def checked(self, e: Expression, value: Expr, want: Sort) -> Expr:
        """The value of e, which must have the sort."""
        if value.sort is not want:
            hint = ""
            if isinstance(value.sort, TableSort):
                hint = f": index it, as in `{ir.show(value)}[...]`"
            elif want is ir.BOOL:
                hint = ": compare it with something"
            elif want is ir.INT and value.sort is ir.BOOL:
                hint = ": write `1 if ... else 0`, or count(...)"
            raise self.mistake(
                start(e),
                f"`{ir.show(value)}` is {sort_text(value.sort)}, and "
                f"{sort_text(want)} is needed here{hint}",
            )
        return value

    def shy(self, e: Expression, env: _Env) -> bool:
        """Whether the sort of e is known only from what is around it."""
        match e:
            case Literal(text="none"):
                return True
            case Name(text=text) if text in env.scope:
                meaning = env.scope[text]
                return isinstance(meaning, _Closure) and self.shy(
                    meaning.text, meaning.env
                )
            case Name(text=text):
                let = self.let(text, env)
                if let is not None:
                    return self.shy(let[1].body, env)
                several = len(self.names.labels.get(text, ())) > 1
                return several and self.names.kind_of(text) == "a label"
            case Display(elements=elements):
                return all(self.shy(x, env) for x in elements)
            case IfElse(then=then, otherwise=otherwise):
                return self.shy(then, env) and self.shy(otherwise, env)
            case _:
                return False

    def alike(
        self, es: Sequence[Expression], env: _Env, want: Sort | None = None
    ) -> list[Expr]:
        """Expressions that should have one sort: those that do not show
        theirs take it from the others."""
        found: dict[int, Expr] = {
            k: self.expr(e, env, want) for k, e in enumerate(es) if not self.shy(e, env)
        }
        for k, e in enumerate(es):
            if k not in found:
                near = min(found, key=lambda j: abs(j - k), default=None)
                known = want if near is None else found[near].sort
                found[k] = self.expr(e, env, known)
        return [found[k] for k in range(len(es))]

    # -- expressions --

    def expr(
        self, e: Expression, env: _Env, want: Sort | None = None, strong: bool = False
    ) -> Expr:
        match e:
            case Number(value=value):
                return ir.num(value)
            case Literal(text="none", span=span):
                if isinstance(want, ScalarSort):
                    return ir.const(want, want.size)
                raise self.mistake(
                    span,
                    "`none` is the absent element of a Scalarset"
                    + (
                        ", and nothing here says of which: compare it with a field"
                        if want is None
                        else ": index the table that it is compared with"
                        if isinstance(want, TableSort)
                        else f", and {sort_text(want)} is needed here"
                    ),
                )
            case Literal(text=text):
                return ir.boolean(text == "true")
            case Name():
                return self.name(e, env, want, strong)
            case Index():
                return self.index(e, env)
            case Call():
                return self.call(e, env, want, strong)
            case Aggregate():
                return self.aggregate(e, env, strong)
            case Junction():
                return self.junction(e, env, strong)
            case Unary(operator="not", operand=operand):
                return ir.not_(self.truth(operand, env))
            case Unary(operand=operand):
                return ir.neg(self.number(operand, env))
            case Binary(operator="implies", left=left, right=right):
                return self.implication(left, right, env, strong)
            case Binary(operator="iff", left=left, right=right):
                return ir.eq(self.truth(left, env), self.truth(right, env))
            case Binary():
                return self.arithmetic(e, env, want)
            case Compare():
                return self.comparison(e, env)
            case IfElse():
                return self.choice(e, env, want)
            case Display():
                return self.display(e, env, want)

    def junction(self, e: Junction, env: _Env, strong: bool) -> Expr:
        parts: list[Expr] = []
        depth = len(self.stack)
        conjunction = e.operator == "and"
        for part in e.parts:
            value = self.truth(part, env, strong and conjunction)
            parts.append(value)
            kind = "and" if strong and conjunction else "if"
            self.stack.append((kind, value if conjunction else ir.not_(value)))
        del self.stack[depth:]
        return ir.and_(*parts) if conjunction else ir.or_(*parts)

    def implication(
        self, left: Expression, right: Expression, env: _Env, strong: bool
    ) -> Expr:
        a = self.truth(left, env)
        if strong:
            antecedent = self.antecedent(left, a, env)
            if antecedent is not ir.TRUE:
                self.antecedents[antecedent] = None
        with self.where(a):
            b = self.truth(right, env, strong)
        return ir.implies(a, b)

    def antecedent(self, left: Expression, a: Expr, env: _Env) -> Expr:
        """That ``a`` is true for some values around it. Conjuncts of the
        property to its left are left out, unless it needs their guard."""
        stack, needs = self.stack, dict(self.needs)
        self.stack = [(what, e) for what, e in stack if what != "and"]
        self.truth(left, env)
        if self.needs != needs:
            self.stack, self.needs = stack, needs
        found = self.total(self.closed(a, "any"))
        self.stack = stack
        return found

    def choice(self, e: IfElse, env: _Env, want: Sort | None) -> Expr:
        c = self.truth(e.condition, env)
        if want is None and self.shy(e.then, env):
            with self.where(ir.not_(c)):
                want = self.sort_of(e.otherwise, env)
        elif want is None:
            with self.where(c):
                want = self.sort_of(e.then, env)
        with self.where(c):
            a = self.expr(e.then, env, want)
        with self.where(ir.not_(c)):
            b = self.expr(e.otherwise, env, want)
        if a.sort is not b.sort:
            raise self.mistake(
                start(e.otherwise),
                f"`{ir.show(b)}` is {sort_text(b.sort)}, and the other choice is "
                f"{sort_text(a.sort)}",
            )
        if isinstance(a.sort, TableSort):
            raise self.mistake(start(e.then), "choose between cells, not tables")
        return ir.ite(c, a, b)

    def sort_of(self, e: Expression, env: _Env) -> Sort:
        """The sort of an expression that is read again later."""
        kept = dict(self.needs), dict(self.antecedents)
        try:
            return self.expr(e, env).sort
        finally:
            self.needs, self.antecedents = kept

    def arithmetic(self, e: Binary, env: _Env, want: Sort | None) -> Expr:
        op = e.operator
        if op in ("|", "&", "-"):
            known = want if isinstance(want, SetSort) else None
            a, b = self.alike((e.left, e.right), env, known)
            if isinstance(a.sort, SetSort) or isinstance(b.sort, SetSort):
                if a.sort is not b.sort:
                    raise self.mistake(e.span, _differ(a, b, "joined"))
                build = {"|": ir.union, "&": ir.inter, "-": ir.diff}[op]
                return build(a, b)
            if op != "-":
                word = "or" if op == "|" else "and"
                raise self.mistake(
                    e.span,
                    f"`{op}` is for sets; between conditions write `{word}`",
                )
            self.checked(e.left, a, ir.INT)
            self.checked(e.right, b, ir.INT)
            return ir.sub(a, b)
        a, b = self.number(e.left, env), self.number(e.right, env)
        if op in ("+", "*"):
            return ir.add(a, b) if op == "+" else ir.mul(a, b)
        if not b.is_const or b.data <= 0:
            raise self.mistake(
                start(e.right),
                f"`{op}` needs a number above 0 on its right, not `{ir.show(b)}`",
            )
        return ir.div(a, b) if op == "//" else ir.mod(a, b)

    def comparison(self, e: Compare, env: _Env) -> Expr:
        if any(r.operator.endswith("in") for r in e.relations):
            if len(e.relations) > 1:
                raise self.mistake(
                    e.relations[1].span, "put parentheses around the part with `in`"
                )
            inside = self.membership(e.operands[0], e.operands[1], env)
            return inside if e.relations[0].operator == "in" else ir.not_(inside)
        values = self.alike(e.operands, env)
        return ir.and_(
            *(
                self.related(r, a, b)
                for r, a, b in zip(e.relations, values, values[1:], strict=False)
            )
        )

    def related(self, relation: Relation, a: Expr, b: Expr) -> Expr:
        op = relation.operator
        if a.sort is not b.sort:
            raise self.mistake(relation.span, _differ(a, b, "compared"))
        match op:
            case "==":
                return ir.eq(a, b)
            case "!=":
                return ir.ne(a, b)
        if op.startswith(">"):
            a, b, op = b, a, op.replace(">", "<")
        if isinstance(a.sort, SetSort):
            below = ir.eq(ir.diff(a, b), ir.const(a.sort, 0))
            return below if op == "<=" else ir.and_(below, ir.ne(a, b))
        if a.sort is not ir.INT:
            raise self.mistake(
                relation.span,
                f"`{relation.operator}` compares numbers, and `{ir.show(a)}` is "
                f"{sort_text(a.sort)}",
            )
        return ir.le(a, b) if op == "<=" else ir.lt(a, b)

    def membership(self, left: Expression, right: Expression, env: _Env) -> Expr:
        if isinstance(right, Display):
            first, *rest = self.alike((left, *right.elements), env)
            for e, value in zip(right.elements, rest, strict=True):
                if value.sort is not first.sort:
                    raise self.mistake(start(e), _differ(first, value, "compared"))
            return ir.or_(*(ir.eq(first, value) for value in rest))
        domain = self.domain_named(right, env)
        if domain is not None:
            value = self.sorted(left, env, domain.sort)
            return self.inside(value, domain)
        values = self.expr(right, env)
        if not isinstance(values.sort, SetSort):
            raise self.mistake(
                start(right),
                f"`{ir.show(values)}` is {sort_text(values.sort)}, and a set or a "
                "domain is needed here",
            )
        return ir.member(self.sorted(left, env, values.sort.domain.sort), values)

    def display(self, e: Display, env: _Env, want: Sort | None) -> Expr:
        domain = want.domain if isinstance(want, SetSort) else None
        values = self.alike(e.elements, env, domain.sort if domain else None)
        if domain is None:
            sort = values[0].sort if values else None
            match sort:
                case ScalarSort(size=size):
                    domain = Domain(sort, 0, size - 1, sort.name)
                case EnumSort(labels=labels):
                    domain = Domain(sort, 0, len(labels) - 1, sort.name)
                case _:
                    raise self.mistake(
                        e.span,
                        "nothing here says of what this set is: compare it "
                        "with a field, or write `x in {...}`",
                    )
        result = ir.const(ir.set_sort(domain), 0)
        for element, value in zip(e.elements, values, strict=True):
            self.defined(element, value, domain, "this set")
            result = ir.union(result, ir.single(value, domain))
        return result

    # -- binders --

    def aggregate(self, e: Aggregate, env: _Env, strong: bool) -> Expr:
        outer, depth = len(self.stack), self.depth
        bound: list[tuple[Expr, Expr]] = []
        for binder in e.binders:
            domain, chosen = self.over(binder, env)
            for word in binder.names:
                self.depth += 1
                local = ir.local(f"{word.text}#spec{self.depth}", domain)
                member = ir.TRUE if chosen is None else ir.member(local, chosen)
                self.stack += [("for", local), ("if", member)]
                bound.append((local, member))
                env = env.within({word.text: _Local(local, "a bound name")})
        if e.operator == "setof" and len(bound) > 1:
            raise self.mistake(e.span, "setof binds one name")
        body = (
            self.number(e.body, env)
            if e.operator == "sum"
            else self.truth(e.body, env, strong and e.operator == "all")
        )
        del self.stack[outer:]
        self.depth = depth
        op = e.operator
        if op == "count":
            op, body = "sum", ir.ite(body, ir.num(1), ir.num(0))
        for local, member in reversed(bound):
            if op == "sum":
                body = ir.ite(member, body, ir.num(0))
            else:
                body = (ir.implies if op == "all" else ir.and_)(member, body)
            body = ir.aggregate(op, local, body)
        return body

    def over(self, binder: Binder, env: _Env) -> tuple[Domain, Expr | None]:
        """The domain of a binder, and the set that it is limited to."""
        match binder.over:
            case Range(lo=low, hi=high, span=span):
                lo, hi = self.number(low, env), self.number(high, env)
                for text, end in ((low, lo), (high, hi)):
                    if not end.is_const:
                        raise self.mistake(
                            start(text),
                            f"`{ir.show(end)}` is no constant: take a domain, and "
                            "say in the formula which of its values count",
                        )
                if hi.data - lo.data >= _MOST_VALUES:
                    raise self.mistake(
                        span,
                        f"this range has {hi.data - lo.data + 1} values; "
                        f"up to {_MOST_VALUES} can be written out",
                    )
                return Domain(ir.INT, lo.data, max(hi.data, lo.data - 1)), None
            case over:
                domain = self.domain_named(over, env)
                if domain is not None:
                    return domain, None
                if isinstance(over, Name) and not self.known(over.text, env):
                    self.names.domain(over.text, over.span)
                values = self.expr(over, env)
                if not isinstance(values.sort, SetSort):
                    raise self.mistake(
                        start(over),
                        f"`{ir.show(values)}` is {sort_text(values.sort)}, and a "
                        "domain is needed here: it is one of "
                        + listed(self.names.domains),
                    )
                return values.sort.domain, values

    def domain_named(self, e: Expression, env: _Env) -> Domain | None:
        if isinstance(e, Name) and e.text not in env.scope and not e.primed:
            return self.names.domains.get(e.text)
        return None

    # -- names --

    def let(self, name: str, env: _Env) -> tuple[int, Let] | None:
        """The definition of that name, where it is visible."""
        for k, let in enumerate(self.spec.lets[: env.lets]):
            if let.name.text == name:
                return k, let
        return None

    def known(self, name: str, env: _Env) -> bool:
        return bool(
            name in env.scope or self.let(name, env) or self.names.kind_of(name)
        )

    def after(self, e: Name, env: _Env) -> bool:
        """Whether a state name means the state after the step."""
        if e.primed and env.primed:
            raise self.mistake(
                e.span,
                f"`{e}` is inside something of the state after already: "
                "leave out the prime",
            )
        if e.primed and not self.claim.kind.of_steps:
            raise self.mistake(
                e.span,
                f"`{e}` is the state after a step, and "
                f"`{self.claim.kind.value}` knows none: write a step property",
            )
        return e.primed or env.primed

    def rigid(self, e: Name, value: Expr, what: str) -> Expr:
        if e.primed:
            raise self.mistake(
                e.span, f"`{e.text}` is {what}, and no state: it has no prime"
            )
        return value

    def name(
        self, e: Name, env: _Env, want: Sort | None = None, strong: bool = False
    ) -> Expr:
        text = e.text
        match env.scope.get(text):
            case _Local(expr=expr, what=what):
                return self.rigid(e, expr, what)
            case _Closure(text=argument, env=outer):
                if e.primed:
                    self.after(e, env)
                    self.after(e, outer)
                primed = e.primed or env.deep
                inner = replace(
                    outer, primed=outer.primed or primed, deep=outer.deep or primed
                )
                return self.expr(argument, inner, want, strong)
        if self.let(text, env) is not None:
            return self.expand(e, (), env, want, strong)
        if text == "result" and self.claim.kind.of_steps:
            return self.rigid(e, self.result(e), "what the action returned")
        variable = self.names.variable(text)
        if variable is not None:
            return variable.next if self.after(e, env) else variable.now
        if text in self.names.constants:
            self.after(e, env)
            return self.names.constants[text]
        if self.names.observer(text) is not None:
            return self.call(Call(e, (), e.span), env, want, strong)
        if text in self.names.vocabulary.bounds:
            return self.rigid(e, self.names.vocabulary.bounds[text], "a bound")
        if text in self.names.domains:
            raise self.mistake(
                e.span,
                f"`{text}` is a domain: write `all(x in {text}: ...)` or `len({text})`",
            )
        try:
            label = self.names.label(text, want, e.span)
        except UserError as mistake:
            raise self.mistake(e.span, mistake.message) from None
        if label is not None:
            return self.rigid(e, label, "a label")
        if text in self.names.elements:
            return self.rigid(e, self.names.elements[text], "an element")
        raise self.unknown(e, env)

    def unknown(self, e: Name, env: _Env) -> MissingName | UserError:
        later = next((t for t in self.spec.lets if t.name.text == e.text), None)
        if later is not None:
            return self.mistake(
                e.span,
                f"`{e.text}` is defined in line {later.name.span.line}: "
                "move it above its use",
            )
        if e.text == "result":
            return self.mistake(
                e.span,
                "`result` is what an action returned: it is for `step ... on ACTION`",
            )
        known = (
            *env.scope,
            *(t.name.text for t in self.spec.lets[: env.lets]),
            *self.names.system.by_name,
            *self.names.constants,
            *self.names.vocabulary.observers,
            *self.names.vocabulary.bounds,
        )
        also = (*self.names.labels, *self.names.domains)
        return self.names.unknown(e.text, e.span, "name", known, also)

    def result(self, e: Name) -> Expr:
        if self.action is None:
            raise self.mistake(
                e.span,
                "`result` is what one action returned: write "
                f"`step {self.claim.name.text} on ACTION: ...`",
            )
        value = self.action.result
        if value is None:
            name = self.action.name
            raise MissingName(
                f"no result of {name}",
                e.span,
                f"`{name}` returns nothing: there is no `result`",
            )
        if isinstance(value.sort, EnumSort) or value.sort is ir.BOOL:
            return self.action.returned
        raise self.mistake(
            e.span,
            f"`{self.action.name}` returns {sort_text(value.sort)}: a spec "
            "can speak of enums and booleans only",
        )

    # -- calls and definitions --

    def expand(
        self,
        e: Name,
        arguments: Sequence[Expression],
        env: _Env,
        want: Sort | None,
        strong: bool,
    ) -> Expr:
        found = self.let(e.text, env)
        assert found is not None
        position, let = found
        self.arity(e, len(let.parameters), [p.text for p in let.parameters], arguments)
        self.uses += 1
        if self.uses > _MOST_USES:
            raise UserError(self.claim.span, "this property uses too many definitions")
        scope: dict[str, _Local | _Closure] = {
            p.text: _Closure(a, env)
            for p, a in zip(let.parameters, arguments, strict=True)
        }
        inner = _Env(scope, position, self.after(e, env), env.deep)
        self.using.append((e.text, e.span))
        value = self.expr(let.body, inner, want, strong)
        self.using.pop()
        return value

    def arity(
        self,
        e: Name,
        wanted: int,
        names: Sequence[str],
        arguments: Sequence[Expression],
    ) -> None:
        if len(arguments) != wanted:
            shape = f"`{e.text}({', '.join(names)})`" if names else f"`{e.text}`"
            raise self.mistake(
                e.span,
                f"`{e.text}` takes {wanted or 'no'} argument{'s'[: wanted != 1]}, "
                f"not {len(arguments)}: write {shape}",
            )

    def call(
        self, e: Call, env: _Env, want: Sort | None = None, strong: bool = False
    ) -> Expr:
        name = e.function
        match name.text:
            case "len":
                return self.length(e, env)
            case "min" | "max":
                return self.extremum(e, env)
            case "unchanged":
                return self.unchanged(e, env)
        if name.text in env.scope:
            raise self.mistake(
                e.span,
                f"`{name.text}` is {_what(env.scope[name.text])} here, and no function",
            )
        if self.let(name.text, env) is not None:
            return self.expand(name, e.arguments, env, want, strong)
        observer = self.names.observer(name.text)
        if observer is not None:
            return self.observe(e, observer, env)
        what = self.names.kind_of(name.text)
        if what:
            table = isinstance(self.table_sort(name.text), TableSort)
            raise self.mistake(
                e.span,
                f"`{name.text}` is {what}, and no function"
                + (": a table is read with `[...]`" if table else ""),
            )
        if name.text in self.names.system.action_by_name:
            raise self.mistake(
                e.span,
                f"`{name.text}` is an action: write `step NAME on "
                f"{name.text}(...): ...`",
            )
        if any(t.name.text == name.text for t in self.spec.lets):
            raise self.unknown(name, env)
        raise self.names.unknown(
            name.text,
            e.span,
            "function",
            (
                *self.names.vocabulary.observers,
                "len",
                "min",
                "max",
                "unchanged",
                *(t.name.text for t in self.spec.lets[: env.lets]),
            ),
        )

    def table_sort(self, name: str) -> Sort | None:
        variable = self.names.variable(name)
        if variable is not None:
            return variable.sort
        constant = self.names.constants.get(name)
        return None if constant is None else constant.sort

    def observe(self, e: Call, observer: Observer, env: _Env) -> Expr:
        name = e.function
        after = self.after(name, env)
        parameters = observer.parameters
        self.arity(name, len(parameters), [p.name for p in parameters], e.arguments)
        values: dict[Expr, Expr] = {}
        for p, argument in zip(parameters, e.arguments, strict=True):
            value = self.sorted(argument, env, p.local.sort)
            self.defined(argument, value, p.domain, f"`{name.text}`")
            values[p.local] = value
        following = {v.now: v.next for v in self.names.system.variables}

        def here(formula: Expr) -> Expr:
            if after:
                formula = ir.substitute(formula, following)
            return ir.substitute(formula, values)

        for due in observer.obligations:
            self.need(here(due.formula), e.span, f"`{name.text}`: {due.message}")
        return here(observer.body)

    def length(self, e: Call, env: _Env) -> Expr:
        self.rigid(e.function, ir.TRUE, "a function")
        self.arity(e.function, 1, ["set"], e.arguments)
        domain = self.domain_named(e.arguments[0], env)
        if domain is not None:
            return ir.num(len(domain))
        value = self.expr(e.arguments[0], env)
        if not isinstance(value.sort, SetSort):
            raise self.mistake(
                start(e.arguments[0]),
                f"`{ir.show(value)}` is {sort_text(value.sort)}: len is of a set "
                "or a domain",
            )
        return ir.card(value)

    def extremum(self, e: Call, env: _Env) -> Expr:
        self.rigid(e.function, ir.TRUE, "a function")
        if len(e.arguments) < 2:
            raise self.mistake(
                e.span,
                f"`{e.function.text}` takes two numbers or more: write "
                f"`{e.function.text}(a, b)`",
            )
        first, *rest = (self.number(a, env) for a in e.arguments)
        for value in rest:
            first = (ir.min_ if e.function.text == "min" else ir.max_)(first, value)
        return first

    def unchanged(self, e: Call, env: _Env) -> Expr:
        self.rigid(e.function, ir.TRUE, "a function")
        if not self.claim.kind.of_steps:
            raise self.mistake(
                e.span,
                "`unchanged` speaks of a step, and "
                f"`{self.claim.kind.value}` knows none: write a step property",
            )
        if env.primed:
            raise self.mistake(e.span, "`unchanged` speaks of both states already")
        if not e.arguments:
            raise self.mistake(e.span, "say what: `unchanged(resv, free)`")
        following = replace(env, primed=True, deep=True)
        return ir.and_(
            *(ir.eq(self.expr(a, following), self.expr(a, env)) for a in e.arguments)
        )

    # -- indices --

    def index(self, e: Index, env: _Env) -> Expr:
        name = e.table
        table = self.table(name, env)
        assert isinstance(table.sort, TableSort)
        domains = table.sort.index
        if len(e.at) != len(domains):
            over = ", ".join(d.name or d.sort.name for d in domains)
            raise self.mistake(
                e.span,
                f"`{name.text}` takes {len(domains)} "
                f"{'index' if len(domains) == 1 else 'indices'}, not {len(e.at)}: "
                f"it is a table over {over}",
            )
        at: list[Expr] = []
        for argument, domain in zip(e.at, domains, strict=True):
            value = self.sorted(argument, env, domain.sort)
            self.defined(argument, value, domain, f"`{name.text}`")
            at.append(value)
        return ir.select(table, *at)

    def table(self, name: Name, env: _Env) -> Expr:
        meaning = env.scope.get(name.text)
        if meaning is None and self.names.observer(name.text) is not None:
            raise self.mistake(
                name.span, f"`{name.text}` is a function: write `{name.text}(...)`"
            )
        if isinstance(meaning, _Local) and isinstance(
            self.table_sort(name.text), TableSort
        ):
            raise self.mistake(
                name.span,
                f"`{name.text}` is {meaning.what} here, and no table: give it "
                f"another name{self.renamed(name.text, meaning)}",
            )
        value = self.name(name, env)
        if not isinstance(value.sort, TableSort):
            raise self.mistake(
                name.span,
                f"`{name.text}` is {sort_text(value.sort)}, and no table",
            )
        return value

    def renamed(self, name: str, meaning: _Local) -> str:
        if meaning.what == "a parameter" and self.claim.on is not None:
            action = self.claim.on.action.text
            return f", as in `on {action}({name} = {name[0]})`"
        return ""

    def defined(
        self, text: Expression, value: Expr, domain: Domain, whose: str
    ) -> None:
        """The value is one of the domain: a mistake where it cannot be, an
        obligation where it may not be."""
        inside = self.inside(value, domain)
        over = domain.name or domain.sort.name
        shown = ir.show(value)
        if inside is ir.FALSE and self.closed(inside, "all") is not ir.TRUE:
            ends = (ir.show_raw(domain.sort, raw) for raw in (domain.lo, domain.hi))
            raise self.mistake(
                start(text),
                f"`{shown}` is not in {over}, which {whose} is over: "
                + "..".join(ends),
            )
        why = f"`{shown}` may leave {over}, which {whose} is over"
        if isinstance(domain.sort, ScalarSort):
            why = f"`{shown}` may be none, which {whose} is not over"
        # what stands to the left may say it as `<`
        same = self.inside(value, domain, strictly=True)
        if self.closed(same, "all") is not ir.TRUE:
            guard = ir.show(inside)
            self.need(inside, start(text), f"{why}: write `{guard} implies ...`")

    def need(self, inside: Expr, span: Span, message: str) -> None:
        formula = self.closed(inside, "all")
        if formula is ir.TRUE:
            return
        if self.using:
            message += (
                f" (in `{self.using[0][0]}`, used in line {self.using[0][1].line})"
            )
        if span in self.needs:
            formula = ir.and_(self.needs[span][1], formula)
        self.needs[span] = (message, formula)

    @cached_property
    def ranges(self) -> Ranges:
        return Ranges.of_variables(self.names.system.variables)

    def inside(self, value: Expr, domain: Domain, strictly: bool = False) -> Expr:
        """That the value is in the domain, as far as that is not certain.
        Declared ranges are certain: no state outside them is explored.
        ``strictly``: the upper end is written with ``<``."""
        lo, hi = self.ranges.of(value)
        low = lo is not None and domain.lo <= lo
        high = hi is not None and hi <= domain.hi
        if value.sort is ir.INT:
            return ir.and_(
                ir.TRUE if low else ir.le(ir.num(domain.lo), value),
                ir.TRUE
                if high
                else ir.lt(value, ir.num(domain.hi + 1))
                if strictly
                else ir.le(value, ir.num(domain.hi)),
            )
        if low and high:
            return ir.TRUE
        if isinstance(value.sort, ScalarSort) and len(domain) == value.sort.size:
            return ir.ne(value, ir.const(value.sort, value.sort.size))
        return ir.or_(*(ir.eq(value, ir.const(value.sort, raw)) for raw in domain))


def _what(meaning: _Local | _Closure) -> str:
    return meaning.what if isinstance(meaning, _Local) else "an argument"


def _differ(a: Expr, b: Expr, verb: str) -> str:
    return (
        f"`{ir.show(a)}` is {sort_text(a.sort)} and `{ir.show(b)}` is "
        f"{sort_text(b.sort)}: they cannot be {verb}"
    )
