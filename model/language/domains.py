# SPDX-License-Identifier: GPL-2.0-only
"""Sizes, features and domains of the modelling language, and their values.

A domain is declared over bounds (`Int(0, 2 * B)`); a `Binding` gives each
bound a size and each feature a truth value, and turns a domain into `Values`:
a range of raw ints and what each of them means in Python.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, fields, is_dataclass, replace
from enum import Enum
from functools import cache
from typing import Any

# --- errors --------------------------------------------------------------


class ModelError(Exception):
    """A mistake in a design: a wrong sort, a name that does not exist.
    ``where`` is the class and the member that it is about, where known."""

    where: tuple[type, str] | None = None


class OutOfRange(ModelError):
    """A field was left outside its declared range at the end of an action."""


class OutOfDomain(ModelError, IndexError):
    """A table was read or written outside its index domain, or a set was
    given an element outside its own."""


class Disabled(Exception):
    """A `require` or an `assume` was false: the action cannot happen here."""


class Assumed(Disabled):
    """An `assume` was false: the action could happen here, but the model leaves
    it out. The text is the reason."""


def require(condition: bool) -> None:
    """Enable the action only where ``condition`` holds. Otherwise nothing happens,
    whatever was assigned before."""
    if not condition:
        raise Disabled


def assume(condition: bool, why: str) -> None:
    """Leave out the action where ``condition`` is false. Like `require`, but a
    decision of the model's author and not of the kernel: ``why`` completes the
    sentence "assuming ...", which every verdict of the design prints, with the
    number of steps that were cut."""
    if not condition:
        raise Assumed(why)


class KernelBug(Exception):
    """A `bug_on` condition was true: the kernel stops here."""


class KernelWarning(UserWarning):
    """A `warn_on` condition was true: the kernel says so and goes on."""


def bug_on(condition: bool, text: str = "") -> None:
    """The kernel's BUG_ON and VM_BUG_ON: an implicit property of the design says
    that ``condition`` is never true. If it is, the run ends with this step, which
    changes and returns nothing. ``text`` is the property's title."""
    if condition:
        raise KernelBug(text)


def warn_on(condition: bool, text: str = "") -> None:
    """The kernel's WARN_ON, WARN_ONCE and VM_WARN_ON: an implicit property of the
    design says that ``condition`` is never true. If it is, the action goes on.
    ``text`` is the property's title."""
    if condition:
        warnings.warn(text, KernelWarning, stacklevel=2)


# --- bounds and features -------------------------------------------------


class _Arithmetic:
    """+, - and * over bounds and ints, kept as a tree until a spec binds it."""

    def __add__(self, other: Any) -> Arithmetic:
        return Arithmetic("+", self, other)

    def __radd__(self, other: Any) -> Arithmetic:
        return Arithmetic("+", other, self)

    def __sub__(self, other: Any) -> Arithmetic:
        return Arithmetic("-", self, other)

    def __rsub__(self, other: Any) -> Arithmetic:
        return Arithmetic("-", other, self)

    def __mul__(self, other: Any) -> Arithmetic:
        return Arithmetic("*", self, other)

    def __rmul__(self, other: Any) -> Arithmetic:
        return Arithmetic("*", other, self)


@dataclass(frozen=True)
class Bound(_Arithmetic):
    """A size that a spec sets (``bounds V = 3``); at least ``least``."""

    name: str
    default: int
    least: int = 1
    doc: str = ""

    def __str__(self) -> str:
        return self.name


@dataclass(frozen=True)
class Arithmetic(_Arithmetic):
    """An operation over bounds."""

    op: str
    left: Any
    right: Any

    def __str__(self) -> str:
        parts = (
            f"({p})" if isinstance(p, Arithmetic) and self.op != "+" else str(p)
            for p in (self.left, self.right)
        )
        return f" {self.op} ".join(parts)


@dataclass(frozen=True)
class Feature:
    """A part of a design that a spec can leave out (``without fork``). In a
    method, ``if FORK:`` is decided when the design is bound.

    ``needs``: features without which this one does nothing; ``A | B`` means
    either. Selecting a feature selects what it needs. ``assuming``: what a design
    without it assumes of the kernel, as the text of an `assume`.
    """

    name: str
    default: bool = True
    doc: str = ""
    needs: Any = ()
    assuming: str = ""

    def __post_init__(self) -> None:
        given = self.needs if isinstance(self.needs, tuple) else (self.needs,)
        for need in given:
            if not isinstance(need, Feature | Either):
                raise ModelError(f"needs={need!r}: name a Feature, or a tuple of them")
        alternatives = (n if isinstance(n, Either) else Either((n,)) for n in given)
        object.__setattr__(self, "needs", tuple(alternatives))

    def __or__(self, other: Any) -> Either:
        return Either((self,)).__or__(other)


