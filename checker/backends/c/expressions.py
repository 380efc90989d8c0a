# SPDX-License-Identifier: GPL-2.0-only
"""The IR as C expressions.

Evaluation is total: a read outside a table gives 0 (the obligation that
forbids it is checked), so any subterm may be computed early.
"""

from __future__ import annotations

from collections import ChainMap
from collections.abc import Callable, Iterable, Sequence
from functools import cache

from poolproof.checker.backends.c.layout import (
    Affine,
    Layout,
    PackedCell,
    Unsupported,
)
from poolproof.checker.backends.shared import shared
from poolproof.checker.backends.templates import joined, template
from poolproof.checker.core import ir
from poolproof.checker.core.fold import Algebra, fold
from poolproof.checker.core.ir import (
    BINDERS,
    BOOL,
    FALSE,
    INT,
    TRUE,
    Domain,
    Expr,
    SetSort,
    TableSort,
    binder_of,
    expand_all,
    rebuild,
    subterms,
)
from poolproof.checker.core.ranges import Ranges
from poolproof.checker.core.system import Variable


class FiniteRanges(Ranges):
    """Ranges that are finite. Raise Unsupported where one is not."""

    def of(self, e: Expr) -> tuple[int, int]:
        lo, hi = super().of(e)
        if isinstance(e.sort, TableSort):
            return 0, 0
        if lo is None or hi is None:
            raise Unsupported(f"{e} has no bounds")
        return lo, hi


