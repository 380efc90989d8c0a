# SPDX-License-Identifier: GPL-2.0-only
"""Two designs as user space sees them: which of their actions are the same call.

A spec's `user` lines name the calls. Without them, actions of the same name are the
same call, except those that a design marks silent. Arguments match by name. An
argument that only one side has, or that a design marks as chosen by the kernel, may
have any value.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from poolproof.checker.core import ir
from poolproof.checker.core.compiled import Compiled
from poolproof.checker.core.diagnostic import UserError
from poolproof.checker.core.ir import Domain, Sort
from poolproof.checker.core.property import Kind
from poolproof.checker.core.system import Action, Span
from poolproof.checker.engines.visible import Form, ShownValue, View
from poolproof.checker.spec import Spec
from poolproof.checker.spec.formulas import Formulas
from poolproof.checker.spec.names import Lookup, MissingName, listed, suggestion
from poolproof.checker.spec.reading import Env, Reading
from poolproof.checker.spec.resolve import constant
from poolproof.checker.spec.syntax import (
    Claim,
    Given,
    KernelLine,
    Name,
    Observed,
    UserCall,
    Way,
    Word,
)
from poolproof.model.language import action_methods

_NOWHERE = Span("", 1, 1)


@dataclass(frozen=True)
class Interface:
    """The interface to user space that two designs share. ``calls`` maps each call to
    its arguments; ``unread`` maps each value that a design does not have to what it
    lacks. For each design, ``only`` are the calls that the other one lacks, ``left``
    the actions that are never taken, and ``open`` the arguments of calls that may have
    any value."""

    views: tuple[View, View]
    calls: Mapping[str, tuple[str, ...]]
    only: tuple[tuple[str, ...], tuple[str, ...]]
    unread: Mapping[str, str]
    left: tuple[tuple[str, ...], tuple[str, ...]]
    open: tuple[tuple[str, ...], tuple[str, ...]]


def interface(one: Compiled, other: Compiled, spec: Spec | None) -> Interface:
    """Return the interface that the designs share. Raise UserError if they have no
    call in common, or for a mistake in the spec's lines."""
    sides = tuple(_Design(c, spec) for c in (one, other))
    _check_names(sides, spec)
    calls = spec.calls if spec is not None and spec.calls else _by_name(sides)
    shared: dict[str, tuple[str, ...]] = {}
    forms: tuple[dict[str, tuple[Form, ...]], ...] = ({}, {})
    only: tuple[list[str], ...] = ([], [])
    opened: tuple[list[str], ...] = ([], [])
    total: set[str] = set()
    for call in calls:
        ways = [side.ways(call) for side in sides]
        name = _name(call, [w for some in ways for w in some], shared)
        for here, there, alone in zip(ways, ways[::-1], only, strict=True):
            if here and not there:
                alone.append(name)
        if not all(ways):
            continue
        names = _common([w for some in ways for w in some])
        shared[name] = names
        if call.total:
            total.add(name)
        within = _within(name, names, ways)
        for mine, some, free in zip(forms, ways, opened, strict=True):
            mine[name] = tuple(w.form(names, within) for w in some)
            free += [t for w in some for t in w.open(names)]
    if not shared:
        designs = " and ".join(s.compiled.source.__name__ for s in sides)
        raise UserError(
            None,
            f"{designs} have no call in common: write which actions are the same, "
            "like `user touch or fault(vma, page)`",
        )
    readings, unread = _readings(sides, spec)
    views = [
        side.view(mine, values, frozenset(total))
        for side, mine, values in zip(sides, forms, readings, strict=True)
    ]
    return Interface(
        (views[0], views[1]),
        shared,
        (tuple(only[0]), tuple(only[1])),
        unread,
        (sides[0].left(forms[0], only[0]), sides[1].left(forms[1], only[1])),
        (tuple(opened[0]), tuple(opened[1])),
    )


@dataclass(frozen=True)
class _Way:
    """An action as one way to take a call: where its parameters stand by their names
    in the call (an error may be at ``span``), and those that are fixed."""

    action: Action
    given: Mapping[str, int]
    fixed: Mapping[int, int]
    span: Span | None

    def domain(self, name: str) -> Domain:
        return self.action.parameters[self.given[name]].domain

    def form(self, names: Sequence[str], within: Sequence[range]) -> Form:
        places = tuple(self.given[n] for n in names)
        return Form(self.action, places, tuple(within), self.fixed)

    def fixed_texts(self) -> Iterator[str]:
        """Yield the arguments that are fixed, like ``write=true``."""
        for k, raw in self.fixed.items():
            p = self.action.parameters[k]
            yield f"{p.name}={ir.show_raw(p.local.sort, raw)}"

    def open(self, names: Sequence[str]) -> Iterator[str]:
        """Yield the parameters that may have any value."""
        taken = {self.given[n] for n in names} | set(self.fixed)
        for k, p in enumerate(self.action.parameters):
            if k not in taken and len(p.domain) > 1:
                yield f"{p.name} of {self.action.name}"


