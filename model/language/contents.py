# SPDX-License-Identifier: GPL-2.0-only
"""The contents of a design, with those of base classes and blocks: its state
variables, and the bounds and features that it depends on.
"""

from __future__ import annotations

import inspect
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from types import FunctionType
from typing import Any

from poolproof.model.language.declarations import (
    Block,
    Field,
    members,
    own_classes,
)
from poolproof.model.language.domains import (
    ANY,
    Arithmetic,
    Binding,
    Bound,
    Domain,
    Feature,
    Int,
    ModelError,
    Values,
    _Counter,
    _Int,
    _Scalarset,
    made_of,
)
from poolproof.model.language.failures import FAILURES, LEFT, may_fail
from poolproof.model.language.methods import (
    check_forwarders,
    closure,
    evaluated,
    features_of,
)
from poolproof.model.language.spelling import nearest


@dataclass(frozen=True)
class Slot:
    """One state variable of a bound design: where it lives and its values.
    ``start`` is the initial Python value of each cell, arithmetic over
    symbolic bounds, or ANY."""

    name: str
    field: Field
    index: tuple[Values, ...]
    values: Values
    start: Any
    off: bool
    where: tuple[type, str]


def slots(owner: Any, binding: Binding, prefix: str = "") -> Iterator[Slot]:
    """Every state variable of a design class (or block), in declaration
    order, blocks' fields as ``block.field``. Fields of features that are off
    come with ``off`` set. Last is what is left of the failures, where there are
    any. Raises ModelError for one that cannot be."""
    yield from _written(owner, binding, prefix)
    if not prefix and binding.bounds.get(FAILURES.name, 0):
        most = binding.size(FAILURES)
        field = Field((), Int(0, most), most, (), "calls that may still fail")
        yield _slot(LEFT, field, binding, (owner, LEFT))


def _written(owner: Any, binding: Binding, prefix: str) -> Iterator[Slot]:
    """Yield the `slots` without those that no text declares."""
    cls = owner if isinstance(owner, type) else type(owner)
    for name, value in members(owner).items():
        match value:
            case Field():
                try:
                    yield _slot(prefix + name, value, binding, (cls, name))
                except ModelError as e:
                    wrong = ModelError(f"{prefix}{name}: {e}")
                    wrong.where = (cls, name)
                    raise wrong from None
            case Block():
                yield from _written(value, binding, f"{prefix}{name}.")


def _slot(name: str, field: Field, binding: Binding, where: tuple[type, str]) -> Slot:
    off = not all(binding.on(f) for f in field.when)
    index = tuple(binding.values(d) for d in field.index)
    for v in index:
        if v.counter:
            raise ModelError("a Counter is a field's domain: write Int(0, hi)")
        if not (v.finite or (v.open and isinstance(v.lo, int))):
            raise ModelError(f"{v} is not an index: give the domain both ends")
        if v.finite and v.hi < v.lo and not off:
            raise ModelError(f"its index, {v}, is empty")
    values = binding.values(field.domain)
    start = binding.size(field.default(values))
    if values.finite and values.hi < values.lo:
        raise ModelError(f"{values} is empty")
    if start is ANY and not (values.finite or values.open):
        raise ModelError("init=ANY needs a finite range")
    if start is not ANY and not isinstance(start, Bound | Arithmetic):
        try:
            raw = values.raw(start)
        except ModelError:
            raise ModelError(f"it starts as {start!r}, no value of {values}") from None
        low = isinstance(values.lo, int) and raw < values.lo
        if low or (isinstance(values.hi, int) and raw > values.hi):
            raise ModelError(f"it starts as {start!r}, outside {values}")
    if values.counter and (start is ANY or (isinstance(start, int) and start < 0)):
        raise ModelError(f"a Counter starts as a count, not as {start}")
    return Slot(name, field, index, values, start, off, where)


def _mentioned(
    owner: Any, function: FunctionType, returned: bool = True
) -> Iterator[Any]:
    """Yield the values that a method names in annotations, defaults and its code
    (nested code included), from its module and the functions around it."""
    for name, annotation in function.__annotations__.items():
        if name == "return" and not returned:
            continue
        try:
            yield evaluated(owner, function, annotation)
        except ModelError:  # reported where the annotation is needed
            continue
    yield from function.__defaults__ or ()
    yield from closure(function).values()
    codes = [function.__code__]
    while codes:
        code = codes.pop()
        codes.extend(c for c in code.co_consts if inspect.iscode(c))
        for name in code.co_names:
            if name in function.__globals__:
                yield function.__globals__[name]


def _parts(owner: Any) -> Iterator[tuple[Any, str, Any]]:
    """(owner, name, member) of a design class or block and of all its
    blocks, methods that are overridden included: `super()` may call them."""
    for base in own_classes(owner):
        for name, value in vars(base).items():
            if isinstance(value, FunctionType):
                yield owner, name, value
    for name, value in members(owner).items():
        if isinstance(value, Block):
            yield from _parts(value)
        elif not isinstance(value, FunctionType):
            yield owner, name, value


def declared(cls: type) -> tuple[dict[str, Bound], dict[str, Feature]]:
    """Return every bound and feature that a design depends on, by name."""
    bounds, features = _declared(cls)
    return dict(bounds), dict(features)