@dataclass(frozen=True)
class Either:
    """One of several features (``A | B``); the first where none is chosen."""

    features: tuple[Feature, ...]

    def __or__(self, other: Any) -> Either:
        if isinstance(other, Feature):
            return Either((*self.features, other))
        return NotImplemented

    def __str__(self) -> str:
        return " or ".join(f.name for f in self.features)


# --- domains -------------------------------------------------------------


class Domain:
    """The values of a field, a parameter or an index."""


@dataclass(frozen=True)
class _Int(Domain):
    lo: Any
    hi: Any


@dataclass(frozen=True)
class _Wrapping(Domain):
    bits: int


@dataclass(frozen=True)
class _Counter(Domain):
    hi: Any


@dataclass(frozen=True)
class _Bool(Domain):
    pass


@dataclass(frozen=True)
class _Scalarset(Domain):
    name: str
    size: Any
    prefix: str
    ordered: bool


@dataclass(frozen=True)
class _Maybe(Domain):
    inner: Any


@dataclass(frozen=True)
class _SetOf(Domain):
    inner: Any


@dataclass(frozen=True)
class _Given(Domain):
    feature: Feature
    inner: Any
    off: Any


def made_of(value: Any) -> Iterator[Any]:
    """Yield a domain, or arithmetic over bounds, and all that it is made of: domains,
    bounds, features and numbers, in the order in which they are written."""
    yield value
    if isinstance(value, Domain | Arithmetic) and is_dataclass(value):
        for part in fields(value):
            yield from made_of(getattr(value, part.name))


# The functions return Any: a domain stands in annotations and is iterated.


def Int(lo: Any = None, hi: Any = None) -> Any:
    """The integers lo..hi; a missing end is open. Leaving the range is an
    error of the model, found by every engine."""
    return _Int(lo, hi)


def Natural() -> Any:
    """A counter without upper bound."""
    return _Int(0, None)


def Wrapping(bits: int) -> Any:
    """An unsigned machine integer: every assignment wraps modulo 2**bits."""
    return _Wrapping(bits)


def Counter(hi: Any = None) -> Any:
    """A counter of the kernel: 0..hi, or without upper bound.

    Leaving that range is a bug of the kernel, not of the model: an implicit
    property with the field's name says that it does not happen. At the end of an
    action, any count below 0 becomes -1 and any count above ``hi`` becomes
    hi + 1, so that searches end. Runs go on from there.
    """
    return _Counter(hi)


def Bool() -> Any:
    """False, True."""
    return _Bool()


def Scalarset(name: str, size: Any, prefix: str = "", ordered: bool = False) -> Any:
    """``size`` elements that can be compared for equality only. Engines permute
    them, after checking that every action is invariant under permutations. The
    elements of an ``ordered`` one have positions (a fallback order of nodes), and
    are never permuted."""
    return _Scalarset(name, size, prefix or name.lower().removesuffix("s"), ordered)


def Maybe(domain: Any) -> Any:
    """A value of a Scalarset, or None."""
    return _Maybe(domain)


def SetOf(domain: Any) -> Any:
    """The subsets of a small domain, such as node masks."""
    return _SetOf(domain)


def Given(feature: Feature, domain: Any, off: Any) -> Any:
    """``domain`` if the feature is on; if it is off, only ``off``."""
    return _Given(feature, domain, off)


class Element:
    """One element of a Scalarset. It has a name and equality, no order."""

    __slots__ = ("index", "prefix", "scalarset")

    def __init__(self, scalarset: str, prefix: str, index: int) -> None:
        self.scalarset, self.prefix, self.index = scalarset, prefix, index

    def __eq__(self, other: object) -> bool:
        if other is None:
            return False
        if not isinstance(other, Element) or other.scalarset != self.scalarset:
            raise ModelError(f"{self} is compared with {other!r}: not the same sort")
        return self.index == other.index

    def __hash__(self) -> int:
        return hash((self.scalarset, self.index))

    def __repr__(self) -> str:
        return f"{self.prefix}{self.index}"


class Any_:
    """The initial value ANY: every value of the field's range is a start."""

    def __repr__(self) -> str:
        return "ANY"


ANY = Any_()


@cache
def _labels(members: type[Enum]) -> tuple[Enum, ...]:
    return tuple(members)


