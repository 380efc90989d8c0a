# SPDX-License-Identifier: GPL-2.0-only
"""Operators, sets, indices and aggregates of values that were read.

Functions take operands and return expressions. They raise UserError at the
site of the operand that does not fit, or at ``at`` where two operands do
not fit each other, and note what must hold for their result to be defined.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from poolproof.checker.core import ir
from poolproof.checker.core.diagnostic import UserError
from poolproof.checker.core.ir import Domain, EnumSort, Expr, ScalarSort, SetSort, Sort
from poolproof.checker.elaborate.values import (
    Choice,
    Display,
    Label,
    Missing,
    Operand,
    Pending,
    Site,
    distinguished,
    is_set,
    needed_text,
    sort_text,
)

# --- one operand ----------------------------------------------------------


def coerce(x: Operand, want: Sort | None, at: Site, strict: bool = True) -> Expr:
    """Return the operand as an expression of the sort; of its own sort if
    that is None. ``at`` is where it is used. Unless ``strict``, elements of a
    set display outside its domain are left out."""
    site = x.at(at)
    match x.value:
        case Expr() as e if want is None or e.sort is want:
            return e
        case Missing():
            return _absent(want, site)
        case Label() as label:
            return _label(label, want, site)
        case Display() as display:
            return _set(display, want, site, strict)
        case Choice(condition, then, otherwise):
            a = coerce(then, want, site.under(condition), strict)
            b = coerce(otherwise, want, site.under(ir.not_(condition)), strict)
            return ir.ite(condition, a, b)
    raise _misfit(x.value, needed_text(want), site, want)


def condition(x: Operand, at: Site) -> Expr:
    """Return the operand, which must be a condition."""
    return coerce(x, ir.BOOL, at)


def number(x: Operand, at: Site) -> Expr:
    """Return the operand, which must be a number."""
    return coerce(x, ir.INT, at)


def _misfit(value: Any, needed: str, site: Site, want: Sort | None = None) -> UserError:
    """Return the error for a value where another kind of value is needed."""
    code, hint = site.code(value), ""
    sort = value.sort if isinstance(value, Expr) else None
    if isinstance(sort, ir.TableSort):
        hint = f": index it, as in `{code}[...]`"
    elif want is ir.BOOL and sort is ir.INT:
        hint = f": compare it, as in `{code} > 0`"
    elif want is ir.BOOL and isinstance(sort, ScalarSort):
        hint = f": compare it, as in `{code} {site.unequal} {site.none}`"
    elif want is ir.BOOL and isinstance(sort, SetSort):
        hint = f": compare it, as in `len({code}) > 0`"
    elif want is ir.BOOL and isinstance(sort, EnumSort):
        hint = f": compare it, as in `{code} == {sort.labels[0]}`"
    elif want is ir.INT and sort is ir.BOOL:
        hint = ": write `1 if ... else 0`"
    verb = "returns" if value is None else "is"
    return site.mistake(
        f"{site.named(value)} {verb} {site.described(value)}, and {needed} "
        f"is needed here{hint}"
    )


def _absent(want: Sort | None, site: Site) -> Expr:
    if isinstance(want, ScalarSort):
        return ir.const(want, want.size)
    needed = f", and {needed_text(want)} is needed here"
    if want is None:
        needed = ", but its domain is not known here: compare it with a field"
    elif isinstance(want, ir.TableSort):
        needed = ": index the table that it is compared with"
    message = f"`{site.none}` is the absent element of a Scalarset{needed}"
    raise site.mistake(message)


def _label(label: Label, want: Sort | None, site: Site) -> Expr:
    bare = label.name.rpartition(".")[2]
    sort = label.sort if want is None else want
    if isinstance(sort, EnumSort):
        if sort in label.sorts:
            return ir.const(sort, sort.labels.index(bare))
        has = ", ".join(sort.labels)
        raise site.mistake(
            f"`{label.name}` is not a label of {sort.name}: it has {has}"
        )
    if want is None:
        ways = " or ".join(f"`{s.name}.{bare}`" for s in label.sorts)
        raise site.mistake(f"`{label.name}` is a label of several enums: write {ways}")
    raise _misfit(label, needed_text(want), site)


def _set(display: Display, want: Sort | None, site: Site, strict: bool) -> Expr:
    sort = display.sort if want is None else want
    if sort is None:
        raise site.mistake(
            "the domain of this set is not known here: compare it with a field, assign "
            "it to one, or write `x in {...}`"
        )
    if not isinstance(sort, SetSort):
        raise _misfit(display, needed_text(sort), site)
    domain = sort.domain
    empty = result = ir.const(sort, 0)
    for element in display.elements:
        at = element.site or site.naming(ir.show(element.value))
        e = coerce(element, domain.sort, at)
        inside = within(e, domain, "this set", at) if strict else at.inside(e, domain)
        one = empty if inside is ir.FALSE else ir.single(e, domain)
        result = ir.union(result, ir.ite(inside, one, empty))
    return result


# --- domains and indices --------------------------------------------------


def within(e: Expr, domain: Domain, whose: str, at: Site) -> Expr:
    """Return that ``e`` is in the domain of ``whose``. That is a
    mistake where it cannot be, and an obligation where it may not be."""
    inside = at.inside(e, domain)
    if inside is ir.TRUE:
        return inside
    lo = ir.show_raw(domain.sort, domain.lo)
    open_end = isinstance(domain, ir.OpenDomain)
    hi = ir.show(ir.last(domain)) if open_end else ir.show_raw(domain.sort, domain.hi)
    over = str(domain)
    ends = "" if over == f"{lo}..{hi}" else f" ({lo}..{hi})"
    if inside is ir.FALSE and at.reached:
        raise at.mistake(f"{at.named(e)} is not in {over}{ends}, the domain of {whose}")
    why = f"{at.named(e)} may be outside {over}, the domain of {whose}"
    if isinstance(domain.sort, ScalarSort):
        why = f"{at.named(e)} may be {at.none}, which is outside the domain of {whose}"
    at.oblige(e, domain, inside, why)
    return inside


def index(name: str, domain: Domain, x: Operand, at: Site) -> Expr:
    """Return one index of the table ``name``, over the domain."""
    e = coerce(x, domain.sort, at)
    within(e, domain, f"`{name}`", x.at(at))
    return e


def count_indices(name: str, domains: Sequence[Domain], given: int, at: Site) -> None:
    """Raise UserError unless as many indices are given as the table has."""
    n = len(domains)
    if given != n:
        over = ", ".join(map(str, domains))
        raise at.mistake(
            f"`{name}` takes {n} {'index' if n == 1 else 'indices'}, not {given}: "
            f"it is a table over {over}"
        )


# --- two operands ---------------------------------------------------------


def alike(xs: Sequence[Operand], at: Site, strict: bool = True) -> list[Expr]:
    """Return operands that should have one sort: those that wait for theirs
    take it from the nearest that has one. Whether the sorts are the same is
    left to the caller."""
    certain = {k: x.value.sort for k, x in enumerate(xs) if isinstance(x.value, Expr)}
    likely = {
        k: x.value.sort
        for k, x in enumerate(xs)
        if isinstance(x.value, Pending) and x.value.sort is not None
    }
    sorts = certain or likely

    def sort(k: int) -> Sort | None:
        near = min(sorts, key=lambda j: abs(j - k), default=None)
        return None if near is None else sorts[near]

    return [
        coerce(x, None if k in certain else sort(k), at, strict)
        for k, x in enumerate(xs)
    ]


def differ(a: Operand, b: Operand, x: Expr, y: Expr, at: Site, verb: str) -> UserError:
    """Return the error for two operands whose sorts are not the same."""
    return at.mistake(
        f"{a.at(at).named(x)} is {distinguished(x.sort, y.sort)} and "
        f"{b.at(at).named(y)} is {distinguished(y.sort, x.sort)}: they cannot be {verb}"
    )


def arithmetic(op: str, a: Operand, b: Operand, at: Site) -> Expr:
    """Return ``a op b`` for one of + - * // % and, of sets, | & -."""
    if is_set(a.value) or is_set(b.value):
        return _joined(op, a, b, at)
    if op in ("|", "&"):
        word = "or" if op == "|" else "and"
        raise at.mistake(f"`{op}` is for sets; between conditions write `{word}`")
    x, y = number(a, at), number(b, at)
    match op:
        case "+":
            return ir.add(x, y)
        case "-":
            return ir.sub(x, y)
        case "*":
            return ir.mul(x, y)
    if not y.is_const or y.data <= 0:
        site = b.at(at)
        raise site.mistake(
            f"`{op}` needs a number above 0 on its right, not {site.named(y)}"
        )
    return ir.div(x, y) if op == "//" else ir.mod(x, y)


