"""The IR as C: packed states, successors, properties, canonical forms.

`lower` prints what is particular to one system; checker/engines/search.c is
the search that it is compiled with. A state is a few 64-bit words; every cell
of a variable that something can observe is a bit field as wide as its
declared range needs. The rows of a sortable scalarset (all cells indexed by
one element) lie side by side and alike, so that sorting rows is sorting ints.

Small actions are printed once per choice of arguments, with constant masks,
inside a tree of the conditions that they share; large ones as loops over
their parameters. Evaluation is total: a read outside a table gives 0 (the
obligation that forbids it is checked), so any subterm may be computed early.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import product

from poolproof.checker.core import ir
from poolproof.checker.core.ir import (
    BINDERS,
    BOOL,
    FALSE,
    INT,
    TRUE,
    Domain,
    Expr,
    ScalarSort,
    SetSort,
    TableSort,
    and_,
    binder_of,
    const,
    expand_all,
    not_,
    rebuild,
    substitute_all,
    subterms,
)
from poolproof.checker.core.property import Property
from poolproof.checker.core.system import (
    Action,
    Cell,
    Obligation,
    TransitionSystem,
    Variable,
)
from poolproof.checker.passes.symmetry import Symmetry

SMALL = 40_000
"""Specialise an action for its arguments while the copies have fewer nodes."""

OPEN_BITS = 32
"""The bits that a variable without declared range gets."""


class Unsupported(Exception):
    """The system is outside what this lowering does; the text says how."""


# --- intervals -------------------------------------------------------------


class Bounds:
    """Bounds of raw values where all variables are in their ranges and the
    given facts hold. ``ranges`` is per variable."""

    def __init__(
        self,
        ranges: Mapping[str, tuple[int, int]],
        facts: Mapping[Expr, tuple[int, int]] | None = None,
    ) -> None:
        self.ranges = ranges
        self.facts = facts or {}
        self.known: dict[Expr, tuple[int, int]] = {}

    def where(self, conjuncts: Iterable[Expr]) -> Bounds:
        """These bounds and what the conjuncts say of their sides."""
        inner = Bounds(self.ranges, dict(self.facts))
        facts = dict(inner.facts)

        def narrow(e: Expr, lo: int | None, hi: int | None) -> None:
            if e.is_const:
                return
            old_lo, old_hi = facts.get(e) or self.of(e)
            lo = old_lo if lo is None else max(lo, old_lo)
            hi = old_hi if hi is None else min(hi, old_hi)
            if lo <= hi:
                facts[e] = lo, hi

        for c in conjuncts:
            match c.op:
                case "lt" | "le":
                    a, b = c.args
                    strict = int(c.op == "lt")
                    narrow(a, None, self.of(b)[1] - strict)
                    narrow(b, self.of(a)[0] + strict, None)
                case "eq" if not isinstance(c.args[0].sort, TableSort):
                    a, b = c.args
                    narrow(a, *self.of(b))
                    narrow(b, *self.of(a))
                case "not" if c.args[0].op == "eq":
                    a, b = c.args[0].args
                    if b.is_const and not isinstance(a.sort, TableSort):
                        lo, hi = self.of(a)
                        narrow(a, lo + (b.data == lo), hi - (b.data == hi))
        inner.facts = facts
        return inner

    def of(self, e: Expr) -> tuple[int, int]:
        known = self.known
        stack = [e] if e not in known else []
        while stack:
            node = stack[-1]
            waiting = [a for a in node.args if a not in known]
            if waiting:
                stack += waiting
                continue
            stack.pop()
            if node not in known:
                known[node] = self._of(node)
        return known[e]

    def _of(self, e: Expr) -> tuple[int, int]:
        if isinstance(e.sort, TableSort):
            return 0, 0
        lo, hi = self._plain(e)
        fact = self.facts.get(e)
        if fact is not None:
            lo, hi = max(lo, fact[0]), min(hi, fact[1])
            if lo > hi:  # the facts contradict: this code does not run
                lo = hi = fact[0]
        return lo, hi

    def _plain(self, e: Expr) -> tuple[int, int]:
        of = [self.known[a] for a in e.args]
        match e.op:
            case "const":
                return e.data, e.data
            case "local":
                return e.data[1].lo, e.data[1].hi
            case "var":
                return self.ranges[e.data[0]]
            case "select":
                return self._select(e)
            case "add":
                return sum(x[0] for x in of), sum(x[1] for x in of)
            case "sub":
                return of[0][0] - of[1][1], of[0][1] - of[1][0]
            case "mul":
                ends = [x * y for x in of[0] for y in of[1]]
                return min(ends), max(ends)
            case "div":
                d = e.args[1].data
                return of[0][0] // d, of[0][1] // d
            case "mod":
                d = e.args[1].data
                if of[0][0] // d == of[0][1] // d:
                    return of[0][0] % d, of[0][1] % d
                return 0, d - 1
            case "min":
                return min(of[0][0], of[1][0]), min(of[0][1], of[1][1])
            case "max":
                return max(of[0][0], of[1][0]), max(of[0][1], of[1][1])
            case "ite":
                return min(of[1][0], of[2][0]), max(of[1][1], of[2][1])
            case "sum":
                n = len(e.data[1])
                return of[0][0] * n, of[0][1] * n
            case "card":
                assert isinstance(e.args[0].sort, SetSort)
                return 0, len(e.args[0].sort.domain)
        if e.sort is BOOL:
            return 0, 1
        if isinstance(e.sort, SetSort):
            return 0, (1 << len(e.sort.domain)) - 1
        raise Unsupported(f"{e} has no bounds")

    def _select(self, e: Expr) -> tuple[int, int]:
        table = e.args[0]
        if table.op != "var":
            raise Unsupported(f"{e}: not a variable's cell")
        lo, hi = self.ranges[table.data[0]]
        inside = all(
            d.lo <= self.known[i][0] and self.known[i][1] <= d.hi
            for i, d in zip(e.args[1:], _index(table), strict=True)
        )
        return (lo, hi) if inside else (min(lo, 0), max(hi, 0))

    def decide(self, *roots: Expr) -> tuple[Expr, ...]:
        """The expressions with comparisons that the bounds decide decided."""
        by: dict[Expr, Expr] = {}
        for node in subterms(*roots):
            if node.op in ("lt", "le") or (
                node.op == "eq" and not isinstance(node.args[0].sort, TableSort)
            ):
                (alo, ahi), (blo, bhi) = self.of(node.args[0]), self.of(node.args[1])
                if node.op == "eq":
                    if ahi < blo or bhi < alo:
                        by[node] = FALSE
                    elif alo == ahi == blo == bhi:
                        by[node] = TRUE
                else:
                    strict = int(node.op == "lt")
                    if ahi + strict <= blo:
                        by[node] = TRUE
                    elif alo + strict > bhi:
                        by[node] = FALSE
        return substitute_all(roots, by) if by else roots


def _index(table: Expr) -> tuple[Domain, ...]:
    assert isinstance(table.sort, TableSort)
    return table.sort.index


# --- what is stored, and where ---------------------------------------------


@dataclass(frozen=True)
class Reduced:
    """A system without rigid params and without variables that nothing
    observes. ``ranges`` per variable; ``open`` are those whose range is this
    engine's own; ``notes`` names what was left out."""

    system: TransitionSystem
    properties: tuple[Property, ...]
    ranges: Mapping[str, tuple[int, int]]
    open: frozenset[str]
    notes: tuple[str, ...]


def reduce(
    system: TransitionSystem, properties: Sequence[Property], cone: bool = True
) -> Reduced:
    """Bounds put in for params; the cone of influence of guards, results,
    obligations, ranges and properties."""
    system, properties = close(system, properties)
    ranges: dict[str, tuple[int, int]] = {}
    opened: set[str] = set()
    for v in system.variables:
        ranges[v.name], unbounded = _range(v)
        if unbounded:
            opened.add(v.name)
    kept = set(v.name for v in system.variables)
    if cone:
        kept = _cone(system, properties, ranges, opened)
    dropped = [v.name for v in system.variables if v.name not in kept]
    notes: tuple[str, ...] = ()
    if dropped:
        notes = (f"not stored, as nothing observes it: {', '.join(dropped)}",)
        system = replace(
            system,
            variables=tuple(v for v in system.variables if v.name in kept),
            actions=tuple(
                replace(a, updates={n: u for n, u in a.updates.items() if n in kept})
                for a in system.actions
            ),
        )
    return Reduced(system, tuple(properties), ranges, frozenset(opened), notes)


