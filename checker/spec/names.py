# SPDX-License-Identifier: GPL-2.0-only
"""What the names of a spec mean in one compiled design.

The innermost meaning counts: a bound name or a parameter, then a definition
of the spec, then `result`, then the design's own names. A name that the
design does not have is no error by itself (the spec may be for several
designs): it raises MissingName, and the property does not apply.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import cached_property

from poolproof.checker.core import ir
from poolproof.checker.core.compiled import Compiled, Observer
from poolproof.checker.core.diagnostic import UserError
from poolproof.checker.core.ir import Domain, EnumSort, Expr, ScalarSort
from poolproof.checker.core.ranges import Ranges
from poolproof.checker.core.system import Action, Span, Variable
from poolproof.checker.elaborate.domains import domain_of, start_of
from poolproof.model.language import (
    Slot,
    action_methods,
    bind,
    did_you_mean,
    slots,
)

_ELSEWHERE = {
    "True": "true",
    "TRUE": "true",
    "False": "false",
    "FALSE": "false",
    "None": "none",
    "NULL": "none",
    "null": "none",
}
"""Words of other languages."""


class MissingName(Exception):
    """The design has no such name. ``what`` is short ("no resv"). ``off``: it would
    have it, but the feature is left out."""

    def __init__(self, what: str, span: Span, message: str, off: bool = False) -> None:
        super().__init__(message)
        self.what, self.off = what, off
        self.mistake = UserError(span, message)


def suggestion(name: str, *known: Iterable[str]) -> str:
    """Return `` (did you mean `x`?)`` with a name of the first collection that
    has one like it, or nothing."""
    other = _ELSEWHERE.get(name)
    if other:
        return did_you_mean(other, (other,), "`")
    return next(filter(None, (did_you_mean(name, k, "`") for k in known)), "")


def listed(names: Iterable[str]) -> str:
    """Return the names in order, for a message."""
    return ", ".join(sorted(names)) or "none"


class Lookup:
    """Lookup of a design's names. A method returns None, or raises MissingName, for a
    name that the design does not have."""

    def __init__(self, compiled: Compiled) -> None:
        self.compiled = compiled
        self.source = compiled.source
        self.design = compiled.source.__name__
        self.system = compiled.system
        self.vocabulary = compiled.vocabulary

    @cached_property
    def ranges(self) -> Ranges:
        """Return the ranges of the variables. No state outside them is explored."""
        return Ranges.of_variables(self.system.variables)

    @cached_property
    def constants(self) -> dict[str, Expr]:
        """Return the fields whose feature is off, with the values that they read as."""
        c = self.compiled
        symbolic = frozenset(self.system.least)
        binding = bind(
            c.source, c.bounds, c.without, c.having, symbolic, c.open_domains
        )
        return {
            slot.name: _constant(slot) for slot in slots(c.source, binding) if slot.off
        }

    @cached_property
    def elements(self) -> dict[str, Expr]:
        """Return elements of scalarsets by the names that traces show: n0, v1."""
        sorts = {d.sort: None for d in self.vocabulary.domains.values()}
        return {
            ir.show_raw(sort, raw): ir.const(sort, raw)
            for sort in sorts
            if isinstance(sort, ScalarSort)
            for raw in range(sort.size)
        }

    @cached_property
    def labels(self) -> dict[str, tuple[EnumSort, ...]]:
        """Return every label, bare and as Enum.LABEL, with the sorts that have it."""
        enums = self.vocabulary.enums
        return _by_label(
            (shown, sort)
            for name, sort in enums.items()
            for label in sort.labels
            for shown in (label, f"{name}.{label}")
        )

    @cached_property
    def labels_elsewhere(self) -> dict[str, tuple[EnumSort, ...]]:
        """Return the labels of enums that a field or parameter has, though no module of
        the design names the enum."""
        parameters = (p.local for a in self.system.actions for p in a.parameters)
        sorts = (
            *(v.element for v in self.system.variables),
            *(p.sort for p in parameters),
        )
        named = set(self.vocabulary.enums.values())
        return _by_label(
            (label, sort)
            for sort in sorts
            if isinstance(sort, EnumSort) and sort not in named
            for label in sort.labels
        )

    @cached_property
    def domains(self) -> Mapping[str, Domain]:
        """Return what can be quantified over, by name: domains and enums."""
        enums = {
            name: Domain(sort, 0, len(sort.labels) - 1, name)
            for name, sort in self.vocabulary.enums.items()
        }
        return {**enums, **self.vocabulary.domains}

    def kind_of(self, name: str) -> str:
        """Return the kind of thing that the design has by this name, as text; empty if
        it has none."""
        for what, names in (
            ("a field", self.system.by_name),
            ("a field", self.constants),
            ("an observer", self.vocabulary.observers),
            ("a domain", self.domains),
            ("a bound", self.vocabulary.bounds),
            ("a label", self.labels),
            ("an element", self.elements),
        ):
            if name in names:
                return what
        return ""

    def variable(self, name: str) -> Variable | None:
        """Return the field of that name; None if there is none, or if its feature is
        off."""
        return self.system.by_name.get(name)

    def observer(self, name: str) -> Observer | None:
        """Return the design's pure function of that name, or None."""
        return self.vocabulary.observers.get(name)

    def domain(self, name: str, span: Span) -> Domain:
        """Return the domain or enum of that name. Raise MissingName if there is
        none."""
        if name in self.domains:
            return self.domains[name]
        raise self.unknown(name, span, "domain", self.domains)

    def action(self, name: str, span: Span) -> Action:
        """Return the action of that name. Raise MissingName if there is none."""
        known = self.system.action_by_name
        if name in known:
            return known[name]
        if name in action_methods(self.compiled.source):
            what = f"no action {name} here"
            raise MissingName(what, span, f"the action `{name}` is left out", off=True)
        raise self.unknown(name, span, "action", known)

    def unknown(
        self,
        name: str,
        span: Span,
        what: str,
        known: Iterable[str],
        also: Iterable[str] = (),
    ) -> MissingName:
        """Return what to raise where ``known`` does not have the name; names
        in ``also`` are suggested, but not listed."""
        known = list(known)
        short = f"no {what} {name}" if what in ("action", "domain") else f"no {name}"
        return MissingName(
            short,
            span,
            f"unknown {what} `{name}`{suggestion(name, known, also)}: "
            f"{self.design} has {listed(known)}",
        )


def _by_label(
    labels: Iterable[tuple[str, EnumSort]],
) -> dict[str, tuple[EnumSort, ...]]:
    """Return each label with the sorts that have it, each once."""
    found: dict[str, dict[EnumSort, None]] = {}
    for label, sort in labels:
        found.setdefault(label, {})[sort] = None
    return {label: tuple(sorts) for label, sorts in found.items()}


def _constant(slot: Slot) -> Expr:
    """Return the value that a field reads as if its feature is off."""
    value = start_of(slot)
    if not slot.index:
        return value
    index = tuple(domain_of(v) for v in slot.index)
    return ir.fill(ir.table_sort(index, value.sort), value)
