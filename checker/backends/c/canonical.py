"""Canonical forms of packed states under permutations of scalarsets, as C.

The rows of a sortable scalarset (all cells indexed by one element) lie side
by side and alike, so that sorting rows is sorting ints. canon.h has what is
the same for every system.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

from poolproof.checker.backends.c.expressions import row
from poolproof.checker.backends.c.layout import Layout
from poolproof.checker.core.ir import ScalarSort, SetSort
from poolproof.checker.passes.symmetry import Symmetry


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
    text.append(row("member_sort", (k for k, _ in tour)))
    text.append(row("member_at", (at for _, at in tour)))
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