def close(
    system: TransitionSystem, properties: Sequence[Property]
) -> tuple[TransitionSystem, Sequence[Property]]:
    """The system with each rigid param replaced by its bound."""
    values = {ir.param(n): ir.num(k) for n, k in system.bounds.items()}
    if not values or not any(
        e.op == "param" for e in subterms(*_everything(system, properties))
    ):
        return system, properties
    memo: dict[Expr, Expr] = {}

    def put(e: Expr | None) -> Expr | None:
        return None if e is None else substitute_all((e,), values, memo)[0]

    def sure(e: Expr) -> Expr:
        return substitute_all((e,), values, memo)[0]

    return (
        replace(
            system,
            variables=tuple(
                replace(v, lo=put(v.lo), hi=put(v.hi), init=put(v.init))
                for v in system.variables
            ),
            actions=tuple(
                replace(
                    a,
                    guard=sure(a.guard),
                    updates={n: sure(u) for n, u in a.updates.items()},
                    result=put(a.result),
                    obligations=tuple(
                        replace(o, formula=sure(o.formula)) for o in a.obligations
                    ),
                )
                for a in system.actions
            ),
            initial=sure(system.initial),
        ),
        tuple(
            replace(
                p,
                formula=sure(p.formula),
                antecedents=tuple(sure(x) for x in p.antecedents),
            )
            for p in properties
        ),
    )


def _everything(
    system: TransitionSystem, properties: Sequence[Property]
) -> Iterator[Expr]:
    yield from _observers(system, properties)
    for v in system.variables:
        yield from (e for e in (v.lo, v.hi, v.init) if e is not None)
    for a in system.actions:
        yield from a.updates.values()


def _observers(
    system: TransitionSystem, properties: Sequence[Property]
) -> Iterator[Expr]:
    yield system.initial
    for a in system.actions:
        yield a.guard
        yield from (o.formula for o in a.obligations)
        if a.result is not None:
            yield a.result
    for p in properties:
        yield p.formula
        yield from p.antecedents


def _range(v: Variable) -> tuple[tuple[int, int], bool]:
    """(lo, hi) of the variable's cells, and whether this engine made it up."""
    ends = []
    for e in (v.lo, v.hi):
        if e is not None and not e.is_const:
            raise Unsupported(f"the range of {v.name} is not constant")
        ends.append(None if e is None else int(e.data))
    lo, hi = ends
    if lo is not None and hi is not None:
        return (lo, max(lo, hi)), False
    sort = v.element
    if isinstance(sort, ScalarSort):
        return (lo or 0, sort.size if hi is None else hi), False
    if isinstance(sort, SetSort):
        return (0, (1 << len(sort.domain)) - 1), False
    if isinstance(sort, ir.EnumSort):
        return (lo or 0, len(sort.labels) - 1 if hi is None else hi), False
    if sort is BOOL:
        return (0, 1), False
    size = (1 << OPEN_BITS) - 1
    if lo is not None:
        return (lo, lo + size), True
    if hi is not None:
        return (hi - size, hi), True
    return (-(1 << (OPEN_BITS - 1)), (1 << (OPEN_BITS - 1)) - 1), True


def _cone(
    system: TransitionSystem,
    properties: Sequence[Property],
    ranges: Mapping[str, tuple[int, int]],
    opened: set[str],
) -> set[str]:
    kept: set[str] = set()

    def mentions(*roots: Expr) -> set[str]:
        return {n.data[0] for n in subterms(*roots) if n.op == "var"}

    waiting = mentions(*_observers(system, properties)) | opened
    for a in system.actions:
        bounds = Bounds(ranges).where(conjuncts_of(a.guard))
        for name, update in a.updates.items():
            lo, hi = ranges[name]
            for index, value in writes(update):
                least, most = bounds.of(value)
                waiting |= mentions(*index)
                if least < lo or most > hi:
                    waiting.add(name)
    while waiting:
        name = waiting.pop()
        if name in kept:
            continue
        kept.add(name)
        for a in system.actions:
            if name in a.updates:
                waiting |= mentions(a.updates[name]) - kept
    return kept


def conjuncts_of(e: Expr) -> tuple[Expr, ...]:
    return e.args if e.op == "and" else () if e is TRUE else (e,)


def writes(update: Expr) -> list[tuple[tuple[Expr, ...], Expr]]:
    """(index, value) of each change that an update makes, in order."""
    chain = []
    while update.op == "store":
        chain.append((update.args[1:-1], update.args[-1]))
        update = update.args[0]
    if isinstance(update.sort, TableSort):
        if update.op != "var":
            raise Unsupported(f"{update}: a table that is not its variable stored to")
        return chain[::-1]
    return [((), update)]


@dataclass(frozen=True)
class PackedCell:
    """Where a cell is: ``width`` bits from ``shift`` of ``word`` hold raw - lo."""

    word: int
    shift: int
    width: int
    lo: int

    @property
    def mask(self) -> int:
        return (1 << self.width) - 1


@dataclass(frozen=True)
class Affine:
    """A table in one word whose cell (i, j) is at base + i * s + j * t."""

    word: int
    base: int
    strides: tuple[int, ...]


@dataclass(frozen=True)
class Rows:
    """The sortable scalarset's rows: per element, the (word, shift) of each
    of its pieces; all rows have the same ``widths``."""

    sort: ScalarSort
    widths: tuple[int, ...]
    at: tuple[tuple[tuple[int, int], ...], ...]


@dataclass(frozen=True)
class Layout:
    """All cells' places in ``words`` 64-bit words. One-word states leave the
    top bit to the visited set."""

    system: TransitionSystem
    words: int
    slots: tuple[PackedCell, ...]
    rows: tuple[Rows, ...]
    affine: Mapping[str, Affine]
    first: Mapping[str, int]

    def pack(self, state: Sequence[int]) -> tuple[int, ...]:
        words = [0] * self.words
        for s, raw in zip(self.slots, state, strict=True):
            words[s.word] |= (raw - s.lo & s.mask) << s.shift
        return tuple(words)

    def unpack(self, words: Sequence[int]) -> tuple[int, ...]:
        return tuple((words[s.word] >> s.shift & s.mask) + s.lo for s in self.slots)


def lay_out(
    system: TransitionSystem,
    ranges: Mapping[str, tuple[int, int]],
    symmetry: Symmetry,
) -> Layout:
    cells = system.cells
    width = [
        (ranges[c.variable.name][1] - ranges[c.variable.name][0]).bit_length()
        for c in cells
    ]
    if any(w > 63 for w in width):
        wide = cells[max(range(len(cells)), key=width.__getitem__)].variable.name
        raise Unsupported(f"{wide} needs more than 63 bits")
    one_word = sum(width) <= 63
    room = 63 if one_word else 64
    used: list[int] = []
    place: dict[int, tuple[int, int]] = {}
    taken: set[int] = set()

    def put(size: int) -> tuple[int, int]:
        for word, bits in enumerate(used):
            if bits + size <= room:
                used[word] += size
                return word, bits
        used.append(size)
        return len(used) - 1, 0

    rows = []
    blocks: list[tuple[int, int, list[list[int]], list[tuple[int, int]]]] = []
    for sort in symmetry.rows:
        members = _rows_of(cells, sort)
        pieces: list[list[int]] = [[]]
        for k in range(len(members[0])):
            bits = sum(width[members[0][j]] for j in pieces[-1])
            if bits + width[members[0][k]] > room:
                pieces.append([])
            pieces[-1].append(k)
        where: list[list[tuple[int, int]]] = [[] for _ in members]
        sizes = []
        for piece in pieces:
            size = sum(width[members[0][k]] for k in piece)
            sizes.append(size)
            for row, spots in zip(members, where, strict=True):
                blocks.append((size, len(blocks), [[row[k] for k in piece]], spots))
        taken.update(k for row in members for k in row)
        rows.append((sort, tuple(sizes), where))
    # large pieces first; the blocks of one piece stay together
    for size, _, (block,), spots in sorted(blocks, key=lambda b: (-b[0], b[1])):
        word, shift = put(size)
        spots.append((word, shift))
        for k in block:
            place[k] = word, shift
            shift += width[k]
    first: dict[str, int] = {}
    groups: dict[str, list[int]] = {}
    for k, c in enumerate(cells):
        first.setdefault(c.variable.name, k)
        if k not in taken:
            groups.setdefault(c.variable.name, []).append(k)
    for group in sorted(groups.values(), key=lambda g: -sum(width[k] for k in g)):
        size = sum(width[k] for k in group)
        if size <= room:
            word, shift = put(size)
            for k in group:
                place[k] = word, shift
                shift += width[k]
        else:
            for k in group:
                place[k] = put(width[k])
    slots = tuple(
        PackedCell(*place[k], width[k], ranges[c.variable.name][0])
        for k, c in enumerate(cells)
    )
    affine = {}
    for v in system.variables:
        if v.index:
            found = _affine(system, v, slots)
            if found is not None:
                affine[v.name] = found
    return Layout(
        system,
        max(1, len(used)),
        slots,
        tuple(
            Rows(sort, sizes, tuple(tuple(x) for x in where))
            for sort, sizes, where in rows
        ),
        affine,
        first,
    )


