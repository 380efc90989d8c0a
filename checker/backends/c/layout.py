# SPDX-License-Identifier: GPL-2.0-only
"""Where each cell of a state is in its packed words."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import product

from poolproof.checker.core.ir import ScalarSort
from poolproof.checker.core.ranges import declared
from poolproof.checker.core.system import Cell, TransitionSystem, Variable
from poolproof.checker.passes.symmetry import Symmetry, cells_by_row

OPEN_BITS = 32
"""The bits that a variable without declared range gets."""


class Unsupported(Exception):
    """The system is outside what this lowering does; the text says how."""


@dataclass(frozen=True)
class Widths:
    """The finite range of each variable; ``open`` are those whose range is
    this engine's own."""

    ranges: Mapping[str, tuple[int, int]]
    open: frozenset[str]


def widths(system: TransitionSystem) -> Widths:
    """The ranges that fields must hold. Raise Unsupported where one is not
    constant."""
    ranges: dict[str, tuple[int, int]] = {}
    opened: set[str] = set()
    for v in system.variables:
        if any(e is not None and not e.is_const for e in (v.lo, v.hi)):
            raise Unsupported(f"the range of {v.name} is not constant")
        lo, hi = declared(v)
        if lo is None or hi is None:
            opened.add(v.name)
        ranges[v.name] = _finite(lo, hi)
    return Widths(ranges, frozenset(opened))


def _finite(lo: int | None, hi: int | None) -> tuple[int, int]:
    size = (1 << OPEN_BITS) - 1
    if lo is not None:
        return lo, lo + size if hi is None else max(lo, hi)
    if hi is not None:
        return hi - size, hi
    return -(1 << (OPEN_BITS - 1)), (1 << (OPEN_BITS - 1)) - 1


@dataclass(frozen=True)
class PackedCell:
    """The place of a cell: ``width`` bits from ``shift`` of ``word`` hold raw - lo."""

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
class SortableRows:
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
    rows: tuple[SortableRows, ...]
    affine: Mapping[str, Affine]
    first: Mapping[str, int]

    def pack(self, state: Sequence[int]) -> tuple[int, ...]:
        words = [0] * self.words
        for s, raw in zip(self.slots, state, strict=True):
            words[s.word] |= (raw - s.lo & s.mask) << s.shift
        return tuple(words)

    def text(self) -> str:
        """A C comment: every field with its place and its values."""
        lines = []
        places = sorted(
            zip(self.slots, self.system.cells, strict=True),
            key=lambda x: (x[0].word, x[0].shift),
        )
        for s, cell in places:
            if s.width:
                bits = f"{s.shift}..{s.shift + s.width - 1}"
                where = f"w{s.word} bits {bits}"
                lines.append(f" * {where:<16} {cell.name}, from {s.lo}")
        fixed = [c.name for s, c in places if not s.width]
        if fixed:
            lines.append(f" * of one value:   {', '.join(fixed)}")
        return "\n".join(["/* The fields of a state:", " *", *lines, " */\n"])


class _Packing:
    """The fields that have a place so far, in as few words as it goes."""

    def __init__(self, width: Sequence[int]) -> None:
        self.width = width
        self.room = 63 if sum(width) <= 63 else 64
        self.used: list[int] = []
        self.place: dict[int, tuple[int, int]] = {}

    def size(self, fields: Iterable[int]) -> int:
        return sum(self.width[k] for k in fields)

    def put(self, fields: Sequence[int]) -> tuple[int, int]:
        """Put fields side by side into the first word with room. Return the
        place of the first one: its word, and its lowest bit there."""
        size = self.size(fields)
        fits = (w for w, bits in enumerate(self.used) if bits + size <= self.room)
        word = next(fits, len(self.used))
        if word == len(self.used):
            self.used.append(0)
        bits = shift = self.used[word]
        self.used[word] += size
        for k in fields:
            self.place[k] = word, shift
            shift += self.width[k]
        return word, bits

    def put_rows(
        self, sorts: Sequence[ScalarSort], cells: Sequence[Cell]
    ) -> list[SortableRows]:
        """Put the fields of each element of these scalarsets as all the others'
        are: in pieces of at most a word."""
        pieces: list[tuple[list[int], list[tuple[int, int]]]] = []
        rows = []
        for sort in sorts:
            members = cells_by_row(cells, sort)
            where: list[list[tuple[int, int]]] = [[] for _ in members]
            sizes = []
            for piece in self.pieces(members[0]):
                sizes.append(self.size(members[0][k] for k in piece))
                pieces += (
                    ([row[k] for k in piece], spots)
                    for row, spots in zip(members, where, strict=True)
                )
            rows.append((sort, tuple(sizes), where))
        # large pieces first; those of all rows stay together
        for fields, spots in sorted(pieces, key=lambda p: -self.size(p[0])):
            spots.append(self.put(fields))
        return [SortableRows(s, z, tuple(tuple(x) for x in w)) for s, z, w in rows]

    def pieces(self, row: Sequence[int]) -> list[list[int]]:
        """Return the positions in a row that share a word."""
        pieces: list[list[int]] = [[]]
        for k, field in enumerate(row):
            bits = self.size(row[j] for j in pieces[-1])
            if bits + self.width[field] > self.room:
                pieces.append([])
            pieces[-1].append(k)
        return pieces

    def put_rest(self, cells: Sequence[Cell]) -> None:
        """Put the fields that have no place, those of a variable together if a
        word has room for them."""
        groups: dict[str, list[int]] = {}
        for k, c in enumerate(cells):
            if k not in self.place:
                groups.setdefault(c.variable.name, []).append(k)
        for group in sorted(groups.values(), key=lambda g: -self.size(g)):
            if self.size(group) <= self.room:
                self.put(group)
            else:
                for k in group:
                    self.put([k])


def lay_out(
    system: TransitionSystem,
    ranges: Mapping[str, tuple[int, int]],
    symmetry: Symmetry,
) -> Layout:
    """Return the places of all fields, by the ranges of their variables. Raise
    Unsupported if one needs more than 63 bits."""
    cells = system.cells
    low = [ranges[c.variable.name][0] for c in cells]
    width = [
        (ranges[c.variable.name][1] - lo).bit_length()
        for c, lo in zip(cells, low, strict=True)
    ]
    if any(w > 63 for w in width):
        wide = cells[max(range(len(cells)), key=width.__getitem__)].variable.name
        raise Unsupported(f"{wide} needs more than 63 bits")
    packing = _Packing(width)
    rows = packing.put_rows(symmetry.rows, cells)
    packing.put_rest(cells)
    slots = tuple(
        PackedCell(*packing.place[k], width[k], lo) for k, lo in enumerate(low)
    )
    affine = {
        v.name: found
        for v in system.variables
        if v.index and (found := _affine(system, v, slots)) is not None
    }
    first: dict[str, int] = {}
    for k, c in enumerate(cells):
        first.setdefault(c.variable.name, k)
    words = max(1, len(packing.used))
    return Layout(system, words, slots, tuple(rows), affine, first)


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
