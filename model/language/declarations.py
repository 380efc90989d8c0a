"""What a design declares: fields, blocks, actions, observers; and the lists
of all that a design class has, base classes and blocks included.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from types import FunctionType
from typing import Any, TypeVar, overload

from poolproof.model.language.domains import (
    ANY,
    Arithmetic,
    Binding,
    Bool,
    Bound,
    Domain,
    Feature,
    Int,
    ModelError,
    OutOfRange,
    Values,
    _Counter,
    _Given,
    _Int,
    _Maybe,
    _Scalarset,
    _SetOf,
)
from poolproof.model.language.spelling import nearest

# --- fields --------------------------------------------------------------


@dataclass(frozen=True, eq=False)
class Field:
    """A declared state variable; use `var` and `table` to make one."""

    index: tuple[Any, ...]
    domain: Any
    init: Any
    when: tuple[Feature, ...]
    doc: str

    def default(self, values: Values) -> Any:
        """The initial Python value of each cell (ANY stays ANY)."""
        if values.off:
            return values.python(values.lo)
        if self.init is not None:
            return self.init
        match values.kind:
            case "int" if values.counter:
                return 0
            case "int" if values.lo is None or values.hi is None:
                return 0 if values.lo is None else values.lo
            case "int" if values.finite and not values.lo <= 0 <= values.hi:
                return values.lo
            case "int":
                return 0
            case "set":
                return frozenset()
            case "element" if values.hi != values.size:
                raise ModelError(
                    f"a field over {values} needs an initial value: "
                    f"make it Maybe({values.name}), or init=ANY"
                )
            case "element":
                return None
            case _:
                return values.python(values.lo)


def _features(when: Any) -> tuple[Feature, ...]:
    given = () if when is None else (when,) if isinstance(when, Feature) else when
    for feature in given:
        if not isinstance(feature, Feature):
            raise ModelError(f"when={feature!r}: name a Feature, or a tuple of them")
    return tuple(given)


def var(domain: Any, init: Any = None, when: Any = None, doc: str = "") -> Any:
    """A state variable. ``init``: a value, a bound, or ANY; by default 0
    (the least value of a range without 0), False, the first label, None or
    the empty set. ``when``: features without which it is no state, and reads
    as its initial value."""
    return Field((), domain, init, _features(when), doc)


def table(
    *index_and_domain: Any, init: Any = None, when: Any = None, doc: str = ""
) -> Any:
    """A state variable for each value of one or two index domains:
    ``table(NODES, Int(0, B), init=B)``."""
    *index, domain = index_and_domain
    if not 1 <= len(index) <= 2:
        raise ModelError("table(INDEX, DOMAIN) or table(INDEX, INDEX, DOMAIN)")
    return Field(tuple(index), domain, init, _features(when), doc)


# --- methods -------------------------------------------------------------

Method = TypeVar("Method", bound=Callable[..., Any])


@dataclass(frozen=True)
class ActionMark:
    """What `@action` remembers: the kernel function and the features."""

    kernel: str
    when: tuple[Feature, ...]


@overload
def action(function: Method, /) -> Method: ...
@overload
def action(*, kernel: str = "", when: Any = None) -> Callable[[Method], Method]: ...
def action(
    function: Method | None = None, *, kernel: str = "", when: Any = None
) -> Method | Callable[[Method], Method]:
    """Marks a method as an action: one critical section that may happen for
    any arguments its `require`s allow. ``kernel`` cites file:function."""

    def mark(method: Method) -> Method:
        method.__dict__["action"] = ActionMark(kernel, _features(when))
        return method

    return mark if function is None else mark(function)


def observer(function: Method) -> Method:
    """Marks a pure method that specs may call by its name."""
    function.__dict__["observer"] = True
    return function


# --- blocks --------------------------------------------------------------


class Block:
    """A part of a design with fields and helper methods of its own. Declare
    fields in the class body, or in __init__ from the domains it is given."""

    def __setattr__(self, name: str, value: Any) -> None:
        fields: dict[str, tuple[Values, bool]] | None = self.__dict__.get("_scalars")
        if fields is None:  # still being declared
            object.__setattr__(self, name, value)
            return
        if name not in fields:
            raise ModelError(self._unassignable(name, fields))
        values, frozen = fields[name]
        python = values.python(values.raw(value))
        if frozen and python != getattr(self, name):
            raise OutOfRange(f"{name} is off and cannot change")
        object.__setattr__(self, name, python)

    def _unassignable(self, name: str, fields: Mapping[str, Any]) -> str:
        known = self.__dict__.get(name)
        if isinstance(known, Block):
            return f"{name} is a block: assign to its fields"
        if hasattr(known, "cells"):
            return f"{name} is a table: assign to {name}[...] entry by entry"
        return (
            f"{type(self).__name__} has no field {name!r}: declare it with var(...)"
            + nearest(name, fields)
        )


LANGUAGE = frozenset(("builtins", __name__, "poolproof.model.language"))
"""Modules whose classes (object, Block, Design) are no part of a design."""


def own_classes(cls: type) -> tuple[type, ...]:
    """The class and its bases that a user wrote, most derived first."""
    return tuple(c for c in cls.__mro__ if c.__module__ not in LANGUAGE)


def members(thing: Any) -> dict[str, Any]:
    """All attributes of a design class, or of a block as declared: base
    classes first, then the class, then what __init__ set."""
    cls = thing if isinstance(thing, type) else type(thing)
    found: dict[str, Any] = {}
    for base in reversed(own_classes(cls)):
        found.update(vars(base))
    if not isinstance(thing, type):
        found.update(vars(thing))
    return found


# --- what a design has ---------------------------------------------------


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
    come with ``off`` set. Raises ModelError for one that cannot be."""
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
                yield from slots(value, binding, f"{prefix}{name}.")