def _rows_of(cells: Sequence[Cell], sort: ScalarSort) -> list[list[int]]:
    rows: list[list[int]] = [[] for _ in range(sort.size)]
    for k, cell in enumerate(cells):
        for d, i in zip(cell.variable.index, cell.index, strict=True):
            if d.sort is sort and i < sort.size:
                rows[i].append(k)
    return rows


def _affine(
    system: TransitionSystem, v: Variable, slots: Sequence[PackedCell]
) -> Affine | None:
    start = tuple(d.lo for d in v.index)
    origin = slots[system.cell_of[v.name, start]]
    strides = []
    for k, d in enumerate(v.index):
        if len(d) < 2:
            strides.append(0)
            continue
        beside = (*start[:k], start[k] + 1, *start[k + 1 :])
        strides.append(slots[system.cell_of[v.name, beside]].shift - origin.shift)
    for at in product(*v.index):
        s = slots[system.cell_of[v.name, at]]
        shift = origin.shift + sum(
            (i - j) * t for i, j, t in zip(at, start, strides, strict=True)
        )
        if s.word != origin.word or s.shift != shift:
            return None
    return Affine(origin.word, origin.shift, tuple(strides))


# --- expressions -------------------------------------------------------------


class CWriter:
    """The body of one C function. Before the step a state is w0, w1 ...,
    after it x[0], x[1] ...; what is used twice gets a name in the innermost
    block where it is."""

    def __init__(self, layout: Layout, bounds: Bounds) -> None:
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
        order = [e for e in subterms(*roots) if self.lookup(e) is None]
        uses = Counter(a for e in order for a in e.args)
        uses.update(roots)
        for e in order:
            if (
                uses[e] > 1
                and e.args
                and not isinstance(e.sort, TableSort)
                and e.op not in BINDERS
                and not (e.op == "select" and all(i.is_const for i in e.args[1:]))
                and self.bound(e)
            ):
                self.named(e)

    def named(self, e: Expr) -> str:
        """The text of e, short: a name where it is not one already."""
        text = self.text(e)
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
        known = self.lookup(e)
        if known is not None:
            return known
        if e.sort is INT and e.op != "const":
            parts = [self.bounds.of(a) for a in e.args] if e.op == "add" else []
            self.note(
                sum(min(0, p[0]) for p in parts), sum(max(0, p[1]) for p in parts)
            )
            self.note(*self.bounds.of(e))
        match e.op:
            case "const":
                if isinstance(e.sort, SetSort):
                    _small_set(e.sort)
                return self.number(e.data)
            case "local":
                raise Unsupported(f"{e.data[0]} has no value here")
            case "var":
                return self.read(e, ())
            case "select":
                if e.args[0].op != "var":
                    raise Unsupported(f"{e}: not a variable's cell")
                return self.read(e.args[0], e.args[1:])
            case "eq" if isinstance(e.args[0].sort, TableSort):
                return self.text(expand_all((e,))[0])
            case "sum" | "all" | "any" | "setof":
                return self.aggregate(e)
        a = [self.text(x) for x in e.args]
        match e.op:
            case "not":
                return f"!{a[0]}"
            case "and":
                return "(" + " && ".join(a) + ")"
            case "or":
                return "(" + " || ".join(a) + ")"
            case "eq":
                return f"({a[0]} == {a[1]})"
            case "lt":
                return f"({a[0]} < {a[1]})"
            case "le":
                return f"({a[0]} <= {a[1]})"
            case "add":
                return "(" + " + ".join(a) + ")"
            case "sub":
                return f"({a[0]} - {a[1]})"
            case "mul":
                return f"({a[0]} * {a[1]})"
            case "div" | "mod":
                if self.bounds.of(e.args[0])[0] >= 0:
                    return f"({a[0]} {'/' if e.op == 'div' else '%'} {a[1]})"
                return f"floor_{e.op}({a[0]}, {a[1]})"
            case "min" | "max":
                return f"v{e.op}({a[0]}, {a[1]})"
            case "ite":
                return f"({a[0]} ? {a[1]} : {a[2]})"
            case "union":
                return f"({a[0]} | {a[1]})"
            case "inter":
                return f"({a[0]} & {a[1]})"
            case "diff":
                return f"({a[0]} & ~{a[1]})"
            case "in":
                domain = _small_set(e.args[1].sort)
                at = self.named(e.args[0])
                inside = self.inside(e.args[0], at, domain)
                bit = f"({a[1]} >> {_minus(at, domain.lo)} & 1)"
                return f"({inside} && {bit})" if inside else bit
            case "single":
                domain = _small_set(e.sort)
                at = self.named(e.args[0])
                inside = self.inside(e.args[0], at, domain)
                bit = f"((V)1 << {_minus(at, domain.lo)})"
                return f"({inside} ? {bit} : 0)" if inside else bit
            case "card":
                _small_set(e.args[0].sort)
                return f"(V)__builtin_popcountll((unsigned long long){a[0]})"
        raise Unsupported(f"{e}: no C for {e.op}")

    def inside(self, e: Expr, text: str, domain: Domain) -> str:
        """C text that says whether e is in the domain; empty where it is."""
        lo, hi = self.bounds.of(e)
        tests = []
        if lo < domain.lo:
            tests.append(f"{text} >= {self.number(domain.lo)}")
        if hi > domain.hi:
            tests.append(f"{text} <= {self.number(domain.hi)}")
        return " && ".join(tests)

    def read(self, table: Expr, index: Sequence[Expr]) -> str:
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
        texts = [self.named(i) for i in index]
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
                _small_set(e.sort)
                self.line(f"{total} |= (V){text} << {_minus(k, domain.lo)};")
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
                    out.append(f"\tc[{k}] = {text};")
        return out


def _minus(text: str, lo: int) -> str:
    return f"({text} - {lo})" if lo > 0 else f"({text} + {-lo})" if lo else text


def _small_set(sort: ir.Sort) -> Domain:
    assert isinstance(sort, SetSort)
    if len(sort.domain) > 62:
        raise Unsupported(f"a {sort} needs more than 62 bits")
    return sort.domain


# --- events ------------------------------------------------------------------


@dataclass(frozen=True)
class Event:
    """Something the search may find in a state or a step. ``kind``: 'state'
    or 'step' (a property), 'obligation', 'range', 'open' (a variable leaves
    the range that this engine gave it) or 'deadlock'."""

    kind: str
    asked: str = ""
    action: str = ""
    variable: str = ""
    obligation: Obligation | None = None

    @property
    def by_step(self) -> bool:
        return self.kind not in ("state", "deadlock")


@dataclass(frozen=True)
class Lowered:
    """A system as C. ``steps`` gives (action, arguments) of each step number;
    ``results`` its raw result where that is constant; ``counters`` are the
    (action, raw result) of the counters that steps bump themselves."""

    text: str
    layout: Layout
    events: tuple[Event, ...]
    steps: Sequence[tuple[str, tuple[int, ...]]]
    results: Mapping[int, int]
    counters: tuple[tuple[str, int], ...]
    antecedents: tuple[tuple[str, int], ...]


