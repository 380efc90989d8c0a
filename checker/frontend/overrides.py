# SPDX-License-Identifier: GPL-2.0-only
"""Whether the methods that an heir writes take the place of those it means.

Python accepts an override with other parameters, and takes a misspelt one for
a new method that nobody calls. Either leaves the user with another design than
the text says, so both are looked for before a design is compiled.
"""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from functools import cache
from types import FunctionType
from typing import Any

from poolproof.checker.core.diagnostic import UserError
from poolproof.checker.core.source import (
    member_span,
    method_tree,
    names_in,
    parts,
    span_of,
)
from poolproof.checker.core.system import Span
from poolproof.model.language import (
    Design,
    action_methods,
    blocks,
    did_you_mean,
    forwarded,
    invariant_methods,
    observer_methods,
    own_classes,
    resolved,
)

_ALIKE = 0.82
"""From this likeness on (1: equal), a method that nobody calls is taken for a
misspelling of an inherited one. ``munmap`` is like ``mmap`` by 0.8."""


@cache
def check_overrides(design: type[Design]) -> None:
    """Raise UserError, at the line of the subclass, for a method whose parameters are
    not those of the method that it overrides, and for a method that is never called and
    has nearly the name of an inherited one."""
    for _, _, value, inherited in _members(design):
        if value is not None:
            known = inherited.get(value.__name__)
            if isinstance(known, FunctionType) and not forwarded(value):
                _check_parameters(design, value, resolved(design, known)[1])
    for cls, name, value, inherited in _idle(design):
        removed = value is not None and getattr(design, name, value) is None
        if removed or not _written_with(design, cls):
            continue
        others = [
            n
            for n, v in inherited.items()
            if isinstance(v, FunctionType) and n not in vars(cls)
        ]
        close = did_you_mean(name, others, alike=_ALIKE)
        if close:
            does = "is never called and overrides" if value else "= None removes"
            raise UserError(_place(cls, name, value), f"{name} {does} nothing{close}")


def idle_methods(design: type[Design]) -> tuple[tuple[Span, str], ...]:
    """Return the places and names of the methods without effect: they override nothing,
    nothing calls them, and they are neither actions nor observers. A method that a
    subclass removes (``name = None``) does not count."""
    found = [
        (_place(cls, name, value), name)
        for cls, name, value, _ in _idle(design)
        if value is not None
        and getattr(design, name, value) is not None
        and _written_with(design, cls)
    ]
    return tuple((span, name) for span, name in found if span is not None)


Member = tuple[type, str, FunctionType | None, dict[str, Any]]
"""A class, the name and value of one of its members (None removes what is
inherited), and all that the class inherits."""


def _members(design: type[Design]) -> Iterator[Member]:
    """The methods of the design's classes and of its blocks', bases first."""
    seen: set[type] = set()
    for part in parts(design):
        inherited: dict[str, Any] = {}
        for cls in reversed(own_classes(part)):
            for name, value in vars(cls).items():
                method = value is None or isinstance(value, FunctionType)
                if method and cls not in seen and not name.startswith("__"):
                    yield cls, name, value, dict(inherited)
            seen.add(cls)
            inherited.update(vars(cls))


def _idle(design: type[Design]) -> Iterator[Member]:
    """Yield the methods that override nothing and that no method mentions."""
    members = list(_members(design))
    used = {*action_methods(design), *observer_methods(design), "initial"}
    for owner in (design, *(block for _, block in blocks(design))):
        used.update(invariant_methods(owner))
    for _, _, value, _ in members:
        if value is not None:
            used.update(names_in(value.__code__))
    return (m for m in members if m[1] not in used and m[1] not in m[3])


def _written_with(design: type[Design], cls: type) -> bool:
    """Return whether the class stands in a file with classes of the design; a block of
    a library has methods for other designs, too."""
    return cls.__module__ in {c.__module__ for c in own_classes(design)}


def _place(cls: type, name: str, value: FunctionType | None) -> Span | None:
    return member_span(cls, name) if value is None else span_of(*method_tree(value))


# --- parameters -----------------------------------------------------------


def _check_parameters(
    design: type[Design], function: FunctionType, inherited: FunctionType
) -> None:
    """Every call of the inherited method must be one of its override."""
    mine, theirs = _parameters(function), _parameters(inherited)
    is_action = function.__name__ in action_methods(design)
    same = len(mine) >= len(theirs) and all(
        a.name == b.name and (b.default is b.empty or a.default is not a.empty)
        for a, b in zip(mine, theirs, strict=False)
    )
    more = mine[len(theirs) :]
    if same and all(p.default is not p.empty and not is_action for p in more):
        return
    file, tree = method_tree(function)
    where, other = method_tree(inherited)
    advice = "take the same parameters"
    if is_action:
        advice += f", or write `{function.__name__} = None` and give yours another name"
    whose = inherited.__qualname__.rpartition(".")[0].rpartition(".")[2]
    raise UserError(
        span_of(file, tree),
        f"{function.__name__}({_shown(mine)}) overrides {whose}."
        f"{inherited.__name__}({_shown(theirs)}), {where}:{other.lineno}: {advice}",
    )


def _parameters(function: FunctionType) -> list[inspect.Parameter]:
    return list(inspect.signature(function).parameters.values())[1:]


def _shown(parameters: list[inspect.Parameter]) -> str:
    bare = (p.replace(annotation=p.empty) for p in parameters)
    return ", ".join(["self", *map(str, bare)])