def _slot(name: str, field: Field, binding: Binding, where: tuple[type, str]) -> Slot:
    index = tuple(binding.values(d) for d in field.index)
    for v in index:
        if v.counter:
            raise ModelError("a Counter is a field's domain: write Int(0, hi)")
        if not v.finite:
            raise ModelError(f"{v} is no index: give the domain both ends")
        if v.hi < v.lo:
            raise ModelError(f"its index, {v}, is empty")
    values = binding.values(field.domain)
    start = binding.size(field.default(values))
    if values.finite and values.hi < values.lo:
        raise ModelError(f"{values} is empty")
    if start is ANY and not values.finite:
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
    off = not all(binding.on(f) for f in field.when)
    return Slot(name, field, index, values, start, off, where)


def action_methods(cls: type) -> dict[str, tuple[FunctionType, ActionMark]]:
    """The actions by name, in order of first declaration. A subclass that
    overrides a method of the same name keeps it an action; one that sets the
    name to None removes it."""
    found: dict[str, tuple[FunctionType, ActionMark]] = {}
    for base in reversed(own_classes(cls)):
        for name, value in vars(base).items():
            if isinstance(value, FunctionType):
                mark = value.__dict__.get("action") or (
                    found[name][1] if name in found else None
                )
                if mark is not None:
                    found[name] = (value, mark)
            elif value is None and name in found:
                del found[name]
    return found


def observer_methods(cls: type) -> dict[str, FunctionType]:
    """The observers by name; overridden and removed as actions are."""
    found: dict[str, FunctionType] = {}
    for base in reversed(own_classes(cls)):
        for name, value in vars(base).items():
            if isinstance(value, FunctionType) and (
                value.__dict__.get("observer") or name in found
            ):
                found[name] = value
            elif value is None and name in found:
                del found[name]
    return found


def parameters(cls: type, function: FunctionType) -> dict[str, Any]:
    """A method's parameters and their domains, from its annotations; a
    missing annotation is taken from the method it overrides. Raises
    ModelError where there is none."""
    _, *taken = inspect.signature(function).parameters.values()
    return {p.name: parameter_domain(cls, function, p) for p in taken}


def parameter_domain(cls: type, function: FunctionType, p: inspect.Parameter) -> Any:
    """The domain of one of `parameters`."""
    if p.kind is not p.POSITIONAL_OR_KEYWORD:
        raise ModelError(f"parameter {p.name!r}: no *, ** and / among parameters")
    overridden = (vars(base).get(function.__name__) for base in own_classes(cls))
    for f in (function, *overridden):
        if isinstance(f, FunctionType) and p.name in f.__annotations__:
            return _evaluated(cls, f, f.__annotations__[p.name])
    raise ModelError(
        f"parameter {p.name!r} has no domain: annotate it, like `{p.name}: DOMAIN`"
    )


def returns(cls: type, function: FunctionType) -> Any:
    """The domain that a method's return annotation names, or None. Here, and
    only here, ``bool`` and ``int`` say enough."""
    for base in own_classes(cls):
        f = vars(base).get(function.__name__)
        if isinstance(f, FunctionType) and "return" in f.__annotations__:
            wanted = _evaluated(cls, f, f.__annotations__["return"])
            return Bool() if wanted is bool else Int() if wanted is int else wanted
    return None


def closure(function: FunctionType) -> dict[str, Any]:
    """The names that a method takes from an enclosing function."""
    found: dict[str, Any] = {}
    names = function.__code__.co_freevars
    for name, cell in zip(names, function.__closure__ or (), strict=True):
        try:
            found[name] = cell.cell_contents
        except ValueError:  # not assigned yet
            continue
    return found