@dataclass
class _Instance:
    """An action, perhaps with its arguments put in."""

    action: Action
    conjuncts: tuple[Expr, ...]
    updates: Mapping[str, Expr]
    result: Expr | None
    obligations: tuple[Obligation, ...]
    by: Mapping[Expr, Expr]
    numbers: range
    number: str
    """C text of the number of the step."""


@dataclass
class _Lowering:
    reduced: Reduced
    layout: Layout
    events: list[Event] = field(default_factory=list)
    steps: list[tuple[str, tuple[int, ...]]] = field(default_factory=list)
    results: dict[int, int] = field(default_factory=dict)
    counters: list[tuple[str, int]] = field(default_factory=list)
    antecedents: list[tuple[str, int]] = field(default_factory=list)
    least: int = 0
    most: int = 0

    def __post_init__(self) -> None:
        self.system = self.reduced.system
        self.bounds = Bounds(self.reduced.ranges)
        for p in self.reduced.properties:
            if p.kind.of_states:
                self.event(Event("state", asked=p.name))
        self.event(Event("deadlock"))
        self.antecedents = [
            (p.name, k)
            for p in self.reduced.properties
            for k in range(len(p.antecedents))
        ]

    def event(self, e: Event) -> int:
        if e not in self.events:
            self.events.append(e)
        return self.events.index(e)

    # -- states

    def check(self) -> str:
        """C: which state properties fail (or are witnessed) in a state."""
        w = CWriter(self.layout, self.bounds)
        bad = [p.deciding for p in self.reduced.properties if p.kind.of_states]
        bad = list(self.prepared(*bad, bounds=self.bounds))
        w.share(*bad)
        for k, e in enumerate(bad):
            if e is not FALSE:
                w.line(f"if (UNLIKELY({w.text(e)})) event(T, {k}, s, 0);")
        for k, (name, j) in enumerate(self.antecedents):
            p = next(p for p in self.reduced.properties if p.name == name)
            if not p.kind.of_states:
                continue
            (e,) = self.prepared(p.antecedents[j], bounds=self.bounds)
            if e is FALSE:
                continue
            w.open(f"if (UNLIKELY(!T->antecedent[{k}]))")
            w.share(e)
            w.line(f"if ({w.text(e)}) T->antecedent[{k}] = 1;")
            w.close()
        return self.function("void check(Thread *T, const u64 *s)", w)

    def prepared(self, *roots: Expr, bounds: Bounds) -> tuple[Expr, ...]:
        """Small aggregates written out, comparisons decided."""
        return bounds.decide(*(_unroll(e) for e in roots))

    def function(self, head: str, w: CWriter, tail: str = "") -> str:
        self.least, self.most = min(self.least, w.least), max(self.most, w.most)
        body = "\n".join([*w.prologue(), *w.lines])
        return f"{head}\n{{\n{body}\n{tail}}}\n"

    # -- steps

    def expand(self, name: str, actions: Sequence[Action], small: set[str]) -> str:
        """C: all steps of some actions from a state."""
        w = CWriter(self.layout, self.bounds)
        w.line("u32 n = o->n;")
        w.line("u32 *const id = o->id;")
        for k in range(self.layout.words):
            w.line(f"u64 *const o{k} = o->w[{k}];")
        special: list[_Instance] = []
        loops: list[Action] = []
        for a in actions:
            if a.name in small:
                special.extend(self.instances(a))
            else:
                loops.append(a)
        for i in special:
            self.early(w, i)
        self.tree(w, special, ())
        for a in loops:
            self.loop(w, a)
        return self.function(
            f"void {name}(Thread *T, const u64 *restrict s, Out *restrict o)",
            w,
            "\to->n = n;\n",
        )

    def small(self) -> set[str]:
        """The actions to specialise: the smallest, while there is room."""
        room, chosen = SMALL, set()
        for a in sorted(self.system.actions, key=self.estimate):
            room -= self.estimate(a)
            if room >= 0:
                chosen.add(a.name)
        return chosen

    def estimate(self, a: Action) -> int:
        """Nodes to print when the action is specialised."""
        copies = 1
        for p in a.parameters:
            copies *= len(p.domain)
        roots = [a.guard, *a.updates.values(), *(o.formula for o in a.obligations)]
        return copies * (10 + sum(_weight(e) for e in roots))

    def instances(self, a: Action) -> Iterator[_Instance]:
        """The action for each choice of arguments that can be enabled."""
        base = _unroll(a.guard)
        updates = {n: _unroll(u) for n, u in a.updates.items()}
        for raw in a.valuations():
            by = {
                p.local: const(p.local.sort, r)
                for p, r in zip(a.parameters, raw, strict=True)
            }
            memo: dict[Expr, Expr] = {}

            def put(
                e: Expr, by: Mapping[Expr, Expr] = by, memo: dict[Expr, Expr] = memo
            ) -> Expr:
                return substitute_all((e,), by, memo)[0]

            (guard,) = self.bounds.decide(put(base))
            obligations = tuple(
                replace(o, formula=self.prepared(put(o.formula), bounds=self.bounds)[0])
                for o in a.obligations
            )
            if guard is FALSE and all(o.formula is TRUE for o in obligations):
                continue
            number = len(self.steps)
            self.steps.append((a.name, raw))
            result = None if a.result is None else put(_unroll(a.result))
            yield _Instance(
                a,
                (FALSE,) if guard is FALSE else conjuncts_of(guard),
                {n: put(u) for n, u in updates.items()},
                result,
                obligations,
                by,
                range(number, number + 1),
                str(number),
            )

    def early(self, w: CWriter, i: _Instance) -> None:
        """Obligations that hold even where the guard is false."""
        for k, o in enumerate(i.obligations):
            if o.early and o.formula is not TRUE:
                before = [p.formula for p in i.obligations[:k]]
                w.open("")
                w.share(o.formula)
                bad = w.text(not_(o.formula))
                w.open(f"if (UNLIKELY({bad}))")
                fine = w.text(and_(*before))
                event = self.obligation(i.action, k)
                w.line(f"if ({fine}) FAIL({event}, {i.number});")
                w.close()
                w.close()

    def obligation(self, a: Action, k: int) -> int:
        return self.event(
            Event("obligation", action=a.name, obligation=a.obligations[k])
        )

    def tree(
        self, w: CWriter, some: Sequence[_Instance], known: tuple[Expr, ...]
    ) -> None:
        """Instances under the conditions that they share, each tested once."""
        some = [i for i in some if FALSE not in i.conjuncts]
        while some:
            uses = Counter(c for i in some for c in i.conjuncts)
            best = max(uses, key=lambda c: uses[c], default=None)
            if best is None or uses[best] < 2:
                for i in some:
                    self.leaf(w, i, known)
                return
            inside = [
                replace(i, conjuncts=tuple(c for c in i.conjuncts if c is not best))
                for i in some
                if best in i.conjuncts
            ]
            w.open(f"if ({w.text(best)})")
            self.tree(w, inside, (*known, best))
            w.close()
            some = [i for i in some if best not in i.conjuncts]

    def leaf(self, w: CWriter, i: _Instance, known: tuple[Expr, ...]) -> None:
        """One instance: what is left of its guard, then its effect."""
        facts = (*known, *i.conjuncts)
        given = _facts(facts)
        memo: dict[Expr, Expr] = {}
        bounds = self.bounds.where(facts)

        def put(e: Expr) -> Expr:
            return bounds.decide(substitute_all((e,), given, memo)[0])[0]

        i = replace(
            i,
            updates={n: put(u) for n, u in i.updates.items()},
            result=None if i.result is None else put(i.result),
            obligations=tuple(
                replace(o, formula=put(o.formula)) for o in i.obligations
            ),
        )
        if i.conjuncts:
            self.branch(w, i, bounds, given)
        else:
            w.open("")
            self.effect(w, i, bounds, given)
            w.close()

    def branch(
        self, w: CWriter, i: _Instance, bounds: Bounds, given: Mapping[Expr, Expr]
    ) -> None:
        w.open(f"if ({' && '.join(w.text(c) for c in i.conjuncts)})")
        self.effect(w, i, bounds, given)
        w.close()

    def loop(self, w: CWriter, a: Action) -> None:
        """The action as loops over its parameters, conditions outermost."""
        first = len(self.steps)
        self.steps.extend((a.name, raw) for raw in a.valuations())
        guard = self.prepared(a.guard, bounds=self.bounds)[0]
        obligations = tuple(
            replace(o, formula=self.prepared(o.formula, bounds=self.bounds)[0])
            for o in a.obligations
        )
        stride, terms = 1, [str(first)]
        w.open(f"/* {a.name} */")
        names = {p.local: w.name("p") for p in a.parameters}
        for p in reversed(a.parameters):
            terms.append(f"(u32){_minus(names[p.local], p.domain.lo)} * {stride}")
            stride *= len(p.domain)
        number = " + ".join(terms)
        locals_ = [p.local for p in a.parameters]
        for k, o in enumerate(obligations):
            if o.early and o.formula is not TRUE:
                before = and_(*(p.formula for p in obligations[:k]))
                event = self.obligation(a, k)
                self.early_loop(w, o.formula, before, locals_, names, number, event)
        conjuncts = list(conjuncts_of(guard))
        if FALSE not in conjuncts:
            waiting = list(locals_)
            opened = 0
            ready = [c for c in conjuncts if not c.free]
            done: list[Expr] = []
            while True:
                for c in sorted(ready, key=_weight):
                    w.share(c)
                    w.open(f"if ({w.text(c)})")
                    opened += 1
                    done.append(c)
                conjuncts = [c for c in conjuncts if c not in done]
                if not waiting:
                    break
                x = max(waiting, key=lambda x: _gain(x, waiting, conjuncts))
                waiting.remove(x)
                self.open_loop(w, x, names)
                opened += 1
                ready = [c for c in conjuncts if not any(x in c.free for x in waiting)]
            facts = tuple(done)
            given = _facts(facts)
            bounds = self.bounds.where(facts)

            def put(e: Expr) -> Expr:
                return bounds.decide(substitute_all((e,), given)[0])[0]

            i = _Instance(
                a,
                (),
                {n: put(_unroll(u)) for n, u in a.updates.items()},
                None if a.result is None else put(_unroll(a.result)),
                tuple(replace(o, formula=put(o.formula)) for o in obligations),
                {},
                range(first, len(self.steps)),
                number,
            )
            self.effect(w, i, bounds, given)
            for _ in range(opened):
                w.close()
        w.close()

    def open_loop(self, w: CWriter, x: Expr, names: Mapping[Expr, str]) -> None:
        k, domain = names[x], x.data[1]
        low, high = w.number(domain.lo), w.number(domain.hi)
        w.open(f"for (V {k} = {low}; {k} <= {high}; {k}++)")
        w.bind(x, k)

    def early_loop(
        self,
        w: CWriter,
        formula: Expr,
        before: Expr,
        locals_: Sequence[Expr],
        names: Mapping[Expr, str],
        number: str,
        event: int,
    ) -> None:
        """Look for arguments that break an early obligation."""
        mine = [x for x in locals_ if x in formula.free]
        others = [x for x in locals_ if x not in formula.free]
        for x in mine:
            self.open_loop(w, x, names)
        w.share(formula)
        w.open(f"if (UNLIKELY(!{w.text(formula)}))")
        for x in others:
            self.open_loop(w, x, names)
        w.line(f"if ({w.text(before)}) FAIL({event}, {number});")
        for _ in (*others, *mine):
            w.close()
        w.close()

    # -- effects

    def effect(
        self, w: CWriter, i: _Instance, bounds: Bounds, given: Mapping[Expr, Expr]
    ) -> None:
        """The guard holds: obligations, ranges, the next state."""
        outer, w.bounds = w.bounds, bounds
        w.line("do {")
        for k, o in enumerate(i.obligations):
            if o.formula is TRUE:
                continue
            w.share(o.formula)
            bad = w.text(not_(o.formula))
            if o.early:
                w.line(f"if (UNLIKELY({bad})) break;")
            else:
                event = self.obligation(i.action, k)
                w.line(f"if (UNLIKELY({bad})) {{ FAIL({event}, {i.number}); break; }}")
        if not any(o.formula is FALSE for o in i.obligations):
            self.successor(w, i, bounds, given)
        w.line("} while (0);")
        w.bounds = outer

    def successor(
        self, w: CWriter, i: _Instance, bounds: Bounds, given: Mapping[Expr, Expr]
    ) -> None:
        plan = _Plan(self, w, i, bounds, given)
        plan.values()
        for line in plan.range_checks():
            w.line(line)
        words = self.layout.words
        w.line(f"u64 x[{words}] = {{{', '.join(plan.words())}}};")
        for line in plan.stores():
            w.line(line)
        self.step_properties(w, i, bounds, given)
        self.count(w, i, bounds)
        puts = " ".join(f"o{k}[n] = x[{k}];" for k in range(words))
        w.line(f"id[n] = {i.number}; {puts} n++;")

    def count(self, w: CWriter, i: _Instance, bounds: Bounds) -> None:
        if i.result is None:
            return
        lo, hi = bounds.of(i.result)
        if i.result.is_const:
            self.results.update(dict.fromkeys(i.numbers, i.result.data))
            return
        if hi - lo > 4096:
            raise Unsupported(f"{i.action.name} returns too many different values")
        entries = [(i.action.name, r) for r in range(lo, hi + 1)]
        start = self.counter(entries)
        w.line(f"T->counter[{w.text(i.result)} + {start - lo}]++;")

    def counter(self, entries: list[tuple[str, int]]) -> int:
        for k in range(len(self.counters) - len(entries) + 1):
            if self.counters[k : k + len(entries)] == entries:
                return k
        self.counters.extend(entries)
        return len(self.counters) - len(entries)

    def step_properties(
        self, w: CWriter, i: _Instance, bounds: Bounds, given: Mapping[Expr, Expr]
    ) -> None:
        by: dict[Expr, Expr] = dict(i.by)
        for v in self.system.variables:
            if v.name not in i.updates or i.updates[v.name] is v.now:
                by[v.next] = v.now
        if i.result is not None:
            by[i.action.returned] = i.result
        numbers = {x: k for k, x in enumerate(self.antecedents)}
        for p in self.reduced.properties:
            if not p.about(i.action):
                continue

            def put(e: Expr) -> Expr:
                e = substitute_all((substitute_all((_unroll(e),), by)[0],), given)[0]
                return bounds.decide(e)[0]

            bad = put(p.deciding)
            if bad is not FALSE:
                w.share(bad)
                event = self.event(Event("step", asked=p.name))
                test = w.text(bad)
                w.line(f"if (UNLIKELY({test})) event(T, {event}, s, {i.number});")
            for k, e in enumerate(p.antecedents):
                true = put(e)
                if true is FALSE:
                    continue
                j = numbers[p.name, k]
                w.open(f"if (UNLIKELY(!T->antecedent[{j}]))")
                w.share(true)
                w.line(f"if ({w.text(true)}) T->antecedent[{j}] = 1;")
                w.close()


