# SPDX-License-Identifier: GPL-2.0-only
"""Where the native engine keeps each field of a state: no two share a bit, each
holds its whole range, and the rows of a scalarset are alike."""

from __future__ import annotations

from itertools import combinations

import pytest

from poolproof.checker.backends.c.layout import (
    OPEN_BITS,
    Layout,
    PackedCell,
    Unsupported,
    lay_out,
    widths,
)
from poolproof.checker.core import ir
from poolproof.checker.core.ir import INT, Domain
from poolproof.checker.core.system import TransitionSystem, Variable
from poolproof.checker.passes.symmetry import Symmetry

THING = ir.scalar_sort("Thing", 3)
THINGS = Domain(THING, 0, 2)
MAYBE = Domain(THING, 0, 3)
"""With "none", whose raw value is 3."""


def number(name: str, lo: int | None, hi: int | None) -> Variable:
    ends = (None if k is None else ir.num(k) for k in (lo, hi))
    return Variable(name, INT, *ends, None)


def table(name: str, index: Domain, hi: int) -> Variable:
    sort = ir.table_sort((index,), INT)
    return Variable(name, sort, ir.num(0), ir.num(hi), None)


def laid_out(*variables: Variable, rows: bool = False) -> Layout:
    system = TransitionSystem("s", variables, (), ir.TRUE, {}, {})
    sorts = (THING,) if rows else ()
    return lay_out(system, widths(system).ranges, Symmetry(sorts, sorts, ()))


def bits(s: PackedCell) -> set[tuple[int, int]]:
    return {(s.word, s.shift + k) for k in range(s.width)}


def is_sound(layout: Layout) -> None:
    """No bit is in two fields, none is outside a word, and what is put in comes
    out: the least of each range, the greatest, and both in turn."""
    for a, b in combinations(layout.slots, 2):
        assert not bits(a) & bits(b)
    assert all(k < 64 for s in layout.slots for _, k in bits(s))
    assert {s.word for s in layout.slots if s.width} <= set(range(layout.words))
    ranges = widths(layout.system).ranges
    ends = [ranges[c.variable.name] for c in layout.system.cells]
    for turn in (0, 1):
        for state in (
            tuple(e[turn] for e in ends),
            tuple(e[(k + turn) % 2] for k, e in enumerate(ends)),
        ):
            words = layout.pack(state)
            assert len(words) == layout.words
            cells = ((words[s.word] >> s.shift & s.mask) + s.lo for s in layout.slots)
            assert tuple(cells) == state


@pytest.mark.parametrize(
    ("lo", "hi", "least", "greatest"),
    [
        (None, None, -(2**31), 2**31 - 1),
        (5, None, 5, 5 + 2**32 - 1),
        (None, 5, 5 - 2**32 + 1, 5),
        (-3, 4, -3, 4),
        (4, 4, 4, 4),
        (4, 2, 4, 4),
    ],
)
def test_a_range(lo: int | None, hi: int | None, least: int, greatest: int) -> None:
    """An end that is not declared is 32 bits away."""
    x = number("x", lo, hi)
    system = TransitionSystem("s", (x,), (), ir.TRUE, {}, {})
    found = widths(system)
    assert found.ranges == {"x": (least, greatest)}
    assert found.open == ({"x"} if None in (lo, hi) else set())
    layout = laid_out(x)
    assert layout.slots[0].width == (greatest - least).bit_length() <= OPEN_BITS
    is_sound(layout)


def test_a_range_that_is_no_constant() -> None:
    x = Variable("x", INT, ir.num(0), ir.param("B"), None)
    with pytest.raises(Unsupported, match="the range of x is not constant"):
        laid_out(x)


def test_a_field_has_at_most_63_bits() -> None:
    is_sound(laid_out(number("small", 0, 1), number("x", 0, 2**63 - 1)))
    with pytest.raises(Unsupported, match="x needs more than 63 bits"):
        laid_out(number("small", 0, 1), number("x", 0, 2**63))


