"""Mutation: is there a property for every line of a design?

One thing of a compiled system is changed at a time: a guard's conjunct is
dropped, an `if` negated, an update dropped, a constant amount made one more
or less, <= and < exchanged. A mutant is *killed* when some property comes out
otherwise, at another depth included, or the model itself breaks.

After Budd et al., "Theoretical and empirical studies on using program mutation
to test the functional correctness of programs" (1980). A mutant whose every
step agrees with the original's in every state that the original reaches is the
same within these bounds, by induction over runs: it is set apart, and said so.

Specs compile a design at sizes of their own. The same change at the same place
is one mutant, wherever it occurs; places are told apart by their text, its
numbers left out. Budgets are in states: the same call gives the same answer.
"""

from __future__ import annotations

import random
import re
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import Enum
from typing import Any

from checker.check import Request, Task, prepare
from checker.diagnostic import Mistake
from checker.engines.explicit import explicit
from checker.evaluate import initial_states
from checker.ir import (
    Expr,
    add,
    and_,
    defined,
    implies,
    ite,
    le,
    lt,
    num,
    rebuild,
    show,
    store,
    subterms,
)
from checker.lower import python as lower
from checker.property import Kind, Property
from checker.render import table, wrapped
from checker.spec import Spec
from checker.symmetry import Symmetry, canonical_under, find_symmetry
from checker.system import Action, Obligation, Span, State, TransitionSystem
from checker.trace_file import count
from checker.verdict import (
    Budget,
    Outcome,
    Reporter,
    Silent,
    Violated,
)

# --- changes --------------------------------------------------------------


@dataclass(frozen=True)
class Change:
    """One action with one thing changed; ``what`` names it."""

    kind: str
    what: str
    action: Action


def changes(action: Action) -> Iterator[Change]:
    """Every change of an action that makes another action of it."""
    seen = {_body(action)}
    for change in _all_changes(action):
        body = _body(change.action)
        if body not in seen:
            seen.add(body)
            yield change


def _body(action: Action) -> tuple[object, ...]:
    return action.guard, tuple(sorted(action.updates.items())), action.result


def _all_changes(action: Action) -> Iterator[Change]:
    yield from _guards(action)
    yield from _branches(action)
    yield from _updates(action)
    yield from _amounts(action)
    yield from _comparisons(action)


def _guards(action: Action) -> Iterator[Change]:
    conjuncts = action.guard.args if action.guard.op == "and" else (action.guard,)
    for k, part in enumerate(conjuncts):
        if part.is_const:
            continue
        rest = and_(*conjuncts[:k], *conjuncts[k + 1 :])
        changed = _remade(action, rest, action.updates, action.result)
        yield Change("guard", f"without the guard {show(part)}", changed)


def _branches(action: Action) -> Iterator[Change]:
    roots = _roots(action)
    tests = dict.fromkeys(e.args[0] for e in subterms(*roots) if e.op == "ite")
    for test in tests:

        def swap(node: Expr, args: tuple[Expr, ...], test: Expr = test) -> Expr | None:
            if node.op == "ite" and node.args[0] is test:
                return ite(args[0], args[2], args[1])
            return None

        yield Change("if", f"if not {show(test)}", _folded(action, swap))


def _updates(action: Action) -> Iterator[Change]:
    for name, update in action.updates.items():
        chain = []
        table = update
        while table.op == "store":
            chain.append(table)
            table = table.args[0]
        if len(chain) < 2:
            rest = {k: v for k, v in action.updates.items() if k != name}
            told = f"without the update of {name}"
            yield Change("update", told, _remade(action, action.guard, rest,
                                                 action.result))  # fmt: skip
            continue
        for gone in chain:
            kept = table
            for node in reversed(chain):
                if node is not gone:
                    kept = store(kept, *node.args[1:])
            at = ", ".join(show(i) for i in gone.args[1:-1])
            some = {**action.updates, name: kept}
            told = f"without the update of {name}[{at}]"
            yield Change("update", told, _remade(action, action.guard, some,
                                                 action.result))  # fmt: skip


def _amounts(action: Action) -> Iterator[Change]:
    for node in subterms(*action.updates.values()):
        if node.op != "add" or not node.args[-1].is_const:
            continue
        for by in (-1, 1):

            def shift(
                e: Expr, args: tuple[Expr, ...], node: Expr = node, by: int = by
            ) -> Expr | None:
                return add(*args, num(by)) if e is node else None

            other = add(*node.args, num(by))
            yield Change("amount", f"{show(other)} for {show(node)}",
                         _folded(action, shift, updates_only=True))  # fmt: skip