def _joined(op: str, a: Operand, b: Operand, at: Site) -> Expr:
    """Sets. What is cut away may lie outside the domain where the language is
    lenient; what is joined may not."""
    if op not in ("|", "&", "-"):
        raise at.mistake("sets have |, & and -")
    typed = isinstance(a.value, Expr) or isinstance(b.value, Expr)
    if typed and at.lenient and op != "|":
        strict = op == "-" and isinstance(a.value, Pending)
    else:
        strict = True
    x, y = alike((a, b), at, strict)
    if x.sort is not y.sort or not isinstance(x.sort, SetSort):
        raise differ(a, b, x, y, at, "joined")
    return {"|": ir.union, "&": ir.inter, "-": ir.diff}[op](x, y)


def equal(a: Operand, b: Operand, at: Site) -> Expr:
    """Return that the two are the same."""
    if at.lenient and isinstance(a.value, Display) and isinstance(b.value, Display):
        a, b = (b, a) if a.value.sort is None else (a, b)
        a = Operand(coerce(a, None, at), a.site)
    for other, display in ((a, b), (b, a)):
        e = other.value
        if (
            at.lenient
            and isinstance(display.value, Display)
            and isinstance(e, Expr)
            and isinstance(e.sort, SetSort)
        ):
            return _same_elements(e, display, e.sort.domain, at)
    x, y = alike((a, b), at)
    if x.sort is not y.sort:
        raise differ(a, b, x, y, at, "compared")
    return ir.eq(x, y)