class CWriter:
    """The body of one C function. Before the step a state is w0, w1 ...,
    after it x[0], x[1] ...; what is used twice gets a name in the innermost
    block where it is."""

    def __init__(self, layout: Layout, bounds: FiniteRanges) -> None:
        self.layout = layout
        self.bounds = bounds
        self.lines: list[str] = []
        self.scopes: list[dict[Expr, str]] = [{}]
        self.fresh = 0
        self.unpacked: set[str] = set()
        self.least, self.most = 0, 0
        self.sizes: dict[Expr, int] = {}

    def line(self, text: str) -> None:
        self.lines.append("\t" * len(self.scopes) + text)

    def open(self, head: str) -> None:
        self.line(head + " {")
        self.scopes.append({})

    def close(self) -> None:
        self.scopes.pop()
        self.line("}")

    def name(self, prefix: str = "t") -> str:
        self.fresh += 1
        return f"{prefix}{self.fresh}"

    def bind(self, e: Expr, text: str) -> None:
        self.scopes[-1][e] = text

    def lookup(self, e: Expr) -> str | None:
        for scope in reversed(self.scopes):
            found = scope.get(e)
            if found is not None:
                return found
        return None

    def bound(self, e: Expr) -> bool:
        return all(self.lookup(x) is not None for x in e.free)

    def share(self, *roots: Expr) -> None:
        """Names, in this block, for what the roots use more than once."""
        for e in shared(roots, ChainMap(*self.scopes), roots):
            if (
                not isinstance(e.sort, TableSort)
                and e.op not in BINDERS
                and not (e.op == "select" and all(i.is_const for i in e.args[1:]))
                and self.bound(e)
            ):
                self.named(e)

    def named(self, e: Expr, text: str = "") -> str:
        """The text of e, short: a name where it is not one already."""
        text = self.lookup(e) or text or self.text(e)
        if text.isidentifier() or e.is_const:
            return text
        name = self.name()
        self.line(f"const V {name} = {text};")
        self.bind(e, name)
        return name

    def number(self, value: int) -> str:
        self.note(value, value)
        if not -(1 << 63) < value < 1 << 63:
            raise Unsupported(f"the constant {value} is too large")
        small = -(1 << 31) < value < 1 << 31
        text = str(value) if small else f"{value}LL"
        return f"({text})" if value < 0 else text

    def note(self, lo: int, hi: int) -> None:
        self.least, self.most = min(self.least, lo), max(self.most, hi)

    def text(self, e: Expr) -> str:
        """The C text of e; it may take lines of their own before."""
        return fold((e,), TEXT, self, _Texts(self), closed=_CLOSED)[0]

    def inside(self, e: Expr, text: str, domain: Domain) -> str:
        """C text that says whether e is in the domain; empty where it is."""
        lo, hi = self.bounds.of(e)
        tests = []
        if lo < domain.lo:
            tests.append(f"{text} >= {self.number(domain.lo)}")
        if hi > domain.hi:
            tests.append(f"{text} <= {self.number(domain.hi)}")
        return " && ".join(tests)

    def read(self, table: Expr, index: Sequence[Expr], texts: Sequence[str]) -> str:
        """A cell; ``texts`` are the index's."""
        name, primed = table.data
        v = self.layout.system.by_name[name]
        if all(i.is_const for i in index):
            raw = tuple(i.data for i in index)
            k = self.layout.system.cell_of.get((name, raw))
            if k is None:
                return "0"
            s = self.layout.slots[k]
            word = f"x[{s.word}]" if primed else f"w{s.word}"
            return self.field(f"{word} >> {s.shift}" if s.shift else word, s)
        texts = [self.named(i, text) for i, text in zip(index, texts, strict=True)]
        tests = [
            t
            for i, text, d in zip(index, texts, v.index, strict=True)
            if (t := self.inside(i, text, d))
        ]
        slot = self.layout.slots[self.layout.first[name]]
        where = self.layout.affine.get(name)
        if where is not None:
            word = f"x[{where.word}]" if primed else f"w{where.word}"
            got = self.field(f"{word} >> {self.shift(v, where, texts)}", slot)
        elif primed:
            at = self.cell(v, texts)
            got = self.field(f"x[cell_word[{at}]] >> cell_shift[{at}]", slot)
        else:
            self.unpacked.add(name)
            got = f"c[{self.cell(v, texts)}]"
        return f"({' && '.join(tests)} ? {got} : 0)" if tests else got

    @staticmethod
    def field(shifted: str, s: PackedCell) -> str:
        text = f"(V)({shifted} & {s.mask:#x})"
        return (
            f"({text} + {s.lo})"
            if s.lo > 0
            else (f"({text} - {-s.lo})" if s.lo else text)
        )

    def shift(self, v: Variable, where: Affine, index: Sequence[str]) -> str:
        base = where.base - sum(
            d.lo * t for d, t in zip(v.index, where.strides, strict=True)
        )
        terms = [
            i if t == 1 else f"{i} * {t}"
            for i, t in zip(index, where.strides, strict=True)
            if t
        ]
        if base or not terms:
            terms.append(str(base))
        return "(" + " + ".join(terms) + ")"

    def cell(self, v: Variable, index: Sequence[str]) -> str:
        base, stride = self.layout.first[v.name], 1
        terms: list[str] = []
        for d, i in zip(reversed(v.index), reversed(index), strict=True):
            terms.append(i if stride == 1 else f"{i} * {stride}")
            base -= d.lo * stride
            stride *= len(d)
        return " + ".join([*terms, str(base)] if base else terms)

    def aggregate(self, e: Expr) -> str:
        """A loop that computes sum, all, any or setof; the name of its value."""
        binder, domain = binder_of(e), e.data[1]
        k, total = self.name("k"), self.name("a")
        start = 1 if e.op == "all" else 0
        self.line(f"V {total} = {start};")
        low, high = self.number(domain.lo), self.number(domain.hi)
        self.open(f"for (V {k} = {low}; {k} <= {high}; {k}++)")
        self.bind(binder, k)
        body = e.args[0]
        self.share(body)
        text = self.text(body)
        match e.op:
            case "sum":
                self.line(f"{total} += {text};")
            case "setof":
                small_set(e.sort)
                self.line(f"{total} |= (V){text} << {minus(k, domain.lo)};")
            case "all":
                self.line(f"if (!{text}) {{ {total} = 0; break; }}")
            case "any":
                self.line(f"if ({text}) {{ {total} = 1; break; }}")
        self.close()
        self.bind(e, total)
        return total

    def prologue(self) -> list[str]:
        """Lines that fetch the state that the body reads."""
        out = [f"\tconst u64 w{k} = s[{k}];" for k in range(self.layout.words)]
        if self.unpacked:
            cells = len(self.layout.slots)
            out.append(f"\tV c[{cells}];")
            for k, cell in enumerate(self.layout.system.cells):
                if cell.variable.name in self.unpacked:
                    s = self.layout.slots[k]
                    text = self.field(f"w{s.word} >> {s.shift}", s)
                    out.append(f"\tc[{k}] = {text}; /* {cell.name} */")
        return out