@dataclass
class _Plan:
    """How the next state's words come from this state's."""

    lowering: _Lowering
    w: CWriter
    instance: _Instance
    bounds: Bounds
    given: Mapping[Expr, Expr]
    fixed: list[tuple[Variable, PackedCell, Expr, Expr]] = field(default_factory=list)
    """(of, place, value before, value after) of cells known here."""
    moving: list[tuple[Variable, list[tuple[tuple[Expr, ...], Expr]]]] = field(
        default_factory=list
    )
    """Writes to tables at computed indices, in order."""

    def values(self) -> None:
        roots: list[Expr] = []
        layout = self.lowering.layout
        for v in layout.system.variables:
            update = self.instance.updates.get(v.name)
            if update is None:
                continue
            chain = writes(update)
            if all(i.is_const for at, _ in chain for i in at):
                last = {tuple(i.data for i in at): value for at, value in chain}
                for raw, value in last.items():
                    k = layout.system.cell_of.get((v.name, raw))
                    if k is None:
                        continue
                    index = tuple(
                        const(d.sort, r) for d, r in zip(v.index, raw, strict=True)
                    )
                    old = ir.select(v.now, *index) if index else v.now
                    if value is not old:
                        self.fixed.append((v, layout.slots[k], old, value))
                        roots.append(value)
            else:
                self.moving.append((v, chain))
                roots.extend(e for at, value in chain for e in (*at, value))
        self.w.share(*roots)

    def range_checks(self) -> Iterator[str]:
        layout, ranges = self.lowering.layout, self.lowering.reduced.ranges
        tests: dict[str, list[str]] = {}
        for v, _, _, value in self.fixed:
            outside = self.outside(value, ranges[v.name])
            if outside:
                tests.setdefault(v.name, []).append(outside)
        for v, chain in self.moving:
            for k, (at, value) in enumerate(chain):
                outside = self.outside(value, ranges[v.name])
                if not outside:
                    continue
                for later, _ in chain[k + 1 :]:
                    same = self.same(at, later)
                    if same is not FALSE:
                        outside = f"({outside}) && !{self.w.text(same)}"
                inside = self.domain_test(v, at)
                tests.setdefault(v.name, []).append(
                    f"({outside}) && {inside}" if inside else f"({outside})"
                )
        for v in layout.system.variables:
            if v.name in tests:
                event = self.range_event(v)
                test = " || ".join(tests[v.name])
                fail = f"FAIL({event}, {self.instance.number})"
                yield f"if (UNLIKELY({test})) {{ {fail}; break; }}"

    def range_event(self, v: Variable) -> int:
        opened = v.name in self.lowering.reduced.open
        return self.lowering.event(
            Event(
                "open" if opened else "range",
                action=self.instance.action.name,
                variable=v.name,
            )
        )

    def outside(self, value: Expr, within: tuple[int, int]) -> str:
        lo, hi = self.bounds.of(value)
        tests = []
        if lo < within[0]:
            tests.append(f"{self.w.named(value)} < {self.w.number(within[0])}")
        if hi > within[1]:
            tests.append(f"{self.w.named(value)} > {self.w.number(within[1])}")
        return " || ".join(tests)

    def same(self, i: tuple[Expr, ...], j: tuple[Expr, ...]) -> Expr:
        """Whether two indices are equal here."""
        e = and_(*(ir.eq(x, y) for x, y in zip(i, j, strict=True)))
        return self.bounds.decide(substitute_all((e,), self.given)[0])[0]

    def domain_test(self, v: Variable, at: tuple[Expr, ...]) -> str:
        tests = [
            t
            for i, d in zip(at, v.index, strict=True)
            if (t := self.w.inside(i, self.w.named(i), d))
        ]
        return " && ".join(tests)

    def words(self) -> list[str]:
        """C text of each word after the changes to cells known here."""
        n = self.lowering.layout.words
        keep = [(1 << 64) - 1] * n
        put = [0] * n
        plus = [0] * n
        more: list[list[str]] = [[] for _ in range(n)]
        for _, slot, old, value in self.fixed:
            k, shift = slot.word, slot.shift
            if not slot.width:
                continue
            before = self.given.get(old)
            if value.is_const and before is not None and before.is_const:
                plus[k] += value.data - before.data << shift
                continue
            change = _difference(value, old)
            if change is not None and change[1].is_const:
                plus[k] += change[0] * change[1].data << shift
            elif change is not None:
                sign = "+" if change[0] > 0 else "-"
                more[k].append(f" {sign} ((u64){self.w.text(change[1])} << {shift})")
            else:
                keep[k] &= ~(slot.mask << shift)
                if value.is_const:
                    put[k] |= (value.data - slot.lo & slot.mask) << shift
                else:
                    text = _minus(self.w.text(value), slot.lo)
                    more[k].append(f" + ((u64){text} << {shift})")
        full = (1 << 64) - 1
        out = []
        for k in range(n):
            text = f"w{k}"
            if keep[k] != full:
                text = f"({text} & {keep[k] & full:#x})"
            total = put[k] + plus[k] & full
            if total:
                text += f" + {total:#x}"
            out.append(text + "".join(more[k]))
        return out

    def stores(self) -> Iterator[str]:
        """Lines that change cells found at run time, in order."""
        for v, chain in self.moving:
            distinct = all(
                self.same(at, later) is FALSE
                for k, (at, _) in enumerate(chain)
                for later, _ in chain[k + 1 :]
            )
            for at, value in chain:
                inside = self.domain_test(v, at)
                line = self.store(v, at, value, distinct)
                yield f"if ({inside}) {line}" if inside else line

    def store(
        self, v: Variable, at: tuple[Expr, ...], value: Expr, distinct: bool
    ) -> str:
        layout = self.lowering.layout
        slot = layout.slots[layout.first[v.name]]
        if not slot.width:
            return ";"
        where = layout.affine.get(v.name)
        texts = [self.w.named(i) for i in at]
        if where is not None:
            word, shift = f"x[{where.word}]", self.w.shift(v, where, texts)
        else:
            cell = self.w.cell(v, texts)
            word, shift = f"x[cell_word[{cell}]]", f"cell_shift[{cell}]"
        change = _difference(value, ir.select(v.now, *at)) if distinct else None
        if change is not None:
            sign = "+" if change[0] > 0 else "-"
            return f"{word} {sign}= (u64){self.w.text(change[1])} << {shift};"
        raw = f"((u64){_minus(self.w.named(value), slot.lo)} & {slot.mask:#x})"
        return (
            f"{word} = ({word} & ~((u64){slot.mask:#x} << {shift})) "
            f"| ({raw} << {shift});"
        )


