# SPDX-License-Identifier: GPL-2.0-only
"""Stored traces: their paths and their replays."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

from poolproof.checker.core.compiled import Compiled
from poolproof.checker.core.diagnostic import UserError, has_no
from poolproof.checker.core.property import Property
from poolproof.checker.core.source import shown_path
from poolproof.checker.core.system import Span
from poolproof.checker.core.verdict import Defect
from poolproof.checker.driver.designs import ROOT, DesignRef, one_design
from poolproof.checker.driver.task import Task
from poolproof.checker.evidence.replay import (
    NotReproduced,
    Replay,
    confirm,
    confirm_deadlock,
    confirm_defect,
    show_result,
)
from poolproof.checker.evidence.trace_file import Heading, TraceFile, bind, load
from poolproof.checker.frontend.design import compile_design
from poolproof.checker.spec import parse, resolve
from poolproof.model.language import declared, outside

STORE = "counterexamples"
"""The folder of the shipped traces."""


def trace_name(task: Task, prop: str) -> str:
    """Return the path of a property's trace: DESIGN/SPEC.PROPERTY.trace."""
    return f"{task.known.name}/{Path(task.spec.file).stem}.{prop}.trace"


def stored_trace(task: Task, prop: str) -> str | None:
    """Return the path of a property's shipped trace as a user would type it."""
    path = ROOT / STORE / trace_name(task, prop)
    return shown_path(str(path)) if path.is_file() else None


def find_trace(path: str) -> str:
    """Return the path of a trace: that of a shipped one if ``path`` is below STORE and
    there is no such file here."""
    shipped = ROOT / path
    if Path(path).parts[:1] != (STORE,) or Path(path).exists():
        return path
    return shown_path(str(shipped)) if shipped.is_file() else path


@dataclass(frozen=True)
class Replayed:
    """A trace file that shows what it says; ``heading`` has the title and the
    source that the spec has now."""

    heading: Heading
    compiled: Compiled
    prop: Property | None
    replay: Replay


def replay_file(path: str) -> Replayed:
    """Replay a stored trace. Raise UserError for a file that is none, and
    NotReproduced if it is no run (any more), or shows something else."""
    file = load(path)
    heading = file.heading
    known = _design(file, path)
    compiled = _compiled(file, known)
    trace = bind(file, compiled)
    prop = None
    match heading.shows:
        case "defect":
            replayed = confirm_defect(compiled, Defect(heading.title, trace))
        case "deadlock":
            replayed = confirm_deadlock(compiled, trace)
        case _:
            prop = _property(file, compiled, path)
            heading = _as_now(heading, prop)
            replayed = confirm(compiled, prop, trace, heading.shortest)
    _check_results(file, compiled, replayed)
    return Replayed(heading, compiled, prop, replayed)


def _design(file: TraceFile, path: str) -> DesignRef:
    place, _, name = file.heading.design.rpartition(":")
    reference = file.heading.design
    if place.endswith(".py"):
        reference = f"{_located(place, path)}:{name}"
    try:
        return one_design(reference)
    except UserError as e:
        raise e if e.span else UserError(file.at.get("design"), e.message) from None


def _located(place: str, trace: str) -> str:
    """A file that a trace names: from here, or from a folder above it."""
    for folder in (Path(), *Path(trace).resolve().parents, ROOT):
        if (folder / place).is_file():
            return str(folder / place)
    return place


def _compiled(file: TraceFile, known: DesignRef) -> Compiled:
    heading = file.heading
    bounds, features = declared(known.cls)
    for key, given, there in (
        ("bounds", tuple(heading.bounds), tuple(bounds)),
        ("without", heading.without, tuple(features)),
        ("with", heading.having, tuple(features)),
    ):
        for name in given:
            if name not in there:
                what = "bound" if key == "bounds" else "feature"
                message = has_no(known.name, what, name, sorted(there))
                raise UserError(file.at.get(key), message)
    for name, value in heading.bounds.items():
        if reason := outside(known.cls, bounds[name], value):
            raise UserError(file.at.get("bounds"), f"{name}={value}: {reason}")
    return compile_design(known.cls, heading.bounds, heading.without, heading.having)


def _property(file: TraceFile, compiled: Compiled, path: str) -> Property:
    heading = file.heading
    where = _located(heading.spec, path)
    if not Path(where).is_file():
        raise UserError(file.at.get("spec"), f"there is no file {heading.spec}")
    resolved = resolve(parse(where), compiled)
    for prop in resolved.properties:
        if prop.name == heading.property:
            return prop
    span: Span | None = file.at.get("property")
    reason = resolved.missing.get(heading.property)
    if reason is not None:
        raise UserError(span, f"{heading.property} does not apply: {reason}")
    names = tuple(p.name for p in resolved.properties)
    raise UserError(span, has_no(heading.spec, "property", heading.property, names))


def _as_now(heading: Heading, prop: Property) -> Heading:
    """Return the heading with the title and the source that the spec has now;
    those of the file are for its reader."""
    title, source = (" ".join(text.split()) for text in (prop.title, prop.source))
    return replace(
        heading, title=title or heading.title, source=source or heading.source
    )


def _check_results(file: TraceFile, compiled: Compiled, replayed: Replay) -> None:
    for call, taken in zip(file.calls, replayed.taken, strict=False):
        action = compiled.system.action_by_name[taken.step.action]
        if call.result is None or action.result is None:
            continue
        result = show_result(action, taken.result)
        if call.result.text != result:
            raise NotReproduced(
                f"{call.result.span}: {action.name} returns {result} here, "
                f"not {call.result.text}"
            )