class _Declarations:
    """The bounds and features that were met, by name."""

    def __init__(self) -> None:
        self.bounds: dict[str, Bound] = {}
        self.features: dict[str, Feature] = {}
        self.scalarsets: dict[str, _Scalarset] = {}

    def note(self, known: dict[str, Any], value: Any) -> None:
        """Raise ModelError if another one has the name."""
        name = value.name
        if known.setdefault(name, value) != value:
            raise ModelError(
                f"two different {type(value).__name__.strip('_')}s are called {name!r}"
            )

    def visit(self, value: Any) -> None:
        if isinstance(value, Field):
            for part in (*value.index, value.domain, value.init, *value.when):
                self.visit(part)
        for part in made_of(value):
            match part:
                case Bound():
                    self.note(self.bounds, part)
                case _Scalarset():
                    self.note(self.scalarsets, part)
                case Feature():
                    self.note(self.features, part)
                    for need in part.needs:
                        for feature in need.features:
                            self.visit(feature)


@lru_cache(64)
def _declared(cls: type) -> tuple[dict[str, Bound], dict[str, Feature]]:
    """Return `declared`, which reads the text of all methods: once for each class."""
    names = _Declarations()
    check_forwarders(cls)
    for owner, name, value in _parts(cls):
        if not isinstance(value, FunctionType):
            names.visit(value)
            continue
        mark = value.__dict__.get("action") or value.__dict__.get("invariant")
        if mark is not None:
            for feature in features_of(owner, name, mark):
                names.visit(feature)
        for part in _mentioned(owner, value):
            names.visit(FAILURES if part is may_fail else part)
    _leave_out(cls, names.features)
    return names.bounds, names.features


def _leave_out(cls: type, features: dict[str, Feature]) -> None:
    """Leave out what the class attribute ``lacks`` names. Raise ModelError if that is
    no feature that can be left out."""
    lacks = getattr(cls, "lacks", ())
    for feature in lacks:
        if not isinstance(feature, Feature) or feature.default:
            raise ModelError(
                f"lacks: {feature!r} is not a feature that is off by default"
            )
        features.pop(feature.name, None)
    for feature in features.values():
        for need in feature.needs:
            if all(f in lacks for f in need.features):
                raise ModelError(f"lacks: {need} is what {feature.name} needs")


def structural(cls: type) -> frozenset[str]:
    """Return the bounds that decide how many variables, actions or loop iterations
    there are; the others can stay symbolic in a proof for any size."""
    needed: set[str] = set()

    def sizes(value: Any) -> None:
        needed.update(p.name for p in made_of(value) if isinstance(p, Bound))

    for owner, _, value in _parts(cls):
        match value:
            case Field(index, domain, _, _, _):
                for part in index:
                    sizes(part)
                if not isinstance(domain, _Int | _Counter):
                    sizes(domain)
            case FunctionType():
                for part in _mentioned(owner, value, returned=False):
                    if isinstance(part, Domain):
                        sizes(part)
                    elif part is may_fail:
                        sizes(FAILURES)
            case Domain():
                sizes(value)
    return frozenset(needed)


_ELEMENTS, _NUMBER = 4096, 10**12
"""The greatest value of a bound that is structural, and of any other."""


def outside(cls: type, bound: Bound, value: int) -> str:
    """Return why a bound of the design cannot have the value, with the limit; '' if
    it can."""
    if value < bound.least:
        return f"{bound.name} is at least {bound.least}"
    if value > _NUMBER:
        return f"{bound.name} is at most {_NUMBER}"
    if value > _ELEMENTS and bound.name in structural(cls):
        return f"{bound.name} is at most {_ELEMENTS}: it says how many there are"
    return ""


def bind(
    cls: type,
    bounds: Mapping[str, int],
    without: Sequence[str] = (),
    having: Sequence[str] = (),
    symbolic: frozenset[str] = frozenset(),
    open_domains: bool = False,
) -> Binding:
    """Return the binding of all bounds and features, with the given ones set.
    ``open_domains``: symbolic bounds may decide how many values a domain has."""
    known, features = declared(cls)
    for name in (*bounds, *symbolic):
        if name not in known:
            raise ModelError(
                f"{cls.__name__} has no bound {name!r}" + nearest(name, known)
            )
    for name, value in bounds.items():
        if not isinstance(value, int) or isinstance(value, bool):
            raise ModelError(f"{name} = {value!r}: a bound is a number")
        if reason := outside(cls, known[name], value):
            raise ModelError(f"{name} = {value}: {reason}")
    for name in (*without, *having):
        if name not in features:
            raise ModelError(
                f"{cls.__name__} has no feature {name!r}" + nearest(name, features)
            )
    selected = with_needs(features, having, without)
    return Binding(
        {n: bounds.get(n, b.default) for n, b in known.items()},
        {
            n: (f.default or n in selected) and n not in without
            for n, f in features.items()
        },
        symbolic,
        open_domains,
    )


def with_needs(
    features: Mapping[str, Feature],
    having: Sequence[str],
    without: Sequence[str] = (),
) -> tuple[str, ...]:
    """Return the given names, followed by those of all features that they
    need and that are off by default. Raises ModelError where ``without``
    leaves out what is needed."""
    selected = dict.fromkeys(having)
    todo = list(selected)
    for name in todo:
        for need in features[name].needs if name not in without else ():
            options = [
                f for f in need.features if f.name in features and f.name not in without
            ]
            if not options:
                raise ModelError(
                    f"{name} needs {need}: leave {name} out, or have that, too"
                )
            if not any(f.default or f.name in selected for f in options):
                selected[options[0].name] = None
                todo.append(options[0].name)
    return tuple(selected)