class _Design:
    """One of the two designs."""

    def __init__(self, compiled: Compiled, spec: Spec | None) -> None:
        if compiled.processes is not None:
            raise UserError(
                None,
                f"{compiled.source.__name__} has actions that yield: compare takes "
                "designs whose calls are one step each",
            )
        self.compiled, self.spec = compiled, spec
        self.names = Lookup(compiled)
        self.marks = {n: m for n, (_, m) in action_methods(compiled.source).items()}
        asked = {self.own(word) for word in _asked(spec)}
        named = {self.own(s.way.action): s for s in _silent(spec)}
        self.first = frozenset(name for name, s in named.items() if s.first)
        self.silent = tuple(
            self.by_itself(a, named.get(a.name))
            for a in compiled.system.actions
            if a.name in named or (self.marks[a.name].silent and a.name not in asked)
        )
        self.silent_names = frozenset(f.action.name for f in self.silent)

    def by_itself(self, action: Action, silent: KernelLine | None) -> Form:
        fixed = {} if silent is None else self.way(action, silent.way).fixed
        return Form(action, (), (), fixed)

    def own(self, word: Word) -> str:
        """Return the name of the action that a word means in this design; "" if none.
        ``Pool.mmap`` is an action of Pool and its subclasses only."""
        owner, _, name = word.text.rpartition(".")
        classes = {c.__name__ for c in self.compiled.source.__mro__}
        return name if not owner or owner in classes else ""

    def ways(self, call: UserCall) -> list[_Way]:
        """Return the call's actions that the design has here."""
        known = self.compiled.system.action_by_name
        pairs = ((self.own(w.action), w) for w in call.ways)
        return [self.way(known[name], w) for name, w in pairs if name in known]

    def way(self, action: Action, way: Way) -> _Way:
        place = {p.name: k for k, p in enumerate(action.parameters) if not p.implicit}
        if way.arguments is None:
            chosen = self.marks[action.name].chosen
            given = {n: k for n, k in place.items() if n not in chosen}
            return _Way(action, given, {}, None)
        given, fixed = {}, {}
        for word in way.arguments:
            name = word.parameter
            if name.text not in place:
                raise UserError(
                    name.span,
                    f"`{action.name}` has no parameter `{name.text}`"
                    f"{suggestion(name.text, place)}: it has {listed(place)}",
                )
            k = place[name.text]
            alias = self.alias(word)
            if alias is None:
                fixed[k] = self.value(word, action.parameters[k].domain)
            elif alias in given:
                raise UserError(name.span, f"`{alias}` is twice in this call")
            else:
                given[alias] = k
        return _Way(action, given, fixed, way.action.span)

    def alias(self, word: Given) -> str | None:
        """Return the parameter's name in the call, or None if it has a value there."""
        if word.value is None:
            return word.parameter.text
        if isinstance(word.value, Name) and not self.means(word.value.text):
            return word.value.text
        return None

    def means(self, name: str) -> bool:
        lets = self.spec.lets if self.spec is not None else ()
        return bool(self.names.kind_of(name)) or any(t.name.text == name for t in lets)

    def value(self, word: Given, domain: Domain) -> int:
        assert self.spec is not None
        assert word.value is not None
        try:
            raw = constant(self.spec, self.names, word.value, domain.sort, {})
        except MissingName as reason:
            raise reason.mistake from None
        if raw not in domain:
            raise UserError(
                word.parameter.span,
                f"{word.parameter.text} cannot be {ir.show_raw(domain.sort, raw)}: "
                f"write a value from {ir.show_raw(domain.sort, domain.lo)} to "
                f"{ir.show_raw(domain.sort, domain.hi)}",
            )
        return raw

    def view(
        self,
        forms: Mapping[str, tuple[Form, ...]],
        readings: Mapping[str, ShownValue],
        total: frozenset[str],
    ) -> View:
        compiled = self.compiled
        stopping = {p.action for p in compiled.assertions if p.assertion == "bug_on"}
        stops = {name: compiled.stops(name) for name in stopping if name is not None}
        return View(
            compiled.system, forms, self.silent, readings, stops, total, self.first
        )

    def left(
        self, forms: Mapping[str, tuple[Form, ...]], only: Iterable[str]
    ) -> tuple[str, ...]:
        """Return the actions that are never taken, without those that only this design
        has as calls."""
        used = {f.action.name for some in forms.values() for f in some}
        used |= self.silent_names | set(only)
        return tuple(a.name for a in self.compiled.system.actions if a.name not in used)


def _silent(spec: Spec | None) -> tuple[KernelLine, ...]:
    return spec.silent if spec is not None else ()


def _asked(spec: Spec | None) -> list[Word]:
    calls = spec.calls if spec is not None else ()
    return [w.action for c in calls for w in c.ways]


