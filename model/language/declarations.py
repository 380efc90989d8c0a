# SPDX-License-Identifier: GPL-2.0-only
"""Declarations of a design: fields, actions, observers and blocks."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, TypeVar, overload
from weakref import WeakKeyDictionary

from poolproof.model.language.domains import (
    Feature,
    ModelError,
    OutOfRange,
    Values,
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
        """Return the initial Python value of each cell (ANY stays ANY)."""
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
            case "element" if not values.may_be_absent:
                raise ModelError(
                    f"a field over {values} needs an initial value: "
                    f"make it Maybe({values.name}), or init=ANY"
                )
            case "element":
                return None
            case _:
                return values.python(values.lo)


def as_features(when: Any) -> tuple[Feature, ...]:
    """Return the features of ``when=`` as a tuple. Raise ModelError if it is
    neither a Feature nor a tuple of them."""
    given = () if when is None else (when,) if isinstance(when, Feature) else when
    if not isinstance(given, tuple):
        raise ModelError(f"when={given!r}: name a Feature, or a tuple of them")
    for feature in given:
        if not isinstance(feature, Feature):
            raise ModelError(f"when={feature!r}: name a Feature, or a tuple of them")
    return given


def var(domain: Any, init: Any = None, when: Any = None, doc: str = "") -> Any:
    """A state variable. ``init``: a value, a bound, or ANY; by default 0
    (the least value of a range without 0), False, the first label, None or
    the empty set. ``when``: features without which it is no state, and reads
    as its initial value."""
    return Field((), domain, init, as_features(when), doc)


def table(
    *index_and_domain: Any, init: Any = None, when: Any = None, doc: str = ""
) -> Any:
    """A state variable for each value of one or two index domains:
    ``table(NODES, Int(0, B), init=B)``."""
    *index, domain = index_and_domain
    if not 1 <= len(index) <= 2:
        raise ModelError("table(INDEX, DOMAIN) or table(INDEX, INDEX, DOMAIN)")
    return Field(tuple(index), domain, init, as_features(when), doc)


# --- methods -------------------------------------------------------------

Method = TypeVar("Method", bound=Callable[..., Any])


@dataclass(frozen=True)
class ActionMark:
    """What `@action` remembers: the kernel function and the features. In a
    block, ``named`` may be the attribute that has the features. ``task`` is the
    parameter that is the task, if `@action` names it. ``silent``: the kernel does it
    by itself; of a call, it chooses the parameters in ``chosen``."""

    kernel: str
    when: tuple[Feature, ...]
    named: str = ""
    task: str = ""
    silent: bool = False
    chosen: tuple[str, ...] = ()


def action_mark(
    kernel: str,
    when: Any,
    task: str = "",
    silent: bool = False,
    chosen: str | tuple[str, ...] = (),
) -> ActionMark:
    """Return what a mark with these arguments remembers. Raises ModelError
    where ``when`` is neither features nor a name."""
    named = when if isinstance(when, str) else ""
    features = as_features(None if named else when)
    names = (chosen,) if isinstance(chosen, str) else tuple(chosen)
    return ActionMark(kernel, features, named, task, silent, names)


@overload
def action(function: Method, /) -> Method: ...
@overload
def action(
    *,
    kernel: str = "",
    when: Any = None,
    task: str = "",
    silent: bool = False,
    chosen: str | tuple[str, ...] = (),
) -> Callable[[Method], Method]: ...
def action(
    function: Method | None = None,
    *,
    kernel: str = "",
    when: Any = None,
    task: str = "",
    silent: bool = False,
    chosen: str | tuple[str, ...] = (),
) -> Method | Callable[[Method], Method]:
    """Mark a method as an action, which may happen with all arguments that its
    `require`s allow. It is one atomic step, or one up to each `yield`: "the lock is
    dropped here". ``kernel`` cites file:function. ``when`` are the features that the
    action needs; in a block it may also be the name of the attribute that has them.
    ``task`` names the parameter that is the task, by default `t` or `task`: it does
    one action at a time. ``silent`` says that no task asks for it: the kernel does it
    by itself. ``chosen`` names parameters that the kernel chooses, as the node of a
    page."""
    mark_ = action_mark(kernel, when, task, silent, chosen)

    def mark(method: Method) -> Method:
        method.__dict__["action"] = mark_
        return method

    return mark if function is None else mark(function)


def observer(function: Method) -> Method:
    """Mark a pure method that specs may call by its name."""
    function.__dict__["observer"] = True
    return function


@overload
def invariant(function: Method, /) -> Method: ...
@overload
def invariant(*, when: Any) -> Callable[[Method], Method]: ...
def invariant(
    function: Method | None = None, *, when: Any = None
) -> Method | Callable[[Method], Method]:
    """Marks a pure method of a block or a design that returns a condition.
    That it holds in every state is an implicit property of each design that
    has the block, and is asked in every check. ``when`` is as in `action`."""
    mark_ = action_mark("", when)

    def mark(method: Method) -> Method:
        method.__dict__["invariant"] = mark_
        return method

    return mark if function is None else mark(function)


class OwnDomain:
    """A domain that a block is given when it is made; see `domain`."""

    name = ""

    def __set_name__(self, owner: type, name: str) -> None:
        self.name = name


def domain() -> Any:
    """A domain that a block's __init__ sets, for the annotations of its
    methods: ``holders = domain()`` in the class, ``holder: holders`` there."""
    return OwnDomain()


# --- blocks --------------------------------------------------------------


class Block:
    """A part of a design with fields and methods of its own. Declare fields
    in the class body, or in __init__ from the domains it is given.

    A design has the actions and observers of its blocks, each under its own
    name and after those that the design's text declares. The design may give
    one another name (``pin_loan = loans.pin``) or leave it out
    (``pin = None``); an heir of the design may override it, and calls it as
    ``super().pin(...)``.

        class Pins(Block):
            holders, indices = domain(), domain()

            def __init__(self, holders: Any, indices: Any, when: Any) -> None:
                self.holders, self.indices, self.when = holders, indices, when
                self.pinned = table(holders, indices, Bool(), when=when)

            @action(kernel="mm/gup.c:pin_user_pages", when="when")
            def pin(self, holder: holders, index: indices):
                require(self.design.may_pin(holder, index))
                self.pinned[holder, index] = True

    ``self.design`` in a method is the design that the block is part of. It serves
    only to call methods of the design. Such a hook may read and change the
    design's state; the block itself neither reads nor assigns its fields.
    """

    design: Any

    def __new__(cls, *given: Any, **named: Any) -> Any:
        block: Any = object.__new__(cls)
        _GIVEN[block] = given, named
        return block

    def __init__(self) -> None:
        pass

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


_GIVEN: WeakKeyDictionary[Block, tuple[tuple[Any, ...], dict[str, Any]]]
_GIVEN = WeakKeyDictionary()
"""What each block was made from."""


def made_like(block: Any, cls: type, **others: Any) -> Any:
    """Return a block of the class ``cls``, made from what ``block`` was made from.
    ``others`` are given in place of the parameters of these names, which are those
    of ``block``'s class:

        class SharedPool(Pool):
            pages = made_like(Pool.pages, SharedPages, most=B + T)

    Raise ModelError for a name that is no parameter."""
    given, named = _GIVEN[block]
    made_from = inspect.signature(type(block).__init__).bind(block, *given, **named)
    for name in others:
        if name not in made_from.signature.parameters:
            raise ModelError(
                f"{type(block).__name__} has no parameter {name!r}"
                + nearest(name, made_from.arguments)
            )
    made_from.arguments.update(others)
    return cls(*made_from.args[1:], **made_from.kwargs)


LANGUAGE = frozenset(("builtins", __name__, "poolproof.model.language.design"))
"""Modules whose classes (object, Block, Design) are no part of a design."""


def own_classes(thing: Any) -> tuple[type, ...]:
    """Return the class (of a block) and its bases that a user wrote, most derived
    first."""
    cls = thing if isinstance(thing, type) else type(thing)
    return tuple(c for c in cls.__mro__ if c.__module__ not in LANGUAGE)


def members(thing: Any) -> dict[str, Any]:
    """Return all attributes of a design class, or of a block as declared: base classes
    first, then the class, then what __init__ set."""
    found: dict[str, Any] = {}
    for base in reversed(own_classes(thing)):
        found.update(vars(base))
    if not isinstance(thing, type):
        found.update(vars(thing))
    return found