def _same_elements(e: Expr, display: Operand, domain: Domain, at: Site) -> Expr:
    """Equality of a set and a display: false if an element is outside."""
    same = ir.eq(e, coerce(display, e.sort, at, strict=False))
    elements = (coerce(x, domain.sort, at) for x in display.value.elements)
    return ir.and_(*(at.inside(x, domain) for x in elements), same)


def related(op: str, a: Operand, b: Operand, at: Site) -> Expr:
    """Return ``a op b`` for one of == != < <= > >=; of sets, ``<=`` is
    "subset"."""
    if op in ("==", "!="):
        same = equal(a, b, at)
        return same if op == "==" else ir.not_(same)
    x, y = alike((a, b), at)
    if x.sort is not y.sort:
        raise differ(a, b, x, y, at, "compared")
    below = op.startswith("<")
    low, high = (x, y) if below else (y, x)
    if isinstance(x.sort, SetSort):
        inside = ir.eq(ir.diff(low, high), ir.const(x.sort, 0))
        return inside if op.endswith("=") else ir.and_(inside, ir.ne(low, high))
    if x.sort is not ir.INT:
        raise at.mistake(
            f"`{op}` compares numbers, and {a.at(at).named(x)} is {sort_text(x.sort)}"
        )
    made = ir.le(low, high) if op.endswith("=") else ir.lt(low, high)
    return ir.as_written(made, not below) if at.keeps_writing else made


def member(x: Operand, of: Operand, at: Site) -> Expr:
    """Return that ``x`` is in a domain, a display or a set."""
    match of.value:
        case Domain() as domain:
            return x.at(at).inside(coerce(x, domain.sort, at), domain)
        case Display(elements=elements):
            first, *rest = alike((x, *elements), at)
            for element, found in zip(elements, rest, strict=True):
                if found.sort is not first.sort:
                    where = element.at(of.at(at))
                    raise differ(x, element, first, found, where, "compared")
            return ir.or_(*(ir.eq(first, e) for e in rest))
    values = a_set(of, at)
    assert isinstance(values.sort, SetSort)
    return ir.member(coerce(x, values.sort.domain.sort, at), values)


def a_set(x: Operand, at: Site) -> Expr:
    """Return the operand, which must be a set of whatever domain."""
    if not is_set(x.value):
        raise _misfit(x.value, "a set or a domain", x.at(at))
    return coerce(x, None, at)


def choose(c: Expr, a: Operand, b: Operand, at: Site) -> Any:
    """Return the value that is ``a`` where c holds, else ``b``."""
    if isinstance(a.value, Pending) and isinstance(b.value, Pending):
        return a.value if a.value == b.value else Choice(c, a, b)
    x, y = alike((a, b), at)
    if x.sort is not y.sort:
        site = b.at(at)
        raise site.mistake(
            f"{site.named(y)} is {sort_text(y.sort)}, and the other choice is "
            f"{sort_text(x.sort)}"
        )
    if isinstance(x.sort, ir.TableSort):
        raise a.at(at).mistake("choose between cells, not tables")
    return ir.ite(c, x, y)


# --- functions ------------------------------------------------------------


def extremum(name: str, given: int, xs: Iterable[Operand], at: Site) -> Expr:
    """Return ``min(a, b, ...)`` or ``max(a, b, ...)`` of so many operands."""
    if given < 2:
        raise at.mistake(f"`{name}` takes two numbers or more: write `{name}(a, b)`")
    build = ir.min_ if name == "min" else ir.max_
    found, *rest = (number(x, at) for x in xs)
    for e in rest:
        found = build(found, e)
    return found


def size(x: Operand, at: Site) -> Expr:
    """Return ``len`` of a set or a domain."""
    if isinstance(x.value, Domain):
        return ir.number_of_values(x.value)
    return ir.card(a_set(x, at))


def aggregate(
    op: str, bound: Sequence[tuple[Expr, Expr]], body: Operand, at: Site
) -> Expr:
    """Return a sum, count, all, any or setof over bound names, each with the
    condition for its values to count."""
    if op == "setof" and len(bound) > 1:
        raise at.mistake("setof binds one name")
    e = coerce(body, ir.INT if op == "sum" else ir.BOOL, at)
    if op == "count":
        op, e = "sum", ir.ite(e, ir.num(1), ir.num(0))
    for binder, counts in reversed(bound):
        match op:
            case "sum":
                e = ir.ite(counts, e, ir.num(0))
            case "all":
                e = ir.implies(counts, e)
            case _:
                e = ir.and_(counts, e)
        e = ir.aggregate(op, binder, e)
    return e