class _Texts:
    """What a fold knows: the names in scope, and the texts that it has made.
    A name that an operator gives on its way takes the place of the text."""

    def __init__(self, w: CWriter) -> None:
        self.w = w
        self.made: dict[Expr, str] = {}

    def __contains__(self, e: Expr) -> bool:
        return e in self.made or self.w.lookup(e) is not None

    def __getitem__(self, e: Expr) -> str:
        return self.w.lookup(e) or self.made[e]

    def __setitem__(self, e: Expr, text: str) -> None:
        self.made[e] = text


# --- the algebra -------------------------------------------------------------


def _number(read: Callable[..., str]) -> Callable[..., str]:
    """A number or a set, whose bounds are noted: they decide how wide V must be."""

    def noted(w: CWriter, e: Expr, *args: str) -> str:
        if e.sort is INT or isinstance(e.sort, SetSort):
            w.note(*w.bounds.of(e))
        return read(w, e, *args)

    return noted


def _template(text: str) -> Callable[..., str]:
    """Text over the arguments' texts a, b and c."""
    return _number(template(text))


def _constant(w: CWriter, e: Expr) -> str:
    if isinstance(e.sort, SetSort):
        small_set(e.sort)
    return w.number(e.data)


def _variable(w: CWriter, e: Expr) -> str:
    # a table's cells are read by `select`
    return "" if isinstance(e.sort, TableSort) else w.read(e, (), ())


def _unknown(w: CWriter, e: Expr, *args: str) -> str:
    raise Unsupported(f"{e}: no C for {e.op}")


def _unbound(w: CWriter, e: Expr) -> str:
    raise Unsupported(f"{e.data[0]} has no value here")


def _eq(w: CWriter, e: Expr) -> str:
    a, b = e.args
    if isinstance(a.sort, TableSort):
        return w.text(expand_all((e,))[0])
    return f"({w.text(a)} == {w.text(b)})"


def _add(w: CWriter, e: Expr, *terms: str) -> str:
    parts = [w.bounds.of(a) for a in e.args]
    w.note(sum(min(0, lo) for lo, _ in parts), sum(max(0, hi) for _, hi in parts))
    return "(" + " + ".join(terms) + ")"


def _quotient(symbol: str) -> Callable[..., str]:
    def read(w: CWriter, e: Expr, a: str, b: str) -> str:
        if w.bounds.of(e.args[0])[0] >= 0:
            return f"({a} {symbol} {b})"
        return f"floor_{e.op}({a}, {b})"

    return _number(read)


def _member(w: CWriter, e: Expr, element: str, members: str) -> str:
    domain = small_set(e.args[1].sort)
    at = w.named(e.args[0], element)
    inside = w.inside(e.args[0], at, domain)
    bit = f"({members} >> {minus(at, domain.lo)} & 1)"
    return f"({inside} && {bit})" if inside else bit


def _single(w: CWriter, e: Expr, element: str) -> str:
    domain = small_set(e.sort)
    at = w.named(e.args[0], element)
    inside = w.inside(e.args[0], at, domain)
    bit = f"((V)1 << {minus(at, domain.lo)})"
    return f"({inside} ? {bit} : 0)" if inside else bit


def _card(w: CWriter, e: Expr, members: str) -> str:
    small_set(e.args[0].sort)
    return f"(V)__builtin_popcountll((unsigned long long){members})"


def _select(w: CWriter, e: Expr, _: str, *index: str) -> str:
    table = e.args[0]
    if table.op != "var":
        raise Unsupported(f"{e}: not a variable's cell")
    return w.read(table, e.args[1:], index)