def _comparisons(action: Action) -> Iterator[Change]:
    for node in subterms(*_roots(action)):
        if node.op not in ("lt", "le"):
            continue
        other = le if node.op == "lt" else lt

        def swap(
            e: Expr, args: tuple[Expr, ...], node: Expr = node,
            other: Callable[[Expr, Expr], Expr] = other,
        ) -> Expr | None:  # fmt: skip
            return other(*args) if e is node else None

        told = f"{show(other(*node.args))} for {show(node)}"
        yield Change("comparison", told, _folded(action, swap))


def _roots(action: Action) -> tuple[Expr, ...]:
    results = () if action.result is None else (action.result,)
    return (action.guard, *action.updates.values(), *results)


Fold = Callable[[Expr, tuple[Expr, ...]], Expr | None]


def _folded(action: Action, change: Fold, updates_only: bool = False) -> Action:
    """The action with its nodes changed where ``change`` gives another."""
    done: dict[Expr, Expr] = {}
    for node in subterms(*_roots(action)):
        args = tuple(done[a] for a in node.args)
        other = change(node, args)
        if other is None:
            other = node if args == node.args else rebuild(node, args)
        done[node] = other
    updates = {name: done[e] for name, e in action.updates.items()}
    if updates_only or action.result is None:
        return _remade(action, action.guard if updates_only else done[action.guard],
                       updates, action.result)  # fmt: skip
    return _remade(action, done[action.guard], updates, done[action.result])


def _remade(
    action: Action, guard: Expr, updates: Mapping[str, Expr], result: Expr | None
) -> Action:
    """The action with another body; its obligations are `_guarded`'s."""
    kept = {n: e for n, e in updates.items() if not (e.op == "var" and e.data[0] == n)}
    return replace(action, guard=guard, updates=kept, result=result)


def _guarded(action: Action) -> Action:
    """What made the old body defined says nothing of the new one, so that is
    asked again; asserts stay."""
    guard, result = action.guard, action.result
    body = [*action.updates.values(), *(() if result is None else (result,))]
    inside = and_(*(defined(e) for e in body))
    message = "an index leaves its domain"
    due = (
        Obligation("index", defined(guard), message, action.span, early=True),
        Obligation("index", implies(guard, inside), message, action.span),
    )
    asserts = (o for o in action.obligations if o.kind == "assert")
    return replace(
        action, obligations=(*asserts, *(o for o in due if not _true(o)))
    )


def _true(obligation: Obligation) -> bool:
    return obligation.formula.is_const and bool(obligation.formula.data)


# --- what is known of the original ----------------------------------------


@dataclass(frozen=True)
class Original:
    """A spec on the design as it is: what came out, and the states that were
    visited (one of each orbit), nearest first."""

    task: Task
    asked: tuple[Property, ...]
    outcome: Outcome
    symmetry: Symmetry
    states: tuple[State, ...]


def look(task: Task, states: int, report: Reporter) -> Original:
    """The original's verdicts and states, within ``states`` of them."""
    everything = (*task.resolved.properties, *task.resolved.obligations)
    asked = tuple(p for p in everything if p.kind is not Kind.LEADS_TO)
    system = task.compiled.system
    outcome = explicit(system, asked, Budget(states=states), report)
    if outcome.defects:
        raise Mistake(
            outcome.defects[0].obligation.span if outcome.defects[0].obligation
            else None,
            f"{task.spec.file}: the model itself is wrong "
            f"({outcome.defects[0].message}): poolproof check says where",
        )  # fmt: skip
    symmetry = find_symmetry(system, asked)
    canonical = canonical_under(system, symmetry)
    found = dict.fromkeys(canonical(s) for s in initial_states(system))
    frontier = list(found)
    steps = [lower.successors(system, a) for a in system.actions]
    while frontier and len(found) < states:
        nxt: list[State] = []
        for state in frontier:
            for successors in steps:
                for _, after, _, _ in successors(state):
                    form = canonical(after)
                    if form not in found:
                        found[form] = None
                        nxt.append(form)
            if len(found) >= states:
                break
        frontier = nxt
    return Original(task, asked, outcome, symmetry, tuple(found))


# --- one mutant -----------------------------------------------------------


class Fate(Enum):
    """What became of a mutant."""

    KILLED = "killed"
    SURVIVED = "survived"
    UNDECIDED = "undecided"
    SAME = "same"
    """No step differs in any state that was visited."""


@dataclass(frozen=True)
class Mutant:
    """A change, and the systems in which it can be made: (which original,
    the changed action)."""

    action: str
    span: Span | None
    kind: str
    what: str
    places: tuple[tuple[int, Action], ...]


@dataclass(frozen=True)
class Result:
    """A mutant's fate; ``by`` is the spec and the property that killed it."""

    mutant: Mutant
    fate: Fate
    by: str = ""


