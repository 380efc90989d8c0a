# SPDX-License-Identifier: GPL-2.0-only
"""Symmetry: the interchangeable scalarsets, and canonical forms under them.

Papers: Ip and Dill, "Better verification through symmetry" (1996); Clarke,
Emerson, Jha and Sistla, "Symmetry reductions in model checking" (1998).

Soundness. A permutation of a scalarset acts on states (indices and values),
parameters and results. An expression without constants of the scalarset, and
with whole domains only, commutes with every permutation; one with constants
does if each transposition of neighbours maps it to itself up to the laws of
normal form. If that holds for all actions, initial states, ranges and
properties, the quotient has the same verdicts and shortest traces. The set of
permutations that `canonicaliser` tries depends on the orbit only, so the
least of the results is the same for all members of an orbit, and is one.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import permutations, product
from typing import Any

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
    Sort,
    TableSort,
    binder_of,
    const,
    eq,
    local,
    not_,
    num,
    substitute,
    substitute_all,
    subterms,
)
from poolproof.checker.core.limits import tick
from poolproof.checker.core.property import Property
from poolproof.checker.core.system import (
    Cell,
    Role,
    State,
    TransitionSystem,
    Variable,
)
from poolproof.checker.passes.indices.find import find_indices
from poolproof.checker.passes.indices.orbits import Indices, sorter

Permutation = Mapping[ScalarSort, tuple[int, ...]]
"""For each scalarset, the new raw value of each old one."""


@dataclass(frozen=True)
class Symmetry:
    """The result of the check. ``sorts`` may be permuted. The elements of
    ``rows`` only index tables, no table by two of them and none twice; given
    the order of the other sorts, sorting puts them in order. ``notes`` says
    what stands in the way of each scalarset that is not used. ``doubts`` are
    pairs (scalarset, action): in every state, the search must check that the
    action's steps are the same up to permutation. ``indices`` are ints that may
    be permuted in tables."""

    sorts: tuple[ScalarSort, ...]
    rows: tuple[ScalarSort, ...]
    notes: tuple[str, ...]
    doubts: tuple[tuple[ScalarSort, str], ...] = ()
    indices: tuple[Indices, ...] = ()

    @property
    def enumerated(self) -> tuple[ScalarSort, ...]:
        return tuple(s for s in self.sorts if s not in self.rows)


def find_symmetry(
    system: TransitionSystem,
    properties: Iterable[Property],
    doubtful: bool = False,
    indices: bool = True,
) -> Symmetry:
    """Check which scalarsets may be permuted and, with ``indices``, which ints.
    With ``doubtful``, an action for which the check is inconclusive is a doubt,
    not an obstacle."""
    properties = tuple(properties)
    sorts, notes = [], []
    doubts: list[tuple[ScalarSort, str]] = []
    for sort in system.scalars:
        if sort.size < 2:
            continue
        obstacle, doubted = _obstacle(system, properties, sort)
        if doubted and not doubtful:
            obstacle = obstacle or f"{doubted[0]} names one of its elements"
        if obstacle is None:
            sorts.append(sort)
            doubts.extend((sort, name) for name in doubted)
        else:
            notes.append(f"{sort.name} is not used as a symmetry: {obstacle}")
    found = find_indices(system, properties, sorts) if indices else ()
    joint = {name for one in found if one.joint for name in one.places}
    rows: list[ScalarSort] = []
    for sort in sorted(sorts, key=lambda s: -s.size):
        if all(
            _only_indexes(v.sort, sort, rows)
            and (v.name not in joint or all(d.sort is not sort for d in v.index))
            for v in system.variables
        ):
            rows.append(sort)
    return Symmetry(tuple(sorts), tuple(rows), tuple(notes), tuple(doubts), found)


def _only_indexes(sort: Sort, candidate: ScalarSort, rows: list[ScalarSort]) -> bool:
    if not isinstance(sort, TableSort):
        return _scalar_in(sort) is not candidate
    index = [d.sort for d in sort.index]
    if _scalar_in(sort.element) is candidate or index.count(candidate) > 1:
        return False
    return candidate not in index or not any(r in index for r in rows)


def _scalar_in(sort: Sort) -> ScalarSort | None:
    """Return the scalarset whose elements occur in values of the (element) sort."""
    if isinstance(sort, SetSort):
        sort = sort.domain.sort
    return sort if isinstance(sort, ScalarSort) else None


# --- the check -----------------------------------------------------------


def _obstacle(
    system: TransitionSystem, properties: tuple[Property, ...], sort: ScalarSort
) -> tuple[str | None, list[str]]:
    """Return why permuting ``sort`` is unsound (None if it is sound), and the
    actions for which the syntactic check is inconclusive."""
    doubted: dict[str, None] = {}
    for v in system.variables:
        why = _asymmetric_variable(v, sort)
        if why:
            return f"{v.name} {why}", []
    for a in system.actions:
        if any(_partial(p.domain, sort) for p in a.parameters):
            return f"{a.name} takes a part of it", []
    check = _Check(sort)
    for action, where, e in _expressions(system, properties):
        if action in doubted:
            continue
        if _partial_domain(e, sort) is not None:
            if action is None:
                return f"{where} ranges over a part of it", []
            doubted[action] = None
        elif not check.equivariant(e):
            if action is None:
                return f"{where} names one of its elements", []
            doubted[action] = None
    return None, list(doubted)


def _expressions(
    system: TransitionSystem, properties: tuple[Property, ...]
) -> Iterator[tuple[str | None, str, Expr]]:
    """Return (action, its name in messages, expression) for all that a search
    evaluates."""
    for f in system.formulas():
        # ranges are seen to in `_asymmetric_variable`
        if f.role not in (Role.LEAST, Role.MOST):
            yield f.action.name if f.action else None, f.where, f.expr
    for p in properties:
        # an assertion belongs to its action: where that is watched, so is this
        yield (p.action if p.assertion else None), p.name, p.formula
        for e in p.antecedents:
            yield None, p.name, e


def _partial(domain: Domain, sort: ScalarSort) -> bool:
    """Return whether the domain has some, but not all, of the elements."""
    return (
        domain.sort is sort
        and domain.lo != sort.size
        and (domain.lo != 0 or domain.hi not in (sort.size - 1, sort.size))
    )


def _partial_domain(e: Expr, sort: ScalarSort) -> Domain | None:
    for node in subterms(e):
        domains: tuple[Domain, ...] = ()
        if node.op in BINDERS or node.op == "local":
            domains = (node.data[1],)
        if isinstance(node.sort, SetSort):
            domains += (node.sort.domain,)
        for d in domains:
            if _partial(d, sort):
                return d
    return None


def _asymmetric_variable(v: Variable, sort: ScalarSort) -> str | None:
    if any(_partial(d, sort) for d in v.index):
        return "is indexed by a part of it"
    if _scalar_in(v.element) is not sort:
        return None
    if isinstance(v.element, SetSort):
        if _partial(v.element.domain, sort):
            return "holds sets of a part of it"
        least, greatest = 0, {(1 << len(v.element.domain)) - 1}
    else:
        least, greatest = 0, {sort.size - 1, sort.size}
    for end, fine in ((v.lo, {least}), (v.hi, greatest)):
        if end is not None and not (end.is_const and end.data in fine):
            return "may hold a part of it only"
    return None


SPLITS = 300
"""Upper limit on the case distinctions for one expression."""


class _Check:
    """The check that expressions commute with the permutations of one scalarset."""

    def __init__(self, sort: ScalarSort) -> None:
        self.sort = sort
        self.known: dict[Expr, bool] = {}
        self.normal: dict[Expr, Expr] = {}
        self.serial: dict[Expr, int] = {}
        self.height: dict[Expr, int] = {}
        self.fuel = 0

    def equivariant(self, e: Expr) -> bool:
        self.fuel = SPLITS
        return self._equivariant(e)

    def _equivariant(self, e: Expr) -> bool:
        hit = self.known.get(e)
        if hit is None:
            hit = self._commutes(e)
            if hit or self.fuel > 0:
                self.known[e] = hit
        return hit

    def _commutes(self, e: Expr) -> bool:
        if not any(self.names_element(n) for n in subterms(e)):
            return True
        normal = self.normalise(e)
        if all(
            self.normalise(self.image(normal, k)) is normal
            for k in range(self.sort.size - 1)
        ):
            return True
        # A value that an untaken branch leaves open ("cell 0, which keeps its
        # value") is a constant that does no harm: e is e[c := true] where c
        # holds and e[c := false] elsewhere, so all three commuting suffices.
        for c in self._conditions(e):
            if self.fuel <= 0:
                return False
            if self._equivariant(c):
                self.fuel -= 1
                cases = (
                    {c: TRUE, not_(c): FALSE, **_same(c)},
                    {c: FALSE, not_(c): TRUE},
                )
                return all(self._equivariant(substitute(e, by)) for by in cases)
        return False

    def _conditions(self, e: Expr) -> Iterator[Expr]:
        """Atoms to tell cases apart by, first those that decide between
        branches of which one is a constant."""
        bound = {n.data[0] for n in subterms(e) if n.op in BINDERS}
        nodes = list(subterms(e))
        branches = [
            n
            for n in nodes
            if n.op == "ite" and any(map(self.names_element, n.args[1:]))
        ]
        seen: set[Expr] = set()
        for node in (*branches, *nodes):
            waiting = [node.args[0]] if node.op == "ite" else []
            if node.op in ("and", "or", "not"):
                waiting = list(node.args)
            while waiting:
                c = waiting.pop()
                if c.op in ("and", "or", "not"):
                    waiting.extend(reversed(c.args))
                elif c not in seen and not any(x.data[0] in bound for x in c.free):
                    seen.add(c)
                    yield c

    def names_element(self, node: Expr) -> bool:
        return node.op == "const" and self.swap_constant(node, None) is not node

    def swap_constant(self, node: Expr, k: int | None) -> Expr:
        """The constant after exchanging elements k and k + 1; with k None,
        another node if any exchange changes it."""
        raw = node.data
        for j in range(self.sort.size - 1) if k is None else (k,):
            if node.sort is self.sort:
                raw = j + 1 if raw == j else j if raw == j + 1 else raw
            elif _scalar_in(node.sort) is self.sort and (raw ^ raw >> 1) >> j & 1:
                raw ^= 3 << j
            if k is None and raw != node.data:
                return const(node.sort, raw)
        return node if raw == node.data else const(node.sort, raw)

    def image(self, e: Expr, k: int) -> Expr:
        done: dict[Expr, Expr] = {}
        for node in subterms(e):
            if node.op == "const":
                done[node] = self.swap_constant(node, k)
            else:
                args = tuple(done[a] for a in node.args)
                done[node] = Expr(node.op, node.sort, args, node.data)
        return done[e]

    # Normal form: laws that hold whatever the values are.

    def normalise(self, e: Expr) -> Expr:
        """e with bound names by height, arguments in one order."""
        for node in subterms(e):
            if node not in self.normal:
                args = tuple(self.normal[a] for a in node.args)
                self.normal[node] = self._normal_node(node, args)
        return self.normal[e]

    def _order(self, node: Expr) -> int:
        return self.serial.setdefault(node, len(self.serial))

    def _normal_node(self, node: Expr, args: tuple[Expr, ...]) -> Expr:
        match node.op:
            case "and" | "or" | "add":
                args = tuple(sorted(_operands(node.op, args), key=self._order))
            case "union" | "inter" | "mul" | "min" | "max":
                first, *rest = sorted(_operands(node.op, args), key=self._order)
                for a in rest:
                    first = Expr(node.op, node.sort, (first, a))
                return first
            case "eq":
                args = tuple(sorted(args, key=self._order))
            case "ite":
                return self._normal_ite(node, args)
            case "store":
                return self._normal_stores(node, args)
            case "sum" | "all" | "any" | "setof":
                name, domain = f"#{self._height(args[0])}", node.data[1]
                renamed = _rename(args[0], binder_of(node), local(name, domain))
                args = (self.normalise(renamed),)
                return Expr(node.op, node.sort, args, (name, domain))
        return Expr(node.op, node.sort, args, node.data)

    def _height(self, e: Expr) -> int:
        """Return how deep binders nest in e."""
        if e not in self.height:
            for node in subterms(e):
                below = max((self.height[a] for a in node.args), default=0)
                self.height[node] = below + (node.op in BINDERS)
        return self.height[e]

    def _normal_ite(self, node: Expr, args: tuple[Expr, ...]) -> Expr:
        c, a, b = args
        where = _equations(c)
        if where and substitute_all((b,), where)[0] is substitute_all((a,), where)[0]:
            return b
        if a is b:
            return b
        if node.sort is INT:
            both, more, less = _common(a, b)
            if both:
                change = self._normal_ite(node, (c, self._sum(more), self._sum(less)))
                return self._sum([*both, *_terms(change)])
        if b.op == "ite" and b.args[1] is a:
            either = self._normal_node(Expr("or", BOOL, (c, b.args[0])), (c, b.args[0]))
            return self._normal_ite(node, (either, a, b.args[2]))
        # a chain of "if x == k" over distinct constants may be reordered
        links: list[tuple[Expr, Expr]] = []
        subject = _subject(c)
        rest = Expr("ite", node.sort, (c, a, b))
        while rest.op == "ite" and subject and _subject(rest.args[0]) == subject:
            links.append((rest.args[0], rest.args[1]))
            rest = rest.args[2]
        if len({link[0] for link in links}) < 2:
            return Expr("ite", node.sort, (c, a, b))
        first: dict[Expr, Expr] = {}
        for test, value in links:
            first.setdefault(test, value)
        for test, value in sorted(first.items(), key=lambda x: -self._order(x[0])):
            rest = Expr("ite", node.sort, (test, value, rest))
        return rest

    def _sum(self, terms: list[Expr]) -> Expr:
        """The terms added up, in normal order."""
        kept = [t for t in terms if not (t.is_const and t.data == 0)]
        if len(kept) < 2:
            return kept[0] if kept else num(0)
        return Expr("add", INT, tuple(sorted(kept, key=self._order)))

    def _normal_stores(self, node: Expr, args: tuple[Expr, ...]) -> Expr:
        chain = []
        top = Expr("store", node.sort, args)
        while top.op == "store":
            chain.append(top.args[1:])
            top = top.args[0]
        chain.reverse()
        while chain:
            free = [
                k
                for k, s in enumerate(chain)
                if all(_apart(s[:-1], t[:-1]) for t in chain[:k])
            ]
            tick(len(chain) ** 2 // 4)
            least = min(free, key=lambda k: tuple(map(self._order, chain[k])))
            (*index, value) = chain.pop(least)
            base, below = top, True
            while base.op == "store":
                below = below and _apart(tuple(index), base.args[1:-1])
                base = base.args[0]
            if not (below and value is Expr("select", value.sort, (base, *index))):
                top = Expr("store", node.sort, (top, *index, value))
        return top


def _operands(op: str, args: Iterable[Expr]) -> Iterator[Expr]:
    """Return the operands of nested uses of an associative operator."""
    for a in args:
        if a.op == op:
            yield from _operands(op, a.args)
        else:
            yield a


def _terms(e: Expr) -> list[Expr]:
    """Return the terms of the sum e."""
    return list(e.args) if e.op == "add" else [e]


def _common(a: Expr, b: Expr) -> tuple[list[Expr], list[Expr], list[Expr]]:
    """Return the terms of both sums, of the first only, and of the second only."""
    more, less, both = _terms(a), _terms(b), []
    for t in tuple(more):
        if t in less:
            more.remove(t)
            less.remove(t)
            both.append(t)
    return both, more, less


def _rename(e: Expr, old: Expr, new: Expr) -> Expr:
    """Return e with a local renamed, without simplification."""
    done: dict[Expr, Expr] = {old: new}
    for node in subterms(e):
        if node not in done:
            args = tuple(done[a] for a in node.args)
            done[node] = Expr(node.op, node.sort, args, node.data)
    return done[e]


def _equations(c: Expr) -> dict[Expr, Expr]:
    """c as x == constant and ..., or nothing."""
    found = {}
    for part in c.args if c.op == "and" else (c,):
        if part.op != "eq":
            return {}
        x, k = part.args
        if x.is_const:
            x, k = k, x
        if not k.is_const or x.is_const:
            return {}
        found[x] = k
    return found


def _same(c: Expr) -> dict[Expr, Expr]:
    """One side of an equation by the other."""
    if c.op != "eq" or isinstance(c.args[0].sort, TableSort):
        return {}
    a, b = c.args
    return {b: a} if a.is_const or a in subterms(b) else {a: b}


def _subject(c: Expr) -> Expr | None:
    """x, where c is x == constant."""
    where = _equations(c)
    return next(iter(where)) if len(where) == 1 else None


def _apart(i: tuple[Expr, ...], j: tuple[Expr, ...]) -> bool:
    return any(
        x.is_const and y.is_const and eq(x, y) is FALSE
        for x, y in zip(i, j, strict=True)
    )


# --- permutations of states ----------------------------------------------


def permute_raw(sort: Sort, raw: int, by: Permutation) -> int:
    """Return the value of ``sort`` after the permutation."""
    if isinstance(sort, ScalarSort):
        moved = by.get(sort)
        return raw if moved is None or raw >= sort.size else moved[raw]
    if isinstance(sort, SetSort):
        inner = sort.domain.sort
        if isinstance(inner, ScalarSort) and inner in by:
            result = 0
            for k, value in enumerate(sort.domain):
                if raw >> k & 1:
                    result |= 1 << (permute_raw(inner, value, by) - sort.domain.lo)
            return result
    return raw


def _moved(cell: Cell, by: Permutation) -> tuple[int, ...]:
    return tuple(
        permute_raw(d.sort, i, by)
        for d, i in zip(cell.variable.index, cell.index, strict=True)
    )


def permute(system: TransitionSystem, state: State, by: Permutation) -> State:
    """Return the state with every element renamed."""
    result = list(state)
    for cell, raw in zip(system.cells, state, strict=True):
        target = system.cell_of[cell.variable.name, _moved(cell, by)]
        result[target] = permute_raw(cell.variable.element, raw, by)
    return tuple(result)


def group(sorts: Iterable[ScalarSort]) -> Iterator[dict[ScalarSort, tuple[int, ...]]]:
    """Return every permutation of the scalarsets, the identity first."""
    sorts = tuple(sorts)
    for choice in product(*(permutations(range(s.size)) for s in sorts)):
        tick(4)
        yield dict(zip(sorts, choice, strict=True))


# --- canonical forms in Python -------------------------------------------


def canonicaliser(
    system: TransitionSystem, properties: Iterable[Property]
) -> Callable[[State], State]:
    """Return a function from a state to the canonical state of its orbit under
    the scalarsets that are interchangeable here."""
    return canonical_under(system, find_symmetry(system, properties))


def canonical_under(
    system: TransitionSystem, found: Symmetry
) -> Callable[[State], State]:
    """Return the `canonicaliser` of a symmetry that was found before."""
    if not found.sorts and not found.indices:
        return lambda state: state
    sort_indices = sorter(system, found.indices)
    cells = system.cells
    row_cells = [_row_cells(cells, sort) for sort in found.rows]
    enumerated = found.enumerated
    keys = [_key_cells(cells, sort, found.sorts) for sort in enumerated]
    moves: dict[tuple[tuple[int, ...], ...], Callable[[State], list[int]]] = {}

    def move(choice: tuple[tuple[int, ...], ...]) -> Callable[[State], list[int]]:
        made = moves.get(choice)
        if made is None:
            by = dict(zip(enumerated, choice, strict=True))
            made = moves[choice] = _mover(system, by)
        return made

    def canonical(state: State) -> State:
        best: list[int] | None = None
        for choice in product(*(_orders(state, *k) for k in keys)):
            tick(len(state))
            moved = move(choice)(state)
            sort_indices(moved)
            for rows in row_cells:
                parts = sorted([moved[k] for k in row] for row in rows)
                for row, part in zip(rows, parts, strict=True):
                    for k, raw in zip(row, part, strict=True):
                        moved[k] = raw
            if best is None or moved < best:
                best = moved
        assert best is not None
        return tuple(best)

    return canonical


def _row_cells(cells: Sequence[Cell], sort: ScalarSort) -> list[list[int]]:
    """Return the cells of each element, in the same order for all elements."""
    rows: list[list[int]] = [[] for _ in range(sort.size)]
    for k, cell in enumerate(cells):
        for d, i in zip(cell.variable.index, cell.index, strict=True):
            if d.sort is sort and i < sort.size:
                rows[i].append(k)
    return rows


def _mover(system: TransitionSystem, by: Permutation) -> Callable[[State], list[int]]:
    """Return `permute` for one permutation, as a function of the state."""
    source = [0] * len(system.cells)
    tables: list[dict[int, int] | None] = [None] * len(system.cells)
    identity = {s: p for s, p in by.items() if p != tuple(range(s.size))}
    cache: dict[Sort, dict[int, int]] = {}
    for k, cell in enumerate(system.cells):
        target = system.cell_of[cell.variable.name, _moved(cell, by)]
        source[target] = k
        element = cell.variable.element
        if _scalar_in(element) in identity:
            tables[target] = cache.setdefault(element, _Lazy(element, by))

    def moved(state: State) -> list[int]:
        return [
            state[k] if t is None else t[state[k]]
            for k, t in zip(source, tables, strict=True)
        ]

    return moved


class _Lazy(dict[int, int]):
    def __init__(self, sort: Sort, by: Permutation) -> None:
        super().__init__()
        self.sort, self.by = sort, by

    def __missing__(self, raw: int) -> int:
        self[raw] = value = permute_raw(self.sort, raw, self.by)
        return value


Key = tuple[ScalarSort, list[list[list[int]]], list[list[int]]]


def _key_cells(
    cells: Sequence[Cell], sort: ScalarSort, sorts: tuple[ScalarSort, ...]
) -> tuple[ScalarSort, list[list[list[int]]], list[list[int]]]:
    """Return the cells that distinguish the sort's elements under any order of
    all sorts: per element and variable, cells with plain values that it indexes
    once; and per variable, the cells whose value it may be."""
    indexed: list[dict[str, list[int]]] = [{} for _ in range(sort.size)]
    valued: dict[str, list[int]] = {}
    for k, cell in enumerate(cells):
        v = cell.variable
        inside = _scalar_in(v.element)
        if v.element is sort:
            valued.setdefault(v.name, []).append(k)
        at = [i for d, i in zip(v.index, cell.index, strict=True) if d.sort is sort]
        if inside not in sorts and len(at) == 1 and at[0] < sort.size:
            indexed[at[0]].setdefault(v.name, []).append(k)
    return sort, [list(x.values()) for x in indexed], list(valued.values())


def _orders(
    state: State,
    sort: ScalarSort,
    indexed: list[list[list[int]]],
    valued: list[list[int]],
) -> Iterator[tuple[int, ...]]:
    """Return the permutations of the sort that order its elements by their keys;
    only one if all keys differ."""
    keys: list[Any] = []
    for e in range(sort.size):
        plain = [sorted([state[k] for k in group]) for group in indexed[e]]
        count = [sum(state[k] == e for k in group) for group in valued]
        keys.append((plain, count))
    order = sorted(range(sort.size), key=keys.__getitem__)
    classes: list[list[int]] = []
    for e in order:
        if classes and keys[classes[-1][0]] == keys[e]:
            classes[-1].append(e)
        else:
            classes.append([e])
    for choice in product(*(permutations(c) for c in classes)):
        tick(sort.size)
        moved = [0] * sort.size
        for new, old in enumerate(e for part in choice for e in part):
            moved[old] = new
        yield tuple(moved)


__all__ = [
    "Permutation",
    "Symmetry",
    "canonical_under",
    "canonicaliser",
    "find_symmetry",
    "group",
    "permute",
    "permute_raw",
]
