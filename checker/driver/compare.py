# SPDX-License-Identifier: GPL-2.0-only
"""Two designs under the same calls: can user space tell which one it has?

For each design, the search looks for something that it can show and the other cannot,
after the same calls with the same results (trace inclusion, both ways). The choices
that a design makes by itself are not compared, only what they lead to.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from poolproof.checker.core.compiled import Compiled
from poolproof.checker.core.diagnostic import UserError
from poolproof.checker.core.evaluate import Valuation, arguments
from poolproof.checker.core.limits import doing
from poolproof.checker.core.verdict import Budget, Reporter
from poolproof.checker.driver.designs import DesignRef
from poolproof.checker.driver.interface import Interface, interface
from poolproof.checker.driver.task import Request, check_request, sized
from poolproof.checker.engines.inclusion import Included, TraceDifference, include
from poolproof.checker.engines.visible import (
    HALT,
    OK,
    Alphabet,
    Erroneous,
    Event,
    Form,
    Shown,
    View,
    ViewGraph,
    result_text,
)
from poolproof.checker.evidence.replay import Replay, replay
from poolproof.checker.frontend.design import compile_design
from poolproof.checker.passes.product import same_behaviour
from poolproof.checker.spec import Sizes, Spec, at_label, sizes


@dataclass(frozen=True)
class DesignPair:
    """Two designs at the same sizes, with the interface that they share. ``spec`` says
    what is compared; None: all actions that have the same name."""

    one: DesignRef
    other: DesignRef
    compiled: tuple[Compiled, Compiled]
    interface: Interface
    spec: Spec | None
    sizes: tuple[Sizes, Sizes]

    @property
    def names(self) -> tuple[str, str]:
        return self.one.name, self.other.name


@dataclass(frozen=True)
class DifferenceClass:
    """A call or reading on which the designs differ. ``shown`` is, for each design,
    what it may show there; empty if it cannot take the call. ``first`` is a shortest
    difference, found on the design numbered ``leads`` (0 or 1). ``runs`` has one run
    of each design."""

    name: str
    shown: tuple[frozenset[Shown], frozenset[Shown]]
    first: TraceDifference
    leads: int
    runs: tuple[Replay, Replay]

    @property
    def calls(self) -> int:
        """Return the number of calls in the sequence, without readings."""
        return sum(arguments is not None for (_, arguments), _ in self.first.seen)

    @property
    def possible(self) -> bool:
        """Return whether both designs can take the call."""
        return all(self.shown)


@dataclass(frozen=True)
class Comparison:
    """The result of a comparison. ``same``: the two are the same transition system, and
    user space sees the same of both, so nothing was searched. ``ways`` are the two
    searches, for what only the first design shows and for what only the other
    shows."""

    pair: DesignPair
    same: bool = False
    classes: tuple[DifferenceClass, ...] = ()
    ways: tuple[Included, ...] = ()

    @property
    def complete(self) -> bool:
        """Return whether both searches were completed."""
        return self.same or (
            len(self.ways) == 2 and all(way.complete for way in self.ways)
        )

    @property
    def assumed(self) -> Mapping[str, int]:
        """Return, for each `assume`, the number of calls that it leaves out, of which
        nothing is known."""
        found: Counter[str] = Counter()
        for way in self.ways:
            found.update(way.assumed)
        return found


def prepare(
    one: DesignRef, other: DesignRef, spec: Spec | None, request: Request
) -> DesignPair:
    """Return the two designs at the sizes of the spec and of the request. Raise
    UserError for a mistake in a design, the spec or the request."""
    known = (one, other)
    if spec is not None:
        spec = at_label(spec, request.label)
    elif request.label:
        raise UserError(None, f"--bounds {request.label}: write NAME=NUMBER")
    own = (
        [Sizes({}, (), ()) for _ in known]
        if spec is None
        else sizes(spec, [k.cls for k in known])
    )
    chosen = [sized(s, k, request) for s, k in zip(own, known, strict=True)]
    check_request(request, known)
    a, b = (
        compile_design(k.cls, s.bounds, s.without, s.having)
        for k, s in zip(known, chosen, strict=True)
    )
    return DesignPair(
        one, other, (a, b), interface(a, b, spec), spec, (chosen[0], chosen[1])
    )


def compare(pair: DesignPair, budget: Budget, report: Reporter) -> Comparison:
    """Return the comparison, each class of differences with a shortest sequence. Raise
    UserError if a model is in error."""
    a, b = pair.compiled
    if same_behaviour(a.system, b.system) and _same_view(*pair.interface.views):
        return Comparison(pair, same=True)
    ways: list[Included] = []
    half = None if budget.seconds is None else budget.seconds / 2
    alphabet = Alphabet()
    try:
        sides = [ViewGraph(v, alphabet) for v in pair.interface.views]
        for left, right in (sides, sides[::-1]):
            with replace(budget, seconds=half).limited(), doing("comparing"):
                ways.append(include(left, right, budget, report))
            if isinstance(ways[-1].cut, KeyboardInterrupt):
                break
    except Erroneous as wrong:
        raise UserError(
            None,
            f"{wrong.system.name} is in error: {wrong}; poolproof check shows a run",
        ) from None
    return Comparison(pair, False, tuple(_classes(pair, ways)), tuple(ways))


def _same_view(one: View, other: View) -> bool:
    """Return whether two views of one system are the same: its calls, what happens by
    itself, and what is read."""

    def seen(view: View) -> tuple[object, ...]:
        def ways(forms: Sequence[Form]) -> list[tuple[object, ...]]:
            return [(f.action.name, f.places, f.within, f.fixed) for f in forms]

        calls = {name: ways(forms) for name, forms in view.calls.items()}
        readings, stops = dict(view.readings), dict(view.stops)
        return calls, ways(view.silent), readings, stops, view.total, view.first

    return seen(one) == seen(other)


def exit_code(comparison: Comparison) -> int:
    """Return 0 if nothing differs, 1 if something does, 3 if that is not known."""
    if comparison.classes:
        return 1
    return 0 if comparison.complete and not comparison.assumed else 3


def _classes(pair: DesignPair, ways: Sequence[Included]) -> list[DifferenceClass]:
    """Return the differences of both ways, the shortest first. A difference that both
    searches find is one class."""
    found: dict[object, DifferenceClass] = {}
    for leads, way in enumerate(ways):
        for first in way.differences:
            name, shown, instead = first.of
            mine = frozenset({shown})
            both = (mine, instead) if leads == 0 else (instead, mine)
            new = DifferenceClass(name, both, first, leads, _runs(pair, first, leads))
            key = name if first.reading else (name, both)
            known = found.get(key)
            if known is None or new.calls < known.calls:
                found[key] = new
    order = list(found.values())
    return sorted(order, key=lambda c: (not c.possible, c.calls, order.index(c)))


# --- replays ------------------------------------------------------------------


class Unfounded(Exception):
    """A replayed run does not show what the search found: a bug of poolproof."""


def _runs(
    pair: DesignPair, first: TraceDifference, leads: int
) -> tuple[Replay, Replay]:
    """Return the replays of a difference, for the first design and for the other.
    Raise Unfounded if either does not show the calls and results of the difference."""
    order = (leads, 1 - leads)
    mine, its = (
        replay(pair.compiled[k], trace)
        for k, trace in zip(order, (first.left, first.right), strict=True)
    )
    views = pair.interface.views
    _, last = first.seen[-1]
    _confirm(views[leads], mine, first.seen, {last})
    _confirm(views[1 - leads], its, first.seen, first.of[2])
    return (mine, its) if leads == 0 else (its, mine)


def _confirm(
    view: View,
    run: Replay,
    seen: Sequence[tuple[Event, Shown]],
    last: frozenset[Shown] | set[Shown],
) -> None:
    """Raise Unfounded unless the run shows the events ``seen``, and at the last of them
    something in ``last``. If ``last`` is empty, the run ends before that call."""
    rest = list(_visible(view, run))
    for k, ((name, call), shown) in enumerate(seen):
        final = k == len(seen) - 1
        if call is None:
            if final:
                end = Valuation(view.system, run.states[-1])
                value = end.raw(view.readings[name].value)
                if value not in last:
                    raise Unfounded(f"{name} reads {value}")
            continue
        if final and not last:
            break
        expected = last if final else {shown}
        here = rest[0].get((name, call)) if rest else None
        if name in view.total and OK in expected and here not in expected:
            continue  # it changed nothing
        if not rest:
            raise Unfounded(f"{name} is missing in a run of {view.system.name}")
        result = rest.pop(0).get((name, call))
        if result not in expected:
            raise Unfounded(f"{name} shows {result} in a run of {view.system.name}")
    if rest:
        raise Unfounded(f"{rest[0]} is too much in a run of {view.system.name}")


def _visible(view: View, run: Replay) -> Iterator[dict[Event, Shown]]:
    """Yield, for each step of a run that is not silent, the calls that it may be, each
    with what it shows."""
    silent = {f.action.name for f in view.silent}
    for before, taken in zip(run.states, run.taken, strict=False):
        step = taken.step
        if step.action in silent:
            continue
        action = view.system.action_by_name[step.action]
        at = Valuation(view.system, before, None, arguments(action, step.arguments))
        stop = view.stops.get(step.action)
        halts = stop is not None and at.true(stop)
        shown = HALT if halts else result_text(action, taken.result)
        yield {
            (name, call): shown
            for name, forms in view.calls.items()
            for form in forms
            if form.action.name == step.action
            and (call := form.call(step.arguments)) is not None
        }