def _difference(value: Expr, old: Expr) -> tuple[int, Expr] | None:
    """(sign, change) where value is old + change or old - change."""
    if value.op == "add" and old in value.args:
        rest = list(value.args)
        rest.remove(old)
        return 1, ir.add(*rest)
    if value.op == "sub" and value.args[0] is old:
        return -1, value.args[1]
    if value.op == "ite" and value.args[2] is old:
        inner = _difference(value.args[1], old)
        if inner is not None:
            return inner[0], ir.ite(value.args[0], inner[1], ir.num(0))
    return None


def _gain(
    x: Expr, waiting: Sequence[Expr], conjuncts: Sequence[Expr]
) -> tuple[int, int]:
    """How good it is to loop over x next: conditions it makes testable."""
    rest = [y for y in waiting if y is not x]
    ready = sum(x in c.free and not any(y in c.free for y in rest) for c in conjuncts)
    return ready, -len(x.data[1])


def _facts(conjuncts: Iterable[Expr]) -> dict[Expr, Expr]:
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


def _weight(e: Expr) -> int:
    """Nodes of e with its aggregates written out."""
    memo: dict[Expr, int] = {}
    for node in subterms(e):
        total = 1 + sum(memo[a] for a in node.args)
        if node.op in BINDERS:
            total *= len(node.data[1])
        memo[node] = min(total, 1 << 40)
    return memo[e]


def _unroll(e: Expr) -> Expr:
    """e with its aggregates written out, unless that makes it large."""
    if not any(n.op in BINDERS for n in subterms(e)):
        return e
    if _weight(e) < 600:
        return expand_all((e,))[0]
    done: dict[Expr, Expr] = {}
    for node in subterms(e):
        args = tuple(done[a] for a in node.args)
        done[node] = node if args == node.args else rebuild(node, args)
        if node.op in BINDERS and _weight(done[node]) < 200:
            done[node] = expand_all((done[node],))[0]
    return done[e]


# --- canonical forms ---------------------------------------------------------


