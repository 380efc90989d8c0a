# SPDX-License-Identifier: GPL-2.0-only
"""Expressions are shown as a spec would write them."""

import importlib.util
import sys
from pathlib import Path

import pytest

from poolproof.checker.core import ir
from poolproof.checker.core.diagnostic import UserError
from poolproof.checker.core.evaluate import Valuation
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
from poolproof.checker.core.property import Property
from poolproof.checker.evidence.explain import reasons
from poolproof.checker.frontend.design import compile_design
from poolproof.checker.spec import parse_text, resolve
from poolproof.model.language import ANY, Design, Int
from poolproof.model.language import var as cell


class Pair(Design):
    x = cell(Int(0, 9), init=ANY)
    y = cell(Int(0, 9), init=ANY)


PAIR = compile_design(Pair)


def claim(text: str) -> Property:
    """The invariant of a spec of two numbers."""
    (prop,) = resolve(parse_text(f'spec "s" invariant a: {text}'), PAIR).properties
    return prop


def read(text: str) -> ir.Expr:
    """The expression that texts show of it."""
    return claim(text).as_written.formula


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


@pytest.mark.parametrize("other", ["y", "2"])
@pytest.mark.parametrize("op", ["<", "<=", ">", ">="])
def test_a_comparison_is_shown_as_it_was_written(op: str, other: str) -> None:
    """On either side of an implication, which negates it, and of another value."""
    written = f"x {op} {other}"
    e = read(written)
    assert show(e) == written
    assert show(not_(not_(e))) == written
    opposite = {"<": ">=", "<=": ">", ">": "<=", ">=": "<"}[op]
    assert show(not_(e)) == f"x {opposite} {other}"
    replaced = ir.substitute(e, {X: ir.add(X, num(7))})
    assert show(replaced) == f"x + 7 {op} {other}"


PLAIN = {
    (op, other): build(*((X, right) if op.startswith("<") else (right, X)))
    for other, right in (("y", var("y", INT)), ("2", num(2)))
    for op, build in (("<", ir.lt), ("<=", le), (">", ir.lt), (">=", le))
}
"""What engines see, built before anybody wrote anything."""

OTHER_WAY = {"<": ">", "<=": ">=", ">": "<", ">=": "<="}


@pytest.mark.parametrize("other", ["y", "2"])
@pytest.mark.parametrize("op", OTHER_WAY)
def test_no_other_text_changes_how_it_is_shown(op: str, other: str) -> None:
    """Written both ways and denied, each before the other."""
    one, turned = f"x {op} {other}", f"{other} {OTHER_WAY[op]} x"
    for texts in ((one, turned), (turned, one)):
        claims = [claim(text) for text in texts]
        first, second = claims
        assert first.formula is second.formula
        assert [show(p.as_written.formula) for p in claims] == [*texts]
        for p in claims:
            denied = p.as_written.map(not_)
            assert show(denied.map(not_).formula) == show(p.as_written.formula)
        reads = {show(p.formula) for p in claims}
        assert reads == {show(PLAIN[op, other])}


def test_what_nobody_wrote_has_its_constant_on_the_right() -> None:
    assert show(ir.lt(num(2), X)) == "x > 2"
    assert show(le(X, num(2))) == "x <= 2"
    assert show(not_(le(X, num(2)))) == "x > 2"
    assert show(not_(ir.lt(X, var("y", INT)))) == "y <= x"


def test_no_engine_sees_how_it_is_written() -> None:
    p = claim("(x > 2 implies y >= x) and not (3 < y)")
    written = [e for e in ir.subterms(*p.as_written.formulas()) if e.op in ("lt", "le")]
    assert all(e.data is not None for e in written)
    assert all(
        e.data is None for e in ir.subterms(*p.formulas()) if e.op in ("lt", "le")
    )
    plain = ir.and_(
        ir.implies(ir.lt(num(2), X), le(X, var("y", INT))),
        not_(ir.lt(num(3), var("y", INT))),
    )
    assert p.formula is plain


def test_a_reason_has_the_order_of_the_text() -> None:
    before = {"x": 1, "y": 3}
    for text, reason in (
        ("x > y", "x > y is false: 1 > 3"),
        ("y < x", "y < x is false: 3 < 1"),
        ("x > 2", "x > 2 is false: x is 1"),
    ):
        at = Valuation(PAIR.system, tuple(before.values()))
        assert reasons(at, read(text)) == [(0, reason)]


def test_a_table_is_over_what_its_own_design_names(tmp_path: Path) -> None:
    """Whichever of two designs with equal sorts a process reads first."""
    text = """
from poolproof.model.language import Bool, Design, Int, action, table

{name} = Int(0, 6)


class Pool(Design):
    used = table({name}, Bool())

    @action
    def take(self):
        self.used[7] = True
"""
    for name in ("SLOTS", "FRAMES"):
        path = tmp_path / f"over_{name.lower()}.py"
        path.write_text(text.format(name=name), encoding="utf-8")
        found = importlib.util.spec_from_file_location(path.stem, path)
        assert found is not None
        assert found.loader is not None
        module = sys.modules[path.stem] = importlib.util.module_from_spec(found)
        found.loader.exec_module(module)
        message = rf"`7` is not in {name} \(0\.\.6\), the domain of `used`"
        with pytest.raises(UserError, match=message):
            compile_design(module.Pool)