def mutants(originals: Sequence[Original]) -> tuple[Mutant, ...]:
    """The same change in several systems is one mutant."""
    places: dict[tuple[str, str, str, int], list[tuple[int, Action]]] = {}
    first: dict[tuple[str, str, str, int], Change] = {}
    for number, original in enumerate(originals):
        nth: Counter[tuple[str, str, str]] = Counter()
        for action in original.task.compiled.system.actions:
            for change in changes(action):
                name = (action.name, change.kind, re.sub(r"\b\d+\b", "#", change.what))
                key = (*name, nth[name])
                nth[name] += 1
                places.setdefault(key, []).append((number, change.action))
                first.setdefault(key, change)
    return tuple(
        Mutant(key[0], c.action.span, c.kind, c.what, tuple(places[key]))
        for key, c in first.items()
    )


def judge(mutant: Mutant, originals: Sequence[Original], states: int) -> Result:
    """Every spec in turn, until one kills the mutant."""
    fate = Fate.SAME
    for number, changed_action in mutant.places:
        original, action = originals[number], _guarded(changed_action)
        system = original.task.compiled.system
        changed = replace(system, actions=tuple(
            action if a.name == action.name else a for a in system.actions
        ))  # fmt: skip
        if not _differs(original, changed, action):
            continue
        limit = Budget(states=3 * len(original.states) + 1000)
        outcome = explicit(changed, original.asked, limit, Silent())
        by = killer(original, outcome)
        if by:
            return Result(mutant, Fate.KILLED, f"{original.task.spec.file}: {by}")
        stopped = original.outcome.statistics.complete and (
            not outcome.statistics.complete
        )
        if stopped:
            fate = Fate.UNDECIDED
        elif fate is Fate.SAME:
            fate = Fate.SURVIVED
    return Result(mutant, fate)


def _differs(original: Original, changed: TransitionSystem, action: Action) -> bool:
    """Whether some step differs in a state that the original visits."""
    system = original.task.compiled.system
    before = lower.successors(system, system.action_by_name[action.name])
    after = lower.successors(changed, action)
    if any(before(s) != after(s) for s in original.states):
        return True
    # one state stands for its orbit only where the mutant is as symmetric
    return find_symmetry(changed, original.asked) != original.symmetry


def killer(original: Original, outcome: Outcome) -> str:
    """The property that comes out otherwise, or what breaks; or ''. What a
    run out of budget leaves open kills nothing."""
    if outcome.defects:
        return f"the model breaks: {outcome.defects[0].message}"
    for p in original.asked:
        was, covered = _depths(original.outcome, p.name)
        now, seen = _depths(outcome, p.name)
        if was == now:
            continue
        if now is not None and (was is None or now < was):
            if now <= covered:
                return p.name
        elif was is not None and was <= seen:
            return p.name
    return ""


def _depths(outcome: Outcome, name: str) -> tuple[int | None, float]:
    """(steps to the violation or witness, steps within which all is known)."""
    verdict = outcome.verdicts[name]
    if isinstance(verdict, Violated):
        return len(verdict.trace), float("inf")
    if outcome.statistics.complete:
        return None, float("inf")
    return None, getattr(verdict, "depth", 0)


# --- the campaign ---------------------------------------------------------


@dataclass
class Campaign:
    """All that was tried. ``total`` counts the mutants there are, ``chosen``
    those that were to be tried; ``stopped`` says why it ended early."""

    design: str
    specs: tuple[str, ...]
    total: int
    chosen: int
    seed: int
    states: int
    incomplete: tuple[str, ...] = ()
    results: list[Result] = field(default_factory=list)
    stopped: str = ""

    def of(self, fate: Fate) -> list[Result]:
        found = [r for r in self.results if r.fate is fate]
        return sorted(found, key=lambda r: (_place(r.mutant), r.mutant.what))

    @property
    def score(self) -> float | None:
        """Killed among those that change a step; undecided ones count as
        not killed."""
        counted = len(self.results) - len(self.of(Fate.SAME))
        return len(self.of(Fate.KILLED)) / counted if counted else None


def _place(mutant: Mutant) -> tuple[str, int]:
    return (mutant.span.file, mutant.span.line) if mutant.span else ("", 0)