def canonical_text(layout: Layout, found: Symmetry) -> str:
    """C: canon(w) makes w the least member of its orbit that sorting keys
    and rows leads to; see checker.passes.symmetry for why that is canonical.
    member(w, k), for k from 0 to members - 1, leads through the orbit under
    the scalarsets in doubt."""
    text = [_sort_rows_text(layout)]
    orders = []
    doubted = tuple(dict.fromkeys(sort for sort, _ in found.doubts))
    swaps = tuple(dict.fromkeys((*found.enumerated, *doubted)))
    for k, sort in enumerate(swaps):
        text.append(_swap_text(layout, sort, k))
    for k, sort in enumerate(found.enumerated):
        key = _key_text(layout, sort, k, found.sorts)
        if key:
            text.append(key)
        orders.append((k, sort, bool(key)))
    tour = [(swaps.index(sort), at) for sort, at in _tour(doubted)]
    text.append(_row("member_sort", (k for k, _ in tour)))
    text.append(_row("member_at", (at for _, at in tour)))
    text.append("void member(u64 *w, u32 k)\n{\n\tswitch (member_sort[k]) {")
    text += (
        f"\tcase {k}: swap{k}(w, member_at[k]); break;"
        for k in sorted({k for k, _ in tour})
    )
    text.append("\t}\n}\n")
    text.append("static inline void canon(u64 *w)\n{")
    if not orders:
        text.append("\tsort_rows(w);\n}\n")
        return "\n".join(text)
    words = layout.words
    text.append(f"\tu64 best[{words}], t[{words}];")
    text.extend(f"\tbest[{j}] = ~0ull;" for j in range(words))
    for k, sort, keyed in orders:
        n = sort.size
        if not keyed:
            text.append(f"\tconst int tie{k} = 1;")
            continue
        if n == 2:
            text.append(
                f"\tconst u64 a{k} = key{k}(w, 0), b{k} = key{k}(w, 1);\n"
                f"\tif (a{k} > b{k})\n\t\tswap{k}(w, 0);\n"
                f"\tconst int tie{k} = a{k} == b{k};"
            )
        else:
            text.append(
                f"\tfor (int i = {n - 1}; i > 0; i--)\n"
                f"\t\tfor (int j = 0; j < i; j++)\n"
                f"\t\t\tif (key{k}(w, j) > key{k}(w, j + 1))\n"
                f"\t\t\t\tswap{k}(w, j);\n"
                f"\tint tie{k} = 0;\n"
                f"\tfor (int j = 0; j < {n - 1}; j++)\n"
                f"\t\ttie{k} |= key{k}(w, j) == key{k}(w, j + 1);"
            )
    depth = 1
    for k, sort, keyed in orders:
        tabs = "\t" * depth
        if sort.size > 2:
            way = ", ".join(map(str, _all_orders(sort.size)))
            text.append(f"{tabs}static const unsigned char next{k}[] = {{{way}}};")
        text.append(f"{tabs}for (int i{k} = 0;; i{k}++) {{")
        if sort.size > 2 and keyed:
            tests = " && ".join(
                f"key{k}(w, {j}) <= key{k}(w, {j + 1})" for j in range(sort.size - 1)
            )
            text.append(f"{tabs}\tif ({tests}) {{")
            depth += 1
        depth += 1
    tabs = "\t" * depth
    text.extend(f"{tabs}t[{j}] = w[{j}];" for j in range(words))
    text.append(f"{tabs}sort_rows(t);")
    if words == 1:
        text.append(f"{tabs}best[0] = t[0] < best[0] ? t[0] : best[0];")
    else:
        less = "t[0] < best[0]"
        for j in range(1, words):
            less = f"t[{j}] < best[{j}] || (t[{j}] == best[{j}] && ({less}))"
        moves = " ".join(f"best[{j}] = t[{j}];" for j in range(words))
        text.append(f"{tabs}if ({less}) {{ {moves} }}")
    for k, sort, keyed in reversed(orders):
        last = math.factorial(sort.size)
        if sort.size > 2 and keyed:
            depth -= 1
            text.append("\t" * depth + "}")
        tabs = "\t" * depth
        text.append(f"{tabs}if (!tie{k} || i{k} == {last - 1})\n{tabs}\tbreak;")
        text.append(f"{tabs}swap{k}(w, {f'next{k}[i{k}]' if sort.size > 2 else 0});")
        depth -= 1
        text.append("\t" * depth + "}")
    text.extend(f"\tw[{j}] = best[{j}];" for j in range(words))
    text.append("}\n")
    return "\n".join(text)


def _tour(sorts: Sequence[ScalarSort]) -> list[tuple[ScalarSort, int]]:
    """Exchanges of neighbours that lead through all permutations of all the
    scalarsets, each once."""
    if not sorts:
        return []
    first, inner = sorts[0], _tour(sorts[1:])
    out = list(inner)
    for at in _all_orders(first.size):
        inner = inner[::-1]
        out += [(first, at), *inner]
    return out


def _all_orders(n: int) -> list[int]:
    """Exchanges of neighbours that lead through all orders of n things."""
    order, ways = list(range(n)), [-1] * n
    out: list[int] = []
    while True:
        movable = [
            k
            for k, x in enumerate(order)
            if 0 <= k + ways[x] < n and order[k + ways[x]] < x
        ]
        if not movable:
            return out
        k = max(movable, key=order.__getitem__)
        x = order[k]
        j = k + ways[x]
        out.append(min(j, k))
        order[j], order[k] = order[k], order[j]
        for y in range(x + 1, n):
            ways[y] = -ways[y]


def _key_text(
    layout: Layout, sort: ScalarSort, number: int, sorts: tuple[ScalarSort, ...]
) -> str:
    """C: what tells element i apart whatever the other sorts' order."""
    keys: list[list[int]] = [[] for _ in range(sort.size)]
    for k, cell in enumerate(layout.system.cells):
        v = cell.variable
        element = v.element
        if isinstance(element, SetSort):
            element = element.domain.sort
        if element in sorts:
            continue
        index = [d.sort for d in v.index]
        others = any(s in sorts and s is not sort for s in index)
        if index.count(sort) == 1 and not others:
            at = cell.index[index.index(sort)]
            if at < sort.size:
                keys[at].append(k)
    if not keys[0]:
        return ""
    lines = [f"static inline u64 key{number}(const u64 *w, int i)\n{{\n\tswitch (i) {{"]
    for i, cells in enumerate(keys):
        parts, shift = [], 0
        for k in cells:
            s = layout.slots[k]
            if shift + s.width > 64:
                break
            if s.width:
                bits = f"(w[{s.word}] >> {s.shift} & {s.mask:#x}ull)"
                parts.append(f"{bits} << {shift}" if shift else bits)
            shift += s.width
        last = i == sort.size - 1
        head = "default" if last else f"case {i}"
        lines.append(f"\t{head}: return {' | '.join(parts) or 0};")
    lines.append("\t}\n}\n")
    return "\n".join(lines)


def _swap_text(layout: Layout, sort: ScalarSort, number: int) -> str:
    """C: exchange elements i and i + 1 everywhere."""
    lines = [f"static inline void swap{number}(u64 *w, int i)\n{{"]
    if sort.size > 2:
        lines.append("\tswitch (i) {")
    for i in range(sort.size - 1):
        body = [*_swap_values(layout, sort, i), *_swap_cells(layout, sort, i)]
        if sort.size > 2:
            lines.append(f"\tcase {i}: {{")
            lines.extend("\t\t" + x for x in body)
            lines.append("\t\tbreak;\n\t}")
        else:
            lines.append("\t(void)i;")
            lines.extend("\t" + x for x in body)
    if sort.size > 2:
        lines.append("\t}")
    lines.append("}\n")
    return "\n".join(lines)


def _swap_values(layout: Layout, sort: ScalarSort, i: int) -> Iterator[str]:
    """All fields at once: where one holds i or i + 1 it gets the other."""
    groups: dict[tuple[int, int, int], int] = {}
    sets: dict[int, int] = {}
    for cell, s in zip(layout.system.cells, layout.slots, strict=True):
        element = cell.variable.element
        if element is sort:
            if s.width:
                key = (s.word, s.width, s.lo)
                groups[key] = groups.get(key, 0) | 1 << s.shift
        elif isinstance(element, SetSort) and element.domain.sort is sort:
            at = s.shift + i - element.domain.lo
            sets[s.word] = sets.get(s.word, 0) | 1 << at
    for (word, width, lo), mask in groups.items():
        a, b = i - lo, i + 1 - lo
        if b >= 1 << width or a < 0:
            continue
        differ = a ^ b
        single = differ & (differ - 1) == 0
        tests = []
        for value in (a,) if single else (a, b):
            bits = [
                f"{'' if value >> j & 1 else '~'}(w[{word}] >> {j})"
                for j in range(width)
                if not (single and differ >> j & 1)
            ]
            tests.append("(" + " & ".join([*bits, f"{mask:#x}ull"]) + ")")
        hit = " | ".join(tests)
        flips = " ^ ".join(f"t << {j}" for j in range(width) if differ >> j & 1)
        yield f"{{ u64 t = {hit}; w[{word}] ^= {flips}; }}"
    for word, mask in sets.items():
        yield (
            f"{{ u64 t = (w[{word}] >> 1 ^ w[{word}]) & {mask:#x}ull; "
            f"w[{word}] ^= t | t << 1; }}"
        )