@dataclass(frozen=True)
class Values:
    """A domain bound to sizes: raw values lo..hi and what they mean.

    ``kind`` is int, bool, enum, element or set. ``lo``/``hi`` are ints, None
    (open), or arithmetic over bounds that were left symbolic. ``off``: this
    is the one value of a `Given` whose feature is off. ``counter``: lo and
    hi stand for every count below and above what a `Counter` may be. ``open``: its
    end is arithmetic over bounds that are open; none is -1 then.
    """

    kind: str
    name: str
    lo: Any
    hi: Any
    bits: int | None = None
    members: type[Enum] | None = None
    size: int = 0
    prefix: str = ""
    ordered: bool = False
    inner: Values | None = None
    off: bool = False
    counter: bool = False
    open: bool = False

    def saturated(self, raw: int) -> int:
        """Return the raw value that a count becomes at the end of an action."""
        if not self.counter:
            return raw
        low = max(raw, int(self.lo))
        return low if self.hi is None else min(low, int(self.hi))

    def python(self, raw: int) -> Any:
        """Return the Python value of a raw one."""
        match self.kind:
            case "bool":
                return bool(raw)
            case "enum":
                assert self.members is not None
                return _labels(self.members)[raw]
            case "element":
                if raw == self.size:
                    return None
                return Element(self.name, self.prefix, raw)
            case "set":
                assert self.inner is not None
                return frozenset(v for k, v in enumerate(self.inner) if raw >> k & 1)
            case _:
                return raw

    def raw(self, value: Any) -> int:
        """Return the raw value of a Python one. Raise ModelError for a value of
        another sort (True is no int here); the range is not checked."""
        match self.kind:
            case "bool" if isinstance(value, bool):
                return int(value)
            case "enum" if self.members is not None and isinstance(value, self.members):
                return _labels(self.members).index(value)
            case "element" if value is None:
                return self.size
            case "element" if (
                isinstance(value, Element)
                and value.scalarset == self.name
                and value.index < self.size
            ):
                return value.index
            case "set" if isinstance(value, frozenset | set):
                return sum(1 << self._bit(v) for v in value)
            case "int" if isinstance(value, int) and not isinstance(value, bool | Enum):
                return value if self.bits is None else value % (1 << self.bits)
        raise ModelError(f"{value!r} is not a value of {self}")

    def meant(self, value: Any) -> Any:
        """Return the element or label that a name (``"v0"``) means, or the element at
        a position; also within a set. Any other value is returned as it is."""
        match self.kind, value:
            case "element", bool():
                return value
            case "element", int() if 0 <= value < self.size:
                return Element(self.name, self.prefix, value)
            case "element", str():
                named = (v for v in range(self.size) if f"{self.prefix}{v}" == value)
                found = next(named, None)
                return value if found is None else self.python(found)
            case "enum", str() if self.members and value in self.members.__members__:
                return self.members[value]
            case "set", set() | frozenset() | list() | tuple():
                assert self.inner is not None
                return frozenset(map(self.inner.meant, value))
        return value

    def _bit(self, element: Any) -> int:
        """The bit of a set's raw value that stands for an element."""
        assert self.inner is not None
        raw = self.inner.raw(element)
        if not self.inner.lo <= raw <= self.inner.hi:
            raise OutOfDomain(f"{element} is not an element of {self}")
        return int(raw - self.inner.lo)

    def __iter__(self) -> Iterator[Any]:
        return (self.python(raw) for raw in range(self.lo, self.hi + 1))

    def __len__(self) -> int:
        return max(0, int(self.hi - self.lo + 1))

    def __contains__(self, value: object) -> bool:
        return bool(self.lo <= self.raw(value) <= self.hi)

    @property
    def may_be_absent(self) -> bool:
        """Return whether None is among the values of a scalarset's domain."""
        return bool((self.lo if self.open else self.hi) == self.size)

    @property
    def finite(self) -> bool:
        """Return whether both ends are known ints."""
        return isinstance(self.lo, int) and isinstance(self.hi, int)

    def __str__(self) -> str:
        match self.kind:
            case "int" if self.counter:
                return f"counts {_show(self.lo, '-inf')}..{_show(self.hi, 'inf')}"
            case "int" if self.bits is not None:
                return f"unsigned {self.bits}-bit integers"
            case "int":
                return f"integers {_show(self.lo, '-inf')}..{_show(self.hi, 'inf')}"
            case "set":
                return f"sets of {self.inner}"
            case _:
                return self.name


def _show(end: Any, missing: str) -> str:
    return missing if end is None else str(end)


