# SPDX-License-Identifier: GPL-2.0-only
"""Runs in the Informal Trace Format of Apalache (ADR-015), which its viewer
and Quint's tools read."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from poolproof.checker.core.ir import (
    BOOL,
    EnumSort,
    ScalarSort,
    SetSort,
    Sort,
    TableSort,
    show_raw,
)
from poolproof.checker.core.system import State, TransitionSystem, Variable
from poolproof.checker.evidence.replay import Replay, ReplayedStep
from poolproof.checker.evidence.trace_file import Heading

_SAFE = 2**53
"""From here on JSON readers lose digits."""


def itf(heading: Heading, system: TransitionSystem, replayed: Replay) -> dict[str, Any]:
    """Return the run in Apalache's format. A block's variables are one record; the step
    that led to a state is named as Quint names it."""
    names = list(dict.fromkeys(v.name.partition(".")[0] for v in system.variables))
    about = heading.property or heading.shows
    found: dict[str, Any] = {
        "#meta": {
            "format": "ITF",
            "format-description": "https://apalache-mc.org/docs/adr/015adr-trace.html",
            "source": heading.design,
            "description": f"{about}: {heading.shows} after {heading.depth} steps",
        },
        "vars": [*names, "mbt::actionTaken", "mbt::nondetPicks"],
        "states": [
            _itf_state(system, k, state, replayed.taken[k - 1] if k else None)
            for k, state in enumerate(replayed.states)
        ],
    }
    if replayed.trace.loop is not None:
        found["loop"] = replayed.trace.loop
    return found


def _itf_state(
    system: TransitionSystem, number: int, state: State, taken: ReplayedStep | None
) -> dict[str, Any]:
    values: dict[str, Any] = {"#meta": {"index": number}}
    for v in system.variables:
        *blocks, name = v.name.split(".")
        record = values
        for block in blocks:
            record = record.setdefault(block, {})
        record[name] = _itf_variable(system, v, state)
    picks: Mapping[str, Any] = {}
    if taken is not None:
        picks = {
            p.name: _itf_value(p.domain.sort, raw)
            for p, raw in zip(
                system.action_by_name[taken.step.action].parameters,
                taken.step.arguments,
                strict=True,
            )
        }
    values["mbt::actionTaken"] = "init" if taken is None else taken.step.action
    values["mbt::nondetPicks"] = dict(picks)
    return values


def _itf_variable(system: TransitionSystem, v: Variable, state: State) -> Any:
    if not isinstance(v.sort, TableSort):
        return _itf_value(v.sort, state[system.cell_of[v.name, ()]])
    pairs = []
    for cell in system.cells:
        if cell.variable is v:
            key = [
                _itf_value(d.sort, i) for d, i in zip(v.index, cell.index, strict=True)
            ]
            raw = state[system.cell_of[v.name, cell.index]]
            pairs.append(
                [key[0] if len(key) == 1 else {"#tup": key}, _itf_value(v.element, raw)]
            )
    return {"#map": pairs}


def _itf_value(sort: Sort, raw: int) -> Any:
    match sort:
        case SetSort(domain=domain):
            members = (v for k, v in enumerate(domain) if raw >> k & 1)
            return {"#set": [_itf_value(domain.sort, v) for v in members]}
        case EnumSort() | ScalarSort():
            return show_raw(sort, raw)
        case _ if sort is BOOL:
            return bool(raw)
        case _:
            return raw if abs(raw) < _SAFE else {"#bigint": str(raw)}
