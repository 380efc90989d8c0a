# SPDX-License-Identifier: GPL-2.0-only
"""Values while a text is read: expressions, and those that wait for a sort.

A `Site` is where a value stands: in the text, and under which conditions
and for which bound names it counts. Each frontend has its own.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass, field
from typing import Any, ClassVar, Self

from poolproof.checker.core import ir
from poolproof.checker.core.diagnostic import UserError
from poolproof.checker.core.ir import Domain, EnumSort, Expr, ScalarSort, SetSort, Sort
from poolproof.checker.core.system import Span

# --- words ----------------------------------------------------------------


def sort_text(sort: Sort) -> str:
    """Return what messages call a value of the sort."""
    match sort:
        case ScalarSort():
            return f"an element of {sort.name}"
        case EnumSort():
            return f"a label of {sort.name}"
        case SetSort(domain=domain):
            return f"a set of {domain}"
        case ir.TableSort():
            return "a table"
        case _:
            return "an int" if sort is ir.INT else "a bool"


def distinguished(sort: Sort, other: Sort) -> str:
    """Return what messages call a value of the sort beside one of another: two
    classes of one name are told apart by the labels that one of them lacks."""
    match sort, other:
        case EnumSort(name=name, labels=labels), EnumSort() if name == other.name:
            more = [label for label in labels if label not in other.labels]
            less = [label for label in other.labels if label not in labels]
            if more:
                return f"a label of the {name} with {', '.join(more)}"
            if less:
                return f"a label of the {name} without {', '.join(less)}"
            return f"a label of the {name} of {', '.join(labels)}"
        case _:
            return sort_text(sort)


def needed_text(sort: Sort | None) -> str:
    """Return what messages say is needed where a value of the sort is."""
    if sort is ir.INT:
        return "a number"
    if sort is ir.BOOL:
        return "a condition"
    return "a value" if sort is None else sort_text(sort)


# --- sites ----------------------------------------------------------------


class Site(ABC):
    """The place of a value in a text, with the conditions that hold there."""

    none: ClassVar[str]
    """The word for the absent element."""
    unequal: ClassVar[str]
    """The operator for "is not none"."""
    lenient: ClassVar[bool]
    """Whether a set display that is only compared with a set, or cut away
    from it, may have elements outside that set's domain."""

    keeps_writing: ClassVar[bool]
    """Whether texts show a comparison as it is written here. Its expressions are
    for texts, then, and engines take them `plain`."""

    @property
    @abstractmethod
    def span(self) -> Span | None:
        """The line and column for messages."""

    @property
    @abstractmethod
    def reached(self) -> bool:
        """Return whether a wrong value here is a mistake at once; otherwise it is one
        only in states that get here."""

    @abstractmethod
    def code(self, value: Any) -> str:
        """Return the value as the user wrote it."""

    @abstractmethod
    def inside(self, e: Expr, domain: Domain) -> Expr:
        """Return that ``e`` is in the domain, as far as that is not certain."""

    @abstractmethod
    def oblige(self, e: Expr, domain: Domain, inside: Expr, message: str, /) -> None:
        """Note that ``inside`` must hold wherever this site is reached."""

    @abstractmethod
    def under(self, condition: Expr) -> Self:
        """Return this site, where the condition holds as well."""

    @abstractmethod
    def naming(self, code: str) -> Self:
        """Return this site, for a value that messages call ``code``."""

    def described(self, value: Any) -> str:
        """Return what kind of value it is."""
        match value:
            case Expr():
                return sort_text(value.sort)
            case Missing():
                return self.none
            case Label():
                return "a label of " + " and ".join(s.name for s in value.sorts)
            case Choice(then=then):
                return self.described(then.value)
            case _:
                return "a set"

    def named(self, value: Any) -> str:
        """Return how a message mentions the value."""
        return f"`{self.code(value)}`"

    def mistake(self, message: str) -> UserError:
        """Return the error to raise for what is wrong here."""
        return UserError(self.span, message)


# --- values ---------------------------------------------------------------


@dataclass(frozen=True)
class Operand:
    """A value, and where it stands. Without a site it stands where it is
    used: a constant that a design's module names, say."""

    value: Any
    site: Site | None = field(default=None, compare=False)

    def at(self, site: Site) -> Site:
        """Return where the value stands if it is used at ``site``."""
        return self.site or site


class Pending:
    """A value whose sort comes from where it is used."""

    @property
    def sort(self) -> Sort | None:
        """The sort that it has where the context gives none."""
        return None


@dataclass(frozen=True)
class Missing(Pending):
    """The absent element of a Scalarset."""


@dataclass(frozen=True)
class Label(Pending):
    """An enum's label; ``sorts`` are the enums that have it."""

    name: str
    sorts: tuple[EnumSort, ...]

    @property
    def sort(self) -> Sort | None:
        return self.sorts[0] if len(self.sorts) == 1 else None


@dataclass(frozen=True)
class Display(Pending):
    """``{a, b}``."""

    elements: tuple[Operand, ...]

    @property
    def sort(self) -> Sort | None:
        sorts = (getattr(e.value, "sort", None) for e in self.elements)
        match next((s for s in sorts if s is not None), None):
            case ScalarSort() as s:
                return ir.set_sort(Domain(s, 0, s.size - 1))
            case EnumSort() as s:
                return ir.set_sort(Domain(s, 0, len(s.labels) - 1))
        return None


@dataclass(frozen=True)
class Choice(Pending):
    """One of two pending values."""

    condition: Expr
    then: Operand
    otherwise: Operand

    @property
    def sort(self) -> Sort | None:
        sort: Sort | None = self.then.value.sort or self.otherwise.value.sort
        return sort


def is_set(value: Any) -> bool:
    """Return whether the value is a set, of whatever domain."""
    match value:
        case Expr():
            return isinstance(value.sort, SetSort)
        case Choice(then=then, otherwise=otherwise):
            return is_set(then.value) or is_set(otherwise.value)
        case _:
            return isinstance(value, Display)


# --- membership ------------------------------------------------------------


def lies_in(
    e: Expr,
    domain: Domain,
    low: bool = False,
    high: bool = False,
    strictly: bool = False,
) -> Expr:
    """Return that ``e`` is in the domain. ``low``, ``high``: that end is
    certain. ``strictly``: the upper end is written with ``<``."""
    if ir.certainly_in(e, domain):
        return ir.TRUE
    if e.sort is ir.INT:
        below = ir.lt(e, ir.above(domain)) if strictly else ir.le(e, ir.last(domain))
        return ir.and_(
            ir.TRUE if low else ir.le(ir.num(domain.lo), e),
            ir.TRUE if high else below,
        )
    if low and high:
        return ir.TRUE
    if isinstance(domain, ir.OpenDomain):
        return ir.TRUE if domain.lo < 0 else ir.ne(e, ir.const(e.sort, -1))
    if isinstance(e.sort, ScalarSort) and (domain.lo, domain.hi) == (
        0,
        e.sort.size - 1,
    ):
        return ir.ne(e, ir.const(e.sort, e.sort.size))
    return ir.or_(*(ir.eq(e, ir.const(e.sort, raw)) for raw in domain))
