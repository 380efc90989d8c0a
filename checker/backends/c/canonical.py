# SPDX-License-Identifier: GPL-2.0-only
"""Canonical forms of packed states under permutations of scalarsets, as C.

The rows of a sortable scalarset (all cells indexed by one element) lie side
by side and alike, so that sorting rows is sorting ints. canon.h has what is
the same for every system.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from poolproof.checker.backends.c.expressions import row
from poolproof.checker.backends.c.layout import Layout, PackedCell
from poolproof.checker.core.ir import ScalarSort, SetSort
from poolproof.checker.passes.symmetry import Symmetry


@dataclass(frozen=True)
class _Order:
    """A scalarset of which all orders are tried: its number, and whether its
    elements have keys."""

    number: int
    size: int
    keyed: bool

    @property
    def guarded(self) -> bool:
        """Return whether orders that are not by the keys are left out."""
        return self.size > 2 and self.keyed

    def by_key(self) -> str:
        """C: sort by the keys; tie says whether two are equal."""
        k = self.number
        if not self.keyed:
            return f"\tconst int tie{k} = 1;"
        if self.size == 2:
            return (
                f"\tconst u64 a{k} = key{k}(w, 0), b{k} = key{k}(w, 1);\n"
                f"\tif (a{k} > b{k})\n\t\tswap{k}(w, 0);\n"
                f"\tconst int tie{k} = a{k} == b{k};"
            )
        return (
            f"\tint tie{k} = 0;\n"
            f"\tSORT_BY_KEY(w, {self.size}, key{k}, swap{k}, tie{k});"
        )

    def begin(self, depth: int) -> Iterator[str]:
        """C: the head of the loop over all orders."""
        k, tabs = self.number, "\t" * depth
        if self.size > 2:
            way = ", ".join(map(str, _all_orders(self.size)))
            yield f"{tabs}static const unsigned char next{k}[] = {{{way}}};"
        yield f"{tabs}for (int i{k} = 0;; i{k}++) {{"
        if self.guarded:
            tests = " && ".join(
                f"key{k}(w, {j}) <= key{k}(w, {j + 1})" for j in range(self.size - 1)
            )
            yield f"{tabs}\tif ({tests}) {{"

    def end(self, depth: int) -> Iterator[str]:
        """C: the rest of it: the way to the next order."""
        k, tabs = self.number, "\t" * (depth + 1)
        if self.guarded:
            yield tabs + "}"
        last = math.factorial(self.size) - 1
        yield f"{tabs}if (!tie{k} || i{k} == {last})\n{tabs}\tbreak;"
        yield f"{tabs}swap{k}(w, {f'next{k}[i{k}]' if self.size > 2 else 0});"
        yield "\t" * depth + "}"


def canonical_text(layout: Layout, found: Symmetry) -> str:
    """C: canon(w) makes w the least member of its orbit that sorting keys
    and rows leads to; see checker.passes.symmetry for why that is canonical.
    member(w, k), for k from 0 to members - 1, leads through the orbit under
    the scalarsets in doubt."""
    text = [_sort_indices_text(layout, found), _sort_rows_text(layout)]
    orders = []
    doubted = tuple(dict.fromkeys(sort for sort, _ in found.doubts))
    swaps = tuple(dict.fromkeys((*found.enumerated, *doubted)))
    text += (_swap_text(layout, sort, k) for k, sort in enumerate(swaps))
    for k, sort in enumerate(found.enumerated):
        key = _key_text(layout, sort, k, found)
        if key:
            text.append(key)
        orders.append(_Order(k, sort.size, bool(key)))
    text += _member_text([(swaps.index(sort), at) for sort, at in _tour(doubted)])
    text += _canon_text(orders, layout.words)
    return "\n".join(text)


def _member_text(tour: Sequence[tuple[int, int]]) -> Iterator[str]:
    yield row("member_sort", (k for k, _ in tour))
    yield row("member_at", (at for _, at in tour))
    yield "void member(u64 *w, u32 k)\n{\n\tswitch (member_sort[k]) {"
    for k in sorted({k for k, _ in tour}):
        yield f"\tcase {k}: swap{k}(w, member_at[k]); break;"
    yield "\t}\n}\n"


def _canon_text(orders: Sequence[_Order], words: int) -> Iterator[str]:
    yield "static inline void canon(u64 *w)\n{"
    if not orders:
        yield "\tsort_indices(w);\n\tsort_rows(w);\n}\n"
        return
    yield f"\tu64 best[{words}], t[{words}];"
    yield from (f"\tbest[{j}] = ~0ull;" for j in range(words))
    yield from (order.by_key() for order in orders)
    depth, outer = 1, []
    for order in orders:
        yield from order.begin(depth)
        outer.append((order, depth))
        depth += 2 if order.guarded else 1
    yield from _least_text(words, "\t" * depth)
    for order, at in reversed(outer):
        yield from order.end(at)
    yield from (f"\tw[{j}] = best[{j}];" for j in range(words))
    yield "}\n"


def _least_text(words: int, tabs: str) -> Iterator[str]:
    """C: keep the state in ``best`` if it is the least so far."""
    yield from (f"{tabs}t[{j}] = w[{j}];" for j in range(words))
    yield f"{tabs}sort_indices(t);"
    yield f"{tabs}sort_rows(t);"
    if words == 1:
        yield f"{tabs}best[0] = t[0] < best[0] ? t[0] : best[0];"
        return
    less = "t[0] < best[0]"
    for j in range(1, words):
        less = f"t[{j}] < best[{j}] || (t[{j}] == best[{j}] && ({less}))"
    moves = " ".join(f"best[{j}] = t[{j}];" for j in range(words))
    yield f"{tabs}if ({less}) {{ {moves} }}"


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


def _key_text(layout: Layout, sort: ScalarSort, number: int, found: Symmetry) -> str:
    """C: what tells element i apart whatever the other sorts' and indices' order."""
    keys: list[list[int]] = [[] for _ in range(sort.size)]
    sorts = found.sorts
    moving = {name for one in found.indices for name in one.places}
    for k, cell in enumerate(layout.system.cells):
        v = cell.variable
        if v.name in moving:
            continue
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
            if i not in element.domain:  # a set of nobody only
                continue
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
        yield f"SWAP_WITHIN(w[{word}], 1, {mask:#x}ull);"


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
            yield f"SWAP_WITHIN(w[{p}], {d}, {mask:#x}ull);"
        else:
            macro = "SWAP_ABOVE" if d >= 0 else "SWAP_BELOW"
            yield f"{macro}(w[{p}], w[{q}], {abs(d)}, {mask:#x}ull);"


def _sort_indices_text(layout: Layout, found: Symmetry) -> str:
    """C: the cells of interchangeable indices are put in order, class by class."""
    tables: list[str] = []
    lines = ["static inline void sort_indices(u64 *w)\n{"]
    classes = [c for one in found.indices for c in one.items(layout.system)]
    for number, members in enumerate(classes):
        slots = [[layout.slots[k] for k in cells] for cells, _ in members]
        used = [j for j, s in enumerate(slots[0]) if s.width]
        if not used:
            continue
        lines.append("\t{")
        name = f"class{number}"
        tables.append(
            row(f"{name}_word", (some[j].word for some in slots for j in used))
        )
        tables.append(
            row(f"{name}_shift", (some[j].shift for some in slots for j in used))
        )
        tables.append(row(f"{name}_width", (slots[0][j].width for j in used)))
        lines.append(f"\t\tunsigned short at[{len(members)}];")
        lines.append("\t\tint n = 0;")
        for k, (_, holds) in enumerate(members):
            tests = [_passed(layout.slots[cell], last) for cell, last in holds]
            when = " && ".join(t for t in tests if t)
            lines.append(f"\t\t{f'if ({when}) ' if when else ''}at[n++] = {k};")
        fields = ", ".join(f"{name}_{x}" for x in ("word", "shift", "width"))
        lines.append(f"\t\tsort_items(w, at, n, {len(used)}, {fields});")
        lines.append("\t}")
    lines.append("\t(void)w;\n}\n")
    return "\n".join([*tables, *lines])


def _passed(slot: PackedCell, last: int) -> str:
    """C: the cell is greater than ``last``."""
    if last < slot.lo:
        return ""
    if last - slot.lo >= slot.mask:
        return "0"
    bits = f"(w[{slot.word}] >> {slot.shift} & {slot.mask:#x})"
    return f"{bits} > {last - slot.lo}"


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
        return f"SORT_PAIR(r{a}_0, r{b}_0);"
    test = f"r{b}_{pieces - 1} < r{a}_{pieces - 1}"
    for j in reversed(range(pieces - 1)):
        x, y = f"r{a}_{j}", f"r{b}_{j}"
        test = f"({y} < {x} || ({y} == {x} && {test}))"
    moves = " ".join(f"SWAP_WHERE(m, r{a}_{j}, r{b}_{j});" for j in range(pieces))
    return f"{{ const u64 m = -(u64)({test}); {moves} }}"


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
