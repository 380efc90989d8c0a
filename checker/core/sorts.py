# SPDX-License-Identifier: GPL-2.0-only
"""Sorts: what the raw ints of the IR mean, and finite domains of them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from functools import cache
from typing import Any


class SortError(TypeError):
    """An operator was applied to a sort it is not defined on."""


@dataclass(frozen=True, eq=False)
class Sort:
    """The meaning of a raw int. Sorts are interned: compare them with ``is``."""

    name: str

    def __repr__(self) -> str:
        return self.name

    def __reduce__(self) -> str | tuple[Any, ...]:
        return "BOOL" if self is BOOL else "INT"


@dataclass(frozen=True, eq=False, repr=False)
class EnumSort(Sort):
    """A finite sort of named labels; raw k is ``labels[k]``."""

    labels: tuple[str, ...]

    def __reduce__(self) -> tuple[Any, ...]:
        return enum_sort, (self.name, self.labels)


@dataclass(frozen=True, eq=False, repr=False)
class ScalarSort(Sort):
    """A finite sort of ``size`` elements; raw ``size`` stands for none. Where
    the number of elements is left open, ``size`` is -1, and so is none.

    ``interchangeable`` is the design's claim that permuting the elements changes
    nothing; checker.passes.symmetry checks the claim before it is used.
    """

    size: int
    prefix: str
    interchangeable: bool

    def __reduce__(self) -> tuple[Any, ...]:
        made = (self.name, self.size, self.prefix, self.interchangeable)
        return scalar_sort, made


@dataclass(frozen=True, eq=False, repr=False)
class SetSort(Sort):
    """Subsets of a finite domain, as bit masks."""

    domain: Domain

    def __reduce__(self) -> tuple[Any, ...]:
        return set_sort, (self.domain,)


@dataclass(frozen=True, eq=False, repr=False)
class TableSort(Sort):
    """Total maps from the product of ``index`` domains to ``element``."""

    index: tuple[Domain, ...]
    element: Sort

    def __reduce__(self) -> tuple[Any, ...]:
        return table_sort, (self.index, self.element)


@dataclass(frozen=True)
class Domain:
    """The raw values lo..hi (inclusive) of ``sort``: binders, indices,
    parameters. ``name`` is its name in the design; equality ignores it. So a table
    of what equality finds must not return the name that it met first: sorts have
    domains without names, and names are part of an expression's identity."""

    sort: Sort
    lo: int
    hi: int
    name: str = field(default="", compare=False)

    def __len__(self) -> int:
        return self.hi - self.lo + 1

    def __iter__(self) -> Iterator[int]:
        return iter(range(self.lo, self.hi + 1))

    def __contains__(self, raw: object) -> bool:
        return isinstance(raw, int) and self.lo <= raw <= self.hi

    def __str__(self) -> str:
        """Return its name in the design; else its sort's, or its ends."""
        if self.name or self.sort is not INT:
            return self.name or self.sort.name
        return f"{self.lo}..{self.hi}"


@dataclass(frozen=True)
class OpenDomain(Domain):
    """A domain whose last value, ``end``, is an expression over params. ``hi`` is
    None: code that needs the number fails. It has at least one value."""

    hi: Any = None
    end: Any = None

    def __len__(self) -> int:
        raise SortError(f"{self} is left open")

    def __iter__(self) -> Iterator[int]:
        raise SortError(f"{self} is left open")

    def __contains__(self, raw: object) -> bool:
        raise SortError(f"{self} is left open")

    def __str__(self) -> str:
        if self.name or self.sort is not INT:
            return self.name or self.sort.name
        return f"{self.lo}..{self.end}"


BOOL = Sort("bool")
INT = Sort("int")


@cache
def enum_sort(name: str, labels: tuple[str, ...]) -> EnumSort:
    return EnumSort(name, labels)


def scalar_sort(
    name: str, size: int, prefix: str = "", interchangeable: bool = True
) -> ScalarSort:
    return _scalar_sort(name, size, prefix or name.lower(), interchangeable)


@cache
def _scalar_sort(
    name: str, size: int, prefix: str, interchangeable: bool
) -> ScalarSort:
    return ScalarSort(name, size, prefix, interchangeable)


@cache
def set_sort(domain: Domain) -> SetSort:
    nameless = replace(domain, name="")
    return SetSort(f"set of {nameless}", nameless)


@cache
def table_sort(index: tuple[Domain, ...], element: Sort) -> TableSort:
    nameless = tuple(replace(d, name="") for d in index)
    over = " ".join(map(str, nameless))
    return TableSort(f"table over {over} of {element}", nameless, element)


def scalarsets(sort: Sort) -> Iterator[ScalarSort]:
    """Yield the scalarsets that index a sort's values, or are among them."""
    match sort:
        case ScalarSort():
            yield sort
        case SetSort(domain=domain):
            yield from scalarsets(domain.sort)
        case TableSort(index=index, element=element):
            for domain in index:
                yield from scalarsets(domain.sort)
            yield from scalarsets(element)


def show_raw(sort: Sort, raw: int) -> str:
    """The raw value as a user writes it: ``true``, ``ENOMEM``, ``v1``, ``{n0}``."""
    match sort:
        case EnumSort(labels=labels):
            return labels[raw] if 0 <= raw < len(labels) else f"{sort.name}#{raw}"
        case ScalarSort(size=size, prefix=prefix):
            return "none" if raw == size else f"{prefix}{raw}"
        case SetSort(domain=domain):
            members = (v for k, v in enumerate(domain) if raw >> k & 1)
            return "{" + ", ".join(show_raw(domain.sort, v) for v in members) + "}"
        case _ if sort is BOOL:
            return "true" if raw else "false"
        case _:
            return str(raw)