@dataclass(frozen=True)
class Binding:
    """Values for bounds and features. A bound in ``symbolic`` stays a name; only
    proofs for any size use that."""

    bounds: Mapping[str, int]
    features: Mapping[str, bool]
    symbolic: frozenset[str] = frozenset()
    open: bool = False
    """Whether symbolic bounds may decide how many values a domain has."""

    def size(self, value: Any) -> Any:
        """Return the int that ``value`` means here, or arithmetic over symbolic bounds.
        Something that is not a size (None, say) is returned as it is."""
        if isinstance(value, Bound):
            if value.name in self.symbolic:
                return value
            return self.bounds.get(value.name, value.default)
        if isinstance(value, Arithmetic):
            left, right = self.size(value.left), self.size(value.right)
            if isinstance(left, int) and isinstance(right, int):
                return _ARITHMETIC[value.op](left, right)
            return Arithmetic(value.op, left, right)
        return value

    def on(self, feature: Feature) -> bool:
        return self.features.get(feature.name, feature.default)

    def values(self, domain: Any) -> Values:
        """Return the domain with its sizes filled in. Raise ModelError if a scalarset
        or index would need a symbolic bound."""
        match domain:
            case Values():
                return domain
            case _Int(lo, hi):
                least, most = self._end(lo), self._end(hi)
                is_open = self.open and isinstance(most, Bound | Arithmetic)
                return Values("int", "int", least, most, open=is_open)
            case _Wrapping(bits):
                if not isinstance(bits, int) or bits < 1:
                    raise ModelError(f"Wrapping({bits}): a number of bits, like 64")
                return Values("int", "int", 0, (1 << bits) - 1, bits=bits)
            case _Counter(hi):
                end = self._end(hi)
                above = end + 1 if end is not None else None
                return Values("int", "int", -1, above, counter=True)
            case _Bool():
                return Values("bool", "bool", 0, 1)
            case type() if issubclass(domain, Enum):
                if not len(domain):
                    raise ModelError(f"{domain.__name__} has no members")
                return Values(
                    "enum", domain.__name__, 0, len(domain) - 1, members=domain
                )
            case _Scalarset():
                return self._elements(domain)
            case _Maybe(inner):
                v = self.values(inner)
                if v.kind != "element":
                    raise ModelError(f"Maybe({v}): only a Scalarset can be absent")
                if v.open:
                    return replace(v, lo=-1, off=False)
                return replace(v, lo=0, hi=v.size, off=False)
            case _SetOf(inner):
                v = self.values(inner)
                if v.open:
                    return Values("set", v.name, 0, None, inner=v, open=True)
                if not v.finite:
                    raise ModelError(f"SetOf({v}): give the domain both ends")
                return Values("set", v.name, 0, (1 << len(v)) - 1, inner=v)
            case _Given(feature, inner, off):
                v = self.values(inner)
                if self.on(feature):
                    return v
                raw = v.raw(off)
                return replace(v, lo=raw, hi=raw, off=True, open=False)
        raise _no_domain(domain)

    def _elements(self, domain: _Scalarset) -> Values:
        name, n = domain.name, self._end(domain.size)
        last: Any
        is_open = self.open and isinstance(n, Bound | Arithmetic)
        if is_open:
            last, n = Arithmetic("-", n, 1), -1
        elif not isinstance(n, int):
            raise ModelError(f"the size of {name} cannot stay symbolic")
        elif n < 0:
            raise ModelError(f"{name} has no size: {n}")
        else:
            last = n - 1
        return Values(
            "element",
            name,
            0,
            last,
            size=n,
            prefix=domain.prefix,
            ordered=domain.ordered,
            open=is_open,
        )

    def _end(self, value: Any) -> Any:
        end = self.size(value)
        if (
            end is None
            or isinstance(end, Bound | Arithmetic)
            or (isinstance(end, int) and not isinstance(end, bool))
        ):
            return end
        raise ModelError(f"{end!r} is not a size: write a number or a Bound")


def _no_domain(value: Any) -> ModelError:
    """Return the error for a value that is not a domain, with what to write instead."""
    shown = value.__name__ if isinstance(value, type) else repr(value)
    meant = _MEANT.get(value) if isinstance(value, type) else None
    every = (
        "Int(lo, hi), Bool(), an Enum class, Scalarset(...), Maybe(...), SetOf(...), "
        "Wrapping(bits), Counter(hi)"
    )
    return ModelError(f"{shown} is not a domain: write {meant or every}")


_ARITHMETIC: dict[str, Callable[[int, int], int]] = {
    "+": lambda a, b: a + b,
    "-": lambda a, b: a - b,
    "*": lambda a, b: a * b,
}

_MEANT: dict[type, str] = {
    bool: "Bool()",
    int: "Int(lo, hi)",
    set: "SetOf(DOMAIN)",
    frozenset: "SetOf(DOMAIN)",
    Enum: "an Enum class of your own",
}