def _check_names(sides: Sequence[_Design], spec: Spec | None) -> None:
    """Raise UserError for an action that neither design has, whatever its features."""
    if spec is None:
        return
    known = [n for side in sides for n in side.marks]
    for word in (*_asked(spec), *(s.way.action for s in spec.silent)):
        if all(side.own(word) not in side.marks for side in sides):
            names = " and ".join(s.compiled.source.__name__ for s in sides)
            raise UserError(
                word.span,
                f"{names} have no action `{word.text}`{suggestion(word.text, known)}: "
                f"there are {listed(set(known))}",
            )


def _by_name(sides: Sequence[_Design]) -> tuple[UserCall, ...]:
    """Return each action that is not silent as a call of its own."""
    names = dict.fromkeys(
        a.name for side in sides for a in side.compiled.system.actions
    )
    silent = {name for side in sides for name in side.silent_names}
    return tuple(
        UserCall((Way(Word(n, _NOWHERE), None),)) for n in names if n not in silent
    )


def _name(call: UserCall, ways: Sequence[_Way], taken: Iterable[str]) -> str:
    """Return the call's name: its first action's, with the arguments that are fixed
    if another call has that name. Raise UserError if it has both."""
    name = call.ways[0].action.text.rpartition(".")[2]
    if name in taken and ways:
        name += f"({', '.join(ways[0].fixed_texts())})"
    if name in taken or name.endswith("()"):
        raise UserError(
            call.ways[0].action.span,
            "this call is named twice: an action may be in two calls if they fix "
            "different values, like `touch(write = true), touch(write = false)`",
        )
    return name


def _common(ways: Sequence[_Way]) -> tuple[str, ...]:
    """Return the arguments that all actions of a call have."""
    return tuple(n for n in ways[0].given if all(n in w.given for w in ways))


def _within(
    call: str, names: Sequence[str], ways: Sequence[Sequence[_Way]]
) -> tuple[range, ...]:
    """Return, for each argument, the values that all actions allow."""
    found = []
    every = [w for some in ways for w in some]
    for name in names:
        domains = [w.domain(name) for w in every]
        first = domains[0]
        for way, domain in zip(every, domains, strict=True):
            if not _alike(first.sort, domain.sort):
                raise UserError(
                    way.span,
                    f"{name} of {call} is {_words(first)} for one action and "
                    f"{_words(domain)} for the other",
                )
        found.append(range(max(d.lo for d in domains), min(d.hi for d in domains) + 1))
    return tuple(found)


def _words(domain: Domain) -> str:
    sort = domain.sort
    what = f"{sort.size} {sort.name}" if isinstance(sort, ir.ScalarSort) else str(sort)
    return f"{domain.name} ({what})" if domain.name else what


def _alike(one: Sort, other: Sort) -> bool:
    """Return whether raw values of the two sorts mean the same."""
    match one, other:
        case ir.EnumSort(labels=a), ir.EnumSort(labels=b):
            return a == b
        case ir.ScalarSort(size=n), ir.ScalarSort(size=m):
            return n == m
        case ir.SetSort(domain=d), ir.SetSort(domain=e):
            return d.lo == e.lo and _alike(d.sort, e.sort)
    return one is other


# --- values that are read -----------------------------------------------------


def _readings(
    sides: Sequence[_Design], spec: Spec | None
) -> tuple[list[dict[str, ShownValue]], dict[str, str]]:
    """Return the values that both designs have, for each design, and for the other
    values what a design lacks."""
    found: list[dict[str, ShownValue]] = [{} for _ in sides]
    unread: dict[str, str] = {}
    for observed in spec.observed if spec is not None else ():
        assert spec is not None
        mine: list[ShownValue] = []
        lacks: list[MissingName] = []
        for side in sides:
            try:
                mine.append(_reading(spec, side.names, observed))
            except MissingName as reason:
                lacks.append(reason)
                names = side.compiled.source.__name__
                unread[observed.name.text] = f"{names} has {reason.what}"
        if len(lacks) == len(sides) and not any(r.off for r in lacks):
            raise lacks[0].mistake
        if lacks:
            continue
        a, b = mine
        if not _alike(a.value.sort, b.value.sort):
            raise UserError(
                observed.name.span,
                f"`{observed.name.text}` has a different sort in each design",
            )
        for values, reading in zip(found, mine, strict=True):
            values[observed.name.text] = reading
    return found, unread


def _reading(spec: Spec, names: Lookup, observed: Observed) -> ShownValue:
    place = (observed.name.span.line, observed.name.span.column)
    visible = sum((t.name.span.line, t.name.span.column) < place for t in spec.lets)
    claim = Claim(
        Kind.INVARIANT, observed.name, observed.title, None, observed.formula, "", ()
    )
    reading = Reading(spec, names, claim)
    value = Formulas(reading).sorted(observed.formula, Env({}, visible), None)
    if isinstance(value.sort, ir.TableSort):
        raise UserError(
            observed.name.span, f"`{observed.name.text}` is a table: read one cell"
        )
    return ShownValue(value, reading.total(ir.TRUE))