def campaign(
    specs: Sequence[Spec],
    request: Request,
    *,
    sample: int | None,
    seed: int,
    states: int,
    seconds: float | None,
    report: Reporter,
    interrupted: Callable[[], bool] = lambda: False,
) -> Campaign:
    """Tries the mutants of one design in an order that ``seed`` decides: what
    a budget lets through is a sample. Ctrl-C ends it with what is known."""
    over = Budget(seconds=seconds).clock()
    tasks = [t for s in specs for t in prepare(s, request)]
    originals: list[Original] = []
    late: list[str] = []
    for task in tasks:
        if over():
            late.append(task.spec.file)
        else:
            originals.append(look(task, states, report))
    originals.sort(key=lambda o: o.outcome.statistics.transitions)
    everything = list(mutants(originals))
    random.Random(seed).shuffle(everything)
    chosen = everything if sample is None else everything[:sample]
    done = Campaign(
        tasks[0].known.name if tasks else "",
        tuple(dict.fromkeys(t.spec.file for t in tasks)),
        len(everything), len(chosen), seed, states,
        tuple(dict.fromkeys(o.task.spec.file for o in originals
                            if not o.outcome.statistics.complete)),
    )  # fmt: skip
    if late:
        done.stopped = f"the time budget of {seconds:g} s, before {', '.join(late)}"
        return done
    begin = time.monotonic()
    try:
        for number, mutant in enumerate(chosen):
            if interrupted():
                raise KeyboardInterrupt
            if over():
                done.stopped = f"the time budget of {seconds:g} s"
                break
            done.results.append(judge(mutant, originals, states))
            report.progress(
                mutants=number + 1, of=len(chosen),
                killed=sum(r.fate is Fate.KILLED for r in done.results),
                seconds=time.monotonic() - begin,
            )  # fmt: skip
    except KeyboardInterrupt:
        done.stopped = "interrupted"
    return done


# --- what it says ---------------------------------------------------------

_KINDS = {
    "guard": "guards dropped", "if": "ifs negated", "update": "updates dropped",
    "amount": "amounts changed by one", "comparison": "<= and < exchanged",
}  # fmt: skip


def mutation_report(done: Campaign) -> list[str]:
    """The score and the survivors, each with its place."""
    told = f"{done.design}: {count(done.total, 'mutant')}"
    if done.chosen < done.total or done.stopped:
        told += f", of which {len(done.results)} were tried (seed {done.seed})"
    lines = wrapped(told, "", "    ")
    if done.stopped:
        lines += wrapped(f"ended by: {done.stopped}", "  ", "    ")
    lines += wrapped(f"specs: {', '.join(done.specs)}", "  ", "    ")
    if done.incomplete:
        lines += wrapped(
            f"not all states (the first {done.states:,}) of: "
            + ", ".join(done.incomplete), "  ", "    ",
        )  # fmt: skip
    rows = []
    for kind, text in _KINDS.items():
        mine = [r.fate for r in done.results if r.mutant.kind == kind]
        rows.append((text, *(str(mine.count(f)) for f in Fate)))
    fates = [r.fate for r in done.results]
    rows.append(("all", *(str(fates.count(f)) for f in Fate)))
    lines += ["", *table(("", *(f.value for f in Fate)), rows), ""]
    lines += wrapped(
        "same: no step differs in any state visited. undecided: the mutant's "
        "states are more than three times the original's.", "  ", "  ",
    )  # fmt: skip
    score = done.score
    if score is None:
        return [*lines, "", "no score: no mutant changes a step"]
    killed, counted = len(done.of(Fate.KILLED)), len(fates) - fates.count(Fate.SAME)
    lines += ["", f"score: {killed} of {counted} killed, {100 * score:.0f} %"]
    for fate in (Fate.SURVIVED, Fate.UNDECIDED):
        found = done.of(fate)
        if found:
            lines += ["", f"{fate.value}:"]
        for r in found:
            m = r.mutant
            where = f"{m.span.file}:{m.span.line}: " if m.span else ""
            lines += wrapped(f"{where}{m.action}", "  ", "    ")
            lines += wrapped(_shortened(m.what), "      ", "        ")
    return lines


def _shortened(text: str) -> str:
    return text if len(text) <= 180 else f"{text[:140]} ... {text[-35:]}"


def mutation_json(done: Campaign) -> dict[str, Any]:
    """The same for programs; texts in full."""
    fates = [r.fate for r in done.results]
    return {
        "design": done.design,
        "specs": list(done.specs),
        "incomplete": list(done.incomplete),
        "mutants": done.total,
        "tried": len(done.results),
        "seed": done.seed,
        "states": done.states,
        "stopped": done.stopped,
        "score": None if done.score is None else round(done.score, 4),
        **{f.value: fates.count(f) for f in Fate},
        "results": [
            {
                "file": r.mutant.span.file if r.mutant.span else "",
                "line": r.mutant.span.line if r.mutant.span else 0,
                "action": r.mutant.action,
                "kind": r.mutant.kind,
                "what": r.mutant.what,
                "fate": f.value,
                "by": r.by,
            }
            for f in Fate
            for r in done.of(f)
        ],
    }
