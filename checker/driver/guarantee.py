# SPDX-License-Identifier: GPL-2.0-only
"""The features that break a promise, alone or together.

One property is checked on a design with no feature switched on, with each feature
alone, and with each two of them, or more. Features are those that the design
declares and leaves off; the property is found by its name in a spec, so the check
works for any design that has the names. Three or more features are tried only if
no part of them breaks the promise, and if none needs the others.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import combinations

from poolproof.checker.core.compiled import Compiled
from poolproof.checker.core.diagnostic import UserError, has_no
from poolproof.checker.core.limits import Spent
from poolproof.checker.core.property import Property
from poolproof.checker.core.verdict import (
    Budget,
    Holds,
    Reporter,
    Silent,
    Vacuous,
    Violated,
)
from poolproof.checker.driver.assumptions import (
    AssumptionResult,
    assumed_by,
    together,
)
from poolproof.checker.driver.designs import DesignRef
from poolproof.checker.driver.effect import has_effect
from poolproof.checker.engines import registry
from poolproof.checker.evidence.replay import Replay, confirm
from poolproof.checker.frontend.design import compile_design
from poolproof.checker.spec import Spec, resolve
from poolproof.model.language import declared, with_needs

SPEC = "specs/questions/promise_plain.spec"
PROPERTY = "q2_promise_kept"
SIZES: tuple[Mapping[str, int], ...] = (
    {"nodes": 1, "blocks": 2, "files": 2, "V": 2, "P": 2, "limit": 1},
    {"nodes": 2, "blocks": 1, "files": 2, "V": 2, "P": 1, "limit": 1},
)
"""Small enough for every pair, large enough for a second node, a second
owner and a range of two blocks. A design gets the bounds that it has."""

_ORBIT = 8
"""States that are compared for each that a search may visit: the comparison
knows no symmetry."""


@dataclass(frozen=True)
class Finding:
    """The result with these features on: the shortest run that breaks the
    property at any of the sizes, or whether all states were seen at all.
    ``vacuous``: it was vacuous at all of them.
    ``needed`` are the features that these need, and that are on, too;
    ``effect`` says of a single feature whether it changes any run, compared with
    only the features that it needs (None: not compared, or not decided).
    ``assertion`` is one of the kernel's own that fails where the property is
    not broken; ``assumptions`` are those of the searches at all sizes."""

    features: tuple[str, ...]
    depth: int | None
    complete: bool
    replay: Replay | None = None
    compiled: Compiled | None = None
    defect: str = ""
    vacuous: bool = False
    needed: tuple[str, ...] = ()
    effect: bool | None = None
    assertion: str = ""
    assumptions: tuple[AssumptionResult, ...] = ()

    @property
    def holds(self) -> bool:
        """Return whether all states were visited, and nothing at all is wrong there."""
        wrong = self.depth is not None or self.defect or self.assertion or self.vacuous
        return self.complete and not wrong and self.effect is not False


@dataclass
class Guarantee:
    """All findings of one design; ``missing`` says why there are none."""

    known: DesignRef
    spec: str
    name: str
    title: str
    sizes: tuple[Mapping[str, int], ...]
    findings: list[Finding] = field(default_factory=list)
    missing: str = ""
    stopped: str = ""

    @property
    def assumptions(self) -> tuple[AssumptionResult, ...]:
        """Return what the findings assume, and the steps that were cut in all of
        them."""
        return together(f.assumptions for f in self.findings)

    def of(self, number: int) -> list[Finding]:
        return [f for f in self.findings if len(f.features) == number]

    @property
    def first(self) -> Finding | None:
        """The finding with the fewest steps, and then with the fewest features."""

        def key(f: Finding) -> tuple[int, int]:
            return f.depth or 0, len(f.features) + len(f.needed)

        broken = [f for f in self.findings if f.depth is not None]
        return min(broken, key=key, default=None)

    def alone(self, name: str) -> Finding | None:
        return next((f for f in self.of(1) if f.features == (name,)), None)

    @property
    def sizes_of_sets(self) -> tuple[int, ...]:
        """The numbers of features that were tried together, from two on."""
        return tuple(sorted({n for f in self.findings if (n := len(f.features)) > 1}))

    def parts(self, features: Sequence[str]) -> list[Finding]:
        """The findings of fewer of these features, of one at least."""
        return [f for f in self.findings if set() < set(f.features) < set(features)]

    def together(self) -> Iterator[Finding]:
        """The smallest sets that break it: no part of them does."""
        for found in self.findings:
            parts = self.parts(found.features)
            whole = all(part.depth is None for part in parts)
            if parts and whole and found.depth is not None:
                yield found

    def repaired(self) -> Iterator[Finding]:
        """The pairs that hold where one of the two alone does not."""
        for pair in self.of(2):
            ones = [self.alone(n) for n in pair.features]
            if pair.holds and any(o and o.depth is not None for o in ones):
                yield pair

    def asks(self, features: Sequence[str]) -> bool:
        """Return whether the answer for these features is not known from fewer."""
        if len(features) < 3:
            return True
        declares = declared(self.known.cls)[1]
        needed = {
            other
            for f in features
            for other in with_needs(declares, (f,))
            if other != f
        }
        broken = any(part.depth is not None for part in self.parts(features))
        return not broken and not needed & set(features)


def features_of(known: DesignRef) -> tuple[str, ...]:
    """Return the features that the design declares and leaves off."""
    return tuple(sorted(n for n, f in declared(known.cls)[1].items() if not f.default))


def _chosen(known: DesignRef, among: Sequence[str]) -> tuple[str, ...]:
    """Return those of `features_of` that are ``among`` these, all if there are none.
    Raise UserError for one that the design lacks."""
    on = features_of(known)
    for feature in among:
        if feature not in on:
            raise UserError(None, has_no(known.name, "feature", feature, on))
    return tuple(f for f in on if not among or f in among)


def guarantee(
    known: DesignRef,
    spec: Spec,
    name: str,
    *,
    sizes: Sequence[Mapping[str, int]] = SIZES,
    states: int = 3000,
    over: Callable[[], bool] = lambda: False,
    report: Reporter | None = None,
    most: int = 2,
    among: Sequence[str] = (),
) -> Guarantee:
    """One design's table. ``states`` bounds each search, ``over`` ends all
    of them; the table says so. Up to ``most`` features are tried together, only
    those ``among`` the given ones if there are any. Raises UserError for a property
    that the spec lacks, or a feature that the design lacks."""
    claims = {c.name.text: c for c in spec.claims}
    if name not in claims:
        raise UserError(None, has_no(spec.file, "property", name, tuple(claims)))
    spec = replace(spec, claims=(claims[name],))
    bounds = declared(known.cls)[0]
    mine = tuple(
        dict(t)
        for t in dict.fromkeys(
            tuple((k, v) for k, v in size.items() if k in bounds) for size in sizes
        )
    )
    done = Guarantee(known, spec.file, name, "", mine)
    on = _chosen(known, among)
    queries = [c for number in range(most + 1) for c in combinations(on, number)]
    try:
        for number, having in enumerate(queries):
            if over():
                done.stopped = f"out of time after {number} of {len(queries)}"
                break
            if not done.asks(having):
                continue
            finding = ask(done, spec, having, states)
            if finding is None:
                break
            done.findings.append(_placed(done, finding, states, over))
            if report is not None:
                report.progress(combinations=number + 1, of=len(queries))
    except Spent:
        done.stopped = f"out of time after {len(done.findings)} of {len(queries)}"
    except KeyboardInterrupt:
        done.stopped = f"interrupted after {len(done.findings)} combinations"
    return done


def ask(
    done: Guarantee, spec: Spec, having: tuple[str, ...], states: int
) -> Finding | None:
    """Return the finding for one combination at every size; None if the design lacks
    a name. ``states`` bounds each search."""
    best: Finding | None = None
    complete = vacuous = True
    assertion = ""
    assumed: list[tuple[AssumptionResult, ...]] = []
    for size in done.sizes:
        compiled = compile_design(done.known.cls, size, (), having)
        resolved = resolve(spec, compiled)
        prop = next((p for p in resolved.properties if p.name == done.name), None)
        if prop is None:
            done.missing = resolved.missing.get(done.name, "it does not apply")
            return None
        done.title = prop.title
        if prop.kind.wants_witness:
            raise UserError(None, f"{done.name} needs a witness: name an invariant")
        engine, budget = registry.every_state(prop.kind), Budget(states=states)
        queries = (prop, *compiled.assertions)
        outcome = registry.ask(engine, compiled.system, queries, budget, Silent())
        assumed.append(assumed_by(compiled.system, outcome.statistics))
        if outcome.defects:
            best = Finding(having, None, False, defect=outcome.defects[0].message)
            break
        verdict = outcome.verdicts[prop.name]
        failing = (
            p.name
            for p in compiled.assertions
            if isinstance(outcome.verdicts[p.name], Violated)
        )
        assertion = assertion or next(failing, "")
        complete &= isinstance(verdict, Holds | Violated | Vacuous)
        vacuous &= isinstance(verdict, Vacuous)
        if isinstance(verdict, Violated) and (
            best is None or len(verdict.trace) < (best.depth or 0)
        ):
            best = _broken(having, compiled, prop, verdict)
    best = best or Finding(having, None, complete, vacuous=vacuous, assertion=assertion)
    return replace(best, assumptions=together(assumed))


def _placed(
    done: Guarantee, finding: Finding, states: int, over: Callable[[], bool]
) -> Finding:
    """The finding, with what its features need, and whether a single one
    has an effect at any of the sizes."""
    cls, having = done.known.cls, finding.features
    everything = with_needs(declared(cls)[1], having)
    needed = tuple(f for f in everything if f not in having)
    if len(having) != 1:
        return replace(finding, needed=needed)
    found = set()
    for size in done.sizes:
        off, on = (compile_design(cls, size, (), h).system for h in (needed, having))
        found.add(has_effect(off, on, _ORBIT * states, over))
        if True in found:
            break
    effect = True if True in found else None if None in found else False
    return replace(finding, needed=needed, effect=effect)


def _broken(
    having: tuple[str, ...], compiled: Compiled, prop: Property, verdict: Violated
) -> Finding:
    replayed = confirm(compiled, prop, verdict.trace, verdict.shortest)
    return Finding(having, len(verdict.trace), True, replayed, compiled)
