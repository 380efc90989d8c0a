# SPDX-License-Identifier: GPL-2.0-only
"""A spec's bounds: the sizes and features of each of its designs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TypeVar

from poolproof.checker.core.diagnostic import UserError
from poolproof.checker.core.system import Span
from poolproof.checker.spec.names import listed, suggestion
from poolproof.checker.spec.syntax import Assertion, Bounds, Claim, Spec
from poolproof.model.language import (
    Bound,
    Design,
    Feature,
    ModelError,
    declared,
    outside,
    with_needs,
)


@dataclass(frozen=True)
class Sizes:
    """The settings of a bounds line for one design, as compile_design takes them.
    ``having`` has the named features, then those that they need."""

    bounds: Mapping[str, int]
    without: tuple[str, ...]
    having: tuple[str, ...]


def at_label(spec: Spec, label: str) -> Spec:
    """Return the spec with the bounds of a label first: they are those of a
    check. What is expected without a label is then expected elsewhere. Raises
    UserError if there is no such label."""
    if not label:
        return spec
    for bounds in spec.bounds:
        if bounds.label == label:
            break
    else:
        known = listed(b.label for b in spec.bounds if b.label)
        raise UserError(
            Span(spec.file, 1, 1),
            f"there are no bounds `{label}` here; there are {known}",
        )
    if bounds is spec.bounds[0]:
        return spec
    return replace(
        spec,
        bounds=(bounds, *(b for b in spec.bounds if b is not bounds)),
        claims=tuple(_elsewhere(c) for c in spec.claims),
        assertions=tuple(_elsewhere(a) for a in spec.assertions),
    )


_Stating = TypeVar("_Stating", Claim, Assertion)


def _elsewhere(stating: _Stating) -> _Stating:
    expects = (replace(e, elsewhere=not e.labels) for e in stating.expects)
    return replace(stating, expects=tuple(expects))


def sizes(spec: Spec, designs: Sequence[type[Design]]) -> tuple[Sizes, ...]:
    """Return the spec's first bounds for each design: each gets what it has.
    Raises UserError for a bound or feature that none has, and for a size below
    what a design can be."""
    if not spec.bounds:
        return tuple(Sizes({}, (), ()) for _ in designs)
    chosen = spec.bounds[0]
    known = [declared(cls) for cls in designs]
    all_bounds = {n: b for bounds, _ in known for n, b in bounds.items()}
    all_features = {n: f for _, features in known for n, f in features.items()}
    names = listed(cls.__name__ for cls in designs)
    for setting in chosen.settings:
        name, value = setting.name.text, setting.value
        if name not in all_bounds:
            raise _no_size(setting.name.span, "bound", name, all_bounds, names)
        for cls, (bounds, _) in zip(designs, known, strict=True):
            reason = outside(cls, bounds[name], value) if name in bounds else ""
            if reason:
                raise UserError(setting.name.span, f"{name} = {value}: {reason}")
    for word in (*chosen.without, *chosen.having):
        if word.text not in all_features:
            raise _no_size(word.span, "feature", word.text, all_features, names)
    return tuple(_sizes(chosen, *mine) for mine in known)


def _sizes(
    chosen: Bounds, bounds: Mapping[str, Bound], features: Mapping[str, Feature]
) -> Sizes:
    """Return the part of a bounds line for the design, and what its features need."""
    without = tuple(w.text for w in chosen.without if w.text in features)
    named = {w.text: w for w in chosen.having if w.text in features}
    for name, word in named.items():
        try:
            with_needs(features, (name,), without)
        except ModelError as e:
            raise UserError(word.span, str(e)) from None
    return Sizes(
        {s.name.text: s.value for s in chosen.settings if s.name.text in bounds},
        without,
        with_needs(features, tuple(named), without),
    )


def _no_size(
    span: Span, what: str, name: str, known: Mapping[str, Bound | Feature], names: str
) -> UserError:
    return UserError(
        span,
        f"unknown {what} `{name}`{suggestion(name, known)}: "
        f"{names} has {listed(known)}",
    )
