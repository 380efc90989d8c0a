# SPDX-License-Identifier: GPL-2.0-only
"""A spec bound to a design, by what a caller requests."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from poolproof.checker.core.compiled import Compiled
from poolproof.checker.core.diagnostic import UserError
from poolproof.checker.driver.any_size import ALL
from poolproof.checker.driver.designs import DesignRef, designs_for
from poolproof.checker.frontend.design import compile_design
from poolproof.checker.spec import Resolved, Sizes, Spec, at_label, resolve_all, sizes
from poolproof.model.language import (
    Bound,
    Design,
    Feature,
    ModelError,
    declared,
    did_you_mean,
    outside,
    with_needs,
)


@dataclass(frozen=True)
class Request:
    """The options of a check. ``label`` picks one of the spec's named bounds,
    ``bounds`` overrides single ones."""

    designs: tuple[str | DesignRef, ...] = ()
    label: str = ""
    bounds: Mapping[str, int] = field(default_factory=dict)
    without: tuple[str, ...] = ()
    having: tuple[str, ...] = ()
    any_size: tuple[str, ...] = ()
    """The bounds that a proof should leave open, including those that decide how
    many elements there are."""

    @property
    def as_written(self) -> bool:
        """Return whether the spec's own bounds are checked, so that expected depths
        apply."""
        return not (self.label or self.altered)

    @property
    def altered(self) -> bool:
        """Return whether single bounds or features differ from any bounds of the
        spec."""
        return bool(self.bounds or self.without or self.having)


@dataclass(frozen=True)
class Task:
    """A spec bound to a design, ready to be checked. ``set_bounds`` are the
    bounds that the spec or the caller set (all, where neither did);
    ``as_written``: they and the features are the spec's own. ``key`` is a digest of
    all texts that it depends on, or empty; see `driver.kept`."""

    spec: Spec
    known: DesignRef
    compiled: Compiled
    resolved: Resolved
    sizes: Sizes
    set_bounds: Mapping[str, int]
    as_written: bool
    key: str = field(default="", compare=False)
    any_size: tuple[str, ...] = ()

    @property
    def asks_nothing(self) -> bool:
        """Return whether no property of the spec applies to the design."""
        return all(p.assertion for p in self.resolved.properties)


def refuse_nothing(tasks: Sequence[Task]) -> None:
    """Raise UserError if no property of any spec applies to its design."""
    if not tasks or not all(task.asks_nothing for task in tasks):
        return
    task = tasks[0]
    name, reason = next(iter(task.resolved.missing.items()))
    raise UserError(
        None,
        f"{task.spec.file}: no property applies to {task.known.name}, so there "
        f"is nothing to check: {name} is n/a, {reason}",
    )


def prepare(spec: Spec, request: Request) -> tuple[Task, ...]:
    """Return the spec bound to each of its designs. Raise UserError for a mistake
    in the spec, the designs or the request."""
    labels = tuple(b.label for b in spec.bounds if b.label)
    if request.label and request.label not in labels:
        there = f", or one of this spec's labels: {', '.join(labels)}" if labels else ""
        raise UserError(
            None,
            f"--bounds {request.label}: write NAME=NUMBER, like "
            f"{request.label}=2{there}{did_you_mean(request.label, labels)}",
        )
    _check_not_empty(spec)
    spec = at_label(spec, request.label)
    known = designs_for(spec, request.designs)
    classes = [k.cls for k in known]
    try:
        given = sizes(spec, classes)
    except UserError as mistake:
        # an unknown bound is an error only if none of the spec's designs has it
        others = _others(spec, classes, mistake)
        given = sizes(spec, [*classes, *others])
    chosen = [sized(s, k, request) for s, k in zip(given, known, strict=False)]
    check_request(request, known)
    compiled = [
        compile_design(k.cls, s.bounds, s.without, s.having)
        for k, s in zip(known, chosen, strict=True)
    ]
    try:
        resolved = resolve_all(spec, compiled)
    except UserError as mistake:
        # an unknown name is an error only if none of the spec's designs has it
        others = _others(spec, classes, mistake)
        more = [
            compile_design(cls, s.bounds, s.without, s.having)
            for cls, s in zip(
                others,
                sizes(spec, [*classes, *others])[len(classes) :],
                strict=True,
            )
        ]
        resolved = resolve_all(spec, [*compiled, *more])
    return tuple(
        Task(
            spec,
            k,
            c,
            r,
            s,
            s.bounds or c.bounds,
            not request.altered,
            any_size=request.any_size,
        )
        for k, c, r, s in zip(known, compiled, resolved, chosen, strict=False)
    )


def _check_not_empty(spec: Spec) -> None:
    """A spec without properties would hold whatever happens."""
    if spec.claims:
        return
    if spec.calls or spec.observed:
        raise UserError(
            None, f"{spec.file} is for comparisons: poolproof compare A B {spec.file}"
        )
    if spec.scenarios:
        raise UserError(
            None, f"{spec.file} has scenarios only: poolproof size {spec.file}"
        )
    raise UserError(
        None,
        f"{spec.file} has no property, so there is nothing to check: "
        "write one, like `invariant NAME: FORMULA`",
    )


def _others(
    spec: Spec, classes: Sequence[type[Design]], mistake: UserError
) -> list[type[Design]]:
    """Return the designs that the spec names and the caller left out. Raise the
    mistake again if there is none."""
    try:
        others = [k.cls for k in designs_for(spec, ()) if k.cls not in classes]
    except UserError:
        others = []
    if not others:
        raise mistake
    return others


def sized(own: Sizes, known: DesignRef, request: Request) -> Sizes:
    """Return a design's sizes by a spec, with the changes of the request. Raise
    UserError for an unknown or impossible one."""
    bounds, features = declared(known.cls)
    without = [f for f in request.without if f in features]
    queries = [f for f in request.having if f in features]
    try:
        having = with_needs(features, queries, without)
        left = (*(f for f in own.without if f not in having), *without)
        having = with_needs(
            features, (*(f for f in own.having if f not in without), *having), left
        )
    except ModelError as e:
        raise UserError(None, f"--without {','.join(without)}: {e}") from None
    given = {k: v for k, v in request.bounds.items() if k in bounds}
    return Sizes({**own.bounds, **given}, left, having)


def check_request(request: Request, known: Sequence[DesignRef]) -> None:
    """Raise UserError for a bound or feature of the command line that means nothing."""
    bounds: dict[str, Bound] = {}
    features: dict[str, Feature] = {}
    for k in known:
        of_bounds, of_features = declared(k.cls)
        bounds.update(of_bounds)
        features.update(of_features)
    names = ", ".join(k.name for k in known)
    for name, value in request.bounds.items():
        if name not in bounds:
            raise UserError(None, unknown_name("bound", name, tuple(bounds), names))
        for k in known:
            if name in declared(k.cls)[0] and (
                reason := outside(k.cls, bounds[name], value)
            ):
                raise UserError(None, f"--bounds {name}={value}: {reason}")
    for name in request.any_size:
        if name != ALL and name not in bounds:
            raise UserError(None, unknown_name("bound", name, tuple(bounds), names))
    for name in (*request.without, *request.having):
        if name not in features:
            raise UserError(None, unknown_name("feature", name, tuple(features), names))
    for name in request.without:
        if name in request.having:
            raise UserError(None, f"{name} is in --without and in --with")


def unknown_name(what: str, name: str, known: tuple[str, ...], designs: str) -> str:
    """Return the message that the designs have no bound or feature (``what``) of
    that name, with those that they have."""
    there = ", ".join(sorted(known)) or "none"
    return (
        f"{designs}: no {what} {name!r}{did_you_mean(name, known)}; there are {there}"
    )
