# SPDX-License-Identifier: GPL-2.0-only
"""Expressions are shown as a spec would write them."""

from poolproof.checker.core import ir
from poolproof.checker.core.ir import (
    BOOL,
    INT,
    Domain,
    eq,
    le,
    local,
    not_,
    num,
    show,
    var,
)

X, FLAG = var("x", INT), var("flag", BOOL)


def test_a_comparison_of_a_comparison_has_brackets() -> None:
    assert show(eq(eq(X, num(1)), FLAG)) == "(x == 1) == flag"
    assert show(not_(eq(le(X, num(1)), FLAG))) == "(x <= 1) != flag"


def test_a_domain_without_a_name_is_its_range() -> None:
    p = local("q#shown_plain", Domain(INT, 0, 2))
    assert show(ir.aggregate("all", p, ir.lt(X, p))) == "all(q in 0..2: x < q)"


def test_a_named_domain_is_its_name() -> None:
    p = local("q#shown_named", Domain(INT, 0, 2, "PAGES"))
    assert show(ir.aggregate("all", p, ir.lt(X, p))) == "all(q in PAGES: x < q)"