@pytest.mark.parametrize(
    ("ends", "words"),
    [
        ((), 1),
        ((0, 0), 1),
        ((2**31, 2**29), 1),
        ((2**61, 1), 1),
        ((2**62, 1), 1),
        ((2**61, 3), 1),
        ((2**62, 3), 2),
        ((2**40, 2**40, 2**20, 2**20), 2),
    ],
)
def test_as_few_words_as_it_goes(ends: tuple[int, ...], words: int) -> None:
    """One word has 63 bits, for the visited set has the top one; of several, each
    has all 64."""
    layout = laid_out(*(number(f"x{k}", 0, end) for k, end in enumerate(ends)))
    assert layout.words == words
    is_sound(layout)


def test_a_table_in_one_word_is_affine() -> None:
    layout = laid_out(number("x", 0, 1), table("t", Domain(INT, -1, 2), 6))
    found = layout.affine["t"]
    assert layout.first == {"x": 0, "t": 1}
    assert found.strides == (3,)
    for at in range(-1, 3):
        s = layout.slots[layout.system.cell_of["t", (at,)]]
        assert (s.word, s.shift) == (found.word, found.base + 3 * (at + 1))
    is_sound(layout)


def test_a_table_in_several_words_is_not() -> None:
    layout = laid_out(table("t", Domain(INT, 0, 3), 2**30))
    assert layout.words == 2
    assert not layout.affine
    is_sound(layout)


@pytest.mark.parametrize("index", [THINGS, MAYBE])
def test_rows_are_alike(index: Domain) -> None:
    """The cell of "none" is in no row."""
    layout = laid_out(
        number("x", 0, 9), table("t", index, 5), table("u", THINGS, 2**40), rows=True
    )
    (rows,) = layout.rows
    assert rows.sort is THING
    assert len(rows.at) == 3
    assert sum(rows.widths) == 3 + 41
    of = layout.system.cell_of
    for k, pieces in enumerate(rows.at):
        mine = {
            (w, s + b)
            for (w, s), n in zip(pieces, rows.widths, strict=True)
            for b in range(n)
        }
        fields = [layout.slots[of[name, (k,)]] for name in ("t", "u")]
        assert mine == set().union(*map(bits, fields))
        shifts = [(f.word, f.shift) for f in fields]
        first = [layout.slots[of[name, (0,)]] for name in ("t", "u")]
        origin = rows.at[0][0]
        assert [s - pieces[0][1] for _, s in shifts[:1]] == [
            f.shift - origin[1] for f in first[:1]
        ]
    is_sound(layout)


def test_the_comment_has_each_field() -> None:
    layout = laid_out(number("x", -2, 5), number("one", 3, 3))
    assert layout.text() == (
        "/* The fields of a state:\n *\n"
        " * w0 bits 0..2     x, from -2\n"
        " * of one value:   one\n */\n"
    )


def test_a_table_of_two_is_affine() -> None:
    layout = laid_out(number("x", 0, 1), table("t", Domain(INT, 0, 1), 6))
    assert layout.affine["t"].strides == (3,)
    assert laid_out(table("t", Domain(INT, 0, 0), 6)).affine["t"].strides == (0,)
    layout = laid_out(number("x", 0, 2**20), table("t", Domain(INT, 0, 1), 6))
    assert layout.affine["t"].base > 0
    assert layout.affine["t"].strides == (3,)


def test_a_scalarset_of_one_has_one_row() -> None:
    one = ir.scalar_sort("One", 1)
    system = TransitionSystem(
        "s", (table("t", Domain(one, 0, 0), 5),), (), ir.TRUE, {}, {}
    )
    layout = lay_out(system, {"t": (0, 5)}, Symmetry((one,), (one,), ()))
    (rows,) = layout.rows
    assert (rows.widths, len(rows.at)) == ((3,), 1)