def _aggregate(w: CWriter, e: Expr) -> str:
    return w.aggregate(e)


TEXT: Algebra[str] = {
    "const": _constant,
    "param": _unknown,
    "var": _number(_variable),
    "local": _number(_unbound),
    "not": _template("!{a}"),
    "and": joined("&&"),
    "or": joined("||"),
    "eq": _eq,
    "lt": _template("({a} < {b})"),
    "le": _template("({a} <= {b})"),
    "add": _number(_add),
    "sub": _template("({a} - {b})"),
    "mul": _template("({a} * {b})"),
    "div": _quotient("/"),
    "mod": _quotient("%"),
    "min": _template("vmin({a}, {b})"),
    "max": _template("vmax({a}, {b})"),
    "ite": _template("({a} ? {b} : {c})"),
    "in": _member,
    "union": _template("({a} | {b})"),
    "inter": _template("({a} & {b})"),
    "diff": _template("({a} & ~{b})"),
    "single": _number(_single),
    "card": _number(_card),
    "select": _number(_select),
    "store": _unknown,
    "fill": _unknown,
    "map": _unknown,
    "first": _unknown,
    "sum": _number(_aggregate),
    "all": _aggregate,
    "any": _aggregate,
    "setof": _number(_aggregate),
}
"""The IR as C text."""

_CLOSED = BINDERS | {"eq"}
"""Operators that read their arguments themselves: a binder's body belongs
into its loop, and tables are compared cell by cell."""


# --- preparing expressions ---------------------------------------------------


def minus(text: str, lo: int) -> str:
    return f"({text} - {lo})" if lo > 0 else f"({text} + {-lo})" if lo else text


def small_set(sort: ir.Sort) -> Domain:
    assert isinstance(sort, SetSort)
    if len(sort.domain) > 62:
        raise Unsupported(f"a {sort} needs more than 62 bits")
    return sort.domain


def facts_of(conjuncts: Iterable[Expr]) -> dict[Expr, Expr]:
    """Replacements that are right where the conjuncts hold."""
    by: dict[Expr, Expr] = {}
    for c in conjuncts:
        if c.op == "not":
            by[c.args[0]] = FALSE
            if c.args[0].op == "eq":
                by[Expr("eq", BOOL, c.args[0].args[::-1])] = FALSE
        elif c.op == "lt":
            by[c] = TRUE
            by[Expr("le", BOOL, (c.args[1], c.args[0]))] = FALSE
        elif c.op == "le":
            by[c] = TRUE
            by[Expr("lt", BOOL, (c.args[1], c.args[0]))] = FALSE
        else:
            by[c] = TRUE
            if c.op == "eq" and c.args[1].is_const:
                by[c.args[0]] = c.args[1]
    return by


_WEIGHTS: dict[Expr, int] = {}


def weight(e: Expr) -> int:
    """Return the number of nodes of e with its aggregates written out."""
    for node in subterms(e, known=_WEIGHTS):
        total = 1 + sum([_WEIGHTS[a] for a in node.args])
        if node.op in BINDERS:
            total *= len(node.data[1])
        _WEIGHTS[node] = min(total, 1 << 40)
    return _WEIGHTS[e]


@cache
def unroll(e: Expr) -> Expr:
    """Return e with its aggregates written out, unless that makes it large."""
    if not any(n.op in BINDERS for n in subterms(e)):
        return e
    if weight(e) < 600:
        return expand_all((e,))[0]
    done: dict[Expr, Expr] = {}
    for node in subterms(e):
        args = tuple(done[a] for a in node.args)
        done[node] = rebuild(node, args)
        if node.op in BINDERS and weight(done[node]) < 200:
            done[node] = expand_all((done[node],))[0]
    return done[e]


def row(name: str, values: Iterable[int]) -> str:
    """A table of small numbers."""
    text = ", ".join(map(str, values)) or "0"
    return f"static const unsigned char {name}[] = {{{text}}};"