def _swap_cells(layout: Layout, sort: ScalarSort, i: int) -> Iterator[str]:
    """Cells indexed by i change places with those indexed by i + 1."""
    swap = {i: i + 1, i + 1: i}
    groups: dict[tuple[int, int, int], int] = {}
    for k, cell in enumerate(layout.system.cells):
        index = tuple(
            swap.get(x, x) if d.sort is sort else x
            for d, x in zip(cell.variable.index, cell.index, strict=True)
        )
        j = layout.system.cell_of[cell.variable.name, index]
        if j <= k:
            continue
        a, b = layout.slots[k], layout.slots[j]
        if a.width:
            if a.word == b.word and a.shift > b.shift:
                a, b = b, a
            key = (a.word, b.word, b.shift - a.shift)
            groups[key] = groups.get(key, 0) | a.mask << a.shift
    for (p, q, d), mask in groups.items():
        if p == q:
            yield (
                f"{{ u64 t = (w[{p}] >> {d} ^ w[{p}]) & {mask:#x}ull; "
                f"w[{p}] ^= t | t << {d}; }}"
            )
        else:
            there = f"w[{q}] >> {d}" if d >= 0 else f"w[{q}] << {-d}"
            back = f"t << {d}" if d >= 0 else f"t >> {-d}"
            yield (
                f"{{ u64 t = (({there}) ^ w[{p}]) & {mask:#x}ull; "
                f"w[{p}] ^= t; w[{q}] ^= {back}; }}"
            )


def _sort_rows_text(layout: Layout) -> str:
    lines = ["static inline void sort_rows(u64 *w)\n{"]
    for rows in layout.rows:
        n, pieces = len(rows.at), range(len(rows.widths))
        lines.append("\t{")
        for r in range(n):
            parts = []
            for j in pieces:
                word, shift = rows.at[r][j]
                mask = (1 << rows.widths[j]) - 1
                parts.append(f"r{r}_{j} = w[{word}] >> {shift} & {mask:#x}ull")
            lines.append(f"\t\tu64 {', '.join(parts)};")
        for a, b in _network(n):
            lines.append("\t\t" + _exchange(a, b, len(rows.widths)))
        gone: dict[int, int] = {}
        put: dict[int, list[str]] = {}
        for r in range(n):
            for j in pieces:
                word, shift = rows.at[r][j]
                mask = ((1 << rows.widths[j]) - 1) << shift
                gone[word] = gone.get(word, 0) | mask
                put.setdefault(word, []).append(f"r{r}_{j} << {shift}")
        for word, mask in gone.items():
            keep = ~mask & (1 << 64) - 1
            lines.append(
                f"\t\tw[{word}] = (w[{word}] & {keep:#x}ull) | {' | '.join(put[word])};"
            )
        lines.append("\t}")
    lines.append("\t(void)w;\n}\n")
    return "\n".join(lines)


def _exchange(a: int, b: int, pieces: int) -> str:
    if pieces == 1:
        x, y = f"r{a}_0", f"r{b}_0"
        return (
            f"{{ u64 lo = {x} < {y} ? {x} : {y}, hi = {x} < {y} ? {y} : {x}; "
            f"{x} = lo; {y} = hi; }}"
        )
    test = f"r{b}_{pieces - 1} < r{a}_{pieces - 1}"
    for j in reversed(range(pieces - 1)):
        x, y = f"r{a}_{j}", f"r{b}_{j}"
        test = f"({y} < {x} || ({y} == {x} && {test}))"
    moves = " ".join(
        f"t = (r{a}_{j} ^ r{b}_{j}) & m; r{a}_{j} ^= t; r{b}_{j} ^= t;"
        for j in range(pieces)
    )
    return f"{{ u64 t, m = -(u64)({test}); {moves} }}"


def _network(n: int) -> Iterator[tuple[int, int]]:
    """Batcher's odd-even merge sort for any n."""
    p = 1
    while p < n:
        k = p
        while k >= 1:
            for j in range(k % p, n - k, 2 * k):
                for i in range(min(k, n - j - k)):
                    if (i + j) // (2 * p) == (i + j + k) // (2 * p):
                        yield i + j, i + j + k
            k //= 2
        p *= 2


# --- the whole ---------------------------------------------------------------


def lower(reduced: Reduced, found: Symmetry) -> Lowered:
    """The system as C that includes search.h."""
    layout = lay_out(reduced.system, reduced.ranges, found)
    made = _Lowering(reduced, layout)
    doubted = {name for _, name in found.doubts}
    small = made.small()
    actions = reduced.system.actions
    sure = [a for a in actions if a.name not in doubted]
    rest = [a for a in actions if a.name in doubted]
    functions = [made.check(), made.expand("expand", sure, small)]
    functions.append(made.expand("doubted", rest, small))
    symmetric = bool(found.sorts)
    if symmetric:
        functions.append(canonical_text(layout, found))
    functions.append(_batch_text(layout.words, symmetric))
    doubtful = {sort for sort, _ in found.doubts}
    members = math.prod(math.factorial(sort.size) for sort in doubtful)
    widest = max(-made.least, made.most)
    if widest >= 1 << 126:
        raise Unsupported("an expression needs more than 126 bits")
    value = "int" if widest < 1 << 30 else "long long" if widest < 1 << 62 else ""
    kinds = {
        "wanted": [e.kind in ("state", "step") for e in made.events],
        "is_open": [e.kind == "open" for e in made.events],
        "by_step": [e.by_step for e in made.events],
    }
    deadlock = next(k for k, e in enumerate(made.events) if e.kind == "deadlock")
    head = [f"#define WORDS {layout.words}", '#include "search.h"']
    head.append(_HELPERS.replace("VALUE", value or "__int128"))
    if any("cell_word[" in f for f in functions):
        head.append(_row("cell_word", (s.word for s in layout.slots)))
        head.append(_row("cell_shift", (s.shift for s in layout.slots)))
    head.extend(_row(name, map(int, of)) for name, of in kinds.items())
    head.append(
        f"const struct model model = {{ {len(made.steps)}, {len(made.counters)}, "
        f"{len(made.antecedents)}, {len(made.events)}, {deadlock}, {int(symmetric)}, "
        f"{members - 1}, {', '.join(kinds)} }};\n"
    )
    return Lowered(
        "\n".join([*head, *functions]),
        layout,
        tuple(made.events),
        made.steps,
        made.results,
        tuple(made.counters),
        tuple(made.antecedents),
    )


_HELPERS = """\
typedef VALUE V;
static inline V vmin(V a, V b) { return a < b ? a : b; }
static inline V vmax(V a, V b) { return a > b ? a : b; }
static inline V floor_div(V a, V b) { return a / b - (a % b < 0); }
static inline V floor_mod(V a, V b) { V r = a % b; return r < 0 ? r + b : r; }
"""


def _row(name: str, values: Iterable[int]) -> str:
    text = ", ".join(map(str, values)) or "0"
    return f"static const unsigned char {name}[] = {{{text}}};"


def _batch_text(words: int, symmetric: bool) -> str:
    if not symmetric:
        return (
            "void canonical(Out *o)\n{\n\t(void)o;\n}\n"
            "void member(u64 *w, u32 k)\n{\n\t(void)w;\n\t(void)k;\n}\n"
        )
    load = "".join(f"\t\tw[{k}] = o->w[{k}][i];\n" for k in range(words))
    save = "".join(f"\t\to->w[{k}][i] = w[{k}];\n" for k in range(words))
    return (
        "void canonical(Out *o)\n{\n\tfor (u32 i = 0; i < o->n; i++) {\n"
        f"\t\tu64 w[{words}];\n{load}\t\tcanon(w);\n{save}\t}}\n}}\n"
    )
