# SPDX-License-Identifier: GPL-2.0-only
"""lark's tree to the syntax tree, with what no grammar can check.

There is one method for each rule of grammar.lark, by the rule's name. It gets
what the rule's parts became, from the inside out.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from inspect import cleandoc
from typing import Any, TypeVar

from lark import Token, Transformer, Tree, v_args
from lark.exceptions import VisitError
from lark.tree import Meta

from poolproof.checker.core.diagnostic import UserError
from poolproof.checker.core.property import Kind
from poolproof.checker.core.system import Span
from poolproof.checker.spec.expectations import (
    check_designs,
    check_expectations,
    check_labels,
    check_no_actions,
)
from poolproof.checker.spec.grammar import AGGREGATES
from poolproof.checker.spec.syntax import (
    FAILURE,
    Aggregate,
    Amount,
    Argument,
    Assertion,
    Await,
    Binary,
    Binder,
    Bounds,
    CallExpr,
    Claim,
    Compare,
    Expect,
    Expression,
    Fair,
    Given,
    IfElse,
    Index,
    Invocation,
    Junction,
    KernelLine,
    Let,
    Literal,
    Measure,
    Name,
    Numeral,
    Observed,
    On,
    Range,
    Relation,
    Repeat,
    Scenario,
    SetDisplay,
    Setting,
    Signal,
    Spec,
    Stage,
    TaskProgram,
    Unary,
    UserCall,
    Way,
    Word,
    once,
    start,
)

TAKEN = (
    "result",
    "len",
    "min",
    "max",
    "unchanged",
    "unchanged_but",
    *AGGREGATES.split("|"),
)
"""Names that a spec cannot give to anything of its own."""

_DIGITS, _SIZE = 18, 30
"""Digits of a number in a formula, and of a bound, which has a limit itself."""

T = TypeVar("T")


def build(tree: Tree[Token], file: str) -> Spec:
    """Return the spec from lark's tree. Raise UserError for what the grammar allows and
    a spec does not."""
    try:
        spec: Spec = _Builder(file).transform(tree)
    except VisitError as e:
        raise e.orig_exc from None
    return spec


# --- parts that are in no syntax tree --------------------------------------


@dataclass(frozen=True)
class _Text:
    """STRINGs, joined."""

    text: str


@dataclass(frozen=True)
class _Origin:
    """`source "..."`."""

    text: str


@dataclass(frozen=True)
class _Names:
    """The names of a rule that has only names."""

    rule: str
    words: tuple[Word, ...]


@dataclass(frozen=True)
class _Amounts:
    """The `bounds` of a scenario."""

    amounts: tuple[Amount, ...]
    without: tuple[Word, ...]
    having: tuple[Word, ...]
    span: Span


@dataclass(frozen=True)
class _Around:
    """`environment` and `anytime`."""

    word: str
    calls: tuple[Invocation, ...]


Parts = Sequence[Any]


def _all(parts: Parts, kind: type[T]) -> tuple[T, ...]:
    """Return the parts of a kind."""
    return tuple(p for p in parts if isinstance(p, kind))


def _source(parts: Parts) -> str:
    return "; ".join(p.text for p in _all(parts, _Origin))


def _title(parts: Parts) -> str:
    return next((p.text for p in _all(parts, _Text)), "")


def _words(parts: Parts, rule: str) -> tuple[Word, ...]:
    return tuple(w for p in _all(parts, _Names) if p.rule == rule for w in p.words)


def _stages(parts: Parts) -> tuple[Stage, ...]:
    return tuple(p for p in parts if isinstance(p, Stage))


def _own(word: Word, what: str) -> Word:
    """Return a name that the spec gives to something."""
    _one_word(word, what)
    if word.text in TAKEN:
        raise UserError(
            word.span, f"`{word.text}` is a word of the language: choose another name"
        )
    return word


def _one_word(word: Word, what: str) -> None:
    if "." in word.text:
        raise UserError(word.span, f"{what} is one word, without dots")


def _integer(digits: str, span: Span, most: int = _DIGITS) -> int:
    if len(digits) > most:
        raise UserError(span, f"a number has at most {most} digits")
    return int(digits)


def _bytes(amount: Token) -> int:
    """Return the bytes of an AMOUNT."""
    number, unit = amount[:-3], amount[-3:]
    return int(number) << 10 * (1 + ["KiB", "MiB", "GiB", "TiB"].index(unit))


def _range(ends: Sequence[Expression]) -> Range | Expression:
    """Return the range of two ends, or the one expression."""
    return Range(ends[0], ends[1], start(ends[0])) if len(ends) == 2 else ends[0]


_with_place = v_args(meta=True)
"""A rule whose node needs the place where its text begins."""

# --- the rules --------------------------------------------------------------


class _WordRules(Transformer[Token, Any]):
    """Names, texts and amounts."""

    def __init__(self, file: str) -> None:
        super().__init__()
        self._file = file
        self._page = 0

    def _at(self, place: Meta | Token) -> Span:
        return Span(self._file, place.line or 1, place.column or 1)

    def _word(self, token: Token) -> Word:
        return Word(str(token), self._at(token))

    # -- words --

    def name(self, parts: Parts) -> Word:
        return self._word(parts[0])

    def names(self, parts: Parts) -> tuple[Word, ...]:
        return tuple(parts)

    def text(self, parts: Parts) -> _Text:
        return _Text("".join(re.sub(r"\\(.)", r"\1", str(t)[1:-1]) for t in parts))

    def origin(self, parts: Parts) -> _Origin:
        return _Origin(parts[0].text)

    def label(self, parts: Parts) -> Word:
        return _own(parts[0], "a label")

    def _in_pages(self, amount: Token) -> int:
        """Return the number of pages that so much memory is."""
        place, size = self._at(amount), _bytes(amount)
        if not self._page:
            raise UserError(
                place,
                f"{amount} is how many pages? Write `pages of 2 MiB` or `pages of "
                "1 GiB` in the head, above the bounds",
            )
        if size % self._page:
            raise UserError(place, f"{amount} is not a whole number of pages")
        return size // self._page

    @_with_place
    def pages(self, meta: Meta, parts: Parts) -> None:
        """In the head: numbers of bytes below it become numbers of pages."""
        if self._page:
            raise UserError(self._at(meta), "`pages of` stands twice")
        self._page = _bytes(parts[0])
        if not self._page:
            raise UserError(self._at(parts[0]), "a page has a size")

    def setting(self, parts: Parts) -> Setting:
        word, digits = parts
        if digits.type == "AMOUNT":
            return Setting(word, self._in_pages(digits))
        return Setting(word, _integer(digits, word.span, _SIZE))

    @_with_place
    def bounds(self, meta: Meta, parts: Parts) -> Bounds:
        settings = _all(parts, Setting)
        without, having = _words(parts, "without"), _words(parts, "having")
        once((s.name for s in settings), "is set twice")
        once((*without, *having), "is named twice")
        label = next((w.text for w in _all(parts, Word)), "")
        return Bounds(label, settings, without, having, self._at(meta))

    def let(self, parts: Parts) -> Let:
        name, *taken, body = parts
        words = tuple(_own(w, "a parameter") for p in taken for w in p)
        once(words, "is the name of two parameters")
        return Let(_own(name, "a definition"), words, body)


class _ClaimRules(_WordRules):
    """Properties, and what is expected of them."""

    def kind(self, parts: Parts) -> Kind:
        return Kind(str(parts[0]))

    def claim(self, parts: Parts) -> Claim:
        kind, name, *rest = parts
        on = next(iter(_all(rest, On)), None)
        if on is not None and not kind.of_steps:
            raise UserError(
                on.action.span,
                f"`on` is for steps: {kind.noun} speaks of states, whatever led there",
            )
        (formula,) = (p for p in rest if isinstance(p, Expression))
        expects = _all(rest, Expect)
        check_expectations(expects, kind)
        if on is None or on.action.text != FAILURE:
            check_no_actions(expects)
        _one_word(name, "a property's name")
        return Claim(kind, name, _title(rest), on, formula, _source(rest), expects)

    def liveness(self, parts: Parts) -> Claim:
        name, *rest = (p for p in parts if not isinstance(p, Token))
        fair = tuple(f for p in rest if isinstance(p, tuple) for f in p)
        *before, goal = (p for p in rest if isinstance(p, Expression))
        expects = _all(rest, Expect)
        check_expectations(expects, Kind.LEADS_TO)
        check_no_actions(expects)
        _one_word(name, "a property's name")
        once((f.action for f in fair), "is named twice")
        first = before[0] if before else Literal("true", name.span)
        return Claim(
            Kind.LEADS_TO,
            name,
            _title(rest),
            None,
            first,
            _source(rest),
            expects,
            goal,
            fair,
        )

    def fair(self, parts: Parts) -> tuple[Fair, ...]:
        *strongly, words = parts
        return tuple(Fair(w, bool(strongly)) for w in words)

    def assertion(self, parts: Parts) -> Assertion:
        expects = _all(parts, Expect)
        check_expectations(expects, Kind.INVARIANT)
        check_no_actions(expects)
        return Assertion(parts[0], expects)

    def on(self, parts: Parts) -> On:
        action, *arguments = parts
        once((a.parameter for a in arguments), "is named twice")
        once((a.alias for a in arguments), "is the name of two parameters")
        return On(action, tuple(arguments))

    def argument(self, parts: Parts) -> Argument:
        first, alias = parts[0], parts[-1]
        if "_" in (first.text, alias.text):
            raise UserError(
                first.span,
                "`_` is not needed: parameters go by name, so leave out those "
                "you do not need",
            )
        return Argument(first, _own(alias, "a parameter"))

    def verdict(self, parts: Parts) -> Word:
        return self._word(parts[0])

    def expect(self, parts: Parts) -> Expect:
        verdict, *rest = parts
        depth = next((_integer(t, self._at(t)) for t in _all(rest, Token)), None)
        if depth is not None and verdict.text not in ("violated", "reachable"):
            raise UserError(
                verdict.span,
                f"`{verdict.text}` has no trace: only violated and reachable are "
                "`at` a number of steps",
            )
        designs, labels = _words(rest, "designs"), _words(rest, "under")
        actions = _words(rest, "actions")
        return Expect(
            verdict.text, depth, designs, labels, verdict.span, actions=actions
        )


class _ComparisonRules(_WordRules):
    """The lines of an interface: what `compare` compares."""

    def same(self, parts: Parts) -> UserCall:
        words = _all(parts, Word)
        for word in words:
            if word.text != "OK":
                raise UserError(
                    word.span,
                    "write `else OK`: where no action takes the call, nothing happens",
                )
        return UserCall(_all(parts, Way), bool(words))

    def way(self, parts: Parts) -> Way:
        action, *taking = parts
        return Way(action, taking[0] if taking else None)

    def taking(self, parts: Parts) -> tuple[Given, ...]:
        once((g.parameter for g in parts), "is named twice")
        return tuple(parts)

    def taken(self, parts: Parts) -> Given:
        return Given(parts[0], parts[1] if len(parts) > 1 else None)

    def silent(self, parts: Parts) -> tuple[KernelLine, ...]:
        first = bool(_all(parts, Token))
        for given in (g for w in _all(parts, Way) for g in w.arguments or ()):
            if given.value is None:
                raise UserError(
                    given.parameter.span,
                    f"which {given.parameter.text}? Write a value, or leave it out",
                )
        return tuple(KernelLine(w, first) for w in _all(parts, Way))

    def observe(self, parts: Parts) -> Observed:
        name, *rest = parts
        (formula,) = (p for p in rest if isinstance(p, Expression))
        return Observed(_own(name, "a value's name"), _title(rest), formula)


class _ScenarioRules(_WordRules):
    """Scenarios and their programs."""

    @_with_place
    def amounts(self, meta: Meta, parts: Parts) -> _Amounts:
        some = _all(parts, Amount)
        without, having = _words(parts, "without"), _words(parts, "having")
        once((a.name for a in some), "is set twice")
        once((*without, *having), "is named twice")
        return _Amounts(some, without, having, self._at(meta))

    def amount(self, parts: Parts) -> Amount:
        return Amount(*parts)

    def scenario(self, parts: Parts) -> Scenario:
        name, *rest = parts
        designs, early = _words(rest, "designs"), _words(rest, "early")
        programs, around = _all(rest, TaskProgram), _all(rest, _Around)
        word = _own(name, "a scenario's name")
        once(designs, "is named twice")
        once(early, "is named twice")
        once((p.task for p in programs), "is the name of two tasks")
        bounds, measures = _all(rest, _Amounts), _all(rest, Measure)
        if len(bounds) > 1:
            raise UserError(bounds[1].span, "a scenario has one `bounds` line")
        mine = bounds[0] if bounds else _Amounts((), (), (), word.span)
        if len(measures) > 1:
            raise UserError(measures[1].bound.span, "a scenario has one `size`")

        def calls(what: str) -> tuple[Invocation, ...]:
            return tuple(c for a in around if a.word == what for c in a.calls)

        return Scenario(
            word,
            _title(rest),
            _source(rest),
            designs,
            mine.amounts,
            mine.without,
            mine.having,
            next(iter(measures), None),
            early,
            programs,
            calls("environment"),
            calls("anytime"),
        )

    def measure(self, parts: Parts) -> Measure:
        word, lo, hi = parts
        return Measure(word, Range(lo, hi, start(lo)))

    def program(self, parts: Parts) -> TaskProgram:
        return TaskProgram(_own(parts[0], "a task's name"), _stages(parts))

    def environment(self, parts: Parts) -> _Around:
        return _Around(str(parts[0]), _all(parts, Invocation))

    def signal(self, parts: Parts) -> Signal:
        return Signal(_own(parts[0], "a signal"))

    def repeat(self, parts: Parts) -> Repeat:
        name, lo, hi, *body = parts
        over = Range(lo, hi, start(lo))
        return Repeat(_own(name, "a bound name"), over, _stages(body))

    def invocation(self, parts: Parts) -> Invocation:
        return Invocation(self._word(parts[0]), tuple(parts[1:]))

    def given(self, parts: Parts) -> Range | Expression:
        return _range(parts)


class _ExpressionRules(_WordRules):
    """Expressions. Their spans are where they begin, but for those of operators with
    an operand on each side."""

    @_with_place
    def number(self, meta: Meta, parts: Parts) -> Numeral:
        return Numeral(_integer(parts[0], self._at(meta)), self._at(meta))

    @_with_place
    def memory(self, meta: Meta, parts: Parts) -> Numeral:
        return Numeral(self._in_pages(parts[0]), self._at(meta))

    @_with_place
    def literal(self, meta: Meta, parts: Parts) -> Literal:
        return Literal(str(parts[0]), self._at(meta))

    def reference(self, parts: Parts) -> Name:
        word, *prime = parts
        return Name(word.text, bool(prime), word.span)

    @_with_place
    def index(self, meta: Meta, parts: Parts) -> Index:
        return Index(parts[0], tuple(parts[1:]), self._at(meta))

    @_with_place
    def call(self, meta: Meta, parts: Parts) -> CallExpr:
        return CallExpr(parts[0], tuple(parts[1:]), self._at(meta))

    @_with_place
    def aggregate(self, meta: Meta, parts: Parts) -> Aggregate:
        word, *binders, body = parts
        once((w for b in binders for w in b.names), "is bound twice")
        return Aggregate(str(word), tuple(binders), body, self._at(meta))

    def binder(self, parts: Parts) -> Binder:
        names, over = parts
        words = tuple(_own(w, "a bound name") for w in names)
        return Binder(words, over, words[0].span)

    def domain(self, parts: Parts) -> Range | Expression:
        return _range(parts)

    @_with_place
    def display(self, meta: Meta, parts: Parts) -> SetDisplay:
        return SetDisplay(tuple(parts[1:]), self._at(meta))

    @_with_place
    def unary(self, meta: Meta, parts: Parts) -> Unary:
        return Unary(str(parts[0]), parts[1], self._at(meta))

    def binary(self, parts: Parts) -> Binary:
        left, token, right = parts
        word = "implies" if token == "imply" else str(token)
        return Binary(word, left, right, self._at(token))

    def compare(self, parts: Parts) -> Compare:
        relations = tuple(parts[1::2])
        return Compare(tuple(parts[::2]), relations, relations[0].span)

    def relation(self, parts: Parts) -> Relation:
        return Relation(" ".join(parts), self._at(parts[0]))

    @_with_place
    def if_else(self, meta: Meta, parts: Parts) -> IfElse:
        then, condition, otherwise = parts
        return IfElse(then, condition, otherwise, self._at(meta))


class _Builder(_ClaimRules, _ComparisonRules, _ScenarioRules, _ExpressionRules):
    """All rules, and the whole."""

    def start(self, parts: Parts) -> Spec:
        designs = _words(parts, "designs")
        lets, claims = _all(parts, Let), _all(parts, Claim)
        scenarios, assertions = _all(parts, Scenario), _all(parts, Assertion)
        once(designs, "is named twice")
        once((d.name for d in lets), "is defined twice")
        once((c.name for c in claims), "is the name of two properties")
        once((c.name for c in scenarios), "is the name of two scenarios")
        once((a.name for a in assertions), "stands twice: put the lines together")
        observed = _all(parts, Observed)
        silent = tuple(line for lines in _all(parts, tuple) for line in lines)
        once((o.name for o in observed), "is the name of two values")
        once((s.way.action for s in silent), "is named twice")
        lines = (*(c.expects for c in claims), *(a.expects for a in assertions))
        bounds = _all(parts, Bounds)
        once(
            (Word(b.label, b.span) for b in bounds),
            "is the label of two bounds: write `bounds wide: V = 3`",
        )
        for expects in lines:
            check_designs(expects, designs)
            check_labels(expects, [b.label for b in bounds if b.label])
        doc = next((cleandoc(str(p)[3:-3]) for p in _all(parts, Token)), "")
        return Spec(
            self._file,
            _title(parts),
            doc,
            designs,
            _source(parts),
            bounds,
            lets,
            claims,
            scenarios,
            assertions,
            self._page,
            _all(parts, UserCall),
            silent,
            observed,
        )

    def __default__(self, data: Any, children: list[Any], meta: Meta) -> Any:
        """The rules that have only names, or whose names are words of Python."""
        match str(data):
            case "designs" | "under" | "actions" | "without" | "having" | "early":
                return _Names(str(data), children[0])
            case "and" | "or":
                return Junction(str(data), tuple(children), self._at(meta))
            case "await":
                return Await(children[0])
        raise AssertionError(f"the grammar has a rule {data} that is not built")