def _evaluated(cls: type, function: FunctionType, annotation: Any) -> Any:
    if not isinstance(annotation, str):
        return annotation
    scope = {k: v for base in reversed(cls.__mro__) for k, v in vars(base).items()}
    try:
        return eval(annotation, {**function.__globals__, **closure(function)}, scope)
    except NameError as e:
        known = [
            k
            for k, v in {**function.__globals__, **scope}.items()
            if isinstance(v, Domain | type)
        ]
        raise ModelError(f"no {e.name!r} here" + nearest(e.name or "", known)) from None
    except Exception as e:
        shown = e.msg if isinstance(e, SyntaxError) else e
        raise ModelError(f"annotation {annotation!r}: {shown}") from None


def _mentioned(
    cls: type, function: FunctionType, returned: bool = True
) -> Iterator[Any]:
    """What a method names: in annotations, defaults and its code (nested
    code included), from its module and the functions around it."""
    for name, annotation in function.__annotations__.items():
        if name == "return" and not returned:
            continue
        try:
            yield _evaluated(cls, function, annotation)
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


def _parts(owner: Any) -> Iterator[tuple[type, str, Any]]:
    """(class, name, member) of a design class or block and of all its
    blocks, methods that are overridden included: `super()` may call them."""
    cls = owner if isinstance(owner, type) else type(owner)
    for base in own_classes(cls):
        for name, value in vars(base).items():
            if isinstance(value, FunctionType):
                yield cls, name, value
    for name, value in members(owner).items():
        if isinstance(value, Block):
            yield from _parts(value)
        elif not isinstance(value, FunctionType):
            yield cls, name, value


def declared(cls: type) -> tuple[dict[str, Bound], dict[str, Feature]]:
    """Every bound and feature that a design depends on, by name."""
    bounds: dict[str, Bound] = {}
    features: dict[str, Feature] = {}
    scalarsets: dict[str, _Scalarset] = {}

    def note(known: dict[str, Any], name: str, value: Any) -> None:
        if known.setdefault(name, value) != value:
            raise ModelError(
                f"two different {type(value).__name__.strip('_')}s are called {name!r}"
            )

    def visit(value: Any) -> None:
        match value:
            case Bound():
                note(bounds, value.name, value)
            case Feature():
                note(features, value.name, value)
                for need in value.needs:
                    for feature in need.features:
                        visit(feature)
            case Arithmetic(_, left, right):
                visit(left)
                visit(right)
            case _Int(lo, hi):
                visit(lo)
                visit(hi)
            case _Counter(hi):
                visit(hi)
            case _Scalarset(name, size, _, _):
                note(scalarsets, name, value)
                visit(size)
            case _Maybe(inner) | _SetOf(inner):
                visit(inner)
            case _Given(feature, inner, _):
                visit(feature)
                visit(inner)
            case Field(index, domain, init, when, _):
                for part in (*index, domain, init, *when):
                    visit(part)

    for owner, name, value in _parts(cls):
        if not isinstance(value, FunctionType):
            visit(value)
            continue
        mark = value.__dict__.get("action")
        if mark is not None:
            if owner is not cls:
                wrong = ModelError(
                    f"{owner.__name__}.{name}: a block has no actions; "
                    "write one in the design that calls it"
                )
                wrong.where = (owner, name)
                raise wrong
            for feature in mark.when:
                visit(feature)
        for part in _mentioned(owner, value):
            visit(part)
    return bounds, features


def structural(cls: type) -> frozenset[str]:
    """The bounds that decide how many variables, actions or loop rounds
    there are; the others can stay symbolic in a proof for any size."""
    needed: set[str] = set()

    def sizes(value: Any) -> None:
        match value:
            case Bound():
                needed.add(value.name)
            case Arithmetic(_, left, right):
                sizes(left)
                sizes(right)
            case _Int(lo, hi):
                sizes(lo)
                sizes(hi)
            case _Counter(hi):
                sizes(hi)
            case _Scalarset(_, size, _, _):
                sizes(size)
            case _Maybe(inner) | _SetOf(inner) | _Given(_, inner, _):
                sizes(inner)

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
            case Domain():
                sizes(value)
    return frozenset(needed)


_ELEMENTS, _NUMBER = 4096, 10**12
"""The greatest value of a bound that is structural, and of any other."""


def outside(cls: type, bound: Bound, value: int) -> str:
    """Why a bound of the design cannot have the value, with the limit; ''
    where it can."""
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
) -> Binding:
    """All bounds and features of the design with the given ones set."""
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
            options = [f for f in need.features if f.name not in without]
            if not options:
                raise ModelError(
                    f"{name} needs {need}: leave {name} out, or have that, too"
                )
            if not any(f.default or f.name in selected for f in options):
                selected[options[0].name] = None
                todo.append(options[0].name)
    return tuple(selected)
